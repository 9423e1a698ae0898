"""Graphs within graphs: the bodies of branches, loops and named calls.

A body is an ordinary :class:`~nervure.ir.graph.Graph` in an attribute of a node.  It is
*closed*: it reads its own inputs and constants and nothing else.  What a function
closes over is handed to it as an operand of the node, so no pass has to look into a
body to know what the node needs.

The inputs of bodies are leaves that are equal when their place and type are equal.
Nodes are interned, so two bodies that compute the same are the same nodes, and two
bodies over the same inputs can be merged by listing the outputs of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nervure.dtypes import DType
from nervure.errors import GraphError
from nervure.ir.attrs import Attrs, AttrValue
from nervure.ir.build import apply_at
from nervure.ir.graph import Graph, substitute
from nervure.ir.node import Node, Shape, Site
from nervure.ir.primitive import primitive_named

DEEPEST_BODY: Final = 16  # bodies within bodies; what walks into them may recurse
_NOWHERE: Final = Site("body", 0)


def body_input(place: int, shape: Shape, dtype: DType, name: str = "") -> Node:
    """Return the input number ``place`` of every body where it has this type."""
    attrs = Attrs(name=name, uid=place, body=True, shape=shape, dtype=dtype)
    return apply_at(_NOWHERE, primitive_named("input"), (), attrs)


def is_body_input(node: Node) -> bool:
    """Tell whether a node is an input of bodies."""
    return node.op.name == "input" and "body" in node.attrs


def closed(outputs: Sequence[Node], leaves: Sequence[Node]) -> Graph:
    """Return the body that computes ``outputs`` from ``leaves``, its inputs in order.

    The leaves may be any nodes, inputs of another body among them.  Raises
    :class:`GraphError` when the outputs need anything but these and constants.
    """
    inputs = [
        body_input(place, leaf.shape, leaf.dtype) for place, leaf in enumerate(leaves)
    ]
    body = Graph(substitute(outputs, dict(zip(leaves, inputs, strict=True))), inputs)
    check_closed(body)
    return body


def check_closed(body: Graph) -> None:
    """Raise :class:`GraphError` unless a graph may be the body of a node."""
    for place, node in enumerate(body.inputs):
        if not is_body_input(node) or node.attrs["uid"] != place:
            raise GraphError(f"{node!r} is not the input number {place} of a body")
    for node in body.nodes:
        if node.buffer is not None:
            raise GraphError(f"a body holds the data of {node.buffer!r}")
    if nesting(body) > DEEPEST_BODY:
        raise GraphError(f"bodies are nested deeper than {DEEPEST_BODY}")


def bodies_of(node: Node) -> list[tuple[str, Graph]]:
    """Return the bodies among a node's attributes, with their names.

    A tuple of bodies (the branches of ``cond``) is named by place: ``branches[0]``.
    """
    found: list[tuple[str, Graph]] = []
    for name, value in sorted(node.attrs.items(), key=lambda item: item[0]):
        if isinstance(value, Graph):
            found.append((name, value))
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            found += [
                (f"{name}[{place}]", one)
                for place, one in enumerate(value)
                if isinstance(one, Graph)
            ]
    return found


def nesting(graph: Graph) -> int:
    """Return how many bodies lie within each other, this graph included."""
    known: int | None = graph.__dict__.get("nesting")
    if known is None:
        inner = [
            nesting(body)
            for node in graph.nodes
            if node.attrs
            for _, body in bodies_of(node)
        ]
        known = graph.__dict__["nesting"] = 1 + max(inner, default=0)
    return known


def inlined(body: Graph, operands: Sequence[Node]) -> list[Node]:
    """Return the outputs of a body applied to operands, as ordinary nodes."""
    return substitute(body.outputs, dict(zip(body.inputs, operands, strict=True)))


def attrs_with_bodies(attrs: Attrs, change: Callable[[Graph], Graph]) -> Attrs:
    """Return attributes with every body replaced by what ``change`` makes of it."""

    def changed(value: AttrValue) -> AttrValue:
        if isinstance(value, Graph):
            return change(value)
        if isinstance(value, tuple) and value and isinstance(value[0], Graph):
            return tuple(map(changed, value))
        return value

    return Attrs({name: changed(value) for name, value in attrs.items()})
