"""Losses between regions: one minus how much they overlap, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.losses.base import Loss, LossOptions, paired
from nervure.nn.losses.crossentropy import EPSILON

Axes = int | Sequence[int] | None


def dice(y_true: Any, y_pred: Any, axis: Axes = None) -> Array:
    """Return ``1 - 2 sum(t p) / (sum(t) + sum(p))``.

    Parameters
    ----------
    y_true, y_pred
        ``float[...]`` of equal shapes, from 0 to 1.
    axis
        The axes of the sums; None for all, which gives one value.

    >>> import nervure as nv
    >>> round(nv.losses.dice([[1.0, 1.0]], [[0.5, 0.5]]).item(), 5)
    0.33333
    """
    true, pred = paired(y_true, y_pred)
    axes = _axes(axis)
    both = ops.sum(true * pred, axis=axes)
    total = ops.sum(true, axis=axes) + ops.sum(pred, axis=axes) + EPSILON
    return 1.0 - 2.0 * both / total


def tversky(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: Axes = None,
) -> Array:
    """Return ``1 - o / (o + alpha * sum(t (1 - p)) + beta * sum((1 - t) p))``.

    The overlap o is ``sum(t p)``.
    Salehi et al., "Tversky loss function for image segmentation", 2017; alpha = beta =
    1/2 is Dice's loss.  As in Keras, ``alpha`` weighs what was missed and ``beta`` what
    was claimed wrongly.

    Parameters
    ----------
    y_true, y_pred
        ``float[...]`` of equal shapes, from 0 to 1.
    axis
        The axes of the sums; None for all, which gives one value.

    >>> import nervure as nv
    >>> nv.losses.tversky([[1.0, 0.0]], [[1.0, 1.0]], beta=1.0).item()
    0.5
    """
    true, pred = paired(y_true, y_pred)
    axes = _axes(axis)
    both = ops.sum(true * pred, axis=axes)
    missed = ops.sum(true * (1.0 - pred), axis=axes)
    claimed = ops.sum((1.0 - true) * pred, axis=axes)
    return 1.0 - both / (both + missed * alpha + claimed * beta + EPSILON)


def _axes(axis: Axes) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


class Dice(Loss):
    """One minus the coefficient of Dice (1945); see :func:`dice`.

    Parameters
    ----------
    axis
        The axes of the sums; None for all.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> round(nv.losses.Dice()([[1.0, 1.0]], [[0.5, 0.5]]).item(), 5)
    0.33333
    """

    def __init__(self, axis: Axes = None, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for what the axes leave."""
        return dice(y_true, y_pred, self.axis)


class Tversky(Loss):
    """One minus the index of Tversky; see :func:`tversky`.

    Parameters
    ----------
    alpha, beta
        The weights of what was missed and of what was claimed wrongly.
    axis
        The axes of the sums; None for all.

    Other arguments: see :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.Tversky(beta=1.0)([[1.0, 0.0]], [[1.0, 1.0]]).item()
    0.5
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        axis: Axes = None,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for what the axes leave."""
        return tversky(y_true, y_pred, self.alpha, self.beta, self.axis)
