"""The weights of a correlation, transformed for Winograd's way: ``G w G'``.

They lie as panels: for every block of filters the 16 positions, at each of them a row
of whole vectors for every channel, filled up with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_tiling import Block
from nervure.exec.cpu.gemm_packing import transposed
from nervure.exec.cpu.kernel import Kernel, KernelBuilder
from nervure.exec.cpu.llvm import Value, constant, vector_type
from nervure.exec.cpu.runs import (
    Rows,
    Run,
    divided,
    i64,
    load_run,
    offset,
    plus,
    store_run,
    times,
)
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.winograd import POSITIONS, SEEN, WINDOW, window_line

# Loads a vector of filters of the weights at a row and column of the window.
_Load = Callable[[int, int], Value]


def panel_elements(problem: Correlation, blocks: Sequence[Block], lanes: int) -> int:
    """Return the number of elements of all panels."""
    return sum(
        block.number * POSITIONS * position_step(problem, block, lanes)
        for block in blocks
    )


def position_step(problem: Correlation, block: Block, lanes: int) -> int:
    """Return the distance of a panel's positions.

    It is not a power of two: what lies that far apart has the same place in a cache.
    """
    return problem.channels * block.vectors * lanes + lanes


def panel_offset(
    problem: Correlation, blocks: Sequence[Block], lanes: int, block: Block
) -> int:
    """Return where the panels of some blocks begin among all."""
    before = [other for other in blocks if other.first < block.first]
    return panel_elements(problem, before, lanes)


def weights_kernel(
    problem: Correlation, blocks: Sequence[Block], target: Target
) -> Kernel:
    """Return the kernel that transforms weights."""
    b = KernelBuilder("winograd_weights", target, 2)
    writer = _Writer(b, problem)
    units = 0
    for block in blocks:
        first = panel_offset(problem, blocks, target.lanes, block)
        units += writer.write(block, first, units)
    return b.finish(units, 6.0 * problem.channels * problem.filters)


class _Writer:
    """Writes the kernel.

    The gradient in the input reads filters far apart, but channels side by side: then
    squares of ``together`` channels and as many filters are turned around at once.
    """

    def __init__(self, b: KernelBuilder, problem: Correlation) -> None:
        self._b = b
        self._problem = problem
        self._lanes = lanes = b.target.lanes
        _, self._channel_step, self._filter_step = problem.weight_steps
        apart = self._channel_step == 1 and self._filter_step != 1
        self._together = lanes if apart and problem.channels % lanes == 0 else 1
        if self._together > 1:
            self._squares = b.stack("float", WINDOW * WINDOW * lanes * lanes)

    def write(self, block: Block, first: int, first_unit: int) -> int:
        """Write the loop over the channels of some blocks; returns the work units."""
        b, problem, together = self._b, self._problem, self._together
        row = block.vectors * self._lanes
        groups = problem.channels // together
        step = position_step(problem, block, self._lanes)
        rows = Rows(block.number * groups, row * POSITIONS * together, unit=8192)

        def write(number: Value, _: Value, __: Value) -> None:
            index, group = divided(b, number, groups)
            channel = times(b, group, together)
            filter_ = plus(b, times(b, index, row), block.first)
            base = offset(b, problem.weight_offset, (channel, filter_),
                          (self._channel_step, self._filter_step))  # fmt: skip
            to = plus(b, times(b, index, POSITIONS * step), first)
            to = plus(b, to, times(b, channel, row))
            for vector, active in enumerate(block.active(self._lanes)):
                at = plus(b, base, vector * self._lanes * self._filter_step)
                self._write_vector(
                    at, active, plus(b, to, vector * self._lanes), row, step
                )

        rows.emit(b, write, first_unit)
        return rows.units

    def _write_vector(
        self, at: Value, active: int, to: Value, row: int, step: int
    ) -> None:
        """Write the transform of a vector of filters, for channels together."""
        b, lanes = self._b, self._lanes
        if self._together == 1:

            def read(y: int, x: int) -> Value:
                run = Run(b.operands[0], plus(b, at, self._tap(y, x)),
                          self._filter_step)  # fmt: skip
                return load_run(b, run, self._problem.dtype, i64(0), lanes, active)

            self._transform(read, to, step)
            return
        for y in range(WINDOW):
            for x in range(WINDOW):
                self._turn(plus(b, at, self._tap(y, x)), active, WINDOW * y + x)
        with b.loop(0, lanes) as channel:

            def read_square(y: int, x: int) -> Value:
                place = times(b, channel.index, lanes)
                place = plus(b, place, (WINDOW * y + x) * lanes * lanes)
                where = b.address(self._squares, "float", place)
                return b.load(vector_type("float", lanes), where, 4)

            below = plus(b, to, times(b, channel.index, row))
            self._transform(read_square, below, step)

    def _tap(self, y: int, x: int) -> int:
        """Return the distance of a place of the window."""
        _, height, width = self._problem.axes
        return y * height.weight_step + x * width.weight_step

    def _turn(self, at: Value, active: int, square: int) -> None:
        """Write a square of channels by filters as filters by channels."""
        b, lanes = self._b, self._lanes
        vector = vector_type("float", lanes)
        lines = [constant(0, vector)] * lanes
        for filter_ in range(active):
            place = plus(b, at, filter_ * self._filter_step)
            where = b.address(b.operands[0], "float", place)
            lines[filter_] = b.load(vector, where, 4)
        for channel, value in enumerate(transposed(b, lines)):
            row = (square * lanes + channel) * lanes
            b.store(value, b.address(self._squares, "float", row), 4)

    def _transform(self, read: _Load, to: Value, step: int) -> None:
        """Write ``G w G'`` of one vector at all positions."""
        b, problem = self._b, self._problem
        wide = [
            window_line(b, [read(y, x) for x in range(WINDOW)]) for y in range(WINDOW)
        ]
        for x in range(SEEN):
            for y, value in enumerate(window_line(b, [line[x] for line in wide])):
                place = plus(b, to, (SEEN * y + x) * step)
                run = Run(b.operands[1], place, 1)
                store_run(
                    b, run, problem.dtype, i64(0), value, self._lanes, self._lanes
                )
