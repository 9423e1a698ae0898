"""How the gradient of a kernel is cut into tiles and shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nervure import dtypes
from nervure.exec.cpu.conv_geometry import Correlation, Slide, joined, padded_axes
from nervure.exec.cpu.conv_lanes import Lanes, share_lanes
from nervure.exec.cpu.conv_tiling import (
    Block,
    Extent,
    cut_filters,
    cut_row,
    most_results,
    strip_shape,
    vector_lanes,
)
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import plus, times
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.ir.node import Node
from nervure.prims.convolution import ConvSettings

# Units that there should be, for all threads to have equal shares.
UNITS: Final = 32
# Bytes of all partial results together.
PARTIAL_BYTES: Final = 2**23
# Bytes of a strip of x, and of a panel of g, both on the stack.
STRIP_BYTES: Final = 2**17
PANEL_BYTES: Final = 3 * 2**15
# Places of the window that an item should run over at least, if memory allows it.
PLACES: Final = 512
# Fewer channels than this are not worth a tile of their own.
FEW_CHANNELS: Final = 8


@dataclass(frozen=True)
class WeightTiling:
    """How the gradient is cut.

    A *run* is what the rows of tiles are cut from: all taps and channels of the window
    (``"window"``), those of one row of it (``"row"``), or the channels of one tap
    (``"tap"``).  The first ``wide_tiles`` of a run have ``rows`` rows, others one less.
    """

    lanes: int
    blocks: tuple[Block, ...]
    run: str
    length: int
    rows: int
    tiles: int
    wide_tiles: int
    in_place: bool  # whether x is read where it lies
    g_in_place: bool
    extent: Extent  # of an item: the places that a tile runs over at once
    parts: int  # of the images
    filter_parts: int
    row_parts: int  # of the planes and rows of the window

    def strip_bytes(self, problem: Correlation) -> int:
        """Return the bytes of a strip of x, 0 if none is needed."""
        if self.in_place:
            return 0
        itemsize = dtypes.accumulator(problem.dtype).itemsize
        return math.prod(strip_shape(problem, self.extent)) * itemsize

    @property
    def all_blocks(self) -> int:
        """The number of blocks of filters of a group."""
        return sum(block.number for block in self.blocks)


@dataclass(frozen=True)
class Gradient:
    """The problem: the correlation whose weights' gradient it is, and g.

    The correlation's only stream is g.
    """

    problem: Correlation
    g_offset: int
    size: int  # the number of weights
    shared: Lanes | None  # how small groups share vectors, if they do

    @property
    def g_image_step(self) -> int:
        """The distance of images in g."""
        return self.problem.stream_batch_steps[0]

    @property
    def g_row_step(self) -> int:
        """The distance of rows in g."""
        return _step_of(self.problem.axes[1])

    @property
    def g_column_step(self) -> int:
        """The distance of columns in g."""
        return _step_of(self.problem.axes[2])

    @property
    def g_channel_step(self) -> int:
        """The distance of channels in g."""
        return self.problem.stream_filter_steps[0]

    def g_place(self, b: KernelBuilder, image: Value, places: Sequence[Value]) -> Value:
        """Return where the first channel of g at some place lies."""
        where = plus(b, times(b, image, self.g_image_step), self.g_offset)
        for axis, place in zip(self.problem.axes, places, strict=True):
            where = plus(b, where, times(b, place, _step_of(axis)))
        return where


def _step_of(axis: Slide) -> int:
    return axis.stream_steps[0] if axis.stream_steps else 0


def gradient_of(node: Node, target: Target) -> Gradient:
    """Describe the gradient that a node asks for."""
    x, g = node.inputs
    settings = ConvSettings.of(node.attrs)
    window: Any = node.attrs["window"]
    image, result = view_of(x), view_of(g)
    axes = padded_axes(
        Slide(x.shape[1 + k], g.shape[1 + k], window[k], stride, low, spread,
              image.strides[1 + k], 0, (result.strides[1 + k],))
        for k, (stride, (low, _), spread) in enumerate(
            zip(settings.strides, settings.padding, settings.dilation, strict=True)
        )
    )  # fmt: skip
    groups = settings.groups
    problem = Correlation(
        node.dtype, x.shape[0], axes, groups, node.shape[-2], node.shape[-1] // groups,
        image.offset, image.strides[0], image.strides[-1], 0, (0, 0, 0),
        (result.strides[0],), (result.strides[-1],),
    )  # fmt: skip
    problem = joined(problem)
    shared = share_lanes(problem, target)
    if shared is not None:
        problem = shared.problem
    return Gradient(problem, result.offset, node.size, shared)


# --- cuts ----------------------------------------------------------------------------


def choose(gradient: Gradient, target: Target) -> WeightTiling:
    """Choose how the gradient is cut."""
    problem, shared = gradient.problem, gradient.shared
    wide = dtypes.accumulator(problem.dtype)
    if shared is not None:
        lanes, blocks = shared.lanes, shared.blocks()
    else:
        lanes = vector_lanes(problem, target)
        blocks = cut_filters(problem.filters, lanes)
    vectors = max(block.vectors for block in blocks)
    most = most_results(target, vectors)
    if shared is not None:
        run, length, in_place = _choose_lanes_run(problem, shared, most)
        rows, tiles = length, 1
    else:
        run, length, in_place = _choose_run(problem, most)
        rows, tiles = cut_row(target, vectors, length, most)
    alone = problem.groups == 1 and problem.filters == blocks[0].vectors * lanes
    g_in_place = alone and wide == problem.dtype and gradient.g_channel_step == 1
    extent = _extent(problem, wide.itemsize, vectors * lanes, in_place, g_in_place)
    items = Items.of(problem, extent).count
    all_blocks = problem.groups * sum(block.number for block in blocks)
    parts = min(items, UNITS, max(1, PARTIAL_BYTES // (gradient.size * wide.itemsize)))
    filter_parts = min(all_blocks, -(-UNITS // parts))
    row_parts = 1
    if run != "window":
        window_rows = problem.axes[0].taps * problem.axes[1].taps
        row_parts = min(window_rows, -(-UNITS // (parts * filter_parts)))
    return WeightTiling(
        lanes, blocks, run, length, rows, tiles, length - tiles * (rows - 1), in_place,
        g_in_place, extent, parts, filter_parts, row_parts,
    )  # fmt: skip


def _choose_lanes_run(
    problem: Correlation, shared: Lanes, most: int
) -> tuple[str, int, bool]:
    """Return what a run is where groups share vectors; its length; if x is in place."""
    width = problem.axes[2]
    same = problem.image_dtype == dtypes.accumulator(problem.dtype)
    in_place = same and problem.channel_step == 1 and width.is_inside
    length = width.taps * shared.channels
    if length <= most:
        return "row", length, in_place
    return "tap", shared.channels, in_place


def _choose_run(problem: Correlation, most: int) -> tuple[str, int, bool]:
    """Return what a run is, its length, and whether x is read where it lies."""
    depth, height, width = problem.axes
    channels = problem.channels
    same = problem.image_dtype == dtypes.accumulator(problem.dtype)
    readable = same and (problem.channel_step == 1 or channels == 1)
    rows_inside = depth.is_inside and height.is_inside
    if problem.depth <= most and rows_inside and problem.groups == 1:
        return "window", problem.depth, readable and width.is_inside
    gapless = problem.groups == 1 and width.step == channels
    if readable and width.is_inside and width.dilation == 1 and gapless:
        return "row", width.taps * channels, True
    if readable and (channels >= FEW_CHANNELS or width.taps == 1 or problem.is_copied):
        return "tap", channels, True
    if width.dilation == 1:
        return "row", width.taps * channels, False
    return "tap", channels, False


def _extent(
    problem: Correlation, itemsize: int, width: int, in_place: bool, g_in_place: bool
) -> Extent:
    """Return the places of an item: enough to pay for storing its tiles."""
    _, height, columns = problem.axes

    def fits(extent: Extent) -> bool:
        strip = 0 if in_place else math.prod(strip_shape(problem, extent)) * itemsize
        panel = 0 if g_in_place else math.prod(extent) * width * itemsize
        return strip <= STRIP_BYTES and panel <= PANEL_BYTES

    def halved(count: int, make: Callable[[int], Extent], wanted: int) -> int:
        count = min(count, wanted)
        while count > 1 and not fits(make(count)):
            count = -(-count // 2)
        return count

    x = halved(columns.count, lambda n: Extent(1, 1, n), 2 * PLACES)
    if x < columns.count:
        return Extent(1, 1, -(-columns.count // -(-columns.count // x)))
    y = halved(height.count, lambda n: Extent(1, n, x), max(1, 2 * PLACES // x))
    if y < height.count:
        return Extent(1, -(-height.count // -(-height.count // y)), x)
    n = halved(problem.batch, lambda n: Extent(n, y, x), max(1, PLACES // (x * y)))
    return Extent(n, y, x)


@dataclass(frozen=True)
class Items:
    """The items of a problem: how many there are along each axis."""

    images: int
    planes: int
    rows: int
    columns: int

    @classmethod
    def of(cls, problem: Correlation, extent: Extent) -> Items:
        """Count the items of a problem."""
        depth, height, width = problem.axes
        return cls(
            -(-problem.batch // extent.images),
            depth.count,
            -(-height.count // extent.rows),
            -(-width.count // extent.columns),
        )

    @property
    def count(self) -> int:
        """The number of all items."""
        return self.images * self.planes * self.rows * self.columns


# --- kernels -------------------------------------------------------------------------
