"""Activation functions: one number in, one number out (and :func:`glu`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.ir.sites import composite
from nervure.ops.kinds import NUMBERS, ArrayLike, accepted
from nervure.ops.nn.precision import wide_floats
from nervure.ops.operands import as_node, axis_index
from nervure.prims.binary import le
from nervure.prims.leaf import full_like
from nervure.prims.select import select


def _elementwise(formula: Callable[[Array], Array], x: ArrayLike) -> Array:
    """Apply a formula to floating-point numbers, the narrow ones in float32."""
    wide, dtype = wide_floats(x)
    return formula(wide).astype(dtype)


# --- piecewise linear ----------------------------------------------------------------


@composite("relu")
def relu(x: ArrayLike, /) -> Array:
    """Return x where it is positive and 0 elsewhere; NaN stays NaN.

    The derivative at 0 is 0.  Integers keep their type.

    >>> from nervure.ops import nn
    >>> nn.relu([-1.0, 0.0, 2.0]).tolist()
    [0.0, 0.0, 2.0]
    """
    node = as_node(x)
    accepted("relu", [node], NUMBERS)
    zero = full_like(node, 0)
    return Array.of_node(select(le(node, zero), zero, node))


def _clamped(x: Array, low: float, high: float) -> Array:
    """Limit x to a range; unlike with minimum, the derivative is 0 at both ends."""
    return ops.where(x <= low, low, ops.where(x >= high, high, x))


@composite("relu6")
def relu6(x: ArrayLike, /) -> Array:
    """Return x limited to the range from 0 to 6; the derivative at both ends is 0.

    Element by element; the result has the shape and the floating-point type of x.

    Krizhevsky, Convolutional deep belief networks on CIFAR-10 (2010).

    >>> from nervure.ops import nn
    >>> nn.relu6([-1.0, 3.0, 8.0]).tolist()
    [0.0, 3.0, 6.0]
    """
    return _elementwise(lambda wide: _clamped(wide, 0.0, 6.0), x)


@composite("leaky_relu")
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    """Return x where it is positive and ``negative_slope * x`` elsewhere.

    Element by element; the result has the shape and the floating-point type of x.

    The slope is Keras's (JAX and PyTorch take 0.01); it is also the derivative at 0.

    >>> from nervure.ops import nn
    >>> nn.leaky_relu([-1.0, 2.0], negative_slope=0.5).tolist()
    [-0.5, 2.0]
    """
    return _elementwise(
        lambda wide: ops.where(wide > 0, wide, wide * negative_slope), x
    )


@composite("hard_tanh")
def hard_tanh(x: ArrayLike, /) -> Array:
    """Return x limited to the range from -1 to 1; the derivative at both ends is 0.

    Element by element; the result has the shape and the floating-point type of x.

    >>> from nervure.ops import nn
    >>> nn.hard_tanh([-3.0, 0.5, 3.0]).tolist()
    [-1.0, 0.5, 1.0]
    """
    return _elementwise(lambda wide: _clamped(wide, -1.0, 1.0), x)


def _hard_sigmoid(x: Array) -> Array:
    return _clamped(x + 3.0, 0.0, 6.0) / 6.0


@composite("hard_sigmoid")
def hard_sigmoid(x: ArrayLike, /) -> Array:
    """Return relu6(x + 3) / 6, a sigmoid of straight lines, as Keras 3 defines it.

    Element by element; the result has the shape and the floating-point type of x.

    >>> from nervure.ops import nn
    >>> nn.hard_sigmoid([-3.0, 0.0, 3.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return _elementwise(_hard_sigmoid, x)


@composite("hard_silu")
def hard_silu(x: ArrayLike, /) -> Array:
    """Return x * hard_sigmoid(x).

    Element by element; the result has the shape and the floating-point type of x.

    Howard et al., Searching for MobileNetV3 (2019).

    >>> from nervure.ops import nn
    >>> nn.hard_silu([-1.5, 0.0, 3.0]).tolist()
    [-0.375, 0.0, 3.0]
    """
    return _elementwise(lambda wide: wide * _hard_sigmoid(wide), x)


hard_swish = hard_silu


# --- exponential linear --------------------------------------------------------------


def _elu(x: Array, alpha: float) -> Array:
    positive = x > 0
    # The exponential never sees a large number, so its derivative does not overflow.
    return ops.where(positive, x, ops.expm1(ops.where(positive, 0.0, x)) * alpha)


@composite("elu")
def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Return x where it is positive and alpha (exp(x) - 1) elsewhere.

    Element by element; the result has the shape and the floating-point type of x.

    Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by
    exponential linear units (2016).  The derivative at 0 is ``alpha``.

    >>> import nervure as nv
    >>> from nervure.ops import nn
    >>> nn.elu([-nv.inf, 2.0]).tolist()
    [-1.0, 2.0]
    """
    return _elementwise(lambda wide: _elu(wide, alpha), x)


# Klambauer et al., Self-normalizing neural networks (2017), appendix A1.
_SELU_ALPHA: Final = 1.6732632423543772848170429916717
_SELU_SCALE: Final = 1.0507009873554804934193349852946


@composite("selu")
def selu(x: ArrayLike, /) -> Array:
    """Return 1.0507 elu(x, 1.6733), which keeps mean 0 and variance 1 through layers.

    Element by element; the result has the shape and the floating-point type of x.

    Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks
    (2017).

    >>> from nervure.ops import nn
    >>> nn.selu(1.0).item()
    1.0507010221481323
    """
    return _elementwise(lambda wide: _elu(wide, _SELU_ALPHA) * _SELU_SCALE, x)


@composite("celu")
def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Return x where it is positive and alpha (exp(x / alpha) - 1) elsewhere.

    Element by element; the result has the shape and the floating-point type of x.

    Barron, Continuously differentiable exponential linear units (2017): the derivative
    at 0 is 1 for every ``alpha``, which must not be 0.

    Raises
    ------
    ArgumentError
        For an alpha of 0.

    >>> import nervure as nv
    >>> from nervure.ops import nn
    >>> nn.celu([-nv.inf, 2.0], alpha=2.0).tolist()
    [-2.0, 2.0]
    """
    if alpha == 0:
        raise ArgumentError(
            explain(
                "celu: alpha must not be 0, it divides x",
                fix="alpha=1.0 is the usual value",
            )
        )

    def formula(wide: Array) -> Array:
        positive = wide > 0
        inner = ops.where(positive, 0.0, wide) / alpha
        return ops.where(positive, wide, ops.expm1(inner) * alpha)

    return _elementwise(formula, x)


# --- smooth --------------------------------------------------------------------------


@composite("gelu")
def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    """Return x times the probability that a standard normal variable is below x.

    Element by element; the result has the shape and the floating-point type of x.

    Hendrycks and Gimpel, Gaussian error linear units (2016).  ``approximate=True``
    takes their formula with a hyperbolic tangent,
    x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    >>> from nervure.ops import nn
    >>> nn.gelu([0.0, 100.0]).tolist()
    [0.0, 100.0]
    """
    return _elementwise(_gelu_by_tanh if approximate else _gelu, x)


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1.0 + ops.erf(x * math.sqrt(0.5)))


def _gelu_by_tanh(x: Array) -> Array:
    # Beyond 10 the tangent is 1 in every type, while the cube may overflow.
    inner = _clamped(x, -10.0, 10.0)
    cubic = inner + 0.044715 * inner * inner * inner
    return 0.5 * x * (1.0 + ops.tanh(math.sqrt(2 / math.pi) * cubic))


@composite("silu")
def silu(x: ArrayLike, /) -> Array:
    """Return x * sigmoid(x), also known as swish.

    Element by element; the result has the shape and the floating-point type of x.

    Elfwing, Uchibe and Doya, Sigmoid-weighted linear units (2017).

    >>> from nervure.ops import nn
    >>> nn.silu([0.0, 100.0]).tolist()
    [0.0, 100.0]
    """
    return _elementwise(lambda wide: wide * ops.sigmoid(wide), x)


swish = silu


def _softplus(x: Array) -> Array:
    """max(x, 0) + log(1 + exp(-|x|)), cut at 0 in one way in both places.

    So each side is the same smooth function with all its derivatives, at 0 as well.
    """
    positive = x > 0
    tail = ops.log1p(ops.exp(ops.where(positive, -x, x)))
    return ops.where(positive, x, 0.0) + tail


@composite("softplus")
def softplus(x: ArrayLike, /) -> Array:
    """Return log(1 + exp(x)), without overflow; its derivative is sigmoid(x).

    Element by element; the result has the shape and the floating-point type of x.

    >>> from nervure.ops import nn
    >>> nn.softplus([-1000.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """
    return _elementwise(_softplus, x)


@composite("log_sigmoid")
def log_sigmoid(x: ArrayLike, /) -> Array:
    """Return log(sigmoid(x)) without underflow: -softplus(-x).

    Element by element; the result has the shape and the floating-point type of x.

    >>> from nervure.ops import nn
    >>> nn.log_sigmoid([-1000.0]).tolist()
    [-1000.0]
    """
    return _elementwise(lambda wide: -_softplus(-wide), x)


@composite("softsign")
def softsign(x: ArrayLike, /) -> Array:
    """Return x / (1 + |x|).

    Element by element; the result has the shape and the floating-point type of x.

    >>> from nervure.ops import nn
    >>> nn.softsign([-1.0, 0.0, 3.0]).tolist()
    [-0.5, 0.0, 0.75]
    """
    return _elementwise(lambda wide: wide / (1.0 + ops.abs(wide)), x)


@composite("mish")
def mish(x: ArrayLike, /) -> Array:
    """Return x * tanh(softplus(x)).

    Element by element; the result has the shape and the floating-point type of x.

    Misra, Mish: a self regularized non-monotonic activation function (2019).

    >>> from nervure.ops import nn
    >>> nn.mish([0.0, 100.0]).tolist()
    [0.0, 100.0]
    """
    return _elementwise(lambda wide: wide * ops.tanh(_softplus(wide)), x)


@composite("glu")
def glu(x: ArrayLike, axis: int = -1) -> Array:
    """Return the first half of x times the sigmoid of the second half, along an axis.

    Dauphin et al., Language modeling with gated convolutional networks (2017).  Raises
    :class:`~nervure.errors.ShapeError` for an odd number of elements.

    >>> from nervure.ops import nn
    >>> nn.glu([3.0, 100.0]).tolist()
    [3.0]
    """
    wide, dtype = wide_floats(x)
    place = axis_index("glu", axis, wide.ndim)
    half, odd = divmod(wide.shape[place], 2)
    if odd:
        raise ShapeError(
            explain(
                f"glu: expected an even number of elements on axis {axis}, got "
                f"{wide.shape[place]}",
                fix="the first half is gated by the second",
            )
        )
    before = (slice(None),) * place
    linear, gate = wide[(*before, slice(half))], wide[(*before, slice(half, None))]
    return (linear * ops.sigmoid(gate)).astype(dtype)
