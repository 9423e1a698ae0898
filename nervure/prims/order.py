"""Running sums, and putting elements in order: primitives along one axis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import axis_within, dtype_among, same_shape
from nervure.prims.leaf import full, iota
from nervure.prims.slicing import sample_values

NUMBERS = (*dtypes.INTEGERS, *dtypes.FLOATS)
SORT_NAMES = ("keys", "payload")


# --- cumsum --------------------------------------------------------------------------


def _infer_cumsum(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    axis: Any = attrs["axis"]
    dtype_among("cumsum", inputs, ("x",), NUMBERS)
    axis_within("cumsum", axis, inputs)
    return inputs[0].shape, inputs[0].dtype


def _reference_cumsum(node: Node, x: NDArray) -> NDArray:
    axis: Any = node.attrs["axis"]
    # Without a type NumPy would count small integers in int64.
    wide = dtypes.accumulator(x.dtype)
    if node.attrs["reverse"]:
        result = np.flip(np.cumsum(np.flip(x, axis), axis, dtype=wide), axis)
    else:
        result = np.cumsum(x, axis, dtype=wide)
    return result.astype(node.dtype, copy=False)


def _cumsum_gradient(node: Node, g: Node) -> tuple[Node]:
    """Element i is part of the sums from i on, which is a running sum from the end."""
    axis: Any = node.attrs["axis"]
    return (cumsum(g, axis, not node.attrs["reverse"]),)


def _cumsum_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 3, 4, 2)
    return [
        Sample((values,), {"axis": 1, "reverse": False}),
        Sample((values,), {"axis": 0, "reverse": True}),
        Sample((values[:, :, 0],), {"axis": 1, "reverse": True}),
        Sample((values[:0],), {"axis": 0, "reverse": False}),
        Sample((values[:0],), {"axis": 1, "reverse": True}),
    ]


CUMSUM = register(
    Primitive(
        "cumsum",
        ("x",),
        _infer_cumsum,
        _reference_cumsum,
        _cumsum_gradient,
        Fusion.OPAQUE,
        NUMBERS,
        _cumsum_samples,
        [
            WrongUse(
                lambda: cumsum(full((2, 3), 0, dtypes.float32), 2),
                ArgumentError,
                "cumsum: axis 2 is not an axis of float32[2, 3]",
            ),
            WrongUse(
                lambda: cumsum(full((2,), 0, dtypes.bool_), 0),
                DTypeError,
                "cumsum: expected integers or floating-point numbers, got bool",
            ),
        ],
    )
)


def cumsum(x: Node, axis: int, reverse: bool = False) -> Node:
    """Return the running sums of x along ``axis``, each including its own element.

    With ``reverse`` the sums run from the end, so element 0 is the whole sum.  float16
    and bfloat16 are added up in float32 and rounded once; integers wrap around.
    """
    return apply(CUMSUM, x, axis=operator.index(axis), reverse=bool(reverse))


# --- sort ----------------------------------------------------------------------------


def _infer_sort(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    axis: Any = attrs["axis"]
    axis_within("sort", axis, inputs, "keys")
    return same_shape("sort", inputs, SORT_NAMES), inputs[1].dtype


def stable_order(keys: NDArray, axis: int, descending: bool) -> NDArray:
    """Return the int64 permutation that sorts along ``axis``: NaN last, ties in place.

    A falling order is the rising order of the keys read backwards, read backwards
    again: equal keys are turned round twice and so keep their places.
    """
    wide = keys.astype(dtypes.accumulator(keys.dtype), copy=False)
    if not descending:
        return np.argsort(wide, axis=axis, kind="stable")
    rising = np.argsort(np.flip(wide, axis), axis=axis, kind="stable")
    order = keys.shape[axis] - 1 - np.flip(rising, axis)
    # NaN went first with the turn; a stable sort by "is NaN" brings it to the end.
    nan = np.take_along_axis(wide != wide, order, axis)
    return np.take_along_axis(order, np.argsort(nan, axis=axis, kind="stable"), axis)


def _reference_sort(node: Node, keys: NDArray, payload: NDArray) -> NDArray:
    axis: Any = node.attrs["axis"]
    order = stable_order(keys, axis, bool(node.attrs["descending"]))
    return np.take_along_axis(payload, order, axis)


def _sort_gradient(node: Node, g: Node) -> tuple[None, Node]:
    """Sorting by the permutation brings each cotangent back to its element's place."""
    keys, _ = node.inputs
    axis: Any = node.attrs["axis"]
    descending = bool(node.attrs["descending"])
    permutation = sort(keys, iota(keys.shape, axis), axis, descending)
    return None, sort(permutation, g, axis)


def _sort_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    keys = random.permutation(24).reshape(4, 3, 2).astype(dtype)
    payload = sample_values(dtype, random, 4, 3, 2)
    places = np.arange(24, dtype=np.int64).reshape(4, 3, 2)
    tied = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0]]).astype(dtype)
    counts = np.arange(10, dtype=np.int16).reshape(2, 5)
    samples = []
    for descending in (False, True):
        first = {"axis": 0, "descending": descending}
        second = {"axis": 1, "descending": descending}
        samples += [
            Sample((keys, keys), first, differentiate=(1,)),
            Sample((keys, payload), second),
            Sample((keys, places), second, smooth=False),
            Sample((places, payload), first),
            Sample((tied, counts), second, smooth=False),
            Sample((keys[:0], payload[:0]), first),
            Sample((keys[:0], payload[:0]), second),
        ]
        if dtypes.is_float(dtype):
            keys_with_nan = np.array([[2, np.nan, -np.inf, np.nan, np.inf]], dtype)
            samples.append(Sample((keys_with_nan, counts[:1]), second, smooth=False))
    return samples


SORT = register(
    Primitive(
        "sort",
        SORT_NAMES,
        _infer_sort,
        _reference_sort,
        _sort_gradient,
        Fusion.OPAQUE,
        dtypes.ALL,
        _sort_samples,
        [
            WrongUse(
                lambda: sort(full((), 0, dtypes.int8), full((), 0, dtypes.int8), 0),
                ArgumentError,
                "sort: axis 0 is not an axis of int8[]",
            ),
            WrongUse(
                lambda: sort(full((2,), 0, dtypes.int8), full((3,), 0, dtypes.int8), 0),
                ShapeError,
                "sort: operands must have equal shapes, got [2] and [3]",
            ),
        ],
    )
)


def sort(keys: Node, payload: Node, axis: int, descending: bool = False) -> Node:
    """Return ``payload`` in the order that sorts ``keys`` along ``axis``.

    The two have equal shapes and any types.  The sort is stable in both directions:
    the payloads of equal keys keep their order.  NaN keys go last in both directions
    (NumPy does so when sorting upwards and knows no other way); ``-0.0`` equals
    ``0.0`` and False is below True.

    ``sort(x, x, axis)`` sorts x; with an ``iota`` as payload the result is the
    permutation that ``argsort`` gives.
    """
    return apply(
        SORT, keys, payload, axis=operator.index(axis), descending=bool(descending)
    )
