"""Normalization of each sample by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure.array import Array
from nervure.nn.arguments import non_negative_number
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import one_or_more_axes, places
from nervure.nn.layers.normalization.affine import AffineLayer
from nervure.nn.variable import Constraint, Regularizer
from nervure.ops import nn


class LayerNormalization(AffineLayer):
    """Every sample with mean 0 and variance 1 over its features, scaled and shifted.

    ``(inputs - mean) / sqrt(variance + epsilon) * gamma + beta``, in training and
    outside of it alike.  (Ba et al., "Layer normalization", 2016.)

    ``float[..., features]`` keeps its shape.  float16 and bfloat16 are computed in
    float32.

    Parameters
    ----------
    axis
        The axis, or several, that are normalized together; ``gamma`` and ``beta`` have
        their sizes.
    epsilon
        Added to the variance.
    center, scale
        Whether ``beta`` is added, and whether ``gamma`` multiplies.
    beta_initializer, gamma_initializer
        How these weights start; see ``nervure.initializers``.
    beta_regularizer, gamma_regularizer
        Names, or functions of the weight whose results are added to the loss.
    beta_constraint, gamma_constraint
        Names, or functions that map each updated weight to an allowed one.

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> print(nv.layers.LayerNormalization(epsilon=0.0)([[1.0, 2.0, 3.0]]))
    [[-1.2247448  0.         1.2247448]]
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Regularizer | str | None = None,
        gamma_regularizer: Regularizer | str | None = None,
        beta_constraint: Constraint | str | None = None,
        gamma_constraint: Constraint | str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.axis = one_or_more_axes(axis)
        self.epsilon = non_negative_number("epsilon", epsilon)
        self._keep_affine(
            center,
            scale,
            (beta_initializer, gamma_initializer),
            (beta_regularizer, gamma_regularizer),
            (beta_constraint, gamma_constraint),
        )

    def build(self, input_shape: Any) -> None:
        """Create ``gamma`` and ``beta`` with the sizes of the normalized axes."""
        axes = places(self, self.axis, input_shape)
        self._add_affine([input_shape[axis] for axis in axes])

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return nn.layer_normalization(
            inputs, self.gamma, self.beta, self.axis, self.epsilon
        )
