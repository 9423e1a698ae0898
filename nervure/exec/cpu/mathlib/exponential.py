"""exp, expm1, tanh and sigmoid.

All start from x = n log(2) + r with whole n and |r| <= log(2)/2, so that
e^x = 2^n e^r, and from e^r = 1 + r + r^2 P(r).  n comes from adding a large number
(:attr:`Format.magic`); log(2) is split in two parts of which the first has so few
digits that its product with n is exact.

Largest errors in ulp, ``float`` / ``double``: exp 1.3 / 1.2, expm1 1.3 / 1.4, tanh
2.7 / 1.5, sigmoid 2.5 / 1.5.  Denormal results are rounded a second time: the error of
a normal result, relative to it, adds at most half a denormal ulp.
"""

from __future__ import annotations

from dataclasses import dataclass

from nervure.exec.cpu.llvm import FunctionBuilder, Value
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.exponents import power_of_two, scaled, scaling_magic
from nervure.exec.cpu.mathlib.lanes import FLOAT, Lanes
from nervure.exec.cpu.mathlib.pairs import Pair


@dataclass(frozen=True)
class _Constants:
    """What depends on the format; see the functions below for the limits."""

    polynomial: tuple[float, ...]
    ln2: tuple[float, ...]
    low: float  # e^x is zero below
    high: float  # and infinite above
    minus_one: float  # e^x - 1 is -1 below
    one: float  # tanh(x) is 1 above half of it


_FLOAT = _Constants(
    coefficients.EXPONENTIAL_FLOAT, coefficients.LN2_FLOAT, -104.0, 89.0, -18.0, 18.1
)
_DOUBLE = _Constants(
    coefficients.EXPONENTIAL_DOUBLE, coefficients.LN2_DOUBLE, -746.0, 710.0, -38.0, 38.2
)


def _constants(x: Lanes) -> _Constants:
    return _FLOAT if x.format is FLOAT else _DOUBLE


def _reduced(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return n + :func:`scaling_magic`, n and r."""
    ln2 = _constants(x).ln2
    magic = scaling_magic(x.format)
    rounded = x.fused(coefficients.LOG2_E, magic)
    n = rounded - magic
    return rounded, n, n.fused(-ln2[1], n.fused(-ln2[0], x))


def exponential(x: Lanes) -> Lanes:
    """Return e^x for x in [low, high] or NaN."""
    rounded, n, r = _reduced(x)
    known = _constants(x).polynomial
    if x.format is FLOAT:
        power = r.polynomial((1.0, 1.0, *known))
    else:
        power = (r * r).fused(r.tail(known), r) + 1.0
    return scaled(power, rounded, n)


def exp(b: FunctionBuilder, x: Value) -> Value:
    """Return e^x: 0 below about -104 (-745), infinity above 88.7 (709.8)."""
    lanes = Lanes(b, x)
    known = _constants(lanes)
    return exponential(lanes.at_most(known.high).at_least(known.low)).value


def _scaled_expm1(x: Lanes, shift: int) -> Pair:
    """Return (e^x - 1) * 2^-shift, x within the limits, as a pair.

    With s = 2^n this is (s - 1) + s r + s r^2 P(r).  The first two terms are added
    first: where they cancel (n = 1 and r near -log(2)/2) the sum is exact if r has not
    been rounded, hence the rest of r, c, joins the small third term.
    """
    known = _constants(x)
    magic = x.format.magic + x.format.bias - shift
    rounded = x.fused(coefficients.LOG2_E, magic)
    n = rounded - magic
    high = n.fused(-known.ln2[0], x)
    c = n * -known.ln2[1]
    r = high + c
    rest = (r * r).fused(r.tail(known.polynomial), c)
    s = power_of_two(rounded)
    large = s.fused(high, s - 2.0**-shift)
    result = s.fused(rest, large)
    return Pair(result, s.fused(rest, large - result))


def expm1(b: FunctionBuilder, x: Value) -> Value:
    """Return e^x - 1, accurate near 0.

    Half the result is computed, since 2^n may be one step beyond the format.
    """
    lanes = Lanes(b, x)
    known = _constants(lanes)
    limited = lanes.at_most(known.high).at_least(known.minus_one)
    half = _scaled_expm1(limited, 1).high
    return (half + half).with_sign_of(lanes).value


def tanh(b: FunctionBuilder, x: Value) -> Value:
    """Return the hyperbolic tangent; exactly 1 where 1 is nearest.

    tanh(x) = u / (u + 2) with u = e^(2x) - 1, for positive x, where an error of u
    counts less the larger u is.  For ``double`` the quotient q is corrected by the
    errors of u and of d = u + 2, with 1/d = (1 - q)/2.
    """
    lanes = Lanes(b, x)
    size = abs(lanes)
    u, u_low = _scaled_expm1((size + size).at_most(_constants(lanes).one), 0)
    d = u + 2.0
    q = u / d
    if lanes.format is not FLOAT:
        d_low = u.at_most(2.0) - (d - u.at_least(2.0)) + u_low
        q = q + q.negated_product(d_low, u_low) * q.fused(-0.5, 0.5)
    return q.with_sign_of(lanes).value


def sigmoid(b: FunctionBuilder, x: Value) -> Value:
    """Return 1 / (1 + e^-x); denormal results as exp's.

    e = e^-|x| does not overflow: 1 / (1 + e) for positive x, e / (1 + e) for negative.
    """
    lanes = Lanes(b, x)
    negative = lanes < 0.0
    limited = (-abs(lanes)).at_least(_constants(lanes).low)
    if lanes.format is FLOAT:
        e = exponential(limited)
        return (negative.choose(e, 1.0, lanes) / (e + 1.0)).value
    e, e_low = _exponential_pair(limited)
    d = e + 1.0
    d_low = e - (d - 1.0) + e_low
    q = negative.choose(e, 1.0, lanes) / d
    # 1/d is q for positive x, else 1 - q
    reciprocal = negative.choose(1.0 - q, q, lanes)
    error = q.negated_product(d_low, negative.choose(e_low, 0.0, lanes))
    return error.fused(reciprocal, q).value


def _exponential_pair(x: Lanes) -> Pair:
    """Return e^x for x in [low, 0] with what rounding lost, or 0 where e^x is tiny."""
    rounded, n, r = _reduced(x)
    rest = (r * r).fused(r.tail(_constants(x).polynomial), r)
    power = rest + 1.0
    low = rest - (power - 1.0)
    factor = ((rounded.as_words() - x.format.bias) << x.format.fraction).as_lanes()
    low = (x > -700.0).choose(low * factor, 0.0, x)
    return Pair(scaled(power, rounded, n), low)
