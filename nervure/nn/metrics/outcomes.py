"""Counting hits and misses: targets of yes or no, predictions above thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.nn.losses.base import same_rank
from nervure.ops.operands import as_node

# Below every prediction; predictions that must not count as positive are set to it.
NEVER: Final = -1e10


class Outcomes:
    """Targets, predictions and weights of a batch, prepared for counting.

    Parameters
    ----------
    y_true
        ``[...]``; what is not 0 is positive.
    y_pred
        ``[...]``.
    sample_weight
        A weight for each value, or for each sample: it is repeated over further axes.
    dtype
        The type of the counts.
    top_k
        Only the k largest predictions along the last axis can be positive.
    class_id
        Only this place of the last axis is regarded.
    """

    def __init__(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any,
        dtype: DType,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        pred = Array.of_node(as_node(y_pred, dtype))
        true = Array.of_node(as_node(y_true))
        pred, true = same_rank(pred, true)
        if pred.shape != true.shape:
            raise ShapeError(
                explain(
                    f"targets of shape {list(true.shape)} do not fit predictions of "
                    f"shape {list(pred.shape)}",
                    fix="give one target for each prediction",
                )
            )
        if top_k is not None:
            pred = _largest_only(pred, top_k)
        if class_id is not None:
            if pred.ndim < 2:
                raise ArgumentError(
                    explain(
                        "class_id chooses a column, but predictions have the shape "
                        f"{list(pred.shape)}",
                        fix="leave class_id out, or let the network have one output "
                        "for each class",
                    )
                )
            true, pred = (one[..., class_id, None] for one in (true, pred))
        self.true = ops.astype(true != 0, dtype)
        self.pred = pred
        self.weights = ops.ones(pred.shape, dtype=dtype)
        if sample_weight is not None:
            given = Array.of_node(as_node(sample_weight, dtype))
            self.weights = _left_aligned(given, pred.shape)

    def counts(
        self,
        thresholds: NDArray,
        names: Iterable[str],
        *,
        clip: bool,
        by_label: bool = False,
    ) -> dict[str, Array]:
        """Return sums of weights by outcome: ``[thresholds]``.

        Parameters
        ----------
        thresholds
            ``[thresholds]``.
        names
            Of ``true_positives``, ``false_positives``, ``true_negatives`` and
            ``false_negatives``.
        clip
            Whether predictions are brought between 0 and 1 first.
        by_label
            Whether to count each column by itself: ``[thresholds, labels]``.
        """
        limits = ops.asarray(thresholds.astype(self.pred.dtype))
        pred = ops.clip(self.pred, 0.0, 1.0) if clip else self.pred
        shape = pred.shape if by_label else (pred.size,)
        flat = ops.reshape(pred, (1, *shape))
        above = flat > ops.reshape(limits, (-1, *(1 for _ in shape)))
        positive = ops.astype(above, self.pred.dtype)
        of_true = ops.reshape(self.true * self.weights, (1, *shape))
        of_false = ops.reshape((1.0 - self.true) * self.weights, (1, *shape))
        terms = {
            "true_positives": lambda: positive * of_true,
            "false_positives": lambda: positive * of_false,
            "true_negatives": lambda: (1.0 - positive) * of_false,
            "false_negatives": lambda: (1.0 - positive) * of_true,
        }
        return {name: ops.sum(terms[name](), axis=1) for name in names}


def evenly_spaced(thresholds: Sequence[float]) -> bool:
    """Tell whether at least three thresholds go from 0 to 1 in equal steps."""
    count = len(thresholds)
    return count >= 3 and np.allclose(thresholds, np.linspace(0, 1, count), atol=1e-7)


def share(part: Array, whole: Array) -> Array:
    """Return ``part / whole``, and 0 where the whole is 0."""
    empty = whole == 0
    return ops.where(empty, 0.0, part / ops.where(empty, 1.0, whole))


def _largest_only(pred: Array, count: int) -> Array:
    """Return predictions of which only the largest ones of each row can be positive."""
    places = ops.top_k(pred, count, axis=-1).indices
    chosen = ops.any(places[..., None] == ops.arange(pred.shape[-1]), axis=-2)
    return ops.where(chosen, pred, NEVER)


def _left_aligned(weights: Array, shape: tuple[int, ...]) -> Array:
    """Return weights repeated over the axes that only the values have."""
    if weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = ops.squeeze(weights, -1)
    fits = weights.ndim <= len(shape) and all(
        one in (1, size) for one, size in zip(weights.shape, shape, strict=False)
    )
    if not fits:
        raise ShapeError(
            explain(
                f"sample weights of shape {list(weights.shape)} do not fit predictions "
                f"of shape {list(shape)}",
                fix="give one weight for each sample",
            )
        )
    further = (1,) * (len(shape) - weights.ndim)
    return ops.broadcast_to(ops.reshape(weights, (*weights.shape, *further)), shape)
