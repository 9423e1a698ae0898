"""Where an item reads its image: in place, or in a padded copy on the stack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_tiling import Extent, strip_shape
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, storage_type
from nervure.exec.cpu.runs import (
    Run,
    copy_run,
    fill_run,
    i64,
    least,
    load_run,
    minus,
    most,
    moved_type,
    plus,
    store_run,
    stretch,
    times,
)


class Place(NamedTuple):
    """The first results of an item: image, plane, row and column."""

    image: Value
    plane: Value
    row: Value
    column: Value


class Source(NamedTuple):
    """How an item reads its image; distances count elements.

    The element of channel ``c`` under tap ``(d, h, w)`` of the result at row ``y`` and
    column ``x`` of the item (counted from its first ones) is at ``base + image * i +
    plane * d + row * (y * stride + h * dilation) + column * (...) + c``.
    """

    pointer: Value
    base: Value
    group: int
    image: int
    plane: int  # from one tap to the next
    row: int  # from one row of the image to the next
    column: int


def source_in_place(
    b: KernelBuilder, problem: Correlation, pointer: Value, place: Place
) -> Source:
    """Return how to read the image where it lies."""
    depth, height, width = problem.axes
    base = plus(b, times(b, place.image, problem.batch_step), problem.offset)
    for axis, number in zip(problem.axes, place[1:], strict=True):
        base = plus(b, base, times(b, axis.first(b, number), axis.step))
    return Source(
        pointer, base, problem.channels * problem.channel_step, problem.batch_step,
        depth.dilation * depth.step, height.step, width.step,
    )  # fmt: skip


def strip_memory(b: KernelBuilder, dtype: DType, elements: int) -> Value:
    """Reserve the memory of a strip; before the first loop."""
    return b.stack(storage_type(dtypes.accumulator(dtype)), elements)


def source_in_strip(
    b: KernelBuilder,
    problem: Correlation,
    extent: Extent,
    pointer: Value,
    memory: Value,
    place: Place,
    images: Value,
) -> Source:
    """Write the copy of the image that an item needs, and return how to read it."""
    shape = strip_shape(problem, extent)
    steps = [math.prod(shape[place_ + 1 :]) for place_ in range(len(shape))]
    depth, height, _ = problem.axes
    first_plane = depth.first(b, place.plane)
    begin, end = depth.inside(b, place.plane)
    top = height.first(b, place.row)
    # rows outside the image are never read: the taps above and below it are left out
    first_row = most(b, minus(b, i64(0), top), 0)
    last_row = least(b, minus(b, i64(height.size), top), shape[3])
    with b.loop(0, images) as image:
        number = plus(b, place.image, image.index)
        from_image = plus(b, times(b, number, problem.batch_step), problem.offset)
        to_image = times(b, image.index, steps[1])
        with b.loop(begin, end) as plane:
            at = plus(b, first_plane, times(b, plane.index, depth.dilation))
            from_plane = plus(b, from_image, times(b, at, depth.step))
            to_plane = plus(b, to_image, times(b, plane.index, steps[2]))
            with b.loop(first_row, last_row) as row:
                at = plus(b, top, row.index)
                from_row = plus(b, from_plane, times(b, at, height.step))
                to_row = plus(b, to_plane, times(b, row.index, steps[3]))
                _copy_row(b, problem, (pointer, from_row), (memory, to_row), shape,
                          place.column)  # fmt: skip
    return Source(memory, i64(0), steps[0], steps[1], steps[2], steps[3], steps[4])


def _copy_row(
    b: KernelBuilder,
    problem: Correlation,
    source: tuple[Value, Value],
    target: tuple[Value, Value],
    shape: Sequence[int],
    column: Value,
) -> None:
    """Write the copy of one row of the image, with zeros left and right of it."""
    width = problem.axes[2]
    extent, channels = shape[4], problem.channels
    left = width.first(b, column)
    first = least(b, most(b, minus(b, i64(0), left), 0), extent)
    last = most(b, least(b, minus(b, i64(width.size), left), extent), first)
    group_step = math.prod(shape[1:])
    with b.loop(0, problem.groups) as loop:
        group = loop.index if problem.groups > 1 else i64(0)
        to = Run(target[0], plus(b, target[1], times(b, group, group_step)), 1)
        start = plus(b, source[1], times(b, group, channels * problem.channel_step))
        start = plus(b, start, times(b, plus(b, left, first), width.step))
        _zero(b, problem, to, times(b, first, channels))
        inner = to.on(b, times(b, first, channels))
        _copy_pixels(b, problem, inner, Run(source[0], start, 1), minus(b, last, first))
        rest = to.on(b, times(b, last, channels))
        _zero(b, problem, rest, times(b, minus(b, i64(extent), last), channels))


def _copy_pixels(
    b: KernelBuilder, problem: Correlation, to: Run, source: Run, count: Value
) -> None:
    """Write the copy of the channels of neighbouring pixels."""
    step, channels = problem.axes[2].step, problem.channels
    follow = problem.channel_step == 1 or channels == 1
    if follow and step == channels:
        _copy(b, problem, to, source, times(b, count, channels))
        return
    with b.loop(0, count) as pixel:
        place = plus(b, source.place, times(b, pixel.index, step))
        elements = Run(source.pointer, place, problem.channel_step)
        _copy(b, problem, to.on(b, times(b, pixel.index, channels)), elements,
              i64(channels))  # fmt: skip


def _zero(b: KernelBuilder, problem: Correlation, to: Run, count: Value) -> None:
    if not problem.axes[2].is_inside:
        element = moved_type(dtypes.accumulator(problem.dtype))
        fill_run(b, element, to, Value(element, "0"), count)


def _copy(
    b: KernelBuilder, problem: Correlation, to: Run, source: Run, count: Value
) -> None:
    """Write the copy of a run, in the type in which products are summed."""
    wide = dtypes.accumulator(problem.dtype)
    if wide == problem.image_dtype:
        copy_run(b, moved_type(wide), to, source, count)
        return

    def move(number: Value, lanes: int, active: int) -> None:
        x = load_run(b, source, problem.image_dtype, number, lanes, active)
        store_run(b, to, wide, number, x, lanes, active)

    lanes = b.target.lanes if source.stride == 1 else 1
    stretch(b, lanes, count, move)
