"""Stretches of elements ("runs") moved between places that are computed.

The kernels that only move elements walk over *rows*, the outer axes joined into one
number, and within a row over runs of neighbouring elements.  Elements that are only
moved are integers of their size to LLVM: no float is ever rounded or quieted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nervure.dtypes import DType
from nervure.exec.cpu.elements import first_lanes, loaded, stored
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, storage_type, vector_type
from nervure.exec.cpu.target import Target
from nervure.ir.attrs import NDArray

# Elements that one work unit moves.
UNIT = 16_384
# Vectors that are written one after the other instead of in a loop.
UNROLLED = 4


def moved_type(dtype: DType) -> str:
    """Return the LLVM type in which an element is moved."""
    return f"i{8 * dtype.itemsize}"


def bits_of(number: NDArray) -> int:
    """Return the bits in memory of a single element, as an integer."""
    return int.from_bytes(np.ascontiguousarray(number).tobytes(), sys.byteorder)


# --- whole numbers in flight ---------------------------------------------------------


def i64(number: int) -> Value:
    """Return a constant place or count."""
    return Value("i64", str(number))


def known(x: Value) -> int | None:
    """Return the number of a constant, None for a value that is computed."""
    name = x.name
    if name[0] == "%":  # most are computed
        return None
    return int(name) if name.lstrip("-").isdigit() else None


def plus(b: KernelBuilder, x: Value, y: Value | int) -> Value:
    """Return the sum; nothing is written for what is known already."""
    y = i64(y) if isinstance(y, int) else y
    first, second = known(x), known(y)
    if first is not None and second is not None:
        return i64(first + second)
    if second == 0:
        return x
    if first == 0:
        return y
    return b.binary("add", x, y)


def minus(b: KernelBuilder, x: Value, y: Value | int) -> Value:
    """Return the difference; nothing is written for what is known already."""
    y = i64(y) if isinstance(y, int) else y
    first, second = known(x), known(y)
    if first is not None and second is not None:
        return i64(first - second)
    return x if second == 0 else b.binary("sub", x, y)


def times(b: KernelBuilder, x: Value, factor: int) -> Value:
    """Return a multiple; nothing is written for what is known already."""
    number = known(x)
    if number is not None or factor == 0:
        return i64((number or 0) * factor)
    return x if factor == 1 else b.binary("mul", x, i64(factor))


def least(b: KernelBuilder, x: Value, y: Value | int) -> Value:
    """Return the smaller of two numbers."""
    y = i64(y) if isinstance(y, int) else y
    first, second = known(x), known(y)
    if first is not None and second is not None:
        return i64(min(first, second))
    return b.intrinsic("smin", x, y)


def most(b: KernelBuilder, x: Value, y: Value | int) -> Value:
    """Return the larger of two numbers."""
    y = i64(y) if isinstance(y, int) else y
    first, second = known(x), known(y)
    if first is not None and second is not None:
        return i64(max(first, second))
    return b.intrinsic("smax", x, y)


def divided(b: KernelBuilder, x: Value, divisor: int) -> tuple[Value, Value]:
    """Return the quotient and the rest of a number that is not negative."""
    number = known(x)
    if number is not None:
        return i64(number // divisor), i64(number % divisor)
    if divisor == 1:
        return x, i64(0)
    quotient = b.binary("udiv", x, i64(divisor))
    return quotient, minus(b, x, times(b, quotient, divisor))


def unravel(b: KernelBuilder, number: Value, extents: Sequence[int]) -> list[Value]:
    """Return the place in every axis of an element given by its running number."""
    index: list[Value] = []
    for extent in reversed(extents[1:]):
        number, rest = divided(b, number, extent)
        index.append(rest)
    if extents:
        index.append(number if extents[0] > 1 else i64(0))
    return index[::-1]


def offset(
    b: KernelBuilder, base: int, index: Sequence[Value], strides: Sequence[int]
) -> Value:
    """Return where the element at ``index`` lies."""
    total = i64(base)
    for place, stride in zip(index, strides, strict=True):
        total = plus(b, total, times(b, place, stride))
    return total


# --- work units ----------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """How the rows of a kernel are divided into work units.

    Short rows share a unit, long ones are cut into pieces.  Where units have to be
    bands (see ``bands.py``), ``band`` is the number of rows of a unit; if there is but
    one row, it is that of elements.
    """

    count: int
    length: int
    unit: int = UNIT
    band: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether units may be parts of a row."""
        return self.pieces > 1 or (self.band > 0 and self.count == 1)

    @property
    def pieces(self) -> int:
        """The number of units that share a row."""
        if self.band or self.length < 2 * self.unit:
            return 1
        return -(-self.length // self.unit)

    @property
    def per_unit(self) -> int:
        """The number of rows of a unit, where a row is not cut."""
        return self.band or max(1, self.unit // max(self.length, 1))

    @property
    def units(self) -> int:
        """The number of work units."""
        if self.band and self.count == 1:
            return -(-self.length // self.band)
        if self.pieces > 1:
            return self.count * self.pieces
        return -(-self.count // self.per_unit)

    def emit(
        self,
        b: KernelBuilder,
        body: Callable[[Value, Value, Value], None],
        first_unit: int = 0,
    ) -> None:
        """Write the loop; ``body(row, start, stop)`` writes a stretch of one row.

        ``first_unit`` is the kernel's unit with which these rows begin.
        """
        begin = most(b, minus(b, b.begin, first_unit), 0)
        end = least(b, minus(b, b.end, first_unit), self.units)
        if self.band and self.count == 1:
            start = times(b, begin, self.band)
            stop = least(b, times(b, end, self.band), self.length)
            with b.when(b.compare("icmp", "slt", start, stop)):
                body(i64(0), start, stop)
            return
        if self.pieces == 1:
            first = times(b, begin, self.per_unit)
            last = least(b, times(b, end, self.per_unit), self.count)
            with b.loop(first, last) as loop:
                body(loop.index, i64(0), i64(self.length))
            return
        with b.loop(begin, end) as loop:
            row, piece = divided(b, loop.index, self.pieces)
            start = times(b, piece, self.unit)
            body(row, start, least(b, plus(b, start, self.unit), self.length))


# --- runs ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Elements at a computed place, a fixed step apart."""

    pointer: Value
    place: Value
    stride: int

    def address(self, b: KernelBuilder, element: str, number: Value | int) -> Value:
        """Return the address of one of the elements."""
        number = i64(number) if isinstance(number, int) else number
        where = plus(b, self.place, times(b, number, self.stride))
        return b.address(self.pointer, element, where)

    def on(self, b: KernelBuilder, number: Value | int) -> Run:
        """Return the run from one of the elements on."""
        number = i64(number) if isinstance(number, int) else number
        place = plus(b, self.place, times(b, number, self.stride))
        return Run(self.pointer, place, self.stride)


def lanes_for(target: Target, element: str) -> int:
    """Return how many elements of an integer type a vector holds."""
    return target.vector_bytes // (int(element[1:]) // 8)


def copy_run(
    b: KernelBuilder, element: str, to: Run, source: Run, count: Value | int
) -> None:
    """Write the copy of ``count`` elements."""
    if source.stride == 0:
        nothing = known(i64(count) if isinstance(count, int) else count) == 0
        if nothing:
            return
        # the run may be empty, but its only element exists wherever it lies
        x = b.load(element, source.address(b, element, 0), size_of(element))
        fill_run(b, element, to, x, count)
        return

    def move(number: Value, lanes: int, active: int) -> None:
        size = size_of(element)
        where, place = (
            source.address(b, element, number),
            to.address(b, element, number),
        )
        type_ = vector_type(element, lanes)
        if active == lanes:
            b.store(b.load(type_, where, size), place, size)
        else:
            mask = first_lanes(lanes, active)
            b.masked_store(b.masked_load(type_, where, mask, size), place, mask, size)

    lanes = lanes_for(b.target, element)
    stretch(b, lanes if to.stride == source.stride == 1 else 1, count, move)


def fill_run(
    b: KernelBuilder, element: str, to: Run, x: Value, count: Value | int
) -> None:
    """Write one element ``count`` times."""
    widest = lanes_for(b.target, element) if to.stride == 1 else 1
    splat = b.splat(x, widest)

    def move(index: Value, lanes: int, active: int) -> None:
        place = to.address(b, element, index)
        if active < lanes:
            mask = first_lanes(lanes, active)
            b.masked_store(splat, place, mask, size_of(element))
        else:
            repeated = splat if lanes == widest else b.splat(x, lanes)
            b.store(repeated, place, size_of(element))

    stretch(b, widest, count, move)


def size_of(element: str) -> int:
    """Return the bytes of an integer type."""
    return int(element[1:]) // 8


def stretch(
    b: KernelBuilder,
    lanes: int,
    count: Value | int,
    move: Callable[[Value, int, int], None],
) -> None:
    """Write the moves of ``count`` elements, as many at a time as a vector holds.

    ``move(number, lanes, active)`` writes the move of ``active`` elements from
    ``number`` on, in a vector of ``lanes``.
    """
    count = i64(count) if isinstance(count, int) else count
    number = known(count)
    if number is None:
        rest: Value = i64(0)
        if lanes > 1:
            rest = b.binary("and", count, i64(-lanes))
            with b.loop(i64(0), rest, lanes) as loop:
                move(loop.index, lanes, lanes)
        with b.loop(rest, count) as loop:
            move(loop.index, 1, 1)
        return
    whole = number // lanes * lanes
    if whole <= UNROLLED * lanes:
        for place in range(0, whole, lanes):
            move(i64(place), lanes, lanes)
    else:
        with b.loop(0, whole, lanes) as loop:
            move(loop.index, lanes, lanes)
    tail = number - whole
    if tail and b.target.level == "avx512":
        move(i64(whole), lanes, tail)
        return
    while tail:  # without masks: halves, quarters and so on
        lanes //= 2
        if tail >= lanes:
            move(i64(whole), lanes, lanes)
            whole += lanes
            tail -= lanes


def column_block(
    b: KernelBuilder,
    number: Value,
    length: int,
    lanes: int,
    vectors: int,
    body: Callable[[Value, list[int]], None],
) -> None:
    """Write the work on block ``number`` of a run that is cut into blocks of vectors.

    ``body(start, counts)`` writes the work on vectors from ``start`` on, ``counts`` of
    whose lanes are in use; it is written twice where the last block is shorter.
    """
    block = lanes * vectors
    rest = length % block
    whole = length - rest
    start = times(b, number, block)
    counts = [lanes] * (rest // lanes)
    if rest % lanes:
        counts.append(rest % lanes)
    if not rest:
        body(start, [lanes] * vectors)
        return
    if not whole:
        body(start, counts)
        return
    is_whole = b.compare("icmp", "slt", start, i64(whole))
    with b.when(is_whole):
        body(start, [lanes] * vectors)
    with b.when(b.binary("xor", is_whole, Value("i1", "true"))):
        body(start, counts)


def load_run(
    b: KernelBuilder, run: Run, dtype: DType, number: Value, lanes: int, active: int
) -> Value:
    """Return elements of a run in flight, from ``number`` on.

    Lanes that are not ``active`` hold zero.
    """
    element, size = storage_type(dtype), dtype.itemsize
    type_ = vector_type(element, lanes)
    if run.stride == 0:
        one = b.load(element, b.address(run.pointer, element, run.place), size)
        return b.splat(loaded(b, one, dtype), lanes)
    if run.stride != 1 and lanes > 1:
        raw = _load_apart(b, run, element, number, lanes, active)
    elif active == lanes:
        raw = b.load(type_, run.address(b, element, number), size)
    else:
        mask = first_lanes(lanes, active)
        raw = b.masked_load(type_, run.address(b, element, number), mask, size)
    return loaded(b, raw, dtype)


def _load_apart(
    b: KernelBuilder, run: Run, element: str, number: Value, lanes: int, active: int
) -> Value:
    """Load elements that do not lie side by side, one lane after the other."""
    type_ = vector_type(element, lanes)
    size = int(element[1:]) // 8 if element.startswith("i") else _FLOAT_BYTES[element]
    first = run.address(b, element, number)
    result = Value(type_, "zeroinitializer")
    for lane in range(active):
        one = b.load(element, b.address(first, element, lane * run.stride), size)
        result = b.emit(type_, f"insertelement {result}, {one}, i64 {lane}")
    return result


_FLOAT_BYTES = {"half": 2, "bfloat": 2, "float": 4, "double": 8}


def store_run(
    b: KernelBuilder,
    run: Run,
    dtype: DType,
    number: Value,
    x: Value,
    lanes: int,
    active: int,
) -> None:
    """Store elements in flight to a run without gaps, from ``number`` on."""
    x = stored(b, x, dtype)
    address = run.address(b, storage_type(dtype), number)
    if active == lanes:
        b.store(x, address, dtype.itemsize)
    else:
        b.masked_store(x, address, first_lanes(lanes, active), dtype.itemsize)
