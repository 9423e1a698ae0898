"""What all layers of convolution have: windows, a bias and an activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn import activations, constraints, initializers, regularizers
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops.nn.sliding import (
    CAUSAL_PADDINGS,
    PADDINGS,
    data_format_name,
    one_per_axis,
    padding_name,
)


class SlidingLayer(Layer):
    """A layer that slides a kernel over spatial axes, ``rank`` of them."""

    rank: ClassVar[int]
    allows_causal: ClassVar[bool] = False
    bias: Variable | None

    def _keep_window(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        dilation_rate: int | Sequence[int],
    ) -> None:
        """Check and store the arguments that say how the kernel slides."""
        allowed = CAUSAL_PADDINGS if self.allows_causal else PADDINGS
        self.kernel_size = one_per_axis("kernel_size", kernel_size, self.rank)
        self.strides = one_per_axis("strides", strides, self.rank)
        self.padding = padding_name(padding, allowed)
        self.data_format = data_format_name(data_format)
        self.dilation_rate = one_per_axis("dilation_rate", dilation_rate, self.rank)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _keep_output(
        self,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Regularizer | str | None,
        bias_constraint: Constraint | str | None,
    ) -> None:
        """Check and store the arguments that say what happens to the sums."""
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias_constraint = constraints.get(bias_constraint)

    def _channels_of(self, input_shape: Any) -> int:
        """Return the number of channels of inputs, and hold later inputs to it."""
        axis = -1 if self.data_format == "channels_last" else 1
        if len(input_shape) != self.rank + 2 or input_shape[axis] is None:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} cannot be built: expected an input shape "
                    f"of {self.rank + 2} axes with known channels on axis {axis}, got "
                    f"{input_shape}",
                    fix="give the size of the channels: a colour picture is "
                    "Input((height, width, 3))",
                )
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: input_shape[axis]})
        channels: int = input_shape[axis]
        return channels

    def _add_bias(self, filters: int) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (filters,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _output(self, sums: Array) -> Array:
        """Return the activation of the sums and the bias."""
        if self.bias is not None:
            bias = self.bias.value
            if self.data_format == "channels_first":
                bias = ops.reshape(bias, (bias.size, *(1,) * self.rank))
            sums = sums + bias
        outputs: Array = self.activation(sums)
        return outputs
