"""The loops around the tiles of a matrix product.

A kernel's units are tiles, or bands of them (``bands.py``).  They are numbered so that
a run of them is a run of tiles down a panel, then the next panel, then the next block
of rows, then the next matrix. Whatever run a thread is given, it packs each panel once
and sweeps its tiles.

    for each panel that the run touches:
        for each block of the sum:              (one, unless the sum is very long)
            pack the panel's part of y
            for each tile of the run in this panel:
                accumulate; while doing so, fetch the next panel nearer
        store the tiles' sums, or compute the epilogue on them
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from nervure.exec.cpu.gemm_blocking import Blocking, Packing, Panel
from nervure.exec.cpu.gemm_packing import pack
from nervure.exec.cpu.gemm_problem import CACHE_LINE, Matrix, Problem
from nervure.exec.cpu.gemm_results import Origin, Writer
from nervure.exec.cpu.gemm_rows import GatheredRows
from nervure.exec.cpu.gemm_tile import (
    Ahead,
    Left,
    Right,
    Tile,
    accumulate,
    element_type,
    fetched_below,
    load_tile_row,
    store_tile_row,
    zero_tile_row,
)
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, storage_type
from nervure.exec.cpu.maps import first_lanes
from nervure.exec.cpu.runs import (
    divided,
    i64,
    known,
    least,
    minus,
    most,
    offset,
    plus,
    times,
    unravel,
)

# How many rows of y a tile that uses them once looks ahead.
ROWS_AHEAD: Final = 16


class _Sweep(NamedTuple):
    """A run of tiles down one panel."""

    matrix: Sequence[Value]  # its place along the batch axes
    panel: Value
    first: Value  # tiles, counted from the top of the matrix
    stop: Value
    steps: Value  # of the sum


class PanelLoops:
    """Writes the body of one kernel."""

    def __init__(
        self,
        b: KernelBuilder,
        problem: Problem,
        blocking: Blocking,
        x: Value,
        y: Value,
        writer: Writer,
        rows: GatheredRows | None = None,
    ) -> None:
        self.b = b
        self._rows = rows
        self.problem = problem
        self.blocking = blocking
        self.writer = writer
        self._x, self._y = x, y
        self._element = element_type(problem.dtype)
        self._cut = blocking.depth < problem.chunk
        self._through_memory = self._cut or not writer.epilogue.is_short
        widest = max(blocking.panel.stride, blocking.last.stride)
        if blocking.packing is not Packing.NONE:
            self._packed = b.stack(self._element, max(blocking.depth, 1) * widest)
        if self._through_memory:
            kept = blocking.block_rows if self._cut else blocking.tiles[0].rows
            self._sums = b.stack(self._element, kept * widest)

    @property
    def units(self) -> int:
        """The number of work units."""
        tiles = math.prod(self.problem.batch) * self.blocking.units_per_matrix
        return -(-tiles // max(self.blocking.band, 1))

    def write(self) -> None:
        """Write all loops."""
        b, blocking, problem = self.b, self.blocking, self.problem
        height, band = blocking.tiles_per_block, max(blocking.band, 1)
        first, stop = times(b, b.begin, band), times(b, b.end, band)
        begin, _ = divided(b, first, height)
        end, _ = divided(b, plus(b, stop, height - 1), height)
        if band > 1:
            end = least(b, end, 1)  # there is one panel
        with b.loop(begin, end) as sweeps:
            number = sweeps.index
            top = times(b, number, height)
            low = most(b, minus(b, first, top), 0)
            high = least(b, minus(b, stop, top), height)
            number, panel = divided(b, number, blocking.panels)
            number, block = divided(b, number, blocking.blocks)
            above = times(b, block, height)
            index = unravel(b, number, problem.batch)
            sweep = _Sweep(
                index, panel, plus(b, above, low),
                least(b, plus(b, above, high), blocking.tile_count), self._steps(index),
            )  # fmt: skip
            self._each_kind(sweep)

    def _steps(self, index: Sequence[Value]) -> Value:
        """Return how many steps of the sum there are at a place of the batch."""
        problem = self.problem
        if problem.parts == 1:
            return i64(problem.k)
        if problem.k % problem.chunk == 0:
            return i64(problem.chunk)
        rest = minus(self.b, i64(problem.k), times(self.b, index[0], problem.chunk))
        return least(self.b, rest, problem.chunk)

    def _each_kind(self, sweep: _Sweep) -> None:
        """Write the code for whole panels and for the last one, if it differs."""
        b, blocking = self.b, self.blocking
        if blocking.panel == blocking.last:
            self._sweep(blocking.panel, sweep)
            return
        last = i64(blocking.panels - 1)
        if blocking.merged:
            self._sweep(self._merged(b.compare("icmp", "eq", sweep.panel, last)), sweep)
            return
        with b.when(b.compare("icmp", "ne", sweep.panel, last)):
            self._sweep(blocking.panel, sweep)
        with b.when(b.compare("icmp", "eq", sweep.panel, last)):
            self._sweep(blocking.last, sweep._replace(panel=last))

    def _merged(self, is_last: Value) -> Panel:
        """Return the panel that is the last one if ``is_last``."""
        b, last = self.b, self.blocking.last
        width = last.widths[-1]
        some, every = first_lanes(width, last.active), first_lanes(width, width)
        limit = b.select(is_last, i64(last.columns), i64(last.stride))
        return last._replace(mask=b.select(is_last, some, every), limit=limit)

    def _sweep(self, panel: Panel, sweep: _Sweep) -> None:
        """Write what happens in one panel."""
        b, problem = self.b, self.problem
        column = times(b, sweep.panel, self.blocking.panel.stride)
        origin = self.writer.origin(sweep.matrix, i64(0), column)
        x = self._matrix(self._x, problem.x, sweep.matrix, i64(0))
        y = self._matrix(
            self._y, problem.y, sweep.matrix, times(b, column, problem.y.columns)
        )
        if not self._cut:
            right = self._pack(panel, y, sweep.steps)
            self._tiles(panel, sweep, x, right, self._following(y, sweep.panel), origin)
            return
        top, bottom = self._row_of(sweep.first), self._row_of(sweep.stop)
        rows = minus(b, bottom, top)
        with b.loop(0, rows) as loop:
            zero_tile_row(b, panel, problem.dtype, self._sums_at(panel, loop.index))
        with b.loop(0, sweep.steps, self.blocking.depth) as parts:
            done = parts.index
            part = least(b, minus(b, sweep.steps, done), self.blocking.depth)
            left = self._along(x, problem.x, times(b, done, problem.x.columns))
            here = self._along(y, problem.y, times(b, done, problem.y.rows))
            right = self._pack(panel, here, part)
            ahead = self._next_part(y, sweep, done)
            part_sweep = sweep._replace(steps=part)
            self._tiles(panel, part_sweep, left, right, ahead, origin, top)
        self.writer.write_from_memory(
            self.writer.below(origin, top), panel, self._sums, self._element, rows
        )

    # --- addresses -------------------------------------------------------------------

    def _matrix(
        self, base: Value, matrix: Matrix, index: Sequence[Value], more: Value
    ) -> Value:
        """Return where a matrix of the batch begins, or ``more`` elements on."""
        where = offset(self.b, matrix.offset, index, matrix.batch)
        return self._along(base, matrix, plus(self.b, where, more))

    def _along(self, base: Value, matrix: Matrix, distance: Value) -> Value:
        if known(distance) == 0:
            return base
        return self.b.address(base, storage_type(matrix.dtype), distance)

    def _sums_at(self, panel: Panel, row: Value) -> Value:
        return self.b.address(
            self._sums, self._element, times(self.b, row, panel.stride)
        )

    def _row_of(self, tile: Value) -> Value:
        """Return the first row of a tile."""
        b, tiles = self.b, self.blocking.tiles
        row = times(b, tile, tiles[0].rows)
        if len(tiles) == 1:
            return least(b, row, self.problem.m)
        return minus(b, row, most(b, minus(b, tile, tiles[1].first), 0))

    # --- the parts of a sweep --------------------------------------------------------

    def _pack(self, panel: Panel, y: Value, steps: Value) -> Right:
        matrix = self.problem.y
        source = Right(y, matrix.dtype, matrix.rows, False, matrix.dtype.itemsize)
        buffer = y if self.blocking.packing is Packing.NONE else self._packed
        return pack(
            self.b, self.blocking.packing, panel, source, matrix.columns, steps, buffer
        )

    def _following(self, y: Value, panel: Value) -> Value | None:
        """Return where the panel after this one lies; the last one has none after."""
        if not self.blocking.fetch_panels:
            return None
        matrix = self.problem.y
        distance = self.blocking.panel.stride * matrix.columns
        if known(panel) == self.blocking.panels - 1:
            return y
        return self._along(y, matrix, i64(distance))

    def _next_part(self, y: Value, sweep: _Sweep, done: Value) -> Value | None:
        """Return where the next part of this panel lies, or the next panel."""
        if not self.blocking.fetch_panels:
            return None
        b, matrix = self.b, self.problem.y
        after = plus(b, done, self.blocking.depth)
        more = b.compare("icmp", "slt", after, sweep.steps)
        beside = i64(self.blocking.panel.stride * matrix.columns)
        if known(sweep.panel) == self.blocking.panels - 1:
            beside = i64(0)
        distance = b.select(more, times(b, after, matrix.rows), beside)
        return self._along(y, matrix, distance)

    def _tiles(
        self,
        panel: Panel,
        sweep: _Sweep,
        x: Value,
        right: Right,
        following: Value | None,
        origin: Origin,
        top: Value | None = None,
    ) -> None:
        """Write the loops over the tiles of a sweep; ``top`` is the first sum's row."""
        b, problem = self.b, self.problem
        for kind in self.blocking.tiles:
            first = most(b, sweep.first, kind.first) if kind.first else sweep.first
            stop = sweep.stop
            if len(self.blocking.tiles) > 1:
                stop = least(b, stop, kind.first + kind.count)
            tile = Tile(kind.rows, panel)
            with self._loop(first, stop, kind.count) as number:
                below = times(b, minus(b, number, kind.first), kind.rows)
                row = plus(b, below, kind.start)
                where = self._along(x, problem.x, times(b, row, problem.x.rows))
                left = Left(where, problem.x.dtype, problem.x.rows, problem.x.columns)
                ahead = self._ahead(following, number, panel, right)
                if top is None:
                    here = self.writer.below(origin, row)
                    visits = None
                    if self._rows is not None:
                        self._rows.copy(row, kind.rows, where)
                        visits = self._rows.visits(plus(b, row, kind.rows), kind.rows)
                    elif self.blocking.fetch_left:
                        visits = fetched_below(b, left, kind.rows, problem.chunk)
                    if self.blocking.fetch_results:
                        visits = self.writer.fetches(here, panel, kind.rows)
                    sums = accumulate(
                        b, tile, left, right, sweep.steps, tile.zeros(problem.dtype),
                        ahead, visits,
                    )  # fmt: skip
                    self._finish(panel, here, sums)
                else:
                    memory = self._sums_at(panel, minus(b, row, top))
                    self._continue(tile, left, right, sweep.steps, memory, ahead)

    @contextlib.contextmanager
    def _loop(self, first: Value, stop: Value, count: int) -> Iterator[Value]:
        """Write a loop over tiles; none if there is only one tile at all."""
        if count == self.blocking.tile_count == 1:
            yield i64(0)
            return
        with self.b.loop(first, stop) as loop:
            yield loop.index

    def _finish(self, panel: Panel, origin: Origin, sums: Sequence[Value]) -> None:
        """Do away with a tile's sums."""
        if not self._through_memory:
            self.writer.write_rows(origin, panel, sums)
            return
        rows = self._store_rows(panel, self._sums, sums)
        self.writer.write_from_memory(
            origin, panel, self._sums, self._element, i64(rows)
        )

    def _continue(
        self,
        tile: Tile,
        left: Left,
        right: Right,
        steps: Value,
        memory: Value,
        ahead: Ahead | None,
    ) -> None:
        """Add to sums in memory."""
        sums: list[Value] = []
        for number in range(tile.rows):
            row = self.b.address(memory, self._element, number * tile.panel.stride)
            sums += load_tile_row(self.b, tile.panel, self.problem.dtype, row)
        sums = accumulate(self.b, tile, left, right, steps, sums, ahead)
        self._store_rows(tile.panel, memory, sums)

    def _store_rows(self, panel: Panel, memory: Value, sums: Sequence[Value]) -> int:
        """Store a tile's sums; returns the number of rows."""
        columns = len(panel.widths)
        rows = len(sums) // columns
        for number in range(rows):
            row = self.b.address(memory, self._element, number * panel.stride)
            store_tile_row(
                self.b, panel, sums[number * columns : (number + 1) * columns], row
            )
        return rows

    def _ahead(
        self, following: Value | None, tile: Value, panel: Panel, right: Right
    ) -> Ahead | None:
        """Return which line of the following panel a tile brings nearer at each step.

        A single tile, which uses y only once, looks some rows ahead.
        """
        b, matrix = self.b, self.problem.y
        line = CACHE_LINE // matrix.dtype.itemsize
        if self.blocking.fetch_rows:
            start = self._along(right.pointer, matrix, i64(ROWS_AHEAD * matrix.rows))
            return Ahead(start, matrix.dtype, matrix.rows, -(-panel.columns // line))
        if following is None:
            return None
        width = self.blocking.panel.stride
        if matrix.columns == 1:
            jump, step, lines = line, matrix.rows, -(-width // line)
        elif matrix.rows == 1 and matrix.columns == self.problem.k:
            jump, step, lines = line * self.problem.k, line, -(-width // line)
        else:
            return None
        number, column = divided(b, tile, lines)
        where = times(b, column, jump)
        if self.blocking.packing is Packing.PAIR:  # a step is two rows
            _, second = divided(b, number, 2)
            where = plus(b, where, times(b, second, step // 2))
        start = self._along(following, matrix, where)
        return Ahead(start, matrix.dtype, step, 1)
