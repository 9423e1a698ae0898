"""Primitives that combine the elements along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from jax import lax

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.xla.rules.rule import Context, Rule, converted, filled
from nervure.ir.node import Node


def lowest(dtype: DType) -> Any:
    """Return the value that is above no other."""
    if dtypes.is_bool(dtype):
        return np.asarray(False)
    if dtypes.is_integer(dtype):
        return np.asarray(np.iinfo(dtype).min, dtype)
    return np.asarray(-np.inf, dtype)


def highest(dtype: DType) -> Any:
    """Return the value that is below no other."""
    if dtypes.is_bool(dtype):
        return np.asarray(True)
    if dtypes.is_integer(dtype):
        return np.asarray(np.iinfo(dtype).max, dtype)
    return np.asarray(np.inf, dtype)


def _reduction(combine: Callable[..., Any], neutral: Callable[[DType], Any]) -> Rule:
    def rule(_context: Context, node: Node, x: Any) -> Any:
        axes: Any = node.attrs["axes"]
        if not axes:
            return x
        if node.size == 0:
            return filled(node)
        wide = dtypes.accumulator(node.dtype)
        result = lax.reduce(converted(x, wide), neutral(wide), combine, axes)
        return converted(result, node.dtype)

    return rule


def _argmax(_context: Context, node: Node, x: Any) -> Any:
    axis: Any = node.attrs["axis"]
    if x.size == 0:
        return filled(node)
    if dtypes.is_bool(x.dtype):
        x = converted(x, dtypes.uint8)
    x = converted(x, dtypes.accumulator(x.dtype))
    return lax.argmax(x, axis, dtypes.int64)


def _number(value: int) -> Callable[[DType], Any]:
    return lambda dtype: np.asarray(value, dtype)


RULES: Final[dict[str, Rule]] = {
    "reduce_sum": _reduction(lax.add, _number(0)),
    "reduce_prod": _reduction(lax.mul, _number(1)),
    "reduce_max": _reduction(lax.max, lowest),
    "reduce_min": _reduction(lax.min, highest),
    "argmax": _argmax,
}
