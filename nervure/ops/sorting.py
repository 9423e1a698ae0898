"""Putting elements in order along an axis."""

from __future__ import annotations

import operator
from typing import NamedTuple

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import as_node, axis_index
from nervure.prims import order
from nervure.prims.leaf import iota
from nervure.prims.slicing import slice_


def sort(
    x: ArrayLike,
    /,
    axis: int = -1,
    *,
    descending: bool = False,
    stable: bool = True,
) -> Array:
    """Return the elements in order along an axis; NaN last in both directions.

    The sort is always stable.

    >>> import nervure as nv
    >>> nv.sort(nv.asarray([3, 1, 2])).tolist()
    [1, 2, 3]
    """
    del stable
    node = as_node(x)
    place = axis_index("sort", axis, len(node.shape))
    return Array.of_node(_sorted(node, place, descending))


def argsort(
    x: ArrayLike,
    /,
    axis: int = -1,
    *,
    descending: bool = False,
    stable: bool = True,
) -> Array:
    """Return the int64 positions that bring the elements in order; NaN last.

    The sort is always stable: equal elements keep their order in both directions.

    >>> import nervure as nv
    >>> nv.argsort(nv.asarray([3, 1, 2])).tolist()
    [1, 2, 0]
    """
    del stable
    node = as_node(x)
    place = axis_index("argsort", axis, len(node.shape))
    return Array.of_node(_order(node, place, descending))


def _sorted(node: Node, axis: int, descending: bool) -> Node:
    return order.sort(node, node, axis, descending)


def _order(node: Node, axis: int, descending: bool) -> Node:
    return order.sort(node, iota(node.shape, axis), axis, descending)


class TopK(NamedTuple):
    """The largest elements and where they are."""

    values: Array
    indices: Array


def top_k(x: ArrayLike, k: int, /, *, axis: int = -1) -> TopK:
    """Return the k largest elements along an axis, largest first, and their positions.

    NaN counts as smallest; equal elements come in their order.

    Raises
    ------
    ArgumentError
        For k below 0 or above the size of the axis.

    >>> import nervure as nv
    >>> values, indices = nv.top_k(nv.asarray([3.0, 9.0, 5.0]), 2)
    >>> values.tolist(), indices.tolist()
    ([9.0, 5.0], [1, 2])
    """
    node = as_node(x)
    place = axis_index("top_k", axis, len(node.shape))
    count = operator.index(k)
    if not 0 <= count <= node.shape[place]:
        raise ArgumentError(
            explain(
                f"top_k: expected k from 0 to {node.shape[place]}, the size of axis "
                f"{place}, got {count}",
                fix="take fewer, or look at another axis",
            )
        )
    stop = list(node.shape)
    stop[place] = count

    def first(ordered: Node) -> Array:
        none, step = (0,) * len(stop), (1,) * len(stop)
        return Array.of_node(slice_(ordered, none, stop, step))

    return TopK(first(_sorted(node, place, True)), first(_order(node, place, True)))
