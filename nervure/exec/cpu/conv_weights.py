"""The gradient of a convolution in its kernel.

Every weight's gradient is a sum over all places of the window, in all images::

    result[t, c, f] = sum over n, o of x[n, o + t, c] * g[n, o, f]

A tile of some rows (taps and channels) times some vectors of filters stays in
registers while a whole piece of an image runs past: one element of x for each row, some
vectors of g.  The elements of x for neighbouring rows lie side by side.

Work is divided among threads by images, by filters and by taps.  Each part of the
images adds up its own partial result; a second kernel adds those in a fixed order.  How
many parts there are depends on the shapes alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from nervure import dtypes
from nervure.exec.cpu.bands import bands_of, image_band_height
from nervure.exec.cpu.conv_lanes import Lanes
from nervure.exec.cpu.conv_room import with_room
from nervure.exec.cpu.conv_strips import (
    Place,
    Source,
    source_in_place,
    source_in_strip,
    strip_memory,
)
from nervure.exec.cpu.conv_tiling import (
    STRIP_LIMIT,
    Block,
    strip_shape,
)
from nervure.exec.cpu.conv_weight_tiling import (
    Gradient,
    Items,
    WeightTiling,
    choose,
    gradient_of,
)
from nervure.exec.cpu.expressions import register_type
from nervure.exec.cpu.gemm_parts import add_parts
from nervure.exec.cpu.gemm_results import Epilogue
from nervure.exec.cpu.gemm_tile import multiply_add
from nervure.exec.cpu.kernel import Kernel, KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    Run,
    divided,
    fill_run,
    i64,
    least,
    load_run,
    minus,
    most,
    moved_type,
    plus,
    store_run,
    times,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.winograd import suits
from nervure.exec.cpu.winograd_gradient import lower_gradient
from nervure.ir.node import Node


def lower_kernel_gradient(
    node: Node, epilogue: Epilogue, target: Target
) -> list[KernelCall]:
    """Return the kernels of ``conv_kernel_grad`` and the group that reads it."""
    x, g = (view_of(operand).root for operand in node.inputs)
    gradient = gradient_of(node, target)
    wide = dtypes.accumulator(node.dtype)
    if gradient.problem.results == 0:
        scratch = Scratch(node.size * wide.itemsize)
        zeros = KernelCall(_zero_kernel(node, target), (), (scratch,))
        return [zeros, add_parts(node, epilogue, scratch, 1, target)]
    if gradient.g_channel_step == 1 and suits(gradient.problem):
        return lower_gradient(node, gradient, epilogue, target)
    calls: list[KernelCall] = []
    tiling = choose(gradient, target)
    large = tiling.strip_bytes(gradient.problem) > STRIP_LIMIT
    if large and not gradient.problem.is_joined:
        calls, x, (problem,) = with_room(node.inputs[0], [gradient.problem], target)
        gradient = replace(gradient, problem=problem)
        tiling = choose(gradient, target)
    reads = tuple(dict.fromkeys((x, g)))
    band = _band(gradient, tiling)
    if band.items:
        tiling = replace(tiling, parts=band.parts)
    kernel = _partial_kernel(reads, x, g, gradient, tiling, band.items, target)
    bands = None
    if band.items and x is view_of(node.inputs[0]).root:
        views = [view_of(operand) for operand in node.inputs]
        bands = bands_of(gradient.problem.batch, band.height, views, [])
    if tiling.parts == 1 and wide == node.dtype and epilogue.group is None:
        return [*calls, KernelCall(kernel, reads, (node,), bands)]
    scratch = Scratch(tiling.parts * node.size * wide.itemsize)
    calls.append(KernelCall(kernel, reads, (scratch,), bands))
    return [*calls, add_parts(node, epilogue, scratch, tiling.parts, target)]


class _Band(NamedTuple):
    """A part of the images that is a band: items, 0 if parts are something else."""

    items: int
    height: int
    parts: int


def _band(gradient: Gradient, tiling: WeightTiling) -> _Band:
    """Return the parts of the images as bands, if each part is all of a unit."""
    problem = gradient.problem
    items = Items.of(problem, tiling.extent)
    height = image_band_height(problem.batch)
    count = -(-problem.batch // max(height, 1))
    whole = tiling.filter_parts == tiling.row_parts == 1
    if not whole or not height or height % tiling.extent.images:
        return _Band(0, 0, 0)
    if tiling.parts < count:
        return _Band(0, 0, 0)  # so many partial results would be too much memory
    images = height // tiling.extent.images
    return _Band(images * items.count // items.images, height, count)


def _zero_kernel(node: Node, target: Target) -> Kernel:
    """Return the kernel for the gradient of no images."""
    b = KernelBuilder("conv_no_images", target, 1)
    zero = Value(moved_type(dtypes.accumulator(node.dtype)), "0")
    with b.loop(b.begin, b.end):
        fill_run(b, zero.type, Run(b.operands[0], i64(0), 1), zero, node.size)
    return b.finish(1, float(node.size))


def _partial_kernel(
    reads: Sequence[Node],
    x: Node,
    g: Node,
    gradient: Gradient,
    tiling: WeightTiling,
    band: int,
    target: Target,
) -> Kernel:
    """Return the kernel that computes the partial results.

    A part is ``band`` items if that is not 0.
    """
    b = KernelBuilder("conv_kernel_grad", target, len(reads) + 1)
    pointers = dict(zip(reads, b.operands, strict=False))
    writer = _Writer(
        b, gradient, tiling, pointers[x], pointers[g], b.operands[-1], band
    )
    units = tiling.parts * tiling.filter_parts * tiling.row_parts
    with b.loop(b.begin, b.end) as unit:
        rest, row_part = divided(b, unit.index, tiling.row_parts)
        part, filter_part = divided(b, rest, tiling.filter_parts)
        writer.write(part, filter_part, row_part)
    return b.finish(units, gradient.problem.products / 8)


def _share(
    b: KernelBuilder, part: Value, parts: int, count: int
) -> tuple[Value, Value]:
    """Return the first and the last plus 1 of a part's share of things."""
    first, _ = divided(b, times(b, part, count), parts)
    last, _ = divided(b, times(b, plus(b, part, 1), count), parts)
    return first, last


