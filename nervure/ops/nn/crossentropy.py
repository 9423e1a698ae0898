"""Cross entropies of logits: exact where probabilities would be 0 or 1."""

from __future__ import annotations

import math

from nervure import dtypes, ops
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import DataError, DTypeError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ir.sites import composite
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.nn.precision import wide_floats
from nervure.ops.nn.softmax import exponentials
from nervure.ops.operands import as_node, axis_index, promoted
from nervure.prims.select import cast


@composite("crossentropy")
def sparse_categorical_crossentropy_with_logits(
    labels: ArrayLike, logits: ArrayLike, axis: int = -1
) -> Array:
    """Return -log(softmax(logits)) at each label.

    The gradient is softmax(logits) minus one at the label.

    Parameters
    ----------
    labels
        ``int[*N]``, from 0 to n - 1.
    logits
        ``float[*N, n]``, with the classes on ``axis``.

    Returns
    -------
    ``float[*N]``, one value a sample.  A label out of range gives NaN where it was not
    known when the graph was built.

    Raises
    ------
    DataError
        For a known label out of range.
    DTypeError, ShapeError
        For labels that are not integers, or do not have the shape of the logits without
        the classes.

    >>> from nervure.ops import nn
    >>> loss = nn.sparse_categorical_crossentropy_with_logits
    >>> loss([0, 1], [[1e4, 0.0], [1e4, 0.0]]).tolist()
    [0.0, 10000.0]
    """
    op = "sparse_categorical_crossentropy_with_logits"
    wide, dtype = wide_floats(logits)
    place = axis_index(op, axis, wide.ndim)
    count = wide.shape[place]
    node = as_node(labels)
    _check_labels(op, node, wide.node, place)
    _check_known_labels(op, Array.of_node(node), count)
    shifted, _, total = exponentials(wide, (place,))
    hot = ops.one_hot(Array.of_node(node), count, dtype=dtypes.bool_, axis=place)
    chosen = ops.sum(ops.where(hot, shifted, 0.0), axis=place)
    loss = ops.log(ops.squeeze(total, place)) - chosen
    index = Array.of_node(cast(node, dtypes.int64))
    inside = (index >= 0) & (index < count)
    return ops.where(inside, loss, math.nan).astype(dtype)


def _check_labels(op: str, labels: Node, logits: Node, place: int) -> None:
    """Raise unless labels are integers and fit the logits."""
    names = ("labels", "logits")
    if not dtypes.is_integer(labels.dtype):
        raise wrong(
            DTypeError,
            op,
            f"expected labels that are whole numbers, got {labels.dtype.name}",
            (labels, logits),
            names,
            fix="for rows of probabilities use categorical_crossentropy_with_logits",
        )
    expected = logits.shape[:place] + logits.shape[place + 1 :]
    if labels.shape != expected:
        raise wrong(
            ShapeError,
            op,
            f"expected one label a sample, of shape {list(expected)}, got "
            f"{list(labels.shape)}",
            (labels, logits),
            names,
            fix="reshape the labels, for example with labels[:, 0]",
        )


def _check_known_labels(op: str, labels: Array, count: int) -> None:
    """Raise for a label out of range, if the labels have a value already."""
    known = labels.value_or_none
    if known is None or known.size == 0:
        return
    lowest, highest = int(known.min()), int(known.max())
    if lowest < 0 or highest >= count:
        bad = lowest if lowest < 0 else highest
        raise DataError(
            explain(
                f"{op}: the label {bad} is out of range: the logits have {count} "
                f"classes, numbered from 0 to {count - 1}",
                fix="number the classes from 0, or give the logits more classes",
            )
        )


@composite("crossentropy")
def categorical_crossentropy_with_logits(
    targets: ArrayLike, logits: ArrayLike, axis: int = -1
) -> Array:
    """Return -sum(targets * log(softmax(logits))) along the axis of the classes.

    The gradient is softmax(logits) - targets, if the targets add up to 1.  A target of
    0 counts nothing even where the logit is -inf.

    Parameters
    ----------
    targets
        ``float[*N, n]``: probabilities, or rows of zeros with a one.
    logits
        ``float[*N, n]``, with the classes on ``axis``.

    Returns
    -------
    ``float[*N]``, one value a sample.

    Raises
    ------
    ShapeError
        For operands of different shapes.

    >>> from nervure.ops import nn
    >>> loss = nn.categorical_crossentropy_with_logits
    >>> loss([[1.0, 0.0], [0.0, 1.0]], [[1e4, 0.0], [1e4, 0.0]]).tolist()
    [0.0, 10000.0]
    """
    op = "categorical_crossentropy_with_logits"
    expected, wide, dtype = _targets_and_logits(op, targets, logits)
    place = axis_index(op, axis, wide.ndim)
    shifted, _, total = exponentials(wide, (place,))
    likelihood = shifted - ops.log(total)
    impossible = (expected == 0) & (likelihood == -math.inf)
    counted = expected * ops.where(impossible, 0.0, likelihood)
    return (0.0 - ops.sum(counted, axis=place)).astype(dtype)


@composite("crossentropy")
def binary_crossentropy_with_logits(targets: ArrayLike, logits: ArrayLike) -> Array:
    """Return -t log(sigmoid(x)) - (1 - t) log(1 - sigmoid(x)), element by element.

    It is computed as max(x, 0) - x t + log(1 + exp(-|x|)); the gradient is
    sigmoid(x) - t, to full precision where that is close to 0.

    Parameters
    ----------
    targets
        ``float[*N]``: probabilities, or zeros and ones.
    logits
        ``float[*N]``.

    Returns
    -------
    ``float[*N]``, one value for each logit; take the mean over the last axis for one a
    sample.

    Raises
    ------
    ShapeError
        For operands of different shapes.

    >>> from nervure.ops import nn
    >>> loss = nn.binary_crossentropy_with_logits
    >>> loss([0.0, 1.0], [1e4, 1e4]).tolist()
    [10000.0, 0.0]
    """
    op = "binary_crossentropy_with_logits"
    expected, wide, dtype = _targets_and_logits(op, targets, logits)
    positive = wide > 0
    linear = ops.where(positive, wide * (1.0 - expected), -wide * expected)
    tail = ops.log1p(ops.exp(ops.where(positive, -wide, wide)))
    return (linear + tail).astype(dtype)


def _targets_and_logits(
    op: str, targets: ArrayLike, logits: ArrayLike
) -> tuple[Array, Array, DType]:
    """Return both in the type in which to compute, and the type of the result."""
    nodes = [as_float(node) for node in promoted(targets, logits)]
    if nodes[0].shape != nodes[1].shape:
        shapes = " and ".join(str(list(node.shape)) for node in nodes)
        raise wrong(
            ShapeError,
            op,
            f"targets and logits must have equal shapes, got {shapes}",
            nodes,
            ("targets", "logits"),
            fix="for labels that are class numbers use "
            "sparse_categorical_crossentropy_with_logits",
        )
    dtype = as_float(as_node(logits)).dtype
    wide = dtypes.accumulator(nodes[1].dtype)
    expected, given = (Array.of_node(cast(node, wide)) for node in nodes)
    return expected, given, dtype
