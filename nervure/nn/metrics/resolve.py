"""What "accuracy" and "crossentropy" mean for a model: Keras' decision by shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from nervure.nn import metrics
from nervure.nn.metrics.accuracy import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
)
from nervure.nn.metrics.base import Metric
from nervure.nn.metrics.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
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
        choices = _BY_SHAPE.get(identifier.lower())
        if choices is not None:
            chosen = choices[_kind_of_targets(target_shape, output_shape)]
            return chosen(name=identifier)
        metric = metrics.get(identifier)
        metric.name = identifier
        return metric
    if not isinstance(identifier, Metric | dict | type) and callable(identifier):
        name = snake_case(getattr(identifier, "__name__", "metric"))
        return MeanMetricWrapper(identifier, name)
    return metrics.get(identifier)


# Names that mean one of several metrics: for binary, sparse and one-hot targets.
_ACCURACIES: Final = (BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy)
_CROSSENTROPIES: Final = (
    BinaryCrossentropy,
    SparseCategoricalCrossentropy,
    CategoricalCrossentropy,
)
_BY_SHAPE: Final[dict[str, tuple[Callable[..., Metric], ...]]] = {
    "accuracy": _ACCURACIES,
    "acc": _ACCURACIES,
    "crossentropy": _CROSSENTROPIES,
    "ce": _CROSSENTROPIES,
}


def _kind_of_targets(target: Sequence[int | None], output: Sequence[int | None]) -> int:
    """Return 0 for one output (binary), 1 for class numbers, 2 for one-hot targets."""
    if output[-1] == 1:
        return 0
    return 1 if len(target) < len(output) or target[-1] == 1 else 2
