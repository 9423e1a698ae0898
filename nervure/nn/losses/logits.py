"""Finding the logits behind probabilities, so that a loss can use its stable form.

``log(softmax(x))`` loses all digits where a probability is small, while the loss of the
logits x does not.  Because equal nodes are one node, it is enough to guess x and look
whether its softmax *is* the node of the probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure.array import Array
from nervure.ir.node import Node
from nervure.ops import nn


def logits_of_softmax(probabilities: Array, axis: int = -1) -> Array | None:
    """Return x for an array that was computed as ``softmax(x, axis)``, else None."""
    node = _without_casts(probabilities.node)
    guess = _descend(node, ["div", "exp", "sub"])
    if guess is None:
        return None
    logits = Array.of_node(guess)
    # Built from live nodes, the same formula gives the same node, not an equal one.
    return logits if nn.softmax(logits, axis).node is node else None


def logits_of_sigmoid(probabilities: Array) -> Array | None:
    """Return x for an array that was computed as ``sigmoid(x)``, else None."""
    node = _without_casts(probabilities.node)
    return Array.of_node(node.inputs[0]) if node.op.name == "sigmoid" else None


def _without_casts(node: Node) -> Node:
    while node.op.name == "cast":
        node = node.inputs[0]
    return node


def _descend(node: Node, path: Sequence[str]) -> Node | None:
    """Follow first operands through operations of these names."""
    for name in path:
        if node.op.name != name:
            return None
        node = node.inputs[0]
    return node
