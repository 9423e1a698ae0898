"""Weights in the order in which a correlation reads them.

A *panel* holds the weights of a block of filters: for every tap and channel one row of
whole vectors, filled up with zeros.  If the weights lie like that already, they are
read in place.
"""

from __future__ import annotations

import math

from nervure import dtypes
from nervure.exec.cpu.conv_geometry import Correlation
from nervure.exec.cpu.conv_tiling import Block, Tiling
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value
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
    unravel,
)


def weights_in_place(problem: Correlation, tiling: Tiling) -> bool:
    """Tell whether the weights are one panel as they lie in memory."""
    if problem.variants > 1 or problem.groups > 1:
        return False
    if dtypes.accumulator(problem.dtype) != problem.dtype:
        return False
    if len(tiling.blocks) > 1 or tiling.blocks[0].number > 1:
        return False
    width = tiling.blocks[0].vectors * tiling.lanes
    extents = [*(axis.taps for axis in problem.axes), problem.channels, problem.filters]
    steps = [*(axis.weight_step for axis in problem.axes), *problem.weight_steps[1:]]
    expected = 1
    for extent, step in zip(reversed(extents), reversed(steps), strict=True):
        if extent > 1 and step != expected:
            return False
        expected *= extent
    return problem.filters == width


def write_panels(
    b: KernelBuilder, problem: Correlation, tiling: Tiling, first: int, first_unit: int
) -> int:
    """Write the loops that bring weights into panels; returns the work units.

    The panels begin at ``first``, the units at ``first_unit``.
    """
    units = 0
    for block in tiling.blocks:
        at = first + tiling.panel_offset(block)
        units += _write_block(b, problem, tiling, block, at, first_unit + units)
    return units


def _write_block(
    b: KernelBuilder,
    problem: Correlation,
    tiling: Tiling,
    block: Block,
    first: int,
    first_unit: int,
) -> int:
    """Write the loop over the rows of some blocks' panels; returns the work units."""
    source, result = b.operands
    wide = dtypes.accumulator(problem.dtype)
    lanes, vectors = tiling.lanes, block.vectors
    width = lanes * vectors
    taps = [axis.taps for axis in problem.axes]
    variants = [axis.variants for axis in problem.axes]
    extents = [*variants, problem.groups, block.number, *taps, problem.channels]
    group, channel, filter_ = problem.weight_steps
    steps = [
        *(axis.variant_step for axis in problem.axes),
        group,
        width * filter_,
        *(axis.weight_step for axis in problem.axes),
        channel,
    ]
    base = problem.weight_offset + block.first * filter_
    panels = block.number * math.prod(taps) * problem.channels  # rows of a group
    rows = Rows(math.prod(extents), width, unit=4096)

    def row(number: Value, _: Value, __: Value) -> None:
        place = offset(b, base, unravel(b, number, extents), steps)
        group_number, inner = divided(b, number, panels)
        to = times(b, group_number, tiling.group_panels)
        to = plus(b, plus(b, to, times(b, inner, width)), first)
        elements, target = Run(source, place, filter_), Run(result, to, 1)

        for vector, active in enumerate(block.active(lanes)):
            at = i64(vector * lanes)
            x = load_run(b, elements, problem.dtype, at, lanes, active)
            store_run(b, target, wide, at, x, lanes, lanes)

    rows.emit(b, row, first_unit)
    return rows.units
