"""Operations with bodies as lists of operands and results that may get shorter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nervure.ir.attrs import Attrs, AttrValue
from nervure.ir.bodies import attrs_with_bodies, closed
from nervure.ir.build import apply_at, rebuild
from nervure.ir.graph import Graph, substitute
from nervure.ir.node import Node
from nervure.ir.record import is_record
from nervure.passes.rewriting import made
from nervure.prims.control import PART
from nervure.prims.scan import scan_of
from nervure.prims.while_loop import while_of


class Parts(NamedTuple):
    """What the operations with bodies have in common.

    Attributes
    ----------
    bodies
        The bodies with results: one, or the branches.
    condition
        The body that decides whether a while loop goes on.
    operands
        The operands that the bodies' inputs stand for.
    roles
        Where the kinds of operands begin and end: carried, constant, sliced.
    """

    bodies: tuple[Graph, ...]
    condition: Graph | None
    operands: tuple[Node, ...]
    roles: tuple[range, ...]

    @property
    def carried(self) -> range:
        """The places that are operand and result."""
        return self.roles[0]


def parts_of(node: Node) -> Parts:
    """Return the parts of an operation with bodies."""
    attrs: dict[str, Any] = node.attrs
    count = len(node.inputs)
    if node.op.name == "scan":
        scan = scan_of(node.attrs)
        roles = (
            range(scan.carry), range(scan.carry, scan.slices),
            range(scan.slices, count),
        )  # fmt: skip
        return Parts((scan.body,), None, node.inputs, roles)
    if node.op.name == "while_loop":
        loop = while_of(node.attrs)
        kinds = (range(loop.state), range(loop.state, count))
        return Parts((loop.body,), loop.condition, node.inputs, kinds)
    if node.op.name == "cond":
        count -= 1
        return Parts(attrs["branches"], None, node.inputs[1:], (range(0), range(count)))
    return Parts((attrs["body"],), None, node.inputs, (range(0), range(count)))


def with_parts(
    node: Node,
    operands: Sequence[int],
    results: Sequence[int],
    alias: Mapping[int, int],
) -> Node:
    """Return an operation with some of its operands and results.

    Parameters
    ----------
    node
        The operation.
    operands, results
        The places that stay, in increasing order; of those carried the same in both.
    alias
        Operands that are gone, because they equal the operand at another place.
    """
    parts = parts_of(node)

    def shorter(body: Graph, kept: Iterable[int]) -> Graph:
        inputs = body.inputs
        outputs: Sequence[Node] = [body.outputs[place] for place in kept]
        if alias:
            same = {inputs[old]: inputs[new] for old, new in alias.items()}
            outputs = substitute(outputs, same)
        return closed(outputs, [inputs[place] for place in operands])

    bodies = tuple(shorter(body, results) for body in parts.bodies)
    counts = [len([p for p in operands if p in role]) for role in parts.roles]
    changed: dict[str, AttrValue]
    if node.op.name == "scan":
        changed = {"body": bodies[0], "carry": counts[0], "consts": counts[1]}
    elif node.op.name == "while_loop":
        assert parts.condition is not None
        condition = shorter(parts.condition, [0])
        changed = {"body": bodies[0], "condition": condition, "state": counts[0]}
    elif node.op.name == "cond":
        changed = {"branches": bodies}
    else:
        changed = {"body": bodies[0]}
    first = node.inputs[: len(node.inputs) - len(parts.operands)]
    kept = tuple(parts.operands[place] for place in operands)
    attrs = Attrs({**node.attrs, **changed})
    return apply_at(node.site, node.op, (*first, *kept), attrs)


# Given an operation and the results that are read, the nodes that these become; None if
# nothing changes.
Narrow = Callable[[Node, Sequence[int]], Mapping[int, Node] | None]


class Narrowing:
    """Rebuilds a graph and its bodies; what has bodies is offered as a whole."""

    def __init__(self, narrow: Narrow) -> None:
        self._narrow = narrow

    def graph(self, graph: Graph) -> Graph:
        """Return the rebuilt graph; itself if nothing changes."""
        if not any(node.op.control is not None for node in graph.nodes):
            return graph
        done: dict[Node, Node] = {}
        results: dict[Node, Mapping[int, Node]] = {}
        for node in graph.nodes:
            if node.op is PART:
                index: Any = node.attrs["index"]
                done[node] = results[node.inputs[0]][index]
                continue
            inputs = tuple(done[one] for one in node.inputs)
            if not is_record(node.dtype):
                done[node] = node if inputs == node.inputs else rebuild(node, inputs)
                continue
            used = sorted(_index(user) for user in graph.users[node])
            attrs = attrs_with_bodies(node.attrs, self.graph)
            again = apply_at(node.site, node.op, inputs, attrs)
            results[node] = self.results(node, again, used)
            done[node] = again  # only its parts are read
        outputs = [done[one] for one in graph.outputs]
        return graph if outputs == list(graph.outputs) else Graph(outputs, graph.inputs)

    def results(
        self, _node: Node, again: Node, used: Sequence[int]
    ) -> Mapping[int, Node]:
        """Return what becomes of the results of an operation that are read."""
        narrowed = self._narrow(again, used)
        if narrowed is not None:
            return narrowed
        return {place: made(again, PART, again, index=place) for place in used}


def _index(node: Node) -> int:
    index: Any = node.attrs["index"]
    return int(index)
