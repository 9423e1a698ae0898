"""Running means and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import require_function
from nervure.nn.functions import require_parameters
from nervure.nn.losses.base import same_rank
from nervure.nn.masking import mask_of, masked_weights
from nervure.nn.metrics.base import Metric
from nervure.ops.operands import as_node

Reduction = Callable[..., Array]


def samplewise(
    values: Any, sample_weight: Any, reduce: Reduction, dtype: DType
) -> tuple[Array, Array | None]:
    """Return one weighted value a sample, and the samples' weights.

    Further axes are put together by ``reduce``, as in Keras.
    """
    # Not asarray: a number becomes a constant of the graph, not data of it.
    values = Array.of_node(as_node(values, dtype))
    weights: Array | None = None
    if sample_weight is not None:
        weights = Array.of_node(as_node(sample_weight, dtype))
        values, weights = same_rank(values, weights)
        if values.ndim > weights.ndim:
            values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
        weights = ops.broadcast_to(weights, values.shape)
        values = values * weights
        if weights.ndim > 1:
            weights = reduce(weights, axis=tuple(range(1, weights.ndim)))
    if values.ndim > 1:
        values = reduce(values, axis=tuple(range(1, values.ndim)))
    return values, weights


class Sum(Metric):
    """The sum of all values, each times its sample weight.

    >>> import nervure as nv
    >>> metric = nv.metrics.Sum()
    >>> metric.update_state([1.0, 3.0])
    >>> metric.result().item()
    4.0
    """

    def __init__(self, name: str = "sum", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Take in values ``[n, ...]``."""
        weighted, _ = samplewise(values, sample_weight, ops.sum, self.dtype)
        self.total.assign_add(ops.sum(weighted))

    def result(self) -> Array:
        """Return the sum, ``[]``."""
        return self.total.value


class Mean(Metric):
    """The mean of all values, each with its sample weight; 0 before there are any.

    >>> import nervure as nv
    >>> metric = nv.metrics.Mean()
    >>> metric.update_state([1.0, 3.0], sample_weight=[1.0, 0.0])
    >>> metric.result().item()
    1.0
    """

    def __init__(self, name: str = "mean", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Take in values ``[n, ...]``, which may have one weight each."""
        weighted, weights = samplewise(values, sample_weight, ops.mean, self.dtype)
        self.total.assign_add(ops.sum(weighted))
        if weights is not None:
            self.count.assign_add(ops.sum(weights))
        else:
            self.count.assign_add(weighted.shape[0] if weighted.ndim else 1)

    def result(self) -> Array:
        """Return the mean, ``[]``."""
        count = self.count.value
        empty = count == 0
        safe = ops.where(empty, ops.ones_like(count), count)
        return ops.where(empty, ops.zeros_like(count), self.total.value / safe)


class MeanMetricWrapper(Mean):
    """The running mean of a function of ``(y_true, y_pred)``.

    Parameters
    ----------
    fn
        Returns a value for each sample (or more, which are averaged).
    name, dtype
        See :class:`Metric`; the function's name by default.

    >>> import nervure as nv
    >>> metric = nv.metrics.MeanMetricWrapper(lambda y_true, y_pred: y_pred - y_true)
    >>> metric.update_state([1.0, 2.0], [2.0, 5.0])
    >>> metric.result().item()
    2.0
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        require_function("MeanMetricWrapper", fn)
        require_parameters(
            "the metric",
            fn,
            "y_true",
            "y_pred",
            fix="write def metric(y_true, y_pred), with a value for each row",
        )
        super().__init__(name or str(getattr(fn, "__name__", "mean")), dtype)
        self.fn = fn

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take in targets and predictions of a batch; a mask leaves entries out."""
        weights = masked_weights(
            sample_weight, mask_of(y_pred), self.dtype, of_mean=False
        )
        super().update_state(self.values(y_true, y_pred), weights)

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Return what is averaged."""
        return self.fn(ops.asarray(y_true), ops.asarray(y_pred))


class FunctionMetric(MeanMetricWrapper):
    """The base class of metrics whose function and default name are settled."""

    function: ClassVar[Callable[..., Array]]
    # Whether the function takes a mean over the last axis.  Then targets [n] and
    # predictions [n] are n samples of one number, not one sample of n.
    over_last_axis: ClassVar[bool] = False

    def __init__(
        self, name: str | None = None, dtype: npt.DTypeLike | None = None
    ) -> None:
        function = type(self).function
        super().__init__(function, name or function.__name__, dtype)

    def values(self, y_true: Any, y_pred: Any) -> Array:
        """Return what is averaged."""
        true, pred = ops.asarray(y_true), ops.asarray(y_pred)
        if self.over_last_axis and true.ndim == pred.ndim == 1:
            true, pred = ops.expand_dims(true, -1), ops.expand_dims(pred, -1)
        return self.compared(true, pred)

    def compared(self, y_true: Array, y_pred: Array) -> Array:
        """Return the function of targets and predictions ``[samples, ...]``."""
        return type(self).function(y_true, y_pred)
