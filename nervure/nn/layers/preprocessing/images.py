"""Images in another size, by interpolation or by cutting."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count
from nervure.ops import nn
from nervure.ops.nn.interpolation import INTERPOLATIONS
from nervure.ops.nn.sliding import data_format_name


class ImageLayer(Layer):
    """A layer for images, ``[batch, height, width, channels]`` or one without batch.

    Subclasses compute on a batch, channels last.
    """

    data_format: str

    def _as_batch(self, inputs: Array) -> Array:
        """Return images with a batch, channels last."""
        if inputs.ndim not in (3, 4):
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expected images with 4 axes, or one with "
                    f"3, got shape {list(inputs.shape)}",
                    fix="pass [batch, height, width, channels]; x[..., None] adds "
                    "the axis of channels",
                )
            )
        images = inputs if inputs.ndim == 4 else inputs[None]
        return (
            ops.moveaxis(images, 1, -1)
            if self.data_format == "channels_first"
            else images
        )

    def _like(self, inputs: Array, images: Array) -> Array:
        """Return a batch in the form of the input."""
        if self.data_format == "channels_first":
            images = ops.moveaxis(images, -1, 1)
        return images if inputs.ndim == 4 else images[0]


class Resizing(ImageLayer):
    """Images in another size.

    ``[batch, h, w, channels]`` becomes ``[batch, height, width, channels]``, of the
    same type; whole numbers are rounded.

    Parameters
    ----------
    height, width
        The new size.
    interpolation
        "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
    crop_to_aspect_ratio
        Whether the image is cut at two sides before, so that nothing is distorted.
    pad_to_aspect_ratio
        Whether it is filled up at two sides instead.
    fill_mode
        "constant": it is filled up with ``fill_value``.
    fill_value
        The value that fills.
    antialias
        Whether a smaller image is made of means over all that falls on a pixel.
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError, UnknownNameError
        For both cropping and padding, and for an interpolation that is not known.

    >>> import nervure as nv
    >>> nv.layers.Resizing(32, 48)(nv.zeros((2, 28, 28, 1))).shape
    (2, 32, 48, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.height = positive_count("height", height)
        self.width = positive_count("width", width)
        if interpolation not in INTERPOLATIONS:
            raise unknown_name("interpolation", interpolation, INTERPOLATIONS)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ArgumentError(
                explain(
                    "Resizing can crop or pad to the aspect ratio, not both",
                    fix="choose one of crop_to_aspect_ratio and pad_to_aspect_ratio",
                )
            )
        if fill_mode != "constant":
            raise unknown_name("fill_mode", fill_mode, ("constant",))
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = bool(crop_to_aspect_ratio)
        self.pad_to_aspect_ratio = bool(pad_to_aspect_ratio)
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = bool(antialias)
        self.data_format = data_format_name(data_format)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        images = self._as_batch(inputs)
        if not dtypes.is_float(images.dtype):
            images = images.astype(self.dtype)
        if self.crop_to_aspect_ratio:
            images = cropped_to_ratio(images, self.height, self.width)
        elif self.pad_to_aspect_ratio:
            images = self._padded(images)
        resized = nn.resize(
            images, (self.height, self.width), self.interpolation, self.antialias
        )
        if not dtypes.is_float(inputs.dtype):
            limits = np.iinfo(inputs.dtype) if inputs.dtype.kind in "iu" else None
            if limits is not None:
                resized = ops.clip(
                    ops.round(resized), float(limits.min), float(limits.max)
                )
            resized = resized.astype(inputs.dtype)
        return self._like(inputs, resized)

    def _padded(self, images: Array) -> Array:
        _, height, width, _ = images.shape
        wanted_height = max(height, width * self.height // self.width)
        wanted_width = max(width, height * self.width // self.height)
        rows, columns = (wanted_height - height) // 2, (wanted_width - width) // 2
        return ops.pad(
            images,
            ((0, 0), (rows, rows), (columns, columns), (0, 0)),
            constant_values=self.fill_value,
        )


class CenterCrop(ImageLayer):
    """The middle of images; those that are too small are enlarged before.

    ``[batch, h, w, channels]`` becomes ``float32[batch, height, width, channels]``.

    Parameters
    ----------
    height, width
        The size of what is kept.
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(4.0), (1, 1, 4, 1))
    >>> nv.layers.CenterCrop(1, 2)(x)[0, 0, :, 0].tolist()
    [1.0, 2.0]
    """

    def __init__(
        self,
        height: int,
        width: int,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.height = positive_count("height", height)
        self.width = positive_count("width", width)
        self.data_format = data_format_name(data_format)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        images = self._as_batch(inputs).astype(self.dtype)
        _, height, width, _ = images.shape
        top, left = (height - self.height) // 2, (width - self.width) // 2
        if top >= 0 and left >= 0:
            kept = images[:, top : top + self.height, left : left + self.width]
        else:
            cut = cropped_to_ratio(images, self.height, self.width)
            kept = nn.resize(cut, (self.height, self.width))
        return self._like(inputs, kept)


def cropped_to_ratio(images: Array, height: int, width: int) -> Array:
    """Return the middle of images, as large as possible with the ratio of a size."""
    _, rows, columns, _ = images.shape
    kept_rows = max(min(rows, columns * height // width), 1)
    kept_columns = max(min(columns, rows * width // height), 1)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    result: Any = images[:, top : top + kept_rows, left : left + kept_columns]
    return result  # type: ignore[no-any-return]
