"""Correlations with many small groups, such as depthwise ones.

Where a group has few filters, its results do not fill a vector.  Here a vector holds
the filters of several groups: in each step, every lane multiplies its own weight with
its own element of the image.  Those elements lie in one short stretch of channels; a
fixed permutation brings them to their lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nervure import dtypes
from nervure.exec.cpu.conv_direct import DirectWriter, Item, Work, fold
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_strips import Place, Source
from nervure.exec.cpu.conv_tiling import Block, Tiling, make_tiling
from nervure.exec.cpu.elements import first_lanes
from nervure.exec.cpu.gemm_tile import multiply_add
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    i64,
    load_run,
    plus,
    store_run,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target

# The most channels of a group, and the most taps of a row that are written out.
MOST_CHANNELS = 8
UNROLLED_TAPS = 7


@dataclass(frozen=True)
class Lanes:
    """How the filters of small groups share vectors.

    ``problem`` is the same correlation with a single group; only its image, its axes
    and its results are used.  ``span`` channels in a row feed one vector of filters.
    """

    problem: Correlation
    lanes: int
    channels: int  # of a group
    filters: int  # of a group

    @property
    def span(self) -> int:
        """The number of neighbouring channels that the lanes of a vector read."""
        return self.lanes // self.filters * self.channels

    @property
    def depth(self) -> int:
        """The number of products in one element of the result."""
        return self.problem.taps * self.channels

    def first_channel(self, b: KernelBuilder, filter_: Value) -> Value:
        """Return the first channel that a vector of filters reads."""
        if self.filters == 1:
            return times(b, filter_, self.channels)
        group = b.binary("udiv", filter_, i64(self.filters))
        return times(b, group, self.channels)

    def load(
        self, b: KernelBuilder, element: str, address: Value, active: int, size: int
    ) -> Value:
        """Return the channels that ``active`` lanes read."""
        type_ = vector_type(element, self.span)
        needed = active // self.filters * self.channels
        if needed == self.span:
            return b.load(type_, address, size)
        return b.masked_load(type_, address, first_lanes(self.span, needed), size)

    def pick(self, b: KernelBuilder, channels: Value, number: int) -> Value:
        """Return for each lane the channel ``number`` of its group."""
        if self.channels == self.filters == 1:
            return channels
        picks = ", ".join(
            f"i32 {lane // self.filters * self.channels + number}"
            for lane in range(self.lanes)
        )
        type_ = vector_type(channels.type.split(" x ")[1][:-1], self.lanes)
        mask = f"<{self.lanes} x i32> <{picks}>"
        return b.emit(
            type_, f"shufflevector {channels}, {channels.type} poison, {mask}"
        )

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of one vector of filters each."""
        whole, rest = divmod(self.problem.filters, self.lanes)
        blocks = [Block(0, 1, whole, self.lanes)] if whole else []
        if rest:
            blocks.append(Block(whole * self.lanes, 1, 1, rest))
        return tuple(blocks)


def share_lanes(problem: Correlation, target: Target) -> Lanes | None:
    """Return how filters of groups share vectors, None where they had better not."""
    lanes = target.vector_bytes // dtypes.accumulator(problem.dtype).itemsize
    channels, filters = problem.channels, problem.filters
    fits = filters and lanes % filters == 0 and channels <= MOST_CHANNELS
    if problem.groups == 1 or not fits or 2 * filters >= lanes or not channels:
        return None
    if problem.variants > 1:
        return None
    if lanes // filters * channels > 4 * lanes:
        return None
    single = replace(
        problem,
        groups=1,
        channels=channels * problem.groups,
        filters=filters * problem.groups,
    )
    return Lanes(single, lanes, channels, filters)


