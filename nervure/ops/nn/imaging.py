"""Images in another size, and images moved, turned and stretched.

Images are ``[batch, height, width, channels]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain, unknown_name
from nervure.ops.kinds import ArrayLike
from nervure.ops.nn.interpolation import INTERPOLATIONS, place_weights
from nervure.ops.nn.precision import wide_floats


def resize(
    images: ArrayLike,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    antialias: bool = False,
) -> Array:
    """Return images of another size.

    Pixels are areas: the centre of the first is at 1/2 its width.  Rows and columns are
    weighted means of rows and columns, that is, two products with fixed matrices.

    Parameters
    ----------
    images
        ``float[batch, height, width, channels]``
    size
        The new height and width.
    interpolation
        "nearest", "bilinear", "bicubic" (Keys, 1981), "lanczos3" or "lanczos5".
    antialias
        Whether a smaller image is made of means over all that falls on a pixel.

    Raises
    ------
    UnknownNameError
        For another interpolation.
    ShapeError
        For images without these four axes, or without pixels.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.asarray([0.0, 4.0]), (1, 1, 2, 1))
    >>> nv.nn.resize(x, (1, 4))[0, 0, :, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    if interpolation not in INTERPOLATIONS:
        raise unknown_name("interpolation", interpolation, INTERPOLATIONS)
    wide, dtype = wide_floats(images)
    _check_images("resize", wide)
    _, height, width, _ = wide.shape
    for axis, (old, new) in enumerate(((height, size[0]), (width, size[1])), start=1):
        if interpolation == "nearest":
            wide = ops.take(wide, _nearest(old, new), axis=axis)
        elif old != new:
            weights = place_weights(old, new, interpolation, antialias)
            weights = weights.astype(wide.dtype)
            wide = ops.moveaxis(ops.tensordot(wide, weights, ([axis], [1])), -1, axis)
    return wide.astype(dtype)


def _nearest(old: int, new: int) -> Any:
    places = np.floor((np.arange(new) + 0.5) * (old / new)).astype(np.int64)
    return np.clip(places, 0, old - 1)


# --- moving, turning, stretching -----------------------------------------------------


def _mirrored(place: Array, size: int) -> Array:
    turned = place % (2 * size)
    return ops.minimum(turned, 2 * size - 1 - turned)


_FOLDS: Final[dict[str, Callable[[Array, int], Array]]] = {
    "reflect": _mirrored,
    "wrap": lambda place, size: place % size,
    "nearest": lambda place, size: ops.clip(place, 0, size - 1),
    "constant": lambda place, size: ops.clip(place, 0, size - 1),
}
FILL_MODES: Final = tuple(_FOLDS)


def affine_transform(
    images: ArrayLike,
    transform: ArrayLike,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
) -> Array:
    """Return images whose pixels are taken from other places, along straight lines.

    The pixel at ``(x, y)`` is taken from ``(a x + b y + c, d x + e y + f)``.

    Parameters
    ----------
    images
        ``float[batch, height, width, channels]``
    transform
        ``float[batch, 6]``: a to f for each image.
    interpolation
        "nearest" or "bilinear".
    fill_mode
        What lies outside: "reflect" mirrors the image at its edge, "wrap" repeats it,
        "nearest" its last pixels, "constant" is ``fill_value``.
    fill_value
        The value outside in the mode "constant".

    Raises
    ------
    UnknownNameError
        For another interpolation or fill mode.
    ShapeError
        For other shapes.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(3.0), (1, 1, 3, 1))
    >>> moved = nv.nn.affine_transform(x, [[1.0, 0.0, -1.0, 0.0, 1.0, 0.0]])
    >>> moved[0, 0, :, 0].tolist()
    [0.0, 0.0, 1.0]
    """
    if interpolation not in ("nearest", "bilinear"):
        raise unknown_name("interpolation", interpolation, ("nearest", "bilinear"))
    if fill_mode not in _FOLDS:
        raise unknown_name("fill_mode", fill_mode, FILL_MODES)
    wide, dtype = wide_floats(images)
    _check_images("affine_transform", wide)
    numbers = ops.asarray(transform).astype(wide.dtype)
    if numbers.shape != (wide.shape[0], 6):
        raise ShapeError(
            explain(
                f"affine_transform: expected 6 numbers for each of the {wide.shape[0]} "
                f"images, got shape {list(numbers.shape)}",
                fix="pass [images, 6]: the rows of the 2 x 3 matrix, one after the "
                "other",
            )
        )
    x, y = _sources(numbers, wide.shape[1], wide.shape[2])
    if interpolation == "nearest":
        x, y = ops.floor(x + 0.5), ops.floor(y + 0.5)
        return _pixels(wide, x, y, fill_mode, fill_value).astype(dtype)
    left, top = ops.floor(x), ops.floor(y)
    result = ops.zeros_like(wide)
    for column, x_share in ((left, 1.0 - (x - left)), (left + 1.0, x - left)):
        for row, y_share in ((top, 1.0 - (y - top)), (top + 1.0, y - top)):
            pixels = _pixels(wide, column, row, fill_mode, fill_value)
            result = result + pixels * (x_share * y_share)[..., None]
    return result.astype(dtype)


def _sources(numbers: Array, height: int, width: int) -> tuple[Array, Array]:
    """Return where pixels are taken from: x and y, ``[batch, height, width]``."""
    columns = ops.arange(width, dtype=numbers.dtype)[None, None, :]
    rows = ops.arange(height, dtype=numbers.dtype)[None, :, None]
    a, b, c, d, e, f = (numbers[:, place][:, None, None] for place in range(6))
    return a * columns + b * rows + c, d * columns + e * rows + f


def _pixels(images: Array, x: Array, y: Array, mode: str, fill_value: float) -> Array:
    """Return the pixels at whole places, also outside of the image."""
    batch, height, width, channels = images.shape
    # Far outside a number of pixels has no meaning, and no whole number holds it.
    limit = float(4 * max(height, width) + 4)
    whole_x, whole_y = (ops.clip(one, -limit, limit).astype("int64") for one in (x, y))
    fold = _FOLDS[mode]
    first = ops.arange(batch)[:, None, None] * (height * width)
    index = first + fold(whole_y, height) * width + fold(whole_x, width)
    flat = ops.reshape(images, (batch * height * width, channels))
    taken = ops.take(flat, ops.reshape(index, (index.size,)), axis=0)
    pixels = ops.reshape(taken, (*index.shape, channels))
    if mode != "constant":
        return pixels
    inside = (whole_x >= 0) & (whole_x < width) & (whole_y >= 0) & (whole_y < height)
    return ops.where(inside[..., None], pixels, fill_value)


def _check_images(op: str, images: Array) -> None:
    if images.ndim != 4 or 0 in images.shape[1:3]:
        raise ShapeError(
            explain(
                f"{op}: expected images [batch, height, width, channels] with pixels, "
                f"got shape {list(images.shape)}",
                fix="x[None] adds the batch to one picture, x[..., None] the channels",
            )
        )
