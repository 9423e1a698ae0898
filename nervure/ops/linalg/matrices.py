"""Parts and powers of matrices, and the cross product."""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.creation import eye
from nervure.ops.indexing import getitem
from nervure.ops.kinds import NUMBERS, ArrayLike, accepted
from nervure.ops.linalg.decompositions import inv
from nervure.ops.linalg.products import matmul
from nervure.ops.manipulation import broadcast_to, stack
from nervure.ops.operands import as_node, axis_index, common_shape, promoted
from nervure.ops.statistical import sum as total
from nervure.prims.movement import transpose


def _matrices(op: str, x: ArrayLike) -> Node:
    """Return an operand that must have at least two axes."""
    node = as_node(x)
    if len(node.shape) < 2:
        raise wrong(
            ShapeError,
            op,
            "expected an array of at least two axes",
            [node],
            ["x"],
            fix="make a matrix of a vector with x[:, None]",
        )
    return node


def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Array:
    """Return the diagonals of matrices, or of stacks of them, ``[..., m, n]``.

    A positive ``offset`` means one above the main diagonal, a negative one below.

    >>> import nervure as nv
    >>> nv.linalg.diagonal(nv.asarray([[1, 2], [3, 4]])).tolist()
    [1, 4]
    """
    node = _matrices("diagonal", x)
    shift = operator.index(offset)
    rows, columns = node.shape[-2:]
    count = max(0, min(rows + min(shift, 0), columns - max(shift, 0)))
    places = np.arange(count)
    key = (..., places - min(shift, 0), places + max(shift, 0))
    return getitem(Array.of_node(node), key)


def trace(
    x: ArrayLike, /, *, offset: int = 0, dtype: npt.DTypeLike | None = None
) -> Array:
    """Return the sums of the diagonals of matrices, ``[..., m, n]``.

    Small integers are summed as ``int64`` unless ``dtype`` says otherwise.

    >>> import nervure as nv
    >>> nv.linalg.trace(nv.asarray([[1, 2], [3, 4]])).item()
    5
    """
    _matrices("trace", x)
    return total(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Array:
    """Return the cross products of vectors of three elements along an axis.

    The other axes broadcast.

    Raises
    ------
    ShapeError
        Where the axis of an operand has not the size 3.

    >>> import nervure as nv
    >>> nv.linalg.cross(nv.asarray([1, 0, 0]), nv.asarray([0, 1, 0])).tolist()
    [0, 0, 1]
    """
    nodes = promoted(x1, x2)
    accepted("cross", nodes, NUMBERS)
    moved = []
    for node in nodes:
        rank = len(node.shape)
        place = axis_index("cross", axis, rank)
        if node.shape[place] != 3:
            raise wrong(
                ShapeError,
                "cross",
                f"axis {axis} must have the size 3, got {node.shape[place]}",
                nodes,
                ["x1", "x2"],
                fix="put a zero as the third element of vectors in the plane",
            )
        order = [other for other in range(rank) if other != place]
        moved.append(transpose(node, [*order, place]))
    shape = common_shape("cross", moved)
    x, y = (broadcast_to(Array.of_node(node), shape) for node in moved)
    parts = [
        x[..., one] * y[..., other] - x[..., other] * y[..., one]
        for one, other in ((1, 2), (2, 0), (0, 1))
    ]
    return stack(
        parts, axis=axis if axis < 0 else axis_index("cross", axis, len(shape))
    )


def matrix_power(x: ArrayLike, n: int, /) -> Array:
    """Return square matrices multiplied with themselves ``n`` times.

    ``n = 0`` gives identities.  A negative ``n`` takes the inverse first, which needs
    values; see :func:`inv`.

    Raises
    ------
    ShapeError
        For matrices that are not square.

    >>> import nervure as nv
    >>> nv.linalg.matrix_power(nv.asarray([[1, 1], [0, 1]]), 5).tolist()
    [[1, 5], [0, 1]]
    """
    node = _matrices("matrix_power", x)
    rows, columns = node.shape[-2:]
    if rows != columns:
        raise wrong(
            ShapeError,
            "matrix_power",
            f"expected square matrices, got {rows} rows and {columns} columns",
            [node],
            ["x"],
        )
    try:
        left = operator.index(n)
    except TypeError:
        raise ArgumentError(
            explain(
                f"matrix_power: the power must be a whole number, got {n!r}",
                fix="powers with a fraction are not defined here; "
                "nervure.linalg.eigh gives the parts for one",
            )
        ) from None
    factor = inv(x) if left < 0 else Array.of_node(node)
    result = broadcast_to(eye(rows, dtype=factor.dtype), factor.shape)
    left = abs(left)
    first = True
    while left:
        if left & 1:
            result = factor if first else matmul(result, factor)
            first = False
        left >>= 1
        if left:
            factor = matmul(factor, factor)
    return result
