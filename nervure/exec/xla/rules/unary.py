"""Elementwise primitives of one operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.rule import Context, Rule, plain, widened
from nervure.ir.node import Node


def _abs(_context: Context, node: Node, x: Any) -> Any:
    return x if dtypes.is_unsigned(node.dtype) else lax.abs(x)


def _round(x: Any) -> Any:
    return lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)


def _log1p(x: Any) -> Any:
    """Return ``log(1 + x)``; XLA's own is 128 units off in float64 near -0.41.

    The logarithm of the rounded sum is scaled by how far the rounding has moved it:
    W. Kahan's formula, as in the manual of the HP-15C.
    """
    if x.dtype != dtypes.float64:
        return lax.log1p(x)
    one = lax.full_like(x, 1)
    # All bits of a float64 are kept; without this XLA would write its log1p again.
    total = lax.reduce_precision(lax.add(x, one), 11, 52)
    scaled = lax.mul(lax.log(total), lax.div(x, lax.sub(total, one)))
    unscaled = lax.select(lax.is_finite(total), scaled, lax.log(total))
    return lax.select(lax.eq(total, one), x, unscaled)


_WIDENED: Final[dict[str, Callable[..., Any]]] = {
    "floor": lax.floor,
    "round": _round,
    "exp": lax.exp,
    "expm1": lax.expm1,
    "log": lax.log,
    "log1p": _log1p,
    "sqrt": lax.sqrt,
    "sin": lax.sin,
    "cos": lax.cos,
    "tanh": lax.tanh,
    "sigmoid": lax.logistic,
    "erf": lax.erf,
}

RULES: Final[dict[str, Rule]] = {
    **{name: widened(function) for name, function in _WIDENED.items()},
    "neg": plain(lax.neg),
    "abs": _abs,
    "not": plain(lax.bitwise_not),
    "is_finite": plain(lax.is_finite),
}
