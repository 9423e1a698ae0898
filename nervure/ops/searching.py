"""Finding and choosing elements."""

from __future__ import annotations

import math
import operator
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.indexing import clamped, index_node, wrapped_index
from nervure.ops.kinds import INTEGERS, ArrayLike, accepted
from nervure.ops.operands import (
    as_node,
    axis_index,
    broadcast_node,
    common_shape,
    promoted,
)
from nervure.ops.statistical import count_nonzero, keep_axes, require_elements
from nervure.prims import binary, unary
from nervure.prims.indexed import gather
from nervure.prims.leaf import full, full_like, iota
from nervure.prims.movement import broadcast, reshape
from nervure.prims.reduce import argmax as argmax_node
from nervure.prims.select import cast, select

__all__ = [
    "argmax",
    "argmin",
    "count_nonzero",
    "nonzero",
    "one_hot",
    "searchsorted",
    "take",
    "take_along_axis",
    "where",
]


def argmax(
    x: ArrayLike, /, axis: int | None = None, *, keepdims: bool = False
) -> Array:
    """Return the int64 positions of the largest elements, the first of equal ones.

    A NaN counts as largest.  Without ``axis`` the position is counted in row-major
    order.

    >>> import nervure as nv
    >>> nv.argmax(nv.asarray([[1, 5], [7, 2]]), axis=1).tolist()
    [1, 0]
    """
    return _position("argmax", as_node(x), axis, keepdims)


def argmin(
    x: ArrayLike, /, axis: int | None = None, *, keepdims: bool = False
) -> Array:
    """Return the int64 positions of the smallest elements, the first of equal ones.

    A NaN counts as smallest.  Without ``axis`` the position is counted in row-major
    order.

    >>> import nervure as nv
    >>> nv.argmin(nv.asarray([[1, 5], [7, 2]]), axis=1).tolist()
    [0, 1]
    """
    node = as_node(x)
    # The bitwise not of integers turns their order round and cannot overflow.
    turned = unary.neg(node) if dtypes.is_float(node.dtype) else unary.not_(node)
    return _position("argmin", turned, axis, keepdims)


def _position(op: str, node: Node, axis: int | None, keepdims: bool) -> Array:
    flat = node if axis is not None else reshape(node, (node.size,))
    place = axis_index(op, 0 if axis is None else axis, len(flat.shape))
    require_elements(op, flat, (place,))
    result = argmax_node(flat, place)
    axes = (place,) if axis is not None else range(len(node.shape))
    return Array.of_node(keep_axes(result, node.shape, tuple(axes), keepdims))


def nonzero(x: ArrayLike, /) -> tuple[Array, ...]:
    """Return the positions of the elements that are not 0, one int64 array per axis.

    The array is evaluated, because the shape of the result depends on it; inside a
    traced function that is a :class:`~nervure.errors.TraceError`.

    >>> import nervure as nv
    >>> [places.tolist() for places in nv.nonzero(nv.asarray([[0, 3], [5, 0]]))]
    [[0, 1], [1, 0]]
    """
    array = Array.of_node(as_node(x))
    if not array.shape:
        raise wrong(
            ShapeError,
            "nonzero",
            "expected an array of at least one axis",
            [array.node],
            ["x"],
            fix="compare the number itself, for example x != 0",
        )
    return tuple(map(Array.of_value, map(np.asarray, np.nonzero(array.numpy()))))


