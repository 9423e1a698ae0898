"""Exponent and mantissa: taking numbers apart and multiplying them by powers of two.

AVX-512 has an instruction for each of these; everywhere else the bits are moved with
integer arithmetic.  Both ways give the same bits.
"""

from __future__ import annotations

import math

from nervure.exec.cpu.llvm import Value, constant
from nervure.exec.cpu.mathlib.lanes import FLOAT, Format, Lanes, Words

_WIDTHS = (512, 256, 128)
# getmant's immediate: mantissas in [3/4, 3/2), NaN for negative numbers
_MANTISSA_CONTROL = 3 | 2 << 2


def _avx512_suffix(x: Lanes) -> str:
    """Return ``ps.512`` and the like where one instruction takes these lanes."""
    width = x.format.width * x.count
    if not x.b.avx512 or width not in _WIDTHS:
        return ""
    return f"{'ps' if x.format is FLOAT else 'pd'}.{width}"


def _avx512(name: str, suffix: str, x: Lanes, *operands: Value) -> Lanes:
    """Call an instruction that has a mask and, at full width, a rounding mode."""
    b, type_ = x.b, x.value.type
    mask_type = f"i{max(8, x.count)}"
    arguments = [x.value, *operands, Value(type_, "zeroinitializer")]
    arguments.append(constant(-1, mask_type))
    if suffix.endswith("512"):
        arguments.append(Value("i32", "4"))  # the current rounding mode
    function = f"llvm.x86.avx512.mask.{name}.{suffix}"
    return Lanes(b, b.call(function, type_, arguments))


def scaling_magic(form: Format) -> float:
    """Return the number whose addition rounds an exponent for :func:`scaled`."""
    return form.magic + 2 * form.bias


def scaled(x: Lanes, rounded: Lanes, exponent: Lanes) -> Lanes:
    """Return x * 2^exponent, rounded once: denormal and infinite results included.

    ``rounded`` is the whole number ``exponent`` + :func:`scaling_magic`.  The factor is
    a product of two powers of two, since the whole one may not be representable; only
    the second multiplication can round.
    """
    suffix = _avx512_suffix(x)
    if suffix:
        return _avx512("scalef", suffix, x, exponent.value)
    fraction = x.format.fraction
    # the low bits are exponent + 2 bias: each half has one bias
    total = rounded.as_words()
    half = total >> 1
    first = (half << fraction).as_lanes()
    second = ((total - half) << fraction).as_lanes()
    return x * first * second


def power_of_two(rounded: Lanes) -> Lanes:
    """Return 2^exponent, which must be normal, of exponent + magic + bias."""
    return (rounded.as_words() << rounded.format.fraction).as_lanes()


def biased_exponent(x: Lanes) -> Words:
    """Return k + bias where x = 2^k m with 3/4 <= m < 3/2, for positive normal x."""
    form = x.format
    offset = (form.bias << form.fraction) - form.bits(0.75)
    return (x.as_words() + offset) >> form.fraction


def as_number(exponent: Words, form: Format) -> Lanes:
    """Return small whole numbers plus 2^fraction as floating-point numbers."""
    return (exponent | form.bits(math.ldexp(1.0, form.fraction))).as_lanes()


def split(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return k and m with x = 2^k m and 3/4 <= m < 3/2.

    k carries what is special, so that k + log2(m) is right for every x: -inf for
    zero, inf for infinity, NaN for NaN and negative numbers (there m may be NaN
    instead); otherwise m is finite.
    """
    suffix = _avx512_suffix(x)
    if suffix:
        control = Value("i32", str(_MANTISSA_CONTROL))
        m = _avx512("getmant", suffix, x, control)
        return (
            _avx512("getexp", suffix, x) - _avx512("getexp", suffix, m),
            m,
        )
    form = x.format
    shift = form.fraction + 1
    is_small = x < form.smallest_normal
    whole = is_small.choose(x * math.ldexp(1.0, shift), x, x)
    exponent = biased_exponent(whole)
    bits = whole.as_words() - (exponent << form.fraction) + (form.bias << form.fraction)
    offset = math.ldexp(1.0, form.fraction) + form.bias
    k = as_number(exponent, form) - is_small.choose(offset + shift, offset, x)
    k = (x < math.inf).choose(k, x, x)
    at_zero = x.equals(0.0).choose(-math.inf, math.nan, x)
    k = (x <= 0.0).choose(at_zero, k, x)
    return k, bits.as_lanes()
