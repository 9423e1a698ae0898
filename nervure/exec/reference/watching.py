"""Running a graph once while somebody looks at every value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.ir.node import Node

# Called with a node, the values of its operands, and its own.
Watch = Callable[[Node, Sequence[Any], Any], None]


def run_watched(
    graph: Graph, inputs: Mapping[Node, NDArray], watch: Watch
) -> list[NDArray]:
    """Run a graph as it is, without passes, and return its outputs.

    Parameters
    ----------
    graph
        Any graph; leaves that are no inputs have values of their own.
    inputs
        The value of each input.
    watch
        Called for every node in the order of execution.  The value of an operation
        with several results is a tuple.  A value is dropped after its last use.
    """
    uses = Counter(operand for node in graph.nodes for operand in node.inputs)
    uses.update(graph.outputs)
    values: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            operands = [values[operand] for operand in node.inputs]
            if node in inputs:
                values[node] = inputs[node]
            else:
                values[node] = node.op.reference(node, *operands)
            watch(node, operands, values[node])
            for operand in node.inputs:
                uses[operand] -= 1
                if not uses[operand]:
                    del values[operand]
    return [np.asarray(values[node]) for node in graph.outputs]
