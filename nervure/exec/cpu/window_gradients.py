"""The gradient of the maximum under a sliding window.

It has two forms.  Windows that neither overlap nor leave gaps are handled one by one
(``window_tiles.py``).  In all other cases a first kernel notes which element won in
each window, and a second one adds up, for each element of x, the cotangents of the
windows that it won, in the windows' order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nervure import dtypes
from nervure.exec.cpu.expressions import register_type
from nervure.exec.cpu.gemm_results import Epilogue
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.maps import Group, map_kernel
from nervure.exec.cpu.runs import Run, divided, i64, minus, most, plus, times, unravel
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.window_nest import (
    Columns,
    Geometry,
    added,
    fold_window,
    for_columns,
    for_windows,
    larger,
    load,
    lowest,
    store,
)
from nervure.exec.cpu.window_tiles import can_fuse, is_tiled, lower_tiled_gradient
from nervure.ir.node import Node


def lower_window_max_grad(
    node: Node,
    group: Sequence[Node],
    outputs: Sequence[Node],
    target: Target,
    over: Mapping[Node, Node] | None = None,
    winners: Scratch | None = None,
) -> list[KernelCall]:
    """Return the kernels of ``window_max_grad`` and the group that reads it.

    ``outputs`` are the nodes that need memory; ``over`` names for some the operand over
    which they may be written.  ``winners`` are the places of the maxima if they were
    noted.
    """
    x, g = node.inputs
    geometry = Geometry.of(node, view_of(x), g.shape, view_of(g))
    epilogue = Epilogue(node, group, outputs, over or {})
    if group and not (can_fuse(node) and epilogue.is_short):
        stored = [one for one in outputs if one is not node]
        later = map_kernel(Group(group, stored), target, over)
        first = lower_window_max_grad(node, [], [node], target, winners=winners)
        return [*first, later]
    if is_tiled(geometry):
        return [lower_tiled_gradient(node, geometry, epilogue, winners, target)]
    winners = Scratch(4 * g.size)
    return [
        _note_winners(node, target, geometry, winners),
        _collect(node, target, geometry, winners),
    ]


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
