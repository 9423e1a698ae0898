"""The logarithm and the normal quantile with the same bits on every executor.

Random numbers must not depend on where they are computed.  IEEE 754 fixes the result of
``+ - * /``, of the square root and of conversions, but two things are left to each
executor:

* ``exp``, ``log``, ``erf`` come from different libraries, each with its own rounding.
  So what is needed is built here from basic operations.
* A compiler may fuse a product with the addition that follows it, which then rounds
  once instead of twice.  So every inexact product that is added to something first goes
  through a minimum with the largest number: that changes nothing, costs one
  instruction, and no compiler looks through it.  See :func:`product`.

Everything is elementwise and without branches, so it fuses and vectorises like any
other formula.  All functions work on nodes of type float32 or float64.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.node import Node
from nervure.prims.binary import add, div, le, lt, minimum, mul, shift_right, sub
from nervure.prims.binary import eq as equal
from nervure.prims.leaf import const
from nervure.prims.movement import broadcast
from nervure.prims.select import bitcast, cast, select
from nervure.prims.unary import neg, sqrt

Coefficients = tuple[float, ...]


@functools.lru_cache(maxsize=512)
def _number(value: int | float, dtype: DType) -> Node:
    """Return a constant; a normal number takes dozens, the same ones each time."""
    return const(value, dtype)


def filled(like: Node, value: int | float) -> Node:
    """Return a number repeated in the shape and type of a node."""
    return broadcast(_number(value, like.dtype), like.shape, ())


def product(x: Node, y: Node) -> Node:
    """Return x * y rounded by itself, even if an addition follows."""
    return minimum(mul(x, y), filled(x, float(np.finfo(x.dtype).max)))


def polynomial(x: Node, coefficients: Sequence[Node]) -> Node:
    """Return a polynomial by Horner's rule; the highest power's coefficient first."""
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = add(product(total, x), coefficient)
    return total


# --- logarithm -----------------------------------------------------------------------


class _LogFormat(NamedTuple):
    """What the logarithm needs to know of a floating-point type.

    The constants are those of FreeBSD's msun, ``e_logf.c`` and ``e_log.c`` (Sun
    Microsystems 1993): ln 2 in two parts, of which the first has so few digits that an
    exponent times it is exact, and the polynomial (highest power first).
    """

    integer: DType
    digits: int  # of the fraction
    bias: int
    root_half: int  # the bits of sqrt(1/2)
    ln2_high: float
    ln2_low: float
    coefficients: Coefficients


_LOG: Final = {
    dtypes.float32: _LogFormat(
        dtypes.int32,
        23,
        127,
        0x3F3504F3,
        float.fromhex("0x1.62e300p-1"),
        float.fromhex("0x1.2fefa2p-17"),
        (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
    ),
    dtypes.float64: _LogFormat(
        dtypes.int64,
        52,
        1023,
        0x3FE6A09E667F3BCD,
        6.93147180369123816490e-01,
        1.90821492927058770002e-10,
        (
            1.479819860511658591e-01,
            1.531383769920937332e-01,
            1.818357216161805012e-01,
            2.222219843214978396e-01,
            2.857142874366239149e-01,
            3.999999999940941908e-01,
            6.666666666666735130e-01,
        ),
    ),
}


def log(x: Node, complement: Node | None = None) -> Node:
    """Return the natural logarithm of positive normal numbers, to about one ULP.

    Where x is close to 1 only the caller may know how far it is from it: with
    ``complement``, that is 1 - x for x up to 1, the result is accurate there as well.

    x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), and with s = f / (2 + f)
    log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)).
    """
    form = _LOG[x.dtype]
    offset = (form.bias << form.digits) - form.root_half
    bits = bitcast(x, form.integer)
    shifted = add(bits, filled(bits, offset))
    digits = filled(bits, form.digits)
    whole = sub(shift_right(shifted, digits), filled(bits, form.bias))
    exponent = cast(whole, x.dtype)
    # The exponent's bits are cleared by subtraction, which leaves 1 + f.
    mantissa = bitcast(sub(bits, mul(whole, filled(bits, 1 << form.digits))), x.dtype)
    f = sub(mantissa, filled(x, 1))
    if complement is not None:
        f = select(equal(whole, filled(whole, 0)), neg(complement), f)
    s = div(f, add(f, filled(x, 2)))
    square = product(s, s)
    coefficients = [filled(x, one) for one in form.coefficients]
    rest = product(square, polynomial(square, coefficients))
    half_square = product(mul(f, filled(x, 0.5)), f)
    # Small terms first: the order of the additions is part of the definition.
    low = product(exponent, filled(x, form.ln2_low))
    small = add(product(s, add(half_square, rest)), low)
    inner = add(sub(small, half_square), f)
    return add(inner, product(exponent, filled(x, form.ln2_high)))


# --- normal quantile -----------------------------------------------------------------


class _Region(NamedTuple):
    """One of Wichura's rational functions, highest power first.

    In the centre of the distribution (``split`` is 0) the variable is
    0.425^2 - centre^2; in the tails it is r - ``shift`` with r = sqrt(-log(tail)), from
    ``split`` on.
    """

    split: float
    shift: float
    numerator: Coefficients
    denominator: Coefficients


CENTRE_EDGE: Final = 0.425

# M. J. Wichura, Algorithm AS 241: The percentage points of the normal distribution,
# Applied Statistics 37 (1988) 477-484.  float32 has PPND7; a tail of 2^-33 and more
# never reaches its third region.  float64 has PPND16.
_QUANTILE: Final = {
    dtypes.float32: (
        _Region(
            0.0,
            0.0,
            (5.9109374720e01, 1.5929113202e02, 5.0434271938e01, 3.3871327179),
            (6.7187563600e01, 7.8757757664e01, 1.7895169469e01, 1.0),
        ),
        _Region(
            0.0,
            1.6,
            (1.7023821103e-01, 1.3067284816, 2.7568153900, 1.4234372777),
            (0.0, 1.2021132975e-01, 7.3700164250e-01, 1.0),
        ),
    ),
    dtypes.float64: (
        _Region(
            0.0,
            0.0,
            (
                2.50908092873012267270e3,
                3.34305755835881281050e4,
                6.72657709270087008530e4,
                4.59219539315498714570e4,
                1.37316937655094611250e4,
                1.97159095030655144270e3,
                1.33141667891784377450e2,
                3.38713287279636660800e0,
            ),
            (
                5.22649527885285456100e3,
                2.87290857357219426740e4,
                3.93078958000927106100e4,
                2.12137943015865958670e4,
                5.39419602142475110770e3,
                6.87187007492057908300e2,
                4.23133307016009112520e1,
                1.0,
            ),
        ),
        _Region(
            0.0,
            1.6,
            (
                7.74545014278341407640e-4,
                2.27238449892691845833e-2,
                2.41780725177450611770e-1,
                1.27045825245236838258e0,
                3.64784832476320460504e0,
                5.76949722146069140550e0,
                4.63033784615654529590e0,
                1.42343711074968357734e0,
            ),
            (
                1.05075007164441684324e-9,
                5.47593808499534494600e-4,
                1.51986665636164571966e-2,
                1.48103976427480074590e-1,
                6.89767334985100004550e-1,
                1.67638483018380384940e0,
                2.05319162663775882187e0,
                1.0,
            ),
        ),
        _Region(
            5.0,
            5.0,
            (
                2.01033439929228813265e-7,
                2.71155556874348757815e-5,
                1.24266094738807843860e-3,
                2.65321895265761230930e-2,
                2.96560571828504891230e-1,
                1.78482653991729133580e0,
                5.46378491116411436990e0,
                6.65790464350110377720e0,
            ),
            (
                2.04426310338993978564e-15,
                1.42151175831644588870e-7,
                1.84631831751005468180e-5,
                7.86869131145613259100e-4,
                1.48753612908506148525e-2,
                1.36929880922735805310e-1,
                5.99832206555887937690e-1,
                1.0,
            ),
        ),
    ),
}


def normal_quantile(tail: Node, centre: Node) -> Node:
    """Return the z of which a standard normal variable is above with probability tail.

    ``tail`` is between 0 and 1/2, ``centre`` is 1/2 - tail, each accurate by itself:
    the first decides about the far end of the distribution, the second about its
    middle.
    The relative error is about 3e-7 in float32 and 1e-15 in float64.
    """
    middle, *tails = _QUANTILE[tail.dtype]
    in_middle = le(centre, filled(centre, CENTRE_EDGE))
    r = sqrt(neg(log(tail)))
    shift = filled(r, tails[0].shift)
    numerator = [filled(r, one) for one in tails[0].numerator]
    denominator = [filled(r, one) for one in tails[0].denominator]
    for region in tails[1:]:
        beyond = lt(filled(r, region.split), r)
        shift = select(beyond, filled(r, region.shift), shift)
        numerator = _chosen(beyond, region.numerator, numerator)
        denominator = _chosen(beyond, region.denominator, denominator)
    edge = filled(r, CENTRE_EDGE**2)
    x = select(in_middle, sub(edge, product(centre, centre)), sub(r, shift))
    numerator = _chosen(in_middle, middle.numerator, numerator)
    denominator = _chosen(in_middle, middle.denominator, denominator)
    ratio = div(polynomial(x, numerator), polynomial(x, denominator))
    return product(ratio, select(in_middle, centre, filled(centre, 1)))


def _chosen(condition: Node, inside: Coefficients, outside: list[Node]) -> list[Node]:
    """Return one set of coefficients where the condition holds, another elsewhere."""
    return [
        select(condition, filled(other, value), other)
        for value, other in zip(inside, outside, strict=True)
    ]
