"""Compiled fetches: one program for the shapes and types that are fed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from nervure.array import Array
from nervure.config import config
from nervure.errors import explain
from nervure.exec.base import Program, choose_executor
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph as IrGraph
from nervure.ir.node import Node
from nervure.prims.leaf import buffer_leaf, const, input_leaf
from nervure.tf1.emission import Context, HostValue, NeedsStatic, emit_all, needed
from nervure.tf1.errors import InvalidArgumentError
from nervure.tf1.graph import Operation
from nervure.tf1.tensor import Tensor

if TYPE_CHECKING:
    from nervure.tf1.variables import Variable

_MOST_STATIC_BYTES: Final = 4096
Signature = tuple[Any, ...]
# The settings on which a program depends, of those that this version has.
_SETTINGS: Final = [one for one in ("executor", "skip_passes") if one in dir(config)]


class _Fetched(NamedTuple):
    """Where the value of a fetch comes from: places among the program's outputs."""

    places: tuple[int, ...]
    build: Callable[..., Any] | None  # None: the array itself
    copy: bool  # the array is also a variable's, or what was fed


class CompiledRun:
    """A program for some fetches, with what goes in and comes out.

    Attributes
    ----------
    graph
        Nervure's graph.
    reads, written
        The variables whose values go in, and those whose values come out first.
    keys, flags
        Random operations that need a key, variables that are asked whether they have a
        value.
    """

    def __init__(
        self, context: Context, targets: Sequence[Any], feeds: Sequence[Node]
    ) -> None:
        self.written: list[Variable] = list(context.written)
        outputs: dict[Node, int] = {}

        def place(array: Array) -> int:
            return outputs.setdefault(array.node, len(outputs))

        # Two variables may get one value, so the places are kept as well.
        self._new = [place(context.current[one]) for one in self.written]
        shared = set(self._new)
        self._effects = [
            (tuple(place(array) for array in one.arrays), one.act)
            for one in context.effects
        ]
        self.fetched: list[_Fetched | None] = []
        for target in targets:
            if isinstance(target, Operation):
                self.fetched.append(None)
                continue
            value = context.env[target]
            if isinstance(value, HostValue):
                places = tuple(place(array) for array in value.arrays)
                self.fetched.append(_Fetched(places, value.build, False))
                continue
            at = place(value)
            passed_on = value.node.op.name in ("input", "const", "buffer")
            self.fetched.append(_Fetched((at,), None, passed_on or at in shared))
        alive = set(IrGraph(outputs).inputs)
        self.reads = [
            (one, node) for one, node in context.reads.items() if node in alive
        ]
        self.keys = [one for one, node in context.keys.items() if node in alive]
        self.flags = [one for one, node in context.flags.items() if node in alive]
        self.graph = IrGraph(
            list(outputs),
            [
                *(node for _, node in self.reads),
                *feeds,
                *(context.keys[one] for one in self.keys),
                *(context.flags[one] for one in self.flags),
            ],
        )
        self.variables = [variable for variable, _ in self.reads]
        self._program: Program | None = None
        self._owned = len(set(self._new)) == len(self._new) and all(
            node.op.name not in ("input", "const", "buffer")
            for node, at in outputs.items()
            if at in shared
        )

    def compile(self, *, once: bool) -> None:
        """Make the program; ``once`` says that a compilation would hardly pay."""
        if self.graph.outputs:
            executor = choose_executor(self.graph, implicit=once)
            self._program = executor.compile(self.graph)

    def __call__(
        self, inputs: Sequence[NDArray]
    ) -> tuple[list[Any], list[tuple[Variable, NDArray]]]:
        """Run; return the fetched values, and the new values of variables."""
        values = [] if self._program is None else self._program(inputs)
        for places, act in self._effects:
            act(*(values[at] for at in places))
        results: list[Any] = []
        for one in self.fetched:
            if one is None:
                results.append(None)
            elif one.build is not None:
                results.append(one.build(*(values[at] for at in one.places)))
            else:
                value = values[one.places[0]]
                if not value.ndim:
                    results.append(value[()])
                else:
                    results.append(value.copy() if one.copy else _writable(value))
        new = zip(self.written, [values[at] for at in self._new], strict=True)
        if self._owned:
            return results, list(new)
        return results, [(variable, np.array(value)) for variable, value in new]


def _writable(value: NDArray) -> NDArray:
    """Return an array that the user may change, as TensorFlow does."""
    return value if value.flags.writeable else value.copy()


class FetchPlan:
    """The programs of some fetches, one for each signature of what is fed.

    Attributes
    ----------
    compilations
        How many programs have been made.
    """

    def __init__(self, targets: Sequence[Tensor | Operation]) -> None:
        self.targets = list(targets)
        self.compilations = 0
        self._runs: dict[Signature, CompiledRun] = {}
        # Placeholders whose values are a part of the program, as shapes are.
        self._static: dict[Tensor, None] = {}
        # Running first values hardly ever happens twice.
        self._once = all(
            isinstance(one, Operation) and _only_initializes(one)
            for one in self.targets
        )

    def run_for(self, feeds: dict[Tensor, NDArray]) -> CompiledRun:
        """Return the program for these values, made at the first call."""
        signature = self._signature(feeds)
        found = self._runs.get(signature)
        if found is None:
            found = self._made(feeds)
            found.compile(once=self._once)
            self._runs[self._signature(feeds)] = found
            self.compilations += 1
        return found

    def _signature(self, feeds: dict[Tensor, NDArray]) -> Signature:
        static = tuple(feeds[one].tobytes() for one in self._static if one in feeds)
        # A NumPy data type takes long to hash, its character does not.
        return (
            *[getattr(config, one) for one in _SETTINGS],
            static,
            *[
                (one.serial, value.shape, value.dtype.char)
                for one, value in feeds.items()
            ],
        )

    def _made(self, feeds: dict[Tensor, NDArray]) -> CompiledRun:
        while True:
            try:
                return self._emitted(feeds)
            except NeedsStatic as wish:
                for tensor in wish.tensors:
                    if feeds[tensor].nbytes > _MOST_STATIC_BYTES:
                        raise InvalidArgumentError(
                            explain(
                                f"a shape depends on the value fed for {tensor.name}, "
                                "which is large",
                                fix="compute shapes from small placeholders",
                            )
                        ) from None
                    self._static[tensor] = None

    def _emitted(self, feeds: dict[Tensor, NDArray]) -> CompiledRun:
        context = Context()
        leaves: list[Node] = []
        for tensor, value in feeds.items():
            leaf = input_leaf(value.shape, value.dtype, tensor.op.name)
            leaves.append(leaf)
            if tensor in self._static:
                fixed = value.copy()
                fixed.flags.writeable = False
                node = const(fixed) if fixed.size < 64 else buffer_leaf(fixed)
                context.env[tensor] = Array.of_node(node)
            else:
                context.env[tensor] = Array.of_node(leaf)
                context.fed[leaf] = tensor
        start = [
            one if isinstance(one, Operation) else one.op
            for one in self.targets
            if one not in feeds
        ]
        emit_all(context, needed(start, feeds))
        return CompiledRun(context, self.targets, leaves)


def _only_initializes(operation: Operation) -> bool:
    """Tell whether an operation gives variables their first values, and no more."""
    if operation.type == "NoOp":
        return all(_only_initializes(one) for one in operation.control_inputs)
    variable = operation.attributes.get("variable")
    return variable is not None and getattr(variable, "initializer", None) is operation
