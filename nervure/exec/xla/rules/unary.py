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


_WIDENED: Final[dict[str, Callable[..., Any]]] = {
    "floor": lax.floor,
    "round": _round,
    "exp": lax.exp,
    "expm1": lax.expm1,
    "log": lax.log,
    "log1p": lax.log1p,
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
