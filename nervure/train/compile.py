"""What ``compile`` was given, looked up and checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nervure.errors import ArgumentError, explain
from nervure.nn import losses, metrics, optimizers
from nervure.nn.losses import Loss
from nervure.nn.losses.base import LossFunctionWrapper
from nervure.nn.metrics import Metric
from nervure.nn.metrics.resolve import resolved_metric
from nervure.nn.optimizers import Optimizer
from nervure.nn.symbolic import PartialShape


class Compiled:
    """How a model learns.

    Parameters
    ----------
    optimizer, loss, metrics_given, weighted_given
        The arguments of :meth:`~nervure.models.Model.compile`.

    Raises
    ------
    UnknownNameError
        For an unknown name, or for a class where an object is expected.
    ArgumentError
        For a missing loss, and for metrics that are not in a list.
    """

    optimizer: Optimizer
    loss: Loss

    def __init__(
        self, optimizer: Any, loss: Any, metrics_given: Any, weighted_given: Any
    ) -> None:
        self.given_loss = loss
        self.given_metrics = metrics_given
        self.given_weighted = weighted_given
        self.optimizer = optimizers.get(optimizer)
        self.loss = _as_loss(loss)
        self._metrics = _as_list(metrics_given, "metrics")
        self._weighted = _as_list(weighted_given, "weighted_metrics")

    def resolved_metrics(
        self, target_shape: PartialShape, output_shape: PartialShape
    ) -> list[tuple[str, Metric, bool]]:
        """Return the metrics for targets and an output of certain shapes.

        Each has its unique name, and whether it regards sample weights.  A second
        metric of a name gets ``_1``, a weighted one ``weighted_`` first, as in Keras.
        """
        result: list[tuple[str, Metric, bool]] = []
        taken: dict[str, int] = {}
        for given, weighted in (
            *((one, False) for one in self._metrics),
            *((one, True) for one in self._weighted),
        ):
            metric = resolved_metric(given, target_shape, output_shape)
            name = metric.name
            if name in taken and weighted:
                name = f"weighted_{name}"
            count = taken.get(name, 0)
            taken[name] = count + 1
            result.append((f"{name}_{count}" if count else name, metric, weighted))
        return result


def _as_loss(given: Any) -> Loss:
    if given is None:
        raise ArgumentError(
            explain(
                "compile needs a loss, got None",
                fix="for classes use loss='sparse_categorical_crossentropy', for "
                "numbers loss='mean_squared_error'",
            )
        )
    if isinstance(given, list | tuple | dict) and not _is_config(given):
        raise ArgumentError(
            explain(
                f"expected one loss, got a {type(given).__name__} of {len(given)}",
                fix="a model with one output has one loss, such as loss='mse'",
            )
        )
    found = losses.get(given)
    loss = found if isinstance(found, Loss) else LossFunctionWrapper(found)
    if loss.reduction is None:
        raise ArgumentError(
            explain(
                f"the loss {loss.name!r} has the reduction None, so a batch has no "
                "single loss to make smaller",
                fix="use the reduction 'sum_over_batch_size' or 'sum'",
            )
        )
    return loss


def _is_config(given: Any) -> bool:
    return isinstance(given, dict) and "class_name" in given


def _as_list(given: Any, name: str) -> list[Any]:
    """Return metrics as a list; raises for an unknown one."""
    if given is None:
        return []
    if isinstance(given, str | Metric) or not isinstance(given, Iterable):
        raise ArgumentError(
            explain(
                f"{name} must be a list, got {given!r}",
                fix=f"write {name}=[{given!r}]"
                if isinstance(given, str)
                else f"write {name}=[...]",
            )
        )
    if isinstance(given, dict):
        raise ArgumentError(
            explain(
                f"{name} must be a list, got a dict",
                fix=f"a model with one output has one list: {name}=['accuracy']",
            )
        )
    listed = list(given)
    for one in listed:
        metrics.get(one)  # raises for what is unknown
    return listed
