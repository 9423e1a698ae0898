"""Running a graph by calling each primitive's NumPy definition in turn."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from nervure.errors import BudgetError, explain
from nervure.exec.base import NOTHING, SteppedProgram, check_inputs, check_step
from nervure.exec.budget import size_text
from nervure.exec.report import Report, Timings, node_report
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Node
from nervure.passes import optimized, runnable
from nervure.prims.leaf import input_leaf


class ReferenceProgram:
    """A graph as a list of instructions over numbered slots.

    A slot is emptied after its last use, so no more is kept alive than is needed.
    """

    on_device: ClassVar[bool] = False

    def __init__(self, graph: Graph) -> None:
        graph = runnable(optimized(graph))
        slot = {node: place for place, node in enumerate(graph.nodes)}
        for node in graph.inputs:  # inputs that no output uses need a place too
            slot.setdefault(node, len(slot))
        self._inputs = graph.inputs
        self._places = [slot[node] for node in graph.inputs]
        self._outputs = [slot[node] for node in graph.outputs]
        self._slots = len(slot)
        last_use: dict[Node, Node] = {}
        for node in graph.nodes:
            for operand in node.inputs:
                last_use[operand] = node
        dying: dict[Node, list[int]] = {}
        kept = set(graph.outputs)
        for operand, user in last_use.items():
            if operand not in kept:
                dying.setdefault(user, []).append(slot[operand])
        self._instructions = [
            (
                node,
                node.op.reference,
                slot[node],
                tuple(slot[operand] for operand in node.inputs),
                tuple(dying.get(node, ())),
            )
            for node in graph.nodes
            if node.op.name != "input"
        ]

    def __call__(self, inputs: Sequence[NDArray]) -> list[NDArray]:
        """Run the graph; see :class:`~nervure.exec.base.Program`."""
        values: list[NDArray | None] = [None] * self._slots
        check_inputs(self._inputs, inputs)
        for place, value in zip(self._places, inputs, strict=True):
            values[place] = value
        # Infinities and NaN are values here, as they are on every other executor.
        with np.errstate(all="ignore"):
            for node, rule, target, operands, dying in self._instructions:
                values[target] = rule(node, *[values[place] for place in operands])
                for place in dying:
                    values[place] = None
        return [np.asarray(values[place]) for place in self._outputs]


class ReferenceExecutor:
    """Runs graphs with NumPy; slow, simple, and right by definition."""

    name = "reference"
    on_device: ClassVar[bool] = False

    def compile(self, graph: Graph, settled: range = NOTHING) -> ReferenceProgram:
        """Prepare a graph; nothing is compiled."""
        del settled
        return ReferenceProgram(graph)

    def report(
        self,
        graph: Graph,
        state_count: int | None = None,
        constant_count: int = 0,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Report:
        """Say which values live when; there is no arena, so a budget is an error."""
        del offload
        _no_budget(memory_budget)
        return node_report(optimized(graph), self.name, state_count, constant_count)

    def profile(
        self,
        graph: Graph,
        inputs: Sequence[NDArray],
        state_count: int | None = None,
        constant_count: int = 0,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> Timings:
        """Time the NumPy definition of every node, in one run."""
        del state_count, constant_count, memory_budget, offload
        graph = optimized(graph)
        values = dict(zip(graph.inputs, inputs, strict=True))
        seconds: list[tuple[float]] = []
        begin = time.perf_counter()
        with np.errstate(all="ignore"):
            for node in graph.nodes:
                if node.op.name == "input":
                    continue
                operands = [values[operand] for operand in node.inputs]
                start = time.perf_counter()
                values[node] = node.op.reference(node, *operands)
                seconds.append((time.perf_counter() - start,))
        return Timings(time.perf_counter() - begin, tuple(seconds), 1)

    def evaluate(
        self, outputs: Sequence[Node], known: Mapping[Node, NDArray]
    ) -> list[NDArray]:
        """Interpret the nodes between ``known`` and ``outputs``, once."""
        order = topological(outputs, stop=known.keys())
        if any(node.op.control is not None for node in order):
            return self._evaluate_compiled(outputs, known)
        uses = Counter(operand for node in order for operand in node.inputs)
        uses.update(outputs)
        values: dict[Node, NDArray] = {}
        with np.errstate(all="ignore"):
            for node in order:
                if node in known:
                    values[node] = known[node]
                    continue
                operands = [values[operand] for operand in node.inputs]
                values[node] = node.op.reference(node, *operands)
                for operand in node.inputs:
                    uses[operand] -= 1
                    if not uses[operand]:
                        del values[operand]
        return [np.asarray(values[node]) for node in outputs]

    def _evaluate_compiled(
        self, outputs: Sequence[Node], known: Mapping[Node, NDArray]
    ) -> list[NDArray]:
        """Evaluate by way of a program: loops are worth simplifying first."""
        leaves = {node: input_leaf(node.shape, node.dtype, "value") for node in known}
        graph = Graph(substitute(outputs, leaves), leaves.values())
        return self.compile(graph)(list(known.values()))

    def compile_step(
        self,
        graph: Graph,
        state_count: int,
        constant_count: int,
        *,
        memory_budget: int | None = None,
        offload: bool = False,
    ) -> SteppedProgram:
        """Prepare one step of an iteration; it keeps to no budget, so that is an error.

        ``offload`` changes nothing: every value is dropped after its last use.
        """
        check_step(graph, state_count, constant_count)
        _no_budget(memory_budget)
        return SteppedProgram(self.compile(graph))


def _no_budget(memory_budget: int | None) -> None:
    """Raise :class:`BudgetError` if there is a budget."""
    if memory_budget is not None:
        raise BudgetError(
            explain(
                "the reference executor does not plan memory, so it cannot keep to "
                f"a budget of {size_text(memory_budget)}",
                fix="leave out memory_budget, or choose the cpu executor",
            )
        )
