"""Order and running sums: ``TopK``, ``Unique``, ``CumSum``, ``CumProd``."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator


@operator("TopK")
def top_k(operation: Operation, x: Array, k: Array | None = None) -> Any:
    """Return the k largest or smallest elements of an axis, and their places."""
    axis = operation.attribute("axis", -1) % x.ndim
    if operation.version < 10:
        count = operation.attribute("k")
    else:
        (count,) = operation.numbers(k, "k")
    descending = bool(operation.attribute("largest", 1))
    order = ops.argsort(x, axis=axis, descending=descending)
    first = (slice(None),) * axis + (slice(count),)
    places = order[first]
    return ops.take_along_axis(x, places, axis=axis), places


@operator("CumSum", "CumProd")
def running_total(operation: Operation, x: Array, axis: Array) -> Array:
    """Add up, or multiply, all elements up to each place."""
    place = int(np.asarray(operation.known(axis, "axis")).reshape(())) % x.ndim
    add_up = operation.name == "CumSum"
    function = ops.cumulative_sum if add_up else ops.cumulative_prod
    backwards = operation.attribute("reverse", 0)
    if backwards:
        x = ops.flip(x, axis=place)
    whole = function(x, axis=place, dtype=x.dtype)
    if operation.attribute("exclusive", 0):
        lead = (slice(None),) * place
        neutral = ops.zeros_like if add_up else ops.ones_like
        first = neutral(x[(*lead, slice(0, 1))])
        whole = ops.concat([first, whole[(*lead, slice(0, -1))]], axis=place)
    return ops.flip(whole, axis=place) if backwards else whole


@operator("Unique")
def unique(operation: Operation, x: Array) -> Any:
    """Return the different elements or slices, and where and how often they occur."""
    values = operation.known(x, "input")
    axis = operation.attribute("axis")
    found, first, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not operation.attribute("sorted", 1):
        order = np.argsort(first)
        found = np.take(found, order, axis=0 if axis is None else axis)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        first, inverse, counts = first[order], rank[inverse], counts[order]
    results = [found, *(one.astype(np.int64) for one in (first, inverse, counts))]
    return tuple(map(constant, results))


@operator("Det")
def determinant(_operation: Operation, x: Array) -> Array:
    """Return determinants, by elimination with the largest pivot of each column."""
    size = x.shape[-1]
    rows = x
    result = ops.ones(x.shape[:-2], dtype=x.dtype)
    for step in range(size):
        column = rows[..., :, 0]
        pivot = ops.argmax(ops.abs(column), axis=-1, keepdims=True)
        place = ops.arange(size - step)
        is_pivot = ops.equal(place, pivot)
        chosen = ops.sum(
            ops.where(is_pivot[..., None], rows, ops.zeros_like(rows)), axis=-2
        )
        swapped = ops.where(is_pivot[..., None], rows[..., :1, :], rows)
        moved = ops.not_equal(pivot[..., 0], 0)
        sign = ops.where(moved, -1.0, 1.0)
        lead = chosen[..., 0]
        result = result * lead * ops.astype(sign, x.dtype)
        safe = ops.where(ops.equal(lead, 0.0), ops.ones_like(lead), lead)
        factors = swapped[..., 1:, 0] / safe[..., None]
        rest = chosen[..., None, 1:]
        rows = swapped[..., 1:, 1:] - factors[..., None] * rest
    return ops.astype(result, dtypes.as_dtype(x.dtype))
