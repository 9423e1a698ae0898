"""Gradients made shorter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.tf1.building import one_output, operation
from nervure.tf1.tensor import Tensor, convert_to_tensor


def clip_by_norm(
    t: Any, clip_norm: Any, axes: Any = None, name: str | None = None
) -> Tensor:
    """Return a tensor, scaled down to a norm if its own is larger.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.clip_by_norm([3.0, 4.0], 1.0)))
    [0.6 0.8]
    """
    x = convert_to_tensor(t)
    limit = convert_to_tensor(clip_norm, x.dtype)
    over = tuple(axes) if isinstance(axes, list) else axes

    def clipped(value: Array, most: Array) -> Array:
        length = _root(ops.sum(ops.square(value), axis=over, keepdims=True))
        return value * most / ops.maximum(length, most)

    return one_output("clip_by_norm", [x, limit], clipped, name)


def _root(total: Array) -> Array:
    """Return the square root, whose derivative at 0 is 0."""
    safe = ops.where(total > 0, total, 1.0)
    return ops.where(total > 0, ops.sqrt(safe), 0.0)


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """Return the norm of several tensors taken together.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.global_norm([[3.0], [4.0], None]))
    np.float32(5.0)
    """
    tensors = [convert_to_tensor(one) for one in t_list if one is not None]
    return one_output("global_norm", tensors, _norm, name)


def _norm(*values: Array) -> Array:
    total = ops.sum(ops.square(values[0]))
    for value in values[1:]:
        total = total + ops.sum(ops.square(value))
    return _root(total)


def clip_by_global_norm(
    t_list: Sequence[Any],
    clip_norm: Any,
    use_norm: Any = None,
    name: str | None = None,
) -> tuple[list[Any], Tensor]:
    """Return tensors, scaled down together to a norm, and the norm that they had.

    None stays None.  If the norm is infinite or NaN, so is everything returned.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     clipped, norm = tf.clip_by_global_norm([[3.0], [4.0]], 1.0)
    ...     print(session.run(clipped), session.run(norm))
    [array([0.6], dtype=float32), array([0.8], dtype=float32)] 5.0
    """
    given = [None if one is None else convert_to_tensor(one) for one in t_list]
    tensors = [one for one in given if one is not None]
    norm = global_norm(tensors) if use_norm is None else convert_to_tensor(use_norm)
    limit = convert_to_tensor(clip_norm, norm.dtype)

    def emit(_context: Any, length: Array, most: Array, *values: Array) -> list[Array]:
        factor = most / ops.maximum(length, most)
        factor = ops.where(ops.isfinite(length), factor, float("nan"))
        return [value * ops.astype(factor, value.dtype) for value in values]

    made = operation(
        "clip_by_global_norm",
        [norm, limit, *tensors],
        emit,
        name,
        types=[(one.shape, one.dtype) for one in (*tensors,)],
    )
    left = iter(made.outputs)
    return [None if one is None else next(left) for one in given], norm
