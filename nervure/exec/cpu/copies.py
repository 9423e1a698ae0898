"""Padding and concatenation: operands written into regions of a larger array.

Both are one pass over the result.  The operand is read through its view, so a sliced or
transposed operand needs no copy of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nervure.exec.cpu.kernel import KernelBuilder, KernelCall
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    bits_of,
    copy_run,
    divided,
    fill_run,
    i64,
    least,
    minus,
    most,
    moved_type,
    offset,
    plus,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import View, view_of
from nervure.ir.attrs import Constant
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]


@dataclass(frozen=True)
class Axis:
    """Where one axis of an operand goes: ``count`` elements ``step`` apart.

    ``size`` is the extent of the result and ``stride`` the operand's step in memory.
    """

    size: int
    count: int
    begin: int
    step: int
    stride: int

    @property
    def is_whole(self) -> bool:
        """Whether the operand covers the axis."""
        return self.count == self.size


@dataclass(frozen=True)
class Region:
    """The part of a result that one operand is written to."""

    offset: int  # of the operand's first element in its memory
    axes: tuple[Axis, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written."""
        return any(axis.count == 0 for axis in self.axes)

    def joined(self) -> Region:
        """Return the same region with neighbouring axes made one where that is right.

        An axis covered wholly joins the one outside it if the operand's elements follow
        each other without a gap: rows become longer, and there are fewer of them.
        """
        axes: list[Axis] = []
        for inner in self.axes:
            if inner.size == inner.count == 1 and axes:
                continue
            if axes:
                outer = axes[-1]
                gapless = outer.stride == inner.stride * inner.count or outer.count == 1
                if inner.is_whole and gapless and (outer.step == 1 or outer.count == 1):
                    scale = inner.size
                    axes[-1] = Axis(
                        outer.size * scale,
                        outer.count * scale,
                        outer.begin * scale,
                        1,
                        inner.stride,
                    )
                    continue
            axes.append(inner)
        return Region(self.offset, tuple(axes) or (Axis(1, 1, 0, 1, 1),))


# --- pad -----------------------------------------------------------------------------


