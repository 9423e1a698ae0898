"""Reductions: rows along the innermost axis, or columns across it.

If the innermost axis is reduced, each result is a *row*: vector accumulators run along
it and are combined at the end.  Otherwise several *columns* are accumulated side by
side. The group of elementwise nodes that only the reduction reads is computed on the
way.

The order in which elements are combined depends on the shapes alone.  A reduction of
much into little is cut into chunks, whose partial results a second kernel combines;
that makes work for all threads, and long sums more precise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nervure.dtypes import DType
from nervure.exec.cpu.bands import LONG, band_height, bands_of, image_band_height
from nervure.exec.cpu.combining import (
    across,
    combine,
    computed_dtype,
    identity,
    neutral,
)
from nervure.exec.cpu.elements import first_lanes, stored
from nervure.exec.cpu.kernel import (
    Kernel,
    KernelBuilder,
    KernelCall,
    Scratch,
    Slot,
)
from nervure.exec.cpu.llvm import Value, constant, element_of
from nervure.exec.cpu.maps import Group, GroupReader
from nervure.exec.cpu.nest import Nest, Row, Stream
from nervure.exec.cpu.runs import (
    column_block,
    divided,
    i64,
    least,
    most,
    plus,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import View, collapse, contiguous_strides, view_of
from nervure.ir.node import Node, Shape

# Vectors accumulated side by side, to hide the latency of an addition.
ACCUMULATORS: Final = 4
# Elements that one work unit combines, at least.
UNIT: Final = 8192
# Reductions of this many elements are cut into chunks if there are few units.
WORTH_CUTTING: Final = 65_536
ENOUGH_UNITS: Final = 16
MOST_CHUNKS: Final = 32

# Returns elements in flight at a place: row, column, lanes, lanes that count.
Read = Callable[[Row, Value, int, int], Value]
Axes = tuple[Shape, list[tuple[int, ...]]]


@dataclass(frozen=True)
class Reduction:
    """A reduction being written.

    ``dtype`` is the type of the elements that are combined, ``result`` that of what is
    stored.
    """

    op: str
    shape: Shape
    axes: tuple[int, ...]
    dtype: DType
    result: DType
    lanes: int
    cost: float

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that remain."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.axes)

    @property
    def results(self) -> int:
        """The number of results."""
        return math.prod(self.shape[axis] for axis in self.kept)

    @property
    def along_rows(self) -> bool:
        """Whether the innermost axis (of more than one element) is reduced."""
        long_axes = [axis for axis, extent in enumerate(self.shape) if extent > 1]
        return not long_axes or long_axes[-1] in self.axes

    def joined(self, axes: Sequence[int], streams: Sequence[Stream]) -> Axes:
        """Return the extents and strides of some axes, joined where possible."""
        extents = tuple(self.shape[axis] for axis in axes)
        strides = [tuple(one.strides[axis] for axis in axes) for one in streams]
        return collapse(extents, strides)


def lower_reduction(nodes: Sequence[Node], target: Target) -> list[KernelCall]:
    """Return the kernels of a reduction and the group that only it reads."""
    node, inner = nodes[-1], list(nodes[:-1])
    operand = node.inputs[0]
    axes: Any = node.attrs["axes"]
    group = Group(inner, [operand]) if inner else None
    if group is not None:
        lanes, cost, roots = group.lanes(target), group.cost(), group.roots
    else:
        lanes = target.vector_bytes // max(node.dtype.itemsize, 4)
        cost, roots = 2.0 * operand.size, [view_of(operand).root]
    reduction = Reduction(
        node.op.name, operand.shape, axes, node.dtype, node.dtype, lanes, cost
    )

    def streams(b: KernelBuilder) -> tuple[list[Stream], Read]:
        pointers = dict(zip(roots, b.operands, strict=False))
        if group is None:
            view = view_of(operand)
            stream = Stream(
                pointers[view.root], operand.dtype, view.offset, view.strides
            )
            return [stream], lambda row, *place: row.load(0, *place)
        reader = GroupReader(group, b, pointers)
        return reader.streams, lambda *place: reader.values(*place)[operand]

    views = [view_of(operand)] if group is None else group.read_views
    return _lower(reduction, target, roots, node, streams, views)


def _lower(
    reduction: Reduction,
    target: Target,
    roots: Sequence[Slot],
    result: Slot,
    streams: Callable[[KernelBuilder], tuple[list[Stream], Read]],
    views: Sequence[View] = (),
) -> list[KernelCall]:
    """Return one kernel, or two if the first makes partial results."""
    b = KernelBuilder(reduction.op, target, len(roots) + 1)
    listed, read = streams(b)
    writer = (_Rows if reduction.along_rows else _Columns)(reduction, b, listed, read)
    if writer.chunks == 1:
        writer.write(reduction.result)
        kernel = b.finish(writer.units, reduction.cost)
        return [writer.call(kernel, roots, result, views)]
    partial = computed_dtype(reduction.dtype)
    writer.write(partial)
    kernel = b.finish(writer.units, reduction.cost)
    count = writer.chunks * reduction.results
    scratch = Scratch(count * partial.itemsize)
    first = writer.call(kernel, roots, scratch, views)
    second = Reduction(
        reduction.op, (writer.chunks, reduction.results), (0,), partial,
        reduction.result, target.vector_bytes // max(partial.itemsize, 4), 2.0 * count,
    )  # fmt: skip

    def parts(b: KernelBuilder) -> tuple[list[Stream], Read]:
        strides = contiguous_strides(second.shape)
        stream = Stream(b.operands[0], partial, 0, strides)
        return [stream], lambda row, *place: row.load(0, *place)

    return [
        first,
        *_lower(second, target, [scratch], result, parts),
    ]


class _Writer:
    """What rows and columns have in common.

    The partial result of chunk ``c`` of result ``r`` is stored at ``c * results + r``.
    """

    chunks = 1
    units = 1
    height = 0  # of the bands that are units, if they are

    def __init__(
        self, reduction: Reduction, b: KernelBuilder, streams: list[Stream], read: Read
    ) -> None:
        self.reduction = reduction
        self.b = b
        self.lanes = reduction.lanes
        self._read = read
        self._output = b.operands[-1]
        self._kept = reduction.joined(reduction.kept, streams)
        self._reduced = reduction.joined(reduction.axes, streams)
        self._streams = streams
        self._cut()

    def _cut(self) -> None:
        """Decide how the work is divided."""
        raise NotImplementedError

    def call(
        self, kernel: Kernel, roots: Sequence[Slot], result: Slot, views: Sequence[View]
    ) -> KernelCall:
        """Return the call of the kernel that was written."""
        bands = None
        if self.height:
            rows = [result] if self.chunks == 1 else []
            bands = bands_of(self.reduction.shape[0], self.height, views, rows)
        return KernelCall(kernel, tuple(roots), (result,), bands)

    def write(self, stored_as: DType) -> None:
        """Write the loops; the results are stored with a data type."""
        raise NotImplementedError

    def _nest(self, outer: Axes, inner: Axes) -> Nest:
        """Return the nest of outer and inner axes; none is as good as one of size 1."""
        shape = (*outer[0], *(inner[0] or (1,)))
        tails = inner[1] if inner[0] else [(0,) for _ in self._streams]
        strides = [(*a, *z) for a, z in zip(outer[1], tails, strict=True)]
        return Nest(self.b, shape, self._streams, self.lanes, strides)

    def _combine(self, x: Value, y: Value) -> Value:
        return combine(self.b, self.reduction.op, self.reduction.dtype, x, y)

    def _neutral(self) -> Value:
        return neutral(self.reduction.op, self.reduction.dtype, self.lanes)

    def _elements(self, row: Row, column: Value, active: int) -> Value:
        """Return elements of the operand; lanes past the end are neutral."""
        x = self._read(row, column, self.lanes, active)
        if active == self.lanes:
            return x
        fill = constant(identity(self.reduction.op, self.reduction.dtype), x.type)
        return self.b.select(first_lanes(self.lanes, active), x, fill)

    def _row(self, nest: Nest, number: Value) -> Row:
        return Row(nest, unravel(self.b, number, nest.shape[:-1]))


class _Rows(_Writer):
    """Reduces along the innermost axis.

    A result is made of ``self._outer`` rows.  A chunk is a number of rows, or a piece
    of a row.
    """

    def _cut(self) -> None:
        self._rows_nest = nest = self._nest(self._kept, self._reduced)
        results = self.reduction.results
        self._outer = math.prod(nest.shape[len(self._kept[0]) : -1])
        total = self._outer * nest.inner
        self._per_unit = max(1, UNIT // max(total, 1))
        self._rows_a_chunk, self._piece = self._outer, nest.inner
        if results < ENOUGH_UNITS and results * total >= WORTH_CUTTING:
            size = max(UNIT, -(-total // MOST_CHUNKS))
            if nest.inner >= 2 * size:
                block = self.lanes * ACCUMULATORS
                self._piece = -(-size // block) * block
                self._rows_a_chunk = 1
            else:
                self._rows_a_chunk = min(self._outer, -(-size // nest.inner))
            self._per_unit = 1
        self._pieces = -(-nest.inner // max(self._piece, 1)) if nest.inner else 1
        self.chunks = -(-self._outer // max(self._rows_a_chunk, 1)) * self._pieces
        self.chunks = max(self.chunks, 1)
        self._make_bands()
        self.units = -(-results * self.chunks // self._per_unit)

    def _make_bands(self) -> None:
        """Let units be bands if every row has results of its own."""
        shape, kept = self.reduction.shape, self.reduction.kept
        height = band_height(shape[0], math.prod(shape[1:])) if kept[:1] == (0,) else 0
        if height and self.chunks == 1:
            self._per_unit = height * (self.reduction.results // shape[0])
            self.height = height

    def write(self, stored_as: DType) -> None:
        b, results = self.b, self.reduction.results
        count = results * self.chunks
        first = times(b, b.begin, self._per_unit)
        last = least(b, times(b, b.end, self._per_unit), count)
        with b.loop(first, last) as loop:
            chunk, result = divided(b, loop.index, results)
            begin, end, start, stop = self._bounds(chunk)
            shift = times(b, result, self._outer)
            total = self._reduced_rows(
                plus(b, shift, begin), plus(b, shift, end), start, stop
            )
            x = stored(b, total, stored_as)
            where = b.address(self._output, x.type, loop.index)
            b.store(x, where, stored_as.itemsize)

    def _bounds(self, chunk: Value) -> tuple[Value, Value, Value, Value]:
        """Return the rows of a chunk, and which piece of each."""
        b, inner = self.b, self._rows_nest.inner
        if self.chunks == 1:
            return i64(0), i64(self._outer), i64(0), i64(inner)
        rows, piece = divided(b, chunk, self._pieces)
        begin = times(b, rows, self._rows_a_chunk)
        end = least(b, plus(b, begin, self._rows_a_chunk), self._outer)
        start = times(b, piece, self._piece)
        stop = least(b, plus(b, start, self._piece), inner)
        return begin, end, start, (i64(inner) if self._pieces == 1 else stop)

    def _reduced_rows(
        self, begin: Value, end: Value, start: Value, stop: Value
    ) -> Value:
        """Write the reduction of the same piece of several rows to one scalar."""
        b = self.b
        nest = self._rows_nest
        count = ACCUMULATORS if nest.inner >= self.lanes * ACCUMULATORS else 1
        with b.loop(begin, end, 1, [self._neutral()] * count) as rows:
            row = self._row(nest, rows.index)
            rows.next = self._along(row, start, stop, list(rows.carried))
        total = rows.results[0]
        for other in rows.results[1:]:
            total = self._combine(total, other)
        return across(b, self.reduction.op, self.reduction.dtype, total, self.lanes)

    def _along(
        self, row: Row, start: Value, stop: Value, sums: list[Value]
    ) -> list[Value]:
        """Write the accumulation of a piece of a row: blocks, vectors, and the tail."""
        b, lanes, inner = self.b, self.lanes, self._rows_nest.inner
        block = lanes * ACCUMULATORS
        wide, whole = inner // block * block, inner // lanes * lanes
        if wide:
            with b.loop(start, least(b, stop, wide), block, sums) as loop:
                loop.next = [
                    self._combine(
                        known,
                        self._elements(row, plus(b, loop.index, k * lanes), lanes),
                    )
                    for k, known in enumerate(loop.carried)
                ]
            sums = loop.results
        if whole > wide:
            first = most(b, start, wide)
            with b.loop(first, least(b, stop, whole), lanes, sums[:1]) as loop:
                x = self._elements(row, loop.index, lanes)
                loop.next = [self._combine(loop.carried[0], x)]
            sums[0] = loop.results[0]
        if inner > whole and self._pieces == 1:
            x = self._elements(row, i64(whole), inner - whole)
            sums[0] = self._combine(sums[0], x)
        elif (
            inner > whole
        ):  # only the last piece gets there: a loop of one turn or none
            with b.loop(most(b, start, whole), stop, lanes, sums[:1]) as loop:
                x = self._elements(row, i64(whole), inner - whole)
                loop.next = [self._combine(loop.carried[0], x)]
            sums[0] = loop.results[0]
        return sums


class _Columns(_Writer):
    """Reduces across the innermost axis: blocks of columns, accumulated downwards."""

    def _cut(self) -> None:
        self._columns_nest = nest = self._nest(self._reduced, self._kept)
        self._outer = math.prod(self._kept[0][:-1])
        self._depth = math.prod(self._reduced[0])
        block = self.lanes * ACCUMULATORS
        self._blocks = -(-nest.inner // block)
        units = self._outer * self._blocks
        self._rows_a_chunk = self._depth
        size = self._depth * self.reduction.results
        if units < ENOUGH_UNITS and size >= WORTH_CUTTING:
            width = min(block, nest.inner)
            rows = max(-(-UNIT // width), -(-self._depth // MOST_CHUNKS))
            self._rows_a_chunk = min(rows, self._depth)
            self._make_bands()
        self.chunks = max(1, -(-self._depth // max(self._rows_a_chunk, 1)))
        self.units = units * self.chunks

    def _make_bands(self) -> None:
        """Let chunks be bands of long rows, such as images."""
        shape, axes = self.reduction.shape, self.reduction.axes
        length = math.prod(shape[1:])
        height = image_band_height(shape[0]) if length >= LONG else 0
        if height and axes[0] == 0 and self._outer == self._blocks == 1:
            self._rows_a_chunk = height * (self._depth // shape[0])
            self.height = height

    def write(self, stored_as: DType) -> None:
        b, nest = self.b, self._columns_nest
        with b.loop(b.begin, b.end) as unit:
            number, block = divided(b, unit.index, self._blocks)
            chunk, where = divided(b, number, self._outer)
            begin = times(b, chunk, self._rows_a_chunk)
            end = least(b, plus(b, begin, self._rows_a_chunk), self._depth)
            if self.chunks == 1:
                begin, end = i64(0), i64(self._depth)
            base = plus(b, times(b, chunk, self.reduction.results),
                        times(b, where, nest.inner))  # fmt: skip

            def write_block(start: Value, counts: list[int]) -> None:
                columns = [plus(b, start, k * self.lanes) for k in range(len(counts))]
                sums = self._down(where, begin, end, columns, counts)
                for x, column, active in zip(sums, columns, counts, strict=True):
                    self._store(x, plus(b, base, column), active, stored_as)

            column_block(b, block, nest.inner, self.lanes, ACCUMULATORS, write_block)

    def _down(
        self,
        where: Value,
        begin: Value,
        end: Value,
        columns: Sequence[Value],
        counts: Sequence[int],
    ) -> list[Value]:
        """Write the accumulation of neighbouring vectors of columns.

        Few of them are accumulated over several rows at a time.
        """
        b, width = self.b, len(counts)
        together = max(1, ACCUMULATORS // width) if self._depth >= ACCUMULATORS else 1
        bulk = end
        if together > 1:
            length = b.binary("sub", end, begin)
            bulk = plus(b, begin, b.binary("and", length, i64(-together)))

        def rows(
            first: Value, last: Value, sums: list[Value], step: int
        ) -> list[Value]:
            with b.loop(first, last, step, sums) as loop:
                following = []
                for k in range(step):
                    place = plus(b, loop.index, k)
                    row = self._row(
                        self._columns_nest, plus(b, times(b, place, self._outer), where)
                    )
                    following += [
                        self._combine(known, self._elements(row, column, active))
                        for known, column, active in zip(
                            loop.carried[k * width : (k + 1) * width], columns, counts,
                            strict=True,
                        )
                    ]  # fmt: skip
                loop.next = following
            return loop.results

        sums = rows(begin, bulk, [self._neutral()] * (width * together), together)
        for k in range(1, together):
            later = sums[k * width : (k + 1) * width]
            sums[:width] = map(self._combine, sums[:width], later)
        return rows(bulk, end, sums[:width], 1) if together > 1 else sums

    def _store(self, x: Value, place: Value, active: int, stored_as: DType) -> None:
        b = self.b
        x = stored(b, x, stored_as)
        where = b.address(self._output, element_of(x.type), place)
        if active == self.lanes:
            b.store(x, where, stored_as.itemsize)
        else:
            mask = first_lanes(self.lanes, active)
            b.masked_store(x, where, mask, stored_as.itemsize)
