"""Long short-term memory over images: convolutions in the place of products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn import activations
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.core import positive_count
from nervure.nn.layers.recurrent.base import (
    NO_MASKS,
    DropoutMasks,
    SplitCell,
)
from nervure.nn.layers.recurrent.cells import forgetting, long_short_term
from nervure.nn.variable import Constraint, Regularizer
from nervure.ops import nn
from nervure.ops.nn.sliding import (
    PADDINGS,
    data_format_name,
    one_per_axis,
    padding_name,
)


class ConvLSTMCell(SplitCell):
    """A step of a long short-term memory whose products are convolutions.

    Made by ``ConvLSTM1D``, ``ConvLSTM2D`` and ``ConvLSTM3D``, which describe the
    arguments.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        dilation_rate: int | Sequence[int],
        activation: Any,
        recurrent_activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        unit_forget_bias: bool,
        kernel_regularizer: Regularizer | str | None,
        recurrent_regularizer: Regularizer | str | None,
        bias_regularizer: Regularizer | str | None,
        kernel_constraint: Constraint | str | None,
        recurrent_constraint: Constraint | str | None,
        bias_constraint: Constraint | str | None,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.rank = rank
        self.filters = positive_count("filters", filters)
        self.kernel_size = one_per_axis("kernel_size", kernel_size, rank)
        self.strides = one_per_axis("strides", strides, rank)
        self.padding = padding_name(padding, PADDINGS)
        self.data_format = data_format_name(data_format)
        self.dilation_rate = one_per_axis("dilation_rate", dilation_rate, rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                explain(
                    f"strides {self.strides} and dilation_rate {self.dilation_rate} "
                    "cannot "
                    "both be above 1",
                    fix="leave one of the two at 1",
                )
            )
        self._keep_parts(
            activation,
            use_bias,
            (kernel_initializer, recurrent_initializer, bias_initializer),
            (kernel_regularizer, recurrent_regularizer, bias_regularizer),
            (kernel_constraint, recurrent_constraint, bias_constraint),
            (dropout, recurrent_dropout),
            seed,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.state_size = [self.filters, self.filters]
        self.output_size = self.filters
        self._image: tuple[int, ...] = ()  # of a step's input, without the batch

    def build(self, input_shape: Any) -> None:
        """Create the kernels and the bias."""
        if None in input_shape[1:]:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} cannot be built: all sizes of its images "
                    f"must be known, got {input_shape}",
                    fix="give them, as in Input((None, 32, 32, 3))",
                )
            )
        self._image = tuple(input_shape[1:])
        first = self.data_format == "channels_first"
        channels = self._image[0] if first else self._image[-1]
        columns, start = 4 * self.filters, self.bias_initializer
        shapes = (
            (*self.kernel_size, channels, columns),
            (*self.kernel_size, self.filters, columns),
            (columns,),
        )
        self._add_weights(shapes, forgetting(start) if self.unit_forget_bias else start)

    # --- one step ----------------------------------------------------------------

    def masks(self, batch: int, training: bool) -> DropoutMasks:
        """Draw the masks of dropout for one batch: one for each of the four gates."""
        if not training or self.seed_generator is None:
            return NO_MASKS

        def drawn(rate: float, shape: tuple[int, ...]) -> list[Array] | None:
            if rate == 0:
                return None
            assert self.seed_generator is not None
            ones = ops.ones(shape, dtype=self.dtype)
            keys = [self.seed_generator.next() for _ in range(4)]
            return [nn.dropout(ones, rate, key) for key in keys]

        state = tuple(self.get_initial_state(batch)[0].shape)
        return DropoutMasks(
            drawn(self.dropout, (batch, *self._image)),
            drawn(self.recurrent_dropout, state),
        )

    def project(self, inputs: Array, masks: DropoutMasks) -> Array:
        """Return what images ``[..., batch, *image]`` give to every gate.

        Those of all steps are one large batch of a convolution.
        """
        outer = inputs.shape[: inputs.ndim - len(self._image)]
        parts = _gate_inputs(inputs, masks.inputs)
        flat = [ops.reshape(part, (-1, *self._image)) for part in parts]
        sums = self._convolved(flat, self.kernel, self.strides, self.padding)
        if self.bias is not None:
            bias: Any = self.bias
            if self.data_format == "channels_first":
                bias = ops.reshape(bias.value, (-1, *(1,) * self.rank))
            sums = sums + bias
        return ops.reshape(sums, (*outer, *sums.shape[1:]))

    def _convolved(
        self,
        parts: Sequence[Array],
        kernel: Any,
        strides: tuple[int, ...],
        padding: str,
    ) -> Array:
        """Convolve one input with the whole kernel, or one for each gate with its."""
        dilation = self.dilation_rate if kernel is self.kernel else 1
        options = (strides, padding, self.data_format, dilation)
        if len(parts) == 1:
            return nn.conv(parts[0], kernel, *options)
        width = self.filters
        sums = [
            nn.conv(part, kernel[..., place * width : (place + 1) * width], *options)
            for place, part in enumerate(parts)
        ]
        return ops.concat(sums, axis=self._channel_axis)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def advance(
        self, projected: Array, states: Sequence[Array], masks: DropoutMasks
    ) -> tuple[Array, list[Array]]:
        """Return the output and the new states."""
        h, c = states
        recurrent = self._convolved(
            _gate_inputs(h, masks.states),
            self.recurrent_kernel,
            (1,) * self.rank,
            "same",
        )
        sums, width = projected + recurrent, self.filters
        before = (slice(None),) if self._channel_axis == 1 else (...,)
        gates = [
            sums[(*before, slice(place * width, (place + 1) * width))]
            for place in range(4)
        ]
        return long_short_term(gates, c, self.activation, self.recurrent_activation)

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        """Return zeros for both states, in the shape of the output."""
        image = ops.zeros((1, *self._image), dtype=self.dtype)
        shape = self._convolved([image], self.kernel, self.strides, self.padding).shape
        sizes = list(shape[1:])
        sizes[self._channel_axis if self._channel_axis < 0 else 0] = self.filters
        return [ops.zeros((batch_size, *sizes), dtype=self.dtype) for _ in range(2)]


def _gate_inputs(x: Array, masks: Sequence[Array] | None) -> list[Array]:
    return [x] if masks is None else [x * mask for mask in masks]
