"""How an image changes from pixel to pixel."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import DTypeError, ShapeError, explain, unknown_name
from nervure.ir.build import wrong
from nervure.ops.creation import data_leaf
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import axis_index
from nervure.ops.signal.filters import filterable, filtered
from nervure.prims.leaf import const

# How each operator weighs the neighbours beside the line along which it differentiates.
_ACROSS: Final[dict[str, tuple[float, ...]]] = {
    "central": (1.0,),
    "prewitt": (1.0, 1.0, 1.0),
    "sobel": (1.0, 2.0, 1.0),
    "scharr": (3.0, 10.0, 3.0),
}


def gradient_filters(
    kind: str = "sobel", dtype: npt.DTypeLike = dtypes.float32
) -> tuple[Array, Array]:
    """Return the two filters whose convolution with an image is its gradient.

    They are made for :func:`convolve2d`, which flips them, and scaled so that an image
    that grows by 1 from pixel to pixel has the gradient 1.

    Parameters
    ----------
    kind
        "central" (``float[3, 1]`` and ``float[1, 3]``), or "sobel", "prewitt" and
        "scharr" (``float[3, 3]``), which smooth across.
    dtype
        A floating-point type.

    Returns
    -------
    The filter along the rows' index (downward) and the one along the columns' index.

    Raises
    ------
    DTypeError
        For a type that is not floating-point.
    UnknownNameError
        For another kind.

    Source: the slide '2d Gradients'.

    >>> import nervure as nv
    >>> down, right = nv.signal.gradient_filters("central")
    >>> right.tolist()
    [[0.5, 0.0, -0.5]]
    """
    if kind not in _ACROSS:
        raise unknown_name("gradient filter", kind, tuple(_ACROSS))
    wanted = dtypes.as_dtype(dtype)
    if not dtypes.is_float(wanted):
        raise DTypeError(
            explain(
                f"gradient_filters: expected a floating-point type, got {wanted.name}",
                fix="leave dtype out, or pass dtype='float32'",
            )
        )
    across = np.array(_ACROSS[kind])
    right = np.outer(across / across.sum(), [0.5, 0.0, -0.5]).astype(wanted)
    down = np.ascontiguousarray(right.T)
    return Array.of_node(data_leaf(down)), Array.of_node(data_leaf(right))


def sobel(x: ArrayLike, axis: int = -1, *, boundary: str = "reflect") -> Array:
    """Return Sobel's derivative of an image along an axis, in the shape of x.

    The difference of both neighbours along ``axis``, smoothed by 1 2 1 along every
    other axis; not scaled: 8 times the derivative of an image of two axes.

    Parameters
    ----------
    x
        ``float[...]``; integers become the default float.
    axis
        The axis to differentiate along.
    boundary
        See :func:`gaussian_filter1d`.

    Raises
    ------
    ArgumentError
        For an axis that x does not have.
    ShapeError
        For an array without axes.
    UnknownNameError
        For another boundary.

    Source: ``scipy.ndimage.sobel``.

    >>> import nervure as nv
    >>> nv.signal.sobel([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]).tolist()
    [[4.0, 12.0, 8.0], [4.0, 12.0, 8.0]]
    """
    node = filterable("sobel", x, boundary)
    place = axis_index("sobel", axis, len(node.shape))
    difference = const([-1, 0, 1], node.dtype)
    smoothing = const([1, 2, 1], node.dtype)
    result = filtered(node, difference, place, boundary)
    for other in range(len(node.shape)):
        if other != place:
            result = filtered(result, smoothing, other, boundary)
    return Array.of_node(result)


def image_gradients(
    image: ArrayLike, axes: tuple[int, int] = (-2, -1)
) -> tuple[Array, Array]:
    """Return how an image changes downward and to the right, each in its shape.

    Inside these are half the differences of both neighbours, a convolution with
    ``gradient_filters("central")``; at the edges the difference of the last two
    elements, so that no edge appears where the image ends.

    Parameters
    ----------
    image
        ``float[..., H, W]`` with at least 2 rows and columns; integers become the
        default float.
    axes
        Where the rows' and the columns' index are: (1, 2) for ``float32[N, H, W, C]``.

    Returns
    -------
    ``(gy, gx)``.

    Raises
    ------
    ArgumentError
        For axes that the image does not have.
    ShapeError
        For fewer than two axes, rows or columns.

    Source: the slide '2d Gradients'; the result is that of ``numpy.gradient``.

    >>> import nervure as nv
    >>> gy, gx = nv.signal.image_gradients([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    >>> gx.tolist()
    [[1.0, 1.5, 2.0], [1.0, 1.5, 2.0]]
    """
    op = "image_gradients"
    node = filterable(op, image, "constant")
    rank = len(node.shape)
    if rank < 2:
        raise wrong(
            ShapeError, op, "expected an image of at least two axes", [node], ["image"]
        )
    down, right = (axis_index(op, one, rank) for one in axes)
    x = Array.of_node(node)
    return _slope(op, x, down), _slope(op, x, right)


def _slope(op: str, x: Array, axis: int) -> Array:
    """Return the derivative along one axis by differences."""
    extent = x.shape[axis]
    if extent < 2:
        raise wrong(
            ShapeError,
            op,
            f"expected at least 2 elements on axis {axis}, got {extent}",
            [x.node],
            ["image"],
        )
    before = (slice(None),) * axis

    def piece(start: int, stop: int) -> Array:
        return x[(*before, slice(start, stop))]

    first = piece(1, 2) - piece(0, 1)
    inner = (piece(2, extent) - piece(0, extent - 2)) * 0.5
    last = piece(extent - 1, extent) - piece(extent - 2, extent - 1)
    return ops.concat([first, inner, last], axis=axis)
