"""Pooling: ``MaxPool``, ``AveragePool``, ``GlobalAveragePool``, ``MaxUnpool``, ..."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.operators.windows import (
    Windows,
    channels_first,
    channels_last,
    windows_of,
)
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator
from nervure.ir.node import Node
from nervure.prims.indexed import scatter
from nervure.prims.select import cast
from nervure.prims.slicing import pad
from nervure.prims.window import window_max, window_sum


def _attributes(windows: Windows) -> tuple[Any, ...]:
    """Return window, strides, padding and dilation, one entry for each axis."""
    none = (0, 0)
    return (
        (1, *windows.size, 1),
        (1, *windows.strides, 1),
        (none, *windows.room, none),
        (1, *windows.dilation, 1),
    )


@operator("MaxPool")
def max_pool(operation: Operation, x: Array) -> Any:
    """Return the largest element of each window, and where it was if that is used."""
    windows = windows_of(operation, x.shape[2:], operation.attribute("kernel_shape"))
    pooled = channels_first(window_max(channels_last(x), *_attributes(windows)))
    if not operation.wants(1):
        return pooled
    return pooled, _places(operation, x, windows)


def _places(operation: Operation, x: Array, windows: Windows) -> Array:
    """Return the places of the largest elements, counted over the whole array."""
    spatial = x.shape[2:]
    by_column = operation.attribute("storage_order", 0)
    lowest = -np.inf if dtypes.is_float(x.dtype) else int(np.iinfo(x.dtype).min)
    low = (0, 0, *(pair[0] for pair in windows.room))
    high = (0, 0, *(pair[1] for pair in windows.room))
    room = Array.of_node(pad(x.node, low, high, value=lowest))
    counts = [
        (size - (extent - 1) * step - 1) // stride + 1
        for size, extent, step, stride in zip(
            room.shape[2:], windows.size, windows.dilation, windows.strides, strict=True
        )
    ]
    values, places = [], []
    for tap in np.ndindex(*windows.size):
        key, numbers = [], []
        for k, count in enumerate(counts):
            first = tap[k] * windows.dilation[k]
            stride = windows.strides[k]
            key.append(slice(first, first + (count - 1) * stride + 1, stride))
            numbers.append(np.arange(count) * stride + first - windows.room[k][0])
        grid = np.meshgrid(*numbers, indexing="ij")
        inside = [(g >= 0) & (g < size) for g, size in zip(grid, spatial, strict=True)]
        linear = np.ravel_multi_index(
            [np.clip(g, 0, size - 1) for g, size in zip(grid, spatial, strict=True)],
            spatial,
            order="F" if by_column else "C",
        )
        outside = ~np.logical_and.reduce(inside)
        taken = room[(slice(None), slice(None), *key)]
        values.append(ops.where(constant(outside), ops.full_like(taken, lowest), taken))
        places.append(linear)
    best = ops.argmax(ops.stack(values, axis=-1), axis=-1, keepdims=True)
    table = constant(np.stack(places, axis=-1).astype(np.int64))
    chosen = ops.take_along_axis(
        ops.broadcast_to(table, (*x.shape[:2], *table.shape)), best, axis=-1
    )[..., 0]
    plane = np.arange(x.shape[0] * x.shape[1]) * math.prod(spatial)
    planes = plane.reshape(*x.shape[:2], *(1 for _ in spatial))
    return chosen + constant(planes)


@operator("AveragePool")
def average_pool(operation: Operation, x: Array) -> Array:
    """Return the mean of each window, of the border too if that counts."""
    windows = windows_of(operation, x.shape[2:], operation.attribute("kernel_shape"))
    borders = bool(operation.attribute("count_include_pad", 0))
    wide = cast(channels_last(x), dtypes.accumulator(x.dtype))
    total = Array.of_node(window_sum(wide, *_attributes(windows)))
    counts = _counts(windows, x.shape[2:], total.shape[1:-1], borders)
    divisor = constant(counts.astype(total.dtype))
    return channels_first(ops.astype(total / divisor, x.dtype).node)


def _counts(
    windows: Windows, spatial: Sequence[int], out: Sequence[int], borders: bool
) -> Any:
    """Return how many elements each window has, shaped ``[*places, 1]``."""
    factors = []
    for k, count in enumerate(out):
        low, high = windows.pads[k]
        first = np.arange(count)[:, None] * windows.strides[k] - low
        taps = first + np.arange(windows.size[k]) * windows.dilation[k]
        begin, end = (-low, spatial[k] + high) if borders else (0, spatial[k])
        factors.append(((taps >= begin) & (taps < end)).sum(axis=1))
    if all((one == one[0]).all() for one in factors if one.size):
        return np.asarray(math.prod(int(one[0]) for one in factors if one.size))
    return functools.reduce(np.multiply.outer, factors)[..., None]


@operator("LpPool", since=2)
def lp_pool(operation: Operation, x: Array) -> Array:
    """Return the p-norm of each window."""
    power = float(operation.attribute("p", 2))
    windows = windows_of(operation, x.shape[2:], operation.attribute("kernel_shape"))
    powers = ops.pow(ops.abs(x), power)
    total: Node = window_sum(channels_last(powers), *_attributes(windows))
    return channels_first(ops.pow(Array.of_node(total), 1.0 / power).node)


@operator("GlobalAveragePool")
def global_average_pool(_operation: Operation, x: Array) -> Array:
    """Return the mean over all places."""
    return ops.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalMaxPool")
def global_max_pool(_operation: Operation, x: Array) -> Array:
    """Return the largest element over all places."""
    return ops.max(x, axis=tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalLpPool", since=2)
def global_lp_pool(operation: Operation, x: Array) -> Array:
    """Return the p-norm over all places."""
    power = float(operation.attribute("p", 2))
    axes = tuple(range(2, x.ndim))
    total = ops.sum(ops.pow(ops.abs(x), power), axis=axes, keepdims=True)
    return ops.pow(total, 1.0 / power)


@operator("MaxUnpool")
def max_unpool(
    operation: Operation, x: Array, places: Array, shape: Array | None = None
) -> Array:
    """Put elements back where a pooling found them, zeros elsewhere."""
    windows = windows_of(operation, x.shape[2:], operation.attribute("kernel_shape"))
    natural = [
        (count - 1) * stride + size - sum(pair)
        for count, stride, size, pair in zip(
            x.shape[2:], windows.strides, windows.size, windows.pads, strict=True
        )
    ]
    # The places count over the array without what `output_shape` adds at the end.
    inner = (*x.shape[:2], *natural)
    empty = ops.zeros((math.prod(inner),), dtype=x.dtype)
    result = scatter(empty.node, ops.ravel(places).node, ops.ravel(x).node, 0, "set")
    whole = ops.reshape(Array.of_node(result), inner)
    wanted = operation.numbers(shape, "output_shape")
    if wanted is None:
        return whole
    more = [size - old for size, old in zip(wanted, inner, strict=True)]
    return Array.of_node(pad(whole.node, [0] * x.ndim, more))
