"""What each node of a training step is for: going forward, backward, or updating.

The nodes that were made while differentiating say so (``Site.gradient``): they go
*backward*.  What depends on them and is no gradient itself is an *update*, of weights
or of what the optimizer keeps.  All others go *forward*; so does everything in a graph
that nobody differentiated.

What a gradient needs is no update.  So whatever is no gradient itself but needed by one
goes forward with all its operands, though they be gradients: those of a loss that holds
a derivative, or nodes that a pass has found in both directions.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from nervure.ir.graph import Graph
from nervure.ir.node import Node


class Role(enum.IntEnum):
    """What a node is for; the numbers are the order in a step."""

    FORWARD = 0
    BACKWARD = 1
    UPDATE = 2

    @property
    def text(self) -> str:
        """The name in lower case."""
        return self.name.lower()


def roles(graph: Graph) -> dict[Node, Role]:
    """Return the role of every node of a graph.

    >>> import nervure as nv
    >>> x = nv.parameter([1.0, 2.0])
    >>> (g,) = nv.gradients(nv.sum(x * x), [x])
    >>> found = roles(nv.graph(x - 0.1 * g))
    >>> [found[node].text for node in found if node.op.name in ("add", "sub")]
    ['backward', 'update']
    """
    forward = _needed_forward(graph)
    found: dict[Node, Role] = {}
    for node in graph.nodes:
        if node in forward:
            found[node] = Role.FORWARD
        elif node.site.gradient:
            found[node] = Role.BACKWARD
        else:
            below = max((found[one] for one in node.inputs), default=Role.FORWARD)
            found[node] = Role.FORWARD if below is Role.FORWARD else Role.UPDATE
    for node in graph.inputs:  # those that no output needs
        found.setdefault(node, Role.FORWARD)
    return found


def _needed_forward(graph: Graph) -> set[Node]:
    """Return what gradients need and is none itself, with all that it needs."""
    below_gradient: set[Node] = set()
    forward: set[Node] = set()
    for node in reversed(graph.nodes):  # users come first
        if node in below_gradient and not node.site.gradient:
            forward.add(node)
        if node in forward:
            forward.update(node.inputs)
        if node.site.gradient or node in below_gradient:
            below_gradient.update(node.inputs)
    return forward


def latest(nodes: Iterable[Node], known: dict[Node, Role]) -> Role:
    """Return the role of nodes that are computed together: that of the last."""
    return max((known[node] for node in nodes if node in known), default=Role.FORWARD)
