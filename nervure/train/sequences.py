"""Sequences of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure.errors import ArgumentError, DataError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.train.checks import whole_number

SIDES = ("pre", "post")


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray:
    """Return sequences filled up, or cut, to one length.

    Parameters
    ----------
    sequences
        Lists or arrays ``[length, *S]``, each of its own length.
    maxlen
        The length of all, that of the longest one by default.
    dtype
        The type of the result; ``object`` for texts.
    padding, truncating
        Whether the beginning (``"pre"``) or the end (``"post"``) is filled up and cut.
    value
        What is filled in.

    Returns
    -------
    A NumPy array ``[len(sequences), maxlen, *S]``.

    Raises
    ------
    DataError
        For what is no list of sequences, or elements of different shapes.
    UnknownNameError
        For a side that is neither ``"pre"`` nor ``"post"``.
    ArgumentError
        For a text to fill in where numbers are wanted.

    >>> import nervure as nv
    >>> nv.utils.pad_sequences([[1], [2, 3, 4]], maxlen=2).tolist()
    [[0, 1], [3, 4]]
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in SIDES:
            raise unknown_name(name, side, SIDES)
    wanted = np.dtype(dtype)
    if isinstance(value, str) and wanted.kind not in "OSU":
        raise ArgumentError(
            explain(
                f"the text {value!r} cannot be filled into an array of {wanted.name}",
                fix="pass dtype=object",
            )
        )
    rows = [_sequence(one, place) for place, one in enumerate(_listed(sequences))]
    longest = max((len(row) for row in rows), default=0)
    length = longest if maxlen is None else whole_number(maxlen, "maxlen", 0, 100)
    samples = {row.shape[1:] for row in rows if len(row)}
    if len(samples) > 1:
        raise DataError(
            explain(
                "expected elements of one shape in all sequences, got "
                + " and ".join(str(list(one)) for one in sorted(samples)),
                fix="pad or cut the elements first",
            )
        )
    result = np.full((len(rows), length, *next(iter(samples), ())), value, wanted)
    for target, row in zip(result, rows, strict=True):
        start = max(0, len(row) - length) if truncating == "pre" else 0
        kept = row[start : start + length]
        if len(kept):
            first = length - len(kept) if padding == "pre" else 0
            target[first : first + len(kept)] = kept.astype(wanted)
    return result


def _listed(sequences: Any) -> Sequence[Any]:
    if isinstance(sequences, str) or not hasattr(sequences, "__len__"):
        raise DataError(
            explain(
                f"expected a list of sequences, got {type(sequences).__name__}",
                fix="put them into a list",
            )
        )
    return sequences  # type: ignore[no-any-return]


def _sequence(value: Any, place: int) -> NDArray:
    try:
        found = np.asarray(value)
    except ValueError:
        found = np.zeros(())
    if not found.ndim:
        raise DataError(
            explain(
                f"expected lists or arrays, but number {place} of the sequences is "
                f"{value!r}",
                fix="pass a list of lists, one for each sequence",
            )
        )
    return found
