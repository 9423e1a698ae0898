"""The largest elements, or the means, of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

from nervure.array import Array
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.ops import nn
from nervure.ops.nn.sliding import data_format_name, one_per_axis, padding_name


class Pooling(Layer):
    """The part that is the same for all layers that pool windows."""

    rank: ClassVar[int]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        steps = pool_size if strides is None else strides
        self.pool_size = one_per_axis("pool_size", pool_size, self.rank)
        self.strides = one_per_axis("strides", steps, self.rank)
        self.padding = padding_name(padding)
        self.data_format = data_format_name(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class MaxPooling(Pooling):
    """The largest element of each window."""

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.max_pool(
            inputs, self.pool_size, self.strides, self.padding, self.data_format
        )


class AveragePooling(Pooling):
    """The mean of each window."""

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.average_pool(
            inputs, self.pool_size, self.strides, self.padding, self.data_format
        )


class MaxPooling1D(MaxPooling):
    """The largest element of each window along one axis, such as time.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, places, channels]``,
    with "channels_first" ``[batch, channels, places]``.

    Parameters are those of :class:`MaxPooling2D`, with one number where that takes two.

    >>> import nervure as nv
    >>> nv.layers.MaxPooling1D(2)([[[1.0], [3.0], [2.0], [0.0]]]).tolist()
    [[[3.0], [2.0]]]
    """

    rank = 1


class MaxPooling2D(MaxPooling):
    """The largest element of each window of an image, channel by channel.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, rows, columns,
    channels]``, with "channels_first" ``[batch, channels, rows, columns]``.

    Parameters
    ----------
    pool_size
        The size of a window: one number for all spatial axes, or one for each.
    strides
        The step from window to window; None: ``pool_size``.
    padding
        "valid" for whole windows only, "same" for ``size / strides`` windows along an
        axis, rounded up.  Padding is never the largest.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        When a window is larger than the input.

    >>> import nervure as nv
    >>> nv.layers.MaxPooling2D()(nv.zeros((1, 26, 26, 32))).shape
    (1, 13, 13, 32)
    """

    rank = 2


class MaxPooling3D(MaxPooling):
    """The largest element of each window of a volume, channel by channel.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch, *places,
    channels]``, with "channels_first" ``[batch, channels, *places]``.

    Parameters are those of :class:`MaxPooling2D`, with three numbers where that takes
    two.

    >>> import nervure as nv
    >>> nv.layers.MaxPooling3D((1, 2, 2))(nv.zeros((1, 4, 4, 4, 3))).shape
    (1, 4, 2, 2, 3)
    """

    rank = 3


class AveragePooling1D(AveragePooling):
    """The mean of each window along one axis, such as time.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, places, channels]``,
    with "channels_first" ``[batch, channels, places]``.

    Parameters are those of :class:`AveragePooling2D`, with one number where that takes
    two.

    >>> import nervure as nv
    >>> nv.layers.AveragePooling1D(2)([[[1.0], [3.0], [2.0], [0.0]]]).tolist()
    [[[2.0], [1.0]]]
    """

    rank = 1


class AveragePooling2D(AveragePooling):
    """The mean of each window of an image, channel by channel.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, rows, columns,
    channels]``, with "channels_first" ``[batch, channels, rows, columns]``.

    Parameters
    ----------
    pool_size
        The size of a window: one number for all spatial axes, or one for each.
    strides
        The step from window to window; None: ``pool_size``.
    padding
        "valid" for whole windows only, "same" for ``size / strides`` windows along an
        axis, rounded up.  Padding is not counted: the mean is that of the elements.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        When a window is larger than the input.

    >>> import nervure as nv
    >>> layer = nv.layers.AveragePooling2D(2, padding="same")
    >>> layer(nv.ones((1, 5, 5, 1))).shape
    (1, 3, 3, 1)
    """

    rank = 2


class AveragePooling3D(AveragePooling):
    """The mean of each window of a volume, channel by channel.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch, *places,
    channels]``, with "channels_first" ``[batch, channels, *places]``.

    Parameters are those of :class:`AveragePooling2D`, with three numbers where that
    takes two.

    >>> import nervure as nv
    >>> nv.layers.AveragePooling3D((1, 2, 2))(nv.zeros((1, 4, 4, 4, 3))).shape
    (1, 4, 2, 2, 3)
    """

    rank = 3
