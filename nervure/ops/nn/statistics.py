"""Moments, and vectors divided by their norm."""

from __future__ import annotations

import math

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ir.sites import composite
from nervure.ops.kinds import ArrayLike
from nervure.ops.nn.precision import Axes, wide_floats
from nervure.ops.operands import axes_tuple
from nervure.ops.units import power_of_two


@composite("moments")
def moments(
    x: ArrayLike, axes: Axes | None = None, keepdims: bool = False
) -> tuple[Array, Array]:
    """Return mean and variance over axes, all by default.

    The variance is the mean of the squared distances from the mean, which does not
    cancel as the difference of two means of squares does; it is not corrected by one
    degree of freedom, as for batch normalisation.

    >>> from nervure.ops import nn
    >>> mean, variance = nn.moments([1.0, 3.0])
    >>> mean.item(), variance.item()
    (2.0, 1.0)
    """
    wide, dtype = wide_floats(x)
    places = axes_tuple("moments", axes, wide.ndim)
    mean = ops.mean(wide, axis=places, keepdims=True)
    distance = wide - mean
    variance = ops.mean(distance * distance, axis=places, keepdims=keepdims)
    if not keepdims:
        mean = ops.squeeze(mean, places)
    return mean.astype(dtype), variance.astype(dtype)


@composite("normalize")
def normalize(
    x: ArrayLike, axis: Axes = -1, order: int | float = 2, epsilon: float = 1e-12
) -> Array:
    """Return x divided by its norm along an axis, or by ``epsilon`` if that is larger.

    Parameters
    ----------
    x
        ``float[...]``
    axis
        An axis, or several to be taken together.
    order
        2 for the Euclidean norm, 1 for the sum of magnitudes, ``inf`` for the largest.
    epsilon
        A positive number; so zeros stay zeros, with the gradient 0 ... 1 / epsilon.

    Raises
    ------
    ArgumentError
        For another order, an epsilon that is not positive, or an axis that x does not
        have.

    >>> from nervure.ops import nn
    >>> print(nn.normalize([3e30, 4e30]))
    [0.59999996 0.8       ]
    """
    if order not in (1, 2, math.inf):
        raise ArgumentError(
            explain(
                f"normalize: expected the order 1, 2 or inf, got {order!r}",
                fix="order=2 divides by the length of the vector",
            )
        )
    if not epsilon > 0:
        raise ArgumentError(
            explain(
                f"normalize: expected a positive epsilon, got {epsilon!r}",
                fix="epsilon=1e-12 is the usual value",
            )
        )
    wide, dtype = wide_floats(x)
    axes = axes_tuple("normalize", axis, wide.ndim)
    largest = ops.max(ops.abs(wide), axis=axes, keepdims=True)
    # In units of the largest element neither the squares nor the norm overflow.
    unit = Array.of_node(power_of_two(largest.node))
    parts = wide / unit
    norm = largest / unit if order == math.inf else _norm(parts, axes, order)
    least = epsilon / unit
    small = norm <= least
    return ops.where(small, wide / epsilon, parts / ops.where(small, 1.0, norm)).astype(
        dtype
    )


def _norm(x: Array, axes: tuple[int, ...], order: float) -> Array:
    """Return the norm of x; its derivative where that is 0 is 0."""
    if order == 1:
        return ops.sum(ops.abs(x), axis=axes, keepdims=True)
    squares = ops.sum(x * x, axis=axes, keepdims=True)
    zero = squares == 0
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, squares)))
