"""Reading and writing at places that are known only when the program runs.

``gather`` and the two slices move runs of elements to or from computed places.
``scatter`` first copies its operand and then applies the updates in the order of the
indices.  It is divided among threads by *columns* (elements that no index can mix)
and, where there are few columns, by ranges of the target: every unit then looks at all
indices and takes those of its range.  Each element thus sees its updates in the order
of the indices, whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nervure import dtypes
from nervure.exec.cpu.bands import band_height, bands_of, unaligned
from nervure.exec.cpu.checks.functions import FRAME
from nervure.exec.cpu.expressions import NARROW, extremum, is_floating
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch, Slot
from nervure.exec.cpu.llvm import Value, constant
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    copy_run,
    divided,
    i64,
    least,
    load_run,
    minus,
    most,
    moved_type,
    offset,
    plus,
    store_run,
    stretch,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import View, collapse, view_of
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]
Strides = tuple[int, ...]

# Units that a scatter is divided into, if it is large enough.
SCATTER_UNITS = 16


# --- places --------------------------------------------------------------------------


class Places:
    """Integers in memory that are clamped to 0 ... ``limit`` when they are read."""

    def __init__(self, b: KernelBuilder, node: Node, pointer: Value) -> None:
        self._b = b
        self._dtype = node.dtype
        self._pointer = pointer
        view = view_of(node)
        self._offset = view.offset
        self._shape, (self._strides,) = collapse(view.shape, [view.strides])

    def read(self, number: Value, limit: int) -> Value:
        """Return the place with this running number."""
        b = self._b
        index = unravel(b, number, self._shape)
        where = offset(b, self._offset, index, self._strides)
        size = self._dtype.itemsize
        type_ = f"i{8 * size}"
        raw = b.load(type_, b.address(self._pointer, type_, where), size)
        unsigned = dtypes.is_unsigned(self._dtype)
        place = b.convert("zext" if unsigned else "sext", raw, "i64")
        if b.target.check:
            b.line(
                f"call void @nervure_check_index({place}, i64 {limit}, {number}, "
                f"i64 {int(unsigned)}, ptr {FRAME})"
            )
        if unsigned:
            return b.intrinsic("umin", place, i64(limit))
        return least(b, most(b, place, 0), limit)


def _collapsed(shape: Sequence[int], strides: Sequence[int]) -> tuple[Strides, Strides]:
    """Join the axes of one operand; returns extents and strides."""
    extents, (steps,) = collapse(tuple(shape), [tuple(strides)])
    return extents, steps


# --- gather --------------------------------------------------------------------------


def lower_gather(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``gather``: a run of the inner axes for every index."""
    x, indices = node.inputs
    axis: Any = node.attrs["axis"]
    view = view_of(x)
    roots = list(dict.fromkeys((view.root, view_of(indices).root)))
    b = KernelBuilder("gather", target, len(roots) + 1)
    pointers = dict(zip(roots, b.operands, strict=False))
    places = Places(b, indices, pointers[view_of(indices).root])
    outer = _collapsed(view.shape[:axis], view.strides[:axis])
    inner = _collapsed(view.shape[axis + 1 :], view.strides[axis + 1 :])
    write = _gather_runs if inner[0] else _gather_elements
    units = write(b, node, pointers[view.root], places, outer, inner)
    kernel = b.finish(units, 2.0 * node.size)
    bands = None
    if inner[0] and _band(node):
        views = [view_of(indices), unaligned(view.root)]
        bands = bands_of(indices.size, _band(node), views, [node])
    return [KernelCall(kernel, tuple(roots), (node,), bands)]


def _band(node: Node) -> int:
    """Return the height of bands of a gather of rows; 0 if it is another one."""
    x, indices = node.inputs
    rows = len(indices.shape) == 1 and node.attrs["axis"] == 0 and len(x.shape) > 1
    length = node.size // max(indices.size, 1)
    return band_height(indices.size, length) if rows and x.size else 0


