"""Combining elements along axes: sums, extrema, moments, running sums.

``axis`` is one axis, a tuple of axes, or None for all of them; with ``keepdims`` the
combined axes stay with size one.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence

import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node, Shape
from nervure.ops.kinds import NUMBERS, ArrayLike, accepted, as_float, widened
from nervure.ops.manipulation import concat
from nervure.ops.operands import as_node, axes_tuple, axis_index
from nervure.prims import binary, unary
from nervure.prims.leaf import full, full_like
from nervure.prims.movement import concatenate, reshape
from nervure.prims.order import cumsum
from nervure.prims.reduce import (
    reduce_max,
    reduce_min,
    reduce_prod,
    reduce_sum,
    spread_back,
)
from nervure.prims.select import cast, select
from nervure.prims.slicing import pad, slice_

Axis = int | Sequence[int] | None


def keep_axes(node: Node, shape: Shape, axes: Sequence[int], keepdims: bool) -> Node:
    """Return a reduction's result with its axes put back, if they are to be kept."""
    if not keepdims:
        return node
    kept = [1 if axis in axes else extent for axis, extent in enumerate(shape)]
    return reshape(node, kept)


def _reduced(
    op: str,
    primitive: Callable[[Node, Sequence[int]], Node],
    node: Node,
    axis: Axis,
    keepdims: bool,
) -> Array:
    """Apply a reduction over the axes that an argument means."""
    axes = axes_tuple(op, axis, len(node.shape))
    result = primitive(node, axes)
    return Array.of_node(keep_axes(result, node.shape, axes, keepdims))


def _summed_type(node: Node, dtype: npt.DTypeLike | None) -> DType:
    """Return the type in which elements are added: small integers would overflow."""
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if dtypes.is_unsigned(node.dtype):
        return dtypes.uint64
    if dtypes.is_float(node.dtype):
        return node.dtype
    return dtypes.DEFAULT_INT


# --- sums and products ---------------------------------------------------------------


def sum(
    x: ArrayLike,
    /,
    axis: Axis = None,
    *,
    dtype: npt.DTypeLike | None = None,
    keepdims: bool = False,
) -> Array:
    """Return the sum over axes; 0 of no elements.

    Truth values and small integers are added up in 64 bits; ``dtype`` names another
    type.

    >>> import nervure as nv
    >>> nv.sum(nv.asarray([[1, 2], [3, 4]]), axis=0).tolist()
    [4, 6]
    """
    node = as_node(x)
    node = cast(node, _summed_type(node, dtype))
    return _reduced("sum", reduce_sum, node, axis, keepdims)


def prod(
    x: ArrayLike,
    /,
    axis: Axis = None,
    *,
    dtype: npt.DTypeLike | None = None,
    keepdims: bool = False,
) -> Array:
    """Return the product over axes; 1 of no elements.

    Truth values and small integers are multiplied in 64 bits; ``dtype`` names another
    type.

    >>> import nervure as nv
    >>> nv.prod(nv.asarray([[1, 2], [3, 4]]), axis=1).tolist()
    [2, 12]
    """
    node = as_node(x)
    node = cast(node, _summed_type(node, dtype))
    return _reduced("prod", reduce_prod, node, axis, keepdims)


def count_nonzero(
    x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False
) -> Array:
    """Return how many elements are not 0, as int64.

    >>> import nervure as nv
    >>> nv.count_nonzero(nv.asarray([0, 3, 5])).item()
    2
    """
    counted = cast(cast(as_node(x), dtypes.bool_), dtypes.DEFAULT_INT)
    return _reduced("count_nonzero", reduce_sum, counted, axis, keepdims)


# --- moments -------------------------------------------------------------------------


