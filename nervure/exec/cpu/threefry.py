"""Random bits inside a fused loop; ``nervure.prims.threefry`` defines them."""

from __future__ import annotations

from nervure.exec.cpu.llvm import (
    FunctionBuilder,
    Value,
    constant,
    lanes_of,
    vector_type,
)
from nervure.prims.threefry import LANES, PARITY, ROTATIONS


def random_words(
    b: FunctionBuilder, key: tuple[Value, Value], start: Value, lanes: int, size: int
) -> Value:
    """Return the words of the elements from ``start`` (i64) on, one for each lane.

    Element ``p`` belongs to block ``p / 32``; its counter is ``16 * block + p % 16``,
    and bit 4 of ``p`` says which of the counter's two words it is.  ``size`` is the
    number of all elements; while it fits into 32 bits, so do the counters.
    """
    words = vector_type("i32", lanes)
    if size > 2**32:
        steps = b.lane_numbers("i64", lanes)
        position = b.binary("add", b.splat(start, lanes), steps)
        counter = _counter(b, position)
        low = b.convert("trunc", counter, words)
        above = b.binary("lshr", counter, constant(32, counter.type))
        high = b.convert("trunc", above, words)
        position = b.convert("trunc", position, words)
    else:
        first = b.splat(b.convert("trunc", start, "i32"), lanes)
        position = b.binary("add", first, b.lane_numbers("i32", lanes))
        low, high = _counter(b, position), constant(0, words)
    one, other = threefry(b, key, high, low)
    half = b.binary("and", position, constant(LANES, words))
    is_first = b.compare("icmp", "eq", half, constant(0, words))
    return b.select(is_first, one, other)


def _counter(b: FunctionBuilder, position: Value) -> Value:
    """Return the counter of the element at a position."""
    block = b.binary("lshr", position, constant(5, position.type))
    lane = b.binary("and", position, constant(LANES - 1, position.type))
    return b.binary("or", b.binary("shl", block, constant(4, position.type)), lane)


def paired_words(
    b: FunctionBuilder, key: tuple[Value, Value], position: Value, lanes: int
) -> tuple[Value, Value]:
    """Return the words of the elements from ``position`` on, and of those 16 further.

    ``position`` (i64) must be in the first half of a block, a multiple of ``lanes``.
    """
    counter = _counter(b, position)
    low = b.splat(b.convert("trunc", counter, "i32"), lanes)
    low = b.binary("or", low, b.lane_numbers("i32", lanes))
    above = b.convert("trunc", b.binary("lshr", counter, constant(32, "i64")), "i32")
    return threefry(b, key, b.splat(above, lanes), low)


def threefry(
    b: FunctionBuilder, key: tuple[Value, Value], high: Value, low: Value
) -> tuple[Value, Value]:
    """Write the twenty rounds of Threefry-2x32."""
    lanes = lanes_of(high.type)
    mixed = b.binary("xor", b.binary("xor", *key), constant(int(PARITY), "i32"))
    schedule = [b.splat(word, lanes) for word in (*key, mixed)]
    x = b.binary("add", high, schedule[0])
    y = b.binary("add", low, schedule[1])
    for group in range(5):
        for distance in ROTATIONS[group % 2]:
            x = b.binary("add", x, y)
            turned = b.intrinsic("fshl", y, y, constant(distance, y.type))
            y = b.binary("xor", turned, x)
        x = b.binary("add", x, schedule[(group + 1) % 3])
        y = b.binary("add", y, schedule[(group + 2) % 3])
        y = b.binary("add", y, constant(group + 1, y.type))
    return x, y
