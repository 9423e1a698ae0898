"""Rebuilding a graph node by node, its bodies too: what most passes are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nervure.ir.attrs import Attrs
from nervure.ir.bodies import attrs_with_bodies, bodies_of
from nervure.ir.build import apply_at, rebuild
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Primitive

# Given a node over new operands, what stands in its place; None if nothing does.
Replace = Callable[[Node], Node | None]


def made(like: Node, op: Primitive, *inputs: Node, **attrs: Any) -> Node:
    """Return a node that stands for ``like``: it is made where that one was made."""
    return apply_at(like.site, op, inputs, Attrs(attrs))


def rewritten(graph: Graph, replace: Replace) -> Graph:
    """Return the graph after a rule has been offered every node, operands first.

    What replaces a node is not offered again.  The graph itself is returned if nothing
    changes.  Bodies are rewritten in the same way; their nesting is limited.
    """
    return Rewriting(replace).graph(graph)


class Rewriting:
    """One run of a rule over a graph and the bodies within it."""

    def __init__(self, replace: Replace) -> None:
        self._replace = replace
        self._bodies: dict[Graph, Graph] = {}

    def graph(self, graph: Graph) -> Graph:
        """Return the rewritten graph; itself if nothing changes."""
        replace = self._replace
        changed: dict[Node, Node] = {}
        for node in graph.nodes:
            new = node
            inputs = node.inputs
            if changed and not changed.keys().isdisjoint(inputs):
                new = rebuild(node, tuple([changed.get(one, one) for one in inputs]))
            if node.op.control is not None:
                new = self._with_bodies(new)
            new = replace(new) or new
            if new is not node:
                changed[node] = new
        if not changed:
            return graph
        return Graph([changed.get(one, one) for one in graph.outputs], graph.inputs)

    def _with_bodies(self, node: Node) -> Node:
        """Return an operation whose bodies are rewritten."""
        if all(self._body(body) is body for _, body in bodies_of(node)):
            return node
        attrs = attrs_with_bodies(node.attrs, self._body)
        return apply_at(node.site, node.op, node.inputs, attrs)

    def _body(self, body: Graph) -> Graph:
        found = self._bodies.get(body)
        if found is None:
            found = self._bodies[body] = self.graph(body)
        return found