def lower_pad(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``pad``."""
    (x,) = node.inputs
    view = view_of(x)
    region = _padded_region(node, view).joined()
    value = node.attrs["value"]
    assert isinstance(value, Constant)
    filling = Value(moved_type(node.dtype), str(bits_of(value.value)))
    *outer, inner = region.axes
    rows = Rows(math.prod(axis.size for axis in outer), inner.size)
    b = KernelBuilder("pad", target, 2)
    source, result = b.operands

    def body(row: Value, start: Value, stop: Value) -> None:
        place = times(b, row, inner.size)
        run = Run(result, place, 1)
        if region.is_empty:
            fill_run(b, filling.type, run.on(b, start), filling, minus(b, stop, start))
            return
        inside, index = _operand_row(b, outer, unravel(b, row, [a.size for a in outer]))
        strides = [axis.stride for axis in outer]
        elements = Run(source, offset(b, region.offset, index, strides), inner.stride)

        def write_inside() -> None:
            _write_row(b, inner, run, elements, filling, start, stop)

        if inside is None:
            write_inside()
            return
        with b.when(inside):
            write_inside()
        with b.when(b.binary("xor", inside, Value("i1", "true"))):
            fill_run(b, filling.type, run.on(b, start), filling, minus(b, stop, start))

    rows.emit(b, body)
    kernel = b.finish(rows.units, 2.0 * node.size)
    return [KernelCall(kernel, (view.root,), (node,))]


def _padded_region(node: Node, view: View) -> Region:
    """Return where the operand of ``pad`` goes; negative padding has cut it."""
    low: Any = node.attrs["low"]
    interior: Any = node.attrs["interior"]
    begin = view.offset
    axes = []
    for axis, extent in enumerate(view.shape):
        step = interior[axis] + 1
        # the first and last element whose place lies within the result
        first = max(0, -(low[axis] // step))
        last = min(extent, -(-(node.shape[axis] - low[axis]) // step))
        count = max(0, last - first)
        stride = view.strides[axis]
        begin += first * stride
        place = low[axis] + first * step
        axes.append(Axis(node.shape[axis], count, place, step, stride))
    return Region(begin, tuple(axes))


def _operand_row(
    b: KernelBuilder, axes: Sequence[Axis], index: Sequence[Value]
) -> tuple[Value | None, list[Value]]:
    """Return whether a row meets the operand (None: always), and the operand's row."""
    conditions: list[Value] = []
    places = []
    for axis, place in zip(axes, index, strict=True):
        if axis.is_whole:
            places.append(place)
            continue
        # below the region the difference is huge as an unsigned number
        place = minus(b, place, axis.begin)
        if axis.step > 1:
            place, rest = divided(b, place, axis.step)
            conditions.append(b.compare("icmp", "eq", rest, i64(0)))
        conditions.append(b.compare("icmp", "ult", place, i64(axis.count)))
        places.append(place)
    inside = None
    for condition in conditions:
        inside = condition if inside is None else b.binary("and", inside, condition)
    return inside, places


def _write_row(
    b: KernelBuilder,
    axis: Axis,
    run: Run,
    elements: Run,
    filling: Value,
    start: Value,
    stop: Value,
) -> None:
    """Write the part of a row from ``start`` to ``stop``: filling and elements."""
    element = filling.type
    if axis.step > 1 and axis.count > 1:
        fill_run(b, element, run.on(b, start), filling, minus(b, stop, start))
        # the elements whose places are at least start, or at least stop
        first, last = (_elements_before(b, axis, place) for place in (start, stop))
        to = run.on(b, plus(b, times(b, first, axis.step), axis.begin))
        count = minus(b, last, first)
        copy_run(
            b,
            element,
            Run(to.pointer, to.place, axis.step),
            elements.on(b, first),
            count,
        )
        return
    begin = least(b, most(b, start, axis.begin), stop)
    end = most(b, least(b, stop, axis.begin + axis.count), begin)
    fill_run(b, element, run.on(b, start), filling, minus(b, begin, start))
    copy_run(
        b,
        element,
        run.on(b, begin),
        elements.on(b, minus(b, begin, axis.begin)),
        minus(b, end, begin),
    )
    fill_run(b, element, run.on(b, end), filling, minus(b, stop, end))


def _elements_before(b: KernelBuilder, axis: Axis, place: Value) -> Value:
    """Return how many elements of a spread axis lie before a place of the result."""
    reached = most(b, plus(b, minus(b, place, axis.begin), axis.step - 1), 0)
    return least(b, divided(b, reached, axis.step)[0], axis.count)


# --- concatenate ---------------------------------------------------------------------


def lower_concatenate(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``concatenate``: the operands' rows one after the other."""
    axis: Any = node.attrs["axis"]
    views = [view_of(operand) for operand in node.inputs]
    roots = list(dict.fromkeys(view.root for view in views if 0 not in view.shape))
    b = KernelBuilder("concatenate", target, len(roots) + 1)
    pointers = dict(zip(roots, b.operands, strict=False))
    units, begin = 0, 0
    for view in views:
        if 0 not in view.shape:
            region = _concatenated_region(node, view, axis, begin).joined()
            pointer = pointers[view.root]
            units += _write_operand(b, node, region, pointer, units)
        begin += view.shape[axis]
    kernel = b.finish(units, 2.0 * node.size)
    return [KernelCall(kernel, tuple(roots), (node,))]


def _concatenated_region(node: Node, view: View, axis: int, begin: int) -> Region:
    axes = [
        Axis(size, count, begin if place == axis else 0, 1, stride)
        for place, (size, count, stride) in enumerate(
            zip(node.shape, view.shape, view.strides, strict=True)
        )
    ]
    return Region(view.offset, tuple(axes))


def _write_operand(
    b: KernelBuilder, node: Node, region: Region, source: Value, first_unit: int
) -> int:
    """Write the copy of one operand; returns its number of work units."""
    *outer, inner = region.axes
    rows = Rows(math.prod(axis.count for axis in outer), inner.count)
    steps = [math.prod(a.size for a in region.axes[k + 1 :]) for k in range(len(outer))]
    first = inner.begin + sum(
        axis.begin * step for axis, step in zip(outer, steps, strict=True)
    )

    def body(row: Value, start: Value, stop: Value) -> None:
        index = unravel(b, row, [axis.count for axis in outer])
        strides = [axis.stride for axis in outer]
        elements = Run(source, offset(b, region.offset, index, strides), inner.stride)
        to = Run(b.operands[-1], offset(b, first, index, steps), 1)
        count = minus(b, stop, start)
        copy_run(
            b, moved_type(node.dtype), to.on(b, start), elements.on(b, start), count
        )

    rows.emit(b, body, first_unit)
    return rows.units
