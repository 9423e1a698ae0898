"""pow.

x^y = 2^(y log2 |x|), with a sign where x is negative and y an odd whole number.

``float`` is computed in ``double``: log2(x) = k + f P(f) is in error by 2^-35, and the
result is rounded once, so that it is correctly rounded but for rare near-ties, and
powers that are representable are exact.

``double`` needs log2(x) as a pair of numbers.  With s = (m - 1)/(m + 1), z = s^2,
log(m) = (2/3) s (3 + z + z^2 P(z)), where only the last term, below 2^-12 of the first,
is a single number.  The logarithm's error is about 2^-64 of it; the exponent of a large
result multiplies it by up to 2^10.

Largest errors: 0.53 ulp (``float``), 1.6 ulp (``double``).
"""

from __future__ import annotations

import math

from nervure.exec.cpu.llvm import FunctionBuilder, Value
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.exponents import (
    power_of_two,
    scaled,
    scaling_magic,
    split,
)
from nervure.exec.cpu.mathlib.lanes import FLOAT, Lanes
from nervure.exec.cpu.mathlib.pairs import Pair, product, sum_any, sum_ordered
from nervure.exec.cpu.mathlib.rounding import lower

# Beyond this, results are zero, infinite or one, whatever the base.
_HUGE_EXPONENT = 2.0**80
_SQUARE_ROOT = 1.4142
# Powers of two whose results are zero and infinite.
_LOW_FLOAT, _HIGH_FLOAT = -160.0, 130.0
_LOW_DOUBLE, _HIGH_DOUBLE = -1080.0, 1025.0


def _power_float(size: Lanes, y: Lanes) -> Lanes:
    """Return size^y, where log2(size) may be infinite and 0 * inf is left as NaN."""
    k, m = split(size)
    f = (m - 1.0).widened()
    logarithm = f.fused(f.tail(coefficients.BINARY_LOGARITHM), k.widened())
    exponent = (y.widened() * logarithm).at_most(_HIGH_FLOAT).at_least(_LOW_FLOAT)
    magic = exponent.format.magic + exponent.format.bias
    rounded = exponent + magic
    r = exponent - (rounded - magic)  # exact
    power = r.fused(r.polynomial(coefficients.POWER_OF_TWO_FLOAT), 1.0)
    return (power * power_of_two(rounded)).narrowed()


def _logarithm_pair(x: Lanes) -> Pair:
    """Return log2(x) as a pair; the second number is NaN where the first is special."""
    k, m = split(x)
    # m from sqrt(1/2) to sqrt(2) keeps s, and with it the last term's error, smallest
    upper = m > _SQUARE_ROOT
    k, m = k + upper.choose(1.0, 0.0, k), m * upper.choose(0.5, 1.0, m)
    f = m - 1.0
    # s = f / (2 + f)
    divisor = sum_ordered(f.operand(2.0), f)
    s = f / divisor.high
    back = product(s, divisor.high)
    rest = ((f - back.high) - back.low - s * divisor.low) / divisor.high
    # t = 3 + z + z^2 P(z)
    square = product(s, s)
    z = square.high
    tail = (z * z).fused(z.tail(coefficients.LOGARITHM_TAIL), square.low)
    tail = (s + s).fused(rest, tail)
    inner = sum_ordered(z, tail)
    total = sum_ordered(inner.high.operand(3.0), inner.high)
    t_low = total.low + inner.low
    # s t * 2/(3 log 2)
    cubic = product(s, total.high)
    cubic_low = cubic.low + s.fused(t_low, rest * total.high)
    high, low = coefficients.TWO_THIRDS_LOG2_E
    result = product(cubic.high, cubic.high.operand(high))
    result_low = result.low + cubic.high.fused(low, cubic_low * high)
    whole = sum_ordered(k, result.high)
    return Pair(whole.high, whole.low + result_low)


def _power_double(size: Lanes, y: Lanes) -> Lanes:
    """Return size^y, where 0 * inf is left as NaN."""
    logarithm = _logarithm_pair(size)
    exact = product(y, logarithm.high)
    rest = y.fused(logarithm.low, exact.low)
    inside = (exact.high < _HIGH_DOUBLE) & (exact.high > _LOW_DOUBLE)
    rest = inside.choose(rest, 0.0, rest)
    exponent = exact.high.at_most(_HIGH_DOUBLE).at_least(_LOW_DOUBLE)
    magic = scaling_magic(exponent.format)
    rounded = exponent + magic
    n = rounded - magic
    # 2^(r + rest) = e^(z + low); exponent - n is exact
    r, rest = sum_any(exponent - n, rest)
    angle = product(r, r.operand(math.log(2.0)))
    z = angle.high
    low = rest.fused(math.log(2.0), r.fused(coefficients.LN2_REST, angle.low))
    inner = z + (z * z).fused(z.tail(coefficients.EXPONENTIAL_DOUBLE), low)
    return scaled(inner + 1.0, rounded, n)


def pow(b: FunctionBuilder, x: Value, y: Value) -> Value:
    """Return x to the power of y, with the special cases of IEEE 754.

    x^0 = 1^y = 1 even for NaN; (-1)^inf = 1; finite negative x and y that is not whole
    give NaN; 0 and infinities give 0 and infinity, negative for negative x and odd y.
    """
    base, exponent = Lanes(b, x), Lanes(b, y)
    size = abs(base)
    limited = exponent.at_most(_HUGE_EXPONENT).at_least(-_HUGE_EXPONENT)
    is_float = base.format is FLOAT
    result = (_power_float if is_float else _power_double)(size, limited)
    is_whole = lower(exponent).equals(exponent)
    half = exponent * 0.5
    is_odd = is_whole & lower(half).differs(half)
    sign = base.as_words() & (1 << base.format.width - 1)
    result = is_odd.choose((result.as_words() ^ sign).as_lanes(), result, base)
    is_negative = (base < 0.0) & (size < math.inf)
    undefined = is_negative.without(is_whole)
    result = undefined.choose(math.nan, result, base)
    is_one = base.equals(1.0) | exponent.equals(0.0)
    return is_one.choose(1.0, result, base).value
