"""Capture: a Python function becomes a graph once for each signature, and runs as one.

:func:`compile` captures any function of arrays.  :class:`Step` captures one step of a
training loop, whose results all go into cells, and runs many steps in one call.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nervure import tree
from nervure.array import Array
from nervure.config import config
from nervure.dtypes import DType
from nervure.errors import TraceError, explain, require_function
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
from nervure.recompiles import (
    RecompileLog,
)
from nervure.signatures import Signature, StepSignature, step_signature, types_text
from nervure.state import Cell, tracing_cells

if TYPE_CHECKING:
    from nervure.program.program import Options
    from nervure.program.program import Program as InspectedProgram


class Trace(NamedTuple):
    """A captured function.

    The graph's inputs are the cells that are written, the cells that are only read, and
    the arguments; its outputs are the new values of the written cells, then results.
    """

    graph: Graph
    written: tuple[Cell, ...]
    only_read: tuple[Cell, ...]
    structure: tree.Structure

    @property
    def settled(self) -> range:
        """The places of the inputs that no call changes: cells that are only read."""
        first = len(self.written)
        return range(first, first + len(self.only_read))


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
            explain(
                f"a compiled function closes over {free[0]!r}, an argument of another "
                "function that is being traced; pass it as an argument",
                fix="pass it as an argument of the compiled function",
            )
        )
    return Trace(Graph(outputs, inputs), written, only_read, structure)


class _Type(NamedTuple):
    """What a stand-in for an array is made of."""

    shape: Shape
    dtype: DType


def _batched_leaves(
    args: Sequence[Any], static: dict[int, Any], batched: int | Sequence[int]
) -> set[int]:
    """Return the numbers of the arrays that lie in some positional arguments."""
    wanted = {batched} if isinstance(batched, int) else set(batched)
    wanted = {place % len(args) for place in wanted} if args else set()
    found: set[int] = set()
    count = 0
    for place, argument in enumerate(args):
        if place not in static:
            size = tree.flatten(argument)[1].leaf_count
            if place in wanted:
                found.update(range(count, count + size))
            count += size
    return found


class _CallOrigin:
    """One result of a compiled call, for building its graph when gradients ask."""

    def __init__(self, trace: Trace, inputs: Sequence[Array], place: int) -> None:
        self._trace = trace
        # Aliases: the user may set elements of his arrays in the meantime.
        self._inputs = [array.alias() for array in inputs]
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
        require_function("compile", function)
        functools.update_wrapper(self, function)
        self._function = function
        self._static = static_argnums
        self._settings = dict(settings or {})
        self._programs: dict[Signature, tuple[Trace, Program]] = {}
        name = getattr(function, "__qualname__", repr(function))
        self.recompiles = RecompileLog(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled function."""
        arrays, structure, static = self._arrays(args, kwargs)
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
            warn_about_depth([array.result for array in outputs])
        count = len(trace_.written)
        for cell, array in zip(trace_.written, outputs[:count], strict=True):
            cell.value = array
        return tree.unflatten(trace_.structure, outputs[count:])

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Return the captured graph for these arguments, without running it."""
        arrays, structure, static = self._arrays(args, kwargs)
        return self._program(arrays, structure, static)[0].graph

    def program(
        self,
        *args: Any,
        batched: int | Sequence[int] = (),
        memory_budget: int | float | str | None = None,
        offload: bool = False,
        skip: str | Collection[str] = (),
        **kwargs: Any,
    ) -> InspectedProgram:
        """Return the program for these arguments, to look into; nothing is run.

        Parameters
        ----------
        args, kwargs
            What the function would be called with.
        batched
            The positional arguments whose arrays have the batch as their first axis;
            :meth:`Program.largest_batch` changes it.
        memory_budget
            The bytes of the executor's arena at most, as a number or ``"200 MB"``.
        offload
            Whether values may leave the memory that is budgeted.
        skip
            Names of passes to leave out.

        Raises
        ------
        BudgetError
            For a budget that is too small, with the smallest one.
        ArgumentError, SettingError
            For a budget that is no size, and for a pass that does not exist.

        >>> import nervure as nv
        >>> double = nv.compile(lambda x: x + x)
        >>> program = double.program(nv.ones((4, 2)), batched=0)
        >>> len(program.optimized)
        1
        """
        from nervure.program import program as inspected

        arrays, structure, static = self._arrays(args, kwargs)
        captured = self._capture(arrays, structure, static)
        places = _batched_leaves(args, dict(static), batched)

        def inputs() -> list[NDArray]:
            cells = (*captured.written, *captured.only_read)
            return [one.numpy() for one in (*(cell.value for cell in cells), *arrays)]

        def of_batch(rows: int) -> tuple[Graph, None]:
            types = [
                _Type(
                    (rows, *one.shape[1:]) if place in places else one.shape, one.dtype
                )
                for place, one in enumerate(arrays)
            ]
            return self._capture(types, structure, static).graph, None

        with config.override(**self._settings):
            return inspected.Program(
                captured.graph,
                name=self.recompiles.name,
                executor=choose_executor(captured.graph).name,
                inputs=inputs,
                options=inspected.Options.checked(memory_budget, offload, skip),
                of_batch=of_batch if places else None,
            )

    def _arrays(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Array], tree.Structure, tuple[Any, ...]]:
        """Return arguments as arrays, their structure, and those that stay as given."""
        dynamic, static = self._split(args)
        leaves, structure = tree.flatten((dynamic, kwargs))
        arrays = [
            leaf if isinstance(leaf, Array) else Array.of_node(as_node(leaf))
            for leaf in leaves
        ]
        return arrays, structure, static

    def compiled(self, *args: Any) -> tuple[Trace, Program]:
        """Return what was captured for these arguments, and its compiled program."""
        dynamic, static = self._split(args)
        leaves, structure = tree.flatten((dynamic, {}))
        return self._program(leaves, structure, static)

    def _names(self, structure: tree.Structure, static: tuple[Any, ...]) -> list[str]:
        """Return what each array is called: the argument that it is, or is part of."""
        try:
            parameters = list(inspect.signature(self._function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        skipped = {place for place, _ in static}
        placed, named = structure.children
        places = (n for n in itertools.count() if n not in skipped)
        parts: list[tuple[str, tree.Structure]] = []
        for place, part in zip(places, placed.children, strict=False):
            known = place < len(parameters) and (
                parameters[place].kind is not inspect.Parameter.VAR_POSITIONAL
            )
            name = repr(parameters[place].name) if known else str(place)
            parts.append((name, part))
        parts += [
            (repr(key), part)
            for key, part in zip(named.keys, named.children, strict=True)
        ]
        return [
            f"argument {name}" + (f", leaf {leaf}" if part.leaf_count > 1 else "")
            for name, part in parts
            for leaf in range(part.leaf_count)
        ]

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
        signature = Signature(
            execution_key(), config.skip_passes, structure, types, static
        )
        found = self._programs.get(signature)
        if found is None:
            captured = self._capture(arrays, structure, static)
            executor = choose_executor(captured.graph)
            found = captured, executor.compile(captured.graph, captured.settled)
            self._programs[signature] = found
            self.recompiles.compiled(
                signature, types_text(types), self._names(structure, static)
            )
        return found

    def _capture(
        self,
        arrays: Sequence[Array | _Type],
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


class Step:
    """One step of an iteration, captured; everything it produces goes into cells.

    Parameters
    ----------
    function
        Called while tracing as ``function(constants, varying)`` with two lists of
        arrays: those that stay the same for all steps, and this step's.
    name
        What the step is called in messages.
    memory_budget, offload
        See :meth:`nervure.exec.base.Executor.compile_step`.
    settings
        Arguments of ``config.override`` that hold while the step is compiled.

    A step for a batch of another size is another program, made once and kept.
    """

    def __init__(
        self,
        function: Callable[[list[Array], list[Array]], None],
        name: str = "step",
        *,
        memory_budget: int | None = None,
        offload: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._function = function
        self._settings = dict(settings or {})
        self._memory_budget = memory_budget
        self._offload = offload
        self._programs: dict[StepSignature, tuple[Trace, StepProgram]] = {}
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
        return self.trace(constants, varying).graph

    def trace(self, constants: Sequence[NDArray], varying: Sequence[NDArray]) -> Trace:
        """Return what was captured for data of these types, without running it."""
        return self._program(constants, varying)[0]

    def program(
        self,
        constants: Sequence[NDArray],
        varying: Sequence[NDArray],
        options: Options,
        of_rows: Callable[[int], tuple[Sequence[NDArray], Sequence[NDArray]]],
    ) -> InspectedProgram:
        """Return the program of one step, to look into; nothing is run.

        ``of_rows`` gives constants and varying values for a batch of so many rows.
        """
        from nervure.program import program as inspected

        captured = self._capture(step_signature(constants, varying))

        def inputs() -> list[NDArray]:
            cells = (*captured.written, *captured.only_read)
            state = [cell.stored.numpy() for cell in cells]
            return [*state, *constants, *(values[0] for values in varying)]

        def counts(one: Trace) -> inspected.Step:
            moving = len(one.only_read) + len(constants)
            return inspected.Step(len(one.written), moving)

        def of_batch(rows: int) -> tuple[Graph, inspected.Step]:
            again = self._capture(step_signature(*of_rows(rows)))
            return again.graph, counts(again)

        with config.override(**self._settings):
            return inspected.Program(
                captured.graph,
                name=self.recompiles.name,
                executor=choose_executor(captured.graph).name,
                inputs=inputs,
                step=counts(captured),
                options=options,
                of_batch=of_batch,
            )

    def _program(
        self, constants: Sequence[NDArray], varying: Sequence[NDArray]
    ) -> tuple[Trace, StepProgram]:
        with config.override(**self._settings):
            return self._program_here(constants, varying)

    def _program_here(
        self, constants: Sequence[NDArray], varying: Sequence[NDArray]
    ) -> tuple[Trace, StepProgram]:
        signature = step_signature(constants, varying)
        found = self._programs.get(signature)
        if found is None:
            captured = self._capture(signature)
            executor = choose_executor(captured.graph)
            program = executor.compile_step(
                captured.graph,
                len(captured.written),
                len(captured.only_read) + len(constants),
                memory_budget=self._memory_budget,
                offload=self._offload,
            )
            found = self._programs[signature] = captured, program
            types = (*signature.constants, *signature.varying)
            self.recompiles.compiled(signature, types_text(types))
        return found

    def _capture(self, signature: StepSignature) -> Trace:
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
            raise TraceError(
                explain(
                    "a step returns nothing: its results belong into cells",
                    fix="write results into cells, and let the function return None",
                )
            )
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
