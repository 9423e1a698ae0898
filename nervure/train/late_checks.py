"""Checks of large arrays that are made only when a training step has met bad values.

Looking at every number of a large data set takes as long as a third of an epoch of a
small network.  A training step reads them anyway, and ``0 * x`` is 0 for every finite
x; so the step adds that up, and after an epoch one number tells whether all values
were finite.  If not, everything that training has changed gets its old value back, and
the data are searched for the value to name in the error.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import DataError, explain
from nervure.state import Cell

if TYPE_CHECKING:
    from nervure.train.model import Model

Check = Callable[[], None]

# Arrays of fewer bytes are looked at beforehand: that takes no time.
LARGE: Final = 2**24

_collected: Final[ContextVar[list[Check] | None]] = ContextVar(
    "nervure_late_checks", default=None
)


@contextlib.contextmanager
def collecting() -> Iterator[list[Check]]:
    """Put the checks of large arrays off; yields the list of them."""
    checks: list[Check] = []
    token = _collected.set(checks)
    try:
        yield checks
    finally:
        _collected.reset(token)


def put_off(nbytes: int, check: Check) -> bool:
    """Remember a check of an array for later, if it is large and somebody collects."""
    checks = _collected.get()
    if checks is None or nbytes < LARGE:
        return False
    checks.append(check)
    return True


class Suspicion(Cell):
    """A number that is 0 as long as all values of large arrays were finite."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_nothing(), "suspicion")

    def watch(self, data: Sequence[Array], batch: Sequence[Array]) -> None:
        """Let a traced step look at the rows that it takes from large arrays."""
        for whole, rows in zip(data, batch, strict=True):
            if dtypes.is_float(whole.dtype) and whole.nbytes >= LARGE:
                flat = ops.reshape(rows, (rows.shape[0], -1)).astype("float32")
                self.value = self.value + ops.sum(ops.sum(flat * 0.0, axis=1))

    def clear(self) -> None:
        """Begin anew."""
        self.store(_nothing())

    @property
    def is_justified(self) -> bool:
        """Whether a value was not finite."""
        return not math.isfinite(float(self.stored))


def _nothing() -> Array:
    return Array.of_value(np.zeros((), np.float32))


class LateChecks:
    """What is to be done if a step becomes suspicious.

    Parameters
    ----------
    suspicion
        What the training step adds to.
    checks
        They raise the error that names the bad value.
    """

    def __init__(self, suspicion: Suspicion, checks: Sequence[Check]) -> None:
        self._suspicion = suspicion
        self._checks = list(checks)
        self._before: dict[Cell, Array] = {}

    def begin(self, model: Model) -> None:
        """Remember the state before training, without copying anything."""
        self._suspicion.clear()
        if self._checks:
            self._before = {cell: cell.stored for cell in _cells(model)}

    def restore(self) -> bool:
        """Undo the training if a value was not finite; tells whether that was so."""
        if not self._checks or not self._suspicion.is_justified:
            return False
        for cell, value in self._before.items():
            cell.store(value)
        return True

    def look(self) -> None:
        """Undo the training and raise if a value was not finite."""
        if not self.restore():
            return
        for check in self._checks:
            check()
        raise DataError(
            explain(
                "a value of the data was not finite when it was used for training, but "
                "all are finite now",
                fix="do not change the arrays while fit runs",
            )
        )


def _cells(model: Model) -> list[Cell]:
    from nervure.train.saving.state import metric_cells, model_cells, optimizer_cells

    groups = model_cells(model), optimizer_cells(model), metric_cells(model)
    return [cell for group in groups for cell in group.values()]
