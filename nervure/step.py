"""Capture: a Python function becomes a graph once for each signature, and runs as one.

:func:`compile` captures any function of arrays.  :class:`Step` captures one step of a
training loop, whose results all go into cells, and runs many steps in one call.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure import tree
from nervure.array import Array
from nervure.config import config
from nervure.dtypes import DType
from nervure.errors import TraceError
from nervure.evaluation import warn_about_depth
from nervure.exec.base import (
    Program,
    StepProgram,
    choose_executor,
    computing_where,
    execution_key,
)
from nervure.ir.attrs import DeviceValue, NDArray
from nervure.ir.graph import Graph, substitute
from nervure.ir.node import PARAMETRIC, TRACED, Node, Shape
from nervure.ops.operands import as_node
from nervure.prims.leaf import input_leaf
from nervure.state import Cell, tracing_cells

logger = logging.getLogger("nervure")


class Trace(NamedTuple):
    """A captured function.

    The graph's inputs are the cells that are written, the cells that are only read, and
    the arguments; its outputs are the new values of the written cells, then results.
    """

    graph: Graph
    written: tuple[Cell, ...]
    only_read: tuple[Cell, ...]
    structure: tree.Structure


def trace(function: Callable[..., Any], leaves: Sequence[Node], args: Any) -> Trace:
    """Call ``function(*args)`` for its graph; ``args`` are made of ``leaves``."""
    with tracing_cells() as cells:
        result = function(*args)
        results, structure = tree.flatten(result)
        nodes = [as_node(one) for one in results]
    written = tuple(cells.written)
    only_read = tuple(cell for cell in cells.leaves if cell not in cells.written)
    inputs = [*(cells.leaves[cell] for cell in (*written, *only_read)), *leaves]
    outputs = [*(cells.current[cell].node for cell in written), *nodes]
    # A function made inside another traced function may close over its arguments.
    listed = set(inputs)
    free = [node for node in Graph(outputs).inputs if node not in listed]
    if free:
        raise TraceError(
            f"a compiled function closes over {free[0]!r}, an argument of another "
            "function that is being traced; pass it as an argument"
        )
    return Trace(Graph(outputs, inputs), written, only_read, structure)


class _Signature(NamedTuple):
    """What a compiled program depends on besides the function."""

    executor: str
    structure: tree.Structure
    types: tuple[tuple[Shape, DType], ...]
    static: tuple[Any, ...]

    def difference(self, other: _Signature) -> str:
        """Say why a program for ``other`` does not serve, in words."""
        if self.executor != other.executor:
            return f"the executor changed from {other.executor} to {self.executor}"
        if self.static != other.static:
            return f"static arguments changed from {other.static} to {self.static}"
        if self.structure != other.structure:
            return f"arguments changed from {other.structure} to {self.structure}"
        for place, (mine, theirs) in enumerate(
            zip(self.types, other.types, strict=True)
        ):
            if mine != theirs:
                return (
                    f"array {place} changed from {theirs[1].name}{list(theirs[0])} to "
                    f"{mine[1].name}{list(mine[0])}"
                )
        return "nothing changed"


class RecompileLog:
    """Why a function was compiled again, each cause once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.causes: list[str] = []
        self._last: Any = None

    def compiled(self, signature: Any) -> None:
        """Note that a program was made for ``signature``."""
        if self._last is not None:
            cause = f"{self.name} compiled again: {signature.difference(self._last)}"
            if cause not in self.causes:
                self.causes.append(cause)
                logger.info(cause)
                if config.debug >= 1:
                    print(f"nervure: {cause}")
        self._last = signature


class _CallOrigin:
    """One result of a compiled call, for building its graph when gradients ask."""

    def __init__(self, trace: Trace, inputs: Sequence[Array], place: int) -> None:
        self._trace = trace
        self._inputs = inputs
        self._place = place
        below = max((array.depth for array in inputs), default=0)
        self.depth = below + trace.graph.outputs[place].depth

    def node(self) -> Node:
        """Build the node that computes the value."""
        return _inline(self._trace, self._inputs)[self._place]


def _inline(trace: Trace, inputs: Sequence[Array]) -> list[Node]:
    """Return the outputs of a captured function applied to arrays."""
    nodes = [array.node for array in inputs]
    replacement = dict(zip(trace.graph.inputs, nodes, strict=True))
    return substitute(trace.graph.outputs, replacement)


