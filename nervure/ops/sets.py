"""Arrays as sets of values.

What is unique decides the shape of the result, so the ``unique`` functions evaluate the
array; inside a traced function that is a :class:`~nervure.errors.TraceError`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.ops.indexing import clamped
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import as_node, promoted
from nervure.ops.searching import bisected
from nervure.prims import binary, unary
from nervure.prims.indexed import gather
from nervure.prims.leaf import full
from nervure.prims.movement import reshape
from nervure.prims.order import sort


class UniqueAll(NamedTuple):
    """The result of :func:`unique_all`."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """The result of :func:`unique_counts`."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """The result of :func:`unique_inverse`."""

    values: Array
    inverse_indices: Array


def _unique(x: ArrayLike) -> list[NDArray]:
    """Return sorted unique values, first positions, inverse and counts.

    Every NaN is a value of its own, as the standard says.
    """
    value = Array.of_node(as_node(x)).numpy()
    wide = value.astype(dtypes.accumulator(value.dtype), copy=False)
    found: Any = np.unique(
        wide,
        return_index=True,
        return_inverse=True,
        return_counts=True,
        equal_nan=False,
    )
    values, indices, inverse, counts = found
    return [values.astype(value.dtype), indices, inverse.reshape(value.shape), counts]


def unique_all(x: ArrayLike, /) -> UniqueAll:
    """Return the values that occur, where they do first, which is where, and how often.

    ``values`` are sorted, and ``values[inverse_indices]`` is x.  Every NaN is a value
    of its own.

    >>> import nervure as nv
    >>> result = nv.unique_all(nv.asarray([5, 3, 5]))
    >>> result.values.tolist(), result.inverse_indices.tolist()
    ([3, 5], [1, 0, 1])
    """
    return UniqueAll(*map(Array.of_value, _unique(x)))


def unique_counts(x: ArrayLike, /) -> UniqueCounts:
    """Return the values that occur, sorted, and how often.

    Both lie along one axis; the counts are int64.

    >>> import nervure as nv
    >>> values, counts = nv.unique_counts(nv.asarray([5, 3, 5]))
    >>> counts.tolist()
    [1, 2]
    """
    values, _, _, counts = map(Array.of_value, _unique(x))
    return UniqueCounts(values, counts)


def unique_inverse(x: ArrayLike, /) -> UniqueInverse:
    """Return the values that occur, sorted, and for each element which it is.

    >>> import nervure as nv
    >>> values, inverse = nv.unique_inverse(nv.asarray([5, 3, 5]))
    >>> inverse.tolist()
    [1, 0, 1]
    """
    values, _, inverse, _ = map(Array.of_value, _unique(x))
    return UniqueInverse(values, inverse)


def unique_values(x: ArrayLike, /) -> Array:
    """Return the values that occur, sorted.

    They lie along one axis and have the type of x.

    >>> import nervure as nv
    >>> nv.unique_values(nv.asarray([5, 3, 5])).tolist()
    [3, 5]
    """
    return Array.of_value(_unique(x)[0])


def isin(x1: ArrayLike, x2: ArrayLike, /, *, invert: bool = False) -> Array:
    """Return whether each element of x1 occurs in x2; NaN occurs nowhere.

    >>> import nervure as nv
    >>> nv.isin(nv.asarray([1, 2, 3]), [3, 1]).tolist()
    [True, False, True]
    """
    values, members = promoted(x1, x2)
    members = reshape(members, (members.size,))
    if members.size:
        ordered = sort(members, members, 0)
        # Beyond the end the last one is compared, which is another number.
        place = clamped(bisected(ordered, values, "left"), members.size)
        nearest = gather(ordered, place, 0)
        found = binary.eq(values, nearest)
    else:
        found = full(values.shape, False, dtypes.bool_)
    return Array.of_node(unary.not_(found) if invert else found)
