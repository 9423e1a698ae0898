"""The lengths of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nervure import dtypes
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike, as_float, widened
from nervure.ops.linalg.decompositions import svdvals
from nervure.ops.operands import as_node, axes_tuple
from nervure.ops.statistical import (
    keep_axes,
    require_elements,
    root_of_squares,
)
from nervure.ops.units import power_of_two
from nervure.prims import binary, unary
from nervure.prims.leaf import full_like
from nervure.prims.reduce import reduce_max, reduce_min, reduce_sum, spread_back
from nervure.prims.select import cast


def vector_norm(
    x: ArrayLike,
    /,
    *,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    ord: int | float = 2,
) -> Array:
    """Return the length of vectors: ``sum(abs(x) ** ord) ** (1 / ord)`` over axes.

    ``inf`` and ``-inf`` mean the largest and the smallest absolute value, 0 the number
    of elements that are not 0.  The Euclidean norm has the derivative 0 at 0.

    >>> import nervure as nv
    >>> nv.vector_norm(nv.asarray([3.0, 4.0])).item()
    5.0
    """
    node = as_float(as_node(x))
    axes = axes_tuple("vector_norm", axis, len(node.shape))
    if math.isinf(ord):
        require_elements("vector_norm", node, axes)
    result = widened(lambda wide: _norm(wide, axes, ord))(node)
    return Array.of_node(keep_axes(result, node.shape, axes, keepdims))


def _norm(x: Node, axes: tuple[int, ...], order: int | float) -> Node:
    if order == 0:
        return reduce_sum(cast(cast(x, dtypes.bool_), x.dtype), axes)
    size = unary.abs_(x)
    if math.isinf(order):
        return (reduce_max if order > 0 else reduce_min)(size, axes)
    if order == 1 or not x.size:
        return reduce_sum(size, axes)
    # Measured by what counts most, so that no power overflows on the way.
    unit = power_of_two((reduce_max if order > 0 else reduce_min)(size, axes))
    parts = binary.div(size, spread_back(unit, x.shape, axes))
    if order == 2:
        total = root_of_squares(reduce_sum(binary.mul(parts, parts), axes))
    else:
        powers = reduce_sum(binary.pow_(parts, full_like(parts, order)), axes)
        total = binary.pow_(powers, full_like(powers, 1 / order))
    return binary.mul(total, unit)


def matrix_norm(
    x: ArrayLike, /, *, keepdims: bool = False, ord: int | float | str | None = "fro"
) -> Array:
    """Return the size of matrices, or of stacks of them, ``[..., m, n]``.

    Parameters
    ----------
    x
        The matrices; integers become the default float.
    keepdims
        Whether the last two axes stay, with size 1.
    ord
        ``"fro"`` the root of the sum of squares; 1 and -1 the largest and smallest sum
        of absolute values down a column, ``inf`` and ``-inf`` along a row; 2, -2 and
        ``"nuc"`` the largest, the smallest and the sum of the singular values, which
        need values and have no derivative here.

    Raises
    ------
    ShapeError
        For fewer than two axes.
    ArgumentError
        For another ``ord``.

    >>> import nervure as nv
    >>> x = nv.asarray([[3.0, 0.0], [0.0, 4.0]])
    >>> nv.linalg.matrix_norm(x).item(), nv.linalg.matrix_norm(x, ord=1).item()
    (5.0, 4.0)
    """
    node = as_float(as_node(x))
    rank = len(node.shape)
    if rank < 2:
        raise wrong(
            ShapeError,
            "matrix_norm",
            "expected an array of at least two axes",
            [node],
            ["x"],
            fix="use vector_norm for vectors",
        )
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    axes = (rank - 2, rank - 1)
    if ord in (2, -2, "nuc"):
        result = _of_singular_values(svdvals(x).node, ord)
    elif ord in (1, -1, math.inf, -math.inf):
        result = widened(lambda wide: _of_sums(wide, float(ord)))(node)
    else:
        raise ArgumentError(
            explain(
                f"matrix_norm: unknown ord {ord!r}",
                fix="use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf",
            )
        )
    return Array.of_node(keep_axes(result, node.shape, axes, keepdims))


def _of_singular_values(values: Node, order: int | float | str | None) -> Node:
    last = len(values.shape) - 1
    if order == "nuc":
        return reduce_sum(values, (last,))
    require_elements("matrix_norm", values, (last,))
    return (reduce_max if order == 2 else reduce_min)(values, (last,))


def _of_sums(x: Node, order: float) -> Node:
    """Return the extreme sum of absolute values of columns or rows."""
    summed = len(x.shape) - (2 if abs(order) == 1 else 1)
    sums = reduce_sum(unary.abs_(x), (summed,))
    last = len(sums.shape) - 1
    require_elements("matrix_norm", sums, (last,))
    return (reduce_max if order > 0 else reduce_min)(sums, (last,))
