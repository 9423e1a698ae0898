"""Transposed convolution: from fewer places to more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn import constraints, initializers, regularizers
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.convolution.base import SlidingLayer
from nervure.nn.layers.core import positive_count
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops import nn
from nervure.ops.nn.sliding import one_per_axis


class TransposedConvolution(SlidingLayer):
    """The part that is the same for any number of spatial axes."""

    kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = self._checked(output_padding)
        self._keep_output(
            activation, use_bias, bias_initializer, bias_regularizer, bias_constraint
        )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)

    def _checked(self, given: int | Sequence[int] | None) -> tuple[int, ...] | None:
        """Return the output padding, one number for each spatial axis."""
        if given is None:
            return None
        amounts = one_per_axis("output_padding", given, self.rank, least=0)
        pairs = zip(amounts, self.strides, strict=True)
        if any(amount >= stride for amount, stride in pairs):
            raise ArgumentError(
                explain(
                    f"expected output_padding to be less than strides, got {given!r} "
                    "with "
                    f"strides {self.strides}",
                    fix="leave output_padding out, or choose larger strides",
                )
            )
        return amounts

    def build(self, input_shape: Any) -> None:
        """Create the kernel ``[*window, filters, channels]`` and the bias."""
        self.kernel = self.add_weight(
            (*self.kernel_size, self.filters, self._channels_of(input_shape)),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self._add_bias(self.filters)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        sums = nn.conv_transpose(
            inputs,
            self.kernel.value,
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )
        return self._output(sums)


class Conv1DTranspose(TransposedConvolution):
    """Transposed convolution over one axis, such as time.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, places, filters]``,
    with "channels_first" ``[batch, channels, steps]`` becomes ``[batch, filters,
    places]``.

    Parameters are those of :class:`Conv2DTranspose`, with one number where that takes
    two.

    >>> import nervure as nv
    >>> layer = nv.layers.Conv1DTranspose(1, 3, strides=2, kernel_initializer="ones")
    >>> layer([[[1.0], [2.0]]]).tolist()
    [[[1.0], [1.0], [3.0], [2.0], [2.0]]]
    """

    rank = 1


class Conv2DTranspose(TransposedConvolution):
    """Transposed convolution of images, as in the second half of an autoencoder.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, rows, columns,
    filters]``, with "channels_first" ``[batch, channels, height, width]`` becomes
    ``[batch, filters, rows, columns]``.  It is the gradient of a convolution in its
    input: every element is multiplied with the kernel, and the products are added up
    ``strides`` apart.  (Zeiler et al., "Deconvolutional networks", 2010.)

    Parameters
    ----------
    filters
        The number of channels of the result, at least 1.
    kernel_size
        The size of a window: one number for all spatial axes, or one for each.
    strides
        The step from element to element of the input in the result.
    padding
        "valid" for all places that an element reaches; "same" for ``size * strides``
        places along an axis.
    output_padding
        How many places more the result has at its end, less than ``strides``; see
        :func:`nervure.nn.conv_transpose`.  None: what ``padding`` says.
    data_format
        "channels_last", also None, or "channels_first".
    dilation_rate
        The step from element to element of a window.
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

    >>> import nervure as nv
    >>> layer = nv.layers.Conv2DTranspose(8, 3, strides=2, padding="same")
    >>> layer(nv.zeros((1, 7, 7, 16))).shape
    (1, 14, 14, 8)
    """

    rank = 2


class Conv3DTranspose(TransposedConvolution):
    """Transposed convolution over three axes, such as those of a volume.

    ``float32[batch, depth, height, width, channels]`` becomes ``float32[batch, *places,
    filters]``, with "channels_first" ``[batch, channels, depth, height, width]``
    becomes ``[batch, filters, *places]``.

    Parameters are those of :class:`Conv2DTranspose`, with three numbers where that
    takes two.

    >>> import nervure as nv
    >>> layer = nv.layers.Conv3DTranspose(2, 2, strides=2)
    >>> layer(nv.zeros((1, 3, 4, 4, 1))).shape
    (1, 6, 8, 8, 2)
    """

    rank = 3
