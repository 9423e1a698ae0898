"""Exponentials and logarithms, element by element."""

from __future__ import annotations

import functools
import math

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike, on_floats, on_wide_floats
from nervure.prims import binary, unary
from nervure.prims.indexed import gather
from nervure.prims.leaf import const, full_like
from nervure.prims.select import bitcast, cast, select


def exp(x: ArrayLike, /) -> Array:
    """Return e to the power of x.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.exp(nv.asarray([0.0, 1.0])), 3))
    [1.    2.718]
    """
    return on_floats("exp", unary.exp, x)


def expm1(x: ArrayLike, /) -> Array:
    """Return exp(x) - 1, accurate near 0.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.expm1(nv.asarray([0.0, 1e-10])).tolist()
    [0.0, 1.000000013351432e-10]
    """
    return on_floats("expm1", unary.expm1, x)


def log(x: ArrayLike, /) -> Array:
    """Return the natural logarithm: -inf at 0, NaN below.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.log(nv.asarray([1.0, 0.0])).tolist()
    [0.0, -inf]
    """
    return on_floats("log", unary.log, x)


def log1p(x: ArrayLike, /) -> Array:
    """Return log(1 + x), accurate near 0.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.log1p(nv.asarray([0.0, 1e-10])).tolist()
    [0.0, 1.000000013351432e-10]
    """
    return on_floats("log1p", unary.log1p, x)


def log2(x: ArrayLike, /) -> Array:
    """Return the logarithm to base 2, exact for powers of 2.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.log2(nv.asarray([1.0, 8.0, 0.5])).tolist()
    [0.0, 3.0, -1.0]
    """
    return on_wide_floats("log2", lambda node: _logarithm(node, 2), x)


def log10(x: ArrayLike, /) -> Array:
    """Return the logarithm to base 10, exact for powers of 10.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.log10(nv.asarray([1.0, 1000.0, 0.01])).tolist()
    [0.0, 3.0, -2.0]
    """
    return on_wide_floats("log10", lambda node: _logarithm(node, 10), x)


def _logarithm(x: Node, base: int) -> Node:
    """Take the nearest whole power of the base out, which leaves a number near 1.

    ``log(x) / log(base)`` would miss whole results by a rounding.  The power is applied
    in two halves, because the reciprocal of the smallest number is too large.
    """
    zero, one = full_like(x, 0), full_like(x, 1)
    usable = binary.and_(unary.is_finite(x), binary.lt(zero, x))
    safe = select(usable, x, one)
    scale = full_like(x, 1 / math.log(base))
    whole = unary.round_(binary.mul(unary.log(safe), scale))
    half = unary.floor(binary.mul(whole, full_like(x, 0.5)))
    power = _power_of_two if base == 2 else _power_of_ten
    rest = binary.mul(safe, power(unary.neg(half)))
    rest = binary.mul(rest, power(binary.sub(half, whole)))
    result = binary.add(whole, binary.mul(unary.log(rest), scale))
    # 0, infinity, NaN and negative numbers
    return select(usable, result, unary.log(select(usable, one, x)))


def _power_of_two(exponent: Node) -> Node:
    """Return 2 to a whole power by writing the bits of the exponent."""
    integer = np.dtype(f"int{8 * exponent.dtype.itemsize}")
    digits = 52 if exponent.dtype == dtypes.float64 else 23
    bias = 1023 if exponent.dtype == dtypes.float64 else 127
    biased = cast(exponent, integer)
    biased = binary.add(biased, full_like(biased, bias))
    bits = binary.shift_left(biased, full_like(biased, digits))
    return bitcast(bits, exponent.dtype)


@functools.cache
def _powers_of_ten(dtype: DType) -> NDArray:
    """Return the powers of ten from -n to n that are needed for half an exponent."""
    limit = 162 if dtype == dtypes.float64 else 23
    texts = [f"1e{exponent}" for exponent in range(-limit, limit + 1)]
    return np.array(texts, np.float64).astype(dtype)  # correctly rounded


def _power_of_ten(exponent: Node) -> Node:
    """Return 10 to a whole power from a table: no executor's rounding enters."""
    table = _powers_of_ten(exponent.dtype)
    place = cast(exponent, dtypes.int64)
    shifted = binary.add(place, full_like(place, len(table) // 2))
    return gather(const(table), shifted, 0)


def logaddexp(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return log(exp(x1) + exp(x2)) without overflow.

    Shapes broadcast and types promote; integers give float32.

    >>> import nervure as nv
    >>> nv.logaddexp(nv.asarray([1000.0]), -1000.0).tolist()
    [1000.0]
    """
    return on_wide_floats("logaddexp", _logaddexp, x1, x2)


def _logaddexp(x: Node, y: Node) -> Node:
    zero = full_like(x, 0)
    # Two equal infinities have no difference.
    distance = select(binary.eq(x, y), zero, unary.abs_(binary.sub(x, y)))
    return binary.add(binary.maximum(x, y), unary.log1p(unary.exp(unary.neg(distance))))


def sigmoid(x: ArrayLike, /) -> Array:
    """Return the logistic function, 1 / (1 + exp(-x)).

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.sigmoid(nv.asarray([0.0, 100.0])).tolist()
    [0.5, 1.0]
    """
    return on_floats("sigmoid", unary.sigmoid, x)


def erf(x: ArrayLike, /) -> Array:
    """Return the error function: 2/sqrt(pi) times the integral of exp(-t^2) to x.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.erf(nv.asarray([0.0, 5.0])).tolist()
    [0.0, 1.0]
    """
    return on_floats("erf", unary.erf, x)
