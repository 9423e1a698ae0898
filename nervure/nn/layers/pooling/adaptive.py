"""Pooling to a given number of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

from nervure.array import Array
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.ops import nn
from nervure.ops.nn.sliding import data_format_name, one_per_axis


class AdaptivePooling(Layer):
    """The part that is the same for all layers that pool to a given size."""

    rank: ClassVar[int]

    def __init__(
        self,
        output_size: int | Sequence[int],
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.output_size = one_per_axis("output_size", output_size, self.rank)
        self.data_format = data_format_name(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class AdaptiveMaxPooling(AdaptivePooling):
    """The largest element of each window."""

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.adaptive_max_pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling(AdaptivePooling):
    """The mean of each window."""

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.adaptive_average_pool(inputs, self.output_size, self.data_format)


class AdaptiveMaxPooling1D(AdaptiveMaxPooling):
    """The largest element of each of ``output_size`` windows along one axis.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, output_size,
    channels]``.

    Parameters are those of :class:`AdaptiveAveragePooling2D`, with one number where
    that takes two.

    >>> import nervure as nv
    >>> nv.layers.AdaptiveMaxPooling1D(2)([[[1.0], [3.0], [2.0]]]).tolist()
    [[[3.0], [3.0]]]
    """

    rank = 1


class AdaptiveMaxPooling2D(AdaptiveMaxPooling):
    """The largest element of each of a given number of windows of an image.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, *output_size,
    channels]``.

    Parameters are those of :class:`AdaptiveAveragePooling2D`.

    >>> import nervure as nv
    >>> nv.layers.AdaptiveMaxPooling2D((3, 2))(nv.zeros((1, 7, 8, 4))).shape
    (1, 3, 2, 4)
    """

    rank = 2


class AdaptiveMaxPooling3D(AdaptiveMaxPooling):
    """The largest element of each of a given number of windows of a volume.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch,
    *output_size, channels]``.

    Parameters are those of :class:`AdaptiveAveragePooling2D`, with three numbers where
    that takes two.

    >>> import nervure as nv
    >>> nv.layers.AdaptiveMaxPooling3D(2)(nv.zeros((1, 4, 5, 6, 3))).shape
    (1, 2, 2, 2, 3)
    """

    rank = 3


class AdaptiveAveragePooling1D(AdaptiveAveragePooling):
    """The mean of each of ``output_size`` windows along one axis.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, output_size,
    channels]``.

    Parameters are those of :class:`AdaptiveAveragePooling2D`, with one number where
    that takes two.

    >>> import nervure as nv
    >>> nv.layers.AdaptiveAveragePooling1D(2)([[[1.0], [3.0], [2.0]]]).tolist()
    [[[2.0], [2.5]]]
    """

    rank = 1


class AdaptiveAveragePooling2D(AdaptiveAveragePooling):
    """The mean of each of a given number of windows of an image.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, *output_size,
    channels]``, whatever height and width are.

    Parameters
    ----------
    output_size
        How many windows: one number for all spatial axes, or one for each.  Window
        ``i`` of ``count`` goes from place ``i * size / count``, rounded down, to ``(i +
        1) * size / count``, rounded up.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.AdaptiveAveragePooling2D((3, 2))(nv.zeros((1, 7, 8, 4))).shape
    (1, 3, 2, 4)
    """

    rank = 2


class AdaptiveAveragePooling3D(AdaptiveAveragePooling):
    """The mean of each of a given number of windows of a volume.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch,
    *output_size, channels]``.

    Parameters are those of :class:`AdaptiveAveragePooling2D`, with three numbers where
    that takes two.

    >>> import nervure as nv
    >>> nv.layers.AdaptiveAveragePooling3D(2)(nv.zeros((1, 4, 5, 6, 3))).shape
    (1, 2, 2, 2, 3)
    """

    rank = 3
