"""Correlations computed directly: tiles of results, summed up in registers.

For every row of the window the elements under it lie one after the other (channels are
the last axis), so a tile's sum is a few loops over contiguous memory, and no matrix of
windows is ever written.  Rows of the window outside the image are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nervure import dtypes
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_strips import (
    Place,
    Source,
    source_in_place,
    source_in_strip,
)
from nervure.exec.cpu.conv_tiling import Block, Tiling
from nervure.exec.cpu.expressions import register_type
from nervure.exec.cpu.gemm_tile import multiply_add
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import (
    Value,
    constant,
    element_of,
    lanes_of,
    vector_type,
)
from nervure.exec.cpu.runs import (
    divided,
    i64,
    known,
    least,
    minus,
    most,
    plus,
    times,
    unravel,
)

# Bytes of weights that stay in a core's second-level cache beside the image.
WEIGHTS: Final = 2**19


class Results(NamedTuple):
    """A finished tile: the sums of ``images x columns`` results and some filters.

    ``values`` holds the vectors, image after image, column after column.
    """

    place: Place
    shift: Sequence[Value]  # of the variant, along each axis
    images: int
    columns: int
    filter: Value  # the first one, counted over all groups
    active: Sequence[int]  # lanes in use of each vector
    values: Sequence[Value]


Finish = Callable[[Results], None]


class Work(NamedTuple):
    """The sum of one tile that is to be written."""

    block: Block
    filter: Value  # the first one, counted over all groups
    at: Value  # the first element of the image that is read
    weights: Value  # where the panel begins
    rows: tuple[Value, Value]  # of the window: those inside the image
    images: int
    columns: int


@dataclass(frozen=True)
class _Items:
    """The items of a problem: how many there are along each axis."""

    variants: int
    images: int
    planes: int
    rows: int
    tiles: int

    @classmethod
    def of(cls, problem: Correlation, tiling: Tiling) -> _Items:
        depth, height, _ = problem.axes
        return cls(
            problem.variants,
            -(-problem.batch // tiling.item_images),
            depth.count,
            -(-height.count // tiling.item_rows),
            -(-tiling.tiles // tiling.item_tiles),
        )

    @property
    def count(self) -> int:
        return self.variants * self.images * self.planes * self.rows * self.tiles


class DirectWriter:
    """Writes the loops of a correlation into a kernel."""

    def __init__(
        self,
        b: KernelBuilder,
        problem: Correlation,
        tiling: Tiling,
        image: Value,
        weights: Value,
        weights_start: int,
        finish: Finish,
    ) -> None:
        self.b = b
        self.problem = problem
        self.tiling = tiling
        self._image = image
        self.weights_start = weights_start
        self.finish = finish
        self.weights = weights
        self.wide = dtypes.accumulator(problem.dtype)
        self.element = register_type(problem.dtype)

    def band_items(self, height: int) -> int:
        """Return how many items make up a band of images, 0 if none does."""
        items = _Items.of(self.problem, self.tiling)
        if items.variants > 1 or not height or height % self.tiling.item_images:
            return 0
        if self._filter_parts(items) > 1:
            return 0
        each = items.planes * items.rows * items.tiles
        return height // self.tiling.item_images * each

    def emit(self, first_unit: int, memory: Value | None, per_unit: int = 1) -> int:
        """Write the loop over items; returns the number of units.

        ``memory`` is a strip's.  A unit is ``per_unit`` items.
        """
        b, problem, tiling = self.b, self.problem, self.tiling
        items = _Items.of(problem, tiling)
        parts = self._filter_parts(items)
        begin = most(b, minus(b, times(b, b.begin, per_unit), first_unit), 0)
        end = minus(b, times(b, b.end, per_unit), first_unit)
        end = least(b, end, parts * items.count)
        with b.loop(begin, end) as unit:
            part, number = divided(b, unit.index, items.count)
            rest, tile_item = divided(b, number, items.tiles)
            rest, row_item = divided(b, rest, items.rows)
            rest, plane = divided(b, rest, items.planes)
            variant, image_item = divided(b, rest, items.images)
            first_tile = times(b, tile_item, tiling.item_tiles)
            place = Place(
                times(b, image_item, tiling.item_images),
                plane,
                times(b, row_item, tiling.item_rows),
                self.tile_start(first_tile),
            )
            left = minus(b, i64(problem.batch), place.image)
            images = least(b, left, tiling.item_images)
            if memory is None:
                source = source_in_place(b, problem, self._image, place)
            else:
                source = source_in_strip(
                    b, problem, tiling.extent, self._image, memory, place, images
                )
            item = self.item(source, place, images, first_tile)
            if parts > 1:
                item.part = part, parts
            item.write(variant)
        return -(-parts * items.count // per_unit)

    def _filter_parts(self, items: _Items) -> int:
        """Return into how many parts the filters are divided among units.

        Each item goes through all weights.  If those do not fit the cache, it is better
        to go through all items with a part of them.
        """
        tiling, size = self.tiling, self.wide.itemsize
        if len(tiling.blocks) > 1 or self.problem.groups > 1:
            return 1
        parts = -(-tiling.group_panels * size // WEIGHTS)
        image = self.problem.image_bytes
        if parts <= 1 or image * parts > tiling.group_panels * size * items.count:
            return 1
        return min(parts, tiling.blocks[0].number)

    def item(
        self, source: Source, place: Place, images: Value, first_tile: Value
    ) -> Item:
        """Return what writes one item."""
        return Item(self, source, place, images, first_tile)

    def tile_start(self, tile: Value) -> Value:
        """Return the column at which a tile begins."""
        b, tiling = self.b, self.tiling
        start = times(b, tile, tiling.columns)
        if tiling.wide_tiles == tiling.tiles:
            return start
        narrow = most(b, minus(b, tile, tiling.wide_tiles), 0)
        return minus(b, start, narrow)


class Item:
    """Writes one item."""

    def __init__(
        self,
        writer: DirectWriter,
        source: Source,
        place: Place,
        images: Value,
        first_tile: Value,
    ) -> None:
        self._writer = writer
        self._b = writer.b
        self._problem = writer.problem
        self._tiling = writer.tiling
        self._source = source
        self._place = place
        self._images = images
        self._first_tile = first_tile
        self._shift: Sequence[Value] = ()
        self.part: tuple[Value, int] | None = None  # of the filters, if not all
        self.planes = writer.problem.axes[0].inside(writer.b, place.plane)

    def write(self, variant: Value) -> None:
        """Write the loops over groups and blocks of filters."""
        b, problem, tiling = self._b, self._problem, self._tiling
        self._shift = unravel(b, variant, [axis.variants for axis in problem.axes])
        before = times(b, variant, problem.groups * tiling.group_panels)
        with b.loop(0, problem.groups) as group:
            number = group.index if problem.groups > 1 else i64(0)
            panels = plus(b, times(b, number, tiling.group_panels), before)
            panels = plus(b, panels, self._writer.weights_start)
            for block in tiling.blocks:
                first = plus(b, times(b, number, problem.filters), block.first)
                start = plus(b, panels, tiling.panel_offset(block))
                panel = block.vectors * tiling.lanes * tiling.depth
                with b.loop(*self._blocks(block.number)) as loop:
                    index = loop.index if block.number > 1 else i64(0)
                    where = plus(b, start, times(b, index, panel))
                    filter_ = plus(b, first, times(b, index, block.filters))
                    self._write_images(number, block, where, filter_)

    def _blocks(self, count: int) -> tuple[Value, Value]:
        """Return the first block of this unit's filters, and the last plus 1."""
        if self.part is None:
            return i64(0), i64(count)
        b, (part, parts) = self._b, self.part
        first, _ = divided(b, times(b, part, count), parts)
        last, _ = divided(b, times(b, plus(b, part, 1), count), parts)
        return first, last

    def _write_images(
        self, group: Value, block: Block, weights: Value, filter_: Value
    ) -> None:
        """Write the loop over the images, as many at a time as a tile has."""
        b, together = self._b, self._tiling.images
        full, _ = divided(b, self._images, together)
        with b.loop(0, full) as loop:
            image = times(b, loop.index, together)
            self._write_rows(group, block, weights, filter_, image, together)
        rest = self._problem.batch % together
        if rest:
            image = times(b, full, together)
            with b.when(b.compare("icmp", "slt", image, self._images)):
                self._write_rows(group, block, weights, filter_, image, rest)

    def _write_rows(
        self,
        group: Value,
        block: Block,
        weights: Value,
        filter_: Value,
        image: Value,
        images: int,
    ) -> None:
        """Write the loops over rows and tiles."""
        b, tiling, source = self._b, self._tiling, self._source
        _, height, width = self._problem.axes
        left = minus(b, i64(height.count), self._place.row)
        end_tile = least(b, plus(b, self._first_tile, tiling.item_tiles), tiling.tiles)
        with b.loop(0, least(b, left, tiling.item_rows)) as row:
            number = plus(b, self._place.row, row.index)
            taps = height.inside(b, number)
            base = plus(b, source.base, times(b, group, source.group))
            base = plus(b, base, times(b, image, source.image))
            base = plus(b, base, times(b, row.index, height.stride * source.row))

            def tile(index: Value, columns: int) -> None:
                column = self._writer.tile_start(index)
                inside = minus(b, column, self._place.column)
                at = plus(b, base, times(b, inside, width.stride * source.column))
                values = self.sum_of_tile(
                    Work(block, filter_, at, weights, taps, images, columns)
                )
                place = Place(plus(b, self._place.image, image), self._place.plane,
                              number, column)  # fmt: skip
                active = block.active(tiling.lanes)
                self._writer.finish(
                    Results(
                        place, self._shift, images, columns, filter_, active, values
                    )
                )

            wide_end = least(b, end_tile, tiling.wide_tiles)
            with b.loop(self._first_tile, wide_end) as loop:
                tile(loop.index, tiling.columns)
            if tiling.wide_tiles < tiling.tiles:
                begin = most(b, self._first_tile, tiling.wide_tiles)
                with b.loop(begin, end_tile) as loop:
                    tile(loop.index, tiling.columns - 1)

    # --- the sum of a tile ---

    def pixels(self, work: Work) -> list[int]:
        """Return where the results of a tile begin to read, from the first one on."""
        source, width = self._source, self._problem.axes[2]
        return [
            image * source.image + column * width.stride * source.column
            for image in range(work.images)
            for column in range(work.columns)
        ]

    def sum_of_tile(self, work: Work) -> list[Value]:
        """Write the sums of a tile; returns them, pixel after pixel."""
        b, problem, source = self._b, self._problem, self._source
        writer, block = self._writer, work.block
        _depth, height, width = problem.axes
        vector = vector_type(writer.element, self._tiling.lanes)
        panel_row = block.vectors * self._tiling.lanes
        pixels = self.pixels(work)
        totals = [constant(0, vector)] * (len(pixels) * block.vectors)
        if problem.depth == 0:
            return totals
        is_run = width.taps == 1 or (
            width.dilation == 1 and source.column == problem.channels
        )
        length = width.taps * problem.channels if is_run else problem.channels
        segments = 1 if is_run else width.taps

        def plane(d: Value, totals: list[Value]) -> list[Value]:
            def row(h: Value, totals: list[Value]) -> list[Value]:
                def segment(w: Value, totals: list[Value]) -> list[Value]:
                    tap = plus(b, times(b, d, height.taps), h)
                    tap = plus(b, times(b, tap, segments), w)
                    place = plus(b, work.at, times(b, d, source.plane))
                    place = plus(b, place, times(b, h, height.dilation * source.row))
                    place = plus(b, place, times(b, w, width.dilation * source.column))
                    panel = plus(b, work.weights, times(b, tap, length * panel_row))
                    return self._run(
                        pixels, block.vectors, place, panel, length, totals
                    )

                return fold(b, i64(0), i64(segments), totals, segment)

            return fold(b, *work.rows, totals, row)

        return fold(b, *self.planes, totals, plane)

    def _run(
        self,
        pixels: Sequence[int],
        vectors: int,
        place: Value,
        panel: Value,
        length: int,
        totals: list[Value],
    ) -> list[Value]:
        """Write the sum over a run of elements of the image."""
        b, writer = self._b, self._writer
        element = writer.element
        x = b.address(self._source.pointer, element, place)
        y = b.address(writer.weights, element, panel)
        if length == 1:
            return self._step(pixels, vectors, x, y, totals)
        with b.loop(0, length, 1, [x, y, *totals]) as loop:
            x, y = loop.carried[:2]
            loop.next = [
                b.address(x, element, 1),
                b.address(y, element, vectors * self._tiling.lanes),
                *self._step(pixels, vectors, x, y, loop.carried[2:]),
            ]
        return loop.results[2:]

    def _step(
        self,
        pixels: Sequence[int],
        vectors: int,
        x: Value,
        y: Value,
        totals: Sequence[Value],
    ) -> list[Value]:
        """Write the products of one element under every pixel of the tile."""
        writer = self._writer
        type_ = vector_type(writer.element, self._tiling.lanes)
        return products(
            self._b, type_, writer.wide.itemsize, (x, y), pixels, vectors, totals
        )


