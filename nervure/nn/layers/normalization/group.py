"""Normalization of groups of features, each sample by itself."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.nn.arguments import non_negative_number
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import places
from nervure.nn.layers.normalization.affine import AffineLayer
from nervure.nn.variable import Constraint, Regularizer
from nervure.ops import nn


class GroupNormalization(AffineLayer):
    """Groups of neighbouring features with mean 0 and variance 1 in every sample.

    The moments of a group are taken over its features and all axes but the batch.  One
    group makes it a layer normalization of whole samples, as many groups as features an
    instance normalization.  (Wu and He, "Group normalization", 2018.)

    ``float[batch, ..., features]`` keeps its shape.  float16 and bfloat16 are computed
    in float32.

    Parameters
    ----------
    groups
        The number of groups, which divides the number of features; -1 makes every
        feature a group.
    axis
        The axis of the features.
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

    Raises
    ------
    ArgumentError
        For groups that are neither a whole number from 1 nor -1.

    >>> import nervure as nv
    >>> layer = nv.layers.GroupNormalization(groups=2, epsilon=0.0)
    >>> layer([[1.0, 3.0, 10.0, 30.0]]).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        whole = isinstance(groups, int) and not isinstance(groups, bool)
        if not whole or (groups < 1 and groups != -1):
            raise ArgumentError(
                explain(
                    "expected groups to be a whole number from 1, or -1, got "
                    f"{groups!r}",
                    fix="groups=-1 makes every channel a group of its own",
                )
            )
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise DTypeError(
                explain(
                    f"expected axis to be a whole number, got {axis!r}",
                    fix="axis=-1 is the last one, where the channels are",
                )
            )
        self.groups = groups
        self.axis = axis
        self.epsilon = non_negative_number("epsilon", epsilon)
        self._keep_affine(
            center,
            scale,
            (beta_initializer, gamma_initializer),
            (beta_regularizer, gamma_regularizer),
            (beta_constraint, gamma_constraint),
        )

    def build(self, input_shape: Any) -> None:
        """Create ``gamma`` and ``beta``, ``[features]``.

        Raises
        ------
        ArgumentError, ShapeError
            For the axis of the batch, and for channels that the groups do not divide.
        """
        (place,) = places(self, self.axis, input_shape)
        features = input_shape[place]
        if place == 0:
            raise ArgumentError(
                explain(
                    f"the layer {self.name!r} cannot normalize groups of the axis 0, "
                    "which "
                    "is the batch",
                    fix="pass axis=-1, where the channels are",
                )
            )
        self._add_affine([features])
        if features is None or features % self._group_count(features):
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expected a number of features that is a "
                    f"multiple of its {self.groups} groups, got {features}",
                    fix="choose groups that divide the number of features, or -1",
                )
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: features})

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        place = self.axis % inputs.ndim
        shape = inputs.shape
        groups = self._group_count(shape[place])
        grouped = (groups, shape[place] // groups)
        split = (*shape[:place], *grouped, *shape[place + 1 :])
        wide = inputs.astype(dtypes.accumulator(inputs.dtype))
        wide = ops.reshape(wide, split)
        axes = tuple(axis for axis in range(1, wide.ndim) if axis != place)
        mean, variance = nn.moments(wide, axes, keepdims=True)
        own = (*(1,) * place, *grouped, *(1,) * (inputs.ndim - place - 1))
        factor = ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * ops.reshape(self.gamma.value.astype(wide.dtype), own)
        outputs = (wide - mean) * factor
        if self.beta is not None:
            outputs = outputs + ops.reshape(self.beta.value.astype(wide.dtype), own)
        return ops.reshape(outputs, shape).astype(inputs.dtype)

    def _group_count(self, features: int) -> int:
        return features if self.groups == -1 else self.groups
