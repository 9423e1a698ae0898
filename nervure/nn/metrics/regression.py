"""Metrics between numbers."""

from __future__ import annotations

import numpy.typing as npt

from nervure.nn.losses.regression import mean_absolute_error, mean_squared_error
from nervure.nn.metrics.reduction import FunctionMetric

__all__ = [
    "MeanAbsoluteError",
    "MeanSquaredError",
    "mean_absolute_error",
    "mean_squared_error",
]


class MeanSquaredError(FunctionMetric):
    """The mean of squared differences.

    >>> import nervure as nv
    >>> metric = nv.metrics.MeanSquaredError()
    >>> metric.update_state([[0.0], [0.0]], [[1.0], [3.0]])
    >>> metric.result().item()
    5.0
    """

    function = staticmethod(mean_squared_error)
    over_last_axis = True

    def __init__(
        self, name: str = "mean_squared_error", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class MeanAbsoluteError(FunctionMetric):
    """The mean of absolute differences.

    >>> import nervure as nv
    >>> metric = nv.metrics.MeanAbsoluteError()
    >>> metric.update_state([[0.0], [0.0]], [[1.0], [3.0]])
    >>> metric.result().item()
    2.0
    """

    function = staticmethod(mean_absolute_error)
    over_last_axis = True

    def __init__(
        self, name: str = "mean_absolute_error", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)
