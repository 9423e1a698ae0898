"""The area under a curve of trade-offs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.nn.arguments import whole_number, within_unit
from nervure.nn.metrics.base import Metric
from nervure.nn.metrics.outcomes import Outcomes, evenly_spaced, share
from nervure.nn.variable import Variable
from nervure.ops import nn
from nervure.ops.operands import as_node

_CURVES: Final = ("ROC", "PR", "PRGAIN")
_METHODS: Final = ("interpolation", "majoring", "minoring")
# Beyond 0 and 1, so that every prediction is above the first threshold, none the last.
_EPSILON: Final = 1e-7
_NAMES: Final = (
    "true_positives",
    "false_positives",
    "true_negatives",
    "false_negatives",
)


class AUC(Metric):
    """The area under the ROC or the precision-recall curve, from a grid of thresholds.

    The curve of precision and recall is interpolated as by Davis and Goadrich, "The
    relationship between precision-recall and ROC curves", 2006; PRGAIN is that of Flach
    and Kull, "Precision-recall-gain curves", 2015.

    Parameters
    ----------
    num_thresholds
        How many thresholds, evenly from 0 to 1; more are more exact.
    curve
        "ROC", "PR" or "PRGAIN".
    summation_method
        "interpolation", or the larger ("majoring") or smaller ("minoring") height of
        each step.
    name, dtype
        See :class:`Metric`.
    thresholds
        Thresholds between 0 and 1 to use instead.
    multi_label
        Whether columns are judged by themselves and then averaged.
    num_labels
        The number of columns, if it should not be taken from the first batch.
    label_weights
        The weight of each column.
    from_logits
        The predictions are logits: the last layer has no sigmoid.

    Raises
    ------
    ArgumentError, UnknownNameError
        For thresholds outside of 0 to 1, and for a curve or a summation that is not
        known.

    >>> import nervure as nv
    >>> nv.metrics.AUC()([0, 0, 1, 1], [0.1, 0.6, 0.3, 0.8]).item()
    0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        self.curve = curve.upper()
        self.summation_method = summation_method.lower()
        if self.curve not in _CURVES:
            raise unknown_name("curve of AUC", curve, _CURVES)
        if self.summation_method not in _METHODS:
            raise unknown_name("summation method of AUC", summation_method, _METHODS)
        self._given_thresholds = thresholds
        self._set_thresholds(num_thresholds, thresholds)
        self.multi_label = bool(multi_label)
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else list(label_weights)
        self.from_logits = bool(from_logits)
        if num_labels is not None and not multi_label:
            raise ArgumentError(
                explain(
                    "num_labels is for multi_label=True only",
                    fix="write AUC(multi_label=True, num_labels=3), or leave "
                    "num_labels out",
                )
            )
        self._counts: list[Variable] = []
        if not multi_label:
            self._start((self.num_thresholds,))
        elif num_labels is not None:
            self._start((self.num_thresholds, num_labels))

    def _set_thresholds(self, count: int, thresholds: Sequence[float] | None) -> None:
        if thresholds is None:
            self.num_thresholds = whole_number("num_thresholds", count, least=2)
            steps = self.num_thresholds - 1
            inner = [place / steps for place in range(1, steps)]
            self._even = True
        else:
            inner = sorted(within_unit("a threshold", one) for one in thresholds)
            self.num_thresholds = len(inner) + 2
            self._even = evenly_spaced([0.0, *inner, 1.0])
        self.thresholds = [-_EPSILON, *inner, 1.0 + _EPSILON]

    def _start(self, shape: tuple[int, ...]) -> None:
        self._counts = [self.add_variable(shape, "zeros", name=one) for one in _NAMES]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets, not 0 for positive, and predictions, of equal shapes.

        Raises
        ------
        ShapeError
            For predictions that are not one column for each label.
        """
        pred = Array.of_node(as_node(y_pred, self.dtype))
        if self.from_logits:
            pred = nn.sigmoid(pred)
        found = Outcomes(y_true, pred, sample_weight, self.dtype)
        if self.multi_label and found.pred.ndim != 2:
            raise ShapeError(
                explain(
                    "AUC with multi_label=True expects predictions of shape [n, "
                    "labels], "
                    f"got {list(found.pred.shape)}",
                    fix="let the network have one output for each label",
                )
            )
        if not self._counts:
            self._start((self.num_thresholds, found.pred.shape[1]))
        if self.label_weights is not None and not self.multi_label:
            weights = np.array(self.label_weights, self.dtype)
            found.weights = found.weights * ops.asarray(weights)
        counts = found.counts(
            np.array(self.thresholds),
            _NAMES,
            clip=self._even,
            by_label=self.multi_label,
        )
        for variable, count in zip(self._counts, counts.values(), strict=True):
            variable.assign_add(count)

    def result(self) -> Array:
        """Return the area, ``[]``."""
        if not self._counts:
            return ops.zeros((), dtype=self.dtype)
        hits, false_alarms, rejections, misses = (one.value for one in self._counts)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._over_labels(_interpolated(hits, false_alarms, misses))
        recall = share(hits, hits + misses)
        if self.curve == "ROC":
            x, y = share(false_alarms, false_alarms + rejections), recall
        elif self.curve == "PR":
            x, y = recall, share(hits, hits + false_alarms)
        else:
            odds = share(hits + misses, rejections + false_alarms)
            none = hits == 0
            gain = 1.0 - odds * share(misses, hits)
            x = ops.maximum(ops.where(none, 0.0, gain), 0.0)
            y = ops.where(none, 1.0, 1.0 - odds * share(false_alarms, hits))
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) * 0.5
        elif self.summation_method == "minoring":
            heights = ops.minimum(y[:-1], y[1:])
        else:
            heights = ops.maximum(y[:-1], y[1:])
        return self._over_labels((x[:-1] - x[1:]) * heights)

    def _over_labels(self, strips: Array) -> Array:
        """Return the sum of the strips, averaged over columns if there are some."""
        areas = ops.sum(strips, axis=0)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return ops.mean(areas)
        weights = ops.asarray(np.array(self.label_weights, self.dtype))
        return share(ops.sum(areas * weights), ops.sum(weights))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a metric like this, as plain data."""
        config = super().get_config()
        given = self._given_thresholds
        return {**config, "thresholds": None if given is None else list(given)}


def _interpolated(hits: Array, false_alarms: Array, misses: Array) -> Array:
    """Return the strips under the curve of precision, between neighbouring thresholds.

    Between two points of the curve, false alarms grow in proportion to hits.
    """
    positive = hits + false_alarms
    new_hits = hits[:-1] - hits[1:]
    slope = share(new_hits, ops.maximum(positive[:-1] - positive[1:], 0.0))
    intercept = hits[1:] - slope * positive[1:]
    usable = (positive[:-1] > 0) & (positive[1:] > 0)
    ratio = ops.where(usable, share(positive[:-1], positive[1:]), 1.0)
    area = slope * (new_hits + intercept * ops.log(ratio))
    return share(area, hits[1:] + misses[1:])
