"""Gaussian smoothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, explain
from nervure.ops.creation import data_leaf
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import axis_index
from nervure.ops.signal.filters import filterable, filtered

Axes = int | Sequence[int]

# How many standard deviations a filter reaches, unless a radius is given; SciPy's.
_TRUNCATE: Final = 4.0


def gaussian_kernel(
    sigma: float,
    radius: int | None = None,
    dtype: npt.DTypeLike = dtypes.float32,
) -> Array:
    """Return the weights of Gaussian smoothing, which add up to 1.

    They are exp(-n^2 / (2 sigma^2)) for n from -radius to radius, divided by their sum.
    For a square of weights, ``k[:, None] * k``.

    Parameters
    ----------
    sigma
        The standard deviation, in elements; 0 gives a single 1 (among zeros).
    radius
        How far the weights reach; 4 sigma, rounded, by default.
    dtype
        A floating-point type.

    Returns
    -------
    ``float[2 * radius + 1]``.

    Raises
    ------
    ArgumentError
        For a sigma or radius that is negative or not finite.
    DTypeError
        For a type that is not floating-point.

    >>> import nervure as nv
    >>> nv.signal.gaussian_kernel(1.0, radius=1).tolist()
    [0.2740686237812042, 0.45186275243759155, 0.2740686237812042]
    """
    wanted = dtypes.as_dtype(dtype)
    if not dtypes.is_float(wanted):
        raise DTypeError(
            explain(
                f"gaussian_kernel: expected a floating-point type, got {wanted.name}",
                fix="leave dtype out, or pass dtype='float32'",
            )
        )
    return Array.of_node(data_leaf(_weights("gaussian_kernel", sigma, radius, wanted)))


def _weights(
    op: str, sigma: float, radius: int | None, dtype: DType
) -> npt.NDArray[Any]:
    width = float(sigma)
    if not (math.isfinite(width) and width >= 0):
        raise ArgumentError(
            explain(
                f"{op}: expected sigma to be a finite number of at least 0, got "
                f"{sigma!r}",
                fix="sigma is the width of the curve in elements, such as 1.5",
            )
        )
    reach = int(_TRUNCATE * width + 0.5) if radius is None else int(radius)
    if reach < 0:
        raise ArgumentError(
            explain(
                f"{op}: expected a radius of at least 0, got {radius!r}",
                fix="leave radius out: 4 times sigma is covered",
            )
        )
    places = np.arange(-reach, reach + 1)
    if width == 0:
        return np.equal(places, 0).astype(dtype)
    weights = np.exp(-0.5 * (places / width) ** 2)
    result: npt.NDArray[Any] = (weights / weights.sum()).astype(dtype)
    return result


def gaussian_filter1d(
    x: ArrayLike,
    sigma: float,
    axis: int = -1,
    *,
    radius: int | None = None,
    boundary: str = "reflect",
) -> Array:
    """Return x smoothed along one axis by a Gaussian filter, in the shape of x.

    Parameters
    ----------
    x
        ``float[...]`` with at least one axis; integers become the default float.
    sigma, radius
        See :func:`gaussian_kernel`.
    axis
        The axis to smooth along.
    boundary
        What is beyond the edges, for the elements a b c d:

        "reflect"
            d c b a | a b c d | d c b a
        "mirror"
            d c b | a b c d | c b a
        "nearest"
            a a a | a b c d | d d d
        "wrap"
            b c d | a b c d | a b c
        "constant"
            0 0 0 | a b c d | 0 0 0

    Raises
    ------
    ArgumentError
        For a sigma or radius that is negative, or an axis that x does not have.
    ShapeError
        For an array without axes.
    UnknownNameError
        For another boundary.

    Source: the slide '1d example: Gaussian smoothing';
    ``scipy.ndimage.gaussian_filter1d``, whose argument ``mode`` is ``boundary`` here.

    >>> import nervure as nv
    >>> nv.signal.gaussian_filter1d([0.0, 0.0, 1.0, 0.0, 0.0], 0.5, radius=1).tolist()
    [0.0, 0.10650698095560074, 0.7869860529899597, 0.10650698095560074, 0.0]
    """
    op = "gaussian_filter1d"
    node = filterable(op, x, boundary)
    place = axis_index(op, axis, len(node.shape))
    weights = data_leaf(_weights(op, sigma, radius, node.dtype))
    return Array.of_node(filtered(node, weights, place, boundary))


def gaussian_filter(
    x: ArrayLike,
    sigma: float | Sequence[float],
    *,
    axes: Axes | None = None,
    radius: int | None = None,
    boundary: str = "reflect",
) -> Array:
    """Return x smoothed by a Gaussian filter along several axes, in the shape of x.

    Parameters
    ----------
    x
        ``float[...]``, an image for example; integers become the default float.
    sigma
        The standard deviation in elements, one number or one for each axis.
    axes
        The axes to smooth along, all by default: (1, 2) for images
        ``float32[N, H, W, C]``.
    radius, boundary
        See :func:`gaussian_filter1d`.

    Raises
    ------
    ArgumentError
        For a sigma or radius that is negative, another number of sigmas than of axes,
        or axes that x does not have.
    ShapeError
        For an array without axes.
    UnknownNameError
        For another boundary.

    Source: ``scipy.ndimage.gaussian_filter``.

    >>> import nervure as nv
    >>> smooth = nv.signal.gaussian_filter(nv.eye(5), 1.0)
    >>> round(float(nv.sum(smooth)), 4)
    5.0
    """
    op = "gaussian_filter"
    node = filterable(op, x, boundary)
    rank = len(node.shape)
    places = [axis_index(op, one, rank) for one in _several(axes, rank)]
    widths = list(sigma) if isinstance(sigma, Sequence) else [sigma] * len(places)
    if len(widths) != len(places):
        raise ArgumentError(
            explain(
                f"{op}: expected one sigma for each of {len(places)} axes, got "
                f"{len(widths)}",
                fix="pass one sigma for all axes, or one for each",
            )
        )
    for place, width in zip(places, widths, strict=True):
        weights = data_leaf(_weights(op, width, radius, node.dtype))
        node = filtered(node, weights, place, boundary)
    return Array.of_node(node)


def _several(axes: Axes | None, rank: int) -> Sequence[int]:
    if axes is None:
        return range(rank)
    return (axes,) if isinstance(axes, int) else axes
