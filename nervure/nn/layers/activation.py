"""Activations with settings or weights of their own, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import AxisError, ShapeError, explain
from nervure.nn import activations, constraints, initializers, regularizers
from nervure.nn.arguments import finite_number, non_negative_number
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import one_or_more_axes
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops import nn
from nervure.ops.nn.softmax import masked_softmax


class ReLU(Layer):
    """The positive part: ``max(inputs, 0)``, with a slope, a maximum and a threshold.

    ``max_value`` for x from ``max_value`` on, x from ``threshold`` on, and
    ``negative_slope * (x - threshold)`` below.

    Parameters
    ----------
    max_value
        The largest output, from 0; None for no limit.
    negative_slope
        The slope below the threshold, from 0.
    threshold
        Where the positive part begins, from 0.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.ReLU(max_value=6.0)([[-1.0, 2.0, 9.0]]).tolist()
    [[0.0, 2.0, 6.0]]
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.max_value = (
            None if max_value is None else non_negative_number("max_value", max_value)
        )
        self.negative_slope = non_negative_number("negative_slope", negative_slope)
        self.threshold = non_negative_number("threshold", threshold)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return activations.relu(
            inputs, self.negative_slope, self.max_value, self.threshold
        )


class LeakyReLU(Layer):
    """The input where it is positive, and a small part of it where it is negative.

    (Maas et al., "Rectifier nonlinearities improve neural network acoustic models",
    2013.)

    Parameters
    ----------
    negative_slope
        The part that is kept of negative numbers, from 0.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.LeakyReLU(0.5)([[-2.0, 2.0]]).tolist()
    [[-1.0, 2.0]]
    """

    def __init__(
        self, negative_slope: float = 0.3, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.negative_slope = non_negative_number("negative_slope", negative_slope)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.leaky_relu(inputs, self.negative_slope)


class PReLU(Layer):
    """The input where it is positive, and ``alpha`` times it where it is negative.

    ``alpha`` is learned.  (He et al., "Delving deep into rectifiers", 2015.)

    Parameters
    ----------
    alpha_initializer
        How the weight starts; see ``nervure.initializers``.
    alpha_regularizer
        A name, or a function of the weight whose result is added to the loss.
    alpha_constraint
        A name, or a function that maps each updated weight to an allowed one.
    shared_axes
        Axes, counted from 1 behind the batch, along which one number serves all: for
        images ``[1, 2]`` learns a number for each channel.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.PReLU("ones")([[-2.0, 2.0]]).tolist()
    [[-2.0, 2.0]]
    """

    alpha: Variable

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Regularizer | str | None = None,
        alpha_constraint: Constraint | str | None = None,
        shared_axes: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        if shared_axes is not None:
            given = one_or_more_axes(shared_axes)
            shared_axes = [given] if isinstance(given, int) else given
        self.shared_axes = shared_axes

    def build(self, input_shape: Any) -> None:
        """Create ``alpha`` with the shape of a sample, 1 along shared axes.

        Raises
        ------
        AxisError
            For shared axes that the input does not have.
        """
        rank = len(input_shape)
        shared = self.shared_axes or []
        for axis in shared:
            if not 1 <= axis < rank:
                raise AxisError(
                    explain(
                        f"the layer {self.name!r} shares its weight along axis {axis}, "
                        f"its input of shape {list(input_shape)} has {rank} axes",
                        fix=f"choose axes from 1, behind the batch, to {rank - 1}",
                    )
                )
        self.alpha = self.add_weight(
            [1 if axis in shared else input_shape[axis] for axis in range(1, rank)],
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
            name="alpha",
        )
        sizes = {
            axis: input_shape[axis] for axis in range(1, rank) if axis not in shared
        }
        self.input_spec = InputSpec(ndim=rank, axes=sizes)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.relu(inputs) - self.alpha * nn.relu(-inputs)


class ELU(Layer):
    """The input where it is positive, ``alpha * (exp(inputs) - 1)`` elsewhere.

    (Clevert et al., "Fast and accurate deep network learning by exponential linear
    units", 2016.)

    Parameters
    ----------
    alpha
        Minus what the output tends to for large negative inputs.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> print(nv.layers.ELU()([[-1.0, 2.0]]))
    [[-0.63212055  2.        ]]
    """

    def __init__(self, alpha: float = 1.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.alpha = finite_number("alpha", alpha)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.elu(inputs, self.alpha)


class Softmax(Layer):
    """Exponentials, divided by their sum: probabilities along an axis.

    Parameters
    ----------
    axis
        The axis, or several, along which the output sums to 1.

    Other arguments: see :class:`~nervure.layers.Layer`.

    ``call`` takes a ``mask`` that broadcasts to the inputs: where it is false (or not
    above 0.5) the output is 0, and the rest sums to 1.  Where it is false all along the
    axis everything is 0.

    >>> import numpy as np
    >>> import nervure as nv
    >>> layer = nv.layers.Softmax()
    >>> layer([[1.0, 1.0, 1.0]], mask=np.array([[True, True, False]])).tolist()
    [[0.5, 0.5, 0.0]]
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.axis = one_or_more_axes(axis)

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        """Compute the output.

        Raises
        ------
        ShapeError
            For a mask that does not broadcast to the input.
        """
        if mask is None:
            return nn.softmax(inputs, self.axis)
        sizes = zip(reversed(mask.shape), reversed(inputs.shape), strict=False)
        if mask.ndim > inputs.ndim or any(one not in (1, size) for one, size in sizes):
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expected a mask that broadcasts to its "
                    f"input of shape {list(inputs.shape)}, got shape "
                    f"{list(mask.shape)}",
                    fix="pass a mask with the axes of the input, or with size 1 "
                    "where it does not vary",
                )
            )
        allowed = mask if mask.dtype == bool else mask > 0.5
        return masked_softmax(
            inputs, ops.broadcast_to(allowed, inputs.shape), self.axis
        )
