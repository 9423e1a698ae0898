"""Medians and other quantiles, by sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure.array import Array
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.ops.comparison import isnan
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.manipulation import permute_dims, reshape, stack
from nervure.ops.operands import as_node, axes_tuple
from nervure.ops.searching import where
from nervure.ops.sorting import sort
from nervure.ops.statistical import any as any_of

Axis = int | Sequence[int] | None
METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    x: ArrayLike,
    q: Any,
    /,
    axis: Axis = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """Return the values below which the shares ``q`` of the elements lie.

    Parameters
    ----------
    x
        The array; integers become the default float.
    q
        Numbers from 0 to 1: one, or several, which become the first axis.
    axis
        One axis, several, or all.
    method
        What is taken between two elements: ``"linear"`` (in proportion), ``"lower"``,
        ``"higher"``, ``"midpoint"`` or ``"nearest"``.
    keepdims
        Whether the axes stay, with size 1.

    Raises
    ------
    ArgumentError
        For shares outside of 0 to 1, and for an axis without elements.
    UnknownNameError
        For another method.

    NaN among the elements gives NaN.

    >>> import nervure as nv
    >>> nv.quantile(nv.asarray([1.0, 2.0, 4.0]), [0.0, 0.75]).tolist()
    [1.0, 3.0]
    """
    shares = np.asarray(q, np.float64)
    if shares.ndim > 1 or not ((shares >= 0) & (shares <= 1)).all():
        raise ArgumentError(
            explain(
                f"quantile: expected numbers from 0 to 1, got {q!r}",
                fix="q=0.5 is the median; nervure.percentile counts to 100",
            )
        )
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    array = Array.of_node(as_float(as_node(x)))
    axes = axes_tuple("quantile", axis, array.ndim)
    kept = [place for place in range(array.ndim) if place not in axes]
    sizes = [array.shape[place] for place in kept]
    count = array.size // max(1, int(np.prod(sizes)))
    if count == 0:
        raise ArgumentError(
            explain(
                "quantile: there is none of an axis without elements",
                fix="pass at least one element; is the array empty by mistake?",
            )
        )
    rows = reshape(permute_dims(array, (*kept, *axes)), (*sizes, count))
    ordered = sort(rows, axis=-1)
    found = [_between(ordered, share * (count - 1), method) for share in shares.flat]
    missing = any_of(isnan(rows), axis=-1)
    shape = [1 if n in axes else extent for n, extent in enumerate(array.shape)]
    results = [
        reshape(where(missing, float("nan"), one), shape if keepdims else sizes)
        for one in found
    ]
    if not shares.ndim:
        return results[0]
    return stack(results, axis=0)


def _between(ordered: Array, place: float, method: str) -> Array:
    """Return what lies at a place that need not be whole, along the last axis."""
    low, high = int(np.floor(place)), int(np.ceil(place))
    if method in ("lower", "higher", "nearest"):
        # NumPy rounds a half to the even place.
        chosen = {"lower": low, "higher": high, "nearest": int(np.round(place))}
        return ordered[..., chosen[method]]
    part = 0.5 if method == "midpoint" and low != high else place - low
    if low == high:
        return ordered[..., low]
    return ordered[..., low] * (1.0 - part) + ordered[..., high] * part


def percentile(
    x: ArrayLike,
    q: Any,
    /,
    axis: Axis = None,
    *,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """Return quantiles for shares in percent; see :func:`quantile`.

    ``q`` is a number or an array of numbers from 0 to 100; axes and types are those of
    :func:`quantile`.

    >>> import nervure as nv
    >>> nv.percentile(nv.asarray([1.0, 2.0, 4.0]), 75).item()
    3.0
    """
    shares = np.asarray(q, np.float64) / 100
    return quantile(x, shares, axis, method=method, keepdims=keepdims)


def median(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the values in the middle: of an even number of elements their mean.

    >>> import nervure as nv
    >>> nv.median(nv.asarray([5.0, 1.0, 2.0, 3.0])).item()
    2.5
    """
    return quantile(x, 0.5, axis, keepdims=keepdims)
