"""Primitives that combine the elements along axes into one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import (
    Fusion,
    GradientRule,
    Primitive,
    Sample,
    WrongUse,
    register,
)
from nervure.prims import binary
from nervure.prims.check import as_ints, axes_within, axis_within, dtype_among
from nervure.prims.leaf import full, full_like
from nervure.prims.movement import broadcast, reshape, reverse, transpose
from nervure.prims.select import cast, select
from nervure.prims.slicing import pad

ONE = ("x",)
NUMBERS = (*dtypes.INTEGERS, *dtypes.FLOATS)


def spread_back(reduced: Node, shape: Shape, axes: tuple[int, ...]) -> Node:
    """Broadcast a reduction's result over the axes that it removed."""
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    return broadcast(reduced, shape, kept)


def _axes(node: Node) -> tuple[int, ...]:
    axes: Any = node.attrs["axes"]
    return axes  # type: ignore[no-any-return]


def _reference(
    function: Callable[..., NDArray],
) -> Callable[..., NDArray]:
    def reference(node: Node, x: NDArray) -> NDArray:
        if node.size == 0:  # NumPy asks for an extremum even where none is wanted
            return np.zeros(node.shape, node.dtype)
        wide = dtypes.accumulator(x.dtype)
        result = function(x.astype(wide, copy=False), axis=_axes(node))
        return np.asarray(result).astype(node.dtype, copy=False)

    return reference


def _samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values: NDArray = random.uniform(0.5, 2, (3, 4, 2))
    if dtypes.is_integer(dtype):
        values = values * 3
    if dtypes.is_bool(dtype):
        values = values > 1.2
    values = values.astype(dtype)
    return [
        Sample((values,), {"axes": (1,)}),
        Sample((values,), {"axes": (0, 2)}),
        Sample((values,), {"axes": (0, 1, 2)}),
        Sample((values,), {"axes": ()}),
        Sample((values[:, :0],), {"axes": (0,)}),
    ]


