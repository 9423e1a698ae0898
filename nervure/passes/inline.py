"""What every executor wants of operations with bodies before it runs them.

* Calls are inlined.
* Scans over the same operands that carry the same are one scan with the stacks of all:
  a gradient saves the values it needs in a scan of its own, so the forward loop would
  run twice.  Stacks that nobody reads are dropped.
* A scan of no steps disappears.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from nervure.ir.attrs import AttrValue
from nervure.ir.bodies import inlined
from nervure.ir.build import apply, rebuild
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.record import is_record
from nervure.passes.change import Note, Pass
from nervure.prims.control import part
from nervure.prims.leaf import full_like
from nervure.prims.scan import Scan, scan, scan_of


def simplified_control(graph: Graph) -> Graph:
    """Return the graph with its bodies simplified; itself if it has none.

    Bodies within bodies are simplified as well; their nesting is limited.
    """
    if not any(node.op.control is not None for node in graph.nodes):
        return graph
    return _Simplifier(graph).graph()


class _Simplifier:
    """Rebuilds one graph, operands first."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._done: dict[Node, Node] = {}
        # for an operation with bodies: the nodes that its results become
        self._results: dict[Node, dict[int, Node]] = {}
        self._scans: dict[Hashable, list[Node]] = {}
        for node in graph.nodes:
            if node.op.name == "scan":
                self._scans.setdefault(_kind_of(node), []).append(node)

    def graph(self) -> Graph:
        """Return the simplified graph."""
        for node in self._graph.nodes:
            if node.op.name == "part":
                record = node.inputs[0]
                self._done[node] = self._results[record][_index(node)]
            elif is_record(node.dtype):
                if node not in self._results:
                    self._control(node)
            else:
                inputs = self._inputs(node)
                same = inputs == node.inputs
                self._done[node] = node if same else rebuild(node, inputs)
        outputs = [self._done[node] for node in self._graph.outputs]
        return Graph(outputs, self._graph.inputs)

    def _inputs(self, node: Node) -> tuple[Node, ...]:
        return tuple(self._done[operand] for operand in node.inputs)

    def _used(self, node: Node) -> list[int]:
        return [_index(user) for user in self._graph.users[node]]

    def _control(self, node: Node) -> None:
        if node.op.name == "call":
            body: Any = node.attrs["body"]
            found = inlined(simplified_control(body), self._inputs(node))
            self._results[node] = dict(enumerate(found))
        elif node.op.name == "scan":
            self._scan(self._scans[_kind_of(node)])
        else:
            attrs = {name: _simplified(value) for name, value in node.attrs.items()}
            again = apply(node.op, *self._inputs(node), **attrs)
            self._results[node] = {p: part(again, p) for p in self._used(node)}

    def _scan(self, members: list[Node]) -> None:
        """Write one scan for all of the members."""
        first = members[0]
        one = scan_of(first.attrs)
        operands = self._inputs(first)
        stacked: dict[Node, int] = {}
        for member in members:
            outputs = scan_of(member.attrs).body.outputs
            for place in self._used(member):
                if place >= one.carry:
                    stacked.setdefault(outputs[place], one.carry + len(stacked))
        body = Graph([*one.body.outputs[: one.carry], *stacked], one.body.inputs)
        again = scan(
            simplified_control(body), operands, one.carry, one.consts, one.length,
            one.reverse,
        )  # fmt: skip
        for member in members:
            outputs = scan_of(member.attrs).body.outputs
            self._results[member] = results = {}
            for place in self._used(member):
                if place >= one.carry:
                    results[place] = part(again, stacked[outputs[place]])
                else:
                    results[place] = part(again, place)
                if one.length == 0:
                    results[place] = _untouched(results[place], operands, one, place)


def _untouched(result: Node, operands: tuple[Node, ...], one: Scan, place: int) -> Node:
    """Return a result of no steps at all."""
    return operands[place] if place < one.carry else full_like(result, 0)


def _kind_of(node: Node) -> Hashable:
    """Return what scans that can be one have in common."""
    one = scan_of(node.attrs)
    carried = one.body.outputs[: one.carry]
    return node.inputs, one.body.inputs, carried, one[1:]


def _index(node: Node) -> int:
    index: Any = node.attrs["index"]
    return int(index)


def _simplified(value: AttrValue) -> AttrValue:
    if isinstance(value, Graph):
        return simplified_control(value)
    if isinstance(value, tuple):
        return tuple(map(_simplified, value))
    return value


def _rewrite(graph: Graph, note: Note) -> Graph:
    del note
    found = simplified_control(graph)
    return graph if found == graph else found


INLINE = Pass("inline", "Calls become the operations of their bodies.", _rewrite)
