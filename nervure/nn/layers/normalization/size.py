"""Normalization of each sample to a size of 1, without moving it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure.array import Array
from nervure.nn.arguments import non_negative_number
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import one_or_more_axes, places
from nervure.nn.variable import Variable
from nervure.ops import nn


class RMSNormalization(Layer):
    """Every sample divided by its root mean square, then scaled.

    ``inputs / sqrt(mean(inputs ** 2) + epsilon) * scale``.  (Zhang and Sennrich, "Root
    mean square layer normalization", 2019.)

    ``float[..., features]`` keeps its shape.  float16 and bfloat16 are computed in
    float32.

    Parameters
    ----------
    axis
        The axis, or several, that are normalized together; the weight ``scale`` has
        their sizes.
    epsilon
        Added to the mean square.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.RMSNormalization(epsilon=0.0)([[3.0, -3.0]]).tolist()
    [[1.0, -1.0]]
    """

    scale: Variable

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.axis = one_or_more_axes(axis)
        self.epsilon = non_negative_number("epsilon", epsilon)

    def build(self, input_shape: Any) -> None:
        """Create ``scale`` with the sizes of the normalized axes."""
        axes = places(self, self.axis, input_shape)
        shape = [input_shape[axis] for axis in axes]
        self.scale = self.add_weight(shape, "ones", name="scale")

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.rms_normalization(inputs, self.scale, self.axis, self.epsilon)


class UnitNormalization(Layer):
    """Every sample divided by its Euclidean norm; zeros stay zeros.

    ``float[..., features]`` keeps its shape.

    Parameters
    ----------
    axis
        The axis, or several, that are taken together.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> print(nv.layers.UnitNormalization()([[3.0, 4.0], [0.0, 0.0]]))
    [[0.6 0.8]
     [0.  0. ]]
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.axis = one_or_more_axes(axis)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        axes = places(self, self.axis, inputs.shape)
        return nn.normalize(inputs, axis=axes, order=2, epsilon=1e-12)
