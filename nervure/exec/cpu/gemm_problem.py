"""A ``dot`` as a batch of matrix products: M x K times K x N, all told by strides.

A ``dot`` has any number of batch, contracted and free axes, and its operands are read
through views.  Here axes that are walked through without a gap are joined, until one
axis each is left for the rows (M), the sum (K) and the columns (N).  Free axes that do
not join run along as batch axes; contracted axes that do not join make a copy of an
operand necessary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from nervure.dtypes import DType
from nervure.exec.cpu.kernel import Slot
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.views import collapse, contiguous_strides, view_of
from nervure.ir.node import Node, Shape
from nervure.prims.contract import dot_axes, free_axes
from nervure.prims.movement import transpose

Materialise = Callable[[Node, Target], None]

CACHE_LINE: Final = 64

# An inner free axis shorter than this is not worth a matrix product of its own.
SHORT = 16


@dataclass(frozen=True)
class Matrix:
    """An operand: a matrix in memory for each place of the batch axes.

    Strides count elements.  ``batch`` holds one for each batch axis; 0 repeats.
    """

    slot: Slot
    dtype: DType
    offset: int
    batch: tuple[int, ...]
    rows: int
    columns: int


class Layout(NamedTuple):
    """Strides of something that is read or written where the results are."""

    batch: tuple[int, ...]
    row: int
    column: int


@dataclass(frozen=True)
class Problem:
    """``result[b, i, j] = sum over k of x[b, i, k] * y[b, k, j]``.

    Attributes
    ----------
    dtype
        The data type of the operands and the result.
    batch
        The extents of the batch axes.
    m, n, k
        The extents of rows, columns and sum.
    x, y
        The operands.
    layouts
        The strides of every stream that the results meet, in the order given.
    chunk
        The part of the sum that one kernel call's unit makes.  Smaller than ``k`` only
        if the first batch axis runs over the parts.
    paired
        Whether a step of the sum is a pair of bfloat16; see ``gemm_pairs.py``.
    """

    dtype: DType
    batch: Shape
    m: int
    n: int
    k: int
    x: Matrix
    y: Matrix
    layouts: tuple[Layout, ...]
    chunk: int
    paired: bool = False

    @property
    def parts(self) -> int:
        """How many partial sums there are."""
        return self.batch[0] if self.chunk < self.k else 1

    @property
    def products(self) -> float:
        """The number of multiplications."""
        return float(math.prod(self.batch) / self.parts) * self.m * self.n * self.k


class _Axis(NamedTuple):
    """Axes joined into one: its extent and its stride in everything."""

    extent: int
    strides: tuple[int, ...]  # in x, in y, in every stream


class Operands(NamedTuple):
    """The operands as they lie in memory, before axes are joined."""

    x: Matrix  # ``batch`` holds the strides of all logical axes
    y: Matrix
    order: tuple[int, ...]  # in which the contracted axes join


def find_operands(node: Node, target: Target, materialise: Materialise) -> Operands:
    """Return where the operands of a ``dot`` are read, copied if they must be."""
    _, contract = dot_axes(node.attrs)
    readings = [_reading(operand) for operand in node.inputs]
    extents = [node.inputs[0].shape[axis] for axis in contract[0]]

    def joins(order: Sequence[int], positions: Sequence[int]) -> bool:
        strides = [
            tuple(
                readings[position].batch[contract[position][place]] for place in order
            )
            for position in positions
        ]
        return len(collapse(tuple(extents[place] for place in order), strides)[0]) <= 1

    orders = [
        tuple(sorted(
            range(len(extents)),
            key=lambda place: -abs(reading.batch[axes[place]]),
        ))
        for reading, axes in zip(readings, contract, strict=True)
    ]  # fmt: skip
    copied: list[int] = []
    order = next((one for one in orders if joins(one, (0, 1))), None)
    if 0 in extents:
        order = ()  # nothing is read
    if order is None:
        # keep the larger operand in place if one of them can be
        larger = int(node.inputs[1].size > node.inputs[0].size)
        kept = next((p for p in (larger, 1 - larger) if joins(orders[p], (p,))), None)
        order = orders[larger if kept is None else kept]
        copied = [p for p in (0, 1) if p != kept]
    for position in (0, 1):
        scattered = 0 not in extents and _is_scattered(
            node, position, readings[position]
        )
        if position in copied or scattered:
            readings[position] = _copy(node, position, order, target, materialise)
    return Operands(readings[0], readings[1], order)


def _reading(node: Node) -> Matrix:
    view = view_of(node)
    return Matrix(view.root, node.dtype, view.offset, view.strides, 0, 0)


def _is_scattered(node: Node, position: int, reading: Matrix) -> bool:
    """Tell whether the free axes would fall into many narrow matrices."""
    batch, contract = dot_axes(node.attrs)
    shape = node.inputs[position].shape
    free = free_axes(len(shape), batch[position], contract[position])
    extents = tuple(shape[axis] for axis in free)
    joined, _ = collapse(extents, [tuple(reading.batch[axis] for axis in free)])
    return len(joined) > 1 and joined[-1] < SHORT


def _copy(
    node: Node,
    position: int,
    order: Sequence[int],
    target: Target,
    materialise: Materialise,
) -> Matrix:
    """Write an operand out: batch axes, free axes, contracted axes in ``order``."""
    operand = node.inputs[position]
    batch, contract = (pair[position] for pair in dot_axes(node.attrs))
    free = free_axes(len(operand.shape), batch, contract)
    axes = (*batch, *free, *(contract[place] for place in order))
    written = transpose(operand, axes)
    materialise(written, target)
    packed = contiguous_strides(written.shape)
    strides = [0] * len(axes)
    for axis, stride in zip(axes, packed, strict=True):
        strides[axis] = stride
    return Matrix(written, operand.dtype, 0, tuple(strides), 0, 0)


def make_problem(
    node: Node, operands: Operands, streams: Sequence[tuple[int, ...]]
) -> Problem:
    """Join the axes of a ``dot``; ``streams`` have strides for its result's axes."""
    batch, contract = dot_axes(node.attrs)
    x, y = operands.x, operands.y
    x_shape, y_shape = (operand.shape for operand in node.inputs)
    x_free = free_axes(len(x_shape), batch[0], contract[0])
    y_free = free_axes(len(y_shape), batch[1], contract[1])
    count = len(batch[0])

    def streams_at(axis: int) -> tuple[int, ...]:
        return tuple(one[axis] for one in streams)

    batches = [
        _Axis(x_shape[a], (x.batch[a], y.batch[z], *streams_at(place)))
        for place, (a, z) in enumerate(zip(*batch, strict=True))
    ]
    rows = [
        _Axis(x_shape[a], (x.batch[a], 0, *streams_at(count + place)))
        for place, a in enumerate(x_free)
    ]
    columns = [
        _Axis(y_shape[z], (0, y.batch[z], *streams_at(count + len(x_free) + place)))
        for place, z in enumerate(y_free)
    ]
    while batches and batches[-1].strides[1] == 0:
        rows.insert(0, batches.pop())  # every place multiplies the same y
    sums = [
        _Axis(x_shape[contract[0][place]],
              (x.batch[contract[0][place]], y.batch[contract[1][place]]))
        for place in operands.order
    ]  # fmt: skip
    rows, columns = _joined(rows), _joined(columns)
    batches = _joined([*batches, *rows[:-1], *columns[:-1]])
    row, column = _last(rows, 2 + len(streams)), _last(columns, 2 + len(streams))
    total = _last(_joined(sums), 2) if node.inputs[0].size else _Axis(0, (0, 0))
    return Problem(
        node.dtype,
        tuple(axis.extent for axis in batches),
        row.extent,
        column.extent,
        total.extent,
        Matrix(x.slot, x.dtype, x.offset, tuple(axis.strides[0] for axis in batches),
               row.strides[0], total.strides[0]),
        Matrix(y.slot, y.dtype, y.offset, tuple(axis.strides[1] for axis in batches),
               total.strides[1], column.strides[1]),
        tuple(
            Layout(tuple(axis.strides[place] for axis in batches),
                   row.strides[place], column.strides[place])
            for place in range(2, 2 + len(streams))
        ),
        total.extent,
    )  # fmt: skip


def _joined(axes: Sequence[_Axis]) -> list[_Axis]:
    if not axes:
        return []
    shape = tuple(axis.extent for axis in axes)
    strides = list(zip(*(axis.strides for axis in axes), strict=True))
    extents, columns = collapse(shape, strides)
    return [
        _Axis(extent, tuple(column[place] for column in columns))
        for place, extent in enumerate(extents)
    ]


def _last(axes: Sequence[_Axis], count: int) -> _Axis:
    """Return the innermost axis; one of a single element if there is none."""
    return axes[-1] if axes else _Axis(1, (0,) * count)


def swapped(problem: Problem) -> Problem:
    """Return the product of the transposed operands: rows and columns change roles."""
    x, y = problem.x, problem.y
    return replace(
        problem,
        m=problem.n,
        n=problem.m,
        x=replace(y, rows=y.columns, columns=y.rows),
        y=replace(x, rows=x.columns, columns=x.rows),
        layouts=tuple(
            Layout(one.batch, one.column, one.row) for one in problem.layouts
        ),
    )
