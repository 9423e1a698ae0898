"""What all losses share: ranks, sample weights, and how values are put together."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypedDict, Unpack

import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ShapeError, explain, unknown_name
from nervure.ir.node import Shape
from nervure.ir.sites import within
from nervure.nn.configuration import (
    Configurable,
    check_option_names,
    full_signature,
)
from nervure.nn.masking import mask_of, masked_weights
from nervure.nn.naming import snake_case

_REDUCTIONS: Final = (
    "sum_over_batch_size",
    "sum",
    "mean",
    "mean_with_sample_weight",
    "none",
)


class LossOptions(TypedDict, total=False):
    """What every loss's constructor takes besides its own arguments."""

    reduction: str | None  # how the values of a batch are put together
    name: str | None
    dtype: npt.DTypeLike | None  # of the computation; float32


class Loss(Configurable):
    """How far predictions are from the truth, as one number a batch.

    A subclass defines :meth:`call`.

    Parameters
    ----------
    reduction
        "sum_over_batch_size" (also "mean"): the sum of the values, each times its
        sample weight, divided by how many there are.  "sum": without dividing.
        "mean_with_sample_weight": divided by the sum of the weights.  None (also
        "none"): the values themselves.
    name
        For messages and logs.
    dtype
        The type of the computation; float32 by default.

    Raises
    ------
    UnknownNameError
        For a reduction that is not known.

    >>> import nervure as nv
    >>> nv.losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]).item()
    0.5
    """

    def __init__(self, **options: Unpack[LossOptions]) -> None:
        check_option_names(type(self), options, LossOptions.__annotations__)
        reduction = options.get("reduction", "sum_over_batch_size")
        if reduction is not None and reduction not in _REDUCTIONS:
            raise unknown_name("reduction", reduction, _REDUCTIONS)
        self.reduction = None if reduction == "none" else reduction
        self.name = options.get("name") or snake_case(type(self).__name__)
        dtype = options.get("dtype")
        self.dtype = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Return a value for each sample, before weights and reduction."""
        raise NotImplementedError(f"{type(self).__name__} does not define call()")

    def counted(self, y_true: Array, values: Array) -> Array | None:
        """Return which values count, as truth values of their shape; None for all."""
        return None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """Return the loss.

        Parameters
        ----------
        y_true
            The targets; numbers other than whole ones are converted to the loss's type.
        y_pred
            The predictions.
        sample_weight
            A weight for each value, or for each sample: it is repeated over further
            axes.  Where the predictions carry a mask, what it leaves out has no weight.

        Raises
        ------
        ShapeError
            When the shapes do not fit each other.
        """
        pred = ops.astype(ops.asarray(y_pred), self.dtype)
        true = ops.asarray(y_true)
        if not dtypes.is_integer(true.dtype):
            true = ops.astype(true, self.dtype)
        with within(self.name):
            values = self.call(true, pred)
        weights = masked_weights(
            sample_weight,
            _both(mask_of(y_pred), self.counted(true, values)),
            self.dtype,
            of_mean=self.reduction in ("sum_over_batch_size", "mean"),
        )
        return reduced(values, weights, self.reduction, self.dtype)


def _signature(cls: type[Loss]) -> inspect.Signature:
    defaults = {"reduction": "sum_over_batch_size"}
    return full_signature(cls.__init__, LossOptions, defaults)


Loss.__signature__ = _signature(Loss)  # type: ignore[attr-defined]


class LossFunctionWrapper(Loss):
    """A loss made of a function of ``(y_true, y_pred)``, with a value a sample.

    >>> import nervure as nv
    >>> def largest(y_true, y_pred):
    ...     return nv.max(nv.abs(y_true - y_pred), axis=-1)
    >>> nv.losses.LossFunctionWrapper(largest)([[0.0, 0.0]], [[1.0, 3.0]]).item()
    3.0
    """

    def __init__(
        self, fn: Callable[[Any, Any], Any], **options: Unpack[LossOptions]
    ) -> None:
        super().__init__(**options)
        self.fn = fn
        if not options.get("name"):
            self.name = getattr(fn, "__name__", self.name)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Call the function."""
        return ops.asarray(self.fn(y_true, y_pred))


