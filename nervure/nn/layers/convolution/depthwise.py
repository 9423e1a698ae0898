"""Convolution of each channel by itself, with or without mixing afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure.array import Array
from nervure.nn import constraints, initializers, regularizers
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.convolution.base import SlidingLayer
from nervure.nn.layers.core import positive_count
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops import nn


class DepthwiseConvolution(SlidingLayer):
    """The part that is the same for any number of spatial axes."""

    kernel: Variable

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        depthwise_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.depth_multiplier = positive_count("depth_multiplier", depth_multiplier)
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._keep_output(
            activation, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)

    def build(self, input_shape: Any) -> None:
        """Create the kernel ``[*window, channels, multiplier]`` and the bias."""
        channels = self._channels_of(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name="kernel",
        )
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        sums = nn.depthwise_conv(
            inputs,
            self.kernel.value,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )
        return self._output(sums)


class DepthwiseConv1D(DepthwiseConvolution):
    """Convolution over one axis of each channel by itself.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, places, channels *
    depth_multiplier]``, with "channels_first" the channels come first.

    Parameters are those of :class:`DepthwiseConv2D`, with one number where that takes
    two.

    >>> import nervure as nv
    >>> layer = nv.layers.DepthwiseConv1D(2, depthwise_initializer="ones")
    >>> layer([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]]).tolist()
    [[[3.0, 30.0], [5.0, 50.0]]]
    """

    rank = 1


class DepthwiseConv2D(DepthwiseConvolution):
    """Convolution of each channel of an image by itself, with filters of its own.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, rows, columns,
    channels * depth_multiplier]``, with "channels_first" the channels come first.  The
    results of one channel are beside each other.

    Parameters
    ----------
    kernel_size
        The size of a window: one number for all spatial axes, or one for each.
    strides
        The step from window to window.
    padding
        "valid" for whole windows only; "same" for ``size / strides`` windows along an
        axis, rounded up, with zeros around the input.
    depth_multiplier
        How many filters each channel has.
    data_format
        "channels_last", also None, or "channels_first".
    dilation_rate
        The step from element to element of a window.
    activation
        A name or a function; None means none.
    use_bias
        Whether there is a bias for each channel of the result.
    depthwise_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    depthwise_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    depthwise_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.DepthwiseConv2D(3, depth_multiplier=2)(nv.zeros((1, 9, 9, 4))).shape
    (1, 7, 7, 8)
    """

    rank = 2


class SeparableConvolution(SlidingLayer):
    """The part that is the same for any number of spatial axes."""

    depthwise_kernel: Variable
    pointwise_kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Regularizer | str | None = None,
        pointwise_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        depthwise_constraint: Constraint | str | None = None,
        pointwise_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.filters = positive_count("filters", filters)
        self.depth_multiplier = positive_count("depth_multiplier", depth_multiplier)
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._keep_output(
            activation, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)

    def build(self, input_shape: Any) -> None:
        """Create two kernels and the bias.

        They are ``[*window, channels, multiplier]`` and, for the mixing,
        ``[*ones, channels * multiplier, filters]``.
        """
        channels = self._channels_of(input_shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
            name="pointwise_kernel",
        )
        self._add_bias(self.filters)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        sums = nn.separable_conv(
            inputs,
            self.depthwise_kernel.value,
            self.pointwise_kernel.value,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )
        return self._output(sums)


class SeparableConv1D(SeparableConvolution):
    """Convolution over one axis of each channel by itself, then of all at each place.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, places, filters]``,
    with "channels_first" the channels come first.

    Parameters are those of :class:`SeparableConv2D`, with one number where that takes
    two.

    >>> import nervure as nv
    >>> layer = nv.layers.SeparableConv1D(4, 3, padding="same")
    >>> layer(nv.zeros((1, 9, 2))).shape
    (1, 9, 4)
    """

    rank = 1


class SeparableConv2D(SeparableConvolution):
    """Convolution of each channel of an image by itself, then of all at each place.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, rows, columns,
    filters]``, with "channels_first" the channels come first.  (Chollet, "Xception:
    deep learning with depthwise separable convolutions", 2016.)

    Parameters
    ----------
    filters
        The number of channels of the result, at least 1.
    kernel_size
        The size of a window: one number for all spatial axes, or one for each.
    strides
        The step from window to window.
    padding
        "valid" for whole windows only; "same" for ``size / strides`` windows along an
        axis, rounded up, with zeros around the input.
    data_format
        "channels_last", also None, or "channels_first".
    dilation_rate
        The step from element to element of a window.
    depth_multiplier
        How many filters each channel has before the channels are mixed.
    activation
        A name or a function; None means none.
    use_bias
        Whether there is a bias for each filter.
    depthwise_initializer, pointwise_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    depthwise_regularizer, pointwise_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    depthwise_constraint, pointwise_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.SeparableConv2D(16, 3, depth_multiplier=2)
    >>> layer(nv.zeros((1, 9, 9, 4))).shape
    (1, 7, 7, 16)
    """

    rank = 2