@overload
def where(condition: ArrayLike, x1: ArrayLike, x2: ArrayLike, /) -> Array: ...
@overload
def where(condition: ArrayLike, /) -> tuple[Array, ...]: ...
def where(
    condition: ArrayLike, x1: ArrayLike | None = None, x2: ArrayLike | None = None, /
) -> Any:
    """Return x1 where the condition holds and x2 elsewhere.

    The three shapes broadcast; the types of x1 and x2 promote, and a Python number
    takes the type of the other.
    With the condition alone it is :func:`nonzero`, as in NumPy.

    Raises
    ------
    ArgumentError
        For one of x1 and x2 without the other.

    >>> import nervure as nv
    >>> nv.where(nv.asarray([True, False]), nv.asarray([1.0, 2.0]), 0).tolist()
    [1.0, 0.0]
    """
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ArgumentError(
            explain(
                "where: expected both x1 and x2, or neither",
                fix="where(condition, x, 0) keeps x where the condition holds; "
                "where(condition) gives its places",
            )
        )
    chosen = cast(as_node(condition), dtypes.bool_)
    nodes = [chosen, *promoted(x1, x2)]
    shape = common_shape("where", nodes)
    return Array.of_node(select(*(broadcast_node(node, shape) for node in nodes)))


def searchsorted(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: ArrayLike | None = None,
) -> Array:
    """Return where the values x2 belong in the sorted array x1, as int64.

    On the left ``x1[i - 1] < v <= x1[i]``, on the right ``x1[i - 1] <= v < x1[i]``; NaN
    is above every number.  ``sorter`` is the permutation that sorts x1.

    Raises
    ------
    ArgumentError, ShapeError
        For another side, and for x1 of another number of axes than one.

    >>> import nervure as nv
    >>> nv.searchsorted(nv.asarray([1, 3, 5]), nv.asarray([0, 3, 9])).tolist()
    [0, 1, 3]
    """
    if side not in ("left", "right"):
        raise ArgumentError(
            explain(
                f"searchsorted: expected the side 'left' or 'right', got {side!r}",
                fix="'left' gives the first place that keeps the order, 'right' the "
                "last",
            )
        )
    edges, values = promoted(x1, x2)
    if len(edges.shape) != 1:
        raise wrong(
            ShapeError,
            "searchsorted",
            "expected x1 to have one axis",
            [edges, values],
            ["x1", "x2"],
        )
    if sorter is not None:
        edges = gather(edges, as_node(sorter), 0)
    return Array.of_node(bisected(edges, values, side))


def _before(x: Node, y: Node) -> Node:
    """Return whether x comes before y in sorted order, where NaN is last."""
    if not dtypes.is_float(x.dtype):
        return binary.lt(x, y)
    late = binary.and_(unary.not_(binary.eq(y, y)), binary.eq(x, x))
    return binary.or_(binary.lt(x, y), late)


def bisected(edges: Node, values: Node, side: str) -> Node:
    """Return where values belong in sorted edges: halve the range of each."""
    extent = edges.shape[0]
    low = full(values.shape, 0, dtypes.int64)
    high = full(values.shape, extent, dtypes.int64)
    one = full_like(low, 1)
    for _ in range(extent.bit_length()):
        middle = binary.shift_right(binary.add(low, high), one)
        edge = gather(edges, clamped(middle, extent), 0)
        if side == "left":
            behind = _before(edge, values)
        else:
            behind = unary.not_(_before(values, edge))
        behind = binary.and_(behind, binary.lt(low, high))
        low = select(behind, binary.add(middle, one), low)
        high = select(behind, high, binary.minimum(high, middle))
    return low


def take(x: ArrayLike, indices: ArrayLike, /, axis: int | None = None) -> Array:
    """Return the slices of one axis that ``indices`` name; negative from the end.

    The axis may be left out for an array of one axis.  The result has the shape
    ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``.

    Raises
    ------
    ArgumentError
        For several axes without a named one.

    >>> import nervure as nv
    >>> nv.take(nv.asarray([10, 20, 30]), [2, 0, -1]).tolist()
    [30, 10, 30]
    """
    node = as_node(x)
    if axis is None and len(node.shape) != 1:
        raise ArgumentError(
            explain(
                f"take: expected an axis, since x has {len(node.shape)} axes",
                fix="pass axis=0, or flatten x first",
            )
        )
    place = axis_index("take", 0 if axis is None else axis, len(node.shape))
    index = wrapped_index(node, place, _integers("take", indices))
    return Array.of_node(gather(node, index_node(index), place))


