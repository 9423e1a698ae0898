"""Angles modulo pi/2: x = q pi/2 + r with whole q and |r| <= pi/4 or little more.

Up to a limit, r = x - q pi/2 with pi/2 in three or four parts.  Beyond it the method of
Payne and Hanek ("Radian reduction for trigonometric functions", 1983): x is m 2^e with
a whole m; of 2/pi's binary digits only a window matters, since those before it
contribute multiples of 4 to x 2/pi, and those behind it nothing that can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from nervure.exec.cpu.llvm import FunctionBuilder, Value, constant
from nervure.exec.cpu.mathlib import coefficients
from nervure.exec.cpu.mathlib.functions import call_function
from nervure.exec.cpu.mathlib.lanes import DOUBLE, FLOAT, Lanes, Words
from nervure.exec.cpu.mathlib.pairs import product, sum_any

# The largest angles for which the parts of pi/2 suffice.
LIMIT_FLOAT = 65536.0
LIMIT_DOUBLE = 1048576.0

_WINDOW = 256
# Zero digits before those of 2/pi: the window may begin there for e down to -62.
_LEADING_BYTES = 8


def reduced(x: Lanes) -> tuple[Lanes, Words]:
    """Return r and q (only its two low bits count) for 0 <= x <= limit."""
    if x.format is FLOAT and not x.b.fma:
        # without FMA the parts would need too few digits: one format wider is simpler
        r, q = reduced(x.widened())
        return r.narrowed(), q.narrowed()
    magic = x.format.magic
    rounded = x.fused(coefficients.TWO_OVER_PI, magic)
    n = rounded - magic
    if x.b.fma:
        is_float = x.format is FLOAT
        parts = coefficients.HALF_PI_FLOAT if is_float else coefficients.HALF_PI_FUSED
        for part in parts:
            # the first is exact, and so is the second where digits cancel
            x = n.fused(-part, x)
        return x, rounded.as_words()
    first, second, third, fourth = coefficients.HALF_PI_SPLIT
    # products are exact, the first difference too
    total, error = sum_any(x - n * first, -(n * second))
    total, error_too = sum_any(total, -(n * third))
    return total + (error + error_too - n * fourth), rounded.as_words()


def reduced_large(b: FunctionBuilder, x: Value) -> tuple[Value, Value]:
    """Return r and q for one ``double`` x >= 1; both are garbage for infinity."""
    both = call_function(b, "quadrant", [x], _payne_hanek)
    return (
        b.emit("double", f"extractvalue {both}, 0"),
        b.emit("i64", f"extractvalue {both}, 1"),
    )


def _table(b: FunctionBuilder) -> Value:
    """Return the address of 2/pi's digits, least significant byte first."""
    data = (bytes(_LEADING_BYTES) + coefficients.TWO_OVER_PI_BYTES)[::-1]
    text = "".join(f"\\{byte:02X}" for byte in data)
    name = "@nervure_two_over_pi"
    line = f'{name} = internal constant [{len(data)} x i8] c"{text}", align 16'
    b.declarations[line] = None
    return Value("ptr", name)


def _payne_hanek(b: FunctionBuilder, arguments: Sequence[Value]) -> Value:
    """Write the function ``{double, i64} quadrant(double)``."""
    x = arguments[0]
    bits = b.convert("bitcast", x, "i64")

    def word(op: str, y: Value, number: int) -> Value:
        return b.binary(op, y, constant(number, y.type))

    mantissa = word("or", word("and", bits, (1 << 52) - 1), 1 << 52)
    # x = mantissa * 2^e; the window begins 2 digits before weight 2^-e or earlier
    e = word("sub", word("lshr", bits, 52), DOUBLE.bias + 52)
    place = word("add", e, 8 * _LEADING_BYTES - 2)
    last = _LEADING_BYTES + len(coefficients.TWO_OVER_PI_BYTES) - _WINDOW // 8
    offset = b.binary("sub", constant(last, "i64"), word("lshr", place, 3))
    window = b.load(f"i{_WINDOW}", b.address(_table(b), "i8", offset), 1)
    factor = b.convert("zext", mantissa, window.type)
    turns = b.binary("mul", window, factor)
    skipped = b.convert("zext", word("and", place, 7), window.type)
    turns = b.binary("shl", turns, skipped)
    # two digits of the quadrant, then the fraction: as a signed number it is nearest
    quadrant = b.convert("trunc", word("lshr", turns, _WINDOW - 2), "i64")
    fraction = word("shl", turns, 2)
    negative = b.compare("icmp", "slt", fraction, constant(0, fraction.type))
    quadrant = b.binary("add", quadrant, b.convert("zext", negative, "i64"))
    angle = _to_angle(b, fraction)
    opposite = b.emit("double", f"fneg {angle}")
    angle = b.select(negative, opposite, angle)
    type_ = "{ double, i64 }"
    half = b.emit(type_, f"insertvalue {type_} poison, {angle}, 0")
    return b.emit(type_, f"insertvalue {half}, {quadrant}, 1")


def _to_angle(b: FunctionBuilder, fraction: Value) -> Value:
    """Return |fraction| * 2^-256 * pi/2, rounded almost correctly."""
    type_ = fraction.type
    size = b.intrinsic("abs", fraction, Value("i1", "false"))
    zeros = b.intrinsic("ctlz", size, Value("i1", "false"))
    size = b.binary("shl", size, zeros)

    def digits(first: int) -> Lanes:
        """Return 53 digits as a whole number."""
        moved = b.binary("lshr", size, constant(_WINDOW - 53 - first, type_))
        word = b.convert("trunc", moved, "i64")
        word = b.binary("and", word, constant((1 << 53) - 1, "i64"))
        return Lanes(b, b.convert("sitofp", word, "double"))

    high, low = digits(0), digits(53)
    half_pi, rest, _ = coefficients.HALF_PI_FUSED
    exact = product(high, high.operand(half_pi))
    tail = low * (half_pi * 2.0**-53) + high * rest + exact.low
    exponent = b.binary(
        "sub", constant(DOUBLE.bias - 53, "i64"), b.convert("trunc", zeros, "i64")
    )
    scale = b.binary("shl", exponent, constant(52, "i64"))
    factor = Lanes(b, b.convert("bitcast", scale, "double"))
    return ((exact.high + tail) * factor).value
