"""Metrics: numbers about a model, gathered batch by batch."""

from typing import Any

from nervure.nn.lookup import Registry
from nervure.nn.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
)
from nervure.nn.metrics.base import Metric
from nervure.nn.metrics.reduction import Mean, MeanMetricWrapper, Sum
from nervure.nn.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    mean_absolute_error,
    mean_squared_error,
)

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "Sum",
    "binary_accuracy",
    "categorical_accuracy",
    "get",
    "mean_absolute_error",
    "mean_squared_error",
    "sparse_categorical_accuracy",
]

_registry: Registry[Metric] = Registry("metric", Metric)
_registry.add_classes(
    [
        Accuracy,
        BinaryAccuracy,
        CategoricalAccuracy,
        SparseCategoricalAccuracy,
        MeanSquaredError,
        MeanAbsoluteError,
        Mean,
        Sum,
    ],
    {"acc": Accuracy, "mse": MeanSquaredError, "mae": MeanAbsoluteError},
)


def get(identifier: Any) -> Metric:
    """Return the metric for a name, a configuration, or a metric as it is.

    ``"accuracy"`` means equality here; ``compile`` chooses the accuracy that suits the
    model's output.  A function of ``(y_true, y_pred)`` is averaged over the samples.
    Raises :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.metrics.get("mse")
    <MeanSquaredError name=mean_squared_error>
    """
    if not isinstance(identifier, Metric | type) and callable(identifier):
        return MeanMetricWrapper(identifier)
    return _registry.get(identifier)
