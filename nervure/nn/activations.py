"""The activations that layers know by name.

Each takes an array and returns one of the same shape; formulas and sources are with the
functions of :mod:`nervure.ops.nn` and here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.nn.functions import require_parameters
from nervure.nn.lookup import Registry
from nervure.ops import nn
from nervure.ops.nn import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    swish,
    tanh,
)

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Activation = Callable[..., Array]


def linear(x: Any) -> Array:
    """Return x.

    >>> import nervure as nv
    >>> nv.activations.linear([1.0]).tolist()
    [1.0]
    """
    return ops.asarray(x)


def relu(
    x: Any,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Return x above a threshold, a line below it, and no more than a maximum.

    ``max(x, 0)`` by default; in general ``max_value`` for x from ``max_value`` on, x
    from ``threshold`` on, and ``negative_slope * (x - threshold)`` below.

    >>> import nervure as nv
    >>> nv.activations.relu([-2.0, 3.0, 9.0], negative_slope=0.5).tolist()
    [-1.0, 3.0, 9.0]
    """
    if not negative_slope and max_value is None and not threshold:
        return nn.relu(x)
    array = linear(x)
    if threshold:
        # Not 0 times what may be infinite.
        below = negative_slope * (array - threshold) if negative_slope else 0.0
        result = ops.where(array >= threshold, array, below)
    elif negative_slope:
        result = nn.leaky_relu(array, negative_slope)
    else:
        result = nn.relu(array)
    return result if max_value is None else ops.minimum(result, max_value)


def threshold(x: Any, threshold: float, default_value: float) -> Array:
    """Return x where it is above ``threshold`` and ``default_value`` elsewhere.

    >>> import nervure as nv
    >>> nv.activations.threshold([-1.0, 2.0], 0.0, 5.0).tolist()
    [5.0, 2.0]
    """
    array = linear(x)
    return ops.where(array > threshold, array, default_value)


def soft_shrink(x: Any, threshold: float = 0.5) -> Array:
    """Return x moved towards 0 by ``threshold``, and 0 within it.

    >>> import nervure as nv
    >>> nv.activations.soft_shrink([-2.0, 0.3, 2.0]).tolist()
    [-1.5, 0.0, 1.5]
    """
    array = linear(x)
    outer = ops.where(array > 0, array - threshold, array + threshold)
    return ops.where(ops.abs(array) > threshold, outer, 0.0)


def hard_shrink(x: Any, threshold: float = 0.5) -> Array:
    """Return x where it is farther than ``threshold`` from 0, and 0 elsewhere.

    >>> import nervure as nv
    >>> nv.activations.hard_shrink([-2.0, 0.3, 2.0]).tolist()
    [-2.0, 0.0, 2.0]
    """
    array = linear(x)
    return ops.where(ops.abs(array) > threshold, array, 0.0)


def tanh_shrink(x: Any) -> Array:
    """Return ``x - tanh(x)``.

    >>> import nervure as nv
    >>> nv.activations.tanh_shrink([0.0]).tolist()
    [0.0]
    """
    array = linear(x)
    return array - nn.tanh(array)


def squareplus(x: Any, b: float = 4.0) -> Array:
    """Return ``(x + sqrt(x^2 + b)) / 2``, a smooth ReLU (Barron 2021).

    >>> import nervure as nv
    >>> nv.activations.squareplus([0.0]).tolist()
    [1.0]
    """
    array = linear(x)
    return (array + ops.sqrt(array * array + b)) * 0.5


def sparse_plus(x: Any) -> Array:
    """Return 0 up to -1, ``(x + 1)^2 / 4`` between -1 and 1, and x from 1 on.

    >>> import nervure as nv
    >>> nv.activations.sparse_plus([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.25, 2.0]
    """
    array = linear(x)
    middle = ops.square(array + 1.0) * 0.25
    return ops.where(array <= -1, 0.0, ops.where(array < 1, middle, array))


def sparse_sigmoid(x: Any) -> Array:
    """Return 0 up to -1, ``(x + 1) / 2`` between -1 and 1, and 1 from 1 on.

    >>> import nervure as nv
    >>> nv.activations.sparse_sigmoid([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    array = linear(x)
    middle = (array + 1.0) * 0.5
    return ops.where(array <= -1, 0.0, ops.where(array < 1, middle, 1.0))


def sparsemax(x: Any, axis: int = -1) -> Array:
    """Return the point of the probability simplex nearest to x, along an axis.

    Martins and Astudillo, "From softmax to sparsemax", 2016, algorithm 1.

    >>> import nervure as nv
    >>> nv.activations.sparsemax([[2.0, 0.0, -1.0]]).tolist()
    [[1.0, 0.0, 0.0]]
    """
    array = ops.moveaxis(linear(x), axis, -1)
    ordered = ops.sort(array, axis=-1, descending=True)
    total = ops.cumulative_sum(ordered, axis=-1)
    rank = ops.arange(1, array.shape[-1] + 1, dtype=array.dtype)
    inside = 1.0 + rank * ordered > total
    count = ops.sum(ops.astype(inside, array.dtype), axis=-1, keepdims=True)
    chosen = ops.sum(ops.where(inside, ordered, 0.0), axis=-1, keepdims=True)
    shares = nn.relu(array - (chosen - 1.0) / count)
    return ops.moveaxis(shares, -1, axis)


_registry: Registry[Activation] = Registry("activation")
_registry.add_functions(
    [
        celu,
        elu,
        gelu,
        glu,
        hard_shrink,
        hard_sigmoid,
        hard_silu,
        hard_tanh,
        leaky_relu,
        linear,
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
        sparse_plus,
        sparse_sigmoid,
        sparsemax,
        squareplus,
        tanh,
        tanh_shrink,
        threshold,
    ],
    {"exponential": exponential, "swish": swish, "hard_swish": hard_swish},
)


def get(identifier: Any) -> Activation:
    """Return the activation for a name, or a function or layer as it is.

    None means :func:`linear`.  Raises
    :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.activations.get("tanh")([0.0]).tolist()
    [0.0]
    """
    if identifier is None:
        return linear
    found = _registry.get(identifier)
    require_parameters(
        "the activation", found, "x", fix="write lambda x: ..., with an array as result"
    )
    return found


def serialize(activation: Any) -> Any:
    """Return the name of an activation.

    Raises :class:`TypeError` for a function of your own, which has none.

    >>> import nervure as nv
    >>> nv.activations.serialize(nv.activations.relu)
    'relu'
    """
    return _registry.serialize(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the activation for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> nv.activations.deserialize("relu") is nv.activations.relu
    True
    """
    return _registry.deserialize(config, custom_objects)
