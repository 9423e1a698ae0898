"""Softmax and its logarithm, without overflow."""

from __future__ import annotations

import math

from nervure import ops
from nervure.array import Array
from nervure.ir.sites import composite
from nervure.ops.kinds import ArrayLike
from nervure.ops.nn.precision import Axes, wide_floats
from nervure.ops.operands import axes_tuple
from nervure.prims.annotate import stop_gradient


def largest_removed(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return x minus its largest element, and that element, 0 where it is infinite.

    Derivatives treat it as a constant: softmax and its kin do not depend on it.
    """
    largest = stop_gradient(ops.max(x, axis=axes, keepdims=True).node)
    shift = Array.of_node(largest)
    shift = ops.where(ops.isfinite(shift), shift, 0.0)
    return x - shift, shift


def exponentials(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Return x shifted, its exponentials, and their sum (1 for nothing but -inf)."""
    shifted, _ = largest_removed(x, axes)
    powers = ops.exp(shifted)
    total = ops.sum(powers, axis=axes, keepdims=True)
    return shifted, powers, ops.where(total == 0, 1.0, total)


@composite("softmax")
def softmax(x: ArrayLike, axis: Axes = -1) -> Array:
    """Return exp(x) / sum(exp(x)) along an axis, without overflow.

    Elements -inf get 0.  A row of nothing else has no largest element and gives zeros
    rather than NaN, so that a fully masked row does not spoil what comes after it.

    Parameters
    ----------
    x
        ``float[...]`` with at least one element on ``axis``.
    axis
        An axis, or several to be normalised together.

    Raises
    ------
    ArgumentError, ShapeError
        For an axis that x does not have, or no elements.

    >>> import nervure as nv
    >>> from nervure.ops import nn
    >>> nn.softmax([1000.0, 1000.0, -nv.inf]).tolist()
    [0.5, 0.5, 0.0]
    """
    wide, dtype = wide_floats(x)
    axes = axes_tuple("softmax", axis, wide.ndim)
    _, powers, total = exponentials(wide, axes)
    return (powers / total).astype(dtype)


def masked_softmax(x: Array, mask: Array | None, axis: Axes = -1) -> Array:
    """Return the softmax of the elements where ``mask`` is true, and 0 elsewhere.

    ``mask`` broadcasts to x; None allows everything.  Where it allows nothing along
    the axis the result is 0, and so is the derivative.

    >>> import nervure as nv
    >>> from nervure.ops.nn.softmax import masked_softmax
    >>> masked_softmax(nv.ones(3), nv.asarray([True, False, True])).tolist()
    [0.5, 0.0, 0.5]
    """
    if mask is None:
        return softmax(x, axis)
    return softmax(ops.where(mask, x, -math.inf), axis)


@composite("log_softmax")
def log_softmax(x: ArrayLike, axis: Axes = -1) -> Array:
    """Return log(softmax(x)) along an axis, without underflow.

    Elements -inf stay -inf, and so does a row of nothing else.

    Parameters
    ----------
    x
        ``float[...]`` with at least one element on ``axis``.
    axis
        An axis, or several to be normalised together.

    Raises
    ------
    ArgumentError, ShapeError
        For an axis that x does not have, or no elements.

    >>> from nervure.ops import nn
    >>> nn.log_softmax([0.0, -1e4]).tolist()
    [0.0, -10000.0]
    """
    wide, dtype = wide_floats(x)
    axes = axes_tuple("log_softmax", axis, wide.ndim)
    shifted, _, total = exponentials(wide, axes)
    return (shifted - ops.log(total)).astype(dtype)


@composite("logsumexp")
def logsumexp(
    x: ArrayLike, axis: Axes | None = None, *, keepdims: bool = False
) -> Array:
    """Return log(sum(exp(x))) over axes, all by default, without overflow.

    -inf where there is nothing but -inf; the derivative there is 0.

    Raises
    ------
    ArgumentError, ShapeError
        For an axis that x does not have, or no elements.

    >>> import nervure as nv
    >>> from nervure.ops import nn
    >>> nn.logsumexp([-nv.inf, 1000.0]).item()
    1000.0
    """
    wide, dtype = wide_floats(x)
    axes = axes_tuple("logsumexp", axis, wide.ndim)
    shifted, shift = largest_removed(wide, axes)
    total = ops.sum(ops.exp(shifted), axis=axes, keepdims=True)
    nothing = total == 0
    level = ops.log(ops.where(nothing, 1.0, total)) + shift
    result = ops.where(nothing, -math.inf, level).astype(dtype)
    return result if keepdims else ops.squeeze(result, axes)
