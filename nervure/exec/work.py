"""How much work nodes are, estimated from their shapes alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from nervure.ir.bodies import bodies_of
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion

# Moving elements costs nothing: compilers read them in place.
_FREE = frozenset({Fusion.LEAF, Fusion.ANNOTATION, Fusion.BROADCAST, Fusion.INJECTIVE})


def operations(node: Node) -> int:
    """Return the number of elementary operations of one node, roughly.

    A multiplication with its addition counts as two, every other function as one for
    each element that it reads or makes.
    """
    name = node.op.name
    if name == "dot":
        contract: Any = node.attrs["contract"]
        extents = [node.inputs[0].shape[axis] for axis in contract[0]]
        return 2 * node.size * int(math.prod(extents))
    if name == "conv":
        return 2 * node.size * math.prod(node.inputs[1].shape[:-1])
    if name == "conv_input_grad":
        g, kernel = node.inputs
        return 2 * g.size * math.prod(kernel.shape[:-1])
    if name == "conv_kernel_grad":
        return 2 * node.inputs[1].size * math.prod(node.shape[:-1])
    if name in ("window_sum", "window_max"):
        window: Any = node.attrs["window"]
        return node.size * int(math.prod(window))
    if name == "random_bits":
        return 20 * node.size  # the rounds of threefry
    if node.op.control is not None:
        return _operations_of_bodies(node)
    if name == "part":
        return 0
    if node.op.fusion in _FREE:
        return 0
    return max(node.size, *(operand.size for operand in node.inputs))


def _operations_of_bodies(node: Node) -> int:
    """Return the work of a loop or a choice; a while loop is taken for one of 16 steps.

    The nesting of bodies is limited, so this may recurse.
    """
    steps: Any = node.attrs.get("length", 16 if node.op.name == "while_loop" else 1)
    return int(steps) * sum(total_operations(body) for _, body in bodies_of(node))


def total_operations(nodes: Iterable[Node]) -> int:
    """Return the number of elementary operations of many nodes, or of a graph."""
    return sum(map(operations, nodes))
