"""atan2: the angle of a point.

With 0 <= q <= 1 the quotient of the smaller and the larger coordinate's size, the angle
is c pi/4 +- atan(q), where c and the sign follow from the octant.  For ``double`` the
polynomial reaches to q = 4/7 only; beyond it pi/4 is taken off by
atan(q) = pi/4 + atan((q - 1)/(q + 1)), in the same division.

Largest errors: 1.8 ulp (``float``), 1.7 ulp (``double``).
"""

from __future__ import annotations

import math

from nervure.exec.cpu.llvm import FunctionBuilder, Value
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.lanes import FLOAT, Format, Lanes


def _ratio(small: Lanes, large: Lanes) -> tuple[Lanes, Lanes]:
    """Return q and the number of eighths of a turn that were taken off, 0 or 1."""
    zero = small.operand(0.0)
    if small.format is FLOAT:
        return small / large, zero
    beyond = small * 1.75 > large
    numerator = beyond.choose(small - large, small, small)
    denominator = beyond.choose(small + large, large, small)
    return numerator / denominator, beyond.choose(1.0, 0.0, small)


def _prepared(y: Lanes, x: Lanes) -> tuple[Lanes, Lanes]:
    """Return the smaller and the larger size, fit for division."""
    form = x.format
    small, large = abs(y), abs(x)
    small, large = small.at_most(large), large.at_least(small)
    # Two infinities are as two ones; 0/0 becomes 0/tiny.
    infinite = small.equals(math.inf)
    small = infinite.choose(1.0, small, x)
    large = infinite.choose(1.0, large, x)
    least = math.ldexp(1.0, 1 - form.bias - form.fraction)
    large = large.at_least(least)
    if form is FLOAT:
        return small, large
    # their sum must not overflow
    factor = (large > 2.0**1000).choose(0.25, 1.0, x)
    return small * factor, large * factor


def _parts(form: Format) -> tuple[float, ...]:
    if form is FLOAT:
        return coefficients.QUARTER_PI_FLOAT
    return coefficients.QUARTER_PI_DOUBLE


def atan2(b: FunctionBuilder, y: Value, x: Value) -> Value:
    """Return the angle of the point (x, y), in [-pi, pi] with the sign of y.

    The signs of zeros count: atan2(0, -0) = pi.  Infinities are as in C and NumPy.
    """
    first, second = Lanes(b, y), Lanes(b, x)
    form = first.format
    q, eighths = _ratio(*_prepared(first, second))
    z = q * q
    if form is FLOAT:
        tail = z.polynomial(coefficients.ARC_TANGENT_FLOAT)
    else:
        tail = z.tail(coefficients.ARC_TANGENT_DOUBLE)
    angle = (q * z).fused(tail, q)
    # reflect at the diagonal, then at the axis of y
    steep = abs(first) > abs(second)
    angle = steep.choose(-angle, angle, angle)
    eighths = steep.choose(2.0 - eighths, eighths, angle)
    negative = (second.as_words() & (1 << form.width - 1)).nonzero()
    angle = negative.choose(-angle, angle, angle)
    eighths = negative.choose(4.0 - eighths, eighths, angle)
    # the product with the short first part is exact
    high, low = _parts(form)
    result = eighths.fused(high, eighths.fused(low, angle)).with_sign_of(first)
    return first.unordered(second).choose(math.nan, result, result).value
