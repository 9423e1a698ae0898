"""What a model's outputs are compared with: the losses and metrics of each output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nervure import dtypes, ops
from nervure.array import Array
from nervure.ir.sites import within
from nervure.nn.losses import Loss
from nervure.nn.metrics import Mean, Metric
from nervure.nn.metrics.resolve import resolved_metric
from nervure.nn.symbolic import PartialShape
from nervure.train.compile import Compiled
from nervure.train.naming import distinct


class _Measured(NamedTuple):
    """A metric of one output, and its name in logs."""

    key: str
    metric: Metric
    is_weighted: bool


class Objective(NamedTuple):
    """What one output is for.

    ``mean`` is the running mean of its loss, for models with several losses.
    """

    loss: Loss | None
    factor: float | None
    mean: Mean | None
    measured: list[_Measured]


class Objectives:
    """The objectives of all outputs.

    Parameters
    ----------
    compiled
        What ``compile`` was given.
    names
        The names of the outputs.
    targets, outputs
        The shapes of targets and outputs, batch first; None for an output that is
        compared with nothing.
    named
        Whether the names are the user's, so that logs begin with them.  Where a
        subclass returns a list they are not; then, as in Keras, metrics have their
        names only and a loss is called as it was given.
    """

    def __init__(
        self,
        compiled: Compiled,
        names: Sequence[str],
        targets: Sequence[PartialShape | None],
        outputs: Sequence[PartialShape],
        *,
        named: bool = True,
    ) -> None:
        self.named = named
        self.names = tuple(names)
        self._kinds = _kinds(targets, outputs)
        losses = compiled.losses(names)
        count = sum(one is not None for one in losses)
        shown = [f"{name}_" if named and len(names) > 1 else "" for name in names]
        measured = _measured(compiled, names, shown, targets, outputs)
        called = names if named else compiled.loss_names(names)
        of_losses = distinct([f"{name}_loss" for name in called])
        self.each = [
            Objective(
                loss,
                factor,
                Mean(name=name) if loss is not None and count > 1 else None,
                of_output,
            )
            for name, loss, factor, of_output in zip(
                of_losses, losses, compiled.loss_weights(names), measured, strict=True
            )
        ]

    def suit(
        self,
        names: Sequence[str],
        targets: Sequence[PartialShape | None],
        outputs: Sequence[PartialShape],
    ) -> bool:
        """Tell whether these serve for other targets and outputs, of other sizes."""
        return self.names == tuple(names) and self._kinds == _kinds(targets, outputs)

    @property
    def metrics(self) -> list[Metric]:
        """All metrics, then the running means of the losses."""
        ordered = sorted(
            (one for objective in self.each for one in objective.measured),
            key=lambda one: one.is_weighted,
        )
        means = [one.mean for one in self.each if one.mean is not None]
        return [*(one.metric for one in ordered), *means]

    @property
    def keys(self) -> dict[int, str]:
        """The name in logs of each metric, by its identity."""
        return {
            id(one.metric): one.key
            for objective in self.each
            for one in objective.measured
        }

    def loss(
        self,
        y: Sequence[Array | None],
        outputs: Sequence[Array],
        weights: Sequence[Any],
    ) -> Array | None:
        """Return the sum of the losses times their factors, None without any."""
        total: Array | None = None
        for objective, true, pred, weight in zip(
            self.each, y, outputs, weights, strict=True
        ):
            if objective.loss is None or true is None:
                continue
            value = objective.loss(true, pred, sample_weight=weight)
            if objective.mean is not None:
                objective.mean.update_state(value, sample_weight=float(pred.shape[0]))
            if objective.factor is not None:
                value = value * objective.factor
            value = ops.astype(value, dtypes.DEFAULT_FLOAT)
            total = value if total is None else total + value
        return total

    def update_metrics(
        self,
        y: Sequence[Array | None],
        outputs: Sequence[Array],
        weights: Sequence[Any],
    ) -> None:
        """Take in a batch."""
        for objective, true, pred, weight in zip(
            self.each, y, outputs, weights, strict=True
        ):
            for one in objective.measured if true is not None else ():
                given = weight if one.is_weighted else None
                with within(one.metric.name):
                    one.metric.update_state(true, pred, sample_weight=given)


def _measured(
    compiled: Compiled,
    names: Sequence[str],
    prefixes: Sequence[str],
    targets: Sequence[PartialShape | None],
    outputs: Sequence[PartialShape],
) -> list[list[_Measured]]:
    """Return the metrics of each output under unique names.

    The names are Keras': those of several outputs begin with the output's.  A second
    metric of a name gets ``_1``, a weighted one ``weighted_`` first.
    """
    found: list[list[_Measured]] = [[] for _ in names]
    taken: dict[str, int] = {}
    for weighted in (False, True):
        given = compiled.metrics(names, weighted=weighted)
        for place, prefix in enumerate(prefixes):
            target = targets[place]
            if target is None:
                continue
            for one in given[place]:
                metric = resolved_metric(one, target, outputs[place])
                key = prefix + metric.name
                if key in taken and weighted:
                    key = f"{prefix}weighted_{metric.name}"
                number = taken.get(key, 0)
                taken[key] = number + 1
                key = f"{key}_{number}" if number else key
                found[place].append(_Measured(key, metric, weighted))
    return found


def _kinds(
    targets: Sequence[PartialShape | None], outputs: Sequence[PartialShape]
) -> list[Any]:
    """Return what "accuracy" depends on: ranks and the sizes of the last axes."""
    return [
        None if one is None else (len(one), one[-1]) for one in (*targets, *outputs)
    ]
