"""Whole numbers and square roots: exact or correctly rounded by the hardware."""

from __future__ import annotations

import math

from nervure.exec.cpu.llvm import FunctionBuilder, Value
from nervure.exec.cpu.mathlib.lanes import Lanes


def nearest(x: Lanes) -> Lanes:
    """Return the nearest whole numbers, halves to even, with the signs of x.

    A target with FMA has rounding instructions.  Elsewhere LLVM would call the C
    library once a lane; adding 2^fraction rounds as well, and numbers beyond it are
    whole already.
    """
    b = x.b
    if b.fma:
        return Lanes(b, b.intrinsic("roundeven", x.value))
    limit = math.ldexp(1.0, x.format.fraction)
    size = abs(x)
    moved = ((size + limit) - limit).with_sign_of(x)
    return (size < limit).choose(moved, x, x)


def lower(x: Lanes) -> Lanes:
    """Return the largest whole numbers that are not above x."""
    b = x.b
    if b.fma:
        return Lanes(b, b.intrinsic("floor", x.value))
    whole = nearest(x)
    return (whole > x).choose(whole - 1.0, whole, x)


def floor(b: FunctionBuilder, x: Value) -> Value:
    """Return the largest whole number that is not above x; -0, inf and NaN stay."""
    return lower(Lanes(b, x)).value


def round(b: FunctionBuilder, x: Value) -> Value:
    """Return the nearest whole number, halves to even; -0, inf and NaN stay."""
    return nearest(Lanes(b, x)).value


def sqrt(b: FunctionBuilder, x: Value) -> Value:
    """Return the square root, correctly rounded; NaN for negative numbers."""
    return b.intrinsic("sqrt", x)
