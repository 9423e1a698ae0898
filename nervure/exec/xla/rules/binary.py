"""Elementwise primitives of two operands, with the edge cases of their definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.rule import Context, Rule, converted, like, plain, widened
from nervure.ir.node import Node


def _division(
    floating: Callable[..., Any], whole: Callable[..., Any]
) -> Callable[..., Any]:
    """Divide; where a divisor is a whole zero the result is 0."""

    def function(x: Any, y: Any) -> Any:
        if not dtypes.is_integer(x.dtype):
            return floating(x, y)
        by_zero = lax.eq(y, like(y, 0))
        result = whole(x, lax.select(by_zero, like(y, 1), y))
        return lax.select(by_zero, like(x, 0), result)

    return function


def _remainder(x: Any, y: Any) -> Any:
    """A remainder by infinity is the dividend, and never meets a division."""
    infinite = lax.eq(lax.abs(y), like(y, float("inf")))
    usable = lax.bitwise_and(infinite, lax.is_finite(x))
    return lax.select(usable, x, lax.rem(x, y))


def _angle(y: Any, x: Any) -> Any:
    """The angle of a point; at the origin that of a point beside it.

    XLA takes a counter divided by itself for a number, which made NaN of the origin.
    """
    word = dtypes.int32 if x.dtype == dtypes.float32 else dtypes.int64
    bits = lax.bitcast_convert_type(x, word)
    beside = lax.select(lax.lt(bits, like(bits, 0)), like(x, -1), like(x, 1))
    origin = lax.bitwise_and(lax.eq(x, like(x, 0)), lax.eq(y, like(y, 0)))
    return lax.atan2(y, lax.select(origin, beside, x))


def _power(_context: Context, node: Node, x: Any, y: Any) -> Any:
    if not dtypes.is_integer(node.dtype):
        wide = dtypes.accumulator(node.dtype)
        return converted(_float_power(converted(x, wide), converted(y, wide)),
                         node.dtype)  # fmt: skip
    power = _whole_power(x, y, 8 * node.dtype.itemsize)
    if dtypes.is_unsigned(node.dtype):
        return power
    zero, one = like(x, 0), like(x, 1)
    even = lax.eq(lax.bitwise_and(y, one), zero)
    unit = lax.eq(lax.abs(x), one)
    reciprocal = lax.select(unit, lax.select(even, one, x), zero)
    return lax.select(lax.lt(y, zero), reciprocal, power)


def _float_power(x: Any, y: Any) -> Any:
    """Say what C does: 1 to any power and anything to the power of 0 are 1."""
    one = like(x, 1)
    certain = lax.bitwise_or(lax.eq(x, one), lax.eq(y, like(y, 0)))
    return lax.select(certain, one, lax.pow(x, y))


def _whole_power(x: Any, y: Any, bits: int) -> Any:
    """Raise to a power bit by bit, from the lowest; negative powers give anything."""
    zero, one = like(x, 0), like(x, 1)

    def step(_: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        result, base, rest = state
        odd = lax.ne(lax.bitwise_and(rest, one), zero)
        result = lax.select(odd, lax.mul(result, base), result)
        return result, lax.mul(base, base), lax.shift_right_logical(rest, one)

    return lax.fori_loop(0, bits, step, (one, x, y))[0]


def _extremum(
    better: Callable[..., Any], whole: Callable[..., Any], truth: Callable[..., Any]
) -> Rule:
    """The better operand, the first if it is NaN, the second if they are equal."""

    def rule(_context: Context, node: Node, x: Any, y: Any) -> Any:
        if dtypes.is_bool(node.dtype):
            return truth(x, y)
        if not dtypes.is_float(node.dtype):
            return whole(x, y)
        takes_x = lax.bitwise_or(better(x, y), lax.ne(x, x))
        return lax.select(takes_x, x, y)

    return rule


def _shift_right(_context: Context, node: Node, x: Any, y: Any) -> Any:
    """Beyond the width only copies of the sign bit are left, or zeros."""
    bits = 8 * node.dtype.itemsize
    if dtypes.is_unsigned(node.dtype):
        inside = lax.lt(y, like(y, bits))
        shifted = lax.shift_right_logical(x, lax.select(inside, y, like(y, 0)))
        return lax.select(inside, shifted, like(x, 0))
    inside = _inside(y, bits)
    distance = lax.select(inside, y, like(y, bits - 1))
    return lax.shift_right_arithmetic(x, distance)


def _shift_left(_context: Context, node: Node, x: Any, y: Any) -> Any:
    inside = _inside(y, 8 * node.dtype.itemsize)
    shifted = lax.shift_left(x, lax.select(inside, y, like(y, 0)))
    return lax.select(inside, shifted, like(x, 0))


def _inside(distance: Any, bits: int) -> Any:
    """Tell whether a distance is from 0 to below the width."""
    below = lax.lt(distance, like(distance, bits))
    return lax.bitwise_and(below, lax.ge(distance, like(distance, 0)))


RULES: Final[dict[str, Rule]] = {
    "add": widened(lax.add),
    "sub": widened(lax.sub),
    "mul": widened(lax.mul),
    "div": widened(_division(lax.div, lax.div)),
    "rem": widened(_division(_remainder, lax.rem)),
    "pow": _power,
    "maximum": _extremum(lax.gt, lax.max, lax.bitwise_or),
    "minimum": _extremum(lax.lt, lax.min, lax.bitwise_and),
    "atan2": widened(_angle),
    "and": plain(lax.bitwise_and),
    "or": plain(lax.bitwise_or),
    "xor": plain(lax.bitwise_xor),
    "shift_left": _shift_left,
    "shift_right": _shift_right,
    "eq": plain(lax.eq),
    "lt": plain(lax.lt),
    "le": plain(lax.le),
}
