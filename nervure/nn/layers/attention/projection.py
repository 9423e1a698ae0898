"""The linear maps of attention: some axes of features into others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError
from nervure.nn import activations, initializers
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.variable import Constraint, Regularizer, Variable


class Projection(Layer):
    """The last axes of the input mapped linearly: ``inputs @ kernel + bias``.

    ``float[..., *inputs]`` becomes ``float[..., *outputs]``; the kernel has the shape
    ``[*inputs, *outputs]``, the bias ``[*outputs]``.

    Parameters
    ----------
    outputs
        The sizes of the axes that replace the last ones.
    input_axes
        How many axes are replaced.

    Other arguments: see :class:`~nervure.layers.Dense`.

    >>> import nervure as nv
    >>> from nervure.nn.layers.attention.projection import Projection
    >>> Projection((8, 4))(nv.zeros((2, 5, 16))).shape
    (2, 5, 8, 4)
    """

    kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        outputs: Sequence[int],
        input_axes: int = 1,
        use_bias: bool = True,
        activation: Any = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Regularizer | None = None,
        bias_regularizer: Regularizer | None = None,
        kernel_constraint: Constraint | None = None,
        bias_constraint: Constraint | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.outputs = tuple(outputs)
        self.input_axes = input_axes
        self.use_bias = use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint

    def build(self, input_shape: Any) -> None:
        """Create the kernel and the bias."""
        sizes = tuple(input_shape[-self.input_axes :])
        if None in sizes:
            raise ShapeError(
                f"the layer {self.name!r} cannot be built: the number of features of "
                f"its input {input_shape} is not known"
            )
        self.kernel = self.add_weight(
            (*sizes, *self.outputs),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                self.outputs,
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(
            min_ndim=1 + self.input_axes,
            axes={place - len(sizes): size for place, size in enumerate(sizes)},
        )

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        kept = inputs.shape[: inputs.ndim - self.input_axes]
        features = math.prod(inputs.shape[inputs.ndim - self.input_axes :])
        # As one product of matrices, which is what the executors do best.
        product = ops.reshape(inputs, (*kept, features)) @ ops.reshape(
            self.kernel, (features, math.prod(self.outputs))
        )
        if self.bias is not None:
            product = product + ops.reshape(self.bias, (math.prod(self.outputs),))
        return self.activation(ops.reshape(product, (*kept, *self.outputs)))