def lanes_tiling(shared: Lanes, target: Target, in_place: bool | None = None) -> Tiling:
    """Return the cuts of a correlation whose groups share vectors.

    ``in_place`` says whether the image is read where it lies, if that is known.
    """
    problem = shared.problem
    width = problem.axes[2]
    weights = min(width.taps, UNROLLED_TAPS) * shared.channels
    most = max(4, min(target.registers - 4 - weights, target.registers // 2))
    products = float(problem.results) * problem.filters * shared.depth
    return make_tiling(
        problem, target, shared.lanes, shared.blocks(), shared.depth, most, products,
        in_place,
    )  # fmt: skip


def write_lane_panels(
    b: KernelBuilder,
    problem: Correlation,
    shared: Lanes,
    tiling: Tiling,
    first: int,
    first_unit: int,
) -> int:
    """Write the loop that brings weights into panels; returns the work units.

    A row of a panel holds the weights of one tap and one channel of every lane's group.
    """
    source, result = b.operands
    wide = dtypes.accumulator(problem.dtype)
    lanes = shared.lanes
    group, channel, filter_ = problem.weight_steps
    taps = [axis.taps for axis in problem.axes]
    apart = [
        lane // shared.filters * group + lane % shared.filters * filter_
        for lane in range(lanes)
    ]
    is_run = apart == [lane * apart[-1] // max(lanes - 1, 1) for lane in range(lanes)]
    count = 0
    for block in tiling.blocks:
        extents = [block.number, *taps, shared.channels]
        steps = [lanes // shared.filters * group,
                 *(axis.weight_step for axis in problem.axes), channel]  # fmt: skip
        rows = Rows(block.number * shared.depth, lanes, unit=4096)
        base = problem.weight_offset + block.first // shared.filters * group
        to = first + tiling.panel_offset(block)

        def row(
            number: Value,
            _: Value,
            __: Value,
            block: Block = block,
            extents: Sequence[int] = extents,
            steps: Sequence[int] = steps,
            base: int = base,
            to: int = to,
        ) -> None:
            place = i64(base)
            for at, step in zip(unravel(b, number, extents), steps, strict=True):
                place = plus(b, place, times(b, at, step))
            target = Run(result, plus(b, times(b, number, lanes), to), 1)
            if is_run:
                stride = apart[1] if lanes > 1 else 1
                run = Run(source, place, stride)
                x = load_run(b, run, problem.dtype, i64(0), lanes, block.filters)
                store_run(b, target, wide, i64(0), x, lanes, lanes)
                return
            for lane in range(block.filters):
                here = Run(source, plus(b, place, apart[lane]), 1)
                x = load_run(b, here, problem.dtype, i64(0), 1, 1)
                store_run(b, target, wide, i64(lane), x, 1, 1)

        rows.emit(b, row, first_unit + count)
        count += rows.units
    return count


class LaneWriter(DirectWriter):
    """Writes the loops of a correlation whose groups share vectors."""

    shared: Lanes

    def item(
        self, source: Source, place: Place, images: Value, first_tile: Value
    ) -> Item:
        """Return what writes one item."""
        return _LaneItem(self, source, place, images, first_tile)


class _LaneItem(Item):
    """Writes one item; only the sum of a tile differs."""

    def sum_of_tile(self, work: Work) -> list[Value]:
        """Write the sums of a tile; returns them, pixel after pixel."""
        b, source, writer = self._b, self._source, self._writer
        assert isinstance(writer, LaneWriter)
        shared = writer.shared
        _, height, width = self._problem.axes
        lanes = shared.lanes
        at = plus(b, work.at, shared.first_channel(b, work.filter))
        pixels = self.pixels(work)
        zero = constant(0, vector_type(writer.element, lanes))
        if shared.depth == 0:
            return [zero] * len(pixels)
        together = width.taps if width.taps <= UNROLLED_TAPS else 1
        segments = width.taps // together

        def plane(d: Value, totals: list[Value]) -> list[Value]:
            def row(h: Value, totals: list[Value]) -> list[Value]:
                def segment(w: Value, totals: list[Value]) -> list[Value]:
                    tap = plus(b, times(b, d, height.taps), h)
                    tap = plus(b, times(b, tap, segments), w)
                    place = plus(b, at, times(b, d, source.plane))
                    place = plus(b, place, times(b, h, height.dilation * source.row))
                    place = plus(b, place, times(b, w, width.dilation * source.column))
                    rows = together * shared.channels
                    panel = plus(b, work.weights, times(b, tap, rows * lanes))
                    return self._taps(pixels, together, work, place, panel, totals)

                return fold(b, i64(0), i64(segments), totals, segment)

            return fold(b, *work.rows, totals, row)

        return fold(b, *self.planes, [zero] * len(pixels), plane)

    def _taps(
        self,
        pixels: Sequence[int],
        taps: int,
        work: Work,
        place: Value,
        panel: Value,
        totals: list[Value],
    ) -> list[Value]:
        """Write the products of neighbouring taps of a row of the window.

        An element of the image that several pixels read is loaded once.
        """
        b, writer, width = self._b, self._writer, self._problem.axes[2]
        assert isinstance(writer, LaneWriter)
        shared = writer.shared
        element, size = writer.element, writer.wide.itemsize
        x = b.address(self._source.pointer, element, place)
        y = b.address(writer.weights, element, panel)
        type_ = vector_type(element, shared.lanes)
        weights = [
            b.load(type_, b.address(y, element, number * shared.lanes), size)
            for number in range(taps * shared.channels)
        ]
        readers: dict[int, list[tuple[int, int]]] = {}
        for number, pixel in enumerate(pixels):
            for tap in range(taps):
                where = pixel + tap * width.dilation * self._source.column
                readers.setdefault(where, []).append((number, tap))
        result = list(totals)
        for where in sorted(readers):
            address = b.address(x, element, where)
            channels = shared.load(b, element, address, work.block.filters, size)
            for channel in range(shared.channels):
                picked = shared.pick(b, channels, channel)
                for number, tap in readers[where]:
                    weight = weights[tap * shared.channels + channel]
                    result[number] = multiply_add(b, picked, weight, result[number])
        return result
