"""What must be true of arguments and data before anything is computed or changed.

Each function raises one error that says what was expected, what came, where, and how to
mend it.  ``train/targets.py`` holds the checks that need to know the model's output.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from nervure.errors import ArgumentError, DataError, explain
from nervure.ir.attrs import NDArray
from nervure.train.data import Numbers, position
from nervure.train.late_checks import put_off

DEFAULT_BATCH_SIZE: Final = 32
# Rows examined at a time: enough for NumPy to be fast, few enough to stay in a cache.
_BLOCK_VALUES = 1 << 18
# So few are looked at one by one before the sum's warnings are even silenced.
_FEW_VALUES = 1 << 12


# The numbers of the rows that are checked, if they are some of many.
_numbers: ContextVar[NDArray | None] = ContextVar("nervure_rows", default=None)


# --- arguments ----------------------------------------------------------------------


def whole_number(value: Any, name: str, least: int, example: int) -> int:
    """Return an argument that must be a whole number of at least ``least``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_) or number < least:
        raise ArgumentError(
            explain(
                f"{name} must be a whole number of at least {least}, got {value!r}",
                fix=f"pass {name}={example}, for example",
            )
        )
    return number


def optional_whole_number(
    value: Any, name: str, least: int, example: int
) -> int | None:
    """Return an argument that is None or a whole number of at least ``least``."""
    return None if value is None else whole_number(value, name, least, example)


def batch_size(value: Any) -> int:
    """Return how many rows a batch has; the usual number for None."""
    if value is None:
        return DEFAULT_BATCH_SIZE
    return whole_number(value, "batch_size", 1, DEFAULT_BATCH_SIZE)


def verbosity(value: Any) -> int | str:
    """Return ``verbose``, which is "auto", 0, 1 or 2 (or a truth value)."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    if isinstance(value, int | np.integer) and int(value) in (0, 1, 2):
        return int(value)
    raise ArgumentError(
        explain(
            f"verbose must be 'auto', 0, 1 or 2, got {value!r}",
            fix="0 is silent, 1 shows a bar, 2 writes one line an epoch",
        )
    )


def truth(value: Any, name: str) -> bool:
    """Return an argument that must be True or False."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ArgumentError(
        explain(
            f"{name} must be True or False, got {value!r}",
            fix=f"write {name}=True or {name}=False",
        )
    )


def shuffling(value: Any) -> bool | str:
    """Return ``shuffle``, which is True, False or "batch"."""
    if isinstance(value, str) and value == "batch":
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ArgumentError(
        explain(
            f"shuffle must be True, False or 'batch', got {value!r}",
            fix="'batch' keeps the rows of a batch together, which files read faster",
        )
    )


def fraction(value: Any, name: str) -> float:
    """Return an argument that must be at least 0 and less than 1."""
    valid = isinstance(value, int | float | np.number)
    if not valid or isinstance(value, bool) or not 0 <= value < 1:
        raise ArgumentError(
            explain(
                f"{name} must be at least 0 and less than 1, got {value!r}",
                fix=f"{name}=0.1 keeps the last tenth of the rows for validation",
            )
        )
    return float(value)


def validation_epochs(value: Any) -> int | frozenset[int]:
    """Return ``validation_freq``: every how many epochs, or a set of epochs from 1."""
    if isinstance(value, list | tuple | set | frozenset | range):
        return frozenset(whole_number(one, "validation_freq", 1, 1) for one in value)
    return whole_number(value, "validation_freq", 1, 1)


def split_point(rows: int, share: float) -> int:
    """Return how many rows remain for training beside ``validation_split``."""
    kept = int(np.floor(rows * (1.0 - share)))
    if not 0 < kept < rows:
        raise DataError(
            explain(
                f"validation_split={share} of {rows} rows leaves {kept} for training "
                f"and {rows - kept} for validation",
                fix="pass more rows, another share, or validation_data=(x, y)",
            )
        )
    return kept


def data_tuple(value: Any) -> tuple[Any, Any, Any]:
    """Return ``validation_data`` as x, y and sample weights (None without)."""
    if isinstance(value, tuple | list) and len(value) in (2, 3):
        x, y, *weights = value
        return x, y, weights[0] if weights else None
    raise DataError(
        explain(
            "validation_data must be a tuple (x, y) or (x, y, sample_weight), got "
            + (
                f"a {type(value).__name__} of {len(value)}"
                if isinstance(value, tuple | list)
                else f"an object of type {type(value).__name__}"
            ),
            fix="pass validation_data=(x_val, y_val)",
        )
    )


# --- data ---------------------------------------------------------------------------


