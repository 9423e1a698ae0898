"""The search for the constant that weighs a loss against the size of a change.

Attacks that look for the smallest change minimise ``size + constant * loss``.  A large
constant reaches the aim by a large change, a small one does not reach it.
"""

from __future__ import annotations

import numpy as np

from nervure.ir.attrs import NDArray


class ConstantSearch:
    """A constant for each row: raised tenfold until it suffices, then halved in.

    Parameters
    ----------
    rows
        How many rows.
    first
        The first constant.

    >>> import numpy as np
    >>> search = ConstantSearch(1, 1.0)
    >>> for reached in (False, True, False):
    ...     search.learn(np.array([reached]))
    >>> search.constants.tolist()
    [7.75]
    """

    def __init__(self, rows: int, first: float) -> None:
        self.constants = np.full(rows, first)
        self._low = np.zeros(rows)
        self._high = np.full(rows, np.inf)

    def learn(self, reached: NDArray) -> None:
        """Take in for which rows the constant sufficed, and choose the next ones."""
        self._high = np.where(
            reached, np.minimum(self._high, self.constants), self._high
        )
        self._low = np.where(reached, self._low, np.maximum(self._low, self.constants))
        bounded = np.isfinite(self._high)
        middle = (self._low + np.where(bounded, self._high, 0.0)) / 2
        self.constants = np.where(bounded, middle, self.constants * 10)


class Smallest:
    """The smallest change found so far for each row."""

    def __init__(self, x: NDArray) -> None:
        self.samples = x.copy()
        self.distances = np.full(len(x), np.inf)

    def take(self, samples: NDArray, distances: NDArray, reached: NDArray) -> None:
        """Keep the rows that reached the aim by a smaller change than before."""
        better = reached & (distances < self.distances)
        self.samples[better] = samples[better]
        self.distances[better] = distances[better]
