"""Losses between numbers."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.losses.base import Loss, LossOptions, paired


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``(y_true - y_pred)^2`` over the last axis.

    >>> import nervure as nv
    >>> nv.losses.mean_squared_error([[0.0, 2.0]], [[0.0, 0.0]]).tolist()
    [2.0]
    """
    true, pred = paired(y_true, y_pred)
    return _last_mean(ops.square(true - pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``|y_true - y_pred|`` over the last axis.

    >>> import nervure as nv
    >>> nv.losses.mean_absolute_error([[0.0, 2.0]], [[0.0, 0.0]]).tolist()
    [1.0]
    """
    true, pred = paired(y_true, y_pred)
    return _last_mean(ops.abs(true - pred))


def _last_mean(values: Array) -> Array:
    return ops.mean(values, axis=-1) if values.ndim else values


class MeanSquaredError(Loss):
    """The mean of squared differences; see :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> loss = nv.losses.MeanSquaredError(reduction="sum")
    >>> loss([[1.0], [3.0]], [[0.0], [0.0]]).item()
    10.0
    """

    def __init__(self, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return mean_squared_error(y_true, y_pred)


class MeanAbsoluteError(Loss):
    """The mean of absolute differences; see :class:`Loss` for the arguments.

    >>> import nervure as nv
    >>> nv.losses.MeanAbsoluteError()([[1.0], [3.0]], [[0.0], [0.0]]).item()
    2.0
    """

    def __init__(self, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return mean_absolute_error(y_true, y_pred)
