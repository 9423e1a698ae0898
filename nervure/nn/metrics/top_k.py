"""How often the right class is among the most probable ones."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.nn.arguments import whole_number
from nervure.nn.losses.base import class_number_pair
from nervure.nn.metrics.reduction import FunctionMetric


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Return where the class of a one-hot target is among the k most probable.

    ``y_true`` and ``y_pred`` are ``[..., classes]``; the result, 0 or 1, is ``[...]``.

    >>> import nervure as nv
    >>> shares = [[0.1, 0.5, 0.4]]
    >>> nv.metrics.top_k_categorical_accuracy([[0, 0, 1]], shares, 2).tolist()
    [1.0]
    """
    labels = ops.argmax(ops.asarray(y_true), axis=-1)
    return sparse_top_k_categorical_accuracy(labels, y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """Return where the target is among the k most probable classes, as 0 or 1.

    A class that is as probable as the last of them counts as among them.

    Parameters
    ----------
    y_true
        ``int[...]``: class numbers.
    y_pred
        ``float[..., classes]``, or with ``from_sorted_ids`` ``int[..., classes]``:
        class numbers, the most probable first.
    k
        At least 1.

    Raises
    ------
    ShapeError
        For labels whose shape is not that of the predictions without classes.

    >>> import nervure as nv
    >>> nv.metrics.sparse_top_k_categorical_accuracy([2], [[0.1, 0.5, 0.4]], 2).tolist()
    [1.0]
    """
    fix = "for one-hot targets use top_k_categorical_accuracy"
    true, pred = class_number_pair(y_true, y_pred, fix)
    labels = ops.expand_dims(ops.astype(true, dtypes.int64), -1)
    if from_sorted_ids:
        first = ops.astype(pred[..., :k], dtypes.int64)
        hits = ops.any(first == labels, axis=-1)
    else:
        hot = labels == ops.arange(pred.shape[-1])
        chosen = ops.sum(ops.where(hot, pred, 0.0), axis=-1, keepdims=True)
        better = ops.sum(ops.astype(pred > chosen, dtypes.int64), axis=-1)
        hits = (better < k) & ops.any(hot, axis=-1)
    return ops.astype(hits, dtypes.DEFAULT_FLOAT)


class TopKCategoricalAccuracy(FunctionMetric):
    """How often the class of a one-hot target is among the k most probable.

    >>> import nervure as nv
    >>> nv.metrics.TopKCategoricalAccuracy(2)([[0, 0, 1]], [[0.1, 0.5, 0.4]]).item()
    1.0
    """

    function = staticmethod(top_k_categorical_accuracy)

    def __init__(
        self,
        k: int = 5,
        name: str = "top_k_categorical_accuracy",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.k = whole_number("k", k, least=1)

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the hits."""
        return top_k_categorical_accuracy(y_true, y_pred, self.k)


class SparseTopKCategoricalAccuracy(FunctionMetric):
    """How often the target is among the k most probable classes.

    Parameters
    ----------
    k
        At least 1.
    name, dtype
        See :class:`Metric`.
    from_sorted_ids
        The predictions are class numbers, the most probable first.

    >>> import nervure as nv
    >>> nv.metrics.SparseTopKCategoricalAccuracy(1)([2], [[0.1, 0.5, 0.4]]).item()
    0.0
    """

    function = staticmethod(sparse_top_k_categorical_accuracy)

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: npt.DTypeLike | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        self.k = whole_number("k", k, least=1)
        self.from_sorted_ids = bool(from_sorted_ids)

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the hits."""
        return sparse_top_k_categorical_accuracy(
            y_true, y_pred, self.k, self.from_sorted_ids
        )
