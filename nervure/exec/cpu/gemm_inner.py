"""Inner products: few rows, and both operands lie along the sum.

Packing turns y around, which pays only if many rows of x use the result.  For few rows
vectors run along the sum instead: each pair of a row and a column has an accumulator of
its own, whose lanes are added at the end.

A work unit is a group of neighbouring columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from nervure.exec.cpu.combining import across
from nervure.exec.cpu.gemm_blocking import IN_FLIGHT, Panel, element_bytes
from nervure.exec.cpu.gemm_problem import Matrix, Problem
from nervure.exec.cpu.gemm_results import Writer
from nervure.exec.cpu.gemm_tile import element_type, multiply_add, widened
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, constant, storage_type, vector_type
from nervure.exec.cpu.maps import first_lanes
from nervure.exec.cpu.runs import (
    divided,
    i64,
    known,
    least,
    minus,
    offset,
    plus,
    times,
    unravel,
)

# From this many rows on it pays to pack and transpose y.
MOST_ROWS: Final = 8
SHORTEST_SUM: Final = 32


def suits_inner(problem: Problem) -> bool:
    """Tell whether inner products are the better way."""
    y_along = problem.y.rows == 1 and (problem.y.columns != 1 or problem.n == 1)
    return (
        problem.m <= MOST_ROWS
        and problem.x.columns == 1
        and y_along
        and problem.k >= SHORTEST_SUM
    )


class _Place(NamedTuple):
    """Pointers to the rows of x and columns of y whose products are summed."""

    rows: Sequence[Value]
    columns: Sequence[Value]


class InnerLoops:
    """Writes the body of one kernel."""

    def __init__(
        self, b: KernelBuilder, problem: Problem, x: Value, y: Value, writer: Writer
    ) -> None:
        self.b = b
        self.problem = problem
        self.writer = writer
        self._x, self._y = x, y
        self._lanes = b.target.vector_bytes // element_bytes(problem)
        self._element = element_type(problem.dtype)
        count = -(-problem.m // 4)
        low, higher = divmod(problem.m, count)
        self._heights = [low + (place < higher) for place in range(count)]
        # the accumulators, y's vectors and one of x must fit into the registers
        narrow = self._heights[0] > 2 and b.target.registers < 32
        self._width = min(problem.n, 2 if narrow else 4)

    @property
    def groups(self) -> int:
        """The number of groups of columns."""
        return -(-self.problem.n // self._width)

    @property
    def units(self) -> int:
        """The number of work units."""
        return math.prod(self.problem.batch) * self.groups

    def write(self) -> None:
        """Write all loops."""
        b, problem = self.b, self.problem
        with b.loop(b.begin, b.end) as units:
            number, group = divided(b, units.index, self.groups)
            index = unravel(b, number, problem.batch)
            column = times(b, group, self._width)
            x = self._start(self._x, problem.x, index)
            y = self._start(self._y, problem.y, index)
            columns = [self._column(y, plus(b, column, k)) for k in range(self._width)]
            origin = self.writer.origin(index, i64(0), column)
            steps = self._steps(index)
            row = 0
            for height in self._heights:
                rows = [
                    b.address(
                        x, storage_type(problem.x.dtype), (row + k) * problem.x.rows
                    )
                    for k in range(height)
                ]
                sums = self._sums(_Place(rows, columns), steps)
                rest = problem.n - (self.groups - 1) * self._width
                for active, condition in self._kinds(group, rest):
                    panel = Panel((self._width,), active)
                    if condition is None:
                        self.writer.write_rows(origin, panel, sums, row)
                    else:
                        with b.when(condition):
                            self.writer.write_rows(origin, panel, sums, row)
                row += height

    def _kinds(self, group: Value, rest: int) -> list[tuple[int, Value | None]]:
        """Return how many columns count in whole groups and the last, and when."""
        if rest == self._width:
            return [(rest, None)]
        b, last = self.b, i64(self.groups - 1)
        return [
            (self._width, b.compare("icmp", "ne", group, last)),
            (rest, b.compare("icmp", "eq", group, last)),
        ]

    def _start(self, base: Value, matrix: Matrix, index: Sequence[Value]) -> Value:
        where = offset(self.b, matrix.offset, index, matrix.batch)
        if known(where) == 0:
            return base
        return self.b.address(base, storage_type(matrix.dtype), where)

    def _column(self, y: Value, column: Value) -> Value:
        """Return where a column begins; one past the last repeats the last."""
        b, matrix = self.b, self.problem.y
        if self.problem.n % self._width:
            column = least(b, column, self.problem.n - 1)
        where = times(b, column, matrix.columns)
        return b.address(y, storage_type(matrix.dtype), where)

    def _steps(self, index: Sequence[Value]) -> Value:
        problem = self.problem
        if problem.parts == 1:
            return i64(problem.k)
        rest = minus(self.b, i64(problem.k), times(self.b, index[0], problem.chunk))
        return least(self.b, rest, problem.chunk)

    def _sums(self, place: _Place, steps: Value) -> list[Value]:
        """Return one vector of sums for each row."""
        b, lanes = self.b, self._lanes
        count = len(place.rows) * len(place.columns)
        chains = max(1, -(-IN_FLIGHT // count))
        zero = constant(0, vector_type(self._element, lanes))
        stride = chains * lanes
        whole = minus(b, steps, divided(b, steps, stride)[1])
        with b.loop(0, whole, stride, [zero] * (count * chains)) as loop:
            loop.next = []
            for chain in range(chains):
                old = loop.carried[chain * count : (chain + 1) * count]
                at = plus(b, loop.index, chain * lanes)
                loop.next += self._products(place, at, old, lanes)
        totals = loop.results[:count]
        if chains > 1:
            totals = self._joined(loop.results, count)
            full = minus(b, steps, divided(b, steps, lanes)[1])
            with b.loop(whole, full, lanes, totals) as rest:
                rest.next = self._products(place, rest.index, rest.carried, lanes)
            totals, whole = rest.results, full
        if self.problem.parts > 1 or self.problem.k % lanes:
            totals = self._tail(place, totals, whole, steps)
        sums = [
            across(b, "reduce_sum", self.problem.dtype, total, lanes)
            for total in totals
        ]
        width = len(place.columns)
        return [
            self._together(sums[begin : begin + width])
            for begin in range(0, count, width)
        ]

    def _joined(self, totals: Sequence[Value], count: int) -> list[Value]:
        """Add the accumulators that share a row and a column."""
        op = "add" if self._element.startswith("i") else "fadd"
        result = list(totals[:count])
        for begin in range(count, len(totals), count):
            result = [
                self.b.binary(op, one, other)
                for one, other in zip(
                    result, totals[begin : begin + count], strict=True
                )
            ]
        return result

    def _tail(
        self, place: _Place, totals: Sequence[Value], first: Value, steps: Value
    ) -> list[Value]:
        """Write the last elements: one vector with a mask, or one by one."""
        b, lanes = self.b, self._lanes
        if self.problem.parts == 1:
            active = self.problem.k % lanes
            return self._products(place, first, totals, active)
        # The length is known only when the code runs.
        zero = constant(0, self._element)
        with b.loop(first, steps, 1, [zero] * len(totals)) as loop:
            loop.next = self._products(place, loop.index, loop.carried, 0)
        op = "add" if self._element.startswith("i") else "fadd"
        result = []
        for total, rest in zip(totals, loop.results, strict=True):
            lane = b.emit(total.type, f"insertelement {total.type} zeroinitializer, "
                                      f"{rest}, i64 0")  # fmt: skip
            result.append(b.binary(op, total, lane))
        return result

    def _products(
        self, place: _Place, at: Value, totals: Sequence[Value], active: int
    ) -> list[Value]:
        """Add the products of ``active`` lanes at a place; of one element for 0."""
        b, problem = self.b, self.problem
        ys = [self._load(where, problem.y, at, active) for where in place.columns]
        result = []
        for number, where in enumerate(place.rows):
            x = self._load(where, problem.x, at, active)
            for column, y in enumerate(ys):
                total = totals[number * len(ys) + column]
                result.append(multiply_add(b, x, y, total))
        return result

    def _load(self, where: Value, matrix: Matrix, at: Value, active: int) -> Value:
        b, lanes = self.b, self._lanes
        element, size = storage_type(matrix.dtype), matrix.dtype.itemsize
        address = b.address(where, element, at)
        type_ = vector_type(element, lanes if active else 1)
        if 0 < active < lanes:
            mask = first_lanes(lanes, active)
            raw = b.masked_load(type_, address, mask, size)
        else:
            raw = b.load(type_, address, size)
        return widened(b, raw, matrix.dtype)

    def _together(self, sums: Sequence[Value]) -> Value:
        """Put scalars into the lanes of a vector."""
        if len(sums) == 1:
            return sums[0]
        type_ = vector_type(self._element, len(sums))
        result = Value(type_, "poison")
        for lane, one in enumerate(sums):
            result = self.b.emit(type_, f"insertelement {result}, {one}, i64 {lane}")
        return result
