"""Metrics between numbers."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain, unknown_name
from nervure.nn.arguments import whole_number
from nervure.nn.losses.base import paired
from nervure.nn.losses.regression import (
    cosine_similarity as negative_cosine,
)
from nervure.nn.losses.regression import (
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from nervure.nn.metrics.base import Metric
from nervure.nn.metrics.outcomes import share
from nervure.nn.metrics.reduction import FunctionMetric, Mean
from nervure.nn.variable import Variable
from nervure.ops.operands import as_node

__all__ = [
    "CosineSimilarity",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "R2Score",
    "RootMeanSquaredError",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
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


class MeanAbsolutePercentageError(FunctionMetric):
    """The mean of absolute differences, in percent of the target.

    >>> import nervure as nv
    >>> nv.metrics.MeanAbsolutePercentageError()([[2.0]], [[3.0]]).item()
    50.0
    """

    function = staticmethod(mean_absolute_percentage_error)
    over_last_axis = True

    def __init__(
        self,
        name: str = "mean_absolute_percentage_error",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)


class MeanSquaredLogarithmicError(FunctionMetric):
    """The mean of squared differences of ``log(1 + y)``.

    >>> import nervure as nv
    >>> nv.metrics.MeanSquaredLogarithmicError()([[2.0]], [[2.0]]).item()
    0.0
    """

    function = staticmethod(mean_squared_logarithmic_error)
    over_last_axis = True

    def __init__(
        self,
        name: str = "mean_squared_logarithmic_error",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)


class LogCoshError(FunctionMetric):
    """The mean of ``log(cosh(y_pred - y_true))``.

    >>> import nervure as nv
    >>> nv.metrics.LogCoshError()([[0.0]], [[0.0]]).item()
    0.0
    """

    function = staticmethod(log_cosh)
    over_last_axis = True

    def __init__(
        self, name: str = "logcosh", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)


class CosineSimilarity(FunctionMetric):
    """The mean cosine between targets and predictions: 1 for the same direction.

    Parameters
    ----------
    name, dtype
        See :class:`Metric`.
    axis
        The axis along which the vectors lie.

    >>> import nervure as nv
    >>> nv.metrics.CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]]).item()
    1.0
    """

    function = staticmethod(negative_cosine)

    def __init__(
        self,
        name: str = "cosine_similarity",
        dtype: npt.DTypeLike | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the cosines."""
        return -negative_cosine(y_true, y_pred, self.axis)


class RootMeanSquaredError(Mean):
    """The root of the mean of squared differences.

    >>> import nervure as nv
    >>> nv.metrics.RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [3.0]]).item()
    3.0
    """

    def __init__(
        self, name: str = "root_mean_squared_error", dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take in targets and predictions of a batch."""
        true, pred = paired(y_true, y_pred)
        super().update_state(ops.square(pred - true), sample_weight)

    def result(self) -> Array:
        """Return the root of the mean, ``[]``."""
        return ops.sqrt(super().result())


_AGGREGATIONS: Final = ("uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """The coefficient of determination: the share of the variance that is explained.

    1 for perfect predictions, 0 for always the mean, below 0 for worse.  Targets and
    predictions are ``[n, outputs]``.

    Parameters
    ----------
    class_aggregation
        How outputs are put together: "uniform_average",
        "variance_weighted_average", or None for one value each.
    num_regressors
        The number of explaining variables, for the adjusted coefficient; 0 for the
        plain one.
    name, dtype
        See :class:`Metric`.

    Raises
    ------
    UnknownNameError
        For a way of aggregation that is not known.

    >>> import nervure as nv
    >>> nv.metrics.R2Score()([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0]]).item()
    0.5
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        if class_aggregation is not None and class_aggregation not in _AGGREGATIONS:
            raise unknown_name(
                "class_aggregation of R2Score", class_aggregation, _AGGREGATIONS
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = whole_number("num_regressors", num_regressors, least=0)
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self._sums: list[Variable] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets and predictions ``[n, outputs]``, and weights ``[n]``.

        Raises
        ------
        ShapeError
            For targets of another shape than the predictions.
        """
        given = [Array.of_node(as_node(one, self.dtype)) for one in (y_true, y_pred)]
        true, pred = paired(*given)
        if true.ndim != 2:
            raise ShapeError(
                explain(
                    "R2Score expects targets and predictions of shape [n, outputs], "
                    f"got {list(true.shape)}",
                    fix="for one output reshape them to [n, 1]",
                )
            )
        if not self._sums:
            names = ("sum", "squared_sum", "residual", "count")
            shape = (true.shape[1],)
            self._sums = [self.add_variable(shape, "zeros", name=one) for one in names]
        weights = ops.ones(true.shape, dtype=self.dtype)
        if sample_weight is not None:
            given_weights = Array.of_node(as_node(sample_weight, self.dtype))
            if given_weights.ndim == 1:
                given_weights = ops.expand_dims(given_weights, 1)
            weights = ops.broadcast_to(given_weights, true.shape)
        weighted = true * weights
        terms = (weighted, true * weighted, ops.square(true - pred) * weights, weights)
        for variable, term in zip(self._sums, terms, strict=True):
            variable.assign_add(ops.sum(term, axis=0))
        self.num_samples.assign_add(float(true.size))

    def result(self) -> Array:
        """Return the coefficient: ``[]``, or ``[outputs]`` without aggregation."""
        if not self._sums:
            return ops.zeros((), dtype=self.dtype)
        total, squares, residual, count = (one.value for one in self._sums)
        spread = squares - total * share(total, count)
        # No spread to explain: 0, as in Keras, and NaN if there is no error either.
        none = spread == 0
        undefined = ops.where(residual == 0, float("nan"), 0.0)
        scores = ops.where(
            none, undefined, 1.0 - residual / ops.where(none, 1.0, spread)
        )
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation is not None:
            scores = ops.sum(spread * scores) / ops.sum(spread)
        if not self.num_regressors:
            return scores
        number = self.num_samples.value
        left = number - self.num_regressors - 1.0
        enough = left > 0
        adjusted = 1.0 - (1.0 - scores) * (number - 1.0) / ops.where(enough, left, 1.0)
        return ops.where(enough, adjusted, scores)
