"""Formulas over vectors, written with operators and emitted as LLVM instructions.

``Lanes`` are floating-point numbers, ``Words`` integers and ``Mask`` truth values, all
with the same number of lanes (one lane is a scalar).  An operation rounds once and
carries no fast-math flag: error-free transformations stay error-free, and neither the
lane count nor its surroundings change a bit of a result.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from nervure.exec.cpu.llvm import (
    FunctionBuilder,
    Value,
    constant,
    element_of,
    lanes_of,
    vector_type,
)


@dataclass(frozen=True)
class Format:
    """A binary floating-point format of IEEE 754.

    Attributes
    ----------
    element, integer
        The LLVM types of a number and of its bits.
    fraction
        The number of bits behind the binary point of the mantissa.
    bias
        What is added to an exponent when it is stored.
    """

    element: str
    integer: str
    fraction: int
    bias: int

    @property
    def width(self) -> int:
        """The number of bits."""
        return int(self.integer[1:])

    @property
    def magic(self) -> float:
        """1.5 * 2^fraction: adding it rounds to a whole number, halves to even.

        The sum's low bits are then that number in two's complement.
        """
        return math.ldexp(1.5, self.fraction)

    @property
    def smallest_normal(self) -> float:
        """The least number whose mantissa has all its bits."""
        return math.ldexp(1.0, 1 - self.bias)

    def bits(self, number: float) -> int:
        """Return the bits of a number of this format."""
        code = "<f" if self.element == "float" else "<d"
        return int.from_bytes(struct.pack(code, number), "little")


FLOAT = Format("float", "i32", 23, 127)
DOUBLE = Format("double", "i64", 52, 1023)


# The longest polynomial, in coefficients, that is evaluated as one chain.
_CHAIN = 7


class Mask:
    """Truth values."""

    __slots__ = ("b", "value")

    def __init__(self, b: FunctionBuilder, value: Value) -> None:
        self.b, self.value = b, value

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.b, self.b.binary("and", self.value, other.value))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.b, self.b.binary("or", self.value, other.value))

    def __xor__(self, other: Mask) -> Mask:
        return Mask(self.b, self.b.binary("xor", self.value, other.value))

    def without(self, other: Mask) -> Mask:
        """Tell where these are true and the others false."""
        lanes = lanes_of(self.value.type)
        true = constant(True, vector_type("i1", lanes))
        opposite = Mask(self.b, self.b.binary("xor", other.value, true))
        return self & opposite

    def choose(self, x: Lanes | float, y: Lanes | float, like: Lanes) -> Lanes:
        """Return ``x`` where true and ``y`` elsewhere, in the type of ``like``."""
        chosen = self.b.select(self.value, like.operand(x).value, like.operand(y).value)
        return Lanes(self.b, chosen)

    def any(self) -> Value:
        """Return a scalar i1: whether any lane is true."""
        lanes = lanes_of(self.value.type)
        if lanes == 1:
            return self.value
        return self.b.call(f"llvm.vector.reduce.or.v{lanes}i1", "i1", [self.value])


class Words:
    """Integers, mostly the bits of floating-point numbers."""

    __slots__ = ("b", "value")

    def __init__(self, b: FunctionBuilder, value: Value) -> None:
        self.b, self.value = b, value

    def _operand(self, other: Words | int) -> Value:
        """Return words, or a number modulo their width, as an operand."""
        if isinstance(other, Words):
            return other.value
        half = 1 << int(element_of(self.value.type)[1:]) - 1
        signed = (other + half) % (2 * half) - half
        return constant(signed, self.value.type)

    def _binary(self, op: str, other: Words | int) -> Words:
        second = self._operand(other)
        return Words(self.b, self.b.binary(op, self.value, second))

    def __add__(self, other: Words | int) -> Words:
        return self._binary("add", other)

    def __sub__(self, other: Words | int) -> Words:
        return self._binary("sub", other)

    def __rsub__(self, other: int) -> Words:
        return Words(self.b, self.b.binary("sub", self._operand(other), self.value))

    def __and__(self, other: Words | int) -> Words:
        return self._binary("and", other)

    def __or__(self, other: Words | int) -> Words:
        return self._binary("or", other)

    def __xor__(self, other: Words | int) -> Words:
        return self._binary("xor", other)

    def __lshift__(self, count: int) -> Words:
        return self._binary("shl", count)

    def __rshift__(self, count: int) -> Words:
        """Shift right; zeros come in."""
        return self._binary("lshr", count)

    def __gt__(self, other: Words) -> Mask:
        compared = self.b.compare("icmp", "sgt", self.value, other.value)
        return Mask(self.b, compared)

    def nonzero(self) -> Mask:
        """Tell where a bit is set."""
        zero = constant(0, self.value.type)
        return Mask(self.b, self.b.compare("icmp", "ne", self.value, zero))

    def choose(self, mask: Mask, other: Words) -> Words:
        """Return these words where ``mask`` is true and ``other`` elsewhere."""
        return Words(self.b, self.b.select(mask.value, self.value, other.value))

    def maximum(self) -> Value:
        """Return the largest word, signed, as a scalar."""
        lanes, element = lanes_of(self.value.type), element_of(self.value.type)
        if lanes == 1:
            return self.value
        name = f"llvm.vector.reduce.smax.v{lanes}{element}"
        return self.b.call(name, element, [self.value])

    def narrowed(self) -> Words:
        """Return the low 32 bits."""
        type_ = vector_type("i32", lanes_of(self.value.type))
        return Words(self.b, self.b.convert("trunc", self.value, type_))

    def as_lanes(self) -> Lanes:
        """Read the words as floating-point numbers."""
        element = "float" if "i32" in self.value.type else "double"
        type_ = vector_type(element, lanes_of(self.value.type))
        return Lanes(self.b, self.b.convert("bitcast", self.value, type_))


class Lanes:
    """Floating-point numbers."""

    __slots__ = ("b", "value")

    def __init__(self, b: FunctionBuilder, value: Value) -> None:
        self.b, self.value = b, value

    @property
    def format(self) -> Format:
        """The numbers' format."""
        return FLOAT if element_of(self.value.type) == "float" else DOUBLE

    @property
    def count(self) -> int:
        """The number of lanes."""
        return lanes_of(self.value.type)

    def operand(self, other: Lanes | float) -> Lanes:
        """Return a number as lanes of this type."""
        if isinstance(other, Lanes):
            return other
        return Lanes(self.b, constant(other, self.value.type))

    def _binary(self, op: str, x: Lanes | float, y: Lanes | float) -> Lanes:
        first, second = self.operand(x).value, self.operand(y).value
        return Lanes(self.b, self.b.binary(op, first, second))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._binary("fadd", self, other)

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._binary("fsub", self, other)

    def __rsub__(self, other: float) -> Lanes:
        return self._binary("fsub", other, self)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._binary("fmul", self, other)

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._binary("fdiv", self, other)

    def __neg__(self) -> Lanes:
        return Lanes(self.b, self.b.emit(self.value.type, f"fneg {self.value}"))

    def __abs__(self) -> Lanes:
        return Lanes(self.b, self.b.intrinsic("fabs", self.value))

    def _compare(self, condition: str, other: Lanes | float) -> Mask:
        second = self.operand(other).value
        return Mask(self.b, self.b.compare("fcmp", condition, self.value, second))

    # Comparisons with NaN are false, except `differs`.

    def __lt__(self, other: Lanes | float) -> Mask:
        return self._compare("olt", other)

    def __le__(self, other: Lanes | float) -> Mask:
        return self._compare("ole", other)

    def __gt__(self, other: Lanes | float) -> Mask:
        return self._compare("ogt", other)

    def __ge__(self, other: Lanes | float) -> Mask:
        return self._compare("oge", other)

    def equals(self, other: Lanes | float) -> Mask:
        """Tell where both are the same number."""
        return self._compare("oeq", other)

    def differs(self, other: Lanes | float) -> Mask:
        """Tell where the numbers are not the same, NaN included."""
        return self._compare("une", other)

    def unordered(self, other: Lanes) -> Mask:
        """Tell where one of both is NaN."""
        return self._compare("uno", other)

    def fused(self, factor: Lanes | float, term: Lanes | float) -> Lanes:
        """Return ``self * factor + term``: one rounding if the target has FMA."""
        if not self.b.fma:
            return self * factor + term
        y, z = self.operand(factor).value, self.operand(term).value
        return Lanes(self.b, self.b.intrinsic("fma", self.value, y, z))

    def negated_product(self, factor: Lanes, term: Lanes) -> Lanes:
        """Return ``term - self * factor``, rounded as :meth:`fused` does."""
        return (-self).fused(factor, term)

    def polynomial(self, coefficients: Sequence[float]) -> Lanes:
        """Evaluate a polynomial by Horner's rule, the constant term first."""
        total = self.operand(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            total = total.fused(self, coefficient)
        return total

    def tail(self, coefficients: Sequence[float]) -> Lanes:
        """Evaluate a polynomial that contributes little to a result.

        Horner's rule is one chain, each step of which waits for the last.  A long
        polynomial is cut in two, of the even and the odd powers, and again while it is
        long: few instructions more and half the waiting, for a little accuracy.
        """
        if len(coefficients) <= _CHAIN:
            return self.polynomial(coefficients)
        square = self * self
        even, odd = square.tail(coefficients[::2]), square.tail(coefficients[1::2])
        return self.fused(odd, even)

    def at_most(self, limit: Lanes | float) -> Lanes:
        """Return the smaller of both; NaN stays (one instruction on x86)."""
        return (self > limit).choose(limit, self, self)

    def at_least(self, limit: Lanes | float) -> Lanes:
        """Return the larger of both; NaN stays (one instruction on x86)."""
        return (self < limit).choose(limit, self, self)

    def with_sign_of(self, other: Lanes) -> Lanes:
        """Return these magnitudes with the signs of ``other``."""
        return Lanes(self.b, self.b.intrinsic("copysign", self.value, other.value))

    def as_words(self) -> Words:
        """Read the bits as integers."""
        type_ = vector_type(self.format.integer, self.count)
        return Words(self.b, self.b.convert("bitcast", self.value, type_))

    def widened(self) -> Lanes:
        """Return the numbers as ``double``, exactly."""
        type_ = vector_type("double", self.count)
        return Lanes(self.b, self.b.convert("fpext", self.value, type_))

    def narrowed(self) -> Lanes:
        """Return the numbers as ``float``, rounded once."""
        type_ = vector_type("float", self.count)
        return Lanes(self.b, self.b.convert("fptrunc", self.value, type_))
