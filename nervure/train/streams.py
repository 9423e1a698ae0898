"""Feeds of data that a thread reads while training goes on, a few steps ahead."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from nervure import tree
from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.train.batch_sources import RawBatch, Source
from nervure.train.examples import Raw
from nervure.train.feed import Piece
from nervure.train.prefetch import close, prefetched
from nervure.train.rows import Rows
from nervure.train.shuffle import Order

# The bytes that are read at once: enough steps for one native call, and little beside
# the memory that a network takes.
_BYTES_AT_ONCE: Final = 1 << 23
_MOST_STEPS: Final = 256
# How many such parts wait while another one is used.
_PARTS_AHEAD: Final = 2

Reader = Callable[[NDArray], Rows]
Checker = Callable[[RawBatch], Raw]
Fitter = Callable[[Raw, str], Rows]


class LazyFeed:
    """The batches of rows that stay in a file.

    Several batches are read at once, into arrays of always the same shape, so that one
    native call runs several steps and there is one program for all of them.

    Parameters
    ----------
    read
        Returns the checked rows of certain numbers.
    order
        Which rows the batches have.
    row_bytes
        The bytes of one row, when it is read.
    """

    def __init__(self, read: Reader, order: Order, row_bytes: int) -> None:
        self._read = read
        self._order = order
        self.batches: int | None = order.batches
        self.structure = tree.LEAF  # how its inputs are arranged
        affordable = _BYTES_AT_ONCE // max(1, row_bytes * order.batch_size)
        self._steps = max(1, min(affordable, _MOST_STEPS, order.batches))

    @property
    def seed(self) -> int | None:
        """What decides the order of the rows."""
        return self._order.seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        self._order.seed = value

    def pieces(self, first: int, count: int | None) -> Iterator[Piece]:
        """Yield ``count`` batches from batch ``first`` on."""
        total = self._order.batches if count is None else count
        return prefetched(self._read_pieces(first, total), _PARTS_AHEAD)

    def _read_pieces(self, first: int, count: int) -> Iterator[Piece]:
        room = self._steps * min(self._order.batch_size, self._order.rows)
        for block in self._order.steps(first, count):
            for start in range(0, len(block), self._steps):
                part = block[start : start + self._steps]
                rows = self._read(part.reshape(-1))
                places = np.arange(part.size).reshape(part.shape)
                yield Piece([_filled_up(one, room) for one in rows.constants], places)


def _filled_up(values: NDArray, room: int) -> NDArray:
    """Return values ``[n, ...]`` as ``[room, ...]``; nobody reads what is added."""
    if len(values) == room:
        return values
    result = np.zeros((room, *values.shape[1:]), values.dtype)
    result[: len(values)] = values
    return result


class BatchFeed:
    """The batches that a user's program makes.

    Parameters
    ----------
    source
        Where they come from.
    check
        Turns a batch into rows and checks them by themselves; runs in the thread.
    what
        What the source is called in messages.
    """

    def __init__(self, source: Source, check: Checker, what: str) -> None:
        self._source = source
        self._check = check
        self._what = what
        # What does not fit the loss is found when the output is known; see plan.py.
        self.fit: Fitter = lambda raw, of: raw.inputs
        self.batches = source.batches
        self.structure = tree.LEAF  # how its inputs are arranged
        # The batches from the beginning on, when the first one was looked at.
        self._started: Iterator[RawBatch] | None = None
        self._passes = 0

    @property
    def seed(self) -> int | None:
        """What decides the order of the batches."""
        return self._source.seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        if self._source.has_order:
            self._source.seed = value

    def first_rows(self, whole_passes: bool) -> Raw:
        """Return a batch to look at; one that was drawn for it stays the first one.

        Raises :class:`~nervure.errors.DataError` when there is none.
        """
        found = self._source.look()
        if found is not None:
            return self._check(found)
        stream = self._stream(0, whole_passes)
        first = next(stream, None)
        if first is None:
            raise self._exhausted()
        self._started = itertools.chain([first], stream)
        return self._check(first)

    def _stream(self, first: int, whole_passes: bool) -> Iterator[RawBatch]:
        if whole_passes:
            return self._source.one_pass(first)
        return self._source.batches_from(first)

    def pieces(self, first: int, count: int | None) -> Iterator[Piece]:
        """Yield ``count`` batches from batch ``first`` on; None: those of a pass."""
        checked = prefetched(self._checked(first, count), self._source.ahead)
        done = 0
        try:
            for raw, number in checked:
                self.structure = raw.structure
                fitted = self.fit(raw, f" of batch {number}")
                done += 1
                yield Piece(fitted.constants, np.arange(fitted.count)[None])
        finally:
            close(checked)
        if count is None:
            if not done:
                raise self._exhausted()
            self.batches = first + done
        elif done < count:
            raise self._too_few(first + done, first + count)

    def _checked(self, first: int, count: int | None) -> Iterator[tuple[Raw, int]]:
        started, self._started = self._started, None
        stream: Iterator[RawBatch]
        if started is not None:
            stream = itertools.islice(started, first, None)
        else:
            stream = self._stream(first, count is None)
        # Never more than are asked for: a generator goes on from there.
        for raw in stream if count is None else itertools.islice(stream, count):
            yield self._check(raw), raw.number

    def _exhausted(self) -> DataError:
        return DataError(
            explain(
                f"{self._what} has no batches (any more)",
                fix="a generator gives each batch once: let it repeat (while True) and "
                "pass steps_per_epoch, or pass a PyDataset or a DataLoader",
            )
        )

    def _too_few(self, done: int, wanted: int) -> DataError:
        return DataError(
            explain(
                f"{self._what} ended after {done} batches, but {wanted} were expected",
                fix="let a generator repeat (while True), or ask for fewer: "
                "steps_per_epoch times epochs, validation_steps, steps",
            )
        )
