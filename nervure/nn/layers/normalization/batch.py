"""Normalization by the moments of a batch."""

from __future__ import annotations

import math
from typing import Any, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.exec.base import batch_parts
from nervure.nn import initializers
from nervure.nn.arguments import non_negative_number, within_unit
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.axes import places
from nervure.nn.layers.normalization.affine import AffineLayer
from nervure.nn.variable import Constraint, Regularizer, Variable
from nervure.ops import nn
from nervure.prims.annotate import stop_gradient


class BatchNormalization(AffineLayer):
    """Every feature with mean 0 and variance 1 over the batch, then scaled and shifted.

    ``(inputs - mean) / sqrt(variance + epsilon) * gamma + beta``.  In training the
    moments are those of the batch, and the layer keeps moving means of them; outside of
    training it uses these.  A frozen layer (``trainable = False``) does so in training
    too, and does not change them.  (Ioffe and Szegedy, "Batch normalization:
    accelerating deep network training by reducing internal covariate shift", 2015.)

    ``float[..., features]`` keeps its shape.  float16 and bfloat16 are computed in
    float32.

    Parameters
    ----------
    axis
        The axis of the features; moments are taken over all others.
    momentum
        The share that the moving moments keep of their value at each step.
    epsilon
        Added to the variance.
    center, scale
        Whether ``beta`` is added, and whether ``gamma`` multiplies.
    beta_initializer, gamma_initializer
        How these weights start; see ``nervure.initializers``.
    moving_mean_initializer, moving_variance_initializer
        How the moving moments start.
    beta_regularizer, gamma_regularizer
        Names, or functions of the weight whose results are added to the loss.
    beta_constraint, gamma_constraint
        Names, or functions that map each updated weight to an allowed one.
    renorm
        Whether training corrects the batch's moments towards moving ones, as batch
        renormalization does (Ioffe, 2017); good for small batches.
    renorm_clipping
        Limits of the correction: a dict with some of "rmax", "rmin" (of the factor) and
        "dmax" (of the shift).
    renorm_momentum
        The momentum of the moments that correct.
    synchronized
        Keep the moments of the whole batch also where a strategy
        (:class:`nervure.distribute.DataParallel`) takes those of each device's rows.

    Other arguments: see :class:`~nervure.layers.Layer`.

    ``call`` takes a ``mask``, truth values ``[...]`` without the last axis: the moments
    are those of the places where it is true.

    Raises
    ------
    ArgumentError
        For limits of renormalization that contradict each other.

    >>> import nervure as nv
    >>> layer = nv.layers.BatchNormalization(epsilon=0.0, momentum=0.5)
    >>> layer([[1.0], [5.0]], training=True).tolist()
    [[-1.0], [1.0]]
    >>> layer.moving_mean.tolist(), layer.moving_variance.tolist()
    ([1.5], [2.5])
    """

    moving_mean: Variable
    moving_variance: Variable
    moving_stddev: Variable
    renorm_mean: Variable
    renorm_stddev: Variable

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Regularizer | str | None = None,
        gamma_regularizer: Regularizer | str | None = None,
        beta_constraint: Constraint | str | None = None,
        gamma_constraint: Constraint | str | None = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise DTypeError(
                explain(
                    f"expected axis to be a whole number, got {axis!r}",
                    fix="axis=-1 is the last one, where the channels are",
                )
            )
        self.axis = axis
        self.momentum = within_unit("momentum", momentum)
        self.epsilon = non_negative_number("epsilon", epsilon)
        self._keep_affine(
            center,
            scale,
            (beta_initializer, gamma_initializer),
            (beta_regularizer, gamma_regularizer),
            (beta_constraint, gamma_constraint),
        )
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = bool(renorm)
        self.renorm_clipping = _checked_clipping(renorm_clipping)
        self.renorm_momentum = within_unit("renorm_momentum", renorm_momentum)
        self.synchronized = bool(synchronized)

    def build(self, input_shape: Any) -> None:
        """Create the weights ``[features]``: four, and three more for ``renorm``."""
        (place,) = places(self, self.axis, input_shape)
        features: Any = (input_shape[place],)
        self._add_affine(features)
        self.moving_mean = self.add_weight(
            features, self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            features,
            self.moving_variance_initializer,
            trainable=False,
            name="moving_variance",
        )
        if self.renorm:
            self._add_renorm_weights(features)
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={self.axis: input_shape[place]}
        )

    def _add_renorm_weights(self, features: Any) -> None:
        """Create the moments that correct, with the deviation instead of its square."""

        def first_deviation(shape: Any, dtype: Any = None) -> Array:
            return ops.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

        for name, first in (
            ("moving_stddev", first_deviation),
            ("renorm_mean", self.moving_mean_initializer),
            ("renorm_stddev", first_deviation),
        ):
            weight = self.add_weight(features, first, trainable=False, name=name)
            setattr(self, name, weight)

    def call(
        self, inputs: Array, training: bool = False, mask: Array | None = None
    ) -> Array:
        """Compute the output."""
        wide = inputs.astype(dtypes.accumulator(inputs.dtype))
        learning = training and self.trainable
        whole = self.synchronized or self.renorm or mask is not None
        parts = 1 if whole else batch_parts()
        if learning and parts > 1 and inputs.shape[0] % parts == 0:
            return self._call_apart(wide, parts).astype(inputs.dtype)
        if learning:
            mean, variance = self._moments(wide, mask)
        else:
            mean, variance = self.moving_mean.value, self.moving_variance.value
        offset: Any = self.beta
        scale: Any = self.gamma
        if learning and self.renorm:
            offset, scale = self._corrected(mean, variance)
        outputs = nn.batch_normalization(
            wide, mean, variance, self.axis, offset, scale, self.epsilon
        )
        # Afterwards: outside of a trace this evaluates the moments, which then forget
        # the graph that the outputs need for their derivatives.
        if learning:
            _move(self.moving_mean, mean, self.momentum)
            if self.renorm:
                self._move_deviations(mean, variance)
            else:
                _move(self.moving_variance, variance, self.momentum)
        return outputs.astype(inputs.dtype)

    def _call_apart(self, inputs: Array, parts: int) -> Array:
        """Normalize each part of the batch by its own moments.

        The rows of a part lie on one device, so nothing has to be sent for it.
        """
        rows = inputs.shape[0] // parts
        apart = ops.reshape(inputs, (parts, rows, *inputs.shape[1:]))
        feature_axis = self.axis % inputs.ndim + 1
        axes = tuple(k for k in range(1, apart.ndim) if k != feature_axis)
        mean = ops.mean(apart, axis=axes, keepdims=True)
        distance = apart - mean
        variance = ops.mean(distance * distance, axis=axes, keepdims=True)
        outputs = distance / ops.sqrt(variance + self.epsilon)
        shape = tuple(apart.shape[feature_axis] if k == feature_axis else 1
                      for k in range(apart.ndim))  # fmt: skip
        if self.gamma is not None:
            outputs = outputs * ops.reshape(self.gamma.value, shape)
        if self.beta is not None:
            outputs = outputs + ops.reshape(self.beta.value, shape)
        outputs = ops.reshape(outputs, inputs.shape)
        features = (parts, apart.shape[feature_axis])
        moments = [ops.mean(ops.reshape(one, features), axis=0)
                   for one in (mean, variance)]  # fmt: skip
        _move(self.moving_mean, moments[0], self.momentum)
        _move(self.moving_variance, moments[1], self.momentum)
        return outputs

    def _corrected(self, mean: Array, variance: Array) -> tuple[Array, Array]:
        """Return offset and scale that correct the batch's moments.

        Derivatives treat the correction as a constant.
        """
        known = ops.maximum(
            self.renorm_stddev.value.astype(mean.dtype), math.sqrt(self.epsilon)
        )
        factor = ops.sqrt(variance + self.epsilon) / known
        shift = (mean - self.renorm_mean.value.astype(mean.dtype)) / known
        limits = self.renorm_clipping or {}
        if "rmin" in limits:
            factor = ops.maximum(factor, limits["rmin"])
        if "rmax" in limits:
            factor = ops.minimum(factor, limits["rmax"])
        if "dmax" in limits:
            shift = ops.clip(shift, -limits["dmax"], limits["dmax"])
        factor, shift = (
            Array.of_node(stop_gradient(one.node)) for one in (factor, shift)
        )
        if self.gamma is not None:
            gamma = self.gamma.value.astype(mean.dtype)
            factor, shift = factor * gamma, shift * gamma
        return shift if self.beta is None else shift + self.beta, factor

    def _move_deviations(self, mean: Array, variance: Array) -> None:
        """Move the moments that correct, and the variance for inference."""
        deviation = ops.sqrt(variance + self.epsilon)
        _move(self.renorm_mean, mean, self.renorm_momentum)
        _move(self.renorm_stddev, deviation, self.renorm_momentum)
        _move(self.moving_stddev, deviation, self.momentum)
        known = self.moving_stddev.value
        self.moving_variance.assign(nn.relu(known * known - self.epsilon))

    def _moments(self, inputs: Array, mask: Array | None) -> tuple[Array, Array]:
        """Return mean and variance ``[features]`` of the batch."""
        feature_axis = self.axis % inputs.ndim
        axes = tuple(axis for axis in range(inputs.ndim) if axis != feature_axis)
        if mask is None:
            return nn.moments(inputs, axes)
        if mask.ndim != inputs.ndim - 1:
            raise ShapeError(
                explain(
                    f"the layer {self.name!r} expected a mask with {inputs.ndim - 1} "
                    f"axes, one less than its input has, got shape {list(mask.shape)}",
                    fix="the mask says for each place, not for each channel, whether "
                    "it counts",
                )
            )
        counted = ops.broadcast_to(mask.astype(bool)[..., None], inputs.shape)
        # At least 1: where nothing is counted both moments are 0.
        count = ops.maximum(
            ops.sum(counted.astype(inputs.dtype), axis=axes, keepdims=True), 1.0
        )
        total = ops.sum(ops.where(counted, inputs, 0.0), axis=axes, keepdims=True)
        mean = total / count
        distance = ops.where(counted, inputs - mean, 0.0)
        squares = ops.sum(distance * distance, axis=axes, keepdims=True)
        return ops.squeeze(mean, axes), ops.squeeze(squares / count, axes)


def _move(moving: Variable, value: Array, momentum: float) -> None:
    """Move a variable a part of the way to a value."""
    old = moving.value.astype(value.dtype)
    moving.assign(old * momentum + value * (1.0 - momentum))


def _checked_clipping(given: Any) -> dict[str, float] | None:
    """Return the limits of a correction; raises for others than the three."""
    if given is None:
        return None
    limits = dict(given)
    if not set(limits) <= {"rmax", "rmin", "dmax"}:
        raise ArgumentError(
            explain(
                "expected renorm_clipping with some of 'rmax', 'rmin' and 'dmax', got "
                f"{sorted(limits)}",
                fix="write renorm_clipping={'rmax': 3.0, 'rmin': 0.3, 'dmax': 5.0}",
            )
        )
    if (
        limits.get("rmin", 0) > limits.get("rmax", math.inf)
        or limits.get("dmax", 0) < 0
    ):
        raise ArgumentError(
            explain(
                "expected renorm_clipping with rmin <= rmax and dmax >= 0, got "
                f"{limits}",
                fix="write renorm_clipping={'rmax': 3.0, 'rmin': 0.3, 'dmax': 5.0}",
            )
        )
    return limits
