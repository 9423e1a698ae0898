"""Sums and products without error: a number as an unevaluated sum of two.

The algorithms are Knuth's, Dekker's and Veltkamp's (T. J. Dekker, "A floating-point
technique for extending the available precision", 1971).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from nervure.exec.cpu.mathlib.lanes import Lanes


class Pair(NamedTuple):
    """high + low, where low is at most half a unit in the last place of high."""

    high: Lanes
    low: Lanes


def sum_ordered(x: Lanes, y: Lanes) -> Pair:
    """Return x + y exactly, where |x| >= |y| or x = 0."""
    total = x + y
    return Pair(total, y - (total - x))


def sum_any(x: Lanes, y: Lanes) -> Pair:
    """Return x + y exactly."""
    total = x + y
    from_y = total - x
    return Pair(total, (x - (total - from_y)) + (y - from_y))


def halves(x: Lanes) -> Pair:
    """Split x in two numbers of half the digits; |x| < 2^990 for ``double``."""
    factor = math.ldexp(1.0, (x.format.fraction + 2) // 2) + 1.0
    scaled = x * factor
    high = scaled - (scaled - x)
    return Pair(high, x - high)


def product(x: Lanes, y: Lanes) -> Pair:
    """Return x * y exactly, if nothing underflows."""
    high = x * y
    if x.b.fma:
        return Pair(high, x.fused(y, -high))
    left, right = halves(x), halves(y)
    low = left.high * right.high - high
    low = low + left.high * right.low + left.low * right.high
    return Pair(high, low + left.low * right.low)