class _Writer:
    """Writes what a unit does."""

    def __init__(
        self,
        b: KernelBuilder,
        gradient: Gradient,
        tiling: WeightTiling,
        x: Value,
        g: Value,
        result: Value,
        band: int,
    ) -> None:
        self.b = b
        self._band = band
        self.gradient = gradient
        self.problem = problem = gradient.problem
        self.tiling = tiling
        self._x = x
        self.g = g
        self.result = result
        self.wide = dtypes.accumulator(problem.dtype)
        self.element = register_type(problem.dtype)
        self._strip: Value | None = None
        if not tiling.in_place:
            shape = strip_shape(problem, tiling.extent)
            self._strip = strip_memory(b, problem.dtype, math.prod(shape))
        self.panel: Value | None = None
        if not tiling.g_in_place:
            widest = max(block.vectors for block in tiling.blocks) * tiling.lanes
            size = math.prod(tiling.extent) * widest
            self.panel = strip_memory(b, problem.dtype, size)

    def write(self, part: Value, filter_part: Value, row_part: Value) -> None:
        """Write the loop over the items of a part."""
        b, problem, tiling = self.b, self.problem, self.tiling
        extent = tiling.extent
        items = Items.of(problem, extent)
        if self._band:
            first = times(b, part, self._band)
            last = least(b, plus(b, first, self._band), items.count)
        else:
            first, last = _share(b, part, tiling.parts, items.count)
        with b.loop(first, last) as item:
            rest, column = divided(b, item.index, items.columns)
            rest, row = divided(b, rest, items.rows)
            image, plane = divided(b, rest, items.planes)
            place = Place(times(b, image, extent.images), plane,
                          times(b, row, extent.rows),
                          times(b, column, extent.columns))  # fmt: skip
            images = least(b, minus(b, i64(problem.batch), place.image), extent.images)
            if self._strip is None:
                source = source_in_place(b, problem, self._x, place)
            else:
                source = source_in_strip(
                    b, problem, extent, self._x, self._strip, place, images
                )
            is_first = b.compare("icmp", "eq", item.index, first)
            total = times(b, part, self.gradient.size)
            work = _Item(self, source, place, images, is_first, total)
            work.write(filter_part, row_part)