def _gather_runs(
    b: KernelBuilder,
    node: Node,
    source: Value,
    places: Places,
    outer: tuple[Strides, Strides],
    inner: tuple[Strides, Strides],
) -> int:
    """Write the copy of a run for each index; returns the number of units."""
    x, indices = node.inputs
    axis: Any = node.attrs["axis"]
    view = view_of(x)
    *others, length = inner[0]
    extents = [*outer[0], indices.size, *others]
    band = _band(node) * math.prod(others)
    rows = Rows(math.prod(extents), length, band=band)
    strides = [*outer[1], view.strides[axis], *inner[1][:-1]]
    limit = max(x.shape[axis] - 1, 0)

    def body(row: Value, start: Value, stop: Value) -> None:
        index = unravel(b, row, extents)
        middle = len(outer[0])
        index[middle] = places.read(index[middle], limit)
        elements = Run(source, offset(b, view.offset, index, strides), inner[1][-1])
        to = Run(b.operands[-1], times(b, row, length), 1)
        count = minus(b, stop, start)
        copy_run(
            b, moved_type(node.dtype), to.on(b, start), elements.on(b, start), count
        )

    rows.emit(b, body)
    return rows.units


def _gather_elements(
    b: KernelBuilder,
    node: Node,
    source: Value,
    places: Places,
    outer: tuple[Strides, Strides],
    _: tuple[Strides, Strides],
) -> int:
    """Write the copy of one element for each index of the last axis."""
    x, indices = node.inputs
    axis: Any = node.attrs["axis"]
    view = view_of(x)
    rows = Rows(math.prod(outer[0]), indices.size)
    element, size = moved_type(node.dtype), node.dtype.itemsize
    limit = max(x.shape[axis] - 1, 0)

    def body(row: Value, start: Value, stop: Value) -> None:
        base = offset(b, view.offset, unravel(b, row, outer[0]), outer[1])
        first = times(b, row, indices.size)
        with b.loop(start, stop) as loop:
            place = places.read(loop.index, limit)
            where = plus(b, base, times(b, place, view.strides[axis]))
            found = b.load(element, b.address(source, element, where), size)
            to = plus(b, first, loop.index)
            b.store(found, b.address(b.operands[-1], element, to), size)

    rows.emit(b, body)
    return rows.units


