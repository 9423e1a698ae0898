"""Reverse mode: from the cotangents of outputs to those of chosen nodes.

The result is made of ordinary nodes, so it can be differentiated again, printed,
optimised and compiled like anything else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from nervure import dtypes
from nervure.errors import GradientError, explain
from nervure.ir.graph import topological
from nervure.ir.node import Node
from nervure.ir.record import is_record, result_types
from nervure.ir.sites import gradient_of
from nervure.prims.binary import add

# ``(node, cotangent) -> one node or None per operand``, or None for the usual gradient.
OtherRule = Callable[[Node, Node], "Sequence[Node | None] | None"]


def reverse(
    outputs: Sequence[Node],
    cotangents: Sequence[Node],
    wrt: Sequence[Node],
    other_rule: OtherRule | None = None,
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
    other_rule
        Asked first how a cotangent goes back through a node.  What it answers instead
        of None takes the place of the gradient, so the result is one no longer: this is
        how a deconvolutional network goes back through rectifiers.

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
                explain(
                    f"expected a cotangent of type {output.type_text}, "
                    f"got {cotangent.type_text}",
                    fix="a cotangent has the shape and the data type of the result",
                )
            )
    order = topological(outputs)
    active = _depending_on(set(wrt), order)
    arrived: dict[Node, Node] = {}
    parts: dict[Node, list[Node | None]] = {}  # cotangents of several results
    for output, cotangent in zip(outputs, cotangents, strict=True):
        _arrive(arrived, output, cotangent)
    for node in reversed(order):
        g = arrived.get(node)
        if (g is None and node not in parts) or not node.inputs or node not in active:
            continue
        wanted = [operand in active for operand in node.inputs]
        if not any(wanted):
            continue
        if g is not None and node.op.name == "part":
            _collect(parts, node, g)
            continue
        with gradient_of(node.site):
            if node in parts:
                shares = _control_shares(node, parts[node], wanted, other_rule)
            else:
                assert g is not None
                changed = None if other_rule is None else other_rule(node, g)
                shares = _shares(node, g) if changed is None else changed
            for operand, share in zip(node.inputs, shares, strict=True):
                if share is not None and operand in active:
                    _arrive(arrived, operand, share)
    return [arrived.get(node) if node in active else None for node in wrt]


def depends_on(output: Node, wrt: Sequence[Node]) -> bool:
    """Tell whether an output may have a slope with respect to one of some nodes."""
    return output in _depending_on(set(wrt), topological([output]))


def _depending_on(wrt: set[Node], order: Sequence[Node]) -> set[Node]:
    """Return the floating-point nodes of ``order`` that depend on ``wrt``."""
    active: set[Node] = set()
    for node in order:
        if (dtypes.is_float(node.dtype) or is_record(node.dtype)) and (
            node in wrt or any(operand in active for operand in node.inputs)
        ):
            active.add(node)
    return active


def _shares(node: Node, g: Node) -> Sequence[Node | None]:
    """Ask the primitive for the cotangents of its operands."""
    rule = node.op.gradient
    if rule is None:
        raise GradientError(
            explain(
                f"{node.op.name} has no gradient",
                made_at=str(node.site),
                fix="keep what is differentiated away from it, or give the function "
                "a rule with nervure.custom_gradient",
            )
        )
    return rule(node, g)


def _control_shares(
    node: Node,
    cotangents: Sequence[Node | None],
    wanted: Sequence[bool],
    other_rule: OtherRule | None,
) -> Sequence[Node | None]:
    """Ask an operation with bodies for the cotangents of its operands."""
    rules = node.op.control
    assert rules is not None
    inside = functools.partial(reverse, other_rule=other_rule)
    return rules.gradient(node, cotangents, wanted, inside)


def _collect(parts: dict[Node, list[Node | None]], node: Node, g: Node) -> None:
    """Keep the cotangent of one of several results until all have arrived."""
    (record,) = node.inputs
    known = parts.setdefault(record, [None] * len(result_types(record.dtype)))
    index: Any = node.attrs["index"]
    known[index] = g


def _arrive(arrived: dict[Node, Node], node: Node, share: Node) -> None:
    """Add a contribution to the cotangent of ``node``."""
    known = arrived.get(node)
    arrived[node] = share if known is None else add(known, share)
