"""Forward mode, made from reverse mode applied twice.

Reverse mode is linear in the cotangents of the outputs.  Differentiating it with
respect to those cotangents therefore gives the transposed linear map: the Jacobian
times a tangent.  The cotangents themselves drop out of the result.

Operations with bodies have a rule of their own: a loop's changes are another loop.
Where a graph has any, changes go from node to node, each by reverse mode twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import dtypes
from nervure.autodiff.reverse import reverse
from nervure.ir.graph import substitute, topological
from nervure.ir.node import Node
from nervure.ir.record import is_record
from nervure.prims.leaf import full_like, input_leaf


def forward(
    outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]
) -> list[Node]:
    """Return how the outputs change when ``wrt`` change by ``tangents``.

    Outputs that are not floating-point, or do not depend on ``wrt``, change by zero.
    """
    order = topological(outputs)
    if any(node.op.control is not None for node in order):
        return _node_by_node(order, outputs, wrt, tangents)
    return _transposed(outputs, wrt, tangents)


def _transposed(
    outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]
) -> list[Node]:
    """Apply reverse mode to reverse mode."""
    smooth = [node for node in outputs if dtypes.is_float(node.dtype)]
    dummies = [input_leaf(node.shape, node.dtype, "cotangent") for node in smooth]
    backward = reverse(smooth, dummies, wrt)
    pairs = [
        (node, tangent)
        for node, tangent in zip(backward, tangents, strict=True)
        if node is not None
    ]
    changes = reverse(
        [node for node, _ in pairs], [tangent for _, tangent in pairs], dummies
    )
    known = {
        output: change
        for output, change in zip(smooth, changes, strict=True)
        if change is not None
    }
    result = [known.get(output, full_like(output, 0)) for output in outputs]
    # Linearity means no dummy is left that matters; what is left may be anything.
    return substitute(result, {dummy: full_like(dummy, 0) for dummy in dummies})


def _node_by_node(
    order: Sequence[Node],
    outputs: Sequence[Node],
    wrt: Sequence[Node],
    tangents: Sequence[Node],
) -> list[Node]:
    """Carry the changes along the graph."""
    changes: dict[Node, Node] = dict(zip(wrt, tangents, strict=True))
    results: dict[Node, Sequence[Node | None]] = {}  # of operations with bodies
    for node in order:
        if node in changes or not node.inputs:
            continue
        change: Node | None = None
        if is_record(node.dtype):
            given = [changes.get(operand) for operand in node.inputs]
            if any(one is not None for one in given):
                assert node.op.control is not None
                results[node] = node.op.control.tangents(node, given, forward)
        elif node.op.name == "part":
            index: Any = node.attrs["index"]
            found = results.get(node.inputs[0])
            change = None if found is None else found[index]
        elif dtypes.is_float(node.dtype):
            change = _change(node, changes)
        if change is not None:
            changes[node] = change
    return [changes.get(output, full_like(output, 0)) for output in outputs]


def _change(node: Node, changes: dict[Node, Node]) -> Node | None:
    """Return how a node changes with its operands, None if it does not."""
    places = [place for place, one in enumerate(node.inputs) if one in changes]
    if not places or node.op.gradient is None:
        return None
    dummy = input_leaf(node.shape, node.dtype, "cotangent")
    shares = node.op.gradient(node, dummy)
    pairs = [
        (share, changes[node.inputs[place]])
        for place in places
        if (share := shares[place]) is not None
    ]
    (found,) = reverse(
        [share for share, _ in pairs], [change for _, change in pairs], [dummy]
    )
    if found is None:
        return None
    return substitute([found], {dummy: full_like(dummy, 0)})[0]
