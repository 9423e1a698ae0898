"""Connectionist temporal classification: labels without times."""

from __future__ import annotations

from typing import Any, Final

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn.losses.regression import FunctionLoss
from nervure.ops import nn

# The logarithm of a probability of zero, finite so that gradients are not NaN.
_IMPOSSIBLE: Final = -1e30


def ctc(y_true: Any, y_pred: Any) -> Array:
    """Return ``-log`` of the probability of label sequences, whatever their times.

    Graves et al., "Connectionist temporal classification", 2006, section 4.1.  A path
    through the frames gives a sequence by dropping repetitions and then blanks, the
    class 0.

    Parameters
    ----------
    y_true
        ``int[n, longest]``: classes from 1 on, filled up with 0 at the end.
    y_pred
        ``float[n, frames, classes]``: logits.

    Returns
    -------
    ``float[n]``.

    Raises
    ------
    ShapeError
        For targets and logits whose shapes do not fit.

    >>> import nervure as nv
    >>> nv.losses.ctc([[1]], nv.zeros((1, 1, 2))).tolist()
    [0.6931471824645996]
    """
    true, pred = ops.asarray(y_true), ops.asarray(y_pred)
    if true.ndim != 2 or pred.ndim != 3 or true.shape[0] != pred.shape[0]:
        raise ShapeError(
            explain(
                "CTC expects targets of shape [n, longest] and logits of shape [n, "
                f"frames, classes], got {list(true.shape)} and {list(pred.shape)}",
                fix="pad the targets to one length, and give the network an axis of "
                "frames",
            )
        )
    labels = ops.astype(true, dtypes.int64)
    likelihood = nn.log_softmax(pred, axis=-1)
    states = _with_blanks(labels)
    hot = ops.one_hot(states, pred.shape[-1], dtype=pred.dtype)
    # [n, frames, states]: the logarithm of the probability of each state's class.
    emitted = likelihood @ ops.swapaxes(hot, 1, 2)
    score = _forward(emitted, _may_skip(states, pred.dtype))
    # The end is the last label or the blank after it; padding comes behind these.
    length = ops.sum(ops.astype(labels != 0, dtypes.int64), axis=1)
    count = states.shape[1]
    blank = _at(score, 2 * length, count)
    label = _at(score, 2 * length - 1, count)
    total = ops.where(length > 0, ops.logaddexp(blank, label), blank)
    return -total


def _with_blanks(labels: Array) -> Array:
    """Return the labels ``[n, longest]`` with blanks around, ``[n, 2 longest + 1]``."""
    pairs = ops.stack([ops.zeros_like(labels), labels], axis=-1)
    flat = ops.reshape(pairs, (labels.shape[0], 2 * labels.shape[1]))
    return ops.concat([flat, ops.zeros_like(flat[:, :1])], axis=1)


def _may_skip(states: Array, dtype: dtypes.DType) -> Array:
    """Return 0 where a path may come from two states before, else `_IMPOSSIBLE`.

    It may skip the blank between two different labels.
    """
    different = (states[:, 2:] != states[:, :-2]) & (states[:, 2:] != 0)
    allowed = ops.pad(different, ((0, 0), (2, 0)))
    zero = ops.zeros(allowed.shape, dtype=dtype)
    return ops.where(allowed, zero, _IMPOSSIBLE)


def _forward(emitted: Array, skipping: Array) -> Array:
    """Return the logarithm of the probability of each state after the last frame."""
    first = ops.arange(emitted.shape[2]) < 2
    score = ops.where(first, emitted[:, 0], _IMPOSSIBLE)
    for frame in range(1, emitted.shape[1]):
        before = _shifted(score, 1)
        reached = ops.logaddexp(score, before)
        if emitted.shape[2] > 2:
            reached = ops.logaddexp(reached, _shifted(score, 2) + skipping)
        score = ops.maximum(reached, _IMPOSSIBLE) + emitted[:, frame]
    return score


def _shifted(score: Array, by: int) -> Array:
    """Return the scores of the states before, with impossible ones at the start."""
    start = ops.full((score.shape[0], by), _IMPOSSIBLE, dtype=score.dtype)
    return ops.concat([start, score[:, :-by]], axis=1)


def _at(score: Array, place: Array, count: int) -> Array:
    hot = ops.one_hot(place, count, dtype=dtypes.bool_)
    return ops.sum(ops.where(hot, score, 0.0), axis=1)


class CTC(FunctionLoss):
    """Connectionist temporal classification; see :func:`ctc` and :class:`Loss`.

    >>> import nervure as nv
    >>> round(nv.losses.CTC()([[1, 0]], nv.zeros((1, 2, 2))).item(), 5)
    0.28768
    """

    function = staticmethod(ctc)
