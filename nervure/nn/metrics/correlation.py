"""How much predictions go together with targets."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.nn.losses.base import paired
from nervure.nn.metrics.reduction import FunctionMetric

_EPSILON: Final = 1e-7


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Return the correlation of Pearson along an axis, from -1 to 1.

    NaN where targets or predictions are all equal.

    >>> import nervure as nv
    >>> nv.metrics.pearson_correlation([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
    [1.0]
    """
    true, pred = paired(y_true, y_pred)
    true, pred = (one - ops.mean(one, axis=axis, keepdims=True) for one in (true, pred))
    spreads = [ops.sqrt(ops.mean(one * one, axis=axis)) for one in (true, pred)]
    return ops.mean(true * pred, axis=axis) / (spreads[0] * spreads[1])


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Return the concordance correlation of Lin (1989) along an axis.

    Like Pearson's, but 1 only where predictions equal the targets.

    >>> import nervure as nv
    >>> nv.metrics.concordance_correlation([[0.0, 1.0]], [[1.0, 2.0]]).numpy().round(4)
    array([0.3333], dtype=float32)
    """
    true, pred = paired(y_true, y_pred)
    means = [ops.mean(one, axis=axis, keepdims=True) for one in (true, pred)]
    spread = sum(
        ops.mean(ops.square(one - mean), axis=axis)
        for one, mean in zip((true, pred), means, strict=True)
    )
    shift = ops.squeeze(ops.square(means[0] - means[1]), axis)
    together = ops.mean((true - means[0]) * (pred - means[1]), axis=axis)
    return 2.0 * together / (spread + shift + _EPSILON)


class PearsonCorrelation(FunctionMetric):
    """The mean correlation of Pearson of the samples.

    Parameters
    ----------
    name, dtype
        See :class:`Metric`.
    axis
        The axis along which targets and predictions are compared.

    >>> import nervure as nv
    >>> nv.metrics.PearsonCorrelation()([[0.0, 1.0]], [[1.0, 3.0]]).item()
    1.0
    """

    function = staticmethod(pearson_correlation)

    def __init__(
        self,
        name: str = "pearson_correlation",
        dtype: npt.DTypeLike | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the correlations."""
        return pearson_correlation(y_true, y_pred, self.axis)


class ConcordanceCorrelation(FunctionMetric):
    """The mean concordance correlation of the samples.

    The parameters are those of :class:`PearsonCorrelation`.

    >>> import nervure as nv
    >>> metric = nv.metrics.ConcordanceCorrelation()
    >>> round(metric([[0.0, 1.0]], [[1.0, 2.0]]).item(), 4)
    0.3333
    """

    function = staticmethod(concordance_correlation)

    def __init__(
        self,
        name: str = "concordance_correlation",
        dtype: npt.DTypeLike | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the correlations."""
        return concordance_correlation(y_true, y_pred, self.axis)
