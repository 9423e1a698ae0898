"""rem: the remainder of a truncated division, exact as C's fmod.

With q the nearest whole number to x/y, x - q y is exact in the right arithmetic and
wrong by at most one y, which is then put back.  ``float`` is computed in ``double``,
where products of 24 and 29 digits are exact; ``double`` with FMA, or with pairs.
Quotients of 2^26 and more take several such steps behind a branch, as in long division.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nervure.exec.cpu.llvm import FunctionBuilder, Value, constant
from nervure.exec.cpu.mathlib.functions import call_function
from nervure.exec.cpu.mathlib.lanes import DOUBLE, FLOAT, Lanes, Words
from nervure.exec.cpu.mathlib.pairs import sum_any

_DIGITS = 26  # of the quotient, found in one step
_STEP = _DIGITS - 2  # by which one step surely reduces the exponent


def _step(x: Lanes, y: Lanes, short: bool) -> Lanes:
    """Return x - q y in [0, y) for x >= 0 and a quotient up to 2^26.

    ``short`` tells that y has at most 27 digits, so that q y is exact.
    """
    magic = DOUBLE.magic
    q = (x / y + magic) - magic
    if short or x.b.fma:
        difference = q.fused(-y, x)
    else:
        difference = _exact_difference(x, q, y)
    return (difference < 0.0).choose(difference + y, difference, x)


def _exact_difference(x: Lanes, q: Lanes, y: Lanes) -> Lanes:
    """Return x - q y without FMA; q has at most 26 digits and the result fits."""
    # q y may be beyond the format where x is near its end
    is_large = x > 2.0**1000
    factor = is_large.choose(2.0**-60, 1.0, x)
    x, y = x * factor, y * factor
    high = (y.as_words() & -(1 << 27)).as_lanes()  # 26 digits, and 27 are left
    total = sum_any(x, -(q * high))
    difference = (total.high - q * (y - high)) + total.low
    return difference * is_large.choose(2.0**60, 1.0, x)


def _exponent(x: Lanes) -> Words:
    """Return the biased exponent of positive numbers; below 1 for denormals."""
    is_small = x < DOUBLE.smallest_normal
    whole = is_small.choose(x * 2.0**54, x, x)
    exponent = whole.as_words() >> DOUBLE.fraction
    return (exponent - 54).choose(is_small, exponent)


def _long_division(b: FunctionBuilder, x: Lanes, y: Lanes, short: bool) -> Lanes:
    """Return the remainder for any quotient; x and y are finite and positive."""
    steps = (_exponent(x) - _exponent(y)).maximum()
    # one step for each _STEP digits, and one for the last
    count = b.binary("sdiv", steps, constant(_STEP, "i64"))
    count = b.binary("add", count, constant(2, "i64"))
    with b.loop(0, count, 1, [x.value]) as loop:
        rest = Lanes(b, loop.carried[0])
        loop.next = [_long_step(rest, y, short).value]
    return Lanes(b, loop.results[0])


def _long_step(x: Lanes, y: Lanes, short: bool) -> Lanes:
    """Return x modulo y 2^k with the least k >= 0 for which the quotient is short.

    y 2^k is built from y's mantissa and an exponent; numbers whose exponents are near
    the format's end are moved away from it first.
    """
    near_zero = x < 2.0**-900
    factor = near_zero.choose(2.0**500, 1.0, x)
    dividend, divisor = x * factor, y * factor
    is_small = divisor < DOUBLE.smallest_normal
    normal = is_small.choose(divisor * 2.0**54, divisor, x)
    wanted = (dividend.as_words() >> DOUBLE.fraction) - _STEP
    present = normal.as_words() >> DOUBLE.fraction
    moved = normal.as_words() + ((wanted - present) << DOUBLE.fraction)
    larger = moved.choose(wanted > _exponent(divisor), divisor.as_words())
    rest = _step(dividend, larger.as_lanes(), short)
    rest = rest * near_zero.choose(2.0**-500, 1.0, x)
    return (x < y).choose(x, rest, x)


def _magnitude(x: Lanes, y: Lanes, short: bool) -> Lanes:
    """Return the remainder of sizes in ``double``."""
    b = x.b
    usual = _step(x, y, short)
    is_long = (x / y >= 2.0**_DIGITS) & (x < math.inf) & (y > 0.0)

    def body(inner: FunctionBuilder, arguments: Sequence[Value]) -> Value:
        dividend, divisor, known = (Lanes(inner, one) for one in arguments)
        finite = (dividend / divisor >= 2.0**_DIGITS) & (dividend < math.inf)
        finite = finite & (divisor > 0.0)
        # idle lanes divide 1 by 1
        rest = _long_division(
            inner,
            finite.choose(dividend, 1.0, known),
            finite.choose(divisor, 1.0, known),
            short,
        )
        return finite.choose(rest, known, known).value

    with b.rarely(is_long.any(), usual.value) as branch:
        arguments = [x.value, y.value, usual.value]
        branch.next = [call_function(b, "rem", arguments, body)]
    return Lanes(b, branch.results[0])


def rem(b: FunctionBuilder, x: Value, y: Value) -> Value:
    """Return the remainder with the sign of x, exactly.

    NaN for infinite x and for y = 0; x itself where |x| < |y|, infinite y included.
    """
    first, second = Lanes(b, x), Lanes(b, y)
    dividend, divisor = abs(first), abs(second)
    if first.format is FLOAT:
        rest = _magnitude(dividend.widened(), divisor.widened(), True).narrowed()
    else:
        rest = _magnitude(dividend, divisor, False)
    rest = (dividend < divisor).choose(dividend, rest, first)
    return rest.with_sign_of(first).value
