"""Layers that replace every place by several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from nervure.array import Array
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count
from nervure.ops import nn
from nervure.ops.nn.resampling import interpolation_name
from nervure.ops.nn.sliding import data_format_name, one_per_axis


class UpSampling1D(Layer):
    """Every step of a sequence several times.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, size * steps,
    channels]``.

    Parameters
    ----------
    size
        How many times.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.UpSampling1D(2)([[[1.0], [2.0]]]).tolist()
    [[[1.0], [1.0], [2.0], [2.0]]]
    """

    def __init__(self, size: int = 2, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.size = positive_count("size", size)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.upsample(inputs, self.size)


class UpSampling2D(Layer):
    """A larger image: places repeated or interpolated.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, size[0] *
    height, size[1] * width, channels]``, with "channels_first" the channels come first.

    Parameters
    ----------
    size
        By how much height and width grow: one number for both, or two.
    data_format
        "channels_last", also None, or "channels_first".
    interpolation
        "nearest" repeats; "bilinear", "bicubic", "lanczos3" and "lanczos5" interpolate.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.UpSampling2D((2, 3))(nv.zeros((1, 4, 4, 3))).shape
    (1, 8, 12, 3)
    """

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.size = one_per_axis("size", size, 2)
        self.data_format = data_format_name(data_format)
        self.interpolation = interpolation_name(interpolation)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.upsample(inputs, self.size, self.data_format, self.interpolation)


class UpSampling3D(Layer):
    """A larger volume: places repeated.

    ``float32[batch, depth, height, width, channels]`` becomes larger on its three
    spatial axes.

    Parameters
    ----------
    size
        By how much the axes grow: one number for all, or three.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.UpSampling3D((1, 2, 3))(nv.zeros((1, 4, 4, 4, 3))).shape
    (1, 4, 8, 12, 3)
    """

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.size = one_per_axis("size", size, 3)
        self.data_format = data_format_name(data_format)
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.upsample(inputs, self.size, self.data_format)
