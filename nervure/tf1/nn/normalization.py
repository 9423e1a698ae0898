"""Moments, normalisation and tables of embeddings."""

from __future__ import annotations

from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.ops import nn
from nervure.tf1.building import one_output, several_outputs
from nervure.tf1.picking import gather
from nervure.tf1.tensor import Tensor, convert_to_tensor


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool = False,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """Return mean and variance over axes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.nn.moments(tf.constant([1.0, 3.0]), [0]))
    (np.float32(2.0), np.float32(1.0))
    """
    over = tuple(axes) if isinstance(axes, list) else axes
    kept = bool(keep_dims or keepdims)
    mean, variance = several_outputs(
        "moments",
        [convert_to_tensor(x)],
        lambda value: nn.moments(value, over, kept),
        name,
    )
    return mean, variance


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: float,
    name: str | None = None,
) -> Tensor:
    """Return ``(x - mean) / sqrt(variance + epsilon) * scale + offset``.

    ``offset`` and ``scale`` may be None.  Ioffe and Szegedy (2015).

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     y = tf.nn.batch_normalization(tf.constant([1.0, 3.0]), 2.0, 1.0, None, None,
    ...                                   0.0)
    ...     print(session.run(y))
    [-1.  1.]
    """
    tensor = convert_to_tensor(x)
    given = {"mean": mean, "variance": variance, "offset": offset, "scale": scale}
    present = {
        key: convert_to_tensor(one, tensor.dtype)
        for key, one in given.items()
        if one is not None
    }

    def normalized(value: Array, *numbers: Array) -> Array:
        known = dict(zip(present, numbers, strict=True))
        factor = ops.rsqrt(known["variance"] + variance_epsilon)
        if "scale" in known:
            factor = factor * known["scale"]
        result = (value - known["mean"]) * factor
        return result + known["offset"] if "offset" in known else result

    return one_output("batchnorm", [tensor, *present.values()], normalized, name)


def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """Return x divided by a power of the squares of its neighbours among channels.

    It is x / (bias + alpha * sum(x^2))^beta, with the sum over ``2 * depth_radius + 1``
    channels.  Krizhevsky et al. (2012).

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     y = tf.nn.local_response_normalization(tf.ones([1, 1, 1, 1]), bias=3.0)
    ...     print(session.run(y).ravel())
    [0.5]
    """

    def normalized(x: Array) -> Array:
        margin = [(0, 0)] * (x.ndim - 1) + [(depth_radius, depth_radius)]
        squares = ops.pad(ops.square(x), margin)
        channels = x.shape[-1]
        total = squares[..., :channels]
        for shift in range(1, 2 * depth_radius + 1):
            total = total + squares[..., shift : shift + channels]
        return x * ops.pow(bias + alpha * total, -beta)

    return one_output("LRN", [convert_to_tensor(input)], normalized, name)


lrn = local_response_normalization


def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: float | None = None,
) -> Tensor:
    """Return the rows of a table with these numbers.

    ``float[n, *S]`` and ``int[*N]`` give ``float[*N, *S]``; rows longer than
    ``max_norm`` are shortened to it.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     table = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    ...     print(session.run(tf.nn.embedding_lookup(table, [1, 1])))
    [[3. 4.]
     [3. 4.]]
    """
    table = (
        params[0] if isinstance(params, list | tuple) and len(params) == 1 else params
    )
    found = gather(table, ids, name=name or "embedding_lookup")
    if max_norm is None:
        return found

    def shortened(rows: Array) -> Array:
        length = ops.sqrt(ops.sum(ops.square(rows), axis=-1, keepdims=True))
        return rows * (max_norm / ops.maximum(length, max_norm))

    return one_output("ClipByNorm", [found], shortened)


def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """Return how large a part of the elements is zero.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.nn.zero_fraction([0.0, 1.0]))
    np.float32(0.5)
    """
    return one_output(
        "zero_fraction",
        [convert_to_tensor(value)],
        lambda x: ops.mean(ops.astype(x == 0, "float32")),
        name,
    )