def _declare(
    name: str,
    function: Callable[..., NDArray],
    gradient: GradientRule,
    *,
    allowed: tuple[DType, ...],
    needs_elements: bool,
) -> Primitive:
    """Register a reduction; ``needs_elements`` when nothing has no neutral value."""

    def infer(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
        (x,) = inputs
        dtype_among(name, inputs, ONE, allowed)
        axes: Any = attrs["axes"]
        axes_within(name, axes, inputs)
        shape = tuple(extent for axis, extent in enumerate(x.shape) if axis not in axes)
        empty = any(x.shape[axis] == 0 for axis in axes)
        if needs_elements and empty and 0 not in shape:
            raise wrong(
                ShapeError, name, "there is no extremum of no elements", inputs, ONE
            )
        return shape, x.dtype

    zeros = full((2, 0), 0, allowed[-1])
    wrong_uses = [
        WrongUse(
            lambda: apply(primitive, zeros, axes=(2,)),
            ArgumentError,
            f"{name}: axis 2 is not an axis of {zeros.type_text}",
        ),
        WrongUse(
            lambda: apply(primitive, zeros, axes=(1, 0)),
            ArgumentError,
            f"{name}: axes must be in increasing order without repeats, got (1, 0)",
        ),
    ]
    if needs_elements:
        wrong_uses.append(
            WrongUse(
                lambda: apply(primitive, zeros, axes=(1,)),
                ShapeError,
                f"{name}: there is no extremum of no elements",
            )
        )
    else:
        wrong_uses.append(
            WrongUse(
                lambda: apply(primitive, full((2,), 0, dtypes.bool_), axes=(0,)),
                DTypeError,
                f"{name}: expected integers or floating-point numbers, got bool",
            )
        )
    primitive = register(
        Primitive(
            name,
            ONE,
            infer,
            _reference(function),
            gradient,
            Fusion.REDUCTION,
            allowed,
            _samples,
            wrong_uses,
        )
    )
    return primitive


# --- gradients -----------------------------------------------------------------------


def _sum_gradient(node: Node, g: Node) -> tuple[Node]:
    return (spread_back(g, node.inputs[0].shape, _axes(node)),)


def _prod_gradient(node: Node, g: Node) -> tuple[Node]:
    """Each element's derivative is the product of those before and those after it.

    Dividing the whole product by the element would fail at 0, and working around that
    would make second derivatives wrong there; multiplying is right at any order.
    """
    (x,) = node.inputs
    axes = _axes(node)
    if x.size == 0:
        return (full_like(x, 0),)
    order = (*axes, *(axis for axis in range(len(x.shape)) if axis not in axes))
    moved = transpose(x, order)
    size = math.prod(x.shape[axis] for axis in axes)
    rows = reshape(moved, (size, x.size // size))
    before = _products_before(rows)
    after = reverse(_products_before(reverse(rows, (0,))), (0,))
    others = reshape(binary.mul(before, after), moved.shape)
    slope = transpose(others, [order.index(axis) for axis in range(len(order))])
    return (binary.mul(spread_back(g, x.shape, axes), slope),)


def _products_before(rows: Node) -> Node:
    """Return for each row the product of all rows before it, doubling the reach."""
    result = pad(rows, (1, 0), (-1, 0), value=1)
    reach = 1
    while reach < rows.shape[0]:
        result = binary.mul(result, pad(result, (reach, 0), (-reach, 0), value=1))
        reach *= 2
    return result


def _extremum_gradient(node: Node, g: Node) -> tuple[Node]:
    """Elements equal to the extremum share the cotangent equally."""
    (x,) = node.inputs
    axes = _axes(node)
    best = binary.eq(x, spread_back(node, x.shape, axes))
    count = reduce_sum(cast(best, x.dtype), axes)
    share = spread_back(binary.div(g, count), x.shape, axes)
    return (select(best, share, full_like(share, 0)),)


REDUCE_SUM = _declare(
    "reduce_sum", np.sum, _sum_gradient, allowed=NUMBERS, needs_elements=False
)
REDUCE_PROD = _declare(
    "reduce_prod", np.prod, _prod_gradient, allowed=NUMBERS, needs_elements=False
)
REDUCE_MAX = _declare(
    "reduce_max", np.max, _extremum_gradient, allowed=dtypes.ALL, needs_elements=True
)
REDUCE_MIN = _declare(
    "reduce_min", np.min, _extremum_gradient, allowed=dtypes.ALL, needs_elements=True
)


def _apply(primitive: Primitive, x: Node, axes: Sequence[int]) -> Node:
    axes = tuple(sorted(as_ints(axes)))
    return apply(primitive, x, axes=axes) if axes else x


def reduce_sum(x: Node, axes: Sequence[int]) -> Node:
    """Return the sum over ``axes``; 0 of no elements."""
    return _apply(REDUCE_SUM, x, axes)


def reduce_prod(x: Node, axes: Sequence[int]) -> Node:
    """Return the product over ``axes``; 1 of no elements."""
    return _apply(REDUCE_PROD, x, axes)


def reduce_max(x: Node, axes: Sequence[int]) -> Node:
    """Return the largest element over ``axes``; NaN if one is NaN."""
    return _apply(REDUCE_MAX, x, axes)


def reduce_min(x: Node, axes: Sequence[int]) -> Node:
    """Return the smallest element over ``axes``; NaN if one is NaN."""
    return _apply(REDUCE_MIN, x, axes)


# --- argmax --------------------------------------------------------------------------


def _infer_argmax(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    axis: Any = attrs["axis"]
    axis_within("argmax", axis, inputs)
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    if x.shape[axis] == 0 and 0 not in shape:
        raise wrong(
            ShapeError, "argmax", "there is no extremum of no elements", inputs, ONE
        )
    return shape, dtypes.int64


def _reference_argmax(node: Node, x: NDArray) -> NDArray:
    axis: Any = node.attrs["axis"]
    if x.size == 0:
        return np.zeros(node.shape, np.int64)
    return np.asarray(np.argmax(x, axis=axis))


def _argmax_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = random.permutation(24).reshape(3, 4, 2).astype(dtype)
    tied = np.array([[1, 3, 3], [0, 0, 0]]).astype(dtype)
    return [
        Sample((values,), {"axis": 1}, smooth=False),
        Sample((tied,), {"axis": 1}, smooth=False),
        Sample((values[:0],), {"axis": 2}, smooth=False),
    ]


ARGMAX = register(
    Primitive(
        "argmax",
        ONE,
        _infer_argmax,
        _reference_argmax,
        lambda node, g: (None,),
        Fusion.REDUCTION,
        dtypes.ALL,
        _argmax_samples,
        [
            WrongUse(
                lambda: argmax(full((2, 0), 0, dtypes.float32), 1),
                ShapeError,
                "argmax: there is no extremum of no elements",
            ),
            WrongUse(
                lambda: argmax(full((2,), 0, dtypes.float32), 1),
                ArgumentError,
                "argmax: axis 1 is not an axis of float32[2]",
            ),
        ],
    )
)


def argmax(x: Node, axis: int) -> Node:
    """Return the int64 position of the largest element, the first of equal ones.

    A NaN counts as largest, as in NumPy.
    """
    return apply(ARGMAX, x, axis=axis)
