"""What "accuracy" means for a model, decided from shapes as Keras decides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure.nn import metrics
from nervure.nn.metrics.accuracy import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
)
from nervure.nn.metrics.base import Metric
from nervure.nn.metrics.reduction import MeanMetricWrapper
from nervure.nn.naming import snake_case


def resolved_metric(
    identifier: Any,
    target_shape: Sequence[int | None],
    output_shape: Sequence[int | None],
) -> Metric:
    """Return the metric for what the user gave to ``compile``.

    Parameters
    ----------
    identifier
        A name, a metric, or a function of ``(y_true, y_pred)``.  A name becomes the
        metric's name as it was written: ``"acc"`` stays ``acc``.
    target_shape, output_shape
        The shapes of the targets and of the model's output, with the batch.

    >>> resolved_metric("acc", (None,), (None, 10))
    <SparseCategoricalAccuracy name=acc>
    """
    if isinstance(identifier, str):
        if identifier.lower() in ("accuracy", "acc"):
            return _accuracy(target_shape, output_shape)(name=identifier)
        metric = metrics.get(identifier)
        metric.name = identifier
        return metric
    if not isinstance(identifier, Metric | dict | type) and callable(identifier):
        name = snake_case(getattr(identifier, "__name__", "metric"))
        return MeanMetricWrapper(identifier, name)
    return metrics.get(identifier)


def _accuracy(
    target: Sequence[int | None], output: Sequence[int | None]
) -> type[BinaryAccuracy | CategoricalAccuracy | SparseCategoricalAccuracy]:
    """Return the class of accuracy: binary for one output, else by the targets."""
    if output[-1] == 1:
        return BinaryAccuracy
    if len(target) < len(output) or target[-1] == 1:
        return SparseCategoricalAccuracy
    return CategoricalAccuracy
