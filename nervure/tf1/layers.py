"""Layers as functions that make their own variables: ``tf.layers``.

Variables are named ``dense/kernel``, ``dense/bias`` and so on, in the scope of
variables in use; ``name`` and ``reuse`` share them between calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from nervure.errors import ArgumentError, ShapeError, explain
from nervure.tf1 import manipulation, nn
from nervure.tf1.control_flow import cond
from nervure.tf1.elementwise import cast
from nervure.tf1.graph import GraphKeys, get_default_graph
from nervure.tf1.initializers import ones_initializer, zeros_initializer
from nervure.tf1.linear import matmul, tensordot
from nervure.tf1.scopes import get_variable, variable_scope
from nervure.tf1.tensor import Tensor, convert_to_tensor, is_tensor
from nervure.tf1.variables import assign

Activation = Callable[[Tensor], Tensor]


def _channels(layer: str, x: Tensor) -> int:
    sizes = x.shape.sizes
    if not sizes or sizes[-1] is None:
        raise ShapeError(
            explain(
                f"{layer}: the size of the last axis must be known, got {x.type_text}",
                made_at=str(x.op.site),
                fix="reshape the input, or give the placeholder's last size",
            )
        )
    return sizes[-1]


def _pair(value: Any) -> tuple[int, int]:
    if hasattr(value, "__index__"):
        return int(value), int(value)
    first, second = value
    return int(first), int(second)


def dense(
    inputs: Any,
    units: int,
    activation: Activation | None = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Callable[[Any], Any] | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Return ``activation(inputs @ kernel + bias)``.

    ``float[*N, n]`` gives ``float[*N, units]``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 784])
    ...     tf.layers.dense(x, 10, tf.nn.relu).get_shape().as_list()
    [None, 10]
    """
    x = convert_to_tensor(inputs)
    with variable_scope(name, "dense", reuse=reuse):
        kernel = get_variable(
            "kernel",
            [_channels("dense", x), units],
            x.dtype,
            kernel_initializer,
            kernel_regularizer,
            trainable,
        )
        y = matmul(x, kernel) if x.shape.ndims == 2 else tensordot(x, kernel, 1)
        if use_bias:
            y = _with_bias(y, units, bias_initializer, trainable)
        return y if activation is None else activation(y)


def conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    activation: Activation | None = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Callable[[Any], Any] | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Return ``activation(conv2d(inputs, kernel) + bias)`` of images, channels last.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 28, 28, 1])
    ...     tf.layers.conv2d(x, 32, 5, padding="same").get_shape().as_list()
    [None, 28, 28, 32]
    """
    x = convert_to_tensor(inputs)
    with variable_scope(name, "conv2d", reuse=reuse):
        shape = [*_pair(kernel_size), _channels("conv2d", x), filters]
        kernel = get_variable(
            "kernel", shape, x.dtype, kernel_initializer, kernel_regularizer, trainable
        )
        steps = [1, *_pair(strides), 1]
        y = nn.conv2d(x, kernel, steps, padding.upper())
        if use_bias:
            y = _with_bias(y, filters, bias_initializer, trainable)
        return y if activation is None else activation(y)


def _with_bias(y: Tensor, channels: int, initializer: Any, trainable: bool) -> Tensor:
    start = initializer or zeros_initializer()
    bias = get_variable("bias", [channels], y.dtype, start, trainable=trainable)
    return nn.bias_add(y, bias)


def max_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    name: str | None = None,
) -> Tensor:
    """Return the largest element of each window of images.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.layers.max_pooling2d(tf.zeros([1, 4, 4, 3]), 2, 2).get_shape().as_list()
    [1, 2, 2, 3]
    """
    return nn.max_pool(
        inputs,
        [1, *_pair(pool_size), 1],
        [1, *_pair(strides), 1],
        padding.upper(),
        name=name,
    )


def average_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    name: str | None = None,
) -> Tensor:
    """Return the mean of each window of images.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.layers.average_pooling2d(tf.zeros([1, 4, 4, 3]), 2, 2).shape.as_list()
    [1, 2, 2, 3]
    """
    return nn.avg_pool(
        inputs,
        [1, *_pair(pool_size), 1],
        [1, *_pair(strides), 1],
        padding.upper(),
        name=name,
    )


def flatten(inputs: Any, name: str | None = None) -> Tensor:
    """Return each sample as one row.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 7, 7, 64])
    ...     tf.layers.flatten(x).get_shape().as_list()
    [None, 3136]
    """
    x = convert_to_tensor(inputs)
    sizes = x.shape.as_list()[1:]
    known = None not in sizes
    row = math.prod(sizes) if known else -1  # type: ignore[arg-type]
    first = -1 if known else manipulation.shape(x)[0]
    return manipulation.reshape(x, [first, row], name or "flatten")


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Sequence[int | None] | None = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Tensor:
    """Return the input with elements dropped at ``rate`` while training.

    ``training`` may be a tensor, such as a placeholder.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     training = tf.placeholder(tf.bool, [])
    ...     y = tf.layers.dropout(tf.ones([2]), 0.5, training=training)
    ...     print(session.run(y, {training: False}))
    [1. 1.]
    """
    x = convert_to_tensor(inputs)
    if not is_tensor(training):
        return nn.dropout(x, 1.0 - rate, noise_shape, seed, name) if training else x
    found: Tensor = cond(
        training, lambda: nn.dropout(x, 1.0 - rate, noise_shape, seed, name), lambda: x
    )
    return found


def batch_normalization(
    inputs: Any,
    axis: int = -1,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    training: Any = False,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Return the input normalised over all axes but the last.

    While training the batch's moments are taken; the operations that update the moving
    ones join the collection ``tf.GraphKeys.UPDATE_OPS`` and have to be run with the
    step, as in TensorFlow.  Ioffe and Szegedy (2015).

    Raises
    ------
    ArgumentError
        For another axis than the last.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     y = tf.layers.batch_normalization(tf.zeros([4, 3]), training=True)
    ...     len(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
    2
    """
    x = convert_to_tensor(inputs)
    ndims = x.shape.ndims
    if ndims is None or axis not in (-1, ndims - 1):
        raise ArgumentError(
            explain(
                "batch_normalization: only the last axis has channels here",
                fix="put the channels last, and leave axis out",
            )
        )
    size = [_channels("batch_normalization", x)]
    with variable_scope(name, "batch_normalization", reuse=reuse):
        gamma = (
            get_variable("gamma", size, x.dtype, ones_initializer()) if scale else None
        )
        beta = (
            get_variable("beta", size, x.dtype, zeros_initializer()) if center else None
        )
        means = get_variable(
            "moving_mean", size, x.dtype, zeros_initializer(), trainable=False
        )
        variances = get_variable(
            "moving_variance", size, x.dtype, ones_initializer(), trainable=False
        )
        now = nn.moments(x, list(range(ndims - 1)))
        use: Any = cast(training, "bool") if is_tensor(training) else bool(training)

        def chosen(batch: Tensor, moving: Any) -> Any:
            if isinstance(use, bool):
                return batch if use else moving
            return cond(use, lambda: batch, lambda: moving.snapshot)

        for moving, batch in ((means, now[0]), (variances, now[1])):
            if use is False:
                continue
            aim = chosen(batch, moving)
            update = assign(moving, moving * momentum + aim * (1.0 - momentum))
            get_default_graph().add_to_collection(GraphKeys.UPDATE_OPS, update.op)
        return nn.batch_normalization(
            x, chosen(now[0], means), chosen(now[1], variances), beta, gamma, epsilon
        )
