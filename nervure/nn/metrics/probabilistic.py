"""The losses between distributions as metrics."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.nn.losses.base import same_rank
from nervure.nn.losses.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    checked_smoothing,
    sparse_categorical_crossentropy,
)
from nervure.nn.losses.focal import (
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from nervure.nn.losses.probabilistic import kl_divergence, poisson
from nervure.nn.metrics.reduction import FunctionMetric
from nervure.ops.operands import as_node

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "kl_divergence",
    "poisson",
    "sparse_categorical_crossentropy",
]


class KLDivergence(FunctionMetric):
    """The mean divergence; see :func:`nervure.losses.kl_divergence`.

    >>> import nervure as nv
    >>> nv.metrics.KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]).item()
    0.0
    """

    function = staticmethod(kl_divergence)

    def __init__(
        self, name: str = "kl_divergence", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class Poisson(FunctionMetric):
    """The mean of ``p - t log(p)``; see :func:`nervure.losses.poisson`.

    >>> import nervure as nv
    >>> nv.metrics.Poisson()([[0.0]], [[2.0]]).item()
    2.0
    """

    function = staticmethod(poisson)
    over_last_axis = True

    def __init__(
        self, name: str = "poisson", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class BinaryCrossentropy(FunctionMetric):
    """The mean cross-entropy of yes-or-no probabilities.

    Parameters
    ----------
    name, dtype
        See :class:`Metric`.
    from_logits, label_smoothing
        See :class:`nervure.losses.BinaryCrossentropy`.

    >>> import nervure as nv
    >>> nv.metrics.BinaryCrossentropy()([[1.0]], [[0.5]]).item()
    0.6931471824645996
    """

    function = staticmethod(binary_crossentropy)
    over_last_axis = True

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return binary_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing
        )


class CategoricalCrossentropy(FunctionMetric):
    """The mean cross-entropy of classes, with one-hot targets.

    Parameters
    ----------
    name, dtype
        See :class:`Metric`.
    from_logits, label_smoothing, axis
        See :class:`nervure.losses.CategoricalCrossentropy`.

    >>> import nervure as nv
    >>> nv.metrics.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]).item()
    0.6931471824645996
    """

    function = staticmethod(categorical_crossentropy)

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.axis = axis

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class SparseCategoricalCrossentropy(FunctionMetric):
    """The mean cross-entropy of classes, with class numbers as targets.

    Parameters
    ----------
    name, dtype
        See :class:`Metric`.
    from_logits, ignore_class, axis
        See :class:`nervure.losses.SparseCategoricalCrossentropy`.  Ignored targets
        count as 0, or, with sample weights, not at all, as in Keras.

    >>> import nervure as nv
    >>> nv.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]).item()
    0.6931471824645996
    """

    function = staticmethod(sparse_categorical_crossentropy)

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take in targets and predictions of a batch."""
        if sample_weight is not None and self.ignore_class is not None:
            counts = ops.asarray(y_true) != self.ignore_class
            weights = Array.of_node(as_node(sample_weight, self.dtype))
            kept, weights = same_rank(ops.astype(counts, self.dtype), weights)
            sample_weight = kept * weights
        super().update_state(y_true, y_pred, sample_weight)

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample."""
        return sparse_categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.ignore_class, self.axis
        )
