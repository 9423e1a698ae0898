"""Depthwise correlations, read where the image lies: without a copy, without padding.

Every channel has a window of its own, so a vector of channels needs few products for
each element that it reads, and a copy of the image with its padding would cost more
than they do.  Instead, the tiles at both ends of a row are code of their own, which
leaves out the taps beyond the image.

Neighbouring channels lie in one cache line, the pixels of a channel far apart.  So a
work unit takes as many channels as have weights that stay in the first-level cache, and
within it each tile takes all of these before the next one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from nervure import dtypes
from nervure.exec.cpu.conv_direct import Finish, Results, fold
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_lanes import UNROLLED_TAPS, Lanes
from nervure.exec.cpu.conv_strips import Place
from nervure.exec.cpu.conv_tiling import Block, Tiling
from nervure.exec.cpu.elements import first_lanes
from nervure.exec.cpu.expressions import register_type
from nervure.exec.cpu.gemm_tile import multiply_add
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import divided, i64, least, minus, most, plus, times

# Kinds of tiles that are worth code of their own.
MOST_KINDS: Final = 4
# Bytes of weights that stay in the first-level cache beside a tile's pixels.
WEIGHTS: Final = 2**13
# Products of vectors that a work unit should make, and work units that there should be.
UNIT_PRODUCTS: Final = 2**13
UNITS: Final = 64
# Bytes of an image from which on it comes from memory.
FETCHED: Final = 2**24


@dataclass(frozen=True)
class Tiles:
    """Neighbouring tiles of a row that leave out the same taps.

    ``outside`` holds pairs of a result's number within the tile and a tap.
    """

    first: int
    count: int
    start: int  # the column of the first one
    columns: int
    outside: frozenset[tuple[int, int]]


def tiles_of_row(problem: Correlation, tiling: Tiling) -> list[Tiles]:
    """Return the tiles of a row, those that are alike together."""
    width = problem.axes[2]
    found: list[Tiles] = []
    start = 0
    for number in range(tiling.tiles):
        columns = tiling.columns - (number >= tiling.wide_tiles)
        outside = frozenset(
            (column, tap)
            for column, tap in itertools.product(range(columns), range(width.taps))
            if not 0 <= (start + column) * width.stride - width.low
            + tap * width.dilation < width.size
        )  # fmt: skip
        last = found[-1] if found else None
        if last and (last.columns, last.outside) == (columns, outside):
            found[-1] = Tiles(last.first, last.count + 1, last.start, columns, outside)
        else:
            found.append(Tiles(number, 1, start, columns, outside))
        start += columns
    return found


def suits_in_place(shared: Lanes, tiling: Tiling) -> bool:
    """Tell whether a correlation of shared vectors can be computed here."""
    problem = shared.problem
    depth, _, width = problem.axes
    return (
        shared.channels == shared.filters == 1
        and problem.channel_step == 1
        and problem.image_dtype == dtypes.accumulator(problem.dtype)
        and depth.is_plain
        and depth.count == 1
        and problem.depth > 0
        and width.taps <= UNROLLED_TAPS
        and len(tiles_of_row(problem, tiling)) <= MOST_KINDS
    )


class _Cuts(NamedTuple):
    """Into how many parts an image is cut: rows, and vectors of channels."""

    rows: int
    vectors: int


def _cuts(problem: Correlation, tiling: Tiling) -> _Cuts:
    _, height, width = problem.axes
    vectors = sum(block.number for block in tiling.blocks)
    products = height.count * width.count * problem.taps * vectors
    wanted = min(-(-products // UNIT_PRODUCTS), -(-UNITS // max(problem.batch, 1)))
    itemsize = dtypes.accumulator(problem.dtype).itemsize
    together = max(1, WEIGHTS // (problem.taps * tiling.lanes * itemsize))
    parts = -(-vectors // together)
    rows = -(-wanted // parts)
    rows += rows % 2  # two threads share the rows, and so the caches
    return _Cuts(max(1, min(rows, height.count)), parts)


class _Unit(NamedTuple):
    """What a work unit does: rows of an image, and vectors of channels."""

    image: Value
    base: Value  # where the image begins
    rows: tuple[Value, Value]
    vectors: tuple[Value, Value]


class _Row(NamedTuple):
    """A row of results: the taps inside the image, and where the first row begins."""

    number: Value
    taps: tuple[Value, Value]
    base: Value


class DepthwiseWriter:
    """Writes the loops of a depthwise correlation into a kernel."""

    def __init__(
        self,
        b: KernelBuilder,
        shared: Lanes,
        tiling: Tiling,
        image: Value,
        weights: Value,
        weights_start: int,
        finish: Finish,
    ) -> None:
        self._b = b
        self._problem = shared.problem
        self._tiling = tiling
        self._cuts = _cuts(shared.problem, tiling)
        self._tiles = tiles_of_row(shared.problem, tiling)
        self._image = image
        self._weights = weights
        self._weights_start = weights_start
        self._finish = finish
        self._element = register_type(shared.problem.dtype)
        self._size = dtypes.accumulator(shared.problem.dtype).itemsize

    def band_items(self, height: int) -> int:
        """Return how many items make up a band of images."""
        return height * self._cuts.rows * self._cuts.vectors

    def emit(self, first_unit: int, memory: Value | None, per_unit: int = 1) -> int:
        """Write the loop over items; returns the number of units.

        ``memory`` would be a strip's.  A unit is ``per_unit`` items.
        """
        del memory
        b, problem, cuts = self._b, self._problem, self._cuts
        count = problem.batch * cuts.rows * cuts.vectors
        begin = most(b, minus(b, times(b, b.begin, per_unit), first_unit), 0)
        end = minus(b, times(b, b.end, per_unit), first_unit)
        height = problem.axes[1].count
        vectors = sum(block.number for block in self._tiling.blocks)
        with b.loop(begin, least(b, end, count)) as item:
            rest, vector_part = divided(b, item.index, cuts.vectors)
            image, row_part = divided(b, rest, cuts.rows)
            base = plus(b, times(b, image, problem.batch_step), problem.offset)
            rows = self._share(row_part, height, cuts.rows)
            self._write_unit(
                _Unit(image, base, rows,
                      self._share(vector_part, vectors, cuts.vectors))
            )  # fmt: skip
        return -(-count // per_unit)

    def _share(self, part: Value, count: int, parts: int) -> tuple[Value, Value]:
        """Return the first of a part's share, and the last plus 1."""
        b = self._b
        if parts == 1:
            return i64(0), i64(count)
        first, _ = divided(b, times(b, part, count), parts)
        last, _ = divided(b, times(b, plus(b, part, 1), count), parts)
        return first, last

    def _write_unit(self, unit: _Unit) -> None:
        b = self._b
        with b.loop(*unit.rows) as row:
            here = self._row(unit, row.index)
            for tiles in self._tiles:
                with b.loop(0, tiles.count) as tile:
                    index = tile.index if tiles.count > 1 else i64(0)
                    for block, vector in self._vectors(unit):
                        self._write_tile(unit, here, tiles, index, block, vector)

    def _row(self, unit: _Unit, number: Value) -> _Row:
        b, height = self._b, self._problem.axes[1]
        first = height.first(b, number)
        base = plus(b, unit.base, times(b, first, height.step))
        return _Row(number, height.inside(b, number), base)

    def _vectors(self, unit: _Unit) -> Iterator[tuple[Block, Value]]:
        """Write the loops over a unit's vectors; yields each kind within its loop."""
        b, before = self._b, 0
        first, last = unit.vectors
        for block in self._tiling.blocks:
            begin = most(b, minus(b, first, before), 0)
            end = least(b, minus(b, last, before), block.number)
            with b.loop(begin, end) as loop:
                yield block, loop.index if block.number > 1 else i64(0)
            before += block.number

    def _write_tile(
        self,
        unit: _Unit,
        row: _Row,
        tiles: Tiles,
        index: Value,
        block: Block,
        vector: Value,
    ) -> None:
        """Write one tile: its sums, and what becomes of them."""
        b, width, lanes = self._b, self._problem.axes[2], self._tiling.lanes
        column = plus(b, times(b, index, tiles.columns), tiles.start)
        filter_ = plus(b, times(b, vector, lanes), block.first)
        at = plus(b, row.base, times(b, width.first(b, column), width.step))
        at = plus(b, at, filter_)
        if self._problem.image_bytes > FETCHED:
            self._fetch(tiles, at)
        panel = times(b, vector, lanes * self._problem.taps)
        start = self._weights_start + self._tiling.panel_offset(block)
        values = self._sums(row, tiles, block, at, plus(b, panel, start))
        place = Place(unit.image, i64(0), row.number, column)
        self._finish(
            Results(place, (i64(0),) * 3, 1, tiles.columns, filter_,
                    block.active(lanes), values)
        )  # fmt: skip

    def _fetch(self, tiles: Tiles, at: Value) -> None:
        """Bring the next row nearer: the machine does not foresee jumps from pixels."""
        b, (_, height, width) = self._b, self._problem.axes
        for row, column in itertools.product(
            range(height.stride), range(tiles.columns * width.stride)
        ):
            distance = (height.reach + row) * height.step
            distance += (column + width.low) * width.step
            where = b.address(self._image, self._element, plus(b, at, distance))
            b.prefetch(where, nearest=True)

    def _sums(
        self, row: _Row, tiles: Tiles, block: Block, at: Value, panel: Value
    ) -> list[Value]:
        """Write the sums of a tile, one vector for each of its results."""
        b, (_, height, width) = self._b, self._problem.axes
        zero = constant(0, vector_type(self._element, self._tiling.lanes))

        def taps(tap_row: Value, totals: list[Value]) -> list[Value]:
            down = times(b, tap_row, height.dilation * height.step)
            along = times(b, tap_row, width.taps * self._tiling.lanes)
            return self._taps(
                tiles, block, plus(b, at, down), plus(b, panel, along), totals
            )

        return fold(b, *row.taps, [zero] * tiles.columns, taps)

    def _taps(
        self,
        tiles: Tiles,
        block: Block,
        place: Value,
        panel: Value,
        totals: list[Value],
    ) -> list[Value]:
        """Write the products of a row of the window.

        An element of the image that several results read is loaded once.
        """
        b, width, lanes = self._b, self._problem.axes[2], self._tiling.lanes
        x = b.address(self._image, self._element, place)
        y = b.address(self._weights, self._element, panel)
        type_ = vector_type(self._element, lanes)
        readers: dict[int, list[tuple[int, int]]] = {}
        for pair in itertools.product(range(tiles.columns), range(width.taps)):
            if pair not in tiles.outside:
                column, tap = pair
                where = column * width.stride + tap * width.dilation
                readers.setdefault(where, []).append(pair)
        weights: dict[int, Value] = {}
        result = list(totals)
        for where in sorted(readers):
            address = b.address(x, self._element, where * width.step)
            pixel = self._load(address, block)
            for column, tap in readers[where]:
                if tap not in weights:
                    weight = b.address(y, self._element, tap * lanes)
                    weights[tap] = b.load(type_, weight, self._size)
                result[column] = multiply_add(b, pixel, weights[tap], result[column])
        return result

    def _load(self, address: Value, block: Block) -> Value:
        """Load the channels of a pixel."""
        b, lanes = self._b, self._tiling.lanes
        type_ = vector_type(self._element, lanes)
        (active,) = block.active(lanes)
        if active == lanes:
            return b.load(type_, address, self._size)
        return b.masked_load(type_, address, first_lanes(lanes, active), self._size)