def mean(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the mean over axes, NaN of no elements.

    Integers and truth values are averaged in the default floating-point type, float16
    and bfloat16 in float32.

    >>> import nervure as nv
    >>> nv.mean(nv.asarray([1.0, 2.0, 6.0])).item()
    3.0
    """
    node = as_float(as_node(x))
    axes = axes_tuple("mean", axis, len(node.shape))
    result = widened(lambda wide: _mean(wide, axes))(node)
    return Array.of_node(keep_axes(result, node.shape, axes, keepdims))


def _count(node: Node, axes: Sequence[int]) -> int:
    return math.prod(node.shape[axis] for axis in axes)


def _mean(node: Node, axes: Sequence[int]) -> Node:
    total = reduce_sum(node, axes)
    return binary.div(total, full_like(total, _count(node, axes)))


def var(
    x: ArrayLike,
    /,
    axis: Axis = None,
    *,
    correction: int | float = 0.0,
    keepdims: bool = False,
) -> Array:
    """Return the mean of the squared distances from the mean, over axes.

    The sum of squares is divided by the number of elements less ``correction``; 1 gives
    the unbiased estimate of a sample.

    >>> import nervure as nv
    >>> nv.var(nv.asarray([1.0, 3.0])).item()
    1.0
    """
    return _spread("var", lambda node: node, x, axis, correction, keepdims)


def std(
    x: ArrayLike,
    /,
    axis: Axis = None,
    *,
    correction: int | float = 0.0,
    keepdims: bool = False,
) -> Array:
    """Return the square root of the variance over axes.

    Its derivative where all elements are equal is taken as 0.

    >>> import nervure as nv
    >>> nv.std(nv.asarray([1.0, 5.0])).item()
    2.0
    """
    return _spread("std", root_of_squares, x, axis, correction, keepdims)


def root_of_squares(total: Node) -> Node:
    """Return the square root of a sum of squares, with the derivative 0 at 0."""
    zero, one = full_like(total, 0), full_like(total, 1)
    origin = binary.eq(total, zero)
    return select(origin, zero, unary.sqrt(select(origin, one, total)))


def _spread(
    op: str,
    finish: Callable[[Node], Node],
    x: ArrayLike,
    axis: Axis,
    correction: float,
    keepdims: bool,
) -> Array:
    """Return a function of the variance, which is found in two passes."""
    node = as_float(as_node(x))
    axes = axes_tuple(op, axis, len(node.shape))

    def formula(wide: Node) -> Node:
        center = spread_back(_mean(wide, axes), wide.shape, axes)
        distance = binary.sub(wide, center)
        total = reduce_sum(binary.mul(distance, distance), axes)
        freedom = builtins.max(_count(wide, axes) - correction, 0)
        return finish(binary.div(total, full_like(total, freedom)))

    result = widened(formula)(node)
    return Array.of_node(keep_axes(result, node.shape, axes, keepdims))


# --- extrema -------------------------------------------------------------------------


def require_elements(op: str, node: Node, axes: Sequence[int]) -> None:
    """Raise :class:`~nervure.errors.ShapeError` for an extremum of no elements."""
    others = [extent for axis, extent in enumerate(node.shape) if axis not in axes]
    if _count(node, axes) == 0 and 0 not in others:
        raise wrong(
            ShapeError,
            op,
            "there is no extremum of no elements",
            [node],
            ["x"],
            fix="check that the array is not empty on these axes",
        )


def max(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the largest elements over axes; NaN if one is NaN.

    Equal largest elements share the derivative.

    >>> import nervure as nv
    >>> nv.max(nv.asarray([[1, 5], [7, 2]]), axis=1).tolist()
    [5, 7]
    """
    return _extremum("max", reduce_max, x, axis, keepdims)


def min(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return the smallest elements over axes; NaN if one is NaN.

    Equal smallest elements share the derivative.

    >>> import nervure as nv
    >>> nv.min(nv.asarray([[1, 5], [7, 2]]), axis=1).tolist()
    [1, 2]
    """
    return _extremum("min", reduce_min, x, axis, keepdims)


def _extremum(
    op: str,
    primitive: Callable[[Node, Sequence[int]], Node],
    x: ArrayLike,
    axis: Axis,
    keepdims: bool,
) -> Array:
    node = as_node(x)
    require_elements(op, node, axes_tuple(op, axis, len(node.shape)))
    return _reduced(op, primitive, node, axis, keepdims)


def any(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return whether an element over axes is not 0; False of no elements.

    >>> import nervure as nv
    >>> nv.any(nv.asarray([0, 3])).item()
    True
    """
    return _quantified("any", reduce_max, False, x, axis, keepdims)


def all(x: ArrayLike, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return whether no element over axes is 0; True of no elements.

    >>> import nervure as nv
    >>> nv.all(nv.asarray([0, 3])).item()
    False
    """
    return _quantified("all", reduce_min, True, x, axis, keepdims)


def _quantified(
    op: str,
    primitive: Callable[[Node, Sequence[int]], Node],
    of_nothing: bool,
    x: ArrayLike,
    axis: Axis,
    keepdims: bool,
) -> Array:
    node = cast(as_node(x), dtypes.bool_)

    def reduction(truths: Node, axes: Sequence[int]) -> Node:
        if _count(truths, axes):
            return primitive(truths, axes)
        kept = [n for axis, n in enumerate(truths.shape) if axis not in axes]
        return full(tuple(kept), of_nothing, dtypes.bool_)

    return _reduced(op, reduction, node, axis, keepdims)


# --- running sums and products -------------------------------------------------------


def cumulative_sum(
    x: ArrayLike,
    /,
    axis: int | None = None,
    *,
    dtype: npt.DTypeLike | None = None,
    include_initial: bool = False,
) -> Array:
    """Return the running sums along an axis; ``include_initial`` puts a 0 before them.

    The axis may be left out for an array of one axis.

    >>> import nervure as nv
    >>> nv.cumulative_sum(nv.asarray([1, 2, 3]), include_initial=True).tolist()
    [0, 1, 3, 6]
    """
    op = "cumulative_sum"
    return _running(op, cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: ArrayLike,
    /,
    axis: int | None = None,
    *,
    dtype: npt.DTypeLike | None = None,
    include_initial: bool = False,
) -> Array:
    """Return the running products along an axis; ``include_initial`` puts a 1 first.

    The axis may be left out for an array of one axis.

    >>> import nervure as nv
    >>> nv.cumulative_prod(nv.asarray([1, 2, 3])).tolist()
    [1, 2, 6]
    """
    op = "cumulative_prod"
    return _running(op, _running_product, 1, x, axis, dtype, include_initial)


def _running(
    op: str,
    formula: Callable[[Node, int], Node],
    initial: int,
    x: ArrayLike,
    axis: int | None,
    dtype: npt.DTypeLike | None,
    include_initial: bool,
) -> Array:
    node = as_node(x)
    node = cast(node, _summed_type(node, dtype))
    accepted(op, [node], NUMBERS)
    if axis is None and len(node.shape) != 1:
        raise ArgumentError(
            explain(
                f"{op}: expected an axis, since x has {len(node.shape)} axes",
                fix="pass axis=0, or flatten x first",
            )
        )
    place = axis_index(op, 0 if axis is None else axis, len(node.shape))
    result = widened(lambda wide: formula(wide, place))(node)
    if include_initial:
        shape = list(node.shape)
        shape[place] = 1
        first = full(tuple(shape), initial, node.dtype)
        result = concatenate([first, result], place)
    return Array.of_node(result)


def _running_product(x: Node, axis: int) -> Node:
    """Multiply by neighbours at distance 1, 2, 4, ...: each step doubles the reach.

    Nothing is divided, so zeros and their derivatives come out right.
    """
    none, extent = (0,) * len(x.shape), x.shape[axis]
    step = (1,) * len(none)
    distance = 1
    while distance < extent:
        low, stop = list(none), list(x.shape)
        low[axis], stop[axis] = distance, extent - distance
        shifted = pad(slice_(x, none, stop, step), low, none, value=1)
        x = binary.mul(x, shifted)
        distance *= 2
    return x


def diff(
    x: ArrayLike,
    /,
    n: int = 1,
    axis: int = -1,
    *,
    prepend: ArrayLike | None = None,
    append: ArrayLike | None = None,
) -> Array:
    """Return the differences of neighbours along an axis, taken n times.

    ``prepend`` and ``append`` are put before and after x first.

    Raises
    ------
    ArgumentError
        For a negative n.

    >>> import nervure as nv
    >>> nv.diff(nv.asarray([1, 4, 9])).tolist()
    [3, 5]
    """
    if n < 0:
        raise ArgumentError(
            explain(
                f"diff: expected n of at least 0, got {n}",
                fix="n=1 is the difference of neighbours, n=2 that of differences",
            )
        )
    node = as_node(x)
    place = axis_index("diff", axis, len(node.shape))
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        node = concat(parts, axis=place).node
    accepted("diff", [node], NUMBERS)
    none, step = [0] * len(node.shape), (1,) * len(node.shape)
    for _ in range(n):
        extent = node.shape[place]
        start, stop = list(none), list(node.shape)
        start[place], stop[place] = builtins.min(1, extent), builtins.max(extent - 1, 0)
        later = slice_(node, start, node.shape, step)
        node = binary.sub(later, slice_(node, none, stop, step))
    return Array.of_node(node)
