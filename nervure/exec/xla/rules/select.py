"""Choosing between values, and changing their type."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jax import lax

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.xla.rules.rule import Context, Rule, converted, like, plain
from nervure.ir.node import Node


def _cast(_context: Context, node: Node, x: Any) -> Any:
    source, target = node.inputs[0].dtype, node.dtype
    if dtypes.is_bool(target):
        return lax.ne(x, like(x, 0))
    if dtypes.is_float(source) and dtypes.is_integer(target):
        return _saturated(x, target)
    if target == dtypes.bfloat16:
        return _to_bfloat16(x)
    if target == dtypes.float16 and dtypes.is_integer(source):
        # As NumPy does it: by way of the float that holds most of the whole number.
        wide = dtypes.float64 if source.itemsize == 8 else dtypes.float32
        return converted(converted(x, wide), target)
    return converted(x, target)


def _saturated(x: Any, dtype: DType) -> Any:
    """Convert to whole numbers: NaN becomes 0, what is outside the nearest number."""
    limits = np.iinfo(dtype)
    x = converted(x, dtypes.accumulator(x.dtype))
    low, high = float(limits.min), float(limits.max + 1)  # powers of two, hence exact
    too_low, too_high = lax.lt(x, like(x, low)), lax.ge(x, like(x, high))
    outside = lax.bitwise_or(lax.bitwise_or(too_low, too_high), lax.ne(x, x))
    inside = lax.select(outside, like(x, 0), x)
    # Cut off first: a number just below 0 is no negative whole number.
    whole = lax.select(lax.lt(inside, like(x, 0)), lax.ceil(inside), lax.floor(inside))
    result = lax.convert_element_type(whole, dtype)
    result = lax.select(too_low, like(result, limits.min), result)
    return lax.select(too_high, like(result, limits.max), result)


def _to_bfloat16(x: Any) -> Any:
    """Round once, also from what float32 does not hold.

    The rounding is written out as such, because XLA takes a conversion to a narrow type
    and back for nothing at all.
    """
    if dtypes.is_integer(x.dtype):
        if x.dtype.itemsize < 4:
            return converted(converted(x, dtypes.float32), dtypes.bfloat16)
        x = converted(_marked(x) if x.dtype.itemsize == 8 else x, dtypes.float64)
    if x.dtype == dtypes.bool_ or x.dtype.itemsize < 4:
        return converted(x, dtypes.bfloat16)
    if x.dtype == dtypes.float64:
        x = _to_odd_float32(x)
    rounded = lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)
    return converted(rounded, dtypes.bfloat16)


def _to_odd_float32(x: Any) -> Any:
    """Round float64 to float32; what is not exact to the odd neighbour.

    The last bit then tells that something was cut off, so that rounding once more gives
    what rounding once would have given.
    """
    near = converted(x, dtypes.float32)
    back = converted(near, dtypes.float64)
    word = lax.bitcast_convert_type(near, dtypes.uint32)
    even = lax.eq(lax.bitwise_and(word, like(word, 1)), like(word, 0))
    inexact = lax.bitwise_and(lax.ne(back, x), lax.eq(x, x))
    grows = lax.lt(lax.abs(back), lax.abs(x))
    moved = lax.select(
        grows, lax.add(word, like(word, 1)), lax.sub(word, like(word, 1))
    )
    word = lax.select(lax.bitwise_and(even, inexact), moved, word)
    return lax.bitcast_convert_type(word, dtypes.float32)


def _marked(x: Any) -> Any:
    """Return 64-bit whole numbers with what float64 cannot hold in one bit of it."""
    low = lax.bitwise_and(x, like(x, 0xFFF))
    size = lax.abs(x) if dtypes.is_signed(x.dtype) else x
    large = lax.gt(size, like(x, 2**40))
    sticky = lax.bitwise_or(lax.sub(x, low), like(x, 0x800))
    return lax.select(lax.bitwise_and(large, lax.ne(low, like(x, 0))), sticky, x)


def _bitcast(_context: Context, node: Node, x: Any) -> Any:
    return lax.bitcast_convert_type(x, node.dtype)


RULES: Final[dict[str, Rule]] = {
    "select": plain(lax.select),
    "cast": _cast,
    "bitcast": _bitcast,
}
