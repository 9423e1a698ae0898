"""A graph written in ``jax.lax``, node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nervure.errors import GraphError
from nervure.exec.xla.rules import TABLE, Context
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes import optimized, runnable


def write_graph(context: Context, graph: Graph, known: dict[Node, Any]) -> list[Any]:
    """Return the outputs of a graph, given the values of its leaves.

    ``known`` is changed: it holds the values of all nodes afterwards.
    """
    for node in graph.nodes:
        if node not in known:
            rule = TABLE.get(node.op.name)
            if rule is None:
                raise GraphError(f"the xla executor has no value for {node!r}")
            operands = [known[operand] for operand in node.inputs]
            known[node] = rule(context, node, *operands)
    return [known[node] for node in graph.outputs]


def lowered(graph: Graph, context: Context) -> Callable[..., tuple[Any, ...]]:
    """Return the function of a graph: inputs, then data, in; outputs out.

    The *data* are the buffers of the graph in order.  They are arguments too, so graphs
    that differ in their data only are one program.
    """
    leaves = (*graph.inputs, *graph.buffers)
    simpler = runnable(optimized(graph))

    def function(values: Sequence[Any]) -> tuple[Any, ...]:
        known = dict(zip(leaves, values, strict=True))
        return tuple(write_graph(context, simpler, known))

    return function
