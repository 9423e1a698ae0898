"""Sizes that follow the batch: found by tracing a model for two batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Two primes, so that no other size of a model is taken for a multiple of them.
FIRST_BATCH: Final = 61
SECOND_BATCH: Final = 67


@dataclass(frozen=True)
class Size:
    """``factor * batch + rest``: a size, or another whole number of a graph."""

    factor: int
    rest: int

    @property
    def fixed(self) -> bool:
        """Whether it is the same for every batch."""
        return self.factor == 0


def size_of(first: int, second: int) -> Size | None:
    """Return what a number is, given its values for the two batch sizes.

    None where it is no whole multiple of the batch and a rest.

    >>> size_of(61 * 3, 67 * 3), size_of(5, 5)
    (Size(factor=3, rest=0), Size(factor=0, rest=5))
    """
    factor, left = divmod(second - first, SECOND_BATCH - FIRST_BATCH)
    return None if left else Size(factor, first - factor * FIRST_BATCH)


def sizes_of(first: Sequence[int], second: Sequence[int]) -> list[Size] | None:
    """Return several numbers; None where one of them is nothing that can be said."""
    found = [size_of(*pair) for pair in zip(first, second, strict=True)]
    return None if None in found else [one for one in found if one is not None]
