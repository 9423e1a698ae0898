"""Converting between float32 and the two 16-bit types, exactly, on every machine.

Where a machine has no instruction, LLVM calls functions that a program compiled in
memory does not find; and the x86 instruction for bfloat16 turns small numbers
(denormals) into zero.  A few integer operations do it right everywhere.
"""

from __future__ import annotations

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.llvm import (
    FunctionBuilder,
    Value,
    constant,
    lanes_of,
    vector_type,
)


def _types(x: Value) -> tuple[str, str, str]:
    """Return the types of as many i16, i32 and float elements."""
    lanes = lanes_of(x.type)
    words, numbers = vector_type("i32", lanes), vector_type("float", lanes)
    return vector_type("i16", lanes), words, numbers


def widened(b: FunctionBuilder, x: Value, dtype: DType, has_half: bool) -> Value:
    """Return 16-bit floats as ``float``; ``has_half`` if the machine converts half."""
    halves, words, numbers = _types(x)
    if dtype == dtypes.float16 and has_half:
        return b.convert("fpext", x, numbers)
    bits = b.convert("zext", b.convert("bitcast", x, halves), words)
    if dtype == dtypes.bfloat16:
        high = b.binary("shl", bits, constant(16, words))
        return b.convert("bitcast", high, numbers)
    return _widened_half(b, bits, words, numbers)


def _widened_half(b: FunctionBuilder, bits: Value, words: str, numbers: str) -> Value:
    """Move the fields of a half to their places; see IEEE 754, binary16."""
    sign = b.binary("shl", b.binary("and", bits, constant(0x8000, words)),
                    constant(16, words))  # fmt: skip
    rest = b.binary("and", bits, constant(0x7FFF, words))
    moved = b.binary("shl", rest, constant(13, words))
    normal = b.binary("add", moved, constant(112 << 23, words))
    special = b.binary("add", moved, constant(224 << 23, words))
    small = b.binary("fmul", b.convert("uitofp", rest, numbers),
                     constant(2.0**-24, numbers))  # fmt: skip
    is_special = b.compare("icmp", "uge", rest, constant(0x7C00, words))
    is_small = b.compare("icmp", "ult", rest, constant(0x0400, words))
    value = b.select(is_special, special, normal)
    value = b.select(is_small, b.convert("bitcast", small, words), value)
    return b.convert("bitcast", b.binary("or", value, sign), numbers)


def narrowed(b: FunctionBuilder, x: Value, dtype: DType, has_half: bool) -> Value:
    """Return ``float`` rounded to a 16-bit type, to even where two are equally near."""
    halves, words, _ = _types(x)
    element = "bfloat" if dtype == dtypes.bfloat16 else "half"
    narrow = vector_type(element, lanes_of(x.type))
    if dtype == dtypes.float16 and has_half:
        return b.convert("fptrunc", x, narrow)
    bits = b.convert("bitcast", x, words)
    if dtype == dtypes.bfloat16:
        result = _rounded(b, bits, 16, words)
        quiet = b.binary("or", b.binary("lshr", bits, constant(16, words)),
                         constant(0x40, words))  # fmt: skip
        is_nan = b.compare("fcmp", "uno", x, x)
        result = b.select(is_nan, quiet, result)
    else:
        result = _narrowed_half(b, x, bits, words)
    return b.convert("bitcast", b.convert("trunc", result, halves), narrow)


def _rounded(b: FunctionBuilder, bits: Value, count: int, words: str) -> Value:
    """Drop the lowest bits, rounding to even."""
    last = b.binary("and", b.binary("lshr", bits, constant(count, words)),
                    constant(1, words))  # fmt: skip
    half = b.binary("add", last, constant((1 << (count - 1)) - 1, words))
    return b.binary("lshr", b.binary("add", bits, half), constant(count, words))


def _narrowed_half(b: FunctionBuilder, x: Value, bits: Value, words: str) -> Value:
    """Round to the digits of a half; see IEEE 754, binary16."""
    numbers = x.type
    sign = b.binary("and", b.binary("lshr", bits, constant(16, words)),
                    constant(0x8000, words))  # fmt: skip
    rest = b.binary("and", bits, constant(0x7FFFFFFF, words))
    normal = _rounded(b, b.binary("sub", rest, constant(112 << 23, words)), 13, words)
    # adding 0.5 lines small numbers up with the digits that a half keeps of them
    size = b.convert("bitcast", rest, numbers)
    lined_up = b.binary("fadd", size, constant(0.5, numbers))
    small = b.binary("sub", b.convert("bitcast", lined_up, words),
                     constant(126 << 23, words))  # fmt: skip
    is_small = b.compare("icmp", "ult", rest, constant(113 << 23, words))
    is_large = b.compare("icmp", "uge", rest, constant(0x477FF000, words))
    value = b.select(is_small, small, normal)
    value = b.select(is_large, constant(0x7C00, words), value)
    digits = b.binary("and", b.binary("lshr", rest, constant(13, words)),
                      constant(0x3FF, words))  # fmt: skip
    quiet = b.binary("or", digits, constant(0x7E00, words))
    value = b.select(b.compare("fcmp", "uno", x, x), quiet, value)
    return b.binary("or", value, sign)