def not_empty(values: NDArray, what: str) -> None:
    """Raise for data without rows or without values in a row."""
    not_empty_shape(values.shape, what)


def not_empty_shape(shape: tuple[int, ...], what: str) -> None:
    """Raise for the shape of data without rows or without values in a row."""
    if 0 in shape:
        raise DataError(
            explain(
                f"{what} is empty: its shape is {list(shape)}",
                fix="pass at least one row; was everything filtered out before?",
            )
        )


def same_length(counts: Sequence[tuple[str, int]]) -> None:
    """Raise when arrays have different numbers of rows."""
    (first, expected), *rest = counts
    for name, count in rest:
        if count != expected:
            raise DataError(
                explain(
                    f"{first} has {expected} rows and {name} has {count}",
                    fix="each row of one belongs to one row of the other; were both "
                    "filtered or split in the same way?",
                )
            )


@contextlib.contextmanager
def numbered(numbers: NDArray) -> Iterator[None]:
    """Say that what is checked in the block are the rows ``numbers`` of the data."""
    token = _numbers.set(numbers)
    try:
        yield
    finally:
        _numbers.reset(token)


def row_number(place: int, numbers: NDArray | None = None) -> int:
    """Return the number of a row in the data, given its place in what is checked."""
    known = _numbers.get() if numbers is None else numbers
    return place if known is None else int(known[place])


def finite(
    values: NDArray, given: Numbers, what: str, numbers: NDArray | None = None
) -> None:
    """Raise for NaN, infinity, or numbers that float32 does not hold.

    Large arrays may be looked at later; see ``train/late_checks.py``.

    ``values`` are what will be computed with, ``given`` is what the user passed; both
    are the rows ``numbers`` of it, or all.
    """
    if values.dtype.kind in "biu":
        return
    if put_off(values.nbytes, lambda: _finite(values, given, what, numbers)):
        return
    _finite(values, given, what, numbers)


def _finite(
    values: NDArray, given: Numbers, what: str, numbers: NDArray | None
) -> None:
    if all_finite(values):
        return
    bad = ~np.isfinite(values)
    place = tuple(int(one) for one in np.argwhere(bad)[0])
    original = given.values
    row = row_number(place[0], numbers)
    where = position((row, *place[1:]), given.columns)
    one = np.asarray(original)[place]
    rows = np.unique(np.nonzero(bad)[0]).size
    count = int(bad.sum())
    many = f"{count} such values in {rows} rows" if count > 1 else "the only one"
    if np.isfinite(one):
        raise DataError(
            explain(
                f"{what} holds {one!s} at {where}, which float32 does not hold "
                f"({many})",
                fix=f"scale it first, for example {what} / abs({what}).max()",
            )
        )
    name = "NaN (not a number)" if np.isnan(one) else f"{one!s} (infinity)"
    raise DataError(
        explain(
            f"{what} holds {name} at {where} ({many})",
            fix="drop or fill these rows first, for example with sklearn's "
            "SimpleImputer"
            if what.startswith("x")
            else "drop these rows first, those of x as well",
        )
    )


def all_finite(values: NDArray) -> bool:
    """Tell whether all values are finite; one pass and no array of truth values.

    A sum is finite only if every term is.  The converse fails when large terms
    overflow, so such blocks are looked at one value at a time.
    """
    if values.size <= _FEW_VALUES:
        return bool(np.isfinite(values).all())
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, flat.size, _BLOCK_VALUES):
            block = flat[start : start + _BLOCK_VALUES]
            if not np.isfinite(np.add.reduce(block)) and not np.isfinite(block).all():
                return False
    return True


def sample_weights(
    weights: NDArray,
    given: Numbers,
    rows: int,
    what: str = "sample_weight",
    may_be_zero: bool = False,
) -> None:
    """Raise unless there is one non-negative weight for each row, not all zero.

    The rows of one batch ``may_be_zero`` all, those of a data set may not.
    """
    if weights.shape != (rows,):
        raise DataError(
            explain(
                f"{what} must hold one number for each of the {rows} rows of x, "
                f"got shape {list(weights.shape)}",
                fix=f"pass an array of shape [{rows}]; a row with the weight 0 does "
                "not count",
            )
        )
    finite(weights, given, what)
    negative = np.flatnonzero(weights < 0)
    if negative.size:
        raise DataError(
            explain(
                f"{what} holds {given.values[negative[0]]} at row {negative[0]} "
                f"({negative.size} negative)",
                fix="weights say how often a row counts, so they are 0 or more",
            )
        )
    if not weights.any() and not may_be_zero:
        raise DataError(
            explain(
                f"{what} is 0 for every row, so there is nothing to learn from",
                fix="leave sample_weight out to count every row once",
            )
        )
