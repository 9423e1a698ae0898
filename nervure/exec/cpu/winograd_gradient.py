"""The gradient of a convolution in its kernel by Winograd's way.

The sums over all tiles are made at the 16 positions, and become gradients of weights
only at the end::

    gradient = G' [ sum over tiles of (B' d B) * (A g A') ] G

Work is divided by images, by filters, and by the four rows of positions: a row needs
two lines of what a tile sees, so nothing is computed twice.  Each part of the images
adds up sums of its own; a second kernel adds those in a fixed order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from nervure.exec.cpu.bands import bands_of, image_band_height
from nervure.exec.cpu.conv_direct import products
from nervure.exec.cpu.conv_tiling import cut_row, most_results
from nervure.exec.cpu.conv_weight_tiling import Gradient
from nervure.exec.cpu.gemm_parts import add_parts
from nervure.exec.cpu.gemm_results import Epilogue
from nervure.exec.cpu.gemm_tile import multiply_add
from nervure.exec.cpu.kernel import Bands, Kernel, KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    divided,
    i64,
    least,
    load_run,
    minus,
    plus,
    store_run,
    times,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.winograd import (
    POSITIONS,
    SEEN,
    STEP,
    WINDOW,
    Grid,
    Line,
    cut_evenly,
    gradient_line,
    image_line,
    load_inside,
    see_image,
    window_gradient_line,
)
from nervure.ir.node import Node

# Bytes on the stack: half of a core's second-level cache.
STACK: Final = 2**19
# Bytes of the sums of all parts together.
PARTIAL_BYTES: Final = 12 * 2**20
# Units that there should be, for all threads to have equal shares.
UNITS: Final = 16
# Tiles that a part should have at least, to pay for going through its sums.
PART_TILES: Final = 128

# Row ``i`` of ``B' d`` is line ``FIRST[i]`` of d plus ``SIGN[i]`` times line
# ``SECOND[i]``; row ``i`` of ``A g`` is the two lines of g times ``FACTORS[i]``.
_FIRST: Final = (0, 1, 2, 1)
_SECOND: Final = (2, 2, 1, 3)
_SIGN: Final = (-1, 1, -1, -1)
_FACTORS: Final = ((1, 0), (1, 1), (1, -1), (0, -1))


@dataclass(frozen=True)
class _Cut:
    """How the work is cut.

    A unit sums the tiles of a part of the images, a ``stretch`` at a time, for a part
    of the filters and for one row of positions, or for all if it is a band.  A register
    tile is the sums of ``rows`` channels and ``vectors`` of filters.
    """

    lanes: int
    vectors: int
    blocks: int  # of the filters of a part
    filter_parts: int
    rows: int
    row_tiles: int
    parts: int
    part_tiles: int
    stretch: int
    band: int  # images of a unit; 0 if units are not bands

    @classmethod
    def of(cls, gradient: Gradient, target: Target) -> _Cut:
        problem, lanes = gradient.problem, target.lanes
        grid = Grid.of(problem)
        held = -(-problem.filters // lanes)
        vectors = held if held in (1, 3) else 2
        blocks = -(-held // vectors)
        rows, row_tiles = cut_row(
            target, vectors, problem.channels, most_results(target, vectors)
        )
        size = 4 * POSITIONS * rows * row_tiles * blocks * vectors * lanes
        affordable = max(1, PARTIAL_BYTES // size)
        band = image_band_height(grid.images)
        parts = -(-grid.images // max(band, 1))
        filter_parts = 1
        if not UNITS <= parts <= affordable or band * grid.of_image < PART_TILES:
            band = 0
            parts = max(1, min(affordable, UNITS // SEEN, grid.tiles // PART_TILES))
            filter_parts = min(blocks, -(-UNITS // (parts * SEEN)))
            blocks = -(-blocks // filter_parts)
        part_tiles = band * grid.of_image if band else -(-grid.tiles // parts)
        pitches = problem.channels + blocks * vectors * lanes + 3 * lanes
        most = STACK // (SEEN * 4 * pitches)
        stretch = cut_evenly(part_tiles, most)
        return cls(lanes, vectors, blocks, filter_parts, rows, row_tiles, parts,
                   part_tiles, stretch, band)  # fmt: skip

    @property
    def channels(self) -> int:
        """The channels of all register tiles: some may not be there."""
        return self.rows * self.row_tiles

    @property
    def part_filters(self) -> int:
        """The filters of a part, those that are not there included."""
        return self.blocks * self.vectors * self.lanes

    @property
    def filters(self) -> int:
        """The filters of all parts, those that are not there included."""
        return self.part_filters * self.filter_parts

    @property
    def image_pitch(self) -> int:
        """Elements from one tile's values of the image to the next one's."""
        # a power of two between values would bring many to the same place of a cache
        return -(-self.channels // self.lanes) * self.lanes + self.lanes

    @property
    def result_pitch(self) -> int:
        """Elements from one tile's values of g to the next one's."""
        return self.part_filters + self.lanes

    @property
    def position(self) -> int:
        """The number of sums at one position."""
        return self.channels * self.filters

    @property
    def units(self) -> int:
        """The number of units."""
        return self.parts if self.band else self.parts * self.filter_parts * SEEN


def lower_gradient(
    node: Node, gradient: Gradient, epilogue: Epilogue, target: Target
) -> list[KernelCall]:
    """Return the kernels of a gradient that suits, and the group that reads it."""
    cut = _Cut.of(gradient, target)
    x, g = (view_of(operand).root for operand in node.inputs)
    reads = tuple(dict.fromkeys((x, g)))
    b = KernelBuilder("winograd_kernel_grad", target, len(reads) + 1)
    pointers = dict(zip(reads, b.operands, strict=False))
    _Writer(b, gradient, cut, pointers[x], pointers[g], b.operands[-1]).emit()
    kernel = b.finish(cut.units, gradient.problem.products * POSITIONS / 36 / 8)
    sums = Scratch(4 * cut.parts * POSITIONS * cut.position)
    adding = _window_kernel(gradient, cut, target)
    calls = [KernelCall(kernel, reads, (sums,), _bands(node, cut))]
    if epilogue.group is None:
        return [*calls, KernelCall(adding, (sums,), (node,))]
    totals = Scratch(node.nbytes)
    calls.append(KernelCall(adding, (sums,), (totals,)))
    return [*calls, add_parts(node, epilogue, totals, 1, target)]


def _bands(node: Node, cut: _Cut) -> Bands | None:
    if not cut.band:
        return None
    views = [view_of(operand) for operand in node.inputs]
    return bands_of(node.inputs[0].shape[0], cut.band, views, [])


class _Writer:
    """Writes the kernel that makes the sums at the positions."""

    def __init__(
        self,
        b: KernelBuilder,
        gradient: Gradient,
        cut: _Cut,
        x: Value,
        g: Value,
        sums: Value,
    ) -> None:
        self._b = b
        self._gradient = gradient
        self._problem = gradient.problem
        self._cut = cut
        self._grid = Grid.of(gradient.problem)
        self._x, self._g, self._sums = x, g, sums
        self._vector = vector_type("float", cut.lanes)
        # a line's distance more, as between values
        self._image_step = cut.stretch * cut.image_pitch + cut.lanes
        self._result_step = cut.stretch * cut.result_pitch + cut.lanes
        self._image = b.stack("float", SEEN * self._image_step)
        self._result = b.stack("float", SEEN * self._result_step)

    def emit(self) -> None:
        """Write the loop over units."""
        b, cut = self._b, self._cut
        with b.loop(b.begin, b.end) as unit:
            if cut.band:
                with b.loop(0, SEEN) as rows:
                    self._write_part(unit.index, i64(0), rows.index)
            else:
                rest, row = divided(b, unit.index, SEEN)
                part, filter_part = divided(b, rest, cut.filter_parts)
                self._write_part(part, filter_part, row)

    def _write_part(self, part: Value, filter_part: Value, row: Value) -> None:
        """Write the loop over the stretches of a part."""
        b, cut = self._b, self._cut
        first = times(b, part, cut.part_tiles)
        last = least(b, plus(b, first, cut.part_tiles), self._grid.tiles)
        filter_ = times(b, filter_part, cut.part_filters)
        to = times(b, plus(b, times(b, part, SEEN), row), SEEN * cut.position)
        to = plus(b, to, filter_)
        image_row = _ImageRow.of(b, row)
        factors = [_chosen(b, row, [one[k] for one in _FACTORS]) for k in range(STEP)]
        with b.loop(first, last, cut.stretch) as loop:
            start = loop.index
            count = least(b, minus(b, last, start), cut.stretch)
            with b.loop(0, count) as tile:
                place = self._grid.place(b, plus(b, start, tile.index))
                self._write_image(place, tile.index, image_row)
                self._write_result(place, tile.index, filter_, factors)
            is_first = b.compare("icmp", "eq", start, first)
            self._write_sums(count, is_first, to)

    # --- the two operands ---

    def _write_image(
        self, place: tuple[Value, Value, Value], tile: Value, row: _ImageRow
    ) -> None:
        """Write one row of ``B' d B`` of a tile, for all channels."""
        b, cut = self._b, self._cut
        to = times(b, tile, cut.image_pitch)

        def write(
            lines: list[list[Value]], channel: Value, lanes: int, active: int
        ) -> None:
            sign = b.splat(row.sign, lanes)
            line = [
                multiply_add(b, second, sign, first)
                for first, second in zip(*lines, strict=True)
            ]
            for number, value in enumerate(image_line(b, line)):
                at = plus(b, plus(b, to, number * self._image_step), channel)
                b.store(value, b.address(self._image, "float", at), 4)

        see_image(b, self._problem, self._x, place, [row.first, row.second], write)

    def _write_result(
        self,
        place: tuple[Value, Value, Value],
        tile: Value,
        filter_: Value,
        factors: list[Value],
    ) -> None:
        """Write one row of ``A g A'`` of a tile, for the filters of a part."""
        b, cut, gradient = self._b, self._cut, self._gradient
        image, row, column = place
        _, height, width = self._problem.axes
        rows = Line.within(b, height.count, gradient.g_row_step, row)
        columns = Line.within(b, width.count, gradient.g_column_step, column)
        base = plus(b, times(b, image, gradient.g_image_step), gradient.g_offset)
        base = plus(b, base, times(b, filter_, gradient.g_channel_step))
        to = times(b, tile, cut.result_pitch)

        def write(number: Value, active: int) -> None:
            lines = []
            for x, along in enumerate(columns.distances):
                total: Value | None = None
                for y, down in enumerate(rows.distances):
                    at = plus(b, plus(b, base, down), along)
                    run = Run(self._g, at, gradient.g_channel_step)
                    value = load_run(b, run, self._problem.dtype, number, cut.lanes,
                                     active)  # fmt: skip
                    value = load_inside(b, rows, columns, y, x, value)
                    factor = b.splat(factors[y], cut.lanes)
                    total = (
                        b.binary("fmul", value, factor)
                        if total is None
                        else multiply_add(b, value, factor, total)
                    )
                assert total is not None
                lines.append(total)
            for place, value in enumerate(gradient_line(b, lines)):
                at = plus(b, plus(b, to, place * self._result_step), number)
                b.store(value, b.address(self._result, "float", at), 4)

        filters = self._problem.filters
        whole = filters // cut.lanes * cut.lanes
        # parts may end where there are no filters
        end = least(b, minus(b, i64(whole), filter_), cut.part_filters)
        with b.loop(0, end, cut.lanes) as loop:
            write(loop.index, cut.lanes)
        if whole < filters:
            rest = minus(b, i64(whole), filter_)
            with b.when(b.compare("icmp", "slt", rest, i64(cut.part_filters))):
                write(rest, filters - whole)

    # --- sums ---

    def _write_sums(self, count: Value, is_first: Value, to: Value) -> None:
        """Write the products of a stretch's two operands, added to earlier sums."""
        b, cut = self._b, self._cut
        width = cut.vectors * cut.lanes
        with b.loop(0, SEEN) as position:
            image = times(b, position.index, self._image_step)
            result = times(b, position.index, self._result_step)
            sums = plus(b, to, times(b, position.index, cut.position))
            with b.loop(0, cut.blocks) as block:
                column = times(b, block.index, width)
                with b.loop(0, cut.row_tiles) as tile:
                    row = times(b, tile.index, cut.rows)
                    at = plus(b, sums, times(b, row, cut.filters))
                    where = b.address(self._sums, "float", plus(b, at, column))
                    self._register_tile(
                        plus(b, image, row), plus(b, result, column), count, is_first,
                        where,
                    )  # fmt: skip

    def _register_tile(
        self, image: Value, result: Value, count: Value, is_first: Value, to: Value
    ) -> None:
        """Write the sums over tiles of some channels and some vectors of filters."""
        b, cut = self._b, self._cut
        places = [
            b.address(to, "float", row * cut.filters + vector * cut.lanes)
            for row in range(cut.rows)
            for vector in range(cut.vectors)
        ]
        zero = constant(0, self._vector)
        known = [b.select(is_first, zero, b.load(self._vector, place, 4))
                 for place in places]  # fmt: skip
        x = b.address(self._image, "float", image)
        g = b.address(self._result, "float", result)
        with b.loop(0, count, 1, [x, g, *known]) as loop:
            x, g, *totals = loop.carried
            sums = products(
                b, self._vector, 4, (x, g), range(cut.rows), cut.vectors, totals
            )
            loop.next = [
                b.address(x, "float", cut.image_pitch),
                b.address(g, "float", cut.result_pitch),
                *sums,
            ]
        for place, total in zip(places, loop.results[2:], strict=True):
            b.store(total, place, 4)