class CompiledFunction:
    """A function that is captured as a graph once for each signature; see `compile`.

    ``settings`` are arguments of ``config.override`` that hold while it is compiled.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: tuple[int, ...] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._static = static_argnums
        self._settings = dict(settings or {})
        self._programs: dict[_Signature, tuple[Trace, Program]] = {}
        name = getattr(function, "__qualname__", repr(function))
        self.recompiles = RecompileLog(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled function."""
        dynamic, static = self._split(args)
        leaves, structure = tree.flatten((dynamic, kwargs))
        arrays = [
            leaf if isinstance(leaf, Array) else Array.of_node(as_node(leaf))
            for leaf in leaves
        ]
        with computing_where(array.held for array in arrays):
            trace_, program = self._program(arrays, structure, static)
        cells = (*trace_.written, *trace_.only_read)
        inputs = [*(cell.value for cell in cells), *arrays]
        tracking = max((array.tracking for array in inputs), default=0)
        if tracking == TRACED:
            outputs = [Array.of_node(node) for node in _inline(trace_, inputs)]
        else:
            values = program(_given(program, inputs))
            outputs = [
                Array.of_value(
                    _read_only(value),
                    _CallOrigin(trace_, inputs, place)
                    if tracking == PARAMETRIC
                    else None,
                )
                for place, value in enumerate(values)
            ]
            warn_about_depth(outputs)
        count = len(trace_.written)
        for cell, array in zip(trace_.written, outputs[:count], strict=True):
            cell.value = array
        return tree.unflatten(trace_.structure, outputs[count:])

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Return the captured graph for these arguments, without running it."""
        dynamic, static = self._split(args)
        leaves, structure = tree.flatten((dynamic, kwargs))
        arrays = [
            leaf if isinstance(leaf, Array) else Array.of_node(as_node(leaf))
            for leaf in leaves
        ]
        return self._program(arrays, structure, static)[0].graph

    def program(self, *args: Any) -> tuple[Trace, Program]:
        """Return what was captured for these arguments, and its program."""
        dynamic, static = self._split(args)
        leaves, structure = tree.flatten((dynamic, {}))
        return self._program(leaves, structure, static)

    def _split(self, args: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...]]:
        places = {place % len(args) for place in self._static} if args else set()
        dynamic = [one for place, one in enumerate(args) if place not in places]
        static = tuple((place, args[place]) for place in sorted(places))
        return dynamic, static

    def _program(
        self,
        arrays: Sequence[Array],
        structure: tree.Structure,
        static: tuple[Any, ...],
    ) -> tuple[Trace, Program]:
        if self._settings:
            with config.override(**self._settings):
                return self._program_here(arrays, structure, static)
        return self._program_here(arrays, structure, static)

    def _program_here(
        self,
        arrays: Sequence[Array],
        structure: tree.Structure,
        static: tuple[Any, ...],
    ) -> tuple[Trace, Program]:
        types = tuple((array.shape, array.dtype) for array in arrays)
        signature = _Signature(execution_key(), structure, types, static)
        found = self._programs.get(signature)
        if found is None:
            captured = self._capture(arrays, structure, static)
            executor = choose_executor(captured.graph)
            found = captured, executor.compile(captured.graph)
            self._programs[signature] = found
            self.recompiles.compiled(signature)
        return found

    def _capture(
        self,
        arrays: Sequence[Array],
        structure: tree.Structure,
        static: tuple[Any, ...],
    ) -> Trace:
        leaves = [
            input_leaf(array.shape, array.dtype, f"argument {place}")
            for place, array in enumerate(arrays)
        ]
        dynamic, kwargs = tree.unflatten(
            structure, [Array.of_node(leaf) for leaf in leaves]
        )
        args = list(dynamic)
        for place, value in static:
            args.insert(place, value)
        return trace(lambda: self._function(*args, **kwargs), leaves, ())


def compile(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
) -> Any:
    """Compile a function of arrays: traced once for each signature, then run as one.

    Parameters
    ----------
    function
        Takes and returns trees of arrays.  Python's control flow may depend on shapes
        and static arguments, not on values, which do not exist while tracing.
    static_argnums
        Positional arguments that are not arrays (must be hashable); another value
        means another program.

    Returns
    -------
    A :class:`CompiledFunction` with the same arguments.  Its ``graph(*args)`` shows the
    captured graph, ``recompiles.causes`` why it was compiled more than once.

    Raises
    ------
    TraceError
        When the function asks for a value while it is traced.

    >>> import nervure as nv
    >>> @nv.compile
    ... def norm(x):
    ...     return nv.sqrt(nv.sum(x * x))
    >>> norm(nv.asarray([3.0, 4.0])).item()
    5.0
    """
    places = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    if function is None:
        return lambda decorated: CompiledFunction(decorated, tuple(places))
    return CompiledFunction(function, tuple(places))


class _StepSignature(NamedTuple):
    """The types that a step's program depends on."""

    executor: str
    constants: tuple[tuple[Shape, DType], ...]
    varying: tuple[tuple[Shape, DType], ...]

    def difference(self, other: _StepSignature) -> str:
        """Say why a program for ``other`` does not serve, in words."""
        for mine, theirs, what in (
            (self.constants, other.constants, "data"),
            (self.varying, other.varying, "batch"),
        ):
            if mine != theirs:
                return f"the {what} changed from {_types(theirs)} to {_types(mine)}"
        return f"the executor changed from {other.executor} to {self.executor}"