# --- scatter -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scatter:
    """The axes of a scatter: *lines* that no index mixes, and runs within a line.

    A line is one place in the outer axes and in those inner axes that x and the updates
    walk through differently; ``length`` elements lie in the last of the inner axes.
    """

    node: Node
    targets: int  # places along the indexed axis
    count: int  # updates
    line_shape: tuple[int, ...]
    line_outer: int  # how many of them lie outside the indexed axis
    line_strides: tuple[Strides, Strides]  # of x and of the updates
    length: int
    run_strides: tuple[int, int]
    pieces: int
    ranges: int

    @classmethod
    def of(cls, node: Node) -> _Scatter:
        x, indices, updates = node.inputs
        axis: Any = node.attrs["axis"]
        rank = len(indices.shape)
        read, write = view_of(x), view_of(updates)
        outer, outer_steps = collapse(
            x.shape[:axis], [read.strides[:axis], write.strides[:axis]]
        )
        inner, inner_steps = collapse(
            x.shape[axis + 1 :],
            [read.strides[axis + 1 :], write.strides[axis + rank :]],
        )
        length = inner[-1] if inner else 1
        lines = math.prod(outer) * math.prod(inner[:-1])
        pieces = max(1, min(-(-SCATTER_UNITS // lines), length // 64))
        most_ranges = SCATTER_UNITS if length >= 8 else 4  # each looks at all indices
        ranges = -(-most_ranges // (lines * pieces))
        if indices.size * length < 4096:
            ranges = 1
        strides = [
            (*a[: len(outer)], *z[:-1])
            for a, z in zip(outer_steps, inner_steps, strict=True)
        ]
        steps = [z[-1] if z else 0 for z in inner_steps]
        return cls(
            node,
            x.shape[axis],
            indices.size,
            (*outer, *inner[:-1]),
            len(outer),
            (strides[0], strides[1]),
            length,
            (steps[0], steps[1]),
            pieces,
            max(1, min(ranges, x.shape[axis])),
        )

    @property
    def lines(self) -> int:
        """The number of lines."""
        return math.prod(self.line_shape)

    @property
    def piece(self) -> int:
        """The elements of a piece of a run, but for the last one."""
        return -(-self.length // self.pieces)


def lower_scatter(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``scatter``."""
    plan = _Scatter.of(node)
    x, indices, updates = node.inputs
    roots = list(dict.fromkeys(view_of(one).root for one in (x, indices, updates)))
    writes: list[Slot] = [node]
    if node.attrs["mode"] == "add" and node.dtype in NARROW:
        writes.append(Scratch(4 * node.size))  # sums in float32
    b = KernelBuilder("scatter", target, len(roots) + len(writes))
    pointers: dict[Slot, Value] = dict(zip([*roots, *writes], b.operands, strict=True))
    writer = _ScatterWriter(plan, b, pointers, pointers[writes[-1]])
    per_line = plan.pieces * plan.ranges
    work = plan.targets * plan.length + plan.count * (plan.length + 4)
    together = max(1, 8192 // work) if per_line == 1 else 1
    units = -(-plan.lines * per_line // together)
    begin = times(b, b.begin, together)
    end = least(b, times(b, b.end, together), plan.lines * per_line)
    with b.loop(begin, end) as unit:
        rest, part = divided(b, unit.index, plan.ranges)
        line, piece = divided(b, rest, plan.pieces)
        writer.write(line, piece, part)
    kernel = b.finish(units, float(work * plan.lines))
    return [KernelCall(kernel, tuple(roots), tuple(writes))]


class _ScatterWriter:
    """Writes what one unit of a scatter does."""

    def __init__(
        self,
        plan: _Scatter,
        b: KernelBuilder,
        pointers: dict[Slot, Value],
        sums: Value,
    ) -> None:
        self.plan = plan
        self.b = b
        node = plan.node
        self.node = node
        self.dtype = node.dtype
        self.views = tuple(map(view_of, node.inputs))
        self.pointers = [pointers[view.root] for view in self.views]
        self.result = pointers[node]
        self.sums = sums
        self.sum_dtype = self.dtype if sums == self.result else dtypes.float32
        self.places = Places(b, node.inputs[1], self.pointers[1])

    def write(self, line: Value, piece: Value, part: Value) -> None:
        """Write the copy of x, the updates in order, and the rounding of sums."""
        b, plan = self.b, self.plan
        index = unravel(b, line, plan.line_shape)
        start = times(b, piece, plan.piece)
        count = i64(plan.length)
        if plan.pieces > 1:
            count = minus(b, least(b, plus(b, start, plan.piece), plan.length), start)
        first, _ = divided(b, times(b, part, plan.targets), plan.ranges)
        stop, _ = divided(b, times(b, plus(b, part, 1), plan.targets), plan.ranges)
        with b.loop(first, stop) as loop:
            self._copy(index, loop.index, start, count)
        with b.loop(0, plan.count) as loop:
            place = self.places.read(loop.index, plan.targets - 1)
            if plan.ranges == 1:
                self._update(index, loop.index, place, start, count)
            else:
                distance, extent = minus(b, place, first), minus(b, stop, first)
                with b.when(b.compare("icmp", "ult", distance, extent)):
                    self._update(index, loop.index, place, start, count)
        if self.sum_dtype != self.dtype:
            with b.loop(first, stop) as loop:
                to = self._target(self.result, index, loop.index, start)
                sums = self._target(self.sums, index, loop.index, start)
                self._combine(to, self.dtype, [(sums, self.sum_dtype)], count)

    def _target(
        self, pointer: Value, index: Sequence[Value], place: Value, start: Value
    ) -> Run:
        """Return the run of the result at a place of the indexed axis."""
        b, plan = self.b, self.plan
        where, outer = i64(0), plan.line_outer
        for at, extent in zip(index[:outer], plan.line_shape, strict=False):
            where = plus(b, times(b, where, extent), at)
        where = plus(b, times(b, where, plan.targets), place)
        extents = plan.line_shape[outer:]
        for at, extent in zip(index[outer:], extents, strict=True):
            where = plus(b, times(b, where, extent), at)
        return Run(pointer, plus(b, times(b, where, plan.length), start), 1)

    def _source(
        self, operand: int, index: Sequence[Value], place: Value, start: Value
    ) -> Run:
        """Return the run of x (0) or of the updates (2) that belongs to a place."""
        b, plan = self.b, self.plan
        view = self.views[operand]
        which = 0 if operand == 0 else 1
        where = offset(b, view.offset, index, plan.line_strides[which])
        stride = plan.run_strides[which]
        run = Run(self.pointers[operand], plus(b, where, place), stride)
        return run.on(b, start)

    def _copy(
        self, index: Sequence[Value], place: Value, start: Value, count: Value
    ) -> None:
        axis: Any = self.node.attrs["axis"]
        along = times(self.b, place, self.views[0].strides[axis])
        source = self._source(0, index, along, start)
        to = self._target(self.sums, index, place, start)
        if self.sum_dtype == self.dtype:
            copy_run(self.b, moved_type(self.dtype), to, source, count)
        else:
            self._combine(to, self.sum_dtype, [(source, self.dtype)], count)

    def _update(
        self,
        index: Sequence[Value],
        number: Value,
        place: Value,
        start: Value,
        count: Value,
    ) -> None:
        axis: Any = self.node.attrs["axis"]
        rank = len(self.node.inputs[1].shape)
        view = self.views[2]
        axes = slice(axis, axis + rank)
        extents, strides = _collapsed(view.shape[axes], view.strides[axes])
        along = offset(self.b, 0, unravel(self.b, number, extents), strides)
        source = self._source(2, index, along, start)
        to = self._target(self.sums, index, place, start)
        if self.node.attrs["mode"] == "set":
            copy_run(self.b, moved_type(self.dtype), to, source, count)
        else:
            known = [(to, self.sum_dtype), (source, self.dtype)]
            self._combine(to, self.sum_dtype, known, count)

    def _combine(
        self,
        to: Run,
        dtype: dtypes.DType,
        operands: Sequence[tuple[Run, dtypes.DType]],
        count: Value,
    ) -> None:
        """Write one operand, or two combined, to a run."""
        b = self.b
        steps = {run.stride for run, _ in operands}
        widest = b.target.vector_bytes // max(4, dtype.itemsize)

        def body(number: Value, lanes: int, active: int) -> None:
            values = [
                load_run(b, run, one, number, lanes, active) for run, one in operands
            ]
            x = values[0] if len(values) == 1 else self._combined(*values)
            store_run(b, to, dtype, number, x, lanes, active)

        stretch(b, widest if steps == {1} else 1, count, body)

    def _combined(self, x: Value, y: Value) -> Value:
        mode = self.node.attrs["mode"]
        if mode == "add":
            return self.b.binary("fadd" if is_floating(x) else "add", x, y)
        name = "maximum" if mode == "max" else "minimum"
        return extremum(self.b, name, self.dtype, x, y)


# --- pieces at computed places -------------------------------------------------------


@dataclass(frozen=True)
class _PieceAxis:
    """One axis of an array and of a piece of it.

    The piece starts at the sum of ``starts``: each a number of an axis and a factor.
    """

    size: int
    count: int
    starts: tuple[tuple[int, int], ...]
    stride: int
    piece_stride: int

    @property
    def is_whole(self) -> bool:
        """Whether the piece covers the axis, wherever it is asked to start."""
        return self.size == self.count


def _piece_axes(view: View, piece: View) -> list[_PieceAxis]:
    """Return the axes, those that the piece covers wholly joined to the next outer."""
    axes: list[_PieceAxis] = []
    for number, size in enumerate(view.shape):
        inner = _PieceAxis(
            size,
            piece.shape[number],
            ((number, 1),),
            view.strides[number],
            piece.strides[number],
        )
        if inner.is_whole:
            inner = _PieceAxis(size, size, (), inner.stride, inner.piece_stride)
        if axes and inner.is_whole:
            outer = axes[-1]
            gapless = outer.size == 1 or outer.stride == inner.stride * size
            follows = (
                outer.count == 1 or outer.piece_stride == inner.piece_stride * size
            )
            if gapless and follows:
                starts = tuple((axis, factor * size) for axis, factor in outer.starts)
                axes[-1] = _PieceAxis(
                    outer.size * size,
                    outer.count * size,
                    starts,
                    inner.stride,
                    inner.piece_stride,
                )
                continue
        axes.append(inner)
    return axes or [_PieceAxis(1, 1, (), 1, 1)]


def _first_places(
    b: KernelBuilder, axes: Sequence[_PieceAxis], places: Places, rooms: Sequence[int]
) -> list[Value]:
    """Return where the piece starts on every joined axis."""
    result = []
    for axis in axes:
        total = i64(0)
        for number, factor in axis.starts:
            start = places.read(i64(number), rooms[number])
            total = plus(b, total, times(b, start, factor))
        result.append(total)
    return result


def lower_dynamic_slice(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``dynamic_slice``."""
    x, starts = node.inputs
    view = view_of(x)
    piece = view_of(starts)
    roots = list(dict.fromkeys((view.root, piece.root)))
    b = KernelBuilder("dynamic_slice", target, len(roots) + 1)
    pointers = dict(zip(roots, b.operands, strict=False))
    rooms = [size - part for size, part in zip(x.shape, node.shape, strict=True)]
    places = Places(b, starts, pointers[piece.root])
    first = [
        places.read(i64(axis), room) if room else i64(0)
        for axis, room in enumerate(rooms)
    ]
    begin = offset(b, view.offset, first, view.strides)
    extents, strides = _collapsed(node.shape, view.strides)
    *outer, length = extents or (1,)
    rows = Rows(math.prod(outer), length)

    def body(row: Value, start: Value, stop: Value) -> None:
        index = unravel(b, row, outer)
        where = plus(b, begin, offset(b, 0, index, strides[:-1]))
        elements = Run(pointers[view.root], where, strides[-1] if strides else 1)
        to = Run(b.operands[-1], times(b, row, length), 1)
        count = minus(b, stop, start)
        copy_run(
            b, moved_type(node.dtype), to.on(b, start), elements.on(b, start), count
        )

    rows.emit(b, body)
    kernel = b.finish(rows.units, 2.0 * node.size)
    return [KernelCall(kernel, tuple(roots), (node,))]


def lower_dynamic_update_slice(
    node: Node, target: Target, _: Materialise
) -> list[KernelCall]:
    """Return the kernel of ``dynamic_update_slice``: one pass over the result."""
    x, update, starts = node.inputs
    view, part = view_of(x), view_of(update)
    roots = list(dict.fromkeys((view.root, part.root, view_of(starts).root)))
    b = KernelBuilder("dynamic_update_slice", target, len(roots) + 1)
    pointers = dict(zip(roots, b.operands, strict=False))
    axes = _piece_axes(view, part)
    rooms = [size - piece for size, piece in zip(x.shape, update.shape, strict=True)]
    first = _first_places(
        b, axes, Places(b, starts, pointers[view_of(starts).root]), rooms
    )
    *outer, inner = axes
    rows = Rows(math.prod(axis.size for axis in outer), inner.size)
    element = moved_type(node.dtype)

    def body(row: Value, start: Value, stop: Value) -> None:
        index = unravel(b, row, [axis.size for axis in outer])
        old = offset(b, view.offset, index, [axis.stride for axis in outer])
        to = Run(b.operands[-1], times(b, row, inner.size), 1)
        copy_run(
            b,
            element,
            to.on(b, start),
            Run(pointers[view.root], old, inner.stride).on(b, start),
            minus(b, stop, start),
        )
        if update.size == 0:
            return
        inside, where = constant(True, "i1"), i64(part.offset)
        for axis, place, begin in zip(outer, index, first, strict=False):
            place = minus(b, place, begin)
            meets = b.compare("icmp", "ult", place, i64(axis.count))
            inside = b.binary("and", inside, meets)
            where = plus(b, where, times(b, place, axis.piece_stride))
        begin = least(b, most(b, start, first[-1]), stop)
        end = most(b, least(b, stop, plus(b, first[-1], inner.count)), begin)
        new = Run(pointers[part.root], where, inner.piece_stride)
        with b.when(inside):
            copy_run(
                b,
                element,
                to.on(b, begin),
                new.on(b, minus(b, begin, first[-1])),
                minus(b, end, begin),
            )

    rows.emit(b, body)
    kernel = b.finish(rows.units, 2.0 * node.size)
    return [KernelCall(kernel, tuple(roots), (node,))]
