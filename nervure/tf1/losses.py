"""Losses that join the collection of losses: ``tf.losses``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ops import nn
from nervure.tf1 import data_types
from nervure.tf1.building import one_output
from nervure.tf1.elementwise import add_n, cast
from nervure.tf1.graph import GraphKeys, get_default_graph
from nervure.tf1.tensor import Tensor, convert_to_tensor


def _loss(
    kind: str,
    labels: Any,
    predictions: Any,
    weights: Any,
    formula: Callable[[Array, Array], Array],
    *,
    labels_as: Any = None,
) -> Tensor:
    """Make a loss: the weighted sum, divided by the number of weights not zero."""
    given = convert_to_tensor(predictions)
    target = convert_to_tensor(labels)
    if labels_as is None:
        target = cast(target, given.dtype)
    factor = convert_to_tensor(weights, given.dtype)

    def emit(y: Array, x: Array, w: Array) -> Array:
        each = formula(y, x)
        while 0 < w.ndim < each.ndim:
            w = ops.expand_dims(w, axis=-1)
        w = ops.broadcast_to(w, each.shape)
        count = ops.sum(ops.astype(w != 0, each.dtype))
        return ops.sum(each * w) / ops.maximum(count, 1.0)

    made = one_output(kind, [target, given, factor], emit)
    get_default_graph().add_to_collection(GraphKeys.LOSSES, made)
    return made


def mean_squared_error(labels: Any, predictions: Any, weights: Any = 1.0) -> Tensor:
    """Return the mean of the squared differences.

    ``weights`` is a number, or one for each sample or element; elements of weight 0 do
    not count.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.losses.mean_squared_error([1.0, 2.0], [1.0, 4.0]))
    np.float32(2.0)
    """
    return _loss(
        "mean_squared_error",
        labels,
        predictions,
        weights,
        lambda y, x: ops.square(x - y),
    )


def absolute_difference(labels: Any, predictions: Any, weights: Any = 1.0) -> Tensor:
    """Return the mean of the differences' magnitudes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.losses.absolute_difference([1.0, 2.0], [1.0, 4.0]))
    np.float32(1.0)
    """
    return _loss(
        "absolute_difference", labels, predictions, weights, lambda y, x: ops.abs(x - y)
    )


def softmax_cross_entropy(
    onehot_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross-entropy of logits and rows of chances.

    Raises
    ------
    ArgumentError
        For label_smoothing outside of 0 to 1.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.losses.softmax_cross_entropy([[0.0, 1.0]], [[-1e3, 0.0]]))
    np.float32(0.0)
    """
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            explain(
                f"softmax_cross_entropy: expected label_smoothing from 0 to 1, got "
                f"{label_smoothing}",
                fix="label_smoothing=0.1 is a usual value",
            )
        )

    def formula(y: Array, x: Array) -> Array:
        share = label_smoothing / x.shape[-1]
        return nn.categorical_crossentropy_with_logits(
            y * (1.0 - label_smoothing) + share, x
        )

    return _loss("softmax_cross_entropy_loss", onehot_labels, logits, weights, formula)


def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0
) -> Tensor:
    """Return the mean cross-entropy of logits and classes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.losses.sparse_softmax_cross_entropy([1], [[-1e3, 0.0]]))
    np.float32(0.0)
    """
    return _loss(
        "sparse_softmax_cross_entropy_loss",
        labels,
        logits,
        weights,
        nn.sparse_categorical_crossentropy_with_logits,
        labels_as=data_types.int64,
    )


def sigmoid_cross_entropy(
    multi_class_labels: Any, logits: Any, weights: Any = 1.0
) -> Tensor:
    """Return the mean loss of independent yes-no questions.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.losses.sigmoid_cross_entropy([1.0], [1e3]))
    np.float32(0.0)
    """
    return _loss(
        "sigmoid_cross_entropy_loss",
        multi_class_labels,
        logits,
        weights,
        nn.binary_crossentropy_with_logits,
    )


def add_loss(loss: Tensor, loss_collection: str = GraphKeys.LOSSES) -> None:
    """Add a tensor to the collection of losses.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.losses.add_loss(tf.constant(1.0))
    ...     len(tf.losses.get_losses())
    1
    """
    get_default_graph().add_to_collection(loss_collection, loss)


def get_losses(
    scope: str | None = None, loss_collection: str = GraphKeys.LOSSES
) -> list[Tensor]:
    """Return the losses that have been made.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.losses.get_losses()
    []
    """
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Tensor]:
    """Return the losses of regularizers.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.losses.get_regularization_losses()
    []
    """
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss"
) -> Tensor:
    """Return the sum of all losses.

    Raises
    ------
    ArgumentError
        When there are no losses.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     loss = tf.losses.mean_squared_error([1.0], [3.0])
    ...     session.run(tf.losses.get_total_loss())
    np.float32(4.0)
    """
    found = get_losses()
    if add_regularization_losses:
        found += get_regularization_losses()
    if not found:
        raise ArgumentError(
            explain(
                "get_total_loss: there are no losses",
                fix="call one of tf.losses first, or tf.losses.add_loss",
            )
        )
    return add_n(found, name)
