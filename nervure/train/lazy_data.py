"""Data of which some arrays stay in files: what is read for the rows of some steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nervure import tree
from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray
from nervure.train import checks
from nervure.train.data import Numbers, as_numbers
from nervure.train.data import targets as as_targets
from nervure.train.examples import Raw, checked_weights, read_raw
from nervure.train.inputs import checked_features, expected_shapes, parts_of
from nervure.train.lazy_rows import Column, as_column, is_lazy
from nervure.train.prediction import input_types
from nervure.train.tables import check_rows_of_tables

if TYPE_CHECKING:
    from nervure.train.model import Model


class Lazy(Protocol):
    """Rows that can be read by their numbers."""

    @property
    def count(self) -> int:
        """The number of rows."""
        ...

    def between(self, start: int, stop: int) -> Any:
        """Return some of the rows, without reading them."""
        ...

    def read(self, model: Model, numbers: NDArray, of: str) -> Raw:
        """Return some rows, checked."""
        ...


def has_lazy(data: Any) -> bool:
    """Tell whether data are read when needed, or hold an array that is."""
    return is_lazy(data) or any(map(is_lazy, parts_of(data)[0]))


def lazy_data(x: Any, y: Any, weights: Any, of: str) -> LazyData | LazyParts:
    """Return data that :func:`has_lazy` accepts, with equally many rows."""
    several = any(
        isinstance(one, dict | list | tuple) and has_lazy(one)
        for one in (x, y, weights)
    )
    if several or isinstance(x, dict):
        return LazyParts.of(x, y, weights, of)
    return LazyData.of(x, y, weights, of)


# --- one input, one output ----------------------------------------------------------


@dataclass(frozen=True)
class LazyData:
    """x, y and weights of which at least one is read when it is needed.

    Those in memory are arrays already, the others columns.
    """

    x: Column
    y: Column | NDArray
    weights: Column | NDArray | None

    @classmethod
    def of(cls, given_x: Any, given_y: Any, given_weights: Any, of: str) -> LazyData:
        """Return the data with equally many rows; raises for others."""
        x = given_x if is_lazy(given_x) else as_numbers(given_x, f"x{of}").values
        columns = [as_column(x)]
        checks.not_empty_shape(columns[0].shape, f"x{of}")
        y: Column | NDArray
        if is_lazy(given_y):
            y = as_column(given_y)
        else:
            numbers = as_numbers(given_y, f"y{of}")
            y = as_targets(numbers)
            _check_values(y, numbers, f"y{of}")
        counts = [(f"x{of}", columns[0].shape[0]), (f"y{of}", int(y.shape[0]))]
        checks.same_length(counts)
        weights: Column | NDArray | None = None
        if is_lazy(given_weights):
            weights = as_column(given_weights)
            counts.append((f"sample_weight{of}", weights.shape[0]))
            checks.same_length(counts)
        elif given_weights is not None:
            what = f"sample_weight{of}"
            rows = [np.empty(columns[0].shape[0], bool)]
            weights = checked_weights(given_weights, what, rows, None)
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

    def read(self, model: Model, numbers: NDArray, of: str) -> Raw:
        """Return some rows, checked."""
        x = read_features(model, self.x, numbers, of)
        y = self.y
        if isinstance(y, Column):
            given_y = as_numbers(y.read(numbers), f"y{of}")
            y = as_targets(given_y)
            checks.finite(y, given_y, f"y{of}", numbers + self.x.start)
        else:
            y = y[numbers]
        free = tree.LEAF if model.compares_freely else None
        weights: NDArray | None = None
        if isinstance(self.weights, Column):
            # The rows of one batch may all have the weight 0.
            what = f"sample_weight{of} of one batch "
            weights = checked_weights(self.weights.read(numbers), what, [x], None)
        elif self.weights is not None:
            weights = self.weights[numbers]
        if free is not None:
            return Raw((x,), tree.LEAF, (y,), (), weights, free)
        return Raw((x,), tree.LEAF, (y,), (weights,))


def read_features(model: Model, column: Column, numbers: NDArray, of: str) -> NDArray:
    """Return rows of the only input of a model, checked."""
    shapes, types = expected_shapes(model, 1), input_types(model, 1)
    if len(shapes) != 1:
        raise ArgumentError(
            explain(
                f"the model {model.name!r} has {len(shapes)} inputs, but x{of} is one "
                "array in a file",
                fix="pass a PyDataset whose batches hold all inputs",
            )
        )
    data, places = column.read(numbers), numbers + column.start
    x = checked_features(model, data, f"x{of}", shapes[0], types[0], places)
    check_rows_of_tables(model, 0, x, f"x{of}", places)
    return x


def present(values: Iterable[NDArray | None]) -> tuple[NDArray, ...]:
    """Return the arrays that are there."""
    return tuple(one for one in values if one is not None)


def _between(one: Column | NDArray, start: int, stop: int) -> Any:
    return one.between(start, stop) if isinstance(one, Column) else one[start:stop]


def _check_values(values: NDArray, given: Numbers, what: str) -> None:
    checks.not_empty(values, what)
    checks.finite(values, given, what)


# --- several inputs or outputs ------------------------------------------------------


@dataclass(frozen=True)
class LazyParts:
    """x, y and weights in lists and dicts, all of which are read when needed."""

    columns: tuple[tuple[Column, ...], ...]
    structures: tuple[tree.Structure, ...]
    y: None = None  # nothing can be said about the targets before they are read

    @classmethod
    def of(cls, x: Any, y: Any, weights: Any, of: str) -> LazyParts:
        """Return the data with equally many rows; raises for others."""
        columns, structures, counts = [], [], []
        for name, data in (("x", x), ("y", y), ("sample_weight", weights)):
            parts, structure = parts_of(data)
            found = []
            for number, part in enumerate(parts):
                what = f"{name}{of}" if len(parts) == 1 else f"{name}[{number}]{of}"
                readable = part if is_lazy(part) else as_numbers(part, what).values
                found.append(as_column(readable))
                checks.not_empty_shape(found[-1].shape, what)
                counts.append((what, found[-1].shape[0]))
            columns.append(tuple(found))
            structures.append(structure)
        checks.same_length(counts)
        return cls(tuple(columns), tuple(structures))

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.columns[0][0].shape[0]

    def between(self, start: int, stop: int) -> LazyParts:
        """Return some of the rows, without reading them."""
        parts = tuple(
            tuple(one.between(start, stop) for one in group) for group in self.columns
        )
        return replace(self, columns=parts)

    def arranged(self, numbers: NDArray) -> list[Any]:
        """Return some rows of x, y and weights, as they were given."""
        return [
            tree.unflatten(structure, [one.read(numbers) for one in group])
            for group, structure in zip(self.columns, self.structures, strict=True)
        ]

    def read(self, model: Model, numbers: NDArray, of: str) -> Raw:
        """Return some rows, checked."""
        x, y, weights = self.arranged(numbers)
        with checks.numbered(numbers + self.columns[0][0].start):
            return read_raw(model, x, y, weights, of)
