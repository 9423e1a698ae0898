"""Inlining: a call becomes the operations of its body.

Before::

    graph (%0: float32[3] "x") {
      %1: (float32[3],) = call(%0) {body = graph (%0: float32[3] "") {
        %1: float32[3] = tanh(%0)
        return %1
      }, name = "squash"}
      %2: float32[3] = part(%1) {index = 0}
      return %2
    }

and after::

    graph (%0: float32[3] "x") {
      %1: float32[3] = tanh(%0)
      return %1
    }

A loop of no steps becomes what was given to it.  Executors have no kernels for either,
so they ask for :func:`runnable` if the pass was skipped.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from nervure.ir.bodies import inlined
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes.change import Note, Pass
from nervure.passes.rewriting import rewritten
from nervure.passes.rules import filled
from nervure.prims.control import CALL, PART
from nervure.prims.scan import SCAN, scan_of


def _inlined(graph: Graph, note: Note) -> Graph:
    if not any(node.op.control is not None for node in graph.nodes):
        return graph
    known: dict[Node, list[Node]] = {}

    def replace(node: Node) -> Node | None:
        if node.op is not PART:
            return None
        (record,) = node.inputs
        place: Any = node.attrs["index"]
        if record.op is CALL:
            if record not in known:
                body: Any = record.attrs["body"]
                known[record] = inlined(body, record.inputs)
            result: Node = known[record][place]
            note("call", node, (result,), "A call is what its body computes.")
            return result
        if record.op is SCAN and scan_of(record.attrs).length == 0:
            return _of_no_steps(node, record, place, note)
        return None

    return rewritten(graph, replace)


def _of_no_steps(node: Node, record: Node, place: int, note: Note) -> Node:
    """Return a result of a scan of no steps: what was carried to it, or nothing."""
    if place < scan_of(record.attrs).carry:
        result = record.inputs[place]
    else:
        result = filled(node, np.zeros((), node.dtype))
    note("loop of no steps", node, (result,), "Nothing happens to what is carried.")
    return result


INLINE: Final = Pass("inline", "Calls become the operations of their bodies.", _inlined)


def runnable(graph: Graph) -> Graph:
    """Return the graph without calls and loops of no steps, which nobody can run.

    It is the graph itself if the pass has run.

    >>> import nervure as nv
    >>> graph = nv.graph(nv.exp(nv.parameter([1.0])))
    >>> runnable(graph) is graph
    True
    """
    return INLINE.run(graph)
