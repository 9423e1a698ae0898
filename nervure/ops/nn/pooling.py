"""Pooling: the largest elements, or the means, of windows."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.nn.sliding import (
    PadPairs,
    Sizes,
    channels_last,
    channels_restored,
    check_axes,
    check_fit,
    data_format_name,
    one_per_axis,
    pad_pairs,
    padding_name,
)
from nervure.ops.operands import as_node
from nervure.prims import binary
from nervure.prims.leaf import const, full_like
from nervure.prims.movement import broadcast
from nervure.prims.select import cast
from nervure.prims.window import window_max, window_sum


class _Pooling:
    """Where the windows lie: the input channels last, and attributes for every axis."""

    def __init__(
        self,
        op: str,
        x: Node,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None,
        padding: str,
        data_format: str | None,
    ) -> None:
        rank = check_axes(op, x)
        self.data_format = data_format_name(data_format)
        self.x = channels_last(x, self.data_format)
        self.size = one_per_axis("pool_size", pool_size, rank)
        steps = pool_size if strides is None else strides
        self.strides = one_per_axis("strides", steps, rank)
        places = self.x.shape[1:-1]
        self.pads = pad_pairs(places, self.size, self.strides, padding_name(padding))
        check_fit(op, x, places, self.size, self.pads)

    @property
    def attributes(self) -> tuple[Sizes, Sizes, PadPairs]:
        """Window, strides and padding, one entry for each axis."""
        none = (0, 0)
        return (1, *self.size, 1), (1, *self.strides, 1), (none, *self.pads, none)

    def result(self, pooled: Node) -> Array:
        """Return what was pooled in the data format of the input."""
        return Array.of_node(channels_restored(pooled, self.data_format))


def max_pool(
    inputs: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Return the largest element of each window.

    Padding is never the largest.  The gradient of a window goes to its first largest
    element in row-major order.

    Parameters
    ----------
    inputs
        Numbers ``[batch, *spatial, channels]``, or with "channels_first"
        ``[batch, channels, *spatial]``; one to any number of spatial axes.
    pool_size
        The size of a window: one number for all spatial axes or one for each.
    strides
        The step from window to window; None: ``pool_size``.
    padding
        "valid" for whole windows only, ``(size - pool_size) // strides + 1`` of them
        along an axis, or "same" for ``size / strides`` of them, rounded up.
    data_format
        "channels_last", also None, or "channels_first".

    Raises
    ------
    ShapeError
        When a window is larger than the input.
    ArgumentError, UnknownNameError
        For sizes or names that do not exist.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(1.0, 6.0), (1, 5, 1))
    >>> nv.nn.max_pool(x, 2).ravel().tolist()
    [2.0, 4.0]
    >>> nv.nn.max_pool(x, 2, padding="same").ravel().tolist()
    [2.0, 4.0, 5.0]
    """
    x = as_node(inputs)
    pooling = _Pooling("max_pool", x, pool_size, strides, padding, data_format)
    return pooling.result(window_max(pooling.x, *pooling.attributes))


def average_pool(
    inputs: ArrayLike,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Array:
    """Return the mean of each window, of its elements without the padding.

    Parameters and errors are those of :func:`max_pool`.  float16 and bfloat16 are
    averaged in float32, integers in the default float.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(1.0, 6.0), (1, 5, 1))
    >>> nv.nn.average_pool(x, 2, padding="same").ravel().tolist()
    [1.5, 3.5, 5.0]
    """
    x = as_float(as_node(inputs))
    pooling = _Pooling("average_pool", x, pool_size, strides, padding, data_format)
    wide = cast(pooling.x, dtypes.accumulator(x.dtype))
    total = window_sum(wide, *pooling.attributes)
    mean = binary.div(total, _elements(total, pooling))
    return pooling.result(cast(mean, x.dtype))


def _elements(total: Node, pooling: _Pooling) -> Node:
    """Return how many elements that are no padding lie in each window."""
    if not any(map(any, pooling.pads)):
        return full_like(total, math.prod(pooling.size))
    counts = []
    for axis, (low, _) in enumerate(pooling.pads):
        first = np.arange(total.shape[axis + 1]) * pooling.strides[axis] - low
        last = np.minimum(first + pooling.size[axis], pooling.x.shape[axis + 1])
        counts.append(last - np.maximum(first, 0))
    grid = functools.reduce(np.multiply.outer, counts)
    axes = range(1, len(total.shape) - 1)
    return broadcast(const(grid, total.dtype), total.shape, tuple(axes))
