"""The largest batch that fits into memory, found by planning alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nervure.errors import ArgumentError, explain
from nervure.program.amounts import byte_text
from nervure.program.memory import Memory

# No batch is larger; where memory does not grow with the batch, this is the answer.
MOST_ROWS: Final = 2**20


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

    def fits(rows: int) -> bool:
        memory = plan(rows)
        return memory is not None and memory.peak_bytes <= budget

    if not fits(1):
        raise _nothing_fits(budget, plan(1))
    low, high = 1, 2
    while fits(high):
        if high >= MOST_ROWS:
            return MOST_ROWS
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


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
