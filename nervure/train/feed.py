"""What gives the training loop its batches.

A *feed* yields :class:`Piece` objects: arrays, and for each of some steps the numbers
of the rows that it takes from them.  Rows in memory are one set of arrays for all
steps (:class:`RowsFeed`); ``train/streams.py`` has the feeds of data that are read
while training goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from nervure.ir.attrs import NDArray
from nervure.train.rows import Rows
from nervure.train.shuffle import Order


class Piece(NamedTuple):
    """Batches of one size.

    Attributes
    ----------
    arrays
        What a step takes as its constants: x, y and perhaps weights.
    rows
        ``int64[steps, batch]``: which rows of the arrays each step takes.
    """

    arrays: list[NDArray]
    rows: NDArray


class Feed(Protocol):
    """Batches of data, pass after pass.

    Attributes
    ----------
    batches
        How many batches a pass has; None while nobody knows.
    seed
        What decides the order of the rows; None where nothing is to be decided.
    """

    batches: int | None
    seed: int | None

    def pieces(self, first: int, count: int | None) -> Iterator[Piece]:
        """Yield ``count`` batches from batch ``first`` on; None: to the pass's end.

        Batches are counted through all passes, so an epoch may be shorter or longer
        than a pass.
        """
        ...


class RowsFeed:
    """The batches of rows that are in memory."""

    def __init__(self, rows: Rows, order: Order) -> None:
        self._rows = rows
        self._order = order
        self.batches: int | None = order.batches

    @property
    def seed(self) -> int | None:
        """What decides the order of the rows."""
        return self._order.seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        self._order.seed = value

    def first_rows(self, count: int) -> Rows:
        """Return the first rows as they were given, at most ``count``."""
        return self._rows.between(0, count)

    def pieces(self, first: int, count: int | None) -> Iterator[Piece]:
        """Yield ``count`` batches from batch ``first`` on."""
        arrays = self._rows.constants
        total = self._order.batches if count is None else count
        for block in self._order.steps(first, total):
            yield Piece(arrays, block)