def _integers(op: str, indices: ArrayLike) -> Array | npt.NDArray[Any]:
    """Return indices as a lazy array, or as a NumPy array if they are known data."""
    if isinstance(indices, Array):
        accepted(op, [indices.node], INTEGERS)
        return indices
    value = np.asarray(indices)
    if value.size == 0:
        return value.astype(np.int64)
    if value.dtype.kind not in "iu":
        accepted(op, [as_node(value)], INTEGERS)
    return value


def take_along_axis(x: ArrayLike, indices: ArrayLike, /, axis: int = -1) -> Array:
    """Return, for each place of ``indices``, the element of x that it names on an axis.

    x and ``indices`` have the same number of axes and broadcast on the others.

    Raises
    ------
    ShapeError
        For indices whose shape does not fit that of x.

    >>> import nervure as nv
    >>> x = nv.asarray([[10, 20], [30, 40]])
    >>> nv.take_along_axis(x, nv.asarray([[1], [0]]), axis=1).tolist()
    [[20], [30]]
    """
    node, given = as_node(x), _integers("take_along_axis", indices)
    rank = len(node.shape)
    if len(given.shape) != rank:
        raise wrong(
            ShapeError,
            "take_along_axis",
            f"expected indices of {rank} axes, got {len(given.shape)}",
            [node, as_node(indices)],
            ["x", "indices"],
        )
    place = axis_index("take_along_axis", axis, rank)
    extent = node.shape[place]
    index = clamped(wrapped_index(node, place, given), extent)
    shape = _joint_shape(node, index, place)
    before, after = shape[:place], shape[place + 1 :]
    index = broadcast_node(index, (*before, index.shape[place], *after))
    node = broadcast_node(node, (*before, extent, *after))
    return Array.of_node(_picked_along(node, index, place))


def _joint_shape(x: Node, indices: Node, axis: int) -> tuple[int, ...]:
    """Return what the axes but one broadcast to; that one gets size 1."""
    try:
        return np.broadcast_shapes(_slim_shape(x, axis), _slim_shape(indices, axis))
    except ValueError:
        raise wrong(
            ShapeError,
            "take_along_axis",
            f"expected shapes that broadcast on every axis but axis {axis}",
            [x, indices],
            ["x", "indices"],
        ) from None


def _slim_shape(node: Node, axis: int) -> tuple[int, ...]:
    """Return the shape of a node with size 1 on one axis."""
    return (*node.shape[:axis], 1, *node.shape[axis + 1 :])


def _picked_along(x: Node, index: Node, axis: int) -> Node:
    """Gather from the flattened array by linear indices."""
    linear = full(index.shape, 0, dtypes.int64)
    for place in range(len(x.shape)):
        stride = math.prod(x.shape[place + 1 :])
        part = index if place == axis else iota(index.shape, place)
        linear = binary.add(linear, binary.mul(part, full_like(part, stride)))
    return gather(reshape(x, (x.size,)), linear, 0)


def one_hot(
    x: ArrayLike,
    num_classes: int,
    axis: int = -1,
    dtype: npt.DTypeLike | None = None,
) -> Array:
    """Return rows of zeros with a one at each index; all zeros for one out of range.

    The result, float32 unless said, has a new axis of size ``num_classes``, the last
    unless ``axis`` says where it is.

    >>> import nervure as nv
    >>> nv.one_hot(nv.asarray([0, 2]), 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    node = as_node(x)
    accepted("one_hot", [node], INTEGERS)
    count = operator.index(num_classes)
    rank = len(node.shape) + 1
    place = axis_index("one_hot", axis, rank)
    shape = (*node.shape[:place], count, *node.shape[place:])
    others = [other for other in range(rank) if other != place]
    wide = broadcast(cast(node, dtypes.int64), shape, others)
    wanted = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
    return Array.of_node(cast(binary.eq(wide, iota(shape, place)), wanted))
