"""Layers that every network has."""

from __future__ import annotations

import operator
from typing import Any, Unpack

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn import activations, constraints, initializers, regularizers
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import feature_count
from nervure.nn.variable import Constraint, Regularizer, Variable


class Dense(Layer):
    """Every unit connected with every feature: ``activation(inputs @ kernel + bias)``.

    ``float32[..., features]`` becomes ``float32[..., units]``.

    Parameters
    ----------
    units
        The number of units, at least 1.
    activation
        A name or a function; None means none.
    use_bias
        Whether there is a bias.
    kernel_initializer, bias_initializer
        How the weights start; see ``nervure.initializers``.
    kernel_regularizer, bias_regularizer
        Names, or functions of the weight whose results are added to the loss.
    kernel_constraint, bias_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.Dense(2, activation="relu", kernel_initializer="ones")
    >>> layer([[1.0, 2.0, 3.0]]).tolist()
    [[6.0, 6.0]]
    """

    kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        units: int,
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
        self.supports_masking = True
        self.units = positive_count("units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        """Create the kernel ``[features, units]`` and the bias ``[units]``.

        Raises
        ------
        ShapeError
            For an input whose number of features is not known.
        """
        features = feature_count(self, input_shape)
        self.kernel = self.add_weight(
            (features, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        outputs = inputs @ self.kernel
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)


class Activation(Layer):
    """A function applied to every element: ``activation(inputs)``.

    Parameters
    ----------
    activation
        A name or a function; see ``nervure.activations``.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.Activation("relu")([[-1.0, 2.0]]).tolist()
    [[0.0, 2.0]]
    """

    def __init__(self, activation: Any, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.activation = activations.get(activation)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return self.activation(inputs)


def positive_count(name: str, value: Any) -> int:
    """Return a number of things, at least 1; raises :class:`ValueError` for others."""
    try:
        count = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = -1
    if count < 1:
        raise ArgumentError(
            explain(
                f"expected {name} to be a whole number from 1, got {value!r}",
                fix=f"pass {name}=32, for example",
            )
        )
    return count
