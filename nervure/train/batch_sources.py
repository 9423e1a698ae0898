"""Batches that users make: generators, iterables, torch's DataLoader, PyDataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nervure.errors import DataError, explain
from nervure.train.lazy_rows import is_lazy
from nervure.train.prefetch import parallel
from nervure.train.pydataset import PyDataset
from nervure.train.shuffle import Order


class RawBatch(NamedTuple):
    """What a source gave: x, y and weights as they came; its number, from 0."""

    x: Any
    y: Any
    weights: Any
    number: int


class Source:
    """Batches in passes.

    Attributes
    ----------
    batches
        How many a pass has; None while nobody knows.
    has_order, seed
        Whether their order can be chosen, and what decides it.
    ahead
        How many are to be made ahead.
    """

    batches: int | None = None
    has_order: bool = False
    seed: int | None = None
    ahead: int = 10

    def look(self) -> RawBatch | None:
        """Return some batch without beginning a pass, if that is possible."""
        return None

    def batches_from(self, first: int) -> Iterator[RawBatch]:
        """Yield batches from batch ``first`` on, pass after pass."""
        raise NotImplementedError

    def one_pass(self, first: int) -> Iterator[RawBatch]:
        """Yield the batches of one pass from batch ``first`` on."""
        raise NotImplementedError


class IteratorSource(Source):
    """A generator: each batch comes once, and nobody can turn it back."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator = iterator
        self._drawn = 0

    def batches_from(self, first: int) -> Iterator[RawBatch]:
        """Yield the batches that follow; those before ``first`` are thrown away."""
        return self.one_pass(first)

    def one_pass(self, first: int) -> Iterator[RawBatch]:
        """Yield the batches that follow."""
        while True:
            # Drawn one by one: never more than are asked for.
            try:
                given = next(self._iterator)
            except StopIteration:
                return
            number, self._drawn = self._drawn, self._drawn + 1
            if number >= first:
                yield raw_batch(given, number)


class IterableSource(Source):
    """Anything that can be iterated again and again, such as a DataLoader."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        try:
            self.batches = len(iterable)  # type: ignore[arg-type]
        except TypeError:
            self.batches = None
        # The pass that is going on, and where; an epoch may end in the middle of it.
        self._open: Iterator[Any] | None = None
        self._place = 0

    def batches_from(self, first: int) -> Iterator[RawBatch]:
        """Yield batches from batch ``first`` on, pass after pass."""
        if self._open is None or self._place != first:
            self._open, self._place = iter(self._iterable), 0
        while True:
            for given in self._open:
                number, self._place = self._place, self._place + 1
                if number >= first:
                    yield raw_batch(given, number)
            before = self._place
            self._open = iter(self._iterable)
            for given in itertools.islice(self._open, 1):
                number, self._place = self._place, self._place + 1
                if number >= first:
                    yield raw_batch(given, number)
            if self._place == before:
                return  # a new pass has no batch at all

    def one_pass(self, first: int) -> Iterator[RawBatch]:
        """Yield the batches of a new pass."""
        for number, given in enumerate(self._iterable):
            if number >= first:
                yield raw_batch(given, number)


class DatasetSource(Source):
    """A :class:`~nervure.utils.PyDataset`, or one of Keras."""

    has_order = True

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.batches = len(dataset)
        self.ahead = int(getattr(dataset, "max_queue_size", 10))
        self._workers = int(getattr(dataset, "workers", 1))

    def batches_from(self, first: int) -> Iterator[RawBatch]:
        """Yield batches from batch ``first`` on, pass after pass."""
        while self.batches:
            pass_number, skipped = divmod(first, self.batches)
            yield from self._pass(pass_number, skipped)
            first = (pass_number + 1) * self.batches

    def one_pass(self, first: int) -> Iterator[RawBatch]:
        """Yield the batches of the first pass."""
        return self._pass(0, first)

    def look(self) -> RawBatch | None:
        """Return some batch, without beginning a pass."""
        return self._batch(0) if self.batches else None

    def _pass(self, pass_number: int, skipped: int) -> Iterator[RawBatch]:
        assert self.batches is not None
        order = Order(self.batches, 1, self.seed)
        wanted = order.permutation(pass_number)[skipped:].tolist()
        _tell(self._dataset, "on_epoch_begin")
        made: Iterator[RawBatch] = map(self._batch, wanted)
        if self._workers > 1:
            made = parallel(self._batch, wanted, self._workers, self.ahead)
        for place, batch in enumerate(made, 1):
            # Told here, since nobody may ask for more after the last one.
            if place == len(wanted):
                _tell(self._dataset, "on_epoch_end")
            yield batch

    def _batch(self, index: int) -> RawBatch:
        return raw_batch(self._dataset[index], index)


def _tell(dataset: Any, method: str) -> None:
    found = getattr(dataset, method, None)
    if found is not None:
        found()


def raw_batch(given: Any, number: int) -> RawBatch:
    """Return a batch as its parts; raises for a tuple of another length."""
    # torch's DataLoader makes lists of tensors where the data set made tuples.
    is_list_of_arrays = isinstance(given, list) and all(
        hasattr(one, "shape") for one in given
    )
    if not isinstance(given, tuple) and not is_list_of_arrays:
        return RawBatch(given, None, None, number)
    if not 1 <= len(given) <= 3:
        raise DataError(
            explain(
                f"batch {number} is a {type(given).__name__} of {len(given)}, expected "
                "(x, y) or (x, y, sample_weight)",
                fix="yield (x, y)",
            )
        )
    x, y, weights = (*given, None, None)[:3]
    return RawBatch(x, y, weights, number)


def is_batches(data: Any) -> bool:
    """Tell whether data come in batches, not in rows."""
    if _is_dataset(data):
        return True
    # A sequence (a list, a range, a deque) holds rows.
    if data is None or isinstance(data, Sequence | dict | type):
        return False
    if hasattr(data, "__array__") or hasattr(data, "shape") or is_lazy(data):
        return False
    if hasattr(data, "to_numpy") or hasattr(data, "toarray"):
        return False
    return isinstance(data, Iterable)


def source_of(data: Any) -> Source:
    """Return the source for what :func:`is_batches` accepts."""
    if _is_dataset(data):
        return DatasetSource(data)
    if isinstance(data, Iterator):
        return IteratorSource(data)
    return IterableSource(data)


def _is_dataset(data: Any) -> bool:
    """Tell whether data are a PyDataset, ours or Keras' (which is not imported)."""
    return isinstance(data, PyDataset) or any(
        one.__name__ in ("PyDataset", "Sequence")
        and one.__module__.partition(".")[0] in ("keras", "tensorflow", "tf_keras")
        for one in type(data).__mro__
    )
