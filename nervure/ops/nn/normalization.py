"""Arrays shifted and scaled to a mean of 0 and a variance of 1, or a norm of 1.

The distance from the mean is taken before anything is scaled.  Multiplying first, as
``x * a - mean * a``, would subtract two large numbers where the mean is large.
"""

from __future__ import annotations

from typing import Final

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.ir.sites import composite
from nervure.ops.kinds import ArrayLike
from nervure.ops.nn.precision import Axes, wide_floats
from nervure.ops.nn.statistics import moments
from nervure.ops.operands import axes_tuple, axis_index

# What is added to a variance so that its root can be divided by, unless told.
EPSILON: Final = 1e-7


@composite("batch_normalization")
def batch_normalization(
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    axis: int,
    offset: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    epsilon: float = 1e-3,
) -> Array:
    """Return ``(x - mean) / sqrt(variance + epsilon) * scale + offset``.

    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
    reducing internal covariate shift", 2015.

    Parameters
    ----------
    x
        ``float[...]``
    mean, variance, offset, scale
        ``float[features]``, one number for each place along ``axis``.
    axis
        The axis of the features.
    epsilon
        Added to the variance.

    Raises
    ------
    ShapeError
        For vectors that have not as many elements as x has features.

    >>> from nervure.ops import nn
    >>> nn.batch_normalization([[1.0], [5.0]], [3.0], [4.0], -1, epsilon=0.0).tolist()
    [[-1.0], [1.0]]
    """
    wide, dtype = wide_floats(x)
    place = axis_index("batch_normalization", axis, wide.ndim)

    def along_axis(name: str, vector: ArrayLike) -> Array:
        return _placed("batch_normalization", name, vector, wide, (place,))

    factor = ops.rsqrt(along_axis("variance", variance) + epsilon)
    if scale is not None:
        factor = factor * along_axis("scale", scale)
    result = (wide - along_axis("mean", mean)) * factor
    if offset is not None:
        result = result + along_axis("offset", offset)
    return result.astype(dtype)


@composite("layer_normalization")
def layer_normalization(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    axis: Axes = -1,
    epsilon: float | None = None,
) -> Array:
    """Return x with mean 0 and variance 1 over axes, times gamma, plus beta.

    ``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, with the moments of each
    sample by itself.  Ba et al., "Layer normalization", 2016.

    Parameters
    ----------
    x
        ``float[...]``
    gamma, beta
        ``float`` with the sizes of x along the axes, in the order that x has them.
    axis
        An axis, or several to be normalised together.
    epsilon
        Added to the variance; 1e-7 by default.

    Raises
    ------
    ShapeError
        For a gamma or beta of another shape.

    >>> from nervure.ops import nn
    >>> print(nn.layer_normalization([[1.0, 2.0, 3.0]]))
    [[-1.2247448  0.         1.2247448]]
    """
    wide, dtype = wide_floats(x)
    axes = tuple(sorted(axes_tuple("layer_normalization", axis, wide.ndim)))
    mean, variance = moments(wide, axes, keepdims=True)
    factor = ops.rsqrt(variance + (EPSILON if epsilon is None else epsilon))
    if gamma is not None:
        factor = factor * _placed("layer_normalization", "gamma", gamma, wide, axes)
    result = (wide - mean) * factor
    if beta is not None:
        result = result + _placed("layer_normalization", "beta", beta, wide, axes)
    return result.astype(dtype)


@composite("rms_normalization")
def rms_normalization(
    x: ArrayLike,
    scale: ArrayLike | None = None,
    axis: Axes = -1,
    epsilon: float | None = None,
) -> Array:
    """Return x divided by its root mean square over axes, times ``scale``.

    ``x / sqrt(mean(x * x) + epsilon) * scale``.  Zhang and Sennrich, "Root mean square
    layer normalization", 2019.

    Parameters
    ----------
    x
        ``float[...]``
    scale
        ``float`` with the sizes of x along the axes, in the order that x has them.
    axis
        An axis, or several to be normalised together.
    epsilon
        Added to the mean square; 1e-7 by default.

    Raises
    ------
    ShapeError
        For a scale of another shape.

    >>> from nervure.ops import nn
    >>> nn.rms_normalization([[3.0, 3.0, -3.0]], epsilon=0.0).tolist()
    [[1.0, 1.0, -1.0]]
    """
    wide, dtype = wide_floats(x)
    axes = tuple(sorted(axes_tuple("rms_normalization", axis, wide.ndim)))
    mean_square = ops.mean(wide * wide, axis=axes, keepdims=True)
    factor = ops.rsqrt(mean_square + (EPSILON if epsilon is None else epsilon))
    if scale is not None:
        factor = factor * _placed("rms_normalization", "scale", scale, wide, axes)
    return (wide * factor).astype(dtype)


def _placed(
    op: str, name: str, values: ArrayLike, x: Array, axes: tuple[int, ...]
) -> Array:
    """Return values that belong to some axes of x in a shape that broadcasts to x."""
    array = ops.asarray(values).astype(x.dtype)
    expected = tuple(x.shape[axis] for axis in axes)
    if array.shape != expected:
        raise ShapeError(
            explain(
                f"{op}: expected {name} of shape {list(expected)}, the sizes of x of "
                f"shape {list(x.shape)} along the axes {list(axes)}; got "
                f"{list(array.shape)}",
                fix="pass one number for each place along the axes that are kept",
            )
        )
    kept = set(axes)
    return ops.reshape(
        array,
        tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape)),
    )
