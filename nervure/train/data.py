"""What users pass as data, turned into NumPy arrays that a training step can read.

Accepted are NumPy arrays, nested lists, Nervure arrays, anything with ``__array__``
(tensors on the CPU), DataFrames and Series of pandas and polars, and sparse matrices of
SciPy, which are made dense.  None of these libraries is imported.

Features are computed in the model's input type, which is float32 unless the model says
otherwise: float64 is converted once, before training; pictures of one byte a value stay
as they are until a batch is gathered, so 47 MB do not become 188.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray

logger = logging.getLogger("nervure")

# What has been said already: the same conversion is announced once in a process.
_said: set[str] = set()


class Numbers(NamedTuple):
    """Data as numbers, with the columns' names where the data had some."""

    values: NDArray
    columns: tuple[str, ...] = ()


# --- reading ------------------------------------------------------------------------


def as_numbers(data: Any, what: str) -> Numbers:
    """Return data as an array of numbers or truth values.

    Parameters
    ----------
    data
        Anything from the list at the top of this file.
    what
        The argument's name, for messages.

    Raises
    ------
    DataError
        For None, generators, dicts, text, dates, complex numbers, Python objects and
        lists of unequal lengths, with the first offending value.
    """
    if isinstance(data, Array):
        return Numbers(data.numpy())
    if isinstance(data, np.ma.MaskedArray):
        _refuse_masked(data, what)
    if hasattr(data, "toarray") and hasattr(data, "tocsr"):
        return Numbers(_checked_kind(data.toarray(), what))
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return _frame_numbers(data, what)
    if hasattr(data, "to_numpy"):
        return Numbers(_series_values(data, what))
    if (
        data is None
        or isinstance(data, dict | str | bytes | Iterator)
        or callable(data)
    ):
        raise _not_an_array(data, what)
    try:
        values = np.asarray(data)
    except ValueError:  # NumPy's way to refuse lists of unequal lengths
        raise DataError(
            explain(
                f"{what} is a list whose rows differ in length{_first_unequal(data)}",
                fix="make all rows equally long, for example by padding them",
            )
        ) from None
    return Numbers(_checked_kind(values, what))


def _refuse_masked(data: Any, what: str) -> None:
    """Raise for values that are masked: below the mask there are numbers all the same.

    Without a masked value the array is like any other.
    """
    masked = np.argwhere(np.ma.getmaskarray(data))
    if len(masked):
        place = tuple(int(one) for one in masked[0])
        raise DataError(
            explain(
                f"{what} has a masked value at {position(place)} ({len(masked)} of "
                f"{data.size} are masked)",
                fix="drop these rows, or fill them: "
                f"{what.partition(' ')[0]}.filled(0.0)",
            )
        )


def _first_unequal(rows: Any) -> str:
    """Return ``": row 0 has 4 values, row 7 has 3"`` if it is as simple as that."""
    lengths = [len(row) if hasattr(row, "__len__") else 1 for row in rows]
    for place, length in enumerate(lengths):
        if length != lengths[0]:
            return f": row 0 has {lengths[0]} values, row {place} has {length}"
    return ""


def _not_an_array(data: Any, what: str) -> DataError:
    return DataError(
        explain(
            f"{what} must be an array of numbers, got {_kind_of_thing(data)}",
            fix=_array_advice(data, what),
        )
    )


def _array_advice(data: Any, what: str) -> str:
    if callable(data) and not isinstance(data, type):
        return f"pass what it returns: {getattr(data, '__name__', 'f')}()"
    if data is None and " batch " in what and what.startswith("y"):
        return "let each batch be a tuple: yield (x, y)"
    return "pass a NumPy array, nested lists, a DataFrame or a sparse matrix"


def _kind_of_thing(data: Any) -> str:
    if data is None:
        return "None"
    if isinstance(data, type):
        return f"the class {data.__name__}"
    if callable(data):
        return f"a function, {getattr(data, '__name__', data)}"
    if isinstance(data, str | bytes):
        return f"the text {data!r}"
    return f"an object of type {type(data).__name__}"


def _is_numeric(dtype: DType) -> bool:
    return dtype.kind in "biuf" or dtype == dtypes.bfloat16


def _checked_kind(values: NDArray, what: str) -> NDArray:
    """Return the values if they are numbers; otherwise say which is not."""
    if _is_numeric(values.dtype) and values.ndim:
        return values
    if _is_numeric(values.dtype):
        raise DataError(
            explain(
                f"{what} is the single number {values}, expected an array with one row "
                "for each sample",
                fix=f"for one sample pass numpy.asarray([{values}])",
            )
        )
    if values.dtype.kind != "O":
        raise DataError(
            explain(
                f"{what} holds {_words_for(values.dtype)}, expected numbers",
                fix=_advice(what, values.dtype.kind),
            )
        )
    if values.ndim == 0:
        raise _not_an_array(values.item(), what)
    return _refuse_objects(values, what)


