"""Which primitives the cpu executor has, while it is being written."""

from __future__ import annotations

import os

from nervure.exec.cpu import expressions
from nervure.exec.cpu.fusion import LEAVES, REDUCTIONS
from nervure.exec.cpu.lowering import LOWERINGS
from nervure.exec.cpu.views import MOVEMENTS
from nervure.ir.graph import Graph, substitute
from nervure.ir.node import Node
from nervure.prims.leaf import input_leaf


def is_lowered(node: Node) -> bool:
    """Tell whether the cpu executor can compile a node already."""
    name = node.op.name
    if name in os.environ.get("NERVURE_TEST_WITHOUT", "").split(","):
        return False
    known = {*expressions.TABLE, *LEAVES, *MOVEMENTS, *REDUCTIONS, *LOWERINGS}
    return name in known | {"iota", "random_bits"}


def supported(graph: Graph) -> Graph:
    """Return the graph with an input in the place of what cannot be compiled yet."""
    replacement = {
        node: input_leaf(node.shape, node.dtype, node.op.name)
        for node in graph.nodes
        if not is_lowered(node)
    }
    if not replacement:
        return graph
    outputs = substitute(graph.outputs, replacement)
    inputs = [*graph.inputs, *replacement.values()]
    used = set(Graph(outputs).nodes)
    return Graph(outputs, [node for node in inputs if node in used])
