"""Common subexpressions: what is computed twice is computed once.

Within one graph there are none: nodes are interned, so equal operations on equal
operands are one node before any pass runs (:func:`check_unique` says so).  What is left
lies in bodies: two loops over the same operands, and values that a body is given, or
carries, twice.  Before::

    graph (%0: int8[] "h") {
      %1: (int8[], int8[]) = scan(%0, %0) {body = graph (%0: int8[] "", %1: int8[] "") {
        %2: int8[] = add(%0, %0)
        %3: int8[] = add(%1, %1)
        return %2, %3
      }, carry = 2, consts = 0, length = 5, reverse = false}
      %2: int8[] = part(%1) {index = 0}
      %3: int8[] = part(%1) {index = 1}
      return %2, %3
    }

and after::

    graph (%0: int8[] "h") {
      %1: (int8[],) = scan(%0) {body = graph (%0: int8[] "") {
        %1: int8[] = add(%0, %0)
        return %1
      }, carry = 1, consts = 0, length = 5, reverse = false}
      %2: int8[] = part(%1) {index = 0}
      return %2, %2
    }

A gradient saves the values that it needs of a loop in a scan of its own, so the forward
loop would run twice without this pass.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from nervure.errors import GraphError
from nervure.ir.attrs import Attrs
from nervure.ir.build import apply_at
from nervure.ir.graph import Graph, substitute
from nervure.ir.node import Node, key_of
from nervure.passes.change import Note, Pass
from nervure.passes.loops import Narrowing, Parts, parts_of, with_parts
from nervure.passes.rewriting import made
from nervure.prims.control import PART
from nervure.prims.scan import SCAN, scan_of


def _merged(graph: Graph, note: Note) -> Graph:
    graph = _LoopsAlike(note).graph(graph)

    def narrow(node: Node, used: Sequence[int]) -> Mapping[int, Node] | None:
        parts = parts_of(node)
        alias = _equal_operands(parts)
        first = _equal_results(parts, alias)
        if not alias and not first:
            return None
        operands = [p for p in range(len(parts.operands)) if p not in alias]
        count = len(parts.bodies[0].outputs)
        results = [place for place in range(count) if place not in first]
        shorter = with_parts(node, operands, results, alias)
        note(
            "equal operands and results",
            node,
            (shorter,),
            f"{len(alias)} operands and {len(first)} results are others again.",
        )
        return {
            place: made(
                node, PART, shorter, index=results.index(first.get(place, place))
            )
            for place in used
        }

    return Narrowing(narrow).graph(graph)


def _equal_operands(parts: Parts) -> dict[int, int]:
    """Return which operands equal an earlier one in the same role: place -> place.

    Two values that are carried are equal if they begin as one and, as long as they are
    equal, stay so.
    """
    alias: dict[int, int] = {}
    for role in parts.roles:
        first: dict[Node, int] = {}
        for place in role:
            found = first.setdefault(parts.operands[place], place)
            if found != place:
                alias[place] = found
    if not any(place in parts.carried for place in alias):
        return alias
    (body,) = parts.bodies
    while True:
        outputs = _outputs_if(body, alias)
        wrong = [
            place
            for place, other in alias.items()
            if place in parts.carried and outputs[place] is not outputs[other]
        ]
        if not wrong:
            return alias
        for place in wrong:
            del alias[place]


def _outputs_if(body: Graph, alias: Mapping[int, int]) -> list[Node]:
    """Return the outputs of a body in which some inputs are others."""
    if not alias:
        return list(body.outputs)
    same = {body.inputs[old]: body.inputs[new] for old, new in alias.items()}
    return substitute(body.outputs, same)


def _equal_results(parts: Parts, alias: Mapping[int, int]) -> dict[int, int]:
    """Return which results equal an earlier one: place -> place.

    What is carried and what is stacked are of different shapes, so a result is compared
    with those of its kind only.
    """
    outputs = [_outputs_if(body, alias) for body in parts.bodies]
    first: dict[Hashable, int] = {}
    found = {place: other for place, other in alias.items() if place in parts.carried}
    for place in range(len(parts.carried), len(outputs[0])):
        column = tuple(one[place] for one in outputs)
        other = first.setdefault(column, place)
        if other != place:
            found[place] = other
    return found


class _LoopsAlike(Narrowing):
    """Makes one scan of those over the same operands that carry the same."""

    def __init__(self, note: Note) -> None:
        super().__init__(lambda _node, _used: None)
        self._note = note
        self._alike: dict[Hashable, list[Node]] = {}
        self._places: dict[Node, list[int]] = {}

    def graph(self, graph: Graph) -> Graph:
        """Return the graph with its loops merged."""
        outer = self._alike, self._places
        self._alike, self._places = {}, {}
        for node in graph.nodes:
            if node.op is SCAN:
                self._alike.setdefault(_kind_of(node), []).append(node)
                self._places[node] = [
                    index
                    for user in graph.users[node]
                    if isinstance(index := user.attrs["index"], int)
                ]
        result = super().graph(graph)
        self._alike, self._places = outer
        return result

    def results(
        self, node: Node, again: Node, used: Sequence[int]
    ) -> Mapping[int, Node]:
        """Return the parts of the one scan that an operation has become."""
        members = self._alike.get(_kind_of(node), []) if node.op is SCAN else []
        if len(members) < 2:
            return super().results(node, again, used)
        return self._parts_of_one(members, node, again, used)

    def _parts_of_one(
        self, members: Sequence[Node], node: Node, again: Node, used: Sequence[int]
    ) -> Mapping[int, Node]:
        carry = scan_of(node.attrs).carry
        stacked: dict[Node, int] = {}
        for member in members:
            outputs = scan_of(member.attrs).body.outputs
            for place in self._places[member]:
                if place >= carry:
                    stacked.setdefault(outputs[place], carry + len(stacked))
        body = scan_of(members[0].attrs).body
        union = Graph([*body.outputs[:carry], *stacked], body.inputs)
        attrs: Any = {**members[0].attrs, "body": self.graph(union)}
        one = apply_at(members[0].site, SCAN, again.inputs, Attrs(attrs))
        if node is not members[0]:
            why = "Both run over the same operands and carry the same."
            self._note("loops alike", node, (one,), why)
        outputs = scan_of(node.attrs).body.outputs
        return {
            place: made(
                node, PART, one,
                index=place if place < carry else stacked[outputs[place]],
            )
            for place in used
        }  # fmt: skip


def _kind_of(node: Node) -> Hashable:
    """Return what scans that can be one have in common."""
    one = scan_of(node.attrs)
    carried = one.body.outputs[: one.carry]
    return node.inputs, one.body.inputs, carried, one[1:]


def check_unique(graph: Graph) -> None:
    """Raise :class:`GraphError` if two nodes of a graph are the same operation.

    There are none as long as nodes are made by ``ir/build.py`` alone.
    """
    seen: dict[Hashable, Node] = {}
    for node in graph.nodes:
        other = seen.setdefault(key_of(node.op, node.inputs, node.attrs), node)
        if other is not node:
            raise GraphError(f"{node!r} and {other!r} are the same operation")


MERGE: Final = Pass("merge", "What is computed twice is computed once.", _merged)
