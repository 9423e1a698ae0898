"""The gradient of the maximum for windows side by side: each is handled by itself.

The first maximum of a window is found again, or has been noted when the maximum was
computed (``windows.lower_noted_max``).  The elementwise group that alone reads the
gradient, such as the one of an activation below, is computed before it is stored.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.bands import bands_of
from nervure.exec.cpu.expressions import is_floating, register_type
from nervure.exec.cpu.gemm_blocking import Panel
from nervure.exec.cpu.gemm_problem import Layout, Matrix, Problem
from nervure.exec.cpu.gemm_results import Epilogue, Writer
from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Scratch, Slot
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import Rows, Run, i64, offset, plus, unravel
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import View, view_of
from nervure.exec.cpu.window_nest import (
    UNIT,
    UNROLLED,
    Columns,
    Geometry,
    band_of,
    for_columns,
    for_windows,
    larger,
    load,
)
from nervure.ir.node import Node


def is_tiled(geometry: Geometry) -> bool:
    """Tell whether windows are few elements each, neither overlap nor leave gaps."""
    tiled = all(axis.is_tiled for axis in geometry.axes)
    return tiled and geometry.elements <= UNROLLED


def can_note(node: Node) -> bool:
    """Tell whether the maximum of a gradient's windows can note which element won."""
    x, g = node.inputs
    return is_tiled(Geometry.of(node, view_of(x), g.shape, view_of(g)))


def can_fuse(node: Node) -> bool:
    """Tell whether a gradient's axes are those of its windows, with channels last."""
    x, g = node.inputs
    geometry = Geometry.of(node, view_of(x), g.shape, view_of(g))
    return is_tiled(geometry) and geometry.sizes == node.shape[:-1]


def lower_tiled_gradient(
    node: Node,
    geometry: Geometry,
    epilogue: Epilogue,
    winners: Scratch | None,
    target: Target,
) -> KernelCall:
    """Return the kernel; ``winners`` are the maxima's places if they were noted."""
    x, g = (view_of(operand) for operand in node.inputs)
    roots: list[Slot] = [*((winners,) if winners is not None else (x.root,)), g.root]
    reads = list(dict.fromkeys([*roots, *epilogue.roots]))
    b = KernelBuilder("window_max_grad", target, len(reads) + len(epilogue.outputs))
    writes = epilogue.outputs
    pointers: dict[Slot, Value] = dict(zip([*reads, *writes], b.operands, strict=True))
    epilogue.allow_aliases(b, {slot: pointers[slot] for slot in pointers
                               if isinstance(slot, Node)})  # fmt: skip
    noted = None if winners is None else pointers[winners]
    tiles = _Tiles(b, node, geometry, epilogue, pointers, noted)
    rows, height = band_of(geometry, node.inputs[0])
    units = for_windows(b, geometry, tiles.window, height)
    if height:
        tiles.fill_rests(0, height)
    else:
        units += tiles.fill_rests(units, 0)
    kernel = b.finish(units, 3.0 * node.size + epilogue.cost)
    bands = None
    if height:
        views: list[View] = [g] if winners is not None else [x, g]
        if epilogue.group is not None:
            views += epilogue.group.read_views
        touched = [*writes, *((winners,) if winners is not None else ())]
        bands = bands_of(rows, height, views, touched)
    return KernelCall(kernel, tuple(reads), tuple(writes), bands)


def _as_matrix(
    node: Node, geometry: Geometry, epilogue: Epilogue, target: Target
) -> Problem:
    """Return the channels of a place as a row of a matrix; places are a batch."""
    if epilogue.group is None:
        steps = [math.prod(geometry.sizes[k + 1 :]) * geometry.length
                 for k in range(len(geometry.sizes))]  # fmt: skip
        layouts = [Layout(tuple(steps), 0, 1)]
    else:
        layouts = [Layout(one[:-1], 0, one[-1]) for one in epilogue.strides(target)]
    nothing = Matrix(node, node.dtype, 0, (), 0, 0)
    return Problem(node.dtype, geometry.sizes, 1, geometry.length, 0, nothing, nothing,
                   tuple(layouts), 0)  # fmt: skip


