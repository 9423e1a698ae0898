"""Layout: movements between operations go into the operations, or are not needed.

Where elementwise operations lie between a movement and its opposite, they are computed
where the elements lie, and both movements disappear.  A ``dot`` reads transposed
operands along other axes.  Before::

    graph (%0: float32[128] "x", %1: float32[10, 128] "w") {
      %2: float32[128, 1] = reshape(%0) {shape = (128, 1)}
      %3: float32[128, 1] = sqrt(%2)
      %4: float32[128, 1] = tanh(%3)
      %5: float32[128] = reshape(%4) {shape = (128,)}
      %6: float32[128, 10] = transpose(%1) {axes = (1, 0)}
      %7: float32[10] = dot(%5, %6) {batch = ((), ()), contract = ((0,), (0,))}
      return %7
    }

and after::

    graph (%0: float32[128] "x", %1: float32[10, 128] "w") {
      %2: float32[128] = sqrt(%0)
      %3: float32[128] = tanh(%2)
      %4: float32[10] = dot(%3, %1) {batch = ((), ()), contract = ((0,), (1,))}
      return %4
    }

Values of one shape can be computed in one loop, so there are fewer loops.  A
convolution has no such attributes: its images are channels-last.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, NamedTuple

from nervure.ir.attrs import Attrs
from nervure.ir.build import apply_at, rebuild
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.passes.change import Note, Pass
from nervure.passes.rewriting import Rewriting, made
from nervure.passes.rules import filled, uniform
from nervure.prims.contract import DOT, dot_axes, free_axes
from nervure.prims.movement import RESHAPE, TRANSPOSE

_MOVEMENTS: Final = (RESHAPE, TRANSPOSE)


def _laid_out(graph: Graph, note: Note) -> Graph:
    return _Layout(note).graph(graph)


class _Layout(Rewriting):
    """Moves dots' transposes into them, then takes away what is undone."""

    def __init__(self, note: Note) -> None:
        super().__init__(self._dot)
        self._note = note

    def graph(self, graph: Graph) -> Graph:
        """Return the graph with fewer movements; itself if nothing changes."""
        graph = super().graph(graph)
        moved: dict[Node, Node] = {}
        failed: dict[Hashable, set[Node]] = {}
        for node in graph.nodes:
            if node.op in _MOVEMENTS and node not in moved:
                seen = failed.setdefault((node.op, node.attrs), set())
                region = _region_above(node, graph, seen)
                if region is not None:
                    self._compute_in_place(region, moved)
        if not moved:
            return graph
        return _with(graph, moved)

    def _dot(self, node: Node) -> Node | None:
        """Return a dot that reads its operands before they are transposed."""
        if node.op is not DOT:
            return None
        batch, contract = dot_axes(node.attrs)
        inputs, batches, contracts = [], [], []
        for position, operand in enumerate(node.inputs):
            axes: Any = operand.attrs["axes"] if operand.op is TRANSPOSE else None
            mine, summed = batch[position], contract[position]
            if axes is not None:
                free = free_axes(len(axes), mine, summed)
                order = [axes[axis] for axis in free]
                if order == sorted(order):
                    operand = operand.inputs[0]
                    mine = tuple(axes[axis] for axis in mine)
                    summed = tuple(axes[axis] for axis in summed)
            inputs.append(operand)
            batches.append(mine)
            contracts.append(summed)
        if tuple(inputs) == node.inputs:
            return None
        result = made(
            node, DOT, *inputs, batch=tuple(batches), contract=tuple(contracts)
        )
        why = "A dot may read its operands along any axes."
        self._note("transpose before a dot", node, (result,), why)
        return result

    def _compute_in_place(self, region: _Region, moved: dict[Node, Node]) -> None:
        """Compute a region in the shape of what it reads."""
        inside: dict[Node, Node] = {}
        for node in region.nodes:
            inputs = []
            for operand in node.inputs:
                number = uniform(operand)
                if operand in inside:
                    inputs.append(inside[operand])
                elif number is not None:
                    inputs.append(filled(region.like, number))
                else:
                    inputs.append(operand.inputs[0])  # a movement, as was found
            attrs = Attrs(node.attrs)
            inside[node] = apply_at(node.site, node.op, tuple(inputs), attrs)
        for last in region.ends:
            result = moved[last] = inside[last.inputs[0]]
            why = "What is computed between the movements is elementwise."
            self._note("movement that is undone", last, (result,), why)


class _Region(NamedTuple):
    """Elementwise nodes between movements, operands first.

    ``ends`` are the movements that read them, ``like`` is what a movement before them
    reads: a value of the shape that all of it may have.
    """

    nodes: list[Node]
    ends: list[Node]
    like: Node


def _region_above(end: Node, graph: Graph, failed: set[Node]) -> _Region | None:
    """Return the elementwise nodes that only movements like ``end`` surround.

    None if there are none, or if anything else reads or feeds them; ``failed`` are the
    nodes of which that is known.
    """
    (first,) = end.inputs
    if not _is_elementwise(first) or first in failed:
        return None
    nodes: dict[Node, None] = {first: None}
    ends: dict[Node, None] = {}
    like: Node | None = None
    for node in (pending := [first]):  # which grows meanwhile
        beside: list[Node] = []
        for operand in node.inputs:
            if _is_elementwise(operand):
                beside.append(operand)
            elif _undoes(operand, end):
                like = operand.inputs[0]
            elif uniform(operand) is None:
                failed.update(nodes)
                return None
        for user in graph.users[node]:
            if _is_elementwise(user):
                beside.append(user)
            elif _is_alike(user, end):
                ends[user] = None
            else:
                failed.update(nodes)
                return None
        if not failed.isdisjoint(beside):
            failed.update(nodes)
            return None
        pending += [one for one in dict.fromkeys(beside) if one not in nodes]
        nodes.update(dict.fromkeys(beside))
    if like is None or not nodes.keys().isdisjoint(graph.outputs):
        failed.update(nodes)
        return None
    return _Region(sorted(nodes, key=lambda node: node.depth), list(ends), like)


def _is_elementwise(node: Node) -> bool:
    return node.op.fusion is Fusion.ELEMENTWISE and node.op.name != "random_bits"


def _is_alike(node: Node, end: Node) -> bool:
    """Tell whether a node is a movement like another one."""
    return node.op is end.op and node.attrs == end.attrs


def _undoes(before: Node, end: Node) -> bool:
    """Tell whether two movements one after the other move nothing."""
    if before.op is not end.op:
        return False
    if end.op is RESHAPE:
        return before.inputs[0].shape == end.shape
    one: Any = before.attrs["axes"]
    other: Any = end.attrs["axes"]
    return [one[axis] for axis in other] == list(range(len(one)))


def _with(graph: Graph, moved: dict[Node, Node]) -> Graph:
    """Return the graph with some nodes replaced, which may read each other."""
    done: dict[Node, Node] = {}
    pending: list[tuple[Node, bool]] = [(one, False) for one in graph.outputs[::-1]]
    while pending:
        node, ready = pending.pop()
        if node in done:
            continue
        new = moved.get(node, node)
        if not ready:
            pending.append((node, True))
            needed = (new,) if new is not node else new.inputs
            pending.extend((one, False) for one in needed if one not in done)
            continue
        if new is not node:
            done[node] = done[new]
            continue
        inputs = tuple([done[one] for one in node.inputs])
        done[node] = node if inputs == node.inputs else rebuild(node, inputs)
    return Graph([done[one] for one in graph.outputs], graph.inputs)


LAYOUT: Final = Pass(
    "layout",
    "Movements go into operations, or are not needed around them.",
    _laid_out,
)