def _words_for(dtype: DType) -> str:
    words = {"U": "text", "S": "text", "T": "text", "c": "complex numbers"}
    words |= {"M": "dates", "m": "time differences", "V": "records"}
    return words.get(dtype.kind, f"values of type {dtype}")


def _advice(what: str, kind: str) -> str:
    if kind == "c":
        return "pass real and imaginary parts as two columns"
    if kind in "Mm":
        return "pass the time that has passed since some day, as a number"
    if what.startswith("y"):
        return "number the classes: classes, y = numpy.unique(y, return_inverse=True)"
    return "encode it as numbers, for example with sklearn's OneHotEncoder"


def _refuse_objects(values: NDArray, what: str) -> NDArray:
    """Raise for an array of Python objects, naming the first that is no number."""
    for place in np.ndindex(values.shape):
        one: Any = values[place]
        if not isinstance(one, bool | int | float | np.number | np.bool_):
            if isinstance(one, list | tuple | np.ndarray):
                headline = (
                    f"{what} holds Python objects (dtype object): a "
                    f"{type(one).__name__} at {position(place)}"
                )
                fix = "make all rows equally long and stack them with numpy.stack"
            else:
                headline = (
                    f"{what} holds Python objects (dtype object): {one!r} at "
                    f"{position(place)} is not a number"
                )
                fix = _advice(what, "O")
            raise DataError(explain(headline, fix=fix))
    raise DataError(
        explain(
            f"{what} holds Python objects (dtype object), though all are numbers",
            fix=f"convert it: {what.partition(',')[0]}.astype('float32')",
        )
    )


def position(place: tuple[int, ...], columns: tuple[str, ...] = ()) -> str:
    """Say where in the data something is: "row 3, column 2"."""
    if len(place) == 1:
        return f"row {place[0]}"
    if len(place) == 2:
        name = f" ({columns[place[1]]!r})" if columns else ""
        return f"row {place[0]}, column {place[1]}{name}"
    return f"row {place[0]}, position {[int(one) for one in place[1:]]}"


def _frame_numbers(frame: Any, what: str) -> Numbers:
    """Return a DataFrame of pandas or polars as numbers.

    Frames of mixed or nullable types become Python objects as a whole, so these are
    converted column by column.
    """
    names = tuple(str(name) for name in frame.columns)
    values = np.asarray(frame.to_numpy())
    if _is_numeric(values.dtype):
        return Numbers(values, names)
    columns = []
    for place, name in enumerate(frame.columns):
        series = frame.iloc[:, place] if hasattr(frame, "iloc") else frame[name]
        columns.append(_series_values(series, f"{what}, column {str(name)!r},"))
    return Numbers(np.stack(columns, axis=1), names)


def _series_values(series: Any, what: str) -> NDArray:
    """Return one column as numbers; missing values become NaN."""
    values = np.asarray(series.to_numpy())
    if values.dtype.kind == "O" and getattr(series.dtype, "kind", "O") in "biuf":
        # pandas' nullable numbers with a missing one among them.
        values = np.asarray(series.to_numpy(dtype="float64", na_value=np.nan))
    return _checked_kind(values, what)


# --- converting ---------------------------------------------------------------------


def features(numbers: Numbers, dtype: DType | None = dtypes.float32) -> NDArray:
    """Return features in the type in which they wait for the training step.

    That is ``dtype``, except that integers of one byte stay as they are.  A model that
    does not say which type it takes (None) is given numbers as :func:`targets` does.
    """
    values = numbers.values
    if values.dtype.kind in "iu" and values.dtype.itemsize == 1:
        return np.ascontiguousarray(values)
    return targets(numbers) if dtype is None else _converted(values, dtype)


def targets(numbers: Numbers) -> NDArray:
    """Return targets as float32, or whole numbers as int32 (int64 if they need it)."""
    values = numbers.values
    if values.dtype.kind not in "biu":
        return _converted(values, dtypes.float32)
    limits = np.iinfo(np.int32)
    fits = values.dtype.kind == "b" or values.dtype in (np.int8, np.int16, np.int32)
    if not fits and values.size:
        fits = values.min() >= limits.min and values.max() <= limits.max
    return _converted(values, dtypes.int32 if fits else dtypes.int64)


def _converted(values: NDArray, dtype: DType) -> NDArray:
    with np.errstate(over="ignore"):  # too large a number becomes an error of its own
        return np.ascontiguousarray(values, dtype=dtype)


def announce(what: str, data: Any, used: DType, verbose: int | str) -> None:
    """Say once in a process that data are computed in another type than given."""
    given = getattr(data, "dtype", None)
    if given is None or given == used or getattr(given, "kind", "O") not in "iuf":
        return
    note = f"{what} is {given} and is computed in {used}"
    if note in _said:
        return
    logger.info(note)
    if verbose:
        _said.add(note)
        print(f"nervure: {note} (said once)")
