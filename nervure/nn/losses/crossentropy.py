"""Losses between probabilities.

Where the predictions were computed by softmax or sigmoid, the losses use the logits
behind them: the same value, with all its digits.  Probabilities from elsewhere are kept
between epsilon = 1e-7 and 1 - epsilon, as Keras keeps them.
"""

from __future__ import annotations

import math
from typing import Any, Final, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn.arguments import within_unit
from nervure.nn.losses.base import Loss, LossOptions, class_number_pair, paired
from nervure.nn.losses.logits import logits_of_sigmoid, logits_of_softmax
from nervure.ops import nn

EPSILON: Final = 1e-7


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Return the mean of ``-t log(p) - (1 - t) log(1 - p)`` over an axis.

    Parameters
    ----------
    y_true
        ``float[..., n]``, zeros and ones, or probabilities.
    y_pred
        ``float[..., n]``: probabilities p, or, with ``from_logits``, logits.
    label_smoothing
        Moves targets towards 1/2 by this share.
    axis
        The axis of the mean.

    >>> import nervure as nv
    >>> nv.losses.binary_crossentropy([[1.0]], [[0.5]]).tolist()
    [0.6931471824645996]
    """
    true, pred = paired(y_true, y_pred)
    true = smoothed(true, label_smoothing, 2)
    logits = pred if from_logits else logits_of_sigmoid(pred)
    values = binary_terms(true, pred, logits)
    return ops.mean(values, axis=axis) if values.ndim else values


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Return ``-sum(t log(p))`` over the axis of the classes.

    Parameters
    ----------
    y_true
        ``float[..., classes]``: one-hot rows, or probabilities.
    y_pred
        ``float[..., classes]``: probabilities p (divided by their sum), or, with
        ``from_logits``, logits.
    label_smoothing
        The share that is taken from the targets and spread over all classes.
    axis
        The axis of the classes.

    >>> import nervure as nv
    >>> nv.losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()
    [0.6931471824645996]
    """
    true, pred = one_hot_pair(y_true, y_pred)
    true = smoothed(true, label_smoothing, pred.shape[axis])
    logits = pred if from_logits else logits_of_softmax(pred, axis)
    if logits is not None:
        return nn.categorical_crossentropy_with_logits(true, logits, axis=axis)
    return -ops.sum(true * ops.log(proper(pred, axis)), axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """Return ``-log(p)`` of the class that is the target.

    Parameters
    ----------
    y_true
        ``int[...]`` or ``int[..., 1]``: the numbers of the classes, from 0.
    y_pred
        ``float[..., classes]``: probabilities p (divided by their sum), or, with
        ``from_logits``, logits.
    ignore_class
        Targets of this class have the loss 0.
    axis
        The axis of the classes.

    Raises
    ------
    ShapeError
        For labels whose shape is not that of the predictions without classes.

    >>> import nervure as nv
    >>> nv.losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).tolist()
    [0.6931471824645996]
    """
    fix = "for one-hot targets use categorical_crossentropy"
    true, pred = class_number_pair(y_true, y_pred, fix, axis)
    if not dtypes.is_float(pred.dtype):
        pred = ops.astype(pred, dtypes.DEFAULT_FLOAT)
    place = axis % max(1, pred.ndim)
    labels = ops.astype(true, dtypes.int64)
    valid = None
    if ignore_class is not None:
        valid = labels != ignore_class
        labels = ops.where(valid, labels, 0)
    logits = pred if from_logits else logits_of_softmax(pred, axis)
    if logits is not None:
        values = nn.sparse_categorical_crossentropy_with_logits(
            labels, logits, axis=axis
        )
    else:
        count = pred.shape[place]
        hot = ops.one_hot(labels, count, dtype=pred.dtype, axis=place)
        values = -ops.sum(hot * ops.log(proper(pred, axis)), axis=place)
        # A label that is no class must not pass for a perfect prediction.
        values = ops.where((labels >= 0) & (labels < count), values, math.nan)
    return values if valid is None else ops.where(valid, values, 0.0)


def one_hot_pair(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Return one-hot targets and predictions as arrays of one type.

    Raises :class:`~nervure.errors.ShapeError` where their shapes differ.
    """
    true, pred = ops.asarray(y_true), ops.asarray(y_pred)
    if true.shape != pred.shape:
        raise ShapeError(
            explain(
                f"one-hot targets of shape {list(true.shape)} do not fit predictions "
                f"of shape {list(pred.shape)}",
                fix="for class numbers use sparse_categorical_crossentropy, or convert "
                "them with nervure.utils.to_categorical",
            )
        )
    return paired(true, pred)


def smoothed(true: Array, share: float, classes: int) -> Array:
    """Return targets of which a share is taken away and spread over all classes."""
    return true * (1.0 - share) + share / classes if share else true


def binary_terms(true: Array, pred: Array, logits: Array | None) -> Array:
    """Return ``-t log(p) - (1 - t) log(1 - p)``, from logits where they are known."""
    if logits is not None:
        return nn.binary_crossentropy_with_logits(true, logits)
    kept = ops.clip(pred, EPSILON, 1.0 - EPSILON)
    return -(true * ops.log(kept) + (1.0 - true) * ops.log(1.0 - kept))


def proper(probabilities: Array, axis: int) -> Array:
    """Return probabilities that add up to 1 and are neither 0 nor 1."""
    total = ops.sum(probabilities, axis=axis, keepdims=True)
    return ops.clip(probabilities / total, EPSILON, 1.0 - EPSILON)


def checked_smoothing(value: float) -> float:
    """Return a share from 0 to 1; raises :class:`ArgumentError` for others."""
    within_unit("label_smoothing", value)
    return value


class BinaryCrossentropy(Loss):
    """The cross-entropy of independent yes-or-no probabilities.

    Parameters
    ----------
    from_logits
        The predictions are logits: the last layer has no sigmoid.
    label_smoothing
        Moves targets towards 1/2 by this share.
    axis
        The axis of the mean.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]).item()
    0.6931471824645996
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return binary_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class CategoricalCrossentropy(Loss):
    """The cross-entropy of the probabilities of classes, with one-hot targets.

    Parameters
    ----------
    from_logits
        The predictions are logits: the last layer has no softmax.
    label_smoothing
        The share that is taken from the targets and spread over all classes.
    axis
        The axis of the classes.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]).item()
    0.6931471824645996
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class SparseCategoricalCrossentropy(Loss):
    """The cross-entropy of the probabilities of classes, with class numbers as targets.

    Parameters
    ----------
    from_logits
        The predictions are logits: the last layer has no softmax.
    ignore_class
        Targets of this class have the loss 0, and do not count in the mean.
    axis
        The axis of the classes.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]).item()
    0.6931471824645996
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return sparse_categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.ignore_class, self.axis
        )

    def counted(self, y_true: Array, values: Array) -> Array | None:
        """Return which targets count: those that are not of the ignored class."""
        if self.ignore_class is None:
            return None
        return ops.reshape(y_true, values.shape) != self.ignore_class
