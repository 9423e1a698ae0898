"""Products of vectors, matrices and tensors, all of them one ``dot`` primitive."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.kinds import NUMBERS, ArrayLike, accepted
from nervure.ops.manipulation import swapaxes
from nervure.ops.mixed import dot as dot_nodes
from nervure.ops.operands import (
    as_node,
    axes_tuple,
    axis_index,
    broadcast_node,
    promoted,
)
from nervure.prims.movement import reshape, transpose

NAMES = ("x1", "x2")


def _numbers(op: str, x1: ArrayLike, x2: ArrayLike) -> tuple[Node, Node]:
    """Return both operands in one type of numbers."""
    x, y = promoted(x1, x2)
    accepted(op, [x, y], NUMBERS)
    return x, y


def _check_contracted(
    op: str, x: Node, y: Node, axes: tuple[Sequence[int], Sequence[int]]
) -> None:
    """Raise :class:`~nervure.errors.ShapeError` unless summed axes have equal sizes."""
    sizes = [
        [node.shape[axis] for axis in some]
        for node, some in zip((x, y), axes, strict=True)
    ]
    if sizes[0] == sizes[1]:
        return
    first, second = (one[0] if len(one) == 1 else one for one in sizes)
    raise wrong(
        ShapeError,
        op,
        f"axes {tuple(axes[0])} of x1 and {tuple(axes[1])} of x2 are summed over and "
        f"must have equal sizes, got {first} and {second}",
        [x, y],
        NAMES,
        fix="transpose one operand, or check which features it was made for",
    )


def _common_batch(op: str, x: Node, y: Node, kept: int) -> tuple[int, ...]:
    """Return what all axes but the last ``kept`` broadcast to."""
    rest = [node.shape[: len(node.shape) - kept] for node in (x, y)]
    try:
        return np.broadcast_shapes(*rest)
    except ValueError:
        raise wrong(
            ShapeError,
            op,
            f"the leading axes {list(rest[0])} and {list(rest[1])} do not broadcast",
            [x, y],
            NAMES,
            fix="counted from the last of them, sizes must be equal or 1",
        ) from None


# --- matrices ------------------------------------------------------------------------


def matmul(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the product of matrices, or of stacks of them, whose axes broadcast.

    x1 is ``[..., n, k]`` or ``[k]``, x2 ``[..., k, m]`` or ``[k]``; the result is
    ``[..., n, m]`` without the axes that a vector does not have.

    Raises
    ------
    ShapeError
        For arrays without axes, and for sizes that do not fit.

    >>> import nervure as nv
    >>> nv.matmul(nv.asarray([[1, 2], [3, 4]]), nv.asarray([1, 10])).tolist()
    [21, 43]
    """
    x, y = _numbers("matmul", x1, x2)
    if not x.shape or not y.shape:
        raise wrong(
            ShapeError,
            "matmul",
            "expected arrays of at least one axis",
            [x, y],
            NAMES,
            fix="multiply by a number with *",
        )
    x_rank, y_rank = len(x.shape), len(y.shape)
    contract = ((x_rank - 1,), (max(y_rank - 2, 0),))
    _check_contracted("matmul", x, y, contract)
    if x_rank > 2 and y_rank > 2:
        return Array.of_node(_batched_product(x, y))
    product = dot_nodes(x, y, contract=contract)
    if x_rank == 2 and y_rank > 2:  # rows came first, before y's stack
        rank = len(product.shape)
        product = transpose(product, (*range(1, rank - 1), 0, rank - 1))
    return Array.of_node(product)


def _batched_product(x: Node, y: Node) -> Node:
    batch = _common_batch("matmul", x, y, 2)
    count = len(batch)
    return dot_nodes(
        broadcast_node(x, (*batch, *x.shape[-2:])),
        broadcast_node(y, (*batch, *y.shape[-2:])),
        batch=(range(count), range(count)),
        contract=((count + 1,), (count,)),
    )


def matrix_transpose(x: ArrayLike, /) -> Array:
    """Return matrices, or stacks of them, with rows and columns exchanged.

    Raises
    ------
    ShapeError
        For an array of fewer than 2 axes.

    >>> import nervure as nv
    >>> nv.matrix_transpose(nv.asarray([[1, 2], [3, 4]])).tolist()
    [[1, 3], [2, 4]]
    """
    node = as_node(x)
    if len(node.shape) < 2:
        raise wrong(
            ShapeError,
            "matrix_transpose",
            "expected an array of at least two axes",
            [node],
            ["x"],
            fix="make a column of a vector with x[:, None]",
        )
    return swapaxes(x, -2, -1)


