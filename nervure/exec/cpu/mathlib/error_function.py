"""erf.

Near 0, erf(x) = x + x P(x^2).  Farther, erf(x) = 1 - erfc(x), where erfc(x) is small
and need not be very precise: for ``float`` it is 2^P(x), for ``double``
e^(-x^2) P(t) / (1 + 2x) with t = (x - 3)/(x + 3), a function as flat as one can wish
(after Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x",
1981).

Largest errors: 1.4 ulp (``float``), 1.4 ulp (``double``).
"""

from __future__ import annotations

from nervure.exec.cpu.llvm import FunctionBuilder, Value
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.exponential import exponential
from nervure.exec.cpu.mathlib.exponents import power_of_two
from nervure.exec.cpu.mathlib.lanes import FLOAT, Lanes

# The polynomials' common ends, and where erf has become 1.
_MIDDLE_FLOAT, _END_FLOAT = 1.0, 3.95
_MIDDLE_DOUBLE, _END_DOUBLE = 0.85, 5.95


def _complement_float(size: Lanes) -> Lanes:
    """Return erfc for sizes from 1 to 3.95."""
    exponent = size.polynomial(coefficients.ERROR_FUNCTION_FAR_FLOAT)
    magic = size.format.magic + size.format.bias
    rounded = exponent + magic
    r = exponent - (rounded - magic)  # exact
    return power_of_two(rounded) * r.polynomial(coefficients.POWER_OF_TWO_SHORT)


def _complement_double(size: Lanes) -> Lanes:
    """Return erfc for sizes from 0.85 to 5.95."""
    bell = exponential(-(size * size))
    t = (size - 3.0) / (size + 3.0)
    scaled = t.tail(coefficients.ERROR_FUNCTION_FAR_DOUBLE)
    return bell * scaled / (size + size + 1.0)


def erf(b: FunctionBuilder, x: Value) -> Value:
    """Return the error function 2/sqrt(pi) * integral of e^(-t^2) from 0 to x."""
    lanes = Lanes(b, x)
    size = abs(lanes)
    z = size * size
    if lanes.format is FLOAT:
        middle = _MIDDLE_FLOAT
        tail = z.tail(coefficients.ERROR_FUNCTION_NEAR_FLOAT)
        complement = _complement_float(size.at_most(_END_FLOAT))
    else:
        middle = _MIDDLE_DOUBLE
        tail = z.tail(coefficients.ERROR_FUNCTION_NEAR_DOUBLE)
        complement = _complement_double(size.at_most(_END_DOUBLE))
    near = size.fused(tail, size)
    result = (size < middle).choose(near, 1.0 - complement, lanes)
    return result.with_sign_of(lanes).value
