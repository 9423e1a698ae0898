"""Random words, and fractions made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.node import Node, Shape
from nervure.prims.binary import add, and_, mul, shift_right
from nervure.prims.leaf import random_bits
from nervure.prims.movement import reshape
from nervure.prims.select import cast
from nervure.prims.slicing import slice_
from nervure.prims.unary import not_
from nervure.random.repeatable import filled

WORD_BITS: Final = 32

# How many digits the significand of a type has: uniform numbers have as many.
DIGITS: Final = {
    dtypes.float16: 11,
    dtypes.bfloat16: 8,
    dtypes.float32: 24,
    dtypes.float64: 53,
}


class Fraction(NamedTuple):
    """A number between 0 and 1, both excluded, and what it lacks to 1.

    Each is rounded by itself, so a number close to either end is as accurate there as
    its type can be.
    """

    value: Node
    complement: Node


def words(key: Node, shape: Shape, count: int) -> list[Node]:
    """Return ``count`` arrays ``uint32[shape]`` of random words."""
    if count == 1:
        return [random_bits(key, shape)]
    block = random_bits(key, (count, *shape))
    ones = (1,) * len(block.shape)
    return [
        reshape(
            slice_(block, (place,) + (0,) * len(shape), (place + 1, *shape), ones),
            shape,
        )
        for place in range(count)
    ]


def words_for(dtype: DType) -> int:
    """Return how many words a number of type float32 or float64 is made of."""
    return 2 if dtype == dtypes.float64 else 1


def shifted_right(word: Node, distance: int) -> Node:
    """Return the upper bits of words."""
    return shift_right(word, filled(word, distance))


def unit_interval(key: Node, shape: Shape, dtype: DType) -> Node:
    """Return numbers from 0 up to but not including 1, on an even grid.

    The grid's step is 2^-24 for float32, 2^-53 for float64, 2^-11 for float16 and 2^-8
    for bfloat16: the finest of which every point is representable.  The two narrow
    types are returned in float32.
    """
    digits = DIGITS[dtype]
    if dtype == dtypes.float64:
        high, low = words(key, shape, 2)
        upper = _scaled(cast(shifted_right(high, 5), dtype), 2.0**-27)
        lower = _scaled(cast(shifted_right(low, 6), dtype), 2.0**-53)
        return add(upper, lower)  # exact
    (word,) = words(key, shape, 1)
    whole = cast(shifted_right(word, WORD_BITS - digits), dtypes.float32)
    return _scaled(whole, 2.0**-digits)


def fraction(parts: Sequence[Node], bits: int, dtype: DType) -> Fraction:
    """Return the fraction of the last ``bits`` bits of words, high words first.

    The possible values are (k + 1/2) / 2^bits, so neither end is reached before
    rounding, and rounding reaches 1 at most.
    """
    head_bits = bits - WORD_BITS * (len(parts) - 1)
    mask = 2**head_bits - 1
    flipped = [not_(part) for part in parts]
    return Fraction(
        _midpoint([_masked(parts[0], mask), *parts[1:]], bits, dtype),
        _midpoint([_masked(flipped[0], mask), *flipped[1:]], bits, dtype),
    )


def _masked(word: Node, mask: int) -> Node:
    return word if mask == 2**WORD_BITS - 1 else and_(word, filled(word, mask))


def _midpoint(parts: Sequence[Node], bits: int, dtype: DType) -> Node:
    total = cast(parts[0], dtype)
    for part in parts[1:]:
        # The product is by a power of two, hence exact, fused or not.
        total = add(_scaled(total, 2.0**WORD_BITS), cast(part, dtype))
    return _scaled(add(total, filled(total, 0.5)), 2.0**-bits)


def _scaled(node: Node, factor: float) -> Node:
    return mul(node, filled(node, factor))
