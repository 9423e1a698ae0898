"""Hits and misses at thresholds: counts, precision, recall and their trade-offs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import whole_number, within_unit
from nervure.nn.metrics.base import Metric
from nervure.nn.metrics.outcomes import NEVER, Outcomes, evenly_spaced, share
from nervure.nn.variable import Variable

_NAMES: Final = (
    "true_positives",
    "false_positives",
    "true_negatives",
    "false_negatives",
)

Thresholds = float | Sequence[float] | None


class OutcomeMetric(Metric):
    """The base class of metrics made of outcomes at thresholds.

    Attributes
    ----------
    thresholds
        A prediction above one counts as positive.
    counted
        Which outcomes are counted; each is a variable ``float[thresholds]``.
    """

    counted: ClassVar[Sequence[str]] = _NAMES
    thresholds: list[float]
    top_k: int | None = None
    class_id: int | None = None

    def _start(self, thresholds: Sequence[float]) -> None:
        self.thresholds = [float(one) for one in thresholds]
        for name in self.counted:
            variable = self.add_variable((len(self.thresholds),), "zeros", name=name)
            setattr(self, name, variable)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets, not 0 for positive, and predictions, of equal shapes."""
        found = Outcomes(
            y_true, y_pred, sample_weight, self.dtype, self.top_k, self.class_id
        )
        even = evenly_spaced(self.thresholds)
        counts = found.counts(np.array(self.thresholds), self.counted, clip=even)
        for name, count in counts.items():
            self._count(name).assign_add(count)

    def _count(self, name: str) -> Variable:
        variable = getattr(self, name)
        assert isinstance(variable, Variable)
        return variable

    def _values(self, *names: str) -> list[Array]:
        return [self._count(name).value for name in names]

    def _single(self, values: Array) -> Array:
        """Return a number where there is one threshold only."""
        return values[0] if len(self.thresholds) == 1 else values


def _checked(thresholds: Thresholds, default: float) -> list[float]:
    if thresholds is None:
        return [default]
    given = [thresholds] if isinstance(thresholds, int | float) else [*thresholds]
    return [within_unit("a threshold", one) for one in given]


