"""Regions whose inner values are not kept, because the user says so.

``nervure.checkpoint(f)`` puts a note on each result of ``f``, which names the arguments
of the call.  What lies between is the *region*::

    %1 = tanh %0
    %2 = exp %1
    %3 = checkpoint %2 %0      # region: %1 is computed again from %0
    ...
    %9 = mul %8 %1             # a gradient that needs %1

The notes stay in the graph; executors that plan memory ask for the regions.
"""

from __future__ import annotations

from typing import NamedTuple

from nervure.ir.graph import Graph, topological
from nervure.ir.node import Node


class Region(NamedTuple):
    """What lies between the arguments of a call and a result of it."""

    inner: frozenset[Node]
    arguments: frozenset[Node]
    result: Node


def regions(graph: Graph) -> list[Region]:
    """Return the regions of a graph, in the order of their results.

    Inner values depend on an argument.  What does not, because the function closes over
    it, was there before and is kept.
    """
    found = []
    for node in graph.nodes:
        if node.op.name != "checkpoint":
            continue
        result, *arguments = node.inputs
        depending = set(arguments)
        inner = set()
        for one in topological([result], stop=depending):
            if one not in depending and any(x in depending for x in one.inputs):
                inner.add(one)
                depending.add(one)
        inner.discard(result)
        found.append(Region(frozenset(inner), frozenset(arguments), result))
    return found