def reduced(
    values: Array, sample_weight: Any, reduction: str | None, dtype: dtypes.DType
) -> Array:
    """Weigh the values and put them together as :class:`Loss` says."""
    weights = None
    if sample_weight is not None:
        given = ops.astype(ops.asarray(sample_weight), dtype)
        values, weights = same_rank(values, given)
        if not _repeatable(weights.shape, values.shape):
            raise ShapeError(
                explain(
                    f"sample weights of shape {list(given.shape)} do not fit losses of "
                    f"shape {list(values.shape)}",
                    fix="give one weight for each sample",
                )
            )
        further = (1,) * (values.ndim - weights.ndim)
        weights = ops.reshape(weights, (*weights.shape, *further))
        weights = ops.broadcast_to(weights, values.shape)
        values = values * weights
    if reduction is None:
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight" and weights is not None:
        count = ops.sum(weights)
        safe = ops.where(count == 0, ops.ones_like(count), count)
        return ops.where(count == 0, ops.zeros_like(total), total / safe)
    return total / max(1, values.size)


def _both(mask: Array | None, other: Array | None) -> Array | None:
    if mask is None or other is None:
        return other if mask is None else mask
    return ops.logical_and(*same_rank(mask, other))


def _repeatable(weights: Shape, values: Shape) -> bool:
    """Tell whether weights can be repeated over the axes that only the values have."""
    return len(weights) <= len(values) and all(
        one in (1, size) for one, size in zip(weights, values, strict=False)
    )


def same_rank(x1: Array, x2: Array) -> tuple[Array, Array]:
    """Return two arrays with a last axis of size 1 added or dropped where one lacks it.

    The rule is Keras': where the ranks differ by one and the higher one ends in an axis
    of size 1, a single axis ``[n]`` becomes ``[n, 1]``; otherwise the last axis of the
    higher one is dropped.
    """
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        if x2.ndim == 1:
            return x1, ops.expand_dims(x2, -1)
        return ops.squeeze(x1, -1), x2
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        second, first = same_rank(x2, x1)
        return first, second
    return x1, x2


def paired(y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Return targets and predictions as arrays of one shape and floating-point type.

    Raises :class:`~nervure.errors.ShapeError` where they do not correspond: nothing is
    repeated silently, because ``[n]`` against ``[n, 1]`` would give n * n losses.
    """
    pred = ops.asarray(y_pred)
    if not dtypes.is_float(pred.dtype):
        pred = ops.astype(pred, dtypes.DEFAULT_FLOAT)
    given = ops.astype(ops.asarray(y_true), pred.dtype), pred
    true, pred = same_rank(*given)
    if true.shape != pred.shape:
        shapes = [list(one.shape) for one in given]
        raise ShapeError(
            explain(
                f"targets of shape {shapes[0]} do not fit predictions of shape "
                f"{shapes[1]}",
                fix="give one target for each output of the model",
            )
        )
    return true, pred


def class_number_pair(
    y_true: Any, y_pred: Any, fix: str, axis: int = -1
) -> tuple[Array, Array]:
    """Return class numbers ``[...]`` and predictions ``[..., classes]`` as arrays.

    The numbers may be given as ``[..., 1]``, too.  Raises
    :class:`~nervure.errors.ShapeError` with the ``fix`` where the shapes do not fit.
    """
    true, pred = ops.asarray(y_true), ops.asarray(y_pred)
    place = axis % max(1, pred.ndim)
    if true.ndim == pred.ndim and true.shape[place] == 1:
        true = ops.squeeze(true, place)
    if true.shape != pred.shape[:place] + pred.shape[place + 1 :]:
        raise ShapeError(
            explain(
                f"class numbers of shape {list(true.shape)} do not fit predictions of "
                f"shape {list(pred.shape)}",
                fix=fix,
            )
        )
    return true, pred
