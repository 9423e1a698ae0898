"""Convolution: every filter sees all channels, or those of its group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn import constraints, initializers, regularizers
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.convolution.base import SlidingLayer
from nervure.nn.layers.core import positive_count
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops import nn


class Convolution(SlidingLayer):
    """The part that is the same for any number of spatial axes."""

    kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Regularizer | str | None = None,
        bias_regularizer: Regularizer | str | None = None,
        kernel_constraint: Constraint | str | None = None,
        bias_constraint: Constraint | str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.filters = positive_count("filters", filters)
        self.groups = positive_count("groups", groups)
        if self.filters % self.groups:
            raise ArgumentError(
                explain(
                    f"expected filters that can be divided into {groups} groups, got "
                    f"{filters}",
                    fix="choose filters as a multiple of groups",
                )
            )
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._keep_output(
            activation, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)

    def build(self, input_shape: Any) -> None:
        """Create the kernel ``[*window, channels / groups, filters]`` and the bias."""
        channels = self._channels_of(input_shape)
        if channels % self.groups:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} divides channels into {self.groups} "
                    f"groups, its input of shape {input_shape} has {channels}",
                    fix="choose groups so that it divides the number of channels",
                )
            )
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self._add_bias(self.filters)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        sums = nn.conv(
            inputs,
            self.kernel.value,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
        )
        return self._output(sums)


class Conv1D(Convolution):
    """Convolution over one axis, such as time.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, places, filters]``,
    with "channels_first" ``[batch, channels, steps]`` becomes ``[batch, filters,
    places]``.

    Parameters are those of :class:`Conv2D`, with one number where that takes two, and
    one more padding: "causal" puts zeros before the input only, so that no output
    depends on what comes later (van den Oord et al., "WaveNet", 2016).

    >>> import nervure as nv
    >>> layer = nv.layers.Conv1D(1, 2, padding="causal", kernel_initializer="ones")
    >>> layer([[[1.0], [2.0], [3.0]]]).tolist()
    [[[1.0], [3.0], [5.0]]]
    """

    rank = 1
    allows_causal = True


class Conv2D(Convolution):
    """Convolution of images: ``activation(conv(inputs, kernel) + bias)``.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, rows, columns,
    filters]``, with "channels_first" ``[batch, channels, height, width]`` becomes
    ``[batch, filters, rows, columns]``.  The kernel is not flipped, as in all libraries
    for neural networks.

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
    groups
        Into how many groups channels and filters fall: filters see their group only.
    activation
        A name or a function; None means none.
    use_bias
        Whether there is a bias for each filter.
    kernel_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    kernel_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        When an input has other channels than the first one, or a window is larger than
        the input.

    >>> import nervure as nv
    >>> layer = nv.layers.Conv2D(32, 3, activation="relu")
    >>> layer(nv.zeros((1, 28, 28, 1))).shape
    (1, 26, 26, 32)
    """

    rank = 2


class Conv3D(Convolution):
    """Convolution over three axes, such as those of a volume or a film.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch, *places,
    filters]``, with "channels_first" ``[batch, channels, depth, height, width]``
    becomes ``[batch, filters, *places]``.

    Parameters are those of :class:`Conv2D`, with three numbers where that takes two.

    >>> import nervure as nv
    >>> layer = nv.layers.Conv3D(2, 3, strides=(1, 2, 2), padding="same")
    >>> layer(nv.zeros((1, 4, 8, 8, 1))).shape
    (1, 4, 4, 4, 2)
    """

    rank = 3
