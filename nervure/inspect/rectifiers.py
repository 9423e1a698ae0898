"""Other ways back through rectifiers than the derivative.

A rule is asked about every node of the graph (see
:func:`nervure.autodiff.reverse.reverse`), so it does not matter whether a rectifier is
a layer of its own, an activation inside a layer, or a line of somebody's ``call``.
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure.ir.attrs import Constant, NDArray
from nervure.ir.node import Node
from nervure.prims.binary import le
from nervure.prims.leaf import full_like
from nervure.prims.select import select


def deconvolution(node: Node, g: Node) -> Sequence[Node | None] | None:
    """Rectify what goes back, wherever the input was (Zeiler and Fergus, 2014).

    An upper limit, as that of ReLU6, lets everything back as well: the strongest
    responses of a network lie on it, and they would show nothing.
    """
    place = rectified_operand(node)
    if place is not None:
        return _only_to(node, place, _rectified(g))
    place = limited_operand(node)
    return None if place is None else _only_to(node, place, g)


def _only_to(node: Node, place: int, g: Node) -> list[Node | None]:
    shares: list[Node | None] = [None] * len(node.inputs)
    shares[place] = g
    return shares


def guided(node: Node, g: Node) -> Sequence[Node | None] | None:
    """Rectify what goes back, and stop it where the input was negative.

    (Springenberg et al., "Striving for simplicity", 2015.)
    """
    if rectified_operand(node) is None or node.op.gradient is None:
        return None
    return node.op.gradient(node, _rectified(g))


def rectified_operand(node: Node) -> int | None:
    """Return which operand a node passes on where it is positive; None if it does not.

    Known are ``where(x <= 0, 0, x)``, ``where(x > 0, x, 0)`` and ``maximum(x, 0)``;
    what follows 0 may be limited above, as in ReLU6.
    """
    if node.op.name == "maximum":
        zeros = [_is_zero(one) for one in node.inputs]
        return zeros.index(False) if zeros.count(True) == 1 else None
    selection = _selection(node)
    if selection is None:
        return None
    left, right, chosen, other = selection
    if _is_zero(right) and _is_zero(chosen) and left in _below(other):
        return 2  # where(x <= 0, 0, x)
    if _is_zero(left) and _is_zero(other) and right in _below(chosen):
        return 1  # where(0 < x, x, 0)
    return None


def limited_operand(node: Node) -> int | None:
    """Return which operand a node passes on below a positive number; None if none.

    Known are ``minimum(x, 6)``, ``where(x >= 6, 6, x)`` and ``where(x < 6, x, 6)``.
    """
    if node.op.name == "minimum":
        limits = [_is_positive(one) for one in node.inputs]
        return limits.index(False) if limits.count(True) == 1 else None
    selection = _selection(node)
    if selection is None:
        return None
    left, right, chosen, other = selection
    if left is chosen and _is_positive(left) and right is other:
        return 2  # where(6 <= x, 6, x)
    if right is other and _is_positive(right) and left is chosen:
        return 1  # where(x < 6, x, 6)
    return None


def _selection(node: Node) -> tuple[Node, Node, Node, Node] | None:
    """Return a, b, x and y of ``where(a <= b, x, y)`` (or ``<``); None for others."""
    if node.op.name != "select" or node.inputs[0].op.name not in ("le", "lt"):
        return None
    condition, chosen, other = node.inputs
    left, right = condition.inputs
    return left, right, chosen, other


def _below(node: Node) -> tuple[Node, ...]:
    """Return a node, and what it selects from if it does."""
    return (node, *(node.inputs[1:] if node.op.name == "select" else ()))


def _is_zero(node: Node) -> bool:
    value = _constant(node)
    return value is not None and not value.any()


def _is_positive(node: Node) -> bool:
    value = _constant(node)
    return value is not None and bool((value > 0).all())


def _constant(node: Node) -> NDArray | None:
    while node.op.name in ("broadcast", "reshape", "cast"):
        node = node.inputs[0]
    value = node.attrs.get("value")
    return value.value if isinstance(value, Constant) else None


def _rectified(g: Node) -> Node:
    zero = full_like(g, 0)
    return select(le(g, zero), zero, g)
