"""What a compiled graph does, before it is written as text: kernels in phases.

Kernels that do not depend on each other share a *phase*; the threads meet at a barrier
between phases.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from copy import copy
from dataclasses import replace

from nervure.config import config
from nervure.exec.cpu.blocks import lower_control
from nervure.exec.cpu.fusion import (
    LEAVES,
    Tasks,
    memory_root,
    needed_outside,
    plain_nodes,
    without_annotations,
)
from nervure.exec.cpu.kernel import KernelCall, Scratch, Slot
from nervure.exec.cpu.lowering import (
    lower_contraction,
    lower_copy,
    lower_group,
    lower_operation,
)
from nervure.exec.cpu.paddings import with_padding_inside
from nervure.exec.cpu.phases import Phases
from nervure.exec.cpu.points import with_products_of_points
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of, whole
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes import optimized, runnable
from nervure.passes.checkpoint import Region, regions


class Plan:
    """The kernels of a graph, in order and cut into phases.

    Attributes
    ----------
    graph
        What is computed; annotations are gone.
    calls
        The kernels in an order in which they can run.
    phases
        The same, cut where one thread needs what another has written.
    outputs
        For each output the slot that holds it: a leaf, or what a kernel writes.
    state
        For the first ``state_count`` inputs, the output's slot that replaces each in
        the next step of an iteration.
    in_place
        Those of ``state`` whose update is written over the old value; ``apart`` names
        those for which that is not wanted.
    varying
        The inputs that differ from step to step: those behind ``state_count`` and
        ``constant_count`` others.
    stacked
        In a body of a loop or branch, the outputs behind the state: each step writes an
        entry of an array.
    origins
        For each kernel, the nodes that it and the others of its task compute.
    checked
        Whether the kernels check every address; see ``checks/``.
    regions
        What the user wants to be computed again rather than kept.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        state_count: int = 0,
        constant_count: int = 0,
        *,
        body: bool = False,
        apart: Container[Node] = (),
    ) -> None:
        if not body:  # the passes have looked into bodies already
            graph = with_padding_inside(runnable(optimized(graph)))
            graph = with_products_of_points(graph)
        self.regions = _plain_regions(graph)
        graph = without_annotations(graph)
        self.graph = graph
        self.calls: list[KernelCall] = []
        self.origins: dict[KernelCall, tuple[Node, ...]] = {}
        self._target = target
        self.checked = target.check
        self._materialised: set[Node] = set()
        state = graph.inputs[:state_count]
        iterated = body or state_count > 0
        self.varying = graph.inputs[state_count + constant_count :] if iterated else ()
        updates = dict(zip(state, graph.outputs, strict=False))
        skipped = config.skip_passes
        together = () if "in_place" in skipped else state
        tasks = Tasks(
            graph,
            {old: updates[old] for old in together if old not in apart},
            fuse="fusion" not in skipped,
        )
        self.in_place = tasks.in_place
        self._over: dict[Slot, Slot] = {new: old for old, new in self.in_place.items()}
        self._lower(tasks)
        self.outputs = [self._output(node) for node in graph.outputs]
        if iterated:
            self._separate_outputs()
        self.stacked = self.outputs[state_count:] if iterated else []
        self.state = dict(zip(state, self.outputs, strict=False))
        self.phases = Phases(self.calls, self._over)

    def rescheduled(
        self,
        calls: Sequence[KernelCall],
        not_before: Mapping[KernelCall, int],
        origins: Mapping[KernelCall, tuple[Node, ...]],
    ) -> Plan:
        """Return a plan that runs these kernels, each not before its phase.

        They are those of this plan, some of them again for other instances; ``origins``
        are those of calls that are not of this plan.
        """
        plan = copy(self)
        plan.origins = {**self.origins, **origins}
        plan.calls = list(calls)
        plan.phases = Phases(plan.calls, self._over, not_before, self.phases.serial)
        return plan

    def part(
        self, calls: Sequence[KernelCall], outputs: Sequence[Slot] | None = None
    ) -> Plan:
        """Return a plan of some of the kernels, with other outputs if any are given."""
        plan = copy(self)
        plan.calls = list(calls)
        plan.outputs = self.outputs if outputs is None else list(outputs)
        plan.phases = Phases(plan.calls, self._over)
        return plan

    def _lower(self, tasks: Tasks) -> None:
        """Write the kernels of all tasks."""
        graph, target = self.graph, self._target
        position = {node: place for place, node in enumerate(graph.nodes)}
        results = {memory_root(output) for output in graph.outputs}
        over = {new: old for old, new in self.in_place.items()}
        notes: dict[Node, Scratch] = {}
        for gradient, maximum in tasks.noted_maxima(graph).items():
            notes[gradient] = notes.setdefault(maximum, Scratch(maximum.size))
        for task in tasks.order:
            nodes = sorted(task.nodes, key=position.__getitem__)
            known = len(self.calls)
            if task.elementwise:
                outputs = needed_outside(nodes, graph.users, results)
                self.calls += lower_group(nodes, outputs, target, over)
            elif task.epilogue:
                self.calls += lower_contraction(
                    nodes, graph.users, results, target, self._materialise, over, notes
                )
            elif nodes[-1].op.control is not None:
                self.calls += self._lower_control(nodes[-1])
            else:
                self.calls += lower_operation(nodes, target, self._materialise, notes)
            origin = tuple(nodes)
            for call in self.calls[known:]:
                self.origins.setdefault(call, origin)

    def _lower_control(self, node: Node) -> list[KernelCall]:
        """Write a loop or a choice, with a plan for each of its bodies."""
        operands: list[Node] = []
        for operand in node.inputs:
            if operand.size and view_of(operand) != whole(operand):
                self._materialise(operand, self._target)
            operands.append(operand)
        parts = {user.attrs["index"]: user for user in self.graph.users[node]}
        return [lower_control(node, operands, parts, self._target, Plan)]

    def _materialise(self, node: Node, target: Target) -> None:
        """Give a node that is only a view memory of its own."""
        if node not in self._materialised and node.op.name not in LEAVES:
            self._materialised.add(node)
            self._copy(lower_copy(node, target), node)

    def _copy(self, calls: Sequence[KernelCall], node: Node) -> None:
        """Add the kernels that write a view or a leaf out."""
        self.calls += calls
        self.origins.update(dict.fromkeys(calls, (node,)))

    def _output(self, node: Node) -> Slot:
        if node.size and view_of(node) != whole(node):
            self._materialise(node, self._target)
        return node

    def _separate_outputs(self) -> None:
        """Give every output of a step memory of its own, which the next step reads.

        State that is passed on or equal to other state has no kernel that writes it.
        """
        seen: set[Slot] = set()
        for place, node in enumerate(self.graph.outputs):
            if node in seen or node.op.name in LEAVES:
                copy = Scratch(node.nbytes)
                if node.size:
                    (call,) = lower_copy(node, self._target)
                    self._copy([replace(call, writes=(copy,))], node)
                self.outputs[place] = copy
            seen.add(node)


def _plain_regions(graph: Graph) -> list[Region]:
    """Return the regions of a graph as they are without annotations."""
    found = regions(graph)
    if not found:
        return found
    plain = plain_nodes(graph)
    return [
        Region(
            frozenset(plain[node] for node in one.inner),
            frozenset(plain[node] for node in one.arguments),
            plain[one.result],
        )
        for one in found
    ]