class _Tiles:
    """Writes what happens to windows, and to places that no window reaches."""

    def __init__(
        self,
        b: KernelBuilder,
        node: Node,
        geometry: Geometry,
        epilogue: Epilogue,
        pointers: Mapping[Slot, Value],
        noted: Value | None,
    ) -> None:
        self._b = b
        self._noted = noted
        self._dtype = node.dtype
        self._geometry = geometry
        self._lanes = geometry.lanes(b.target, node.dtype)
        x, g = (view_of(operand).root for operand in node.inputs)
        self._x = pointers.get(x)
        self._g = pointers[g]
        nodes = {one: at for one, at in pointers.items() if isinstance(one, Node)}
        matrix = _as_matrix(node, geometry, epilogue, b.target)
        self._writer = Writer(b, epilogue, matrix, nodes)
        windows = (range(axis.window) for axis in geometry.axes)
        self._elements = list(itertools.product(*windows))

    def window(self, number: Value, index: list[Value], starts: list[Value]) -> None:
        """Write what happens to one window."""
        b, geometry = self._b, self._geometry
        steps = [axis.g_step for axis in geometry.axes]
        g_place = offset(b, geometry.g_offset, index, steps)

        def channels(columns: Columns) -> None:
            run = Run(self._g, g_place, geometry.g_run_stride)
            cotangents = load(b, run, self._dtype, columns)
            masks = self._masks(number, starts, columns)
            for element, won in zip(self._elements, masks, strict=True):
                chosen = [
                    b.select(mask, y, _zero(y))
                    for mask, y in zip(won, cotangents, strict=True)
                ]
                place = [plus(b, start, k)
                         for start, k in zip(starts, element, strict=True)]  # fmt: skip
                self._finish(place, columns, chosen)

        for_columns(b, geometry.length, self._lanes, channels)

    def _finish(
        self, place: Sequence[Value], columns: Columns, values: Sequence[Value]
    ) -> None:
        origin = self._writer.origin(place, i64(0), columns.start)
        panel = Panel((columns.lanes,) * len(columns.counts), columns.counts[-1])
        self._writer.write_rows(origin, panel, values)

    def _masks(
        self, number: Value, starts: Sequence[Value], columns: Columns
    ) -> list[list[Value]]:
        """Return for each element of a window which channels it is the maximum of."""
        b, geometry = self._b, self._geometry
        if self._noted is not None:
            place = b.binary("mul", number, i64(geometry.length))
            found = load(b, Run(self._noted, place, 1), dtypes.uint8, columns)
            count = vector_type(register_type(dtypes.uint8), columns.lanes)
            return [
                [b.compare("icmp", "eq", one, constant(k, count)) for one in found]
                for k in range(len(self._elements))
            ]
        assert self._x is not None
        steps = [axis.step for axis in geometry.axes]
        first = offset(b, geometry.offset, starts, steps)
        values = []
        for element in self._elements:
            apart = sum(k * step for k, step in zip(element, steps, strict=True))
            run = Run(self._x, plus(b, first, apart), geometry.run_stride)
            values.append(load(b, run, self._dtype, columns))
        vectors = zip(*values, strict=True)
        won = [_winners(b, self._dtype, list(elements)) for elements in vectors]
        return [list(masks) for masks in zip(*won, strict=True)]

    def fill_rests(self, first_unit: int, band: int) -> int:
        """Write zeros where no window reaches, at the end of axes; returns the units.

        If ``band`` is the height of bands of images, they are the units.
        """
        b, geometry = self._b, self._geometry
        covered = [axis.count * axis.window for axis in geometry.axes]
        sizes = geometry.sizes
        if list(sizes) == covered:
            return 0
        unit = max(sizes[-1] * geometry.length, UNIT)  # so that a row is never cut
        rows = Rows(
            math.prod(sizes[:-1]), sizes[-1], unit, band * math.prod(sizes[1:-1])
        )

        def row(number: Value, _: Value, __: Value) -> None:
            index = unravel(b, number, sizes[:-1])
            outside = constant(False, "i1")
            for place, size, limit in zip(index, sizes, covered, strict=False):
                if limit < size:
                    beyond = b.compare("icmp", "sge", place, i64(limit))
                    outside = b.binary("or", outside, beyond)
            begin = b.select(outside, i64(0), i64(covered[-1]))
            with b.loop(begin, i64(sizes[-1])) as loop:
                here = [*index, loop.index]

                def channels(columns: Columns) -> None:
                    type_ = vector_type(register_type(self._dtype), columns.lanes)
                    zeros = [_zero(Value(type_, ""))] * len(columns.counts)
                    self._finish(here, columns, zeros)

                for_columns(b, geometry.length, self._lanes, channels)

        rows.emit(b, row, first_unit)
        return rows.units


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