class _Count(OutcomeMetric):
    """One kind of outcome."""

    init_thresholds: Thresholds

    def __init__(
        self,
        thresholds: Thresholds = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.init_thresholds = thresholds
        self._start(_checked(thresholds, 0.5))

    def result(self) -> Array:
        """Return the sum of the weights: ``[]``, or ``[thresholds]`` for several."""
        return self._single(self._values(*self.counted)[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a metric like this, as plain data."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """How many positive targets were predicted so, by weight.

    Parameters
    ----------
    thresholds
        A number from 0 to 1, 1/2 by default, or several: a prediction above it counts
        as positive.
    name, dtype
        See :class:`Metric`.

    >>> import nervure as nv
    >>> nv.metrics.TruePositives()([0, 1, 1], [0.9, 0.8, 0.1]).item()
    1.0
    """

    counted = ("true_positives",)


class FalsePositives(_Count):
    """How many negative targets were predicted as positive, by weight.

    The parameters are those of :class:`TruePositives`.

    >>> import nervure as nv
    >>> nv.metrics.FalsePositives()([0, 1, 1], [0.9, 0.8, 0.1]).item()
    1.0
    """

    counted = ("false_positives",)


class TrueNegatives(_Count):
    """How many negative targets were predicted so, by weight.

    The parameters are those of :class:`TruePositives`.

    >>> import nervure as nv
    >>> nv.metrics.TrueNegatives()([0, 1, 1], [0.2, 0.8, 0.1]).item()
    1.0
    """

    counted = ("true_negatives",)


class FalseNegatives(_Count):
    """How many positive targets were predicted as negative, by weight.

    The parameters are those of :class:`TruePositives`.

    >>> import nervure as nv
    >>> nv.metrics.FalseNegatives()([0, 1, 1], [0.9, 0.8, 0.1]).item()
    1.0
    """

    counted = ("false_negatives",)


class _Share(OutcomeMetric):
    """The share of the true positives in something."""

    init_thresholds: Thresholds

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.init_thresholds = thresholds
        self.top_k = None if top_k is None else whole_number("top_k", top_k, least=1)
        self.class_id = class_id
        self._start(_checked(thresholds, 0.5 if top_k is None else NEVER))

    def result(self) -> Array:
        """Return the share: ``[]``, or ``[thresholds]`` for several."""
        hits, others = self._values(*self.counted)
        return self._single(share(hits, hits + others))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a metric like this, as plain data."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


class Precision(_Share):
    """The share of positive predictions that are right; 0 without any.

    Parameters
    ----------
    thresholds
        A number from 0 to 1, 1/2 by default, or several: a prediction above it counts
        as positive.
    top_k
        Only the k largest predictions of each row can be positive; without a threshold
        they all are.
    class_id
        Only this column is regarded.
    name, dtype
        See :class:`Metric`.

    >>> import nervure as nv
    >>> nv.metrics.Precision()([0, 1, 1], [0.9, 0.8, 0.1]).item()
    0.5
    """

    counted = ("true_positives", "false_positives")


class Recall(_Share):
    """The share of positive targets that were found; 0 without any.

    The parameters are those of :class:`Precision`.

    >>> import nervure as nv
    >>> nv.metrics.Recall()([0, 1, 1, 1, 1], [0.9, 0.8, 0.1, 0.0, 0.0]).item()
    0.25
    """

    counted = ("true_positives", "false_negatives")


class _Tradeoff(OutcomeMetric):
    """The best of one share where another is large enough."""

    def _start_evenly(self, num_thresholds: int, class_id: int | None) -> None:
        self.num_thresholds = whole_number("num_thresholds", num_thresholds, least=1)
        self.class_id = class_id
        count = self.num_thresholds
        inner = [(place + 1) / (count - 1) for place in range(count - 2)]
        self._start([0.5] if count == 1 else [0.0, *inner, 1.0])

    def _best(self, wanted: Array, limited: Array, limit: float) -> Array:
        return ops.max(ops.where(limited >= limit, wanted, 0.0))

    def _precision(self) -> Array:
        hits, others = self._values("true_positives", "false_positives")
        return share(hits, hits + others)

    def _recall(self) -> Array:
        hits, others = self._values("true_positives", "false_negatives")
        return share(hits, hits + others)

    def _specificity(self) -> Array:
        hits, others = self._values("true_negatives", "false_positives")
        return share(hits, hits + others)


class SensitivityAtSpecificity(_Tradeoff):
    """The best recall among thresholds with a certain specificity.

    Parameters
    ----------
    specificity
        The least share of negative targets that are predicted so.
    num_thresholds
        How many thresholds, evenly from 0 to 1.
    class_id
        Only this column is regarded.
    name, dtype
        See :class:`Metric`.

    >>> import nervure as nv
    >>> metric = nv.metrics.SensitivityAtSpecificity(0.5)
    >>> metric([0, 0, 1, 1], [0.1, 0.6, 0.3, 0.8]).item()
    1.0
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.specificity = within_unit("specificity", specificity)
        self._start_evenly(num_thresholds, class_id)

    def result(self) -> Array:
        """Return the recall, ``[]``."""
        return self._best(self._recall(), self._specificity(), self.specificity)


class SpecificityAtSensitivity(_Tradeoff):
    """The best specificity among thresholds with a certain recall.

    Parameters
    ----------
    sensitivity
        The least share of positive targets that are found.
    num_thresholds, class_id, name, dtype
        See :class:`SensitivityAtSpecificity`.

    >>> import nervure as nv
    >>> metric = nv.metrics.SpecificityAtSensitivity(0.5)
    >>> metric([0, 0, 1, 1], [0.1, 0.6, 0.3, 0.8]).item()
    1.0
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.sensitivity = within_unit("sensitivity", sensitivity)
        self._start_evenly(num_thresholds, class_id)

    def result(self) -> Array:
        """Return the specificity, ``[]``."""
        return self._best(self._specificity(), self._recall(), self.sensitivity)


class PrecisionAtRecall(_Tradeoff):
    """The best precision among thresholds with a certain recall.

    Parameters
    ----------
    recall
        The least share of positive targets that are found.
    num_thresholds, class_id, name, dtype
        See :class:`SensitivityAtSpecificity`.

    >>> import nervure as nv
    >>> nv.metrics.PrecisionAtRecall(0.5)([0, 0, 1, 1], [0.1, 0.6, 0.3, 0.8]).item()
    1.0
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.recall = within_unit("recall", recall)
        self._start_evenly(num_thresholds, class_id)

    def result(self) -> Array:
        """Return the precision, ``[]``."""
        return self._best(self._precision(), self._recall(), self.recall)


class RecallAtPrecision(_Tradeoff):
    """The best recall among thresholds with a certain precision.

    Parameters
    ----------
    precision
        The least share of positive predictions that are right.
    num_thresholds, class_id, name, dtype
        See :class:`SensitivityAtSpecificity`.

    >>> import nervure as nv
    >>> nv.metrics.RecallAtPrecision(0.8)([0, 0, 1, 1], [0.1, 0.6, 0.3, 0.8]).item()
    0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.precision = within_unit("precision", precision)
        self._start_evenly(num_thresholds, class_id)

    def result(self) -> Array:
        """Return the recall, ``[]``."""
        return self._best(self._recall(), self._precision(), self.precision)
