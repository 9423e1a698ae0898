"""Primitives that move elements without computing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import as_ints, as_shape, axes_within, axis_within, same_dtype
from nervure.prims.leaf import full
from nervure.prims.slicing import sample_values, slice_

ONE = ("x",)


# --- reshape -------------------------------------------------------------------------


def _infer_reshape(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    shape: Any = attrs["shape"]
    size = 1
    for extent in shape:
        size *= extent
    if size != x.size:
        raise wrong(
            ShapeError,
            "reshape",
            f"{x.size} elements do not fill the shape {list(shape)} of {size}",
            inputs,
            ONE,
            fix=f"choose sizes with the product {x.size}",
        )
    return shape, x.dtype


RESHAPE = register(
    Primitive(
        "reshape",
        ONE,
        _infer_reshape,
        lambda node, x: np.reshape(x, node.shape),
        lambda node, g: (reshape(g, node.inputs[0].shape),),
        Fusion.INJECTIVE,
        dtypes.ALL,
        lambda dtype, random: [
            Sample((sample_values(dtype, random, 3, 4),), {"shape": (2, 6)}),
            Sample((sample_values(dtype, random, 1, 1),), {"shape": ()}),
            Sample((sample_values(dtype, random, 0, 4),), {"shape": (2, 0)}),
        ],
        [
            WrongUse(
                lambda: reshape(full((2, 3), 0, dtypes.float32), (4,)),
                ShapeError,
                "reshape: 6 elements do not fill the shape [4] of 4",
            ),
            WrongUse(
                lambda: reshape(full((2, 3), 0, dtypes.float32), (-1, 3)),
                ArgumentError,
                "reshape: sizes must not be negative, got (-1, 3)",
            ),
        ],
    )
)


def reshape(x: Node, shape: Sequence[int]) -> Node:
    """Return the elements of x, in row-major order, in another shape."""
    shape = as_shape("reshape", shape)
    return x if shape == x.shape else apply(RESHAPE, x, shape=shape)


# --- transpose -----------------------------------------------------------------------


def _infer_transpose(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    axes: Any = attrs["axes"]
    if sorted(axes) != list(range(len(x.shape))):
        raise wrong(
            ArgumentError,
            "transpose",
            f"axes {axes} are not a permutation of {tuple(range(len(x.shape)))}",
            inputs,
            ONE,
        )
    return tuple(x.shape[axis] for axis in axes), x.dtype


def _transpose_gradient(node: Node, g: Node) -> tuple[Node]:
    axes: Any = node.attrs["axes"]
    return (transpose(g, tuple(int(place) for place in np.argsort(axes))),)


TRANSPOSE = register(
    Primitive(
        "transpose",
        ONE,
        _infer_transpose,
        lambda node, x: np.transpose(x, node.attrs["axes"]),
        _transpose_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        lambda dtype, random: [
            Sample((sample_values(dtype, random, 2, 3, 4),), {"axes": (2, 0, 1)}),
            Sample((sample_values(dtype, random, 0, 4),), {"axes": (1, 0)}),
        ],
        [
            WrongUse(
                lambda: transpose(full((2, 3), 0, dtypes.float32), (0, 0)),
                ArgumentError,
                "transpose: axes (0, 0) are not a permutation of (0, 1)",
            )
        ],
    )
)


def transpose(x: Node, axes: Sequence[int]) -> Node:
    """Return x with its axes in another order: axis i of the result is ``axes[i]``."""
    axes = as_ints(axes)
    if axes == tuple(range(len(x.shape))):
        return x
    return apply(TRANSPOSE, x, axes=axes)


# --- broadcast -----------------------------------------------------------------------


def _infer_broadcast(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    shape: Any = attrs["shape"]
    axes: Any = attrs["axes"]
    fits = (
        len(axes) == len(x.shape)
        and list(axes) == sorted(set(axes))
        and all(0 <= axis < len(shape) for axis in axes)
        and all(
            shape[axis] == extent for axis, extent in zip(axes, x.shape, strict=True)
        )
    )
    if not fits:
        raise wrong(
            ShapeError,
            "broadcast",
            f"shape {list(x.shape)} on axes {axes} does not fit {list(shape)}",
            inputs,
            ONE,
        )
    return shape, x.dtype


def _reference_broadcast(node: Node, x: NDArray) -> NDArray:
    axes: Any = node.attrs["axes"]
    column = [1] * len(node.shape)
    for axis, extent in zip(axes, x.shape, strict=True):
        column[axis] = extent
    return np.broadcast_to(x.reshape(column), node.shape)


def _broadcast_gradient(node: Node, g: Node) -> tuple[Node]:
    from nervure.prims.reduce import reduce_sum

    axes: Any = node.attrs["axes"]
    new = tuple(axis for axis in range(len(node.shape)) if axis not in axes)
    return (reduce_sum(g, new),)


BROADCAST = register(
    Primitive(
        "broadcast",
        ONE,
        _infer_broadcast,
        _reference_broadcast,
        _broadcast_gradient,
        Fusion.BROADCAST,
        dtypes.ALL,
        lambda dtype, random: [
            Sample(
                (sample_values(dtype, random, 3),), {"shape": (2, 3, 4), "axes": (1,)}
            ),
            Sample((sample_values(dtype, random),), {"shape": (2, 3), "axes": ()}),
            Sample((sample_values(dtype, random, 3),), {"shape": (0, 3), "axes": (1,)}),
        ],
        [
            WrongUse(
                lambda: broadcast(full((3,), 0, dtypes.float32), (2, 4), (1,)),
                ShapeError,
                "broadcast: shape [3] on axes (1,) does not fit [2, 4]",
            )
        ],
    )
)


def broadcast(x: Node, shape: Sequence[int], axes: Sequence[int]) -> Node:
    """Return x repeated: axis i of x becomes axis ``axes[i]`` of ``shape``."""
    shape, axes = as_shape("broadcast", shape), as_ints(axes)
    if shape == x.shape and axes == tuple(range(len(shape))):
        return x
    return apply(BROADCAST, x, shape=shape, axes=axes)


# --- reverse -------------------------------------------------------------------------


def _infer_reverse(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    axes: Any = attrs["axes"]
    axes_within("reverse", axes, inputs)
    return inputs[0].shape, inputs[0].dtype


def _reverse_gradient(node: Node, g: Node) -> tuple[Node]:
    axes: Any = node.attrs["axes"]
    return (reverse(g, axes),)


REVERSE = register(
    Primitive(
        "reverse",
        ONE,
        _infer_reverse,
        lambda node, x: np.flip(x, node.attrs["axes"]),
        _reverse_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        lambda dtype, random: [
            Sample((sample_values(dtype, random, 3, 4),), {"axes": (1,)}),
            Sample((sample_values(dtype, random, 3, 4),), {"axes": (0, 1)}),
            Sample((sample_values(dtype, random, 0, 4),), {"axes": (0,)}),
        ],
        [
            WrongUse(
                lambda: reverse(full((3,), 0, dtypes.float32), (1,)),
                ArgumentError,
                "reverse: axis 1 is not an axis of float32[3]",
            )
        ],
    )
)


def reverse(x: Node, axes: Sequence[int]) -> Node:
    """Return x with the order of elements turned round on ``axes``."""
    axes = tuple(sorted(as_ints(axes)))
    return apply(REVERSE, x, axes=axes) if axes else x


# --- concatenate ---------------------------------------------------------------------


def _infer_concatenate(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    axis: Any = attrs["axis"]
    names = [f"x{position}" for position in range(len(inputs))]
    if not inputs:
        raise wrong(ShapeError, "concatenate", "expected at least one array", (), ())
    axis_within("concatenate", axis, inputs, "x0")
    dtype = same_dtype("concatenate", inputs, names)
    rest = [node.shape[:axis] + node.shape[axis + 1 :] for node in inputs]
    ranks = {len(node.shape) for node in inputs}
    if len(ranks) > 1 or any(shape != rest[0] for shape in rest):
        raise wrong(
            ShapeError,
            "concatenate",
            f"shapes must agree on every axis but axis {axis}",
            inputs,
            names,
        )
    shape = list(inputs[0].shape)
    shape[axis] = sum(node.shape[axis] for node in inputs)
    return tuple(shape), dtype


def _concatenate_gradient(node: Node, g: Node) -> list[Node]:
    axis: Any = node.attrs["axis"]
    result, begin = [], 0
    for operand in node.inputs:
        start = [0] * len(g.shape)
        stop = list(g.shape)
        start[axis] = begin
        begin += operand.shape[axis]
        stop[axis] = begin
        result.append(slice_(g, start, stop, (1,) * len(g.shape)))
    return result


def _concatenate_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    parts = [sample_values(dtype, random, 2, extent) for extent in (3, 1, 0)]
    return [
        Sample(tuple(parts), {"axis": 1}),
        Sample((parts[0], parts[0]), {"axis": 0}),
        Sample((parts[2],), {"axis": 0}),
    ]


CONCATENATE = register(
    Primitive(
        "concatenate",
        ("x*",),
        _infer_concatenate,
        lambda node, *arrays: np.concatenate(arrays, node.attrs["axis"]),
        _concatenate_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        _concatenate_samples,
        [
            WrongUse(
                lambda: concatenate(
                    [full((2, 3), 0, dtypes.float32), full((3, 3), 0, dtypes.float32)],
                    1,
                ),
                ShapeError,
                "concatenate: shapes must agree on every axis but axis 1",
            ),
            WrongUse(
                lambda: concatenate([], 0),
                ShapeError,
                "concatenate: expected at least one array",
            ),
        ],
    )
)


def concatenate(arrays: Sequence[Node], axis: int) -> Node:
    """Return the arrays one after the other along an existing axis."""
    return apply(CONCATENATE, *arrays, axis=axis)
