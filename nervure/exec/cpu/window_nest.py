"""How windows lie over an array, and the loops that visit them.

The innermost axis usually holds channels, along which nothing slides: it runs in
vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.bands import LONG, image_band_height
from nervure.exec.cpu.expressions import is_floating
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    column_block,
    divided,
    i64,
    least,
    load_run,
    minus,
    most,
    plus,
    store_run,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import View, collapse
from nervure.ir.node import Node, Shape

# Vectors of channels that are worked on together.
VECTORS = 4
# Elements that a work unit reads.
UNIT = 16_384
# Windows of at most so many elements are written out, without loops.
UNROLLED = 16


@dataclass(frozen=True)
class Axis:
    """One axis that a window may slide along."""

    size: int
    window: int
    stride: int
    low: int  # padding before
    dilation: int
    count: int  # of windows
    step: int  # of x in memory
    g_step: int = 0  # of the windows' cotangents in memory

    @property
    def is_inside(self) -> bool:
        """Whether no window touches the padding."""
        last = (
            (self.count - 1) * self.stride
            - self.low
            + (self.window - 1) * self.dilation
        )
        return self.low == 0 and last < self.size

    @property
    def is_plain(self) -> bool:
        """Whether nothing slides along the axis."""
        return self.size == self.count and self.window == 1 and self.low == 0

    @property
    def is_tiled(self) -> bool:
        """Whether windows neither overlap nor leave gaps, but for a rest at the end."""
        tiled = self.dilation == 1 or self.window == 1
        return self.is_inside and self.stride == self.window and tiled

    def start(self, b: KernelBuilder, number: Value) -> Value:
        """Return the place in x of the first element of a window; may be outside."""
        return minus(b, times(b, number, self.stride), self.low)

    def elements(self, b: KernelBuilder, start: Value) -> tuple[Value, Value]:
        """Return the first element of a window that lies in x, and the last plus 1."""
        if self.is_inside:
            return i64(0), i64(self.window)
        before = plus(b, most(b, minus(b, i64(0), start), 0), self.dilation - 1)
        rest = plus(b, most(b, minus(b, i64(self.size), start), 0), self.dilation - 1)
        first, _ = divided(b, before, self.dilation)
        last, _ = divided(b, rest, self.dilation)
        return first, least(b, last, self.window)

    def windows(self, b: KernelBuilder, place: Value) -> tuple[Value, Value]:
        """Return the first window that reaches a place of x, and the last plus 1."""
        padded = plus(b, place, self.low)
        reach = (self.window - 1) * self.dilation
        after = plus(b, most(b, minus(b, padded, reach), 0), self.stride - 1)
        first, _ = divided(b, after, self.stride)
        last, _ = divided(b, padded, self.stride)
        return first, least(b, plus(b, last, 1), self.count)


@dataclass(frozen=True)
class Geometry:
    """The axes of a window operation, and the run of channels below them.

    There may be a second operand, the cotangents ``g``, with one element per window.
    """

    offset: int
    g_offset: int
    axes: tuple[Axis, ...]
    length: int
    run_stride: int
    g_run_stride: int

    @classmethod
    def of(
        cls, node: Node, view: View, counts: Shape, cotangents: View | None = None
    ) -> Geometry:
        """Read the geometry of a window primitive whose x is ``view``."""
        attrs: Any = node.attrs
        g_strides = cotangents.strides if cotangents else (0,) * len(counts)
        axes = [
            Axis(size, window, stride, low, dilation, count, step, g_step)
            for size, window, stride, (low, _), dilation, count, step, g_step in zip(
                view.shape, attrs["window"], attrs["strides"], attrs["padding"],
                attrs["dilation"], counts, view.strides, g_strides, strict=True,
            )
        ]  # fmt: skip
        inner: list[Axis] = []
        while axes and axes[-1].is_plain:
            inner.insert(0, axes.pop())
        strides = [tuple(one.step for one in inner), tuple(one.g_step for one in inner)]
        shape, (steps, g_steps) = collapse(tuple(one.size for one in inner), strides)
        for size, step, g_step in zip(shape[:-1], steps, g_steps, strict=False):
            axes.append(Axis(size, 1, 1, 0, 1, size, step, g_step))
        axes = axes or [Axis(1, 1, 1, 0, 1, 1, 0)]
        length, run, g_run = 1, 1, 1
        if shape:
            length, run, g_run = shape[-1], steps[-1], g_steps[-1]
        g_offset = cotangents.offset if cotangents else 0
        return cls(view.offset, g_offset, tuple(axes), length, run, g_run)

    def band(self, rows: int, length: int) -> int:
        """Return the height of bands of ``rows`` images, whose x has a length; or 0."""
        images = self.axes[0]
        by_image = len(self.axes) > 1 and images.is_plain and images.count == rows
        return image_band_height(rows) if by_image and length >= LONG else 0

    @property
    def elements(self) -> int:
        """The number of elements of a window."""
        return math.prod(axis.window for axis in self.axes)

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of windows along each axis."""
        return tuple(axis.count for axis in self.axes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The extents of x along each axis."""
        return tuple(axis.size for axis in self.axes)

    def rows(self, extents: Shape, work: int) -> Rows:
        """Return rows of places along the last axis; a place reads ``work`` runs."""
        per_unit = max(1, UNIT // (self.length * work))
        return Rows(math.prod(extents[:-1]), extents[-1], per_unit)

    def lanes(self, target: Target, dtype: DType) -> int:
        """Return how many channels make a vector: no more than needed."""
        lanes = target.vector_bytes // max(4, dtype.itemsize)
        while lanes > 1 and lanes >= 2 * self.length:
            lanes //= 2
        return lanes


def band_of(geometry: Geometry, x: Node) -> tuple[int, int]:
    """Return the number of images, and the height of their bands or 0."""
    rows = x.shape[0] if x.shape else 0
    return rows, geometry.band(rows, x.size // max(rows, 1))


@dataclass(frozen=True)
class Columns:
    """Neighbouring vectors of channels: the first channel, and the lanes in use."""

    start: Value
    counts: list[int]
    lanes: int

    def __iter__(self) -> Any:
        return iter(
            (number * self.lanes, active) for number, active in enumerate(self.counts)
        )


def for_columns(
    b: KernelBuilder, length: int, lanes: int, body: Callable[[Columns], None]
) -> None:
    """Write the loop over blocks of channels."""
    vectors = max(1, min(VECTORS, -(-length // lanes)))
    blocks = -(-length // (lanes * vectors))

    def block(start: Value, counts: list[int]) -> None:
        body(Columns(start, counts, lanes))

    if blocks == 1:
        column_block(b, i64(0), length, lanes, vectors, block)
        return
    with b.loop(0, blocks) as loop:
        column_block(b, loop.index, length, lanes, vectors, block)


def load(b: KernelBuilder, run: Run, dtype: DType, columns: Columns) -> list[Value]:
    """Return the channels at one place, in flight."""
    run = run.on(b, columns.start)
    return [
        load_run(b, run, dtype, i64(column), columns.lanes, active)
        for column, active in columns
    ]


def store(
    b: KernelBuilder, run: Run, dtype: DType, columns: Columns, values: Sequence[Value]
) -> None:
    """Store channels at one place."""
    run = run.on(b, columns.start)
    for (column, active), x in zip(columns, values, strict=True):
        store_run(b, run, dtype, i64(column), x, columns.lanes, active)


# --- what is combined ----------------------------------------------------------------


def lowest(dtype: DType) -> int | float:
    """Return the value that is above no other."""
    return int(np.iinfo(dtype).min) if dtypes.is_integer(dtype) else -math.inf


def larger(b: KernelBuilder, dtype: DType, x: Value, best: Value) -> Value:
    """Return where x is above ``best``: NaN is above all numbers, not above itself."""
    if is_floating(x):
        above = b.compare("fcmp", "ugt", x, best)
        return b.binary("and", above, b.compare("fcmp", "ord", best, best))
    return b.compare("icmp", "sgt" if dtypes.is_signed(dtype) else "ugt", x, best)


def maximum(b: KernelBuilder, dtype: DType, x: Value, best: Value) -> Value:
    """Return the larger element; NaN wins."""
    if not is_floating(x):
        return b.intrinsic("smax" if dtypes.is_signed(dtype) else "umax", x, best)
    # one instruction on x86, which keeps ``best`` if either is NaN
    above = b.select(b.compare("fcmp", "ogt", x, best), x, best)
    return b.select(b.compare("fcmp", "uno", x, x), x, above)


def added(b: KernelBuilder, x: Value, total: Value) -> Value:
    """Add an element to a total."""
    return b.binary("fadd" if is_floating(x) else "add", total, x)


Visit = Callable[[Value, Value, Sequence[Value]], list[Value]]


def fold_window(
    b: KernelBuilder,
    geometry: Geometry,
    starts: Sequence[Value],
    initial: Sequence[Value],
    visit: Visit,
) -> list[Value]:
    """Write the visits of a window's elements in row-major order.

    ``visit(place, number, known)`` returns the accumulators after the element at
    ``place`` in memory, which is element ``number`` of the window.
    """
    unrolled = geometry.elements <= UNROLLED

    def along(
        axis: int, place: Value, number: Value, known: Sequence[Value]
    ) -> list[Value]:
        if axis == len(geometry.axes):
            return visit(place, number, known)
        one = geometry.axes[axis]
        first, last = one.elements(b, starts[axis])
        origin = plus(b, place, times(b, starts[axis], one.step))

        def element(k: Value, known: Sequence[Value]) -> list[Value]:
            where = plus(b, origin, times(b, k, one.dilation * one.step))
            return along(
                axis + 1, where, plus(b, times(b, number, one.window), k), known
            )

        if one.is_inside and (unrolled or one.window == 1):
            for k in range(one.window):
                known = element(i64(k), known)
            return list(known)
        with b.loop(first, last, 1, known) as loop:
            loop.next = element(loop.index, loop.carried)
        return loop.results

    return along(0, i64(geometry.offset), i64(0), initial)


def for_windows(
    b: KernelBuilder,
    geometry: Geometry,
    body: Callable[[Value, list[Value], list[Value]], None],
    band: int = 0,
) -> int:
    """Write the loop over windows; returns the number of work units.

    If ``band`` is the height of bands along the first axis, they are the units.

    ``body(number, index, starts)`` is given a window's running number, its number
    along each axis, and the place of its first element along each axis.
    """
    rows = geometry.rows(geometry.counts, geometry.elements)
    rows = replace(rows, band=band * math.prod(geometry.counts[1:-1]))
    *outer, along = geometry.axes

    def row(number: Value, first: Value, last: Value) -> None:
        index = unravel(b, number, geometry.counts[:-1])
        starts = [
            axis.start(b, place) for axis, place in zip(outer, index, strict=True)
        ]
        with b.loop(first, last) as loop:
            window = plus(b, times(b, number, along.count), loop.index)
            here = [*starts, along.start(b, loop.index)]
            body(window, [*index, loop.index], here)

    rows.emit(b, row)
    return rows.units
