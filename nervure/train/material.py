"""From what users pass as data to a feed: in memory, in a file, or in batches.

Arrays in memory are checked as a whole before anything is computed.  What is read while
training goes on is checked when it is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray
from nervure.train import checks, targets
from nervure.train.batch_sources import RawBatch, is_batches, source_of
from nervure.train.compile import Compiled
from nervure.train.data import Numbers, Rows, as_numbers, features
from nervure.train.data import targets as as_targets
from nervure.train.feed import Feed, RowsFeed
from nervure.train.lazy_rows import Column, as_column, is_lazy
from nervure.train.prediction import Prediction, check_features, prediction_of
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
        return any(map(is_lazy, self))


class Batching(NamedTuple):
    """How data are cut into batches."""

    size: int
    whole_batches: bool = False
    # None: an epoch is a pass, however many batches that has.
    steps: int | None = None


class Material(NamedTuple):
    """Data that are ready: their feed, some targets, and what the model makes of x."""

    feed: Feed
    y: NDArray
    output: Prediction


class Loader:
    """Makes material for one model.

    Parameters
    ----------
    model, compiled
        The model, and what its ``compile`` was given.
    class_weight
        The argument of ``fit``; rows get the weights of their classes.
    """

    def __init__(
        self, model: Model, compiled: Compiled, class_weight: Any = None
    ) -> None:
        self._model = model
        self._compiled = compiled
        self._class_weight = class_weight

    def material(self, given: Given, batching: Batching) -> Material:
        """Return checked data of any kind."""
        if given.in_batches:
            return self._batches(given, batching)
        if given.in_file:
            return self._lazy(LazyData.of(given), given.of, batching)
        rows = read_rows(self._model, given.x, given.y, given.weights, given.of)
        return self.in_memory(rows, given.of, batching)

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
            data = LazyData.of(given)
            kept = checks.split_point(data.count, share)
            return (
                self._lazy(data.between(0, kept), given.of, batching),
                self._lazy(data.between(kept, data.count), given.of, held_out, False),
            )
        rows = read_rows(self._model, given.x, given.y, given.weights, given.of)
        kept = checks.split_point(rows.count, share)
        return (
            self.in_memory(rows.between(0, kept), given.of, batching),
            self.in_memory(rows.between(kept, rows.count), given.of, held_out, False),
        )

    # --- the three kinds -------------------------------------------------------------

    def in_memory(
        self, raw: Rows, of: str, batching: Batching, weighs: bool = True
    ) -> Material:
        """Return material for rows in memory."""
        output = prediction_of(self._model, raw.x)
        rows = self._fitted(raw, output, of, weighs)
        return Material(RowsFeed(rows, _order(rows.count, batching)), rows.y, output)

    def _lazy(
        self, data: LazyData, of: str, batching: Batching, weighs: bool = True
    ) -> Material:
        head = data.read(self._model, np.arange(1), of)
        output = prediction_of(self._model, head.x)
        if isinstance(data.y, np.ndarray):
            # Targets that are in memory anyway are checked before anything starts.
            whole = Rows(data.y, data.y, data.weights_in_memory)
            fitted = self._fitted(whole, output, of, weighs)
            data = data.with_targets(fitted.y, fitted.weights)

            def read(numbers: NDArray) -> Rows:
                return data.read(self._model, numbers, of)

            y = fitted.y
        else:

            def read(numbers: NDArray) -> Rows:
                rows = data.read(self._model, numbers, of)
                return self._fitted(rows, output, of, weighs)

            y = read(np.arange(1)).y
        order = _order(data.count, batching)
        row_bytes = sum(one.nbytes for one in head.constants)
        return Material(LazyFeed(read, order, row_bytes), y, output)

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

        def check(raw: RawBatch) -> Rows:
            of = f"{given.of} of batch {raw.number}"
            return read_rows(self._model, raw.x, raw.y, raw.weights, of)

        def fit(rows: Rows, of: str) -> Rows:
            output = prediction_of(self._model, rows.x)
            return self._fitted(rows, output, given.of + of)

        source = source_of(given.x)
        what = given.of.removeprefix(" of ") or "x"
        feed = BatchFeed(source, check, f"{what} (a {type(given.x).__name__})")
        whole_passes = batching.steps is None and feed.batches is None
        head = feed.first_rows(whole_passes)
        output = prediction_of(self._model, head.x)
        feed.fit = fit
        return Material(feed, fit(head, " of batch 0").y, output)

    def _fitted(
        self, rows: Rows, output: Prediction, of: str, weighs: bool = True
    ) -> Rows:
        """Return rows whose targets are as the loss takes them."""
        fitted = targets.fitted(self._compiled.loss, rows, output, of)
        if self._class_weight is None or not weighs:
            return fitted
        return targets.weighted_by_class(fitted, output, self._class_weight)


def _order(rows: int, batching: Batching) -> Order:
    return Order(rows, batching.size, whole_batches=batching.whole_batches)


# --- rows in files ------------------------------------------------------------------


@dataclass(frozen=True)
class LazyData:
    """x, y and weights of which at least one is read when it is needed.

    Those in memory are arrays already, the others columns.
    """

    x: Column
    y: Column | NDArray
    weights: Column | NDArray | None

    @classmethod
    def of(cls, given: Given) -> LazyData:
        """Return the data with equally many rows; raises for others."""
        of = given.of
        x = given.x if is_lazy(given.x) else as_numbers(given.x, f"x{of}").values
        columns = [as_column(x)]
        checks.not_empty_shape(columns[0].shape, f"x{of}")
        y: Column | NDArray
        if is_lazy(given.y):
            y = as_column(given.y)
        else:
            given_y = as_numbers(given.y, f"y{of}")
            y = as_targets(given_y)
            _check_values(y, given_y, f"y{of}")
        counts = [(f"x{of}", columns[0].shape[0]), (f"y{of}", int(y.shape[0]))]
        checks.same_length(counts)
        weights: Column | NDArray | None = None
        if is_lazy(given.weights):
            weights = as_column(given.weights)
            counts.append((f"sample_weight{of}", weights.shape[0]))
            checks.same_length(counts)
        elif given.weights is not None:
            weights = read_weights(given.weights, columns[0].shape[0], of)
        return cls(columns[0], y, weights)

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.x.shape[0]

    @property
    def weights_in_memory(self) -> NDArray | None:
        """The weights, if they are in memory."""
        return self.weights if isinstance(self.weights, np.ndarray) else None

    def between(self, start: int, stop: int) -> LazyData:
        """Return some of the rows, without reading them."""
        return LazyData(
            self.x.between(start, stop),
            _between(self.y, start, stop),
            None if self.weights is None else _between(self.weights, start, stop),
        )

    def with_targets(self, y: NDArray, weights: NDArray | None) -> LazyData:
        """Return the data with other targets, and with weights if there are any."""
        return replace(self, y=y, weights=self.weights if weights is None else weights)

    def read(self, model: Model, numbers: NDArray, of: str) -> Rows:
        """Return some rows, checked."""
        what = f"x{of}"
        given = as_numbers(self.x.read(numbers), what)
        values = features(given, model.input_dtype)
        checks.finite(values, given, what, numbers + self.x.start)
        x = check_features(model, values, what)
        y = self.y
        if isinstance(y, Column):
            given_y = as_numbers(y.read(numbers), f"y{of}")
            y = as_targets(given_y)
            checks.finite(y, given_y, f"y{of}", numbers + self.x.start)
        else:
            y = y[numbers]
        if isinstance(self.weights, Column):
            read = self.weights.read(numbers)
            return Rows(x, y, read_weights(read, len(x), of, may_be_zero=True))
        weights = None if self.weights is None else self.weights[numbers]
        return Rows(x, y, weights)


def _between(one: Column | NDArray, start: int, stop: int) -> Any:
    return one.between(start, stop) if isinstance(one, Column) else one[start:stop]


# --- rows in memory -----------------------------------------------------------------


def read_features(model: Model, x: Any, what: str) -> NDArray:
    """Return checked features in the type in which a step takes them."""
    given = as_numbers(x, what)
    values = features(given, model.input_dtype)
    _check_values(values, given, what)
    return check_features(model, values, what)


def read_rows(model: Model, x: Any, y: Any, sample_weight: Any, of: str = "") -> Rows:
    """Return checked features, targets and weights; ``of`` says of which data set."""
    given_y = as_numbers(y, f"y{of}")
    y_values = as_targets(given_y)
    x_values = read_features(model, x, f"x{of}")
    checks.same_length([(f"x{of}", len(x_values)), (f"y{of}", len(y_values))])
    _check_values(y_values, given_y, f"y{of}")
    if sample_weight is None:
        return Rows(x_values, y_values)
    return Rows(x_values, y_values, read_weights(sample_weight, len(x_values), of))


def read_weights(
    sample_weight: Any, rows: int, of: str, *, may_be_zero: bool = False
) -> NDArray:
    """Return checked weights, ``float32[rows]``."""
    what = f"sample_weight{of}"
    given = as_numbers(sample_weight, what)
    weights = np.asarray(given.values, np.float32)
    checks.sample_weights(weights, given, rows, what, may_be_zero or " batch " in of)
    return np.ascontiguousarray(weights)


def _check_values(values: NDArray, given: Numbers, what: str) -> None:
    checks.not_empty(values, what)
    checks.finite(values, given, what)


# --- features alone -----------------------------------------------------------------


def feature_batches(
    model: Model, x: Any, batch_size: int, steps: int | None
) -> tuple[BatchFeed | LazyFeed, int | None]:
    """Return a feed of features alone, for ``predict``, and its number of batches."""
    feed: BatchFeed | LazyFeed
    if is_batches(x):

        def check(raw: RawBatch) -> Rows:
            values = read_features(model, raw.x, f"x of batch {raw.number}")
            return Rows(values, values[:0])

        feed = BatchFeed(source_of(x), check, f"x (a {type(x).__name__})")
    else:
        column = as_column(x)
        checks.not_empty_shape(column.shape, "x")

        def read(numbers: NDArray) -> Rows:
            given = as_numbers(column.read(numbers), "x")
            values = features(given, model.input_dtype)
            checks.finite(values, given, "x", numbers)
            return Rows(check_features(model, values, "x"), values[:0])

        size = math.prod(column.shape[1:]) * 4
        feed = LazyFeed(read, Order(column.shape[0], batch_size), size)
    known = feed.batches
    if steps is None or known is None:
        return feed, steps or known
    return feed, min(steps, known)
