"""What each node of a training step is for: going forward, backward, or updating.

The nodes that were made while differentiating say so (``Site.gradient``): they go
*backward*.  What depends on them and is no gradient itself is an *update*, of weights
or of what the optimizer keeps.  All others go *forward*; so does everything in a graph
that nobody differentiated.
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
    found: dict[Node, Role] = {}
    for node in graph.nodes:
        below = max((found[one] for one in node.inputs), default=Role.FORWARD)
        if node.site.gradient:
            found[node] = Role.BACKWARD
        elif below is Role.FORWARD:
            found[node] = Role.FORWARD
        else:
            found[node] = Role.UPDATE
    for node in graph.inputs:  # those that no output needs
        found.setdefault(node, Role.FORWARD)
    return found


def latest(nodes: Iterable[Node], known: dict[Node, Role]) -> Role:
    """Return the role of nodes that are computed together: that of the last."""
    return max((known[node] for node in nodes if node in known), default=Role.FORWARD)
