"""Losses of logits, and how good a classification is."""

from __future__ import annotations

from typing import Any, NamedTuple

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, explain
from nervure.ops import nn
from nervure.tf1 import data_types
from nervure.tf1.building import matching, one_output, several_outputs
from nervure.tf1.ordering import stop_gradient
from nervure.tf1.tensor import Tensor, convert_to_tensor


def _require_names(sentinel: Any, function: str) -> None:
    if sentinel is not None:
        raise ArgumentError(
            explain(
                f"{function} takes its arguments by name only, so that labels and "
                "logits are not confused",
                fix=f"write {function}(labels=..., logits=...)",
            )
        )


def softmax_cross_entropy_with_logits_v2(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Tensor:
    """Return -sum(labels * log(softmax(logits))) for each row.

    ``float[*N, n]`` and ``float[*N, n]`` give ``float[*N]``; derivatives flow into the
    labels as well.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     loss = tf.nn.softmax_cross_entropy_with_logits_v2(
    ...         labels=[[0.0, 1.0]], logits=[[-1000.0, 0.0]])
    ...     print(session.run(loss))
    [0.]
    """
    _require_names(_sentinel, "softmax_cross_entropy_with_logits_v2")
    place = dim if axis is None else axis
    given, scores = convert_to_tensor(labels), convert_to_tensor(logits)
    if given.dtype != scores.dtype:
        matching("SoftmaxCrossEntropyWithLogits", given, scores)  # raises
    return one_output(
        "SoftmaxCrossEntropyWithLogits",
        [given, scores],
        lambda t, x: nn.categorical_crossentropy_with_logits(t, x, axis=place),
        name,
    )


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
) -> Tensor:
    """Return -sum(labels * log(softmax(logits))) for each row; labels are constants.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     loss = tf.nn.softmax_cross_entropy_with_logits(
    ...         labels=[[0.0, 1.0]], logits=[[-1000.0, 0.0]])
    ...     print(session.run(loss))
    [0.]
    """
    _require_names(_sentinel, "softmax_cross_entropy_with_logits")
    return softmax_cross_entropy_with_logits_v2(
        labels=stop_gradient(labels), logits=logits, dim=dim, name=name
    )


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    name: str | None = None,
) -> Tensor:
    """Return -log(softmax(logits)) at the label of each row.

    ``int[*N]`` and ``float[*N, n]`` give ``float[*N]``.

    Raises
    ------
    DTypeError
        For labels that are not whole numbers.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
    ...         labels=[1], logits=[[-1000.0, 0.0]])
    ...     print(session.run(loss))
    [0.]
    """
    _require_names(_sentinel, "sparse_softmax_cross_entropy_with_logits")
    given = convert_to_tensor(labels)
    if not given.dtype.is_integer:
        raise DTypeError(
            explain(
                f"expected labels of whole numbers, got {given.type_text}; for rows "
                "with a "
                "one use softmax_cross_entropy_with_logits_v2",
                fix="convert them with tf.cast(labels, tf.int64)",
            )
        )
    return one_output(
        "SparseSoftmaxCrossEntropyWithLogits",
        [given, convert_to_tensor(logits)],
        nn.sparse_categorical_crossentropy_with_logits,
        name,
    )


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    name: str | None = None,
) -> Tensor:
    """Return the loss of independent yes-no questions, for each element.

    It is max(x, 0) - x t + log(1 + exp(-|x|)).

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     loss = tf.nn.sigmoid_cross_entropy_with_logits(
    ...         labels=[1.0], logits=[1000.0])
    ...     print(session.run(loss))
    [0.]
    """
    _require_names(_sentinel, "sigmoid_cross_entropy_with_logits")
    return one_output(
        "LogisticLoss",
        matching("LogisticLoss", labels, logits),
        nn.binary_crossentropy_with_logits,
        name or "logistic_loss",
    )


def weighted_cross_entropy_with_logits(
    targets: Any, logits: Any, pos_weight: Any, name: str | None = None
) -> Tensor:
    """Return the loss of yes-no questions where a missed yes counts more.

    It is (1 - t) x + (1 + (w - 1) t) (log(1 + exp(-|x|)) + max(-x, 0)).

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(
    ...         tf.nn.weighted_cross_entropy_with_logits([0.0], [-1000.0], 3.0)))
    [0.]
    """
    t, x = matching("weighted_cross_entropy", targets, logits)
    weight = convert_to_tensor(pos_weight, x.dtype)

    def loss(t: Array, x: Array, w: Array) -> Array:
        tail = nn.softplus(-ops.abs(x)) + nn.relu(-x)
        return (1.0 - t) * x + (1.0 + (w - 1.0) * t) * tail

    return one_output("logistic_loss", [t, x, weight], loss, name)


class TopK(NamedTuple):
    """The largest elements and their places."""

    values: Tensor
    indices: Tensor


def top_k(input: Any, k: int = 1, sorted: bool = True, name: str | None = None) -> TopK:
    """Return the ``k`` largest elements of each row, and their places.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     values, places = session.run(tf.nn.top_k([1.0, 5.0, 3.0], 2))
    ...     print(values, places)
    [5. 3.] [1 2]
    """

    def largest(x: Array) -> tuple[Array, Array]:
        values, places = ops.top_k(x, k)
        return values, ops.astype(places, data_types.int32.dtype)

    values, places = several_outputs(
        "TopKV2", [convert_to_tensor(input)], largest, name
    )
    return TopK(values, places)


def in_top_k(predictions: Any, targets: Any, k: int, name: str | None = None) -> Tensor:
    """Return for each row whether the target is among the ``k`` best.

    Classes that are as good as the target do not push it out.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.in_top_k([[0.1, 0.7], [0.6, 0.4]], [1, 1], 1)))
    [ True False]
    """

    def among(scores: Array, labels: Array) -> Array:
        at = ops.expand_dims(ops.astype(labels, "int64"), axis=1)
        own = ops.take_along_axis(scores, at, axis=1)
        better = ops.count_nonzero(scores > own, axis=1)
        return ops.logical_and(better < k, ops.all(ops.isfinite(own), axis=1))

    inputs = [convert_to_tensor(predictions), convert_to_tensor(targets)]
    return one_output("InTopK", inputs, among, name)
