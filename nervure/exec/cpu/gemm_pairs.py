"""bfloat16 in pairs: machines that multiply and add two neighbours of a sum at once.

``vdpbf16ps`` takes pairs of bfloat16 that follow each other along the sum, and adds
both products to a float32.  A pair is one element of 32 bits, so the sum gets half as
many steps and everything else stays as it is: x is read as i32 and repeated in all
lanes, and a panel of y holds one i32 for each column and step.

The instruction treats numbers too small for full precision as zero.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from nervure import dtypes
from nervure.exec.cpu.gemm_problem import Matrix, Problem
from nervure.exec.cpu.target import Target

# With fewer rows, bringing pairs together costs more than it saves.
FEWEST_ROWS: Final = 8
FEWEST_COLUMNS: Final = 4


def can_pair(problem: Problem, target: Target) -> bool:
    """Tell whether the sum is made in pairs."""
    y = problem.y
    return (
        target.bfloat16
        and problem.dtype == dtypes.bfloat16
        and problem.k > 0
        and problem.k % 2 == 0
        and problem.chunk % 2 == 0
        and problem.m >= FEWEST_ROWS
        and problem.n >= FEWEST_COLUMNS
        and (y.columns == 1 or _has_pairs(y, y.rows, y.columns))
    )


def _has_pairs(matrix: Matrix, along: int, across: int) -> bool:
    """Tell whether neighbours along the sum lie side by side, at even places."""
    places = (matrix.offset, across, *matrix.batch)
    return along == 1 and all(place % 2 == 0 for place in places)


def lies_in_pairs(problem: Problem) -> bool:
    """Tell whether x can be read in pairs where it is."""
    return _has_pairs(problem.x, problem.x.columns, problem.x.rows)


def in_pairs(problem: Problem, pairs: Matrix | None = None) -> Problem:
    """Return the problem with half as many steps; x must lie in pairs, or be given so.

    If y lies along its columns' sums it is read in pairs as well.  If it lies along its
    rows they are brought together, two at a time, when a panel is packed.
    """
    x, y = problem.x, problem.y
    if y.columns == 1:
        y = replace(y, rows=2 * y.rows)
    else:
        y = _halved(y, 1, y.columns // 2)
    return replace(
        problem,
        x=_halved(x, x.rows // 2, 1) if pairs is None else pairs,
        y=y,
        k=problem.k // 2,
        chunk=problem.chunk // 2,
        paired=True,
    )


def _halved(matrix: Matrix, rows: int, columns: int) -> Matrix:
    """Return a matrix of bfloat16 as one of pairs."""
    return Matrix(
        matrix.slot,
        dtypes.int32,
        matrix.offset // 2,
        tuple(stride // 2 for stride in matrix.batch),
        rows,
        columns,
    )
