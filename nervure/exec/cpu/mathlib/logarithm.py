"""log and log1p.

x = 2^k m with 3/4 <= m < 3/2, hence log(x) = k log(2) + log(1 + f) with f = m - 1,
which is exact.  For ``float``, log(1 + f) = f - f^2/2 + f^3 P(f).  For ``double``
log(1 + f) = s (2 + z P(z)) with s = f/(2 + f), z = s^2; as 2s = f - s f this is
f - (h - s (h + z P(z))) with h = f^2/2, where f stands without an error.

Largest errors in ulp, ``float`` / ``double``: log 1.1 / 1.1, log1p 1.3 / 1.1.
"""

from __future__ import annotations

import math

from nervure.exec.cpu.llvm import FunctionBuilder, Value
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.exponents import as_number, biased_exponent, split
from nervure.exec.cpu.mathlib.lanes import FLOAT, Lanes


def _combine(k: Lanes, f: Lanes) -> Lanes:
    """Return k log(2) + log(1 + f)."""
    if k.format is FLOAT:
        inner = f.fused(f.tail(coefficients.LOGARITHM_FLOAT), -0.5)
        # log(2) as a float is in error by 2^-28: one part suffices
        return k.fused(math.log(2.0), (f * f).fused(inner, f))
    high, low = coefficients.LN2_DOUBLE
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    tail = s.fused(z.fused(z.tail(coefficients.LOGARITHM_DOUBLE), half), k * low)
    return k.fused(high, f - (half - tail))


def log(b: FunctionBuilder, x: Value) -> Value:
    """Return the natural logarithm; -inf at 0, NaN below."""
    k, m = split(Lanes(b, x))
    return _combine(k, m - 1.0).value


def log1p(b: FunctionBuilder, x: Value) -> Value:
    """Return log(1 + x), accurate near 0; -inf at -1, NaN below.

    k is that of 1 + x rounded, but f = 2^-k x + (2^-k - 1) is computed from x itself:
    the product is exact, and for k = 0 so is all of it.
    """
    lanes = Lanes(b, x)
    form = lanes.format
    # 2^-k is normal and 2^-k x finite below this; nothing is added to x above it
    is_large = lanes > math.ldexp(1.0, form.bias - 7)
    u = is_large.choose(lanes * math.ldexp(1.0, -8), lanes + 1.0, lanes)
    small = is_large.choose(u, lanes, lanes)
    exponent = biased_exponent(u)
    factor = ((2 * form.bias - exponent) << form.fraction).as_lanes()
    offset = math.ldexp(1.0, form.fraction) + form.bias
    k = as_number(exponent, form) - is_large.choose(offset - 8, offset, lanes)
    result = _combine(k, small.fused(factor, factor - 1.0))
    at_end = lanes.equals(-1.0).choose(-math.inf, math.nan, lanes)
    result = (lanes > -1.0).choose(result, at_end, lanes)
    unchanged = (abs(lanes) < math.ldexp(1.0, -form.fraction - 3)) | lanes.equals(
        math.inf
    )
    return unchanged.choose(lanes, result, lanes).value