class _Item:
    """Writes one item: all its tiles, each running over all places."""

    def __init__(
        self,
        writer: _Writer,
        source: Source,
        place: Place,
        images: Value,
        is_first: Value,
        total: Value,
    ) -> None:
        self._writer = writer
        self._b = writer.b
        self._problem = problem = writer.problem
        self._tiling = tiling = writer.tiling
        self._source = source
        self._place = place
        self._images = images
        self._is_first = is_first
        self._total = total
        b = self._b
        _, height, width = problem.axes
        extent = tiling.extent
        self._row_end = least(b, plus(b, place.row, extent.rows), height.count)
        self._column_end = least(b, plus(b, place.column, extent.columns), width.count)

    def write(self, filter_part: Value, row_part: Value) -> None:
        """Write the loops over groups and blocks of filters of a part."""
        b, problem, tiling = self._b, self._problem, self._tiling
        count = problem.groups * tiling.all_blocks
        first, last = _share(b, filter_part, tiling.filter_parts, count)
        before = 0
        for block in tiling.blocks:
            # blocks of one kind: number ``before`` and the next ones of every group
            with b.loop(0, problem.groups) as groups:
                group = groups.index if problem.groups > 1 else i64(0)
                start = plus(b, times(b, group, tiling.all_blocks), before)
                begin = most(b, minus(b, first, start), 0)
                end = least(b, minus(b, last, start), block.number)
                with b.loop(begin, end) as loop:
                    index = loop.index if block.number > 1 else i64(0)
                    filter_ = plus(b, times(b, index, block.filters), block.first)
                    panel = self._panel(group, block, filter_)
                    self._write_window(group, block, filter_, panel, row_part)
            before += block.number

    # --- g ---

    def _panel(self, group: Value, block: Block, filter_: Value) -> Run:
        """Return where the vectors of g lie; the stride is that of places."""
        b, problem, writer = self._b, self._problem, self._writer
        memory = writer.panel
        channel = plus(b, times(b, group, problem.filters), filter_)
        base = writer.gradient.g_place(b, self._place.image, self._place[1:])
        base = plus(b, base, times(b, channel, writer.gradient.g_channel_step))
        if memory is None:
            return Run(writer.g, base, 1)
        self._fill_panel(block, base, memory)
        return Run(memory, i64(0), 1)

    def _steps(self, block: Block) -> tuple[int, int, int]:
        """Return the distances of images, rows and columns of g as it is read."""
        gradient, extent = self._writer.gradient, self._tiling.extent
        if self._writer.panel is None:
            return gradient.g_image_step, gradient.g_row_step, gradient.g_column_step
        column = block.vectors * self._tiling.lanes
        return extent.rows * extent.columns * column, extent.columns * column, column

    def _fill_panel(self, block: Block, base: Value, memory: Value) -> None:
        """Write the copy of a block's filters of g at all places of the item."""
        b, problem, writer = self._b, self._problem, self._writer
        gradient, lanes = writer.gradient, self._tiling.lanes
        steps = self._steps(block)
        rows = minus(b, self._row_end, self._place.row)
        columns = minus(b, self._column_end, self._place.column)
        with b.loop(0, self._images) as image:
            from_image = plus(b, base, times(b, image.index, gradient.g_image_step))
            with b.loop(0, rows) as row:
                from_row = plus(b, from_image, times(b, row.index, gradient.g_row_step))
                to_row = plus(b, times(b, image.index, steps[0]),
                              times(b, row.index, steps[1]))  # fmt: skip
                with b.loop(0, columns) as column:
                    at = plus(
                        b, from_row, times(b, column.index, gradient.g_column_step)
                    )
                    source = Run(writer.g, at, gradient.g_channel_step)
                    to = plus(b, to_row, times(b, column.index, steps[2]))
                    for vector, active in enumerate(block.active(lanes)):
                        x = load_run(b, source, problem.dtype, i64(vector * lanes),
                                     lanes, active)  # fmt: skip
                        store_run(b, Run(memory, to, 1), writer.wide,
                                  i64(vector * lanes), x, lanes, lanes)  # fmt: skip

    # --- tiles ---

    def _write_window(
        self, group: Value, block: Block, filter_: Value, panel: Run, row_part: Value
    ) -> None:
        """Write the loops over the runs of the window and their tiles."""
        b, problem, tiling, source = self._b, self._problem, self._tiling, self._source
        depth, height, width = problem.axes
        base = plus(b, source.base, times(b, group, source.group))
        column = plus(b, times(b, group, problem.filters), filter_)
        shared = self._writer.gradient.shared
        if shared is not None:
            base = plus(b, base, shared.first_channel(b, filter_))
        if tiling.run == "window":
            rows = self._place.row, self._row_end
            columns = self._place.column, self._column_end
            self._write_tiles(block, base, i64(0), column, panel, rows, columns)
            return
        planes = depth.inside(b, self._place.plane)
        first, last = _share(b, row_part, tiling.row_parts, depth.taps * height.taps)
        first = most(b, first, times(b, planes[0], height.taps))
        last_plane = times(b, planes[1], height.taps)
        self._clear_other_planes(block, column, planes, row_part)
        with b.loop(first, least(b, last, last_plane)) as loop:
            d, h = divided(b, loop.index, height.taps)
            at = plus(b, base, times(b, d, source.plane))
            at = plus(b, at, times(b, h, height.dilation * source.row))
            begin, end = height.windows(b, h)
            rows = most(b, begin, self._place.row), least(b, end, self._row_end)
            segments = width.taps if tiling.run == "tap" else 1
            with b.loop(0, segments) as segment:
                w = segment.index if segments > 1 else i64(0)
                here = plus(b, at, times(b, w, width.dilation * source.column))
                columns = self._columns(w)
                tap = plus(b, times(b, loop.index, segments), w)
                row = times(b, tap, tiling.length)
                self._write_tiles(block, here, row, column, panel, rows, columns)

    def _clear_other_planes(
        self, block: Block, column: Value, planes: tuple[Value, Value], part: Value
    ) -> None:
        """Write zeros to the taps of planes that a first item does not meet."""
        b, problem, tiling = self._b, self._problem, self._tiling
        depth, height, width = problem.axes
        if depth.is_inside:
            return
        first, last = _share(b, part, tiling.row_parts, depth.taps * height.taps)
        run = tiling.length * (width.taps if tiling.run == "tap" else 1)
        with b.when(self._is_first), b.loop(first, last) as loop:
            d, _ = divided(b, loop.index, height.taps)
            below = b.compare("icmp", "slt", d, planes[0])
            above = b.compare("icmp", "sge", d, planes[1])
            with b.when(b.binary("or", below, above)), b.loop(0, run) as rows:
                row = plus(b, times(b, loop.index, run), rows.index)
                zero = vector_type(self._writer.element, tiling.lanes)
                values = [constant(0, zero)] * block.vectors
                self._store_row(block, row, column, values)

    def _columns(self, w: Value) -> tuple[Value, Value]:
        """Return the columns of the item where a tap lies in the image."""
        b, width = self._b, self._problem.axes[2]
        if self._tiling.run != "tap" or not self._tiling.in_place:
            return self._place.column, self._column_end
        begin, end = width.windows(b, w)
        return most(b, begin, self._place.column), least(b, end, self._column_end)

    def _write_tiles(
        self,
        block: Block,
        base: Value,
        row: Value,
        column: Value,
        panel: Run,
        rows: tuple[Value, Value],
        columns: tuple[Value, Value],
    ) -> None:
        """Write the loop over the tiles of a run, whose first row is ``row``."""
        b, tiling = self._b, self._tiling
        if tiling.run == "window":
            self._write_tile(block, self._window_offsets(), base, row, column, panel,
                             rows, columns)  # fmt: skip
            return
        wide = tiling.wide_tiles
        for begin, end, count in ((0, wide, tiling.rows),
                                  (wide, tiling.tiles, tiling.rows - 1)):  # fmt: skip
            if begin == end:
                continue
            with b.loop(begin, end) as loop:
                start = times(b, loop.index, count)
                start = plus(b, start, wide if begin else 0)
                here, first = plus(b, base, start), plus(b, row, start)
                self._write_tile(block, range(count), here, first, column, panel, rows,
                                 columns)  # fmt: skip

    def _window_offsets(self) -> list[int]:
        """Return where the elements under all taps lie."""
        source, problem = self._source, self._problem
        depth, height, width = problem.axes
        return [
            d * source.plane + h * height.dilation * source.row
            + w * width.dilation * source.column + channel
            for d in range(depth.taps)
            for h in range(height.taps)
            for w in range(width.taps)
            for channel in range(problem.channels)
        ]  # fmt: skip

    def _write_tile(
        self,
        block: Block,
        offsets: Sequence[int],
        base: Value,
        row: Value,
        column: Value,
        panel: Run,
        rows: tuple[Value, Value],
        columns: tuple[Value, Value],
    ) -> None:
        """Write a tile: its sums so far, the loops over places, its sums then."""
        b, problem, source, writer = (
            self._b, self._problem, self._source, self._writer,
        )  # fmt: skip
        _, height, width = problem.axes
        steps = self._steps(block)
        totals = self._totals(block, len(offsets), row, column)
        inside = minus(b, columns[0], self._place.column)
        x_start = plus(b, base, times(b, inside, width.stride * source.column))
        g_start = plus(b, panel.place, times(b, inside, steps[2]))
        with b.loop(0, self._images, 1, totals) as images:
            x_image = plus(b, x_start, times(b, images.index, source.image))
            g_image = plus(b, g_start, times(b, images.index, steps[0]))
            with b.loop(*rows, 1, images.carried) as lines:
                line = minus(b, lines.index, self._place.row)
                x = plus(b, x_image, times(b, line, height.stride * source.row))
                g = plus(b, g_image, times(b, line, steps[1]))
                pointers = [b.address(source.pointer, writer.element, x),
                            b.address(panel.pointer, writer.element, g)]  # fmt: skip
                carried = [*pointers, *lines.carried]
                with b.loop(*columns, 1, carried) as places:
                    x_at, g_at = places.carried[:2]
                    places.next = [
                        b.address(x_at, writer.element, width.stride * source.column),
                        b.address(g_at, writer.element, steps[2]),
                        *self._step(block, offsets, x_at, g_at, places.carried[2:]),
                    ]
                lines.next = places.results[2:]
            images.next = lines.results
        for number in range(len(offsets)):
            values = images.results[number * block.vectors :][: block.vectors]
            self._store_row(block, plus(b, row, number), column, values)

    def _step(
        self,
        block: Block,
        offsets: Sequence[int],
        x: Value,
        g: Value,
        totals: Sequence[Value],
    ) -> list[Value]:
        """Write the products at one place of the window."""
        b, lanes, writer = self._b, self._tiling.lanes, self._writer
        element, size = writer.element, writer.wide.itemsize
        type_ = vector_type(element, lanes)
        vectors = [
            b.load(type_, b.address(g, element, number * lanes), size)
            for number in range(block.vectors)
        ]
        shared = writer.gradient.shared
        if shared is not None:
            return self._lanes_step(shared, block, x, vectors[0], totals)
        result = []
        for row, offset in enumerate(offsets):
            one = b.load(element, b.address(x, element, offset), size)
            repeated = b.splat(one, lanes)
            for number, vector in enumerate(vectors):
                total = totals[row * block.vectors + number]
                result.append(multiply_add(b, vector, repeated, total))
        return result

    def _lanes_step(
        self, shared: Lanes, block: Block, x: Value, g: Value, totals: Sequence[Value]
    ) -> list[Value]:
        """Write the products at one place where groups share vectors."""
        b, writer = self._b, self._writer
        element, size = writer.element, writer.wide.itemsize
        step = self._problem.axes[2].dilation * self._source.column
        result: list[Value] = []
        for tap in range(self._tiling.length // shared.channels):
            where = b.address(x, element, tap * step)
            channels = shared.load(b, element, where, block.filters, size)
            for channel in range(shared.channels):
                picked = shared.pick(b, channels, channel)
                result.append(multiply_add(b, picked, g, totals[len(result)]))
        return result

    # --- partial results ---

    def _run_of(self, row: Value, column: Value) -> Run:
        """Return where a row of the result begins."""
        b, problem = self._b, self._problem
        place = times(b, row, problem.filters * problem.groups)
        place = plus(b, plus(b, place, column), self._total)
        return Run(self._writer.result, place, 1)

    def _totals(
        self, block: Block, count: int, row: Value, column: Value
    ) -> list[Value]:
        """Return the sums that earlier items have left, zeros for the first item."""
        b, lanes = self._b, self._tiling.lanes
        zero = constant(0, vector_type(self._writer.element, lanes))
        totals = []
        for number in range(count):
            run = self._run_of(plus(b, row, number), column)
            for vector, active in enumerate(block.active(lanes)):
                known = load_run(b, run, self._writer.wide, i64(vector * lanes), lanes,
                                 active)  # fmt: skip
                totals.append(b.select(self._is_first, zero, known))
        return totals

    def _store_row(
        self, block: Block, row: Value, column: Value, values: Sequence[Value]
    ) -> None:
        b, lanes = self._b, self._tiling.lanes
        run = self._run_of(row, column)
        for vector, (active, x) in enumerate(
            zip(block.active(lanes), values, strict=True)
        ):
            store_run(b, run, self._writer.wide, i64(vector * lanes), x, lanes, active)
