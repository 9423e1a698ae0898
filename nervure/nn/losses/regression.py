"""Losses between numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Final, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import positive_number
from nervure.nn.losses.base import Loss, LossOptions, paired
from nervure.ops import nn

# Keeps denominators and logarithms away from zero, as in Keras.
_EPSILON: Final = 1e-7


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``(y_true - y_pred)^2`` over the last axis.

    >>> import nervure as nv
    >>> nv.losses.mean_squared_error([[0.0, 2.0]], [[0.0, 0.0]]).tolist()
    [2.0]
    """
    true, pred = paired(y_true, y_pred)
    return last_mean(ops.square(true - pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``|y_true - y_pred|`` over the last axis.

    >>> import nervure as nv
    >>> nv.losses.mean_absolute_error([[0.0, 2.0]], [[0.0, 0.0]]).tolist()
    [1.0]
    """
    true, pred = paired(y_true, y_pred)
    return last_mean(ops.abs(true - pred))


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``100 |y_true - y_pred| / |y_true|`` over the last axis.

    Targets nearer to 0 than 1e-7 count as 1e-7.

    >>> import nervure as nv
    >>> nv.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[3.0, 4.0]]).tolist()
    [25.0]
    """
    true, pred = paired(y_true, y_pred)
    size = ops.maximum(ops.abs(true), _EPSILON)
    return 100.0 * last_mean(ops.abs((true - pred) / size))


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``(log(1 + y_true) - log(1 + y_pred))^2`` over the last axis.

    Numbers below 1e-7 count as 1e-7: the loss is for amounts.

    >>> import nervure as nv
    >>> nv.losses.mean_squared_logarithmic_error([[1.0]], [[1.0]]).tolist()
    [0.0]
    """
    true, pred = paired(y_true, y_pred)
    difference = ops.log1p(ops.maximum(pred, _EPSILON)) - ops.log1p(
        ops.maximum(true, _EPSILON)
    )
    return last_mean(ops.square(difference))


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Return minus the cosine of the angle between the vectors along an axis.

    -1 for vectors of the same direction, 0 for orthogonal ones or zeros.

    >>> import nervure as nv
    >>> nv.losses.cosine_similarity([[3.0, 4.0]], [[3.0, 4.0]]).tolist()
    [-1.0]
    """
    true, pred = paired(y_true, y_pred)
    units = [nn.normalize(one, axis=axis, epsilon=_EPSILON) for one in (true, pred)]
    return -ops.sum(units[0] * units[1], axis=axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """Return the mean of Huber's function of the differences over the last axis.

    ``x^2 / 2`` for differences x within ``delta``, and beyond it the tangent
    ``delta |x| - delta^2 / 2`` (Huber, "Robust estimation of a location parameter",
    1964).

    >>> import nervure as nv
    >>> nv.losses.huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
    [1.5]
    """
    true, pred = paired(y_true, y_pred)
    error = pred - true
    size = ops.abs(error)
    outside = delta * size - 0.5 * delta * delta
    return last_mean(ops.where(size <= delta, 0.5 * ops.square(error), outside))


def log_cosh(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``log(cosh(y_pred - y_true))`` over the last axis.

    Like ``x^2 / 2`` for small differences x and ``|x| - log 2`` for large ones.

    >>> import nervure as nv
    >>> nv.losses.log_cosh([[0.0]], [[100.0]]).tolist()
    [99.30685424804688]
    """
    true, pred = paired(y_true, y_pred)
    error = pred - true
    return last_mean(error + nn.softplus(-2.0 * error) - math.log(2.0))


def last_mean(values: Array) -> Array:
    """Return the mean over the last axis, if there is one."""
    return ops.mean(values, axis=-1) if values.ndim else values


class FunctionLoss(Loss):
    """The base class of losses that are one function, without arguments of their own.

    >>> import nervure as nv
    >>> nv.losses.LogCosh.function is nv.losses.log_cosh
    True
    """

    function: ClassVar[Callable[[Any, Any], Array]]

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return type(self).function(y_true, y_pred)


class MeanSquaredError(FunctionLoss):
    """The mean of squared differences; see :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> loss = nv.losses.MeanSquaredError(reduction="sum")
    >>> loss([[1.0], [3.0]], [[0.0], [0.0]]).item()
    10.0
    """

    function = staticmethod(mean_squared_error)


class MeanAbsoluteError(FunctionLoss):
    """The mean of absolute differences; see :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> nv.losses.MeanAbsoluteError()([[1.0], [3.0]], [[0.0], [0.0]]).item()
    2.0
    """

    function = staticmethod(mean_absolute_error)


class MeanAbsolutePercentageError(FunctionLoss):
    """The mean of absolute differences in percent of the target.

    See :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> nv.losses.MeanAbsolutePercentageError()([[2.0]], [[3.0]]).item()
    50.0
    """

    function = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(FunctionLoss):
    """The mean of squared differences of ``log(1 + y)``.

    See :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> nv.losses.MeanSquaredLogarithmicError()([[1.0]], [[1.0]]).item()
    0.0
    """

    function = staticmethod(mean_squared_logarithmic_error)


class LogCosh(FunctionLoss):
    """The mean of ``log(cosh(y_pred - y_true))``; see :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> nv.losses.LogCosh()([[0.0]], [[0.0]]).item()
    0.0
    """

    function = staticmethod(log_cosh)


class CosineSimilarity(Loss):
    """Minus the cosine between targets and predictions.

    Parameters
    ----------
    axis
        The axis along which the vectors lie.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.CosineSimilarity()([[0.0, 1.0]], [[2.0, 0.0]]).item()
    0.0
    """

    def __init__(self, axis: int = -1, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return cosine_similarity(y_true, y_pred, self.axis)


class Huber(Loss):
    """Squares of small differences, sizes of large ones; see :func:`huber`.

    Parameters
    ----------
    delta
        Where small ends; above 0.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.Huber()([[0.0, 0.0]], [[1.0, 3.0]]).item()
    1.5
    """

    def __init__(self, delta: float = 1.0, **options: Unpack[LossOptions]) -> None:
        options.setdefault("name", "huber_loss")  # so it is in Keras
        super().__init__(**options)
        self.delta = positive_number("delta", delta)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return huber(y_true, y_pred, self.delta)
