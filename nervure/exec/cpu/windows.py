"""Sums and maxima under a sliding window.

The innermost axis usually holds channels, along which nothing slides: it runs in
vectors.  Results are computed one after the other along the last axis that a window
slides along; padding is never read, the loops over the window leave it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nervure import dtypes
from nervure.exec.cpu.bands import bands_of
from nervure.exec.cpu.expressions import register_type
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    Run,
    times,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import view_of
from nervure.exec.cpu.window_nest import (
    Columns,
    Geometry,
    added,
    band_of,
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


def lower_noted_max(node: Node, target: Target, winners: Scratch) -> list[KernelCall]:
    """Return the kernel of ``window_max`` that also notes which element has won.

    That is a byte for each result, for windows side by side of few elements.  The
    gradient then need not read x again.
    """
    (x,) = node.inputs
    dtype, view = node.dtype, view_of(x)
    geometry = Geometry.of(node, view, node.shape)
    lanes = geometry.lanes(target, dtype)
    b = KernelBuilder("window_max_noted", target, 3)
    source, result, noted = b.operands
    count = vector_type(register_type(dtypes.uint8), lanes)

    def window(number: Value, _: list[Value], starts: list[Value]) -> None:
        place = times(b, number, geometry.length)

        def channels(columns: Columns) -> None:
            def visit(at: Value, k: Value, known: Sequence[Value]) -> list[Value]:
                values = load(b, Run(source, at, geometry.run_stride), dtype, columns)
                number = constant(int(k.name), count)
                if not known:
                    return [one for x in values for one in (x, number)]
                following: list[Value] = []
                for x, best, winner in zip(values, known[::2], known[1::2],
                                           strict=True):  # fmt: skip
                    better = larger(b, dtype, x, best)
                    following += [
                        b.select(better, x, best), b.select(better, number, winner)
                    ]  # fmt: skip
                return following

            found = fold_window(b, geometry, starts, [], visit)
            store(b, Run(result, place, 1), dtype, columns, found[::2])
            store(b, Run(noted, place, 1), dtypes.uint8, columns, found[1::2])

        for_columns(b, geometry.length, lanes, channels)

    rows, height = band_of(geometry, x)
    units = for_windows(b, geometry, window, height)
    kernel = b.finish(units, 3.0 * node.size * geometry.elements)
    bands = bands_of(rows, height, [view], [node, winners]) if height else None
    return [KernelCall(kernel, (view.root,), (node, winners), bands)]


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

    rows, height = band_of(geometry, x)
    units = for_windows(b, geometry, window, height)
    kernel = b.finish(units, 2.0 * node.size * geometry.elements)
    bands = bands_of(rows, height, [view], [node]) if height else None
    return [KernelCall(kernel, (view.root,), (node,), bands)]
