"""Losses between distributions, besides the cross-entropies."""

from __future__ import annotations

from typing import Any, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import finite_number
from nervure.nn.losses.base import Loss, LossOptions, class_number_pair, paired
from nervure.nn.losses.crossentropy import EPSILON
from nervure.nn.losses.regression import FunctionLoss, last_mean


def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    """Return ``sum(t log(t / p))`` over the last axis.

    The divergence of Kullback and Leibler (1951) of predictions p from the truth t,
    both kept between 1e-7 and 1.

    >>> import nervure as nv
    >>> nv.losses.kl_divergence([[0.5, 0.5]], [[0.5, 0.5]]).tolist()
    [0.0]
    """
    true, pred = paired(y_true, y_pred)
    true, pred = ops.clip(true, EPSILON, 1.0), ops.clip(pred, EPSILON, 1.0)
    return ops.sum(true * ops.log(true / pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Array:
    """Return the mean of ``p - t log(p)`` over the last axis.

    It is, but for a constant, minus the logarithm of the probability of counts t in
    Poisson distributions with the means p.

    >>> import nervure as nv
    >>> nv.losses.poisson([[0.0, 2.0]], [[1.0, 1.0]]).tolist()
    [0.9999998807907104]
    """
    true, pred = paired(y_true, y_pred)
    return last_mean(pred - true * ops.log(pred + EPSILON))


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Array:
    """Return ``(1 - p^q) / q`` for the probability p of the class that is the target.

    Between the cross-entropy (q near 0) and the absolute error (q = 1), so that wrong
    labels do less harm (Zhang and Sabuncu, "Generalized cross entropy loss", 2018).

    Parameters
    ----------
    y_true
        ``[...]``: the numbers of the classes, from 0.
    y_pred
        ``float[..., classes]``: probabilities.
    q
        Between 0 and 1.

    Raises
    ------
    ShapeError
        For targets of another shape than the predictions.

    >>> import nervure as nv
    >>> loss = nv.losses.categorical_generalized_cross_entropy
    >>> loss([1], [[0.75, 0.25]], 0.5).tolist()
    [1.0]
    """
    fix = "give one class number for each row of probabilities"
    true, pred = class_number_pair(y_true, y_pred, fix)
    labels = ops.astype(true, dtypes.int64)
    hot = ops.one_hot(labels, pred.shape[-1], dtype=pred.dtype)
    chosen = ops.sum(hot * pred, axis=-1)
    return (1.0 - ops.pow(chosen, q)) * (1.0 / q)


class KLDivergence(FunctionLoss):
    """The divergence of Kullback and Leibler; see :func:`kl_divergence`, :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]).item()
    0.0
    """

    function = staticmethod(kl_divergence)


class Poisson(FunctionLoss):
    """Minus the log-likelihood of counts; see :func:`poisson` and :class:`Loss`.

    >>> import nervure as nv
    >>> nv.losses.Poisson()([[0.0]], [[2.0]]).item()
    2.0
    """

    function = staticmethod(poisson)


class CategoricalGeneralizedCrossEntropy(Loss):
    """A cross-entropy for noisy labels.

    See :func:`categorical_generalized_cross_entropy`.

    Parameters
    ----------
    q
        Between 0 and 1, without these.

    Other arguments: see :class:`Loss`.

    Raises
    ------
    ArgumentError
        For q outside of 0 to 1.

    >>> import nervure as nv
    >>> nv.losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]).item()
    1.0
    """

    def __init__(self, q: float = 0.5, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.q = finite_number("q", q)
        if not 0 < self.q < 1:
            raise ArgumentError(
                explain(
                    f"expected q between 0 and 1, got {q!r}",
                    fix="q=0.7 is the default; near 0 it is cross-entropy, near 1 "
                    "the mean absolute error",
                )
            )

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return categorical_generalized_cross_entropy(y_true, y_pred, self.q)
