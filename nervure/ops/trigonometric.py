"""Functions of angles, and their hyperbolic kin, element by element.

What is not a primitive is a formula that is accurate near 0 and for large arguments,
and whose derivative is: no branch that is not taken produces an infinity.
"""

from __future__ import annotations

import math

from nervure.array import Array
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike, on_floats, on_wide_floats
from nervure.prims import binary, unary
from nervure.prims.leaf import full_like
from nervure.prims.select import select

# --- angles --------------------------------------------------------------------------


def sin(x: ArrayLike, /) -> Array:
    """Return the sine of an angle in radians.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.sin(nv.asarray([0.0, nv.pi / 2])).tolist()
    [0.0, 1.0]
    """
    return on_floats("sin", unary.sin, x)


def cos(x: ArrayLike, /) -> Array:
    """Return the cosine of an angle in radians.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.cos(nv.asarray([0.0, nv.pi])).tolist()
    [1.0, -1.0]
    """
    return on_floats("cos", unary.cos, x)


def tan(x: ArrayLike, /) -> Array:
    """Return the tangent of an angle in radians.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.tan(nv.asarray([0.0])).tolist()
    [0.0]
    """

    def formula(node: Node) -> Node:
        return binary.div(unary.sin(node), unary.cos(node))

    return on_wide_floats("tan", formula, x)


def asin(x: ArrayLike, /) -> Array:
    """Return the angle whose sine is x, from -pi/2 to pi/2; NaN beyond -1 and 1.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.asin(nv.asarray([0.0, 1.0])), 3))
    [0.    1.571]
    """
    return on_wide_floats("asin", lambda node: binary.atan2(node, _cathetus(node)), x)


def acos(x: ArrayLike, /) -> Array:
    """Return the angle whose cosine is x, from 0 to pi; NaN beyond -1 and 1.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.acos(nv.asarray([1.0, 0.0])), 3))
    [0.    1.571]
    """
    return on_wide_floats("acos", lambda node: binary.atan2(_cathetus(node), node), x)


def _cathetus(x: Node) -> Node:
    """Return sqrt(1 - x^2) as a product, which keeps its digits where x is near 1."""
    one = full_like(x, 1)
    return unary.sqrt(binary.mul(binary.sub(one, x), binary.add(one, x)))


def atan(x: ArrayLike, /) -> Array:
    """Return the angle whose tangent is x, from -pi/2 to pi/2.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.atan(nv.asarray([0.0, nv.inf])), 3))
    [0.    1.571]
    """
    return on_floats("atan", lambda node: binary.atan2(node, full_like(node, 1)), x)


def atan2(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the angle of the point with ordinate x1 and abscissa x2, -pi to pi.

    Shapes broadcast and types promote; integers give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.atan2(nv.asarray([1.0, -1.0]), nv.asarray([0.0, 0.0])), 3))
    [ 1.571 -1.571]
    """
    return on_floats("atan2", binary.atan2, x1, x2)


# --- hyperbolic ----------------------------------------------------------------------


def sinh(x: ArrayLike, /) -> Array:
    """Return the hyperbolic sine.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.sinh(nv.asarray([0.0, 1.0])), 3))
    [0.    1.175]
    """
    return on_wide_floats("sinh", _sinh, x)


def cosh(x: ArrayLike, /) -> Array:
    """Return the hyperbolic cosine.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.cosh(nv.asarray([0.0, 1.0])), 3))
    [1.    1.543]
    """
    return on_wide_floats("cosh", _cosh, x)


def tanh(x: ArrayLike, /) -> Array:
    """Return the hyperbolic tangent.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> nv.tanh(nv.asarray([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """
    return on_floats("tanh", unary.tanh, x)


def asinh(x: ArrayLike, /) -> Array:
    """Return the number whose hyperbolic sine is x.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.asinh(nv.asarray([0.0, 1.0])), 3))
    [0.    0.881]
    """
    return on_wide_floats("asinh", _asinh, x)


def acosh(x: ArrayLike, /) -> Array:
    """Return the positive number whose hyperbolic cosine is x; NaN below 1.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.acosh(nv.asarray([1.0, 2.0])), 3))
    [0.    1.317]
    """
    return on_wide_floats("acosh", _acosh, x)


def atanh(x: ArrayLike, /) -> Array:
    """Return the number whose hyperbolic tangent is x; NaN beyond -1 and 1.

    Element by element: floating-point numbers keep their type, integers and truth
    values give float32.

    >>> import nervure as nv
    >>> print(nv.round(nv.atanh(nv.asarray([0.0, 0.5])), 3))
    [0.    0.549]
    """
    return on_wide_floats("atanh", _atanh, x)


# Above this exp(-x) does not reach the last digit of exp(x).
_ONE_EXPONENTIAL = 20.0


def _magnitude(x: Node) -> tuple[Node, Node]:
    """Return whether x is below 0, and its absolute value, with the slope 1 at 0."""
    negative = binary.lt(x, full_like(x, 0))
    return negative, select(negative, unary.neg(x), x)


def _half_exponential(x: Node) -> Node:
    """Return exp(x) / 2 for a large x; it and its slope outlive exp(x) itself."""
    root = unary.exp(binary.sub(x, full_like(x, 1)))  # the difference is exact
    return binary.mul(root, full_like(x, math.e / 2))


def _sinh(x: Node) -> Node:
    zero = full_like(x, 0)
    negative, size = _magnitude(x)
    large = binary.lt(full_like(x, _ONE_EXPONENTIAL), size)
    near = select(large, zero, x)
    difference = binary.sub(unary.expm1(near), unary.expm1(unary.neg(near)))
    far = _half_exponential(select(large, size, zero))
    signed = select(negative, unary.neg(far), far)
    return select(large, signed, binary.mul(difference, full_like(x, 0.5)))


def _cosh(x: Node) -> Node:
    zero = full_like(x, 0)
    _, size = _magnitude(x)
    large = binary.lt(full_like(x, _ONE_EXPONENTIAL), size)
    near = select(large, zero, x)
    total = binary.add(unary.exp(near), unary.exp(unary.neg(near)))
    far = _half_exponential(select(large, size, zero))
    return select(large, far, binary.mul(total, full_like(x, 0.5)))


def _asinh(x: Node) -> Node:
    """Return log(x + sqrt(x^2 + 1)) as log1p of a sum that is small for a small x."""
    one = full_like(x, 1)
    negative, size = _magnitude(x)
    large = binary.lt(full_like(x, 2.0**28), size)  # 1 does not reach x^2's last digit
    near = select(large, one, size)
    root = unary.sqrt(binary.add(binary.mul(near, near), one))
    slope = binary.add(one, binary.div(near, binary.add(one, root)))
    far = binary.add(unary.log(select(large, size, one)), full_like(x, math.log(2)))
    result = select(large, far, unary.log1p(binary.mul(near, slope)))
    return select(negative, unary.neg(result), result)


def _acosh(x: Node) -> Node:
    """Return 2 asinh(sqrt((x - 1) / 2)): accurate near 1, no overflow far from it."""
    half = full_like(x, 0.5)
    below = binary.mul(binary.sub(x, full_like(x, 1)), half)
    return binary.mul(_asinh(unary.sqrt(below)), full_like(x, 2))


def _atanh(x: Node) -> Node:
    """Return (log(1 + x) - log(1 - x)) / 2; the two have opposite signs."""
    difference = binary.sub(unary.log1p(x), unary.log1p(unary.neg(x)))
    return binary.mul(difference, full_like(x, 0.5))
