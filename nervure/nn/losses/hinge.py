"""Losses that ask for a margin between right and wrong."""

from __future__ import annotations

from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.nn.losses.base import paired
from nervure.nn.losses.regression import FunctionLoss, last_mean


def _signed(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Return both, the targets as -1 and 1 if all of them are 0 or 1."""
    true, pred = paired(y_true, y_pred)
    bits = ops.all((true == 0) | (true == 1))
    return ops.where(bits, 2.0 * true - 1.0, true), pred


def hinge(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``max(1 - y_true * y_pred, 0)`` over the last axis.

    The targets are -1 and 1; where all are 0 or 1, 0 stands for -1.

    >>> import nervure as nv
    >>> nv.losses.hinge([[0.0, 1.0]], [[0.5, 0.5]]).tolist()
    [1.0]
    """
    true, pred = _signed(y_true, y_pred)
    return last_mean(ops.maximum(1.0 - true * pred, 0.0))


def squared_hinge(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``max(1 - y_true * y_pred, 0)^2`` over the last axis.

    The targets are as for :func:`hinge`.

    >>> import nervure as nv
    >>> nv.losses.squared_hinge([[-1.0, 1.0]], [[0.0, 2.0]]).tolist()
    [0.5]
    """
    true, pred = _signed(y_true, y_pred)
    return last_mean(ops.square(ops.maximum(1.0 - true * pred, 0.0)))


def categorical_hinge(y_true: Any, y_pred: Any) -> Array:
    """Return how far the best wrong class is above the right one, plus 1; at least 0.

    ``y_true`` has one-hot rows ``[..., classes]``.

    >>> import nervure as nv
    >>> nv.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.25]]).tolist()
    [1.25]
    """
    true, pred = paired(y_true, y_pred)
    right = ops.sum(true * pred, axis=-1)
    wrong = ops.max((1.0 - true) * pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(FunctionLoss):
    """The hinge loss of support vector machines; see :func:`hinge` and :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.Hinge()([[1.0], [-1.0]], [[0.5], [0.5]]).item()
    1.0
    """

    function = staticmethod(hinge)


class SquaredHinge(FunctionLoss):
    """The square of the hinge loss; see :func:`squared_hinge` and :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.SquaredHinge()([[1.0], [-1.0]], [[1.0], [1.0]]).item()
    2.0
    """

    function = staticmethod(squared_hinge)


class CategoricalHinge(FunctionLoss):
    """The hinge loss between classes; see :func:`categorical_hinge` and :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.CategoricalHinge()([[0.0, 1.0]], [[0.0, 1.0]]).item()
    0.0
    """

    function = staticmethod(categorical_hinge)
