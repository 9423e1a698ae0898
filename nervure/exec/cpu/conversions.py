"""Conversions from and to the narrow types: rounded once, without instructions for it.

A machine that has no instruction for a conversion would call a function of the
compiler's runtime library, which we do not have; and the one that AVX512-BF16 has makes
zero of subnormal numbers.  So these are written in whole numbers.  ``KernelBuilder``
uses them wherever ``fpext`` or ``fptrunc`` is asked for.
"""

from __future__ import annotations

from nervure.exec.cpu.llvm import (
    FunctionBuilder,
    Value,
    constant,
    lanes_of,
    vector_type,
)


class _Bits:
    """Arithmetic on the bits of floats, lane by lane."""

    def __init__(self, b: FunctionBuilder, lanes: int) -> None:
        self.b = b
        self.lanes = lanes
        self.word = vector_type("i32", lanes)
        self.float = vector_type("float", lanes)

    def of(self, x: Value) -> Value:
        return self.b.convert("bitcast", x, self.word)

    def to_float(self, bits: Value) -> Value:
        return self.b.convert("bitcast", bits, self.float)

    def op(self, name: str, x: Value, number: int) -> Value:
        return self.b.binary(name, x, constant(number, x.type))

    def choose(
        self, condition: str, x: Value, limit: int, one: Value, other: Value
    ) -> Value:
        """Return ``one`` where an unsigned comparison with a number holds."""
        holds = self.b.compare("icmp", condition, x, constant(limit, x.type))
        return self.b.select(holds, one, other)

    def finish(self, bits: Value, element: str) -> Value:
        """Return the low half of every word as a narrow float."""
        half = self.b.convert("trunc", bits, vector_type("i16", self.lanes))
        return self.b.convert("bitcast", half, vector_type(element, self.lanes))


def to_bfloat(b: FunctionBuilder, x: Value) -> Value:
    """Round ``float`` to ``bfloat``: to the nearest, halfway cases to even."""
    bits = _Bits(b, lanes_of(x.type))
    word = bits.of(x)
    last = bits.op("and", bits.op("lshr", word, 16), 1)
    rounded = b.binary("add", bits.op("add", word, 0x7FFF), last)
    is_number = b.compare("fcmp", "ord", x, x)
    quiet = bits.op("or", word, 0x400000)
    chosen = b.select(is_number, rounded, quiet)
    return bits.finish(bits.op("lshr", chosen, 16), "bfloat")


def to_half(b: FunctionBuilder, x: Value) -> Value:
    """Round ``float`` to ``half``: to the nearest, halfway cases to even."""
    bits = _Bits(b, lanes_of(x.type))
    word = bits.of(x)
    size = bits.op("and", word, 0x7FFFFFFF)
    last = bits.op("and", bits.op("lshr", size, 13), 1)
    moved = bits.op("add", size, (15 - 127) * 2**23 + 0xFFF)
    normal = bits.op("lshr", b.binary("add", moved, last), 13)
    # Adding a half moves the digits of a subnormal number to the end, and rounds.
    shifted = b.binary("fadd", bits.to_float(size), constant(0.5, bits.float))
    subnormal = bits.op("sub", bits.of(shifted), 126 << 23)
    infinity, nan = constant(0x7C00, bits.word), constant(0x7E00, bits.word)
    large = bits.choose("ugt", size, 255 << 23, nan, infinity)
    result = bits.choose("ult", size, 113 << 23, subnormal, normal)
    result = bits.choose("uge", size, 143 << 23, large, result)
    sign = bits.op("and", bits.op("lshr", word, 16), 0x8000)
    return bits.finish(b.binary("or", result, sign), "half")


def from_half(b: FunctionBuilder, x: Value) -> Value:
    """Return ``half`` as ``float``, exactly."""
    lanes = lanes_of(x.type)
    bits = _Bits(b, lanes)
    narrow = b.convert("bitcast", x, vector_type("i16", lanes))
    word = b.convert("zext", narrow, bits.word)
    size = bits.op("and", word, 0x7FFF)
    moved = bits.op("shl", size, 13)
    # The exponent's offset is put right by a multiplication, which is exact.
    scaled = b.binary("fmul", bits.to_float(moved), constant(2.0**112, bits.float))
    special = bits.op("or", moved, 255 << 23)
    result = bits.choose("uge", size, 0x7C00, special, bits.of(scaled))
    sign = bits.op("shl", bits.op("and", word, 0x8000), 16)
    return bits.to_float(b.binary("or", result, sign))


def to_odd_float(b: FunctionBuilder, x: Value) -> Value:
    """Round ``double`` to ``float``, where it is not exact to the odd neighbour.

    The last bit then tells that something was cut off, so that rounding once more gives
    what rounding only once would have given.
    """
    bits = _Bits(b, lanes_of(x.type))
    near = b.convert("fptrunc", x, bits.float)
    back = b.convert("fpext", near, x.type)
    word = bits.of(near)
    last = bits.op("and", word, 1)
    is_even = b.compare("icmp", "eq", last, constant(0, bits.word))
    inexact = b.compare("fcmp", "one", back, x)
    sizes = b.intrinsic("fabs", back), b.intrinsic("fabs", x)
    beyond = b.compare("fcmp", "olt", *sizes)
    step = b.select(beyond, constant(1, bits.word), constant(-1, bits.word))
    moved = b.binary("and", is_even, inexact)
    return bits.to_float(b.select(moved, b.binary("add", word, step), word))


def marked(b: FunctionBuilder, x: Value, signed: bool) -> Value:
    """Return 64-bit whole numbers with what ``double`` cannot hold in one bit of it.

    Large numbers lose their last twelve bits; another bit says whether any was set.
    """
    low = b.binary("and", x, constant(0xFFF, x.type))
    some = b.compare("icmp", "ne", low, constant(0, x.type))
    size = b.intrinsic("abs", x, Value("i1", "false")) if signed else x
    large = b.compare("icmp", "ugt", size, constant(2**40, x.type))
    cut = b.binary("sub", x, low)
    sticky = b.binary("or", cut, constant(0x800, x.type))
    return b.select(b.binary("and", some, large), sticky, x)
