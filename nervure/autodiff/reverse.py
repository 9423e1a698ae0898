"""Reverse mode: from the cotangents of outputs to those of chosen nodes.

The result is made of ordinary nodes, so it can be differentiated again, printed,
optimised and compiled like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure import dtypes
from nervure.errors import GradientError, explain
from nervure.ir.graph import topological
from nervure.ir.node import Node
from nervure.prims.binary import add


def reverse(
    outputs: Sequence[Node], cotangents: Sequence[Node], wrt: Sequence[Node]
) -> list[Node | None]:
    """Return the cotangent of every node in ``wrt``.

    Parameters
    ----------
    outputs
        The nodes to differentiate.
    cotangents
        One node of the same type for each output: the derivative of whatever is
        finally differentiated with respect to that output.
    wrt
        The nodes with respect to which to differentiate; they need not be leaves.

    Returns
    -------
    One node for each of ``wrt``, None where the outputs do not depend on it through
    floating-point operations.

    Raises
    ------
    GradientError
        When a cotangent's type is not that of its output, or an operation on the way
        has no gradient.
    """
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output.shape != cotangent.shape or output.dtype != cotangent.dtype:
            raise GradientError(
                f"expected a cotangent of type {output.type_text}, "
                f"got {cotangent.type_text}"
            )
    order = topological(outputs)
    active = _depending_on(set(wrt), order)
    arrived: dict[Node, Node] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        _arrive(arrived, output, cotangent)
    for node in reversed(order):
        g = arrived.get(node)
        if g is None or not node.inputs or node not in active:
            continue
        if not any(operand in active for operand in node.inputs):
            continue
        for operand, share in zip(node.inputs, _shares(node, g), strict=True):
            if share is not None and operand in active:
                _arrive(arrived, operand, share)
    return [arrived.get(node) if node in active else None for node in wrt]


def _depending_on(wrt: set[Node], order: Sequence[Node]) -> set[Node]:
    """Return the floating-point nodes of ``order`` that depend on ``wrt``."""
    active: set[Node] = set()
    for node in order:
        if dtypes.is_float(node.dtype) and (
            node in wrt or any(operand in active for operand in node.inputs)
        ):
            active.add(node)
    return active


def _shares(node: Node, g: Node) -> Sequence[Node | None]:
    """Ask the primitive for the cotangents of its operands."""
    rule = node.op.gradient
    if rule is None:
        raise GradientError(
            explain(f"{node.op.name} has no gradient", made_at=str(node.site))
        )
    return rule(node, g)


def _arrive(arrived: dict[Node, Node], node: Node, share: Node) -> None:
    """Add a contribution to the cotangent of ``node``."""
    known = arrived.get(node)
    arrived[node] = share if known is None else add(known, share)
