"""How often predictions hit."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.losses.base import class_number_pair, paired
from nervure.nn.metrics.reduction import FunctionMetric


def accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return where predictions equal the targets, as 0 or 1."""
    true, pred = paired(y_true, y_pred)
    return ops.astype(true == pred, pred.dtype)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """Return where predictions are on the targets' side of a threshold, as 0 or 1.

    >>> import nervure as nv
    >>> nv.metrics.binary_accuracy([[1], [0]], [[0.7], [0.6]]).tolist()
    [[1.0], [0.0]]
    """
    true, pred = paired(y_true, y_pred)
    return ops.astype(true == ops.astype(pred > threshold, true.dtype), pred.dtype)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return where the most probable class is that of a one-hot target, as 0 or 1.

    ``y_true`` and ``y_pred`` are ``[..., classes]``; the result is ``[...]``.

    >>> import nervure as nv
    >>> nv.metrics.categorical_accuracy([[0, 1]], [[0.4, 0.6]]).tolist()
    [1.0]
    """
    true, pred = ops.asarray(y_true), ops.asarray(y_pred)
    hits = ops.argmax(true, axis=-1) == ops.argmax(pred, axis=-1)
    return ops.astype(hits, pred.dtype)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Return where the most probable class is the target, as 0 or 1.

    ``y_true`` is ``[...]`` or ``[..., 1]``, ``y_pred`` ``[..., classes]``; the result
    is ``[...]``.

    Raises
    ------
    ShapeError
        For labels whose shape is not that of the predictions without classes.

    >>> import nervure as nv
    >>> nv.metrics.sparse_categorical_accuracy([1, 0], [[0.4, 0.6]] * 2).tolist()
    [1.0, 0.0]
    """
    fix = "for one-hot targets use categorical_accuracy"
    true, pred = class_number_pair(y_true, y_pred, fix)
    chosen = ops.astype(ops.argmax(pred, axis=-1), true.dtype)
    return ops.astype(chosen == true, pred.dtype)


class Accuracy(FunctionMetric):
    """How often predictions equal the targets.

    >>> import nervure as nv
    >>> metric = nv.metrics.Accuracy()
    >>> metric.update_state([[1], [2]], [[1], [3]])
    >>> metric.result().item()
    0.5
    """

    function = staticmethod(accuracy)

    def __init__(
        self, name: str = "accuracy", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class BinaryAccuracy(FunctionMetric):
    """How often predictions are on the right side of a threshold.

    Raises
    ------
    ArgumentError
        For a threshold outside of 0 to 1.

    >>> import nervure as nv
    >>> metric = nv.metrics.BinaryAccuracy()
    >>> metric.update_state([[1], [0]], [[0.7], [0.6]])
    >>> metric.result().item()
    0.5
    """

    function = staticmethod(binary_accuracy)

    def __init__(
        self,
        name: str = "binary_accuracy",
        dtype: npt.DTypeLike | None = None,
        threshold: float = 0.5,
    ) -> None:
        if not 0 < threshold < 1:
            raise ArgumentError(
                explain(
                    f"expected a threshold between 0 and 1, got {threshold!r}",
                    fix="threshold=0.5 is the usual value",
                )
            )
        super().__init__(name, dtype)
        self.threshold = threshold

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the shares of hits."""
        return binary_accuracy(y_true, y_pred, self.threshold)


class CategoricalAccuracy(FunctionMetric):
    """How often the most probable class is that of the one-hot target.

    >>> import nervure as nv
    >>> metric = nv.metrics.CategoricalAccuracy()
    >>> metric.update_state([[0, 1], [1, 0]], [[0.4, 0.6], [0.3, 0.7]])
    >>> metric.result().item()
    0.5
    """

    function = staticmethod(categorical_accuracy)

    def __init__(
        self, name: str = "categorical_accuracy", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class SparseCategoricalAccuracy(FunctionMetric):
    """How often the most probable class is the target.

    >>> import nervure as nv
    >>> metric = nv.metrics.SparseCategoricalAccuracy()
    >>> metric.update_state([1, 0], [[0.4, 0.6], [0.3, 0.7]])
    >>> metric.result().item()
    0.5
    """

    function = staticmethod(sparse_categorical_accuracy)

    def __init__(
        self,
        name: str = "sparse_categorical_accuracy",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