def _types(types: Sequence[tuple[Shape, DType]]) -> str:
    return ", ".join(f"{dtype.name}{list(shape)}" for shape, dtype in types)


class Step:
    """One step of an iteration, captured; everything it produces goes into cells.

    Parameters
    ----------
    function
        Called while tracing as ``function(constants, varying)`` with two lists of
        arrays: those that stay the same for all steps, and this step's.
    name
        What the step is called in messages.
    settings
        Arguments of ``config.override`` that hold while the step is compiled.

    A step for a batch of another size is another program, made once and kept.
    """

    def __init__(
        self,
        function: Callable[[list[Array], list[Array]], None],
        name: str = "step",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._function = function
        self._settings = dict(settings or {})
        self._programs: dict[_StepSignature, tuple[Trace, StepProgram]] = {}
        self.recompiles = RecompileLog(name)

    def run(self, constants: Sequence[NDArray], varying: Sequence[NDArray]) -> None:
        """Run one step for each entry along the first axis of ``varying``.

        All cells that the step reads and writes hold their new values afterwards.
        """
        captured, program = self._program(constants, varying)
        state = _given(program, [cell.replaced for cell in captured.written])
        read = _given(program, [cell.replaced for cell in captured.only_read])
        fixed = [*read, *constants]
        result = program.run(state, fixed, varying)
        for cell, value in zip(captured.written, result, strict=True):
            cell.store(Array.of_value(_read_only(value)))

    def graph(self, constants: Sequence[NDArray], varying: Sequence[NDArray]) -> Graph:
        """Return the captured graph of one step, without running it."""
        return self._program(constants, varying)[0].graph

    def _program(
        self, constants: Sequence[NDArray], varying: Sequence[NDArray]
    ) -> tuple[Trace, StepProgram]:
        with config.override(**self._settings):
            return self._program_here(constants, varying)

    def _program_here(
        self, constants: Sequence[NDArray], varying: Sequence[NDArray]
    ) -> tuple[Trace, StepProgram]:
        signature = _StepSignature(
            execution_key(),
            tuple((value.shape, value.dtype) for value in constants),
            tuple((value.shape[1:], value.dtype) for value in varying),
        )
        found = self._programs.get(signature)
        if found is None:
            captured = self._capture(signature)
            executor = choose_executor(captured.graph)
            program = executor.compile_step(
                captured.graph,
                len(captured.written),
                len(captured.only_read) + len(constants),
            )
            found = self._programs[signature] = captured, program
            self.recompiles.compiled(signature)
        return found

    def _capture(self, signature: _StepSignature) -> Trace:
        def leaves(types: Sequence[tuple[Shape, DType]], role: str) -> list[Node]:
            return [
                input_leaf(shape, dtype, f"{role} {place}")
                for place, (shape, dtype) in enumerate(types)
            ]

        constants = leaves(signature.constants, "data")
        varying = leaves(signature.varying, "batch")
        arguments = (
            [Array.of_node(leaf) for leaf in constants],
            [Array.of_node(leaf) for leaf in varying],
        )
        captured = trace(self._function, [*constants, *varying], arguments)
        if captured.structure.leaf_count:
            raise TraceError("a step returns nothing: its results belong into cells")
        return captured


def _given(program: Program | StepProgram, arrays: Sequence[Array]) -> list[Any]:
    """Return values as a program takes them: in NumPy's memory, or where they are."""
    if program.on_device:
        return [array.computed() for array in arrays]
    return [array.numpy() for array in arrays]


def _read_only(value: NDArray | DeviceValue) -> NDArray | DeviceValue:
    """Return the value as an array that nobody can change through us."""
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = np.asarray(value).view()
        value.flags.writeable = False
    return value
