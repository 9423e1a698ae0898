"""Functions that combine the elements of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ops import nn
from nervure.tf1 import data_types
from nervure.tf1.building import one_output
from nervure.tf1.tensor import Tensor, convert_to_tensor


def axes_of(axis: Any, reduction_indices: Any = None) -> Any:
    """Return the axes that a user gave, under the new or the old name."""
    if axis is not None and reduction_indices is not None:
        raise ArgumentError(
            explain(
                "give either axis or reduction_indices, not both",
                fix="reduction_indices is the old name of axis",
            )
        )
    given = reduction_indices if axis is None else axis
    if given is None or hasattr(given, "__index__"):
        return given
    if isinstance(given, Tensor):
        given = given.op.attributes.get("value")
        if given is None:
            raise ArgumentError(
                explain(
                    "expected axes as numbers, got a computed tensor",
                    fix="the axes of a reduction are part of the graph: pass numbers",
                )
            )
    flat = np.asarray(given)
    return int(flat) if flat.ndim == 0 else tuple(int(one) for one in flat)


def _reduction(
    kind: str,
    x: Any,
    function: Callable[..., Array],
    axis: Any,
    keepdims: bool,
    name: str | None,
) -> Tensor:
    tensor = convert_to_tensor(x)
    return one_output(
        kind,
        [tensor],
        lambda value: function(value, axis=axis, keepdims=keepdims),
        name,
        {"axis": axis},
    )


def _kept(keepdims: Any, keep_dims: Any) -> bool:
    if keepdims is not None and keep_dims is not None:
        raise ArgumentError(
            explain(
                "give either keepdims or keep_dims, not both",
                fix="keep_dims is the old name of keepdims",
            )
        )
    return bool(keepdims or keep_dims)


def reduce_sum(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return the sum over axes; None is all of them.

    ``reduction_indices`` and ``keep_dims`` are old names of ``axis`` and ``keepdims``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    ...     print(session.run(tf.reduce_sum(x, reduction_indices=[1])))
    [3. 7.]
    """

    def total(value: Array, axis: Any, keepdims: bool) -> Array:
        return ops.sum(value, axis=axis, keepdims=keepdims, dtype=value.dtype)

    return _reduction(
        "Sum",
        input_tensor,
        total,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_mean(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return the mean over axes; that of whole numbers is rounded towards zero.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run([tf.reduce_mean([1.0, 2.0]), tf.reduce_mean([1, 2])])
    [np.float32(1.5), np.int32(1)]
    """

    def mean(value: Array, axis: Any, keepdims: bool) -> Array:
        return ops.astype(ops.mean(value, axis=axis, keepdims=keepdims), value.dtype)

    return _reduction(
        "Mean",
        input_tensor,
        mean,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_max(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return the largest element over axes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.reduce_max([[1, 5], [3, 2]], axis=0)))
    [3 5]
    """
    return _reduction(
        "Max",
        input_tensor,
        ops.max,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_min(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return the smallest element over axes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.reduce_min([[1, 5], [3, 2]], axis=0)))
    [1 2]
    """
    return _reduction(
        "Min",
        input_tensor,
        ops.min,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_prod(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return the product over axes.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.reduce_prod([2.0, 3.0]))
    np.float32(6.0)
    """

    def product(value: Array, axis: Any, keepdims: bool) -> Array:
        return ops.prod(value, axis=axis, keepdims=keepdims, dtype=value.dtype)

    return _reduction(
        "Prod",
        input_tensor,
        product,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_all(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return whether all elements are true.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.reduce_all([[True, False], [True, True]], 1)))
    [False  True]
    """
    return _reduction(
        "All",
        input_tensor,
        ops.all,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_any(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return whether any element is true.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.reduce_any([[False, False], [True, False]], 1)))
    [False  True]
    """
    return _reduction(
        "Any",
        input_tensor,
        ops.any,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return log(sum(exp(x))) over axes, without overflow.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.reduce_logsumexp([1000.0]))
    np.float32(1000.0)
    """
    return _reduction(
        "LogSumExp",
        input_tensor,
        nn.logsumexp,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )


def _place_of(
    kind: str,
    function: Callable[..., Array],
    x: Any,
    axis: Any,
    dimension: Any,
    output_type: Any,
    name: str | None,
) -> Tensor:
    tensor = convert_to_tensor(x)
    along = axes_of(axis, dimension)
    wanted = data_types.as_dtype(output_type).dtype
    return one_output(
        kind,
        [tensor],
        lambda value: ops.astype(function(value, axis=along or 0), wanted),
        name,
        {"axis": along},
    )


def argmax(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = data_types.int64,
) -> Tensor:
    """Return the place of the largest element along an axis, the first one by default.

    ``dimension`` is an old name of ``axis``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.argmax([[1, 5], [3, 2]], 1)))
    [1 0]
    """
    return _place_of("ArgMax", ops.argmax, input, axis, dimension, output_type, name)


def argmin(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = data_types.int64,
) -> Tensor:
    """Return the place of the smallest element along an axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.argmin([[1, 5], [3, 2]], 1)))
    [0 1]
    """
    return _place_of("ArgMin", ops.argmin, input, axis, dimension, output_type, name)


def cumsum(
    x: Any,
    axis: int = 0,
    exclusive: bool = False,
    reverse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return the running sums along an axis.

    ``exclusive`` leaves out the element itself, ``reverse`` starts at the end.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.cumsum([1, 2, 3], exclusive=True)))
    [0 1 3]
    """

    def sums(value: Array) -> Array:
        given = ops.flip(value, axis=axis) if reverse else value
        found = ops.cumulative_sum(given, axis=axis, dtype=value.dtype)
        found = found - given if exclusive else found
        return ops.flip(found, axis=axis) if reverse else found

    return one_output("Cumsum", [convert_to_tensor(x)], sums, name)


def count_nonzero(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = data_types.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Return how many elements are not zero.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.count_nonzero([0.0, 2.0, 3.0]))
    np.int64(2)
    """
    wanted = data_types.as_dtype(dtype).dtype

    def count(value: Array, axis: Any, keepdims: bool) -> Array:
        found = ops.count_nonzero(value, axis=axis, keepdims=keepdims)
        return ops.astype(found, wanted)

    return _reduction(
        "CountNonzero",
        input_tensor,
        count,
        axes_of(axis, reduction_indices),
        _kept(keepdims, keep_dims),
        name,
    )