@dataclass(frozen=True)
class _ImageRow:
    """Which lines of what a tile sees make up a row, and the sign of the second."""

    first: Value
    second: Value
    sign: Value

    @classmethod
    def of(cls, b: KernelBuilder, row: Value) -> _ImageRow:
        return cls(
            _chosen(b, row, _FIRST, "i64"),
            _chosen(b, row, _SECOND, "i64"),
            _chosen(b, row, _SIGN),
        )


def _chosen(
    b: KernelBuilder, number: Value, choices: tuple[int, ...] | list[int],
    type_: str = "float",
) -> Value:  # fmt: skip
    """Return one of some constants."""
    result = constant(choices[0], type_)
    for place, choice in enumerate(choices[1:], 1):
        here = b.compare("icmp", "eq", number, i64(place))
        result = b.select(here, constant(choice, type_), result)
    return result


def _window_kernel(gradient: Gradient, cut: _Cut, target: Target) -> Kernel:
    """Return the kernel that adds the sums of all parts and makes gradients of them."""
    b = KernelBuilder("winograd_gradients", target, 2)
    source, result = b.operands
    problem, lanes = gradient.problem, cut.lanes
    vector, filters = vector_type("float", lanes), problem.filters
    rows = Rows(problem.channels, filters * POSITIONS, unit=8192)

    def totals(at: Value) -> list[Value]:
        """Write the sums over the parts."""
        zeros = [constant(0, vector)] * POSITIONS
        with b.loop(0, cut.parts, 1, zeros) as part:
            start = plus(b, at, times(b, part.index, POSITIONS * cut.position))
            known = [
                b.load(vector, b.address(source, "float",
                                         plus(b, start, place * cut.position)), 4)
                for place in range(POSITIONS)
            ]  # fmt: skip
            part.next = [
                b.binary("fadd", total, one)
                for total, one in zip(part.carried, known, strict=True)
            ]
        return part.results

    def write(channel: Value, number: Value, active: int) -> None:
        sums = totals(plus(b, times(b, channel, cut.filters), number))
        lines = [
            window_gradient_line(b, sums[SEEN * y : SEEN * y + SEEN])
            for y in range(SEEN)
        ]
        to = plus(b, times(b, channel, filters), number)
        for x in range(WINDOW):
            for y, value in enumerate(
                window_gradient_line(b, [line[x] for line in lines])
            ):
                place = plus(b, to, (WINDOW * y + x) * problem.channels * filters)
                store_run(b, Run(result, place, 1), problem.dtype, i64(0), value, lanes,
                          active)  # fmt: skip

    def row(channel: Value, _: Value, __: Value) -> None:
        whole = filters // lanes * lanes
        with b.loop(0, whole, lanes) as loop:
            write(channel, loop.index, lanes)
        if whole < filters:
            write(channel, i64(whole), filters - whole)

    rows.emit(b, row)
    size = math.prod((POSITIONS, cut.parts, problem.channels, filters))
    return b.finish(rows.units, size / 4)
