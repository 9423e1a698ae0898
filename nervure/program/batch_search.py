"""The largest batch that fits into memory, found by planning alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nervure.errors import ArgumentError, explain
from nervure.program.amounts import byte_text
from nervure.program.memory import Memory

# No batch is larger; where memory does not grow with the batch, this is the answer.
MOST_ROWS: Final = 2**20
# By how much the search grows until something does not fit.
_FIRST_STEP: Final = 16


def largest_batch(budget: int, plan: Callable[[int], Memory | None]) -> int:
    """Return the number of rows that fits, while one row more does not.

    Parameters
    ----------
    budget
        Bytes of the arena.
    plan
        ``(rows) -> memory`` of the program for a batch of so many rows; None if there
        is no way to run it within the budget.

    Raises
    ------
    ArgumentError
        When not even one row fits; it names what is needed and the largest buffer.
    """
    known: dict[int, int | None] = {}

    def needed(rows: int) -> int | None:
        """Return the bytes for so many rows, None if they can never fit."""
        if rows not in known:
            memory = plan(rows)
            known[rows] = None if memory is None else memory.peak_bytes
        return known[rows]

    def fits(rows: int) -> bool:
        nbytes = needed(rows)
        return nbytes is not None and nbytes <= budget

    if not fits(1):
        raise _nothing_fits(budget, plan(1))
    low, high = 1, _FIRST_STEP
    while fits(high):
        if high >= MOST_ROWS:
            return MOST_ROWS
        low, high = high, min(MOST_ROWS, _FIRST_STEP * high)
    halve = False
    while high - low > 1:
        middle = (low + high) // 2
        if not halve:
            middle = _expected(budget, low, needed(low), high, needed(high))
        halve = not halve  # memory may grow in steps, where expectations fail
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _expected(
    budget: int, low: int, low_bytes: int | None, high: int, high_bytes: int | None
) -> int:
    """Return the rows between two numbers that fit if memory grows evenly."""
    if low_bytes is None or high_bytes is None or high_bytes <= low_bytes:
        return (low + high) // 2
    share = (budget - low_bytes) / (high_bytes - low_bytes)
    return min(max(low + round(share * (high - low)), low + 1), high - 1)


def _nothing_fits(budget: int, memory: Memory | None) -> ArgumentError:
    text = f"not even one row fits into {byte_text(budget)}"
    if memory is None:
        return ArgumentError(explain(text, fix="pass a larger budget"))
    largest = memory.at(memory.peak_moment)[0]
    return ArgumentError(
        explain(
            f"{text}: a batch of one row needs {memory.peak_bytes} bytes "
            f"({byte_text(memory.peak_bytes)}), of which {largest.name!r} takes "
            f"{byte_text(largest.space)}",
            fix=f"pass a budget of at least {memory.peak_bytes}",
        )
    )