# --- tensors -------------------------------------------------------------------------


def tensordot(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    axes: int | tuple[Sequence[int], Sequence[int]] = 2,
) -> Array:
    """Return the sum of products over pairs of axes.

    ``axes`` is a pair of sequences of axes, or a number n: the last n of x1 with the
    first n of x2.

    >>> import nervure as nv
    >>> nv.tensordot(nv.ones((2, 3)), nv.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    x, y = _numbers("tensordot", x1, x2)
    contract = _paired_axes(x, y, axes)
    _check_contracted("tensordot", x, y, contract)
    return Array.of_node(dot_nodes(x, y, contract=contract))


def _paired_axes(
    x: Node, y: Node, axes: int | tuple[Sequence[int], Sequence[int]]
) -> tuple[list[int], list[int]]:
    x_rank, y_rank = len(x.shape), len(y.shape)
    if isinstance(axes, int | np.integer):
        count = operator.index(axes)
        if not 0 <= count <= min(x_rank, y_rank):
            raise ArgumentError(
                explain(
                    f"tensordot: cannot sum over {count} axes of arrays with {x_rank} "
                    f"and {y_rank}",
                    fix="pass axes=(axes of x1, axes of x2)",
                )
            )
        return list(range(x_rank - count, x_rank)), list(range(count))
    pairs = []
    for given, rank in zip(axes, (x_rank, y_rank), strict=True):
        one: Any = given
        some = (one,) if isinstance(one, int | np.integer) else tuple(one)
        axes_tuple("tensordot", some, rank)  # none twice
        pairs.append([axis_index("tensordot", axis, rank) for axis in some])
    if len(pairs[0]) != len(pairs[1]):
        raise ArgumentError(
            explain(
                f"tensordot: expected as many axes of x1 as of x2, got {axes}",
                fix="pass one number of axes, or two lists of equal length",
            )
        )
    return pairs[0], pairs[1]


def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Array:
    """Return the sums of products along an axis; the other axes broadcast.

    >>> import nervure as nv
    >>> nv.vecdot(nv.asarray([[1, 2], [3, 4]]), nv.asarray([1, 10])).tolist()
    [21, 43]
    """
    nodes = []
    for node in _numbers("vecdot", x1, x2):
        place = axis_index("vecdot", axis, len(node.shape))
        order = [other for other in range(len(node.shape)) if other != place]
        nodes.append(transpose(node, [*order, place]))
    x, y = nodes
    last = ((len(x.shape) - 1,), (len(y.shape) - 1,))
    _check_contracted("vecdot", x, y, last)
    batch = _common_batch("vecdot", x, y, 1)
    shape, places = (*batch, x.shape[-1]), range(len(batch))
    product = dot_nodes(
        broadcast_node(x, shape),
        broadcast_node(y, shape),
        batch=(places, places),
        contract=((len(batch),), (len(batch),)),
    )
    return Array.of_node(product)


def dot(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return NumPy's dot product: the last axis of x1 with the last but one of x2.

    For vectors this is their inner product, for matrices the matrix product, and a
    number multiplies.

    >>> import nervure as nv
    >>> nv.dot(nv.asarray([1, 2]), nv.asarray([3, 4])).item()
    11
    """
    x, y = _numbers("dot", x1, x2)
    contract: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    if x.shape and y.shape:
        contract = ((len(x.shape) - 1,), (max(len(y.shape) - 2, 0),))
    _check_contracted("dot", x, y, contract)
    return Array.of_node(dot_nodes(x, y, contract=contract))


def outer(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the products of every element of x1 with every element of x2.

    Both are flattened first, as NumPy does; the result is ``[x1.size, x2.size]``.

    >>> import nervure as nv
    >>> nv.outer(nv.asarray([1, 2]), nv.asarray([3, 4])).tolist()
    [[3, 4], [6, 8]]
    """
    x, y = (reshape(node, (node.size,)) for node in _numbers("outer", x1, x2))
    return Array.of_node(dot_nodes(x, y))
