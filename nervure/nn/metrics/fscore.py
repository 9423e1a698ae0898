"""The F score: precision and recall in one number."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.nn.arguments import positive_number, within_unit
from nervure.nn.metrics.base import Metric
from nervure.nn.variable import Variable
from nervure.ops.operands import as_node

_AVERAGES: Final = ("micro", "macro", "weighted")
_EPSILON: Final = 1e-7


class FBetaScore(Metric):
    """``(1 + beta^2) precision recall / (beta^2 precision + recall)``.

    Targets and predictions are ``[n, classes]``.

    Parameters
    ----------
    average
        How classes are put together: None for one value a class, "micro" for the score
        of all classes as one, "macro" for the mean, "weighted" for the mean by how
        often a class is a target.
    beta
        How much recall counts, in precisions.
    threshold
        A prediction above it counts as positive; None for the largest of each row.
    name, dtype
        See :class:`Metric`.

    Raises
    ------
    ArgumentError, UnknownNameError
        For a beta or a threshold not above 0, and for an average that is not known.

    >>> import nervure as nv
    >>> metric = nv.metrics.FBetaScore("macro", beta=2.0, threshold=0.5)
    >>> round(metric([[1, 0], [1, 0]], [[0.9, 0.1], [0.2, 0.1]]).item(), 4)
    0.2778
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        if average is not None and average not in _AVERAGES:
            raise unknown_name("average of FBetaScore", average, _AVERAGES)
        if threshold is not None and within_unit("threshold", threshold) == 0:
            raise ArgumentError(
                explain(
                    "expected a threshold above 0, got 0",
                    fix="write threshold=0.5, or None for the class with the largest "
                    "score",
                )
            )
        self.average = average
        self.beta = positive_number("beta", beta)
        self.threshold = threshold
        self._sums: list[Variable] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets and predictions ``[n, classes]``, and weights ``[n]``.

        Raises
        ------
        ShapeError
            For targets and predictions that are not ``[samples, classes]``.
        """
        true = Array.of_node(as_node(y_true, self.dtype))
        pred = Array.of_node(as_node(y_pred, self.dtype))
        if true.ndim != 2 or pred.shape != true.shape:
            raise ShapeError(
                explain(
                    "F scores compare targets and predictions of shape [n, classes], "
                    f"got {list(true.shape)} and {list(pred.shape)}",
                    fix="for one class reshape both to [n, 1]; for class numbers use "
                    "nervure.utils.to_categorical",
                )
            )
        if not self._sums:
            shape = () if self.average == "micro" else (pred.shape[1],)
            names = ("true_positives", "false_positives", "false_negatives", "weights")
            self._sums = [self.add_variable(shape, "zeros", name=one) for one in names]
        if self.threshold is None:
            largest = ops.max(pred, axis=-1, keepdims=True)
            positive = (pred >= largest) & (ops.abs(pred) > 1e-9)
        else:
            positive = pred > self.threshold
        chosen = ops.astype(positive, self.dtype)
        terms = (chosen * true, chosen * (1.0 - true), (1.0 - chosen) * true, true)
        weights = None
        if sample_weight is not None:
            weights = Array.of_node(as_node(sample_weight, self.dtype))
            weights = ops.reshape(weights, (-1, 1))
        for variable, term in zip(self._sums, terms, strict=True):
            weighted = term if weights is None else term * weights
            axis = None if self.average == "micro" else 0
            variable.assign_add(ops.sum(weighted, axis=axis))

    def result(self) -> Array:
        """Return the score: ``[]``, or ``[classes]`` without an average."""
        if not self._sums:
            return ops.zeros((), dtype=self.dtype)
        hits, false_alarms, misses, of_class = (one.value for one in self._sums)
        precision = hits / (hits + false_alarms + _EPSILON)
        recall = hits / (hits + misses + _EPSILON)
        square = self.beta**2
        below = square * precision + recall + _EPSILON
        score = precision * recall / below * (1.0 + square)
        if self.average == "weighted":
            return ops.sum(score * of_class / (ops.sum(of_class) + _EPSILON))
        return score if self.average is None else ops.mean(score)


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; see :class:`FBetaScore`.

    >>> import nervure as nv
    >>> metric = nv.metrics.F1Score(threshold=0.5)
    >>> round(metric([[1], [1]], [[0.9], [0.2]]).numpy().item(), 4)
    0.6667
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
