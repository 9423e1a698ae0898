"""The innermost loop of a matrix product: a tile of accumulators in registers.

Each step of the sum loads one row of the panel of y as vectors, and for each row of the
tile one element of x, which is repeated in all lanes and multiplied with those vectors.
The accumulators are ``phi`` values of the loop, so they never leave the registers, and
all distances between rows are constants, so they become part of the instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.expressions import NARROW, is_floating, register_type
from nervure.exec.cpu.gemm_blocking import IN_FLIGHT, Panel
from nervure.exec.cpu.gemm_problem import CACHE_LINE
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import (
    Value,
    constant,
    element_of,
    lanes_of,
    storage_type,
    vector_type,
)
from nervure.exec.cpu.maps import loaded
from nervure.exec.cpu.runs import divided, i64, known, least, minus, times


def element_type(dtype: DType) -> str:
    """Return the type in which products are summed.

    Narrow floats are summed in float32.  Integers wrap around, so the low bits of a
    sum in i32 are those of a sum in fewer bits.
    """
    if dtypes.is_integer(dtype) and dtype.itemsize < 4:
        return "i32"
    return register_type(dtype)


def computed_dtype(dtype: DType) -> DType:
    """Return the data type of operands that need no conversion any more."""
    if dtype in NARROW:
        return dtypes.float32
    return dtypes.int32 if element_type(dtype) == "i32" else dtype


def widened(b: KernelBuilder, raw: Value, dtype: DType) -> Value:
    """Bring elements from memory into the type in which they are computed."""
    if dtype in NARROW:
        return loaded(b, raw, dtype)
    return b.convert("sext", raw, vector_type(element_type(dtype), lanes_of(raw.type)))


def narrowed(b: KernelBuilder, total: Value, dtype: DType) -> Value:
    """Bring sums into the type in which the result travels."""
    lanes = lanes_of(total.type)
    return b.convert("trunc", total, vector_type(register_type(dtype), lanes))


def multiply_add(b: KernelBuilder, x: Value, y: Value, total: Value) -> Value:
    """Return ``x * y + total``, rounded once where the machine can."""
    if is_floating(total) and not is_floating(x):
        return _add_pairs(b, x, y, total)
    if not is_floating(total):
        return b.binary("add", b.binary("mul", x, y), total)
    if b.target.fma:
        return b.intrinsic("fma", x, y, total)
    return b.binary("fadd", b.binary("fmul", x, y), total)


def _add_pairs(b: KernelBuilder, x: Value, y: Value, total: Value) -> Value:
    """Add the products of pairs of bfloat16, each of which is an i32."""
    lanes = lanes_of(total.type)
    pairs = [b.convert("bitcast", one, f"<{2 * lanes} x bfloat>") for one in (x, y)]
    name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}"
    return b.call(name, total.type, [total, *pairs])


class Left(NamedTuple):
    """The elements of x for a tile: one from each row at each step."""

    pointer: Value
    dtype: DType
    row: int  # stride between the rows of the tile
    step: int  # stride along the sum


class Right(NamedTuple):
    """The elements of y for a tile: neighbouring columns at each step."""

    pointer: Value
    dtype: DType
    step: int
    masked: bool  # the last vector reaches beyond the columns that exist
    align: int


class Ahead(NamedTuple):
    """Memory to bring nearer while the loop runs: some cache lines at each step."""

    pointer: Value
    dtype: DType
    step: int
    lines: int


class Visits(NamedTuple):
    """Something to be done now and then while the loop runs, ``most`` times or less."""

    most: int
    write: Callable[[Value], None]  # the number of the visit -> its instructions


class Tile(NamedTuple):
    """The accumulators: rows, and vectors of a panel."""

    rows: int
    panel: Panel

    @property
    def chains(self) -> int:
        """How many accumulators share an element, to hide latency in small tiles."""
        return -(-IN_FLIGHT // (self.rows * len(self.panel.widths)))

    def zeros(self, dtype: DType) -> list[Value]:
        """Return accumulators, row after row, that hold nothing yet."""
        element = element_type(dtype)
        row = [constant(0, vector_type(element, width)) for width in self.panel.widths]
        return row * self.rows


def accumulate(
    b: KernelBuilder,
    tile: Tile,
    left: Left,
    right: Right,
    steps: Value,
    initial: Sequence[Value],
    ahead: Ahead | None = None,
    visits: Visits | None = None,
) -> list[Value]:
    """Write the loop over ``steps``; returns the accumulators, row after row."""
    number = known(steps)
    chains = tile.chains if number is None else max(1, min(tile.chains, number))
    start = _Position(left.pointer, right.pointer, ahead.pointer if ahead else None)
    if chains == 1:
        if visits is not None and number and number >= 2 * visits.most:
            return _run_with_visits(
                b, tile, left, right, ahead, start, number, initial, visits
            )
        return _run(b, tile, 1, left, right, ahead, start, steps, initial)[1]
    rounds, rest = divided(b, steps, chains)
    count = len(initial)
    zeros = [constant(0, one.type) for one in initial]
    sets = [*initial, *zeros * (chains - 1)]
    place, totals = _run(b, tile, chains, left, right, ahead, start, rounds, sets)
    if known(rest) != 0:
        place = place._replace(ahead=None)
        first = totals[:count]
        _, totals[:count] = _run(b, tile, 1, left, right, None, place, rest, first)
    return _sum_of_chains(b, totals, count)


def _run_with_visits(
    b: KernelBuilder,
    tile: Tile,
    left: Left,
    right: Right,
    ahead: Ahead | None,
    start: _Position,
    steps: int,
    initial: Sequence[Value],
    visits: Visits,
) -> list[Value]:
    """Write the loop in equal stretches, with something else at the start of each."""
    stretch = -(-steps // visits.most)
    count = -(-steps // stretch)
    pointers = [one for one in start if one is not None]
    head = len(pointers)
    with b.loop(0, count, 1, [*pointers, *initial]) as loop:
        visits.write(loop.index)
        rounds = i64(stretch)
        if steps % stretch:
            rest = minus(b, i64(steps), times(b, loop.index, stretch))
            rounds = least(b, rest, stretch)
        place = _Position(*loop.carried[:head], *([None] * (3 - head)))
        place, totals = _run(
            b, tile, 1, left, right, ahead, place, rounds, loop.carried[head:]
        )
        loop.next = [*(one for one in place if one is not None), *totals]
    return loop.results[head:]


def _sum_of_chains(b: KernelBuilder, totals: list[Value], count: int) -> list[Value]:
    """Add the accumulators that share an element, in pairs."""
    sets = [totals[begin : begin + count] for begin in range(0, len(totals), count)]
    op = "fadd" if is_floating(totals[0]) else "add"
    while len(sets) > 1:
        half = (len(sets) + 1) // 2
        for place in range(len(sets) - half):
            sets[place] = [
                b.binary(op, one, other)
                for one, other in zip(sets[place], sets[half + place], strict=True)
            ]
        del sets[half:]
    return sets[0]


class _Position(NamedTuple):
    """Where the operands have been read up to."""

    left: Value
    right: Value
    ahead: Value | None


def _run(
    b: KernelBuilder,
    tile: Tile,
    unrolled: int,
    left: Left,
    right: Right,
    ahead: Ahead | None,
    start: _Position,
    rounds: Value,
    initial: Sequence[Value],
) -> tuple[_Position, list[Value]]:
    """Write a loop whose body makes ``unrolled`` steps, each with its accumulators."""
    pointers = [one for one in start if one is not None]
    head = len(pointers)
    with b.loop(0, rounds, 1, [*pointers, *initial]) as loop:
        x, y = loop.carried[:2]
        moved = [
            _moved(b, x, left.dtype, unrolled * left.step),
            _moved(b, y, right.dtype, unrolled * right.step),
        ]
        if ahead is not None:
            fetched = loop.carried[2]
            _fetch(b, fetched, ahead)
            moved.append(_moved(b, fetched, ahead.dtype, ahead.step))
        totals: list[Value] = []
        size = len(initial) // unrolled
        for chain in range(unrolled):
            old = loop.carried[head + chain * size : head + (chain + 1) * size]
            totals += _step(b, tile, left, right, x, y, chain, old)
        loop.next = [*moved, *totals]
    end = loop.results
    return _Position(end[0], end[1], end[2] if ahead else None), end[head:]


def _fetch(b: KernelBuilder, pointer: Value, ahead: Ahead) -> None:
    """Ask for cache lines, to be kept in the second-level cache."""
    line = CACHE_LINE // ahead.dtype.itemsize
    for number in range(ahead.lines):
        b.prefetch(
            _moved(b, pointer, ahead.dtype, number * line) if number else pointer
        )


def fetched_below(b: KernelBuilder, left: Left, rows: int, steps: int) -> Visits:
    """Return visits that bring nearer the rows below a tile's, a line of each a time.

    Below the last row that is memory of others, which is not touched by asking.
    """
    line = CACHE_LINE // left.dtype.itemsize

    def write(number: Value) -> None:
        start = _moved(b, left.pointer, left.dtype, rows * left.row)
        place = b.address(start, storage_type(left.dtype), times(b, number, line))
        for row in range(rows):
            b.prefetch(_moved(b, place, left.dtype, row * left.row))

    return Visits(-(-steps // line), write)


def _moved(b: KernelBuilder, pointer: Value, dtype: DType, distance: int) -> Value:
    return b.address(pointer, storage_type(dtype), distance)


def _step(
    b: KernelBuilder,
    tile: Tile,
    left: Left,
    right: Right,
    x: Value,
    y: Value,
    ahead: int,
    totals: Sequence[Value],
) -> list[Value]:
    """Write one step of the sum: all products of a column of x and a row of y."""
    vectors = _row_of_right(b, tile.panel, right, y, ahead * right.step)
    widths = tile.panel.widths
    result = []
    for row in range(tile.rows):
        where = b.address(
            x, storage_type(left.dtype), row * left.row + ahead * left.step
        )
        raw = b.load(storage_type(left.dtype), where, left.dtype.itemsize)
        one = widened(b, raw, left.dtype)
        repeated = {width: b.splat(one, width) for width in dict.fromkeys(widths)}
        for place, vector in enumerate(vectors):
            total = totals[row * len(widths) + place]
            result.append(multiply_add(b, repeated[widths[place]], vector, total))
    return result


def _row_of_right(
    b: KernelBuilder, panel: Panel, right: Right, y: Value, offset: int
) -> list[Value]:
    """Load a row of the panel as vectors."""
    element = storage_type(right.dtype)
    vectors = []
    column = 0
    for place, width in enumerate(panel.widths):
        where = b.address(y, element, offset + column)
        type_ = vector_type(element, width)
        mask = panel.mask_of(place) if right.masked else None
        if mask is not None:
            raw = b.masked_load(type_, where, mask, right.dtype.itemsize)
        else:
            raw = b.load(type_, where, right.align)
        vectors.append(widened(b, raw, right.dtype))
        column += width
    return vectors


def zero_tile_row(b: KernelBuilder, panel: Panel, dtype: DType, row: Value) -> None:
    """Store zeros to one row of accumulators in memory."""
    store_tile_row(
        b, panel, [constant(0, vector_type(element_type(dtype), width))
                   for width in panel.widths], row,
    )  # fmt: skip


def store_tile_row(
    b: KernelBuilder, panel: Panel, values: Sequence[Value], row: Value
) -> None:
    """Store one row of accumulators to memory at ``row``."""
    column = 0
    for width, value in zip(panel.widths, values, strict=True):
        b.store(value, b.address(row, element_of(value.type), column), 4)
        column += width


def load_tile_row(
    b: KernelBuilder, panel: Panel, dtype: DType, row: Value
) -> list[Value]:
    """Load one row of accumulators from memory at ``row``."""
    element = element_type(dtype)
    values = []
    column = 0
    for width in panel.widths:
        where = b.address(row, element, column)
        values.append(b.load(vector_type(element, width), where, 4))
        column += width
    return values
