"""Arithmetic, element by element: operands broadcast and promote as in NumPy."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.errors import DTypeError, explain
from nervure.ir.node import Node
from nervure.ops.kinds import (
    NUMBERS,
    ArrayLike,
    accepted,
    on_floats,
    on_numbers,
    on_wide_floats,
    widened,
)
from nervure.ops.operands import aligned, is_weak
from nervure.prims import binary, unary
from nervure.prims.annotate import stop_gradient
from nervure.prims.leaf import full_like
from nervure.prims.select import bitcast, select

# --- adding, multiplying, dividing ---------------------------------------------------


def add(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return x1 + x2.

    Shapes broadcast and types promote; truth values are refused.

    >>> import nervure as nv
    >>> nv.add(nv.asarray([1, 2]), 3).tolist()
    [4, 5]
    """
    return on_numbers("add", binary.add, x1, x2)


def subtract(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return x1 - x2.

    Shapes broadcast and types promote; truth values are refused.

    >>> import nervure as nv
    >>> nv.subtract(nv.asarray([1, 2]), 3).tolist()
    [-2, -1]
    """
    return on_numbers("subtract", binary.sub, x1, x2)


def multiply(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return x1 * x2.

    Shapes broadcast and types promote; truth values are refused.

    >>> import nervure as nv
    >>> nv.multiply(nv.asarray([1, 2]), [[1], [10]]).tolist()
    [[1, 2], [10, 20]]
    """
    return on_numbers("multiply", binary.mul, x1, x2)


def divide(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return x1 / x2; integers are divided in the default floating-point type.

    >>> import nervure as nv
    >>> nv.divide(nv.asarray([1, 2]), 4)
    Array([0.25, 0.5 ], float32[2])
    """
    return on_floats("divide", binary.div, x1, x2)


def floor_divide(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return x1 / x2 rounded down; 0 for integers divided by 0.

    >>> import nervure as nv
    >>> nv.floor_divide(nv.asarray([7, -7]), 2).tolist()
    [3, -4]
    """
    return on_numbers("floor_divide", _floor_divide, x1, x2)


def _floor_divide(x: Node, y: Node) -> Node:
    if dtypes.is_float(x.dtype):
        return _floor_divide_floats(x, y)
    quotient = binary.div(x, y)
    if dtypes.is_unsigned(x.dtype):
        return quotient
    zero = full_like(x, 0)
    inexact = unary.not_(binary.eq(binary.rem(x, y), zero))
    below = binary.and_(inexact, _signs_differ(x, y))
    return select(below, binary.sub(quotient, full_like(x, 1)), quotient)


def _signs_differ(x: Node, y: Node) -> Node:
    zero = full_like(x, 0)
    return binary.xor(binary.lt(x, zero), binary.lt(y, zero))


def _floor_divide_floats(x: Node, y: Node) -> Node:
    """Divide what the remainder leaves, which is a multiple of y, and round.

    The quotient x / y itself may round up to a whole number that it does not reach.
    """
    zero = full_like(x, 0)
    rest = binary.rem(x, y)
    whole = unary.round_(binary.div(binary.sub(x, rest), y))
    inexact = unary.not_(binary.eq(rest, zero))
    below = binary.and_(inexact, _signs_differ(rest, y))
    whole = select(below, binary.sub(whole, full_like(x, 1)), whole)
    # Zero takes the sign of the quotient; x / 0 is infinite or NaN.
    plain = binary.div(x, y)
    signed = select(binary.eq(whole, zero), binary.mul(plain, zero), whole)
    return stop_gradient(select(binary.eq(y, zero), plain, signed))


def remainder(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the remainder of x1 / x2, which has the sign of x2; 0 for integers by 0.

    >>> import nervure as nv
    >>> nv.remainder(nv.asarray([7, -7]), 3).tolist()
    [1, 2]
    """
    return on_numbers("remainder", _remainder, x1, x2)


def _remainder(x: Node, y: Node) -> Node:
    if dtypes.is_unsigned(x.dtype):
        return binary.rem(x, y)
    zero = full_like(x, 0)
    if dtypes.is_integer(x.dtype):
        rest = binary.rem(x, y)
        inexact = unary.not_(binary.eq(rest, zero))
        turned = binary.and_(inexact, _signs_differ(rest, y))
        return binary.add(rest, select(turned, y, zero))
    # With a positive divisor adding 0 makes a zero positive; then turn back.
    negative = binary.lt(y, zero)
    divisor = select(negative, unary.neg(y), y)
    rest = binary.rem(select(negative, unary.neg(x), x), divisor)
    rest = binary.add(rest, select(binary.lt(rest, zero), divisor, zero))
    return select(negative, unary.neg(rest), rest)


def pow(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return x1 to the power of x2.

    Raises :class:`~nervure.errors.DTypeError` for integers to a negative number; for a
    negative *array* of exponents the result is cut off toward zero.

    >>> import nervure as nv
    >>> nv.pow(nv.asarray([1.0, 2.0, 3.0]), 2).tolist()
    [1.0, 4.0, 9.0]
    """
    nodes = aligned("pow", x1, x2)
    accepted("pow", nodes, NUMBERS)
    base, exponent = nodes
    if is_weak(x2):
        power: Any = x2
        if power == 2:  # exact, and cheaper in both directions than the general power
            return Array.of_node(binary.mul(base, base))
        if power < 0 and dtypes.is_integer(base.dtype):
            raise DTypeError(
                explain(
                    f"pow: integers cannot be raised to the negative power {power}",
                    fix="convert them first, for example with .astype('float32')",
                )
            )
    return Array.of_node(binary.pow_(base, exponent))


def negative(x: ArrayLike, /) -> Array:
    """Return -x; unsigned integers wrap around.

    >>> import nervure as nv
    >>> nv.negative(nv.asarray([1, -2])).tolist()
    [-1, 2]
    """
    return on_numbers("negative", unary.neg, x)


def positive(x: ArrayLike, /) -> Array:
    """Return x.

    Element by element, for numbers of any type, which the result keeps.

    >>> import nervure as nv
    >>> nv.positive(nv.asarray([1, -2])).tolist()
    [1, -2]
    """
    return on_numbers("positive", lambda node: node, x)


def conj(x: ArrayLike, /) -> Array:
    """Return the complex conjugate of x, which is x: there are no complex numbers.

    Code for arrays of any library may call it, as the Array API standard says.

    Raises
    ------
    DTypeError
        For truth values.

    >>> import nervure as nv
    >>> nv.conj(nv.asarray([1.0, -2.0])).tolist()
    [1.0, -2.0]
    """
    return on_numbers("conj", lambda node: node, x)


def real(x: ArrayLike, /) -> Array:
    """Return the real part of x, which is x: there are no complex numbers.

    Code for arrays of any library may call it, as the Array API standard says.

    Raises
    ------
    DTypeError
        For truth values.

    >>> import nervure as nv
    >>> nv.real(nv.asarray([1.0, -2.0])).tolist()
    [1.0, -2.0]
    """
    return on_numbers("real", lambda node: node, x)


def square(x: ArrayLike, /) -> Array:
    """Return x * x.

    Element by element, for numbers of any type, which the result keeps.

    >>> import nervure as nv
    >>> nv.square(nv.asarray([1, -2])).tolist()
    [1, 4]
    """
    return on_numbers("square", lambda node: binary.mul(node, node), x)


def reciprocal(x: ArrayLike, /) -> Array:
    """Return 1 / x.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.reciprocal(nv.asarray([1.0, -2.0])).tolist()
    [1.0, -0.5]
    """
    return on_floats("reciprocal", lambda node: binary.div(full_like(node, 1), node), x)


def sqrt(x: ArrayLike, /) -> Array:
    """Return the square root; NaN below 0.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.sqrt(nv.asarray([4.0, 9.0])).tolist()
    [2.0, 3.0]
    """
    return on_floats("sqrt", unary.sqrt, x)


def rsqrt(x: ArrayLike, /) -> Array:
    """Return 1 / sqrt(x).

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.rsqrt(nv.asarray([4.0, 16.0])).tolist()
    [0.5, 0.25]
    """

    def formula(node: Node) -> Node:
        return binary.div(full_like(node, 1), unary.sqrt(node))

    return on_wide_floats("rsqrt", formula, x)


def hypot(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return sqrt(x1^2 + x2^2), where the squares neither overflow nor vanish.

    Shapes broadcast and types promote; integers give float32.

    The derivative at (0, 0) is taken as 0.

    >>> import nervure as nv
    >>> nv.hypot(nv.asarray([3.0]), nv.asarray([4.0])).tolist()
    [5.0]
    """
    return on_wide_floats("hypot", _hypot, x1, x2)


def _hypot(x: Node, y: Node) -> Node:
    """Scale by a power of two, which is exact, to where squares are safe."""
    range_ = 1024 if x.dtype == dtypes.float64 else 128
    bound, shift = 2.0 ** (range_ // 2 - 1), 2.0 ** (range_ * 7 // 10)
    one, zero = full_like(x, 1), full_like(x, 0)
    largest = binary.maximum(unary.abs_(x), unary.abs_(y))
    down = binary.lt(full_like(x, bound), largest)
    up = binary.lt(largest, full_like(x, 1 / bound))
    scale = select(down, full_like(x, 1 / shift), select(up, full_like(x, shift), one))
    a, b = binary.mul(x, scale), binary.mul(y, scale)
    total = binary.add(binary.mul(a, a), binary.mul(b, b))
    origin = binary.eq(largest, zero)
    root = binary.div(unary.sqrt(select(origin, one, total)), scale)
    # An infinite leg wins even over NaN.
    infinity = full_like(x, float("inf"))
    infinite = binary.or_(
        binary.eq(unary.abs_(x), infinity), binary.eq(unary.abs_(y), infinity)
    )
    return select(infinite, infinity, select(origin, zero, root))


# --- extrema and signs ---------------------------------------------------------------


def maximum(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the larger of two elements; NaN if one is NaN.

    >>> import nervure as nv
    >>> nv.maximum(nv.asarray([1.0, 5.0]), 3).tolist()
    [3.0, 5.0]
    """
    return on_numbers("maximum", binary.maximum, x1, x2, allowed=dtypes.ALL)


def minimum(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the smaller of two elements; NaN if one is NaN.

    >>> import nervure as nv
    >>> nv.minimum(nv.asarray([1.0, 5.0]), 3).tolist()
    [1.0, 3.0]
    """
    return on_numbers("minimum", binary.minimum, x1, x2, allowed=dtypes.ALL)


def clip(
    x: ArrayLike,
    /,
    min: ArrayLike | None = None,
    max: ArrayLike | None = None,
) -> Array:
    """Return x limited to the range from ``min`` to ``max``; None means no limit.

    The limits broadcast to the shape of x, and the result has its type.

    Where ``min`` is above ``max`` the result is ``max``.  The derivative is 1 inside,
    0 outside, and one half exactly on a limit.

    >>> import nervure as nv
    >>> nv.clip(nv.asarray([-5, 3, 9]), 0, 5).tolist()
    [0, 3, 5]
    """
    result = positive(x)
    if min is not None:
        result = on_numbers("clip", binary.maximum, result, min)
    if max is not None:
        result = on_numbers("clip", binary.minimum, result, max)
    return result


def abs(x: ArrayLike, /) -> Array:
    """Return the absolute value; its derivative at 0 is taken as 0.

    Element by element, for numbers of any type, which the result keeps.

    >>> import nervure as nv
    >>> nv.abs(nv.asarray([1, -2])).tolist()
    [1, 2]
    """
    return on_numbers("abs", unary.abs_, x)


def sign(x: ArrayLike, /) -> Array:
    """Return -1, 0 or 1; NaN stays NaN.

    Element by element, for numbers of any type, which the result keeps.

    >>> import nervure as nv
    >>> nv.sign(nv.asarray([-2.5, 0.0, 7.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return on_numbers("sign", _sign, x)


def _sign(x: Node) -> Node:
    zero, one = full_like(x, 0), full_like(x, 1)
    rest = zero
    if not dtypes.is_unsigned(x.dtype):
        rest = select(binary.lt(x, zero), full_like(x, -1), zero)
    result = select(binary.lt(zero, x), one, rest)
    if not dtypes.is_float(x.dtype):
        return result
    return stop_gradient(select(binary.eq(x, x), result, x))


def negative_sign_bit(x: Node) -> Node:
    """Return whether floating-point numbers carry a minus, also -0.0 and -NaN."""
    integer = np.dtype(f"int{8 * x.dtype.itemsize}")
    bits = bitcast(x, integer)
    return binary.lt(bits, full_like(bits, 0))


def copysign(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the magnitude of x1 with the sign of x2.

    Shapes broadcast and types promote; integers give float32.

    >>> import nervure as nv
    >>> nv.copysign(nv.asarray([1.0, -2.0]), -0.0).tolist()
    [-1.0, -2.0]
    """

    def formula(x: Node, y: Node) -> Node:
        size = unary.abs_(x)
        return select(negative_sign_bit(y), unary.neg(size), size)

    return on_floats("copysign", formula, x1, x2)


def nextafter(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the floating-point number next to x1 on the way to x2.

    >>> import nervure as nv
    >>> nv.nextafter(nv.asarray(1.0), 2.0).item() - 1
    1.1920928955078125e-07
    """
    return on_floats("nextafter", _nextafter, x1, x2)


def _nextafter(x: Node, y: Node) -> Node:
    """Count the bits one up or down: they order the numbers of one sign."""
    integer = np.dtype(f"int{8 * x.dtype.itemsize}")
    bits, zero = bitcast(x, integer), full_like(x, 0)
    one = full_like(bits, 1)
    # away from zero where "y is above x" and "x is above zero" agree
    outward = binary.eq(binary.lt(x, y), binary.lt(zero, x))
    stepped = select(outward, binary.add(bits, one), binary.sub(bits, one))
    smallest = full_like(bits, np.iinfo(integer).min + 1)
    from_zero = select(binary.lt(zero, y), one, smallest)
    moved = bitcast(select(binary.eq(x, zero), from_zero, stepped), x.dtype)
    comparable = binary.and_(binary.eq(x, x), binary.eq(y, y))
    result = select(binary.eq(x, y), y, moved)
    return stop_gradient(select(comparable, result, binary.add(x, y)))


# --- rounding ------------------------------------------------------------------------


def floor(x: ArrayLike, /) -> Array:
    """Return the largest whole number that is not above x.

    >>> import nervure as nv
    >>> nv.floor(nv.asarray([1.5, -1.5])).tolist()
    [1.0, -2.0]
    """
    return on_numbers("floor", _floor, x)


def ceil(x: ArrayLike, /) -> Array:
    """Return the smallest whole number that is not below x.

    >>> import nervure as nv
    >>> nv.ceil(nv.asarray([1.5, -1.5])).tolist()
    [2.0, -1.0]
    """
    return on_numbers("ceil", _ceil, x)


def trunc(x: ArrayLike, /) -> Array:
    """Return x rounded toward zero.

    Element by element, for numbers of any type, which the result keeps.

    >>> import nervure as nv
    >>> nv.trunc(nv.asarray([1.5, -1.5])).tolist()
    [1.0, -1.0]
    """
    return on_numbers("trunc", _trunc, x)


def _floor(x: Node) -> Node:
    return unary.floor(x) if dtypes.is_float(x.dtype) else x


def _ceil(x: Node) -> Node:
    return unary.neg(unary.floor(unary.neg(x))) if dtypes.is_float(x.dtype) else x


def _trunc(x: Node) -> Node:
    return select(binary.lt(x, full_like(x, 0)), _ceil(x), _floor(x))


def round(x: ArrayLike, /, decimals: int = 0) -> Array:
    """Return x rounded to a number of decimals, halves to the even neighbour.

    Negative ``decimals`` round to tens, hundreds and so on.

    >>> import nervure as nv
    >>> nv.round(nv.asarray([0.5, 1.5, 2.5])).tolist()
    [0.0, 2.0, 2.0]
    """
    return on_numbers("round", lambda node: _round(node, decimals), x)


def _round(x: Node, decimals: int) -> Node:
    if not dtypes.is_float(x.dtype):
        return x if decimals >= 0 else _round_integers(x, 10**-decimals)
    if decimals == 0:
        return unary.round_(x)
    return stop_gradient(widened(lambda node: _round_scaled(node, decimals))(x))


def _round_scaled(x: Node, decimals: int) -> Node:
    power = full_like(x, 10.0 ** builtins.abs(decimals))
    there, back = (binary.mul, binary.div)[:: 1 if decimals > 0 else -1]
    scaled = there(x, power)
    rounded = back(unary.round_(scaled), power)
    # A number too large to be scaled has no decimals.
    return select(unary.is_finite(scaled), rounded, x)


def _round_integers(x: Node, unit: int) -> Node:
    """Round integers to a multiple of ``unit``, halves to the even multiple."""
    if unit > np.iinfo(x.dtype).max:
        return full_like(x, 0)
    step, one = full_like(x, unit), full_like(x, 1)
    quotient = _floor_divide(x, step)
    rest = binary.sub(x, binary.mul(quotient, step))
    other = binary.sub(step, rest)  # twice the rest might overflow
    odd = binary.eq(binary.and_(quotient, one), one)
    up = binary.or_(binary.lt(other, rest), binary.and_(binary.eq(other, rest), odd))
    rounded = binary.add(quotient, select(up, one, full_like(x, 0)))
    return binary.mul(rounded, step)
