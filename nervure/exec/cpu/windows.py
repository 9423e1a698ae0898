"""Sums and maxima under a sliding window, and the gradient of the maximum.

The innermost axis usually holds channels, along which nothing slides: it runs in
vectors.  Results are computed one after the other along the last axis that a window
slides along; padding is never read, the loops over the window leave it out.

The gradient of the maximum has two forms.  Windows that neither overlap nor leave gaps
are handled one by one: find the first maximum, write the whole window.  In all other
cases a first kernel notes which element won in each window, and a second one adds up,
for each element of x, the cotangents of the windows that it won, in the windows' order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.bands import bands_of
from nervure.exec.cpu.expressions import is_floating, register_type
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    divided,
    fill_run,
    i64,
    minus,
    most,
    moved_type,
    offset,
    plus,
    times,
    unravel,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.window_nest import (
    UNIT,
    UNROLLED,
    Columns,
    Geometry,
    added,
    fold_window,
    for_columns,
    for_windows,
    larger,
    load,
    lowest,
    maximum,
    store,
)
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]


def lower_window_sum(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``window_sum``."""
    zero = -0.0 if dtypes.is_float(node.dtype) else 0  # leaves the first element alone
    return _combined(node, target, zero, lambda b, x, total: added(b, x, total))


def lower_window_max(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """Return the kernel of ``window_max``."""
    dtype = node.dtype
    return _combined(
        node, target, lowest(dtype), lambda b, x, best: maximum(b, dtype, x, best)
    )


def _combined(
    node: Node,
    target: Target,
    neutral: int | float,
    combine: Callable[[KernelBuilder, Value, Value], Value],
) -> list[KernelCall]:
    (x,) = node.inputs
    dtype, view = node.dtype, view_of(x)
    geometry = Geometry.of(node, view, node.shape)
    lanes = geometry.lanes(target, dtype)
    b = KernelBuilder(node.op.name, target, 2)
    source, result = b.operands
    start = constant(neutral, vector_type(register_type(dtype), lanes))

    def window(number: Value, _: list[Value], starts: list[Value]) -> None:
        to = Run(result, times(b, number, geometry.length), 1)

        def channels(columns: Columns) -> None:
            def visit(place: Value, _: Value, known: Sequence[Value]) -> list[Value]:
                values = load(
                    b, Run(source, place, geometry.run_stride), dtype, columns
                )
                return [combine(b, x, y) for x, y in zip(values, known, strict=True)]

            initial = [start] * len(columns.counts)
            values = fold_window(b, geometry, starts, initial, visit)
            store(b, to, dtype, columns, values)

        for_columns(b, geometry.length, lanes, channels)

    rows, height = _band(geometry, x)
    units = for_windows(b, geometry, window, height)
    kernel = b.finish(units, 2.0 * node.size * geometry.elements)
    bands = bands_of(rows, height, [view], [node]) if height else None
    return [KernelCall(kernel, (view.root,), (node,), bands)]


def _band(geometry: Geometry, x: Node) -> tuple[int, int]:
    """Return the number of images, and the height of their bands or 0."""
    rows = x.shape[0] if x.shape else 0
    return rows, geometry.band(rows, x.size // max(rows, 1))


# --- the gradient of the maximum -----------------------------------------------------


def lower_window_max_grad(
    node: Node, target: Target, _: Materialise
) -> list[KernelCall]:
    """Return the kernels of ``window_max_grad``."""
    x, g = node.inputs
    geometry = Geometry.of(node, view_of(x), g.shape, view_of(g))
    if all(axis.is_tiled for axis in geometry.axes) and geometry.elements <= UNROLLED:
        return [_tiled_gradient(node, target, geometry)]
    winners = Scratch(4 * g.size)
    return [
        _note_winners(node, target, geometry, winners),
        _collect(node, target, geometry, winners),
    ]


def _tiled_gradient(node: Node, target: Target, geometry: Geometry) -> KernelCall:
    """Return the kernel for windows side by side: each is read and written once."""
    dtype = node.dtype
    b, x, g, result, roots = _operands(node, target, "window_max_grad", 1)
    lanes = geometry.lanes(target, dtype)
    axes, sizes = geometry.axes, geometry.sizes
    steps = [math.prod(sizes[k + 1 :]) * geometry.length for k in range(len(sizes))]
    offsets = list(itertools.product(*(range(axis.window) for axis in axes)))
    apart = [
        sum(k * axis.step for k, axis in zip(one, axes, strict=True)) for one in offsets
    ]
    apart_to = [
        sum(k * step for k, step in zip(one, steps, strict=True)) for one in offsets
    ]

    def window(_: Value, index: list[Value], starts: list[Value]) -> None:
        place = offset(b, geometry.offset, starts, [axis.step for axis in axes])
        to = offset(b, 0, starts, steps)
        g_place = offset(b, geometry.g_offset, index, [axis.g_step for axis in axes])

        def channels(columns: Columns) -> None:
            values = [
                load(
                    b, Run(x, plus(b, place, one), geometry.run_stride), dtype, columns
                )
                for one in apart
            ]
            run = Run(g, g_place, geometry.g_run_stride)
            cotangents = load(b, run, dtype, columns)
            wins = [
                _winners(b, dtype, list(elements))
                for elements in zip(*values, strict=True)
            ]
            for number, one in enumerate(apart_to):
                chosen = [
                    b.select(masks[number], y, _zero(y))
                    for masks, y in zip(wins, cotangents, strict=True)
                ]
                store(b, Run(result, plus(b, to, one), 1), dtype, columns, chosen)

        for_columns(b, geometry.length, lanes, channels)

    rows, height = _band(geometry, node.inputs[0])
    units = for_windows(b, geometry, window, height)
    if height:
        _fill_rests(b, geometry, result, dtype, 0, height)
    else:
        units += _fill_rests(b, geometry, result, dtype, units)
    kernel = b.finish(units, 3.0 * node.size)
    views = [view_of(operand) for operand in node.inputs]
    bands = bands_of(rows, height, views, [node]) if height else None
    return KernelCall(kernel, tuple(roots), (node,), bands)


def _operands(
    node: Node, target: Target, label: str, others: int
) -> tuple[KernelBuilder, Value, Value, Value, list[Node]]:
    """Return a builder, the pointers to x, g and what is written, and what is read."""
    views = [view_of(operand) for operand in node.inputs]
    roots = list(dict.fromkeys(view.root for view in views))
    b = KernelBuilder(label, target, len(roots) + others)
    pointers = dict(zip(roots, b.operands, strict=False))
    return b, pointers[views[0].root], pointers[views[1].root], b.operands[-1], roots


def _zero(x: Value) -> Value:
    return constant(0.0 if is_floating(x) else 0, x.type)


def _winners(b: KernelBuilder, dtype: DType, elements: list[Value]) -> list[Value]:
    """Return for each element of a window whether it is the first maximum."""
    best = elements[0]
    improved: list[Value] = []
    for x in elements[1:]:
        improved.append(larger(b, dtype, x, best))
        best = b.select(improved[-1], x, best)
    # the last that improved on all before it has won
    masks: list[Value] = []
    type_ = larger(b, dtype, best, best).type if not improved else improved[0].type
    open_ = constant(True, type_)
    for better in reversed(improved):
        masks.append(b.binary("and", better, open_))
        open_ = b.binary("and", open_, b.binary("xor", better, constant(True, type_)))
    return [open_, *reversed(masks)]


def _fill_rests(
    b: KernelBuilder,
    geometry: Geometry,
    result: Value,
    dtype: DType,
    first_unit: int,
    band: int = 0,
) -> int:
    """Write zeros where no window reaches, at the end of axes; returns the units.

    If ``band`` is the height of bands of images, they are the units.
    """
    covered = [axis.count * axis.window for axis in geometry.axes]
    sizes = geometry.sizes
    if list(sizes) == covered:
        return 0
    rows = Rows(math.prod(sizes[:-1]), sizes[-1] * geometry.length)
    band *= math.prod(sizes[1:-1])
    rows = Rows(rows.count, rows.length, max(rows.length, UNIT), band)  # never cut
    zero = Value(moved_type(dtype), "0")

    def row(number: Value, _: Value, __: Value) -> None:
        index = unravel(b, number, sizes[:-1])
        run = Run(result, times(b, number, rows.length), 1)
        outside = constant(False, "i1")
        for place, size, limit in zip(index, sizes, covered, strict=False):
            if limit < size:
                beyond = b.compare("icmp", "sge", place, i64(limit))
                outside = b.binary("or", outside, beyond)
        with b.when(outside):
            fill_run(b, zero.type, run, zero, rows.length)
        rest = (sizes[-1] - covered[-1]) * geometry.length
        if rest:
            with b.when(b.binary("xor", outside, constant(True, "i1"))):
                end = run.on(b, covered[-1] * geometry.length)
                fill_run(b, zero.type, end, zero, rest)

    rows.emit(b, row, first_unit)
    return rows.units


def _note_winners(
    node: Node, target: Target, geometry: Geometry, winners: Scratch
) -> KernelCall:
    """Return the kernel that writes which element of each window is the maximum."""
    view = view_of(node.inputs[0])
    dtype = node.dtype
    lanes = geometry.lanes(target, dtype)
    b = KernelBuilder("window_winners", target, 2)
    source, result = b.operands
    value_type = vector_type(register_type(dtype), lanes)
    count_type = vector_type("i32", lanes)

    def window(number: Value, _: list[Value], starts: list[Value]) -> None:
        to = Run(result, times(b, number, geometry.length), 1)

        def channels(columns: Columns) -> None:
            def visit(place: Value, k: Value, known: Sequence[Value]) -> list[Value]:
                run = Run(source, place, geometry.run_stride)
                here = b.splat(b.convert("trunc", k, "i32"), lanes)
                result: list[Value] = []
                for number, x in enumerate(load(b, run, dtype, columns)):
                    best, winner = known[2 * number : 2 * number + 2]
                    # the first element wins even if it is no larger than the lowest
                    none = b.compare("icmp", "slt", winner, constant(0, count_type))
                    better = b.binary("or", none, larger(b, dtype, x, best))
                    result += [
                        b.select(better, x, best),
                        b.select(better, here, winner),
                    ]
                return result

            none = [constant(lowest(dtype), value_type), constant(-1, count_type)]
            found = fold_window(b, geometry, starts, none * len(columns.counts), visit)
            store(b, to, dtypes.int32, columns, found[1::2])

        for_columns(b, geometry.length, lanes, channels)

    units = for_windows(b, geometry, window)
    kernel = b.finish(units, 3.0 * node.inputs[1].size * geometry.elements)
    return KernelCall(kernel, (view.root,), (winners,))


def _collect(
    node: Node, target: Target, geometry: Geometry, winners: Scratch
) -> KernelCall:
    """Return the kernel that adds up the cotangents that each element of x has won."""
    dtype = node.dtype
    view = view_of(node.inputs[1])
    lanes = geometry.lanes(target, dtype)
    b = KernelBuilder("window_max_grad", target, 3)
    g, noted, result = b.operands
    zero = constant(0, vector_type(register_type(dtype), lanes))
    sizes = geometry.sizes
    rows = geometry.rows(sizes, 4)

    def row(number: Value, first: Value, last: Value) -> None:
        outer = unravel(b, number, sizes[:-1])
        with b.loop(first, last) as loop:
            index = [*outer, loop.index]
            place = plus(b, times(b, number, sizes[-1]), loop.index)
            to = Run(result, times(b, place, geometry.length), 1)

            def channels(columns: Columns) -> None:
                def visit(
                    g_place: Value, window: Value, k: Value, known: Sequence[Value]
                ) -> list[Value]:
                    values = load(
                        b, Run(g, g_place, geometry.g_run_stride), dtype, columns
                    )
                    run = Run(noted, times(b, window, geometry.length), 1)
                    found = load(b, run, dtypes.int32, columns)
                    here = b.splat(b.convert("trunc", k, "i32"), lanes)
                    result = []
                    for total, x, winner in zip(known, values, found, strict=True):
                        mine = b.compare("icmp", "eq", winner, here)
                        result.append(added(b, b.select(mine, x, zero), total))
                    return result

                totals = [zero] * len(columns.counts)
                totals = _fold_windows_of(b, geometry, index, totals, visit)
                store(b, to, dtype, columns, totals)

            for_columns(b, geometry.length, lanes, channels)

    rows.emit(b, row)
    kernel = b.finish(rows.units, 8.0 * node.size)
    return KernelCall(kernel, (view.root, winners), (node,))


def _fold_windows_of(
    b: KernelBuilder,
    geometry: Geometry,
    index: Sequence[Value],
    initial: Sequence[Value],
    visit: Callable[[Value, Value, Value, Sequence[Value]], list[Value]],
) -> list[Value]:
    """Write the visits of all windows that reach a place of x, in their order.

    ``visit(g_place, window, k, known)`` returns the accumulators after a window; the
    place is its element ``k``, which is negative if the window steps over it.
    """

    def along(
        axis: int, g_place: Value, window: Value, k: Value, known: Sequence[Value]
    ) -> list[Value]:
        if axis == len(geometry.axes):
            # whatever is below zero must stay so in 32 bits
            return visit(g_place, window, most(b, k, -1) if dilated else k, known)
        one = geometry.axes[axis]

        def at(number: Value, known: Sequence[Value]) -> list[Value]:
            distance = minus(b, index[axis], one.start(b, number))
            element, rest = divided(b, distance, one.dilation)
            here = plus(b, times(b, k, one.window), element)
            if one.dilation > 1:
                # so far below zero that no later axis can bring it back
                met = b.compare("icmp", "eq", rest, i64(0))
                here = b.select(met, here, i64(-(2**30)))
            where = plus(b, g_place, times(b, number, one.g_step))
            return along(
                axis + 1,
                where,
                plus(b, times(b, window, one.count), number),
                here,
                known,
            )

        if one.is_plain:
            return at(index[axis], known)
        first, last = one.windows(b, index[axis])
        with b.loop(first, last, 1, known) as loop:
            loop.next = at(loop.index, loop.carried)
        return loop.results

    dilated = any(axis.dilation > 1 for axis in geometry.axes)
    start = i64(geometry.g_offset)
    return along(0, start, i64(0), i64(0), initial)
