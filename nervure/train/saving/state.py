"""What changes in training, by name: weights, random counters, optimizer, metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nervure.array import Array
from nervure.errors import FileFormatError, explain
from nervure.ir.attrs import NDArray
from nervure.state import Cell

if TYPE_CHECKING:
    from nervure.train.model import Model

Cells = dict[str, Cell]


def weight_cells(model: Model) -> Cells:
    """Return the weights of a model."""
    return _named("weights", model.weights)


def model_cells(model: Model) -> Cells:
    """Return the weights of a model and the state of its random generators."""
    known = {id(one) for one in model.weights}
    others = [one for one in model.variables if id(one) not in known]
    return weight_cells(model) | _named("random", others)


def optimizer_cells(model: Model) -> Cells:
    """Return the state of a model's optimizer, whose slots are made if need be."""
    optimizer = model.optimizer
    if optimizer is None:
        return {}
    optimizer.build(model.trainable_variables)
    return _named("optimizer", optimizer.variables)


def metric_cells(model: Model) -> Cells:
    """Return the running values of the loss and the metrics."""
    found = [one for metric in model.metrics for one in metric.variables]
    return _named("metrics", found)


def _named(group: str, cells: Iterable[Cell]) -> Cells:
    """Return cells by names that sort in their order: ``weights/0003/dense/kernel``.

    The number tells which is which; automatic names of layers differ from one process
    to the next.
    """
    return {
        f"{group}/{place:04}/{getattr(cell, 'path', cell.name)}": cell
        for place, cell in enumerate(cells)
    }


def values_of(cells: Mapping[str, Cell]) -> dict[str, NDArray]:
    """Return copies of the values."""
    return {name: np.array(cell.stored.numpy()) for name, cell in cells.items()}


def store(
    path: Path, cells: Mapping[str, Cell], arrays: Mapping[str, NDArray], group: str
) -> None:
    """Set the cells of a group to the arrays of a file.

    Raises :class:`~nervure.errors.FileFormatError` when they are not for these cells;
    no cell is changed then.
    """
    prefix = f"{group}/"
    wanted = {_number(name): name for name in cells if name.startswith(prefix)}
    given = {_number(name): name for name in arrays if name.startswith(prefix)}
    if set(wanted) != set(given):
        raise FileFormatError(
            explain(
                f"{str(path)!r} holds {len(given)} arrays of {group}, the model has "
                f"{len(wanted)}",
                operands=_rows(given.values(), arrays)[:8],
                fix="make the model as it was when the file was written",
            )
        )
    for number, name in wanted.items():
        cell, value = cells[name], arrays[given[number]]
        if cell.shape != value.shape or cell.dtype != value.dtype:
            raise FileFormatError(
                explain(
                    f"{name!r} of the model is {cell.dtype.name}{list(cell.shape)}, "
                    f"but {given[number]!r} of {str(path)!r} is "
                    f"{value.dtype.name}{list(value.shape)}",
                    fix="make the model as it was when the file was written",
                )
            )
    for number, name in wanted.items():
        own = np.array(arrays[given[number]], order="C")
        own.flags.writeable = False
        cells[name].store(Array.of_value(own))


def _number(name: str) -> str:
    return name.split("/", 2)[1]


def _rows(
    names: Iterable[str], arrays: Mapping[str, NDArray]
) -> list[tuple[str, str, str]]:
    return [
        (name, f"{arrays[name].dtype.name}{list(arrays[name].shape)}", "in the file")
        for name in sorted(names)
    ]