def products(
    b: KernelBuilder,
    type_: str,
    size: int,
    operands: tuple[Value, Value],
    offsets: Sequence[int],
    vectors: int,
    totals: Sequence[Value],
) -> list[Value]:
    """Write the products of single elements with vectors that follow each other.

    The elements are at ``offsets`` from the first operand, the vectors at the second;
    ``totals`` holds the sums so far, element after element.
    """
    element, lanes = element_of(type_), lanes_of(type_)
    x, y = operands
    weights = [
        b.load(type_, b.address(y, element, number * lanes), size)
        for number in range(vectors)
    ]
    result: list[Value] = []
    for offset in offsets:
        one = b.load(element, b.address(x, element, offset), size)
        repeated = b.splat(one, lanes)
        for weight in weights:
            result.append(multiply_add(b, repeated, weight, totals[len(result)]))
    return result


def fold(
    b: KernelBuilder,
    begin: Value,
    end: Value,
    totals: list[Value],
    body: Callable[[Value, list[Value]], list[Value]],
) -> list[Value]:
    """Write a loop from ``begin`` to ``end``, none for a single number."""
    if known(begin) == 0 and known(end) == 1:
        return body(begin, totals)
    with b.loop(begin, end, 1, totals) as loop:
        loop.next = body(loop.index, list(loop.carried))
    return list(loop.results)


def cost(problem: Correlation) -> float:
    """Return the number of elementary operations, roughly."""
    return problem.products / 8 + 2.0 * problem.results * problem.groups * max(
        1, math.ceil(problem.filters / 8)
    )
