"""Other numbers of places: adaptive pooling and upsampling.

Both are linear maps (or a maximum) along one spatial axis after the other, and the maps
depend on sizes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.nn.interpolation import INTERPOLATIONS, Matrix, place_weights
from nervure.ops.nn.pooling import average_pool, max_pool
from nervure.ops.nn.sliding import (
    channels_last,
    channels_restored,
    check_axes,
    data_format_name,
    one_per_axis,
)
from nervure.ops.operands import as_node
from nervure.prims.contract import dot
from nervure.prims.indexed import gather
from nervure.prims.leaf import const
from nervure.prims.movement import transpose
from nervure.prims.select import cast


def _mapped(x: Node, axis: int, matrix: Matrix) -> Node:
    """Return x with the places of an axis replaced by sums weighted by a matrix."""
    product = dot(x, const(matrix, x.dtype), contract=((axis,), (0,)))
    rank = len(x.shape)
    order = [*range(axis), rank - 1, *range(axis, rank - 1)]
    return transpose(product, order)


# --- adaptive pooling ----------------------------------------------------------------


def _bounds(size: int, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return where each of ``count`` windows over ``size`` places starts and stops."""
    place = np.arange(count)
    return place * size // count, -(-(place + 1) * size // count)


def _adaptive_operand(
    op: str,
    inputs: ArrayLike,
    output_size: int | Sequence[int],
    data_format: str | None,
) -> tuple[Node, tuple[int, ...], str]:
    """Return the input, the numbers of windows and the data format, checked."""
    x = as_node(inputs)
    rank = check_axes(op, x)
    layout = data_format_name(data_format)
    counts = one_per_axis("output_size", output_size, rank)
    places = x.shape[1:-1] if layout == "channels_last" else x.shape[2:]
    if 0 in places:
        raise ArgumentError(
            explain(
                f"{op}: an input of shape {list(x.shape)} has no places",
                fix="pass pictures of at least one pixel",
            )
        )
    return x, counts, layout


def _even_windows(
    x: Node, counts: tuple[int, ...], layout: str
) -> tuple[int, ...] | None:
    """Return the size of the windows if they are all equal and side by side."""
    places = x.shape[1:-1] if layout == "channels_last" else x.shape[2:]
    pairs = list(zip(places, counts, strict=True))
    if any(size % count for size, count in pairs):
        return None
    return tuple(size // count for size, count in pairs)


def adaptive_max_pool(
    inputs: ArrayLike,
    output_size: int | Sequence[int],
    data_format: str | None = None,
) -> Array:
    """Return the largest element of each of a given number of windows.

    Window ``i`` of ``count`` goes from place ``i * size / count``, rounded down, to
    ``(i + 1) * size / count``, rounded up; so windows may overlap by a place.

    Parameters
    ----------
    inputs
        Numbers ``[batch, *spatial, channels]``, or with "channels_first"
        ``[batch, channels, *spatial]``.
    output_size
        How many windows: one number for all spatial axes or one for each.
    data_format
        "channels_last", also None, or "channels_first".

    Raises
    ------
    ShapeError, ArgumentError, UnknownNameError
        For inputs without spatial axes or places, and for sizes or names that do not
        exist.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(1.0, 6.0), (1, 5, 1))
    >>> nv.nn.adaptive_max_pool(x, 2).ravel().tolist()
    [3.0, 5.0]
    """
    x, counts, layout = _adaptive_operand(
        "adaptive_max_pool", inputs, output_size, data_format
    )
    even = _even_windows(x, counts, layout)
    if even is not None:
        return max_pool(inputs, even, data_format=layout)
    moved = channels_last(x, layout)
    for axis, count in enumerate(counts, 1):
        first, last = _bounds(moved.shape[axis], count)
        width = int((last - first).max())
        # The last place of a shorter window again: that changes no maximum.
        places = np.minimum(first[:, None] + np.arange(width), last[:, None] - 1)
        windows = gather(moved, const(places, dtypes.int64), axis)
        moved = ops.max(Array.of_node(windows), axis=axis + 1).node
    return Array.of_node(channels_restored(moved, layout))


def adaptive_average_pool(
    inputs: ArrayLike,
    output_size: int | Sequence[int],
    data_format: str | None = None,
) -> Array:
    """Return the mean of each of a given number of windows.

    Parameters and errors are those of :func:`adaptive_max_pool`.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(1.0, 6.0), (1, 5, 1))
    >>> nv.nn.adaptive_average_pool(x, 2).ravel().tolist()
    [2.0, 4.0]
    """
    x, counts, layout = _adaptive_operand(
        "adaptive_average_pool", inputs, output_size, data_format
    )
    even = _even_windows(x, counts, layout)
    if even is not None:
        return average_pool(inputs, even, data_format=layout)
    dtype = as_float(x).dtype
    moved = channels_last(cast(x, dtypes.accumulator(dtype)), layout)
    for axis, count in enumerate(counts, 1):
        first, last = _bounds(moved.shape[axis], count)
        place = np.arange(moved.shape[axis])[:, None]
        inside = (first <= place) & (place < last)
        moved = _mapped(moved, axis, inside / (last - first))
    return Array.of_node(channels_restored(cast(moved, dtype), layout))


# --- upsampling ----------------------------------------------------------------------


def interpolation_name(given: str) -> str:
    """Return the name of an interpolation in small letters."""
    name = given.lower() if isinstance(given, str) else given
    if name not in INTERPOLATIONS:
        raise unknown_name("interpolation", given, INTERPOLATIONS)
    return str(name)


def upsample(
    inputs: ArrayLike,
    size: int | Sequence[int],
    data_format: str | None = None,
    interpolation: str = "nearest",
) -> Array:
    """Return the input with every place replaced by several.

    Parameters
    ----------
    inputs
        ``[batch, *spatial, channels]``, or with "channels_first"
        ``[batch, channels, *spatial]``.
    size
        By how much each spatial axis grows: one number for all or one for each.
    data_format
        "channels_last", also None, or "channels_first".
    interpolation
        "nearest" repeats the elements; "bilinear", "bicubic", "lanczos3" and "lanczos5"
        interpolate, along one axis after the other.

    Raises
    ------
    ShapeError, ArgumentError, UnknownNameError
        For inputs without spatial axes, and for sizes or names that do not exist.

    >>> import nervure as nv
    >>> x = nv.asarray([[[0.0], [4.0]]])
    >>> nv.nn.upsample(x, 2, interpolation="bilinear").ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    x, name = as_node(inputs), interpolation_name(interpolation)
    rank = check_axes("upsample", x)
    layout = data_format_name(data_format)
    factors = one_per_axis("size", size, rank)
    first = 1 if layout == "channels_last" else 2
    if name == "nearest":
        result = Array.of_node(x)
        for axis, factor in enumerate(factors, first):
            result = ops.repeat(result, factor, axis=axis)
        return result
    dtype = as_float(x).dtype
    wide = cast(x, dtypes.accumulator(dtype))
    for axis, factor in enumerate(factors, first):
        if factor > 1 and wide.size:
            size = wide.shape[axis]
            wide = _mapped(wide, axis, place_weights(size, size * factor, name).T)
        elif factor > 1:  # nothing to interpolate, but the sizes are known
            wide = ops.repeat(Array.of_node(wide), factor, axis=axis).node
    return Array.of_node(cast(wide, dtype))
