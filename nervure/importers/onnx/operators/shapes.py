"""Moving elements: ``Reshape``, ``Transpose``, ``Concat``, ``Slice``, ``Pad``, ..."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator
from nervure.prims import slicing


@operator("Shape")
def shape(operation: Operation, x: Array) -> Array:
    """Return the sizes of the axes."""
    start = operation.attribute("start", 0)
    end = operation.attribute("end")
    return constant(np.asarray(x.shape[start:end], np.int64))


@operator("Size")
def size(_operation: Operation, x: Array) -> Array:
    """Return the number of elements."""
    return constant(np.asarray(x.size, np.int64))


@operator("Reshape")
def reshape(operation: Operation, x: Array, sizes: Array | None = None) -> Array:
    """Return the elements in another shape; 0 copies a size, -1 fits."""
    if operation.version < 5:
        wanted = operation.attribute("shape")
    else:
        wanted = operation.numbers(sizes, "shape")
    if not operation.attribute("allowzero", 0):
        wanted = [x.shape[k] if one == 0 else one for k, one in enumerate(wanted)]
    return ops.reshape(x, tuple(wanted))


@operator("Transpose")
def transpose(operation: Operation, x: Array) -> Array:
    """Return the axes in another order, by default reversed."""
    return ops.permute_dims(x, operation.attribute("perm", range(x.ndim)[::-1]))


@operator("Flatten")
def flatten(operation: Operation, x: Array) -> Array:
    """Return a matrix: the axes before ``axis``, and the others."""
    axis = operation.attribute("axis", 1)
    if axis < 0:
        axis += x.ndim
    return ops.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze")
def squeeze(operation: Operation, x: Array, axes: Array | None = None) -> Array:
    """Drop axes of size 1, all of them unless told which."""
    given = (
        operation.attribute("axes")
        if operation.version < 13
        else operation.numbers(axes, "axes")
    )
    if given is None:
        given = [axis for axis, extent in enumerate(x.shape) if extent == 1]
    return ops.squeeze(x, axis=tuple(given))


@operator("Unsqueeze")
def unsqueeze(operation: Operation, x: Array, axes: Array | None = None) -> Array:
    """Add axes of size 1, counted in the result."""
    if operation.version < 13:
        given = operation.attribute("axes")
    else:
        given = operation.numbers(axes, "axes")
    rank = x.ndim + len(given)
    places = {axis % rank for axis in given}
    rest = iter(x.shape)
    return ops.reshape(x, tuple(1 if k in places else next(rest) for k in range(rank)))


@operator("Expand")
def expand(operation: Operation, x: Array, sizes: Array) -> Array:
    """Broadcast with a shape."""
    wanted = tuple(operation.numbers(sizes, "shape"))
    return ops.broadcast_to(x, np.broadcast_shapes(x.shape, wanted))


@operator("Tile", since=6)
def tile(operation: Operation, x: Array, repeats: Array) -> Array:
    """Repeat the array along its axes."""
    return ops.tile(x, tuple(operation.numbers(repeats, "repeats")))


@operator("Concat", since=4)
def concat(operation: Operation, *values: Array) -> Array:
    """Join arrays along an axis."""
    return ops.concat(values, axis=operation.attribute("axis"))


@operator("Split", since=2)
def split(operation: Operation, x: Array, sizes: Array | None = None) -> Any:
    """Cut along an axis into pieces of given sizes, or as even as they get."""
    axis = operation.attribute("axis", 0)
    if operation.version < 13:
        given = operation.attribute("split")
    else:
        given = operation.numbers(sizes, "split")
    if given is None:
        count = operation.attribute("num_outputs", len(operation.outputs))
        piece = -(-x.shape[axis] // count)
        given = [piece] * (count - 1)
        given.append(x.shape[axis] - sum(given))
    return tuple(pieces(x, axis, given))


def pieces(x: Array, axis: int, sizes: list[int]) -> list[Array]:
    """Return consecutive pieces of an axis."""
    place = axis % x.ndim
    cuts = np.cumsum([0, *sizes]).tolist()
    lead = (slice(None),) * place
    return [x[(*lead, slice(cuts[k], cuts[k + 1]))] for k in range(len(sizes))]


@operator("Slice")
def cut(
    operation: Operation,
    x: Array,
    starts: Array | None = None,
    ends: Array | None = None,
    axes: Array | None = None,
    steps: Array | None = None,
) -> Array:
    """Return a range of some axes, also backwards."""
    if operation.version < 10:
        first = operation.attribute("starts")
        last = operation.attribute("ends")
        places = operation.attribute("axes")
        strides = None
    else:
        first = operation.numbers(starts, "starts")
        last = operation.numbers(ends, "ends")
        places = operation.numbers(axes, "axes")
        strides = operation.numbers(steps, "steps")
    key: list[Any] = [slice(None)] * x.ndim
    for k, axis in enumerate(range(len(first)) if places is None else places):
        step = 1 if strides is None else strides[k]
        key[axis] = _clamped_range(first[k], last[k], step, x.shape[axis])
    return x[tuple(key)] if key else x


def _clamped_range(start: int, end: int, step: int, extent: int) -> slice:
    """Return a range as Python means it; a negative end may mean 'before the first'."""
    if step > 0:
        return slice(start, end, step)
    start = min(start + extent if start < 0 else start, extent - 1)
    end = end + extent if end < 0 else end
    return slice(start, None if end < 0 else end, step)


@operator("Pad", since=2)
def pad(
    operation: Operation,
    x: Array,
    widths: Array | None = None,
    value: Array | None = None,
    axes: Array | None = None,
) -> Array:
    """Add elements at the borders, or cut them off where a width is negative."""
    if operation.version < 11:
        given = operation.attribute("pads")
        filling = operation.attribute("value", 0.0)
    else:
        given = operation.numbers(widths, "pads")
        filling = 0 if value is None else operation.known(value, "value").item()
    places = operation.numbers(axes, "axes") or list(range(x.ndim))
    count = len(places)
    pairs = [(0, 0)] * x.ndim
    for k, axis in enumerate(places):
        pairs[axis] = (given[k], given[k + count])
    mode = operation.attribute("mode", "constant")
    if mode == "constant":
        low, high = zip(*pairs, strict=True) if pairs else ((), ())
        return Array.of_node(slicing.pad(x.node, low, high, value=filling))
    return bordered(x, pairs, mode)


def bordered(x: Array, pairs: list[tuple[int, int]], mode: str) -> Array:
    """Continue an array at its borders with elements of its own."""
    for axis, (low, high) in enumerate(pairs):
        if low or high:
            extent = x.shape[axis]
            places = np.arange(max(-low, 0), extent - max(-high, 0))
            around = (max(low, 0), max(high, 0))
            sources = np.pad(places, around, mode)  # type: ignore[call-overload]
            x = ops.take(x, constant(sources), axis=axis)
    return x


@operator("DepthToSpace")
def depth_to_space(operation: Operation, x: Array) -> Array:
    """Move channels to places: ``[N, C, H, W]`` to ``[N, C/b/b, H*b, W*b]``."""
    block = operation.attribute("blocksize")
    batch, channels, height, width = x.shape
    deep = channels // block**2
    if operation.attribute("mode", "DCR") == "DCR":
        split_up = ops.reshape(x, (batch, block, block, deep, height, width))
        order = (0, 3, 4, 1, 5, 2)
    else:
        split_up = ops.reshape(x, (batch, deep, block, block, height, width))
        order = (0, 1, 4, 2, 5, 3)
    moved = ops.permute_dims(split_up, order)
    return ops.reshape(moved, (batch, deep, height * block, width * block))


@operator("SpaceToDepth")
def space_to_depth(operation: Operation, x: Array) -> Array:
    """Move places to channels: ``[N, C, H, W]`` to ``[N, C*b*b, H/b, W/b]``."""
    block = operation.attribute("blocksize")
    batch, channels, height, width = x.shape
    down, across = height // block, width // block
    split_up = ops.reshape(x, (batch, channels, down, block, across, block))
    if operation.attribute("mode", "DCR") == "DCR":
        order = (0, 3, 5, 1, 2, 4)
    else:
        order = (0, 1, 3, 5, 2, 4)
    moved = ops.permute_dims(split_up, order)
    return ops.reshape(moved, (batch, channels * block**2, down, across))


@operator("Trilu")
def triangle(operation: Operation, x: Array, k: Array | None = None) -> Array:
    """Keep the upper or the lower triangle of matrices."""
    diagonal = 0 if k is None else int(operation.known(k, "k"))
    rows, columns = x.shape[-2:]
    above = np.arange(columns)[None, :] - np.arange(rows)[:, None]
    upper = operation.attribute("upper", 1)
    kept = above >= diagonal if upper else above <= diagonal
    return ops.where(constant(kept), x, ops.zeros_like(x))


@operator("ReverseSequence")
def reverse_sequence(operation: Operation, x: Array, lengths: Array) -> Array:
    """Reverse the first elements of each row, as many as its length says."""
    batch = operation.attribute("batch_axis", 1)
    time = operation.attribute("time_axis", 0)
    sizes = [1] * x.ndim
    sizes[batch] = x.shape[batch]
    length = ops.reshape(ops.astype(lengths, dtypes.int64), sizes)
    steps = [1] * x.ndim
    steps[time] = x.shape[time]
    place = ops.reshape(ops.arange(x.shape[time]), steps)
    source = ops.where(ops.less(place, length), length - 1 - place, place)
    return ops.take_along_axis(x, ops.broadcast_to(source, x.shape), axis=time)
