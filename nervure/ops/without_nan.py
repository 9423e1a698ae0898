"""Reductions that leave NaN out, and NaN replaced by numbers, under NumPy's names.

Where an axis holds nothing but NaN, sums are 0, products 1, and the other reductions
NaN, without a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.ops.comparison import equal, isnan, less
from nervure.ops.data_types import astype, finfo
from nervure.ops.elementwise import maximum, sqrt
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import as_node
from nervure.ops.searching import where
from nervure.ops.statistical import max as largest
from nervure.ops.statistical import mean, prod, var
from nervure.ops.statistical import min as smallest
from nervure.ops.statistical import sum as total

Axis = int | Sequence[int] | None
_NAN = float("nan")


def _filled(x: ArrayLike, value: float) -> tuple[Array, Array | None]:
    """Return x with NaN replaced, and where it was; None for whole numbers."""
    array = Array.of_node(as_node(x))
    if not dtypes.is_float(array.dtype):
        return array, None
    missing = isnan(array)
    return where(missing, value, array), missing


def nansum(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return sums over axes, NaN counting as 0.

    >>> import nervure as nv
    >>> nv.nansum(nv.asarray([1.0, float("nan"), 2.0])).item()
    3.0
    """
    return total(_filled(x, 0.0)[0], axis=axis, keepdims=keepdims)


def nanprod(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return products over axes, NaN counting as 1.

    >>> import nervure as nv
    >>> nv.nanprod(nv.asarray([3.0, float("nan"), 2.0])).item()
    6.0
    """
    return prod(_filled(x, 1.0)[0], axis=axis, keepdims=keepdims)


def _counts(
    missing: Array, dtype: DType, axis: Axis, keepdims: bool
) -> tuple[Array, Array]:
    """Return how many elements are numbers, at least 1, and where there are none."""
    count = total(astype(~missing, dtype), axis=axis, keepdims=keepdims)
    return maximum(count, 1.0), equal(count, 0)


def nanmean(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the means over axes of the elements that are numbers.

    >>> import nervure as nv
    >>> nv.nanmean(nv.asarray([1.0, float("nan"), 2.0])).item()
    1.5
    """
    array, missing = _filled(x, 0.0)
    if missing is None:
        return mean(array, axis=axis, keepdims=keepdims)
    count, none = _counts(missing, array.dtype, axis, keepdims)
    sums = total(array, axis=axis, keepdims=keepdims)
    return where(none, _NAN, sums / count)


def nanvar(
    x: ArrayLike,
    /,
    axis: Axis = None,
    *,
    correction: int | float = 0.0,
    keepdims: bool = False,
) -> Array:
    """Return the variances over axes of the elements that are numbers.

    ``correction`` is subtracted from their number, as in :func:`nervure.var`.

    >>> import nervure as nv
    >>> nv.nanvar(nv.asarray([1.0, float("nan"), 3.0])).item()
    1.0
    """
    array, missing = _filled(x, 0.0)
    if missing is None:
        return var(array, axis=axis, correction=correction, keepdims=keepdims)
    distance = array - nanmean(x, axis=axis, keepdims=True)
    squares = where(missing, 0.0, distance * distance)
    count, none = _counts(missing, array.dtype, axis, keepdims)
    left = count - correction
    sums = total(squares, axis=axis, keepdims=keepdims)
    return where(none | less(left, 0), _NAN, sums / maximum(left, 0.0))


def nanstd(
    x: ArrayLike,
    /,
    axis: Axis = None,
    *,
    correction: int | float = 0.0,
    keepdims: bool = False,
) -> Array:
    """Return the standard deviations over axes of the elements that are numbers.

    >>> import nervure as nv
    >>> nv.nanstd(nv.asarray([1.0, float("nan"), 3.0])).item()
    1.0
    """
    return sqrt(nanvar(x, axis, correction=correction, keepdims=keepdims))


def nanmax(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the largest elements over axes that are numbers.

    >>> import nervure as nv
    >>> nv.nanmax(nv.asarray([1.0, float("nan"), 2.0])).item()
    2.0
    """
    return _extremum(largest, -float("inf"), x, axis, keepdims)


def nanmin(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the smallest elements over axes that are numbers.

    >>> import nervure as nv
    >>> nv.nanmin(nv.asarray([1.0, float("nan"), 2.0])).item()
    1.0
    """
    return _extremum(smallest, float("inf"), x, axis, keepdims)


def _extremum(
    reduce: Any, neutral: float, x: ArrayLike, axis: Axis, keepdims: bool
) -> Array:
    array, missing = _filled(x, neutral)
    found: Array = reduce(array, axis=axis, keepdims=keepdims)
    if missing is None:
        return found
    _, none = _counts(missing, array.dtype, axis, keepdims)
    return where(none, _NAN, found)


def nan_to_num(
    x: ArrayLike,
    /,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Array:
    """Return an array with NaN and infinities replaced by numbers.

    Infinities become the largest and the smallest number of the type unless said.

    >>> import nervure as nv
    >>> nv.nan_to_num(nv.asarray([float("nan"), float("inf")]), posinf=9.0).tolist()
    [0.0, 9.0]
    """
    array, missing = _filled(x, nan)
    if missing is None:
        return array
    limits = finfo(array.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    infinity = float("inf")
    given = Array.of_node(as_node(x))
    found = where(equal(given, infinity), high, array)
    return where(equal(given, -infinity), low, found)
