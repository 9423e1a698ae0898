"""Activations, dropout, and what stands beside them in every network."""

from __future__ import annotations

from typing import Any

from nervure import ops, random
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ops import nn
from nervure.tf1.building import matching, one_output, operation
from nervure.tf1.elementwise import unary
from nervure.tf1.emission import Context
from nervure.tf1.linear import matmul
from nervure.tf1.random_keys import seeds_for
from nervure.tf1.tensor import Tensor, convert_to_tensor, is_tensor

relu = unary("Relu", "relu", nn.relu, "max(x, 0)", "nn.relu([-1.0, 2.0])", "[0. 2.]")
relu6 = unary(
    "Relu6", "relu6", nn.relu6, "min(max(x, 0), 6)", "nn.relu6([-1.0, 8.0])", "[0. 6.]"
)
elu = unary("Elu", "elu", nn.elu, "x, or exp(x) - 1 below 0", "nn.elu(2.0)", "2.0")
selu = unary(
    "Selu", "selu", nn.selu, "the scaled exponential linear unit", "nn.selu(0.0)", "0.0"
)
softsign = unary(
    "Softsign", "softsign", nn.softsign, "x / (1 + |x|)", "nn.softsign(1.0)", "0.5"
)


def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Tensor:
    """Return x, or ``alpha * x`` below 0.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.leaky_relu([-1.0, 2.0], 0.5)))
    [-0.5  2. ]
    """
    return one_output(
        "LeakyRelu",
        [convert_to_tensor(features)],
        lambda x: nn.leaky_relu(x, negative_slope=alpha),
        name,
    )


def crelu(features: Any, name: str | None = None) -> Tensor:
    """Return relu(x) and relu(-x), joined along the last axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.crelu([-1.0, 2.0])))
    [0. 2. 1. 0.]
    """
    return one_output(
        "CRelu",
        [convert_to_tensor(features)],
        lambda x: nn.relu(ops.concat([x, -x], axis=-1)),
        name,
    )


def softmax(
    logits: Any,
    axis: int | None = None,
    name: str | None = None,
    dim: int | None = None,
) -> Tensor:
    """Return exp(x), divided by its sum along an axis, the last one by default.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.softmax([0.0, 0.0])))
    [0.5 0.5]
    """
    place = _axis(axis, dim)
    return one_output(
        "Softmax",
        [convert_to_tensor(logits)],
        lambda x: nn.softmax(x, axis=place),
        name,
    )


def log_softmax(
    logits: Any,
    axis: int | None = None,
    name: str | None = None,
    dim: int | None = None,
) -> Tensor:
    """Return the logarithm of :func:`softmax`, without overflow.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.log_softmax([1000.0, 0.0])))
    [    0. -1000.]
    """
    place = _axis(axis, dim)
    return one_output(
        "LogSoftmax",
        [convert_to_tensor(logits)],
        lambda x: nn.log_softmax(x, axis=place),
        name,
    )


def _axis(axis: int | None, dim: int | None) -> int:
    if axis is not None and dim is not None:
        raise ArgumentError(
            explain(
                "give either axis or dim, not both", fix="dim is the old name of axis"
            )
        )
    return -1 if axis is None and dim is None else int(dim if axis is None else axis)  # type: ignore[arg-type]


def bias_add(
    value: Any, bias: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """Return the sum of a tensor and one number for each channel.

    Channels are on the last axis, or with "NCHW" on the second.

    Raises
    ------
    ShapeError
        For a bias of more than one axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.bias_add([[1.0, 2.0]], [10.0, 20.0])))
    [[11. 22.]]
    """
    x, b = matching("BiasAdd", value, bias)
    first = (data_format or "NHWC").startswith("NC")

    def added(values: Array, numbers: Array) -> Array:
        if numbers.ndim != 1:
            raise ShapeError(
                explain(
                    "bias_add: expected a bias with one axis, got "
                    f"{list(numbers.shape)}",
                    fix="give one number for each channel",
                )
            )
        if first:
            numbers = ops.reshape(numbers, (-1,) + (1,) * (values.ndim - 2))
        return values + numbers

    return one_output("BiasAdd", [x, b], added, name)


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """Return ``x @ weights + biases``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.xw_plus_b([[1.0, 2.0]], [[3.0], [4.0]], [5.0])))
    [[16.]]
    """
    return bias_add(matmul(x, weights), biases, name=name)


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Return half the sum of the squares.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.nn.l2_loss([3.0, 4.0]))
    np.float32(12.5)
    """
    return one_output(
        "L2Loss", [convert_to_tensor(t)], lambda x: ops.sum(ops.square(x)) / 2, name
    )


def l2_normalize(
    x: Any,
    axis: Any = None,
    epsilon: float = 1e-12,
    name: str | None = None,
    dim: Any = None,
) -> Tensor:
    """Return ``x / sqrt(max(sum(x^2), epsilon))``, with the sum over axes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.nn.l2_normalize([3.0, 4.0], 0)))
    [0.6 0.8]
    """
    given = dim if axis is None else axis
    axes = tuple(given) if isinstance(given, list) else given

    def normalized(value: Array) -> Array:
        total = ops.sum(ops.square(value), axis=axes, keepdims=True)
        return value * ops.rsqrt(ops.maximum(total, epsilon))

    return one_output("L2Normalize", [convert_to_tensor(x)], normalized, name)


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """Return each element divided by ``keep_prob`` with that chance, else 0.

    Parameters
    ----------
    x
        A floating-point tensor.
    keep_prob
        The chance to keep an element: a number or a tensor, mostly a placeholder that
        is fed 1.0 after training.
    noise_shape
        Sizes, 1 along the axes on which elements are kept or dropped together.
    rate
        ``1 - keep_prob``, instead of it.

    Raises
    ------
    ArgumentError
        For both or neither of keep_prob and rate, and for a chance outside of 0 to 1.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = session.run(tf.nn.dropout(tf.ones([100]), 0.5))
    ...     print(sorted(set(x.tolist())))
    [0.0, 2.0]
    """
    tensor = convert_to_tensor(x)
    if (keep_prob is None) == (rate is None):
        raise ArgumentError(
            explain(
                "dropout: give either keep_prob or rate", fix="rate is 1 - keep_prob"
            )
        )
    chance = keep_prob if rate is None else 1.0 - rate
    if not is_tensor(chance) and not 0 < chance <= 1:
        raise ArgumentError(
            explain(
                f"dropout: expected keep_prob from 0 (not) to 1, got {chance}",
                fix="keep_prob=0.5 keeps half",
            )
        )
    if not is_tensor(chance) and chance == 1:
        return tensor
    kept = convert_to_tensor(chance, tensor.dtype)

    def emit(context: Context, value: Array, number: Array) -> Array:
        shape = value.shape
        if noise_shape is not None:
            shape = tuple(
                extent if one in (None, -1) else int(one)
                for one, extent in zip(noise_shape, shape, strict=True)
            )
        key = context.key(made.op)
        lot = random.uniform(shape, dtype=value.dtype, key=key)
        number = ops.reshape(number, ())
        return ops.where(lot < number, value / number, 0.0)

    made = operation(
        "Dropout",
        [tensor, kept],
        emit,
        name or "dropout",
        types=[(tensor.shape, tensor.dtype)],
        attributes={"seeds": seeds_for(tensor.graph, seed)},
    ).outputs[0]
    return made
