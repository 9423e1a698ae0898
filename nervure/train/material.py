"""From what users pass as data to a feed: in memory, in a file, or in batches.

Arrays in memory are checked as a whole before anything is computed.  What is read while
training goes on is checked when it is read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nervure import tree
from nervure.errors import ArgumentError, DataError, explain
from nervure.ir.attrs import NDArray
from nervure.train import checks
from nervure.train.batch_sources import RawBatch, is_batches, source_of
from nervure.train.examples import Raw, fitted_rows, read_raw
from nervure.train.feed import Feed, RowsFeed
from nervure.train.inputs import announce_types, read_inputs
from nervure.train.lazy_data import (
    LazyData,
    LazyParts,
    has_lazy,
    lazy_data,
    present,
    read_features,
)
from nervure.train.lazy_rows import as_column, is_lazy
from nervure.train.rows import Form, Rows
from nervure.train.shuffle import Order
from nervure.train.streams import BatchFeed, LazyFeed

if TYPE_CHECKING:
    from nervure.train.model import Model


class Given(NamedTuple):
    """Data as a user passed them; ``of`` says in messages which data set it is."""

    x: Any
    y: Any
    weights: Any
    of: str = ""

    @classmethod
    def validation(cls, value: Any) -> Given:
        """Return ``validation_data``: a tuple of arrays, or batches."""
        of = " of validation_data"
        if is_batches(value):
            return cls(value, None, None, of)
        return cls(*checks.data_tuple(value), of)

    @property
    def in_batches(self) -> bool:
        """Whether batches come, instead of rows."""
        return is_batches(self.x)

    @property
    def in_file(self) -> bool:
        """Whether any of the arrays is read when it is needed."""
        return any(map(has_lazy, (self.x, self.y, self.weights)))


class Batching(NamedTuple):
    """How data are cut into batches."""

    size: int
    whole_batches: bool = False
    # None: an epoch is a pass, however many batches that has.
    steps: int | None = None


class Material(NamedTuple):
    """Data that are ready: their feed, and how they are arranged."""

    feed: Feed
    form: Form


class Loader:
    """Makes material for one model.

    Parameters
    ----------
    model
        A compiled model.
    class_weight
        The argument of ``fit``; rows get the weights of their classes.
    verbose
        Whether it is said that inputs are computed in another type.
    """

    def __init__(
        self, model: Model, class_weight: Any = None, verbose: int | str = 0
    ) -> None:
        self._model = model
        self._verbose = verbose
        self._class_weight = class_weight

    def material(self, given: Given, batching: Batching) -> Material:
        """Return checked data of any kind."""
        if given.in_batches:
            return self._batches(given, batching)
        if given.in_file:
            return self._lazy(_lazy_data(given), given.of, batching)
        raw = read_raw(self._model, given.x, given.y, given.weights, given.of)
        return self.in_memory(raw, given.of, batching)

    def split(
        self, given: Given, share: float, batching: Batching, held_out: Batching
    ) -> tuple[Material, Material]:
        """Return the first rows and, for validation, the last ones.

        Rows in memory are checked together; the errors name the places in all of them.
        """
        if given.in_batches:
            raise ArgumentError(
                explain(
                    "validation_split cuts arrays, but x comes in batches: it is of "
                    f"type {type(given.x).__name__}",
                    fix="pass validation_data",
                )
            )
        if given.in_file:
            data = _lazy_data(given)
            kept = checks.split_point(data.count, share)
            return (
                self._lazy(data.between(0, kept), given.of, batching),
                self._lazy(data.between(kept, data.count), given.of, held_out, False),
            )
        raw = read_raw(self._model, given.x, given.y, given.weights, given.of)
        kept = checks.split_point(raw.count, share)
        return (
            self.in_memory(raw.between(0, kept), given.of, batching),
            self.in_memory(raw.between(kept, raw.count), given.of, held_out, False),
        )

    # --- the three kinds -------------------------------------------------------------

    def in_memory(
        self, raw: Raw, of: str, batching: Batching, weighs: bool = True
    ) -> Material:
        """Return material for rows in memory."""
        rows = self._fitted(raw, of, weighs, prepares=True)
        return Material(RowsFeed(rows, _order(rows.count, batching)), rows.form)

    def _lazy(
        self,
        data: LazyData | LazyParts,
        of: str,
        batching: Batching,
        weighs: bool = True,
    ) -> Material:
        head = data.read(self._model, np.arange(1), of)
        if isinstance(data, LazyData) and isinstance(data.y, np.ndarray):
            # Targets that are in memory anyway are checked before anything starts.
            whole = replace(head, y=(data.y,), weights=(data.weights_in_memory,))
            fitted = self._fitted(whole, of, weighs, prepares=True)
            data = data.with_targets(fitted.y[0], next(iter(fitted.weights), None))
            has_weights = data.weights is not None
            form = Form(tree.LEAF, tree.LEAF, tree.LEAF if has_weights else tree.NONE)

            def read(numbers: NDArray) -> Rows:
                raw = data.read(self._model, numbers, of)
                return Rows(
                    form, raw.x, *(present(one) for one in (raw.y, raw.weights))
                )

        else:
            form = self._fitted(head, of, weighs, prepares=True).form

            def read(numbers: NDArray) -> Rows:
                raw = data.read(self._model, numbers, of)
                return self._fitted(raw, of, weighs)

        order = _order(data.count, batching)
        parts = present((*head.x, *head.y, *head.weights))
        row_bytes = sum(one.nbytes for one in parts)
        return Material(LazyFeed(read, order, row_bytes), form)

    def _batches(self, given: Given, batching: Batching) -> Material:
        for name in ("y", "sample_weight"):
            if getattr(given, name.replace("sample_weight", "weights")) is not None:
                raise ArgumentError(
                    explain(
                        f"{name}{given.of} must be None when x comes in batches (x is "
                        f"of type {type(given.x).__name__})",
                        fix="let each batch be (x, y) or (x, y, sample_weight)",
                    )
                )

        def check(batch: RawBatch) -> Raw:
            of = f"{given.of} of batch {batch.number}"
            if batch.number == 0:
                announce_types(self._model, batch.x, self._verbose)
            return read_raw(self._model, batch.x, batch.y, batch.weights, of)

        source = source_of(given.x)
        what = given.of.removeprefix(" of ") or "x"
        feed = BatchFeed(source, check, f"{what} (a {type(given.x).__name__})")
        whole_passes = batching.steps is None and feed.batches is None
        head = feed.first_rows(whole_passes)
        form = self._fitted(head, f"{given.of} of batch 0", prepares=True).form

        def fit(raw: Raw, of: str) -> Rows:
            rows = self._fitted(raw, given.of + of)
            if rows.form != form:
                raise DataError(
                    explain(
                        f"x, y and weights{given.of}{of} are arranged in another way "
                        "than those of the first batch",
                        fix="let all batches be (x, y), or all (x, y, sample_weight)",
                    )
                )
            return rows

        feed.fit = fit
        return Material(feed, form)

    def _fitted(
        self, raw: Raw, of: str, weighs: bool = True, *, prepares: bool = False
    ) -> Rows:
        """Return rows whose targets are as the losses take them."""
        class_weight = self._class_weight if weighs else None
        return fitted_rows(self._model, raw, class_weight, of, prepares=prepares)


def _lazy_data(given: Given) -> Any:
    return lazy_data(given.x, given.y, given.weights, given.of)


def _order(rows: int, batching: Batching) -> Order:
    return Order(rows, batching.size, whole_batches=batching.whole_batches)


# --- features alone -----------------------------------------------------------------


def feature_batches(
    model: Model, x: Any, batch_size: int, steps: int | None
) -> tuple[BatchFeed | LazyFeed, int | None]:
    """Return a feed of features alone, for ``predict``, and its number of batches."""
    feed: BatchFeed | LazyFeed
    if is_batches(x):

        def check(batch: RawBatch) -> Raw:
            arrays, structure = read_inputs(model, batch.x, f" of batch {batch.number}")
            return Raw(arrays, structure, (), ())

        feed = BatchFeed(source_of(x), check, f"x (a {type(x).__name__})")
    elif is_lazy(x):
        column = as_column(x)
        checks.not_empty_shape(column.shape, "x")

        def read(numbers: NDArray) -> Rows:
            x = read_features(model, column, numbers, "")
            return Rows(Form(tree.LEAF), (x,))

        size = math.prod(column.shape[1:]) * 4
        feed = LazyFeed(read, Order(column.shape[0], batch_size), size)
    else:
        feed = _several_features(model, LazyParts.of(x, None, None, ""), batch_size)
    known = feed.batches
    if steps is None or known is None:
        return feed, steps or known
    return feed, min(steps, known)


def _several_features(model: Model, data: LazyParts, batch_size: int) -> LazyFeed:
    """Return a feed of several inputs."""

    def read(numbers: NDArray) -> Rows:
        with checks.numbered(numbers):
            arrays, structure = read_inputs(model, data.arranged(numbers)[0])
        return Rows(Form(structure), arrays)

    head = read(np.arange(1))
    row_bytes = sum(one.nbytes for one in head.x)
    feed = LazyFeed(read, Order(data.count, batch_size), row_bytes)
    feed.structure = head.form.x
    return feed
