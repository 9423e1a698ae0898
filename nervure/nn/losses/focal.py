"""Focal losses: cross-entropies in which easy samples count less.

Lin et al., "Focal loss for dense object detection", 2017.
"""

from __future__ import annotations

from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.losses.base import Loss, LossOptions, paired
from nervure.nn.losses.crossentropy import (
    binary_terms,
    checked_smoothing,
    one_hot_pair,
    proper,
    smoothed,
)
from nervure.nn.losses.logits import logits_of_sigmoid, logits_of_softmax
from nervure.nn.losses.regression import last_mean
from nervure.ops import nn


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Return the mean of ``(1 - p_t)^gamma`` times the cross-entropy over an axis.

    ``p_t`` is the probability p of a target 1, and 1 - p of a target 0.

    Parameters
    ----------
    y_true
        ``float[..., n]``, zeros and ones.
    y_pred
        ``float[..., n]``: probabilities p, or, with ``from_logits``, logits.
    apply_class_balancing
        Whether targets 1 count ``alpha`` times and targets 0 ``1 - alpha`` times.
    gamma
        How little easy samples count; 0 gives the cross-entropy.
    label_smoothing
        Moves targets towards 1/2 by this share.
    axis
        The axis of the mean.

    >>> import nervure as nv
    >>> nv.losses.binary_focal_crossentropy([[1.0]], [[0.5]]).tolist()
    [0.1732867956161499]
    """
    true, pred = paired(y_true, y_pred)
    true = smoothed(true, label_smoothing, 2)
    logits = pred if from_logits else logits_of_sigmoid(pred)
    values = binary_terms(true, pred, logits)
    if logits is not None:
        pred = nn.sigmoid(logits)
    hit = true * pred + (1.0 - true) * (1.0 - pred)
    values = ops.pow(1.0 - hit, gamma) * values
    if apply_class_balancing:
        values = (true * alpha + (1.0 - true) * (1.0 - alpha)) * values
    return ops.mean(values, axis=axis) if values.ndim else last_mean(values)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Return ``-sum(alpha (1 - p)^gamma t log(p))`` over the axis of the classes.

    Parameters
    ----------
    y_true
        ``float[..., classes]``: one-hot rows.
    y_pred
        ``float[..., classes]``: probabilities p (divided by their sum), or, with
        ``from_logits``, logits.
    alpha
        A factor.
    gamma
        How little easy samples count.
    label_smoothing
        The share that is taken from the targets and spread over all classes.
    axis
        The axis of the classes.

    >>> import nervure as nv
    >>> nv.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()
    [0.043321698904037476]
    """
    true, pred = one_hot_pair(y_true, y_pred)
    true = smoothed(true, label_smoothing, pred.shape[axis])
    logits = pred if from_logits else logits_of_softmax(pred, axis)
    if logits is not None:
        likelihood = nn.log_softmax(logits, axis)
        pred = nn.softmax(logits, axis)
    else:
        pred = proper(pred, axis)
        likelihood = ops.log(pred)
    weights = ops.pow(1.0 - pred, gamma) * alpha
    return -ops.sum(weights * true * likelihood, axis=axis)


class BinaryFocalCrossentropy(Loss):
    """The focal loss of independent yes-or-no probabilities.

    Parameters
    ----------
    apply_class_balancing
        Whether targets 1 count ``alpha`` times and targets 0 ``1 - alpha`` times.
    alpha, gamma
        See :func:`binary_focal_crossentropy`.
    from_logits
        The predictions are logits: the last layer has no sigmoid.
    label_smoothing
        Moves targets towards 1/2 by this share.
    axis
        The axis of the mean.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.BinaryFocalCrossentropy(gamma=0.0)([[1.0]], [[0.5]]).item()
    0.6931471824645996
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.apply_class_balancing = bool(apply_class_balancing)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return binary_focal_crossentropy(
            y_true,
            y_pred,
            self.apply_class_balancing,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )


class CategoricalFocalCrossentropy(Loss):
    """The focal loss of the probabilities of classes, with one-hot targets.

    Parameters
    ----------
    alpha, gamma
        See :func:`categorical_focal_crossentropy`.
    from_logits
        The predictions are logits: the last layer has no softmax.
    label_smoothing
        The share that is taken from the targets and spread over all classes.
    axis
        The axis of the classes.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> loss = nv.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=0.0)
    >>> loss([[0.0, 1.0]], [[0.5, 0.5]]).item()
    0.6931471824645996
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return categorical_focal_crossentropy(
            y_true,
            y_pred,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )
