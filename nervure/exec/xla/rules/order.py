"""Running sums, and putting elements in order."""

from __future__ import annotations

from typing import Any, Final

from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.rule import Context, Rule, converted
from nervure.ir.node import Node


def _cumsum(_context: Context, node: Node, x: Any) -> Any:
    axis: Any = node.attrs["axis"]
    wide = converted(x, dtypes.accumulator(node.dtype))
    total = lax.cumsum(wide, axis, reverse=bool(node.attrs["reverse"]))
    return converted(total, node.dtype)


def _sort(_context: Context, node: Node, keys: Any, payload: Any) -> Any:
    """Sort stably, NaN last: ``lax.sort`` does, upwards.

    Downwards the keys are turned round, which leaves equal keys in their places.
    """
    axis: Any = node.attrs["axis"]
    keys = converted(keys, dtypes.accumulator(keys.dtype))
    if node.attrs["descending"]:
        keys = lax.neg(keys) if dtypes.is_float(keys.dtype) else lax.bitwise_not(keys)
    _, ordered = lax.sort((keys, payload), dimension=axis, is_stable=True, num_keys=1)
    return ordered


RULES: Final[dict[str, Rule]] = {"cumsum": _cumsum, "sort": _sort}
