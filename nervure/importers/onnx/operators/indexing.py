"""Picking elements: ``Gather``, ``GatherND``, ``OneHot``, ``Compress``, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator


@operator("Gather")
def gather(operation: Operation, x: Array, indices: Array) -> Array:
    """Return slices of one axis, negative indices from the end."""
    return ops.take(x, indices, axis=operation.attribute("axis", 0))


@operator("GatherElements")
def gather_elements(operation: Operation, x: Array, indices: Array) -> Array:
    """Return the element that each index names on an axis."""
    axis = operation.attribute("axis", 0) % x.ndim
    # The other axes of x may be longer than those of the indices.
    inside = tuple(
        slice(None) if k == axis else slice(extent)
        for k, extent in enumerate(indices.shape)
    )
    return ops.take_along_axis(x[inside], indices, axis=axis)


@operator("GatherND")
def gather_nd(operation: Operation, x: Array, indices: Array) -> Array:
    """Return the slices whose first indices lie along the last axis of ``indices``."""
    batch = operation.attribute("batch_dims", 0)
    depth = indices.shape[-1]
    key: list[Any] = []
    for axis in range(batch):
        steps = [1] * (indices.ndim - 1)
        steps[axis] = x.shape[axis]
        key.append(ops.reshape(ops.arange(x.shape[axis]), steps))
    key += [indices[..., place] for place in range(depth)]
    return x[tuple(key)]


@operator("OneHot")
def one_hot(operation: Operation, indices: Array, depth: Array, values: Array) -> Array:
    """Return ``values[1]`` at each index and ``values[0]`` elsewhere, on a new axis."""
    count = int(np.asarray(operation.known(depth, "depth")).reshape(()))
    axis = operation.attribute("axis", -1)
    places = ops.astype(indices, dtypes.int64)
    places = ops.where(ops.less(places, 0), places + count, places)
    hot = ops.one_hot(places, count, axis=axis, dtype="bool")
    return ops.where(hot, values[1], values[0])


@operator("NonZero")
def nonzero(operation: Operation, x: Array) -> Array:
    """Return the places of the elements that are not 0, one row an axis."""
    found = np.nonzero(operation.known(x, "input"))
    return constant(np.asarray(found, np.int64).reshape(x.ndim, -1))


@operator("Compress")
def compress(operation: Operation, x: Array, condition: Array) -> Array:
    """Return the slices, or elements, at which a condition is true."""
    kept = np.nonzero(operation.known(condition, "condition"))[0]
    axis = operation.attribute("axis")
    if axis is None:
        x, axis = ops.ravel(x), 0
    return ops.take(x, constant(kept), axis=axis)
