"""What a pass is, and how it says what it has done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nervure.ir.graph import Graph
from nervure.ir.node import Node


class Change(NamedTuple):
    """One thing that a pass has done to a graph.

    Attributes
    ----------
    kind
        What was done, in one or two words: ``"double negation"``.
    node_before
        The node that is no longer computed; within a body, it is one of the body's.
    nodes_after
        What stands in its place; nothing if the node was not needed.
    why
        Why the values stay the same, in a sentence.

    >>> import nervure as nv
    >>> from nervure.passes import optimized
    >>> record = []
    >>> x = nv.parameter([1.0])
    >>> _ = optimized(nv.graph(-(-nv.exp(x))), record=record)
    >>> record[0].changes[0].kind
    'double negation'
    """

    kind: str
    node_before: Node
    nodes_after: tuple[Node, ...]
    why: str


# What a pass calls for everything it does.
Note = Callable[[str, Node, tuple[Node, ...], str], None]


class Changes(list[Change]):
    """The changes of one run of a pass."""

    def note(
        self, kind: str, node_before: Node, nodes_after: tuple[Node, ...], why: str
    ) -> None:
        """Add a change."""
        self.append(Change(kind, node_before, nodes_after, why))


@dataclass(frozen=True)
class Pass:
    """A function from graphs to graphs that compute the same, with a name.

    Attributes
    ----------
    name
        By which the pass is skipped.
    summary
        What it does, in a sentence.
    rewrite
        ``(graph, note) -> graph``; the graph itself if there is nothing to do.

    >>> import nervure as nv
    >>> from nervure.passes import pass_named
    >>> simplify = pass_named("simplify")
    >>> graph = nv.graph(-(-nv.exp(nv.parameter([1.0]))))
    >>> len(graph.nodes), len(simplify.run(graph).nodes)
    (4, 2)
    """

    name: str
    summary: str
    rewrite: Callable[[Graph, Note], Graph]

    def run(self, graph: Graph) -> Graph:
        """Return the graph after the pass; the graph itself if nothing changes."""
        return self.rewrite(graph, _forget)

    def recorded(self, graph: Graph) -> PassRecord:
        """Run the pass and return what it has done."""
        changes = Changes()
        after = self.rewrite(graph, changes.note)
        return PassRecord(self.name, graph, after, tuple(changes))


class PassRecord(NamedTuple):
    """One run of a pass: the graph before and after, and what was done.

    >>> import nervure as nv
    >>> from nervure.passes import optimized
    >>> record = []
    >>> _ = optimized(nv.graph(-(-nv.exp(nv.parameter([1.0])))), record=record)
    >>> [one.name for one in record]
    ['simplify']
    """

    name: str
    before: Graph
    after: Graph
    changes: tuple[Change, ...]


def _forget(
    _kind: str, _node_before: Node, _nodes_after: tuple[Node, ...], _why: str
) -> None:
    """Note nothing: nobody asked for the changes."""
