"""Changing elements: ``ScatterElements``, ``ScatterND``, ``TensorScatter``."""

from __future__ import annotations

import math

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator
from nervure.prims.indexed import scatter

_MODES = {"none": "set", "add": "add", "max": "max", "min": "min"}


def _scattered(
    operation: Operation, x: Array, places: Array, updates: Array, mode: str
) -> Array:
    """Change slices of the first axis, as a reduction says."""
    if mode == "mul":
        return _multiplied(operation, x, places, updates)
    if mode not in _MODES:
        operation.refuse(f"it has the unknown reduction {mode!r}")
    return Array.of_node(scatter(x.node, places.node, updates.node, 0, _MODES[mode]))


def _multiplied(operation: Operation, x: Array, places: Array, updates: Array) -> Array:
    """Multiply slices; each place may occur once for this, so its order is known."""
    known = operation.known(places, "indices with the reduction 'mul'").ravel()
    flat = ops.reshape(updates, (known.size, *x.shape[1:]))
    left = list(range(known.size))
    while left:
        seen: set[int] = set()
        now = [k for k in left if not (known[k] in seen or seen.add(int(known[k])))]
        left = [k for k in left if k not in set(now)]
        where = ops.asarray(known[now])
        factors = ops.take(flat, ops.asarray(np.asarray(now)), axis=0)
        changed = ops.take(x, where, axis=0) * factors
        x = Array.of_node(scatter(x.node, where.node, changed.node, 0, "set"))
    return x


def _wrapped(indices: Array, extent: int) -> Array:
    places = ops.astype(indices, dtypes.int64)
    return ops.where(ops.less(places, 0), places + extent, places)


@operator("ScatterElements", "Scatter")
def scatter_elements(
    operation: Operation, x: Array, indices: Array, updates: Array
) -> Array:
    """Change the element that each index names on an axis."""
    axis = operation.attribute("axis", 0) % x.ndim
    mode = operation.attribute("reduction", "none")
    strides = np.cumprod([1, *x.shape[:0:-1]])[::-1]
    linear = _wrapped(indices, x.shape[axis]) * int(strides[axis])
    for other in range(x.ndim):
        if other != axis:
            sizes = [1] * x.ndim
            sizes[other] = indices.shape[other]
            steps = ops.arange(indices.shape[other]) * int(strides[other])
            linear = linear + ops.reshape(steps, sizes)
    changed = _scattered(
        operation, ops.ravel(x), ops.ravel(linear), ops.ravel(updates), mode
    )
    return ops.reshape(changed, x.shape)


@operator("ScatterND")
def scatter_nd(operation: Operation, x: Array, indices: Array, updates: Array) -> Array:
    """Change the slices whose indices lie along the last axis of ``indices``."""
    depth = indices.shape[-1]
    mode = operation.attribute("reduction", "none")
    head, tail = x.shape[:depth], x.shape[depth:]
    linear = ops.zeros(indices.shape[:-1], dtype=dtypes.int64)
    for place, extent in enumerate(head):
        linear = linear * extent + _wrapped(indices[..., place], extent)
    rows = ops.reshape(x, (math.prod(head), *tail))
    flat = ops.reshape(updates, (linear.size, *tail))
    changed = _scattered(operation, rows, ops.ravel(linear), flat, mode)
    return ops.reshape(changed, x.shape)


@operator("TensorScatter")
def tensor_scatter(
    operation: Operation, past: Array, update: Array, starts: Array | None = None
) -> Array:
    """Write new steps into a cache of a sequence, from a place for each row."""
    axis = operation.attribute("axis", -2) % past.ndim
    circular = operation.attribute("mode", "linear") == "circular"
    steps, room = update.shape[axis], past.shape[axis]
    rows = past.shape[0]
    first = ops.zeros((rows,), dtype=dtypes.int64) if starts is None else starts
    moved_past = ops.moveaxis(past, axis, 1)
    moved = ops.moveaxis(update, axis, 1)
    places = ops.reshape(ops.astype(first, dtypes.int64), (rows, 1)) + ops.arange(steps)
    if circular:
        places = ops.remainder(places, room)
    linear = ops.reshape(ops.arange(rows) * room, (rows, 1)) + places
    tail = moved_past.shape[2:]
    flat = ops.reshape(moved_past, (rows * room, *tail))
    changed = scatter(
        flat.node,
        ops.ravel(linear).node,
        ops.reshape(moved, (rows * steps, *tail)).node,
        0,
        "set",
    )
    whole = ops.reshape(Array.of_node(changed), moved_past.shape)
    return ops.moveaxis(whole, 1, axis)
