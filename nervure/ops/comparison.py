"""Comparing elements, and the logic and the bits of elements."""

from __future__ import annotations

from nervure import dtypes
from nervure.array import Array
from nervure.ir.node import Node
from nervure.ops.elementwise import negative_sign_bit
from nervure.ops.kinds import (
    BITS,
    INTEGERS,
    ArrayLike,
    Formula,
    as_float,
    on_floats,
    on_numbers,
)
from nervure.ops.operands import aligned, as_node
from nervure.prims import binary, unary
from nervure.prims.leaf import full_like
from nervure.prims.select import cast

# --- order ---------------------------------------------------------------------------


def equal(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether elements are equal; NaN equals nothing.

    >>> import nervure as nv
    >>> nv.equal(nv.asarray([1, 2]), 2).tolist()
    [False, True]
    """
    return on_numbers("equal", binary.eq, x1, x2, allowed=dtypes.ALL)


def not_equal(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether elements differ; NaN differs from everything.

    >>> import nervure as nv
    >>> nv.not_equal(nv.asarray([1, 2]), 2).tolist()
    [True, False]
    """

    def formula(x: Node, y: Node) -> Node:
        return unary.not_(binary.eq(x, y))

    return on_numbers("not_equal", formula, x1, x2, allowed=dtypes.ALL)


def less(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether x1 is less than x2.

    Shapes broadcast; the result is bool.

    >>> import nervure as nv
    >>> nv.less(nv.asarray([1, 2]), 2).tolist()
    [True, False]
    """
    return on_numbers("less", binary.lt, x1, x2, allowed=dtypes.ALL)


def less_equal(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether x1 is at most x2.

    Shapes broadcast; the result is bool.

    >>> import nervure as nv
    >>> nv.less_equal(nv.asarray([1, 2, 3]), 2).tolist()
    [True, True, False]
    """
    return on_numbers("less_equal", binary.le, x1, x2, allowed=dtypes.ALL)


def greater(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether x1 is greater than x2.

    Shapes broadcast; the result is bool.

    >>> import nervure as nv
    >>> nv.greater(nv.asarray([1, 2, 3]), 2).tolist()
    [False, False, True]
    """
    return on_numbers(
        "greater", lambda x, y: binary.lt(y, x), x1, x2, allowed=dtypes.ALL
    )


def greater_equal(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether x1 is at least x2.

    Shapes broadcast; the result is bool.

    >>> import nervure as nv
    >>> nv.greater_equal(nv.asarray([1, 2, 3]), 2).tolist()
    [False, True, True]
    """
    return on_numbers(
        "greater_equal", lambda x, y: binary.le(y, x), x1, x2, allowed=dtypes.ALL
    )


# --- what kind of number -------------------------------------------------------------


def isfinite(x: ArrayLike, /) -> Array:
    """Return whether elements are neither infinite nor NaN.

    >>> import nervure as nv
    >>> nv.isfinite(nv.asarray([1.0, nv.inf, nv.nan])).tolist()
    [True, False, False]
    """
    return on_numbers(
        "isfinite", _where_float(unary.is_finite, True), x, allowed=dtypes.ALL
    )


def isinf(x: ArrayLike, /) -> Array:
    """Return whether elements are infinite.

    >>> import nervure as nv
    >>> nv.isinf(nv.asarray([1.0, -nv.inf, nv.nan])).tolist()
    [False, True, False]
    """

    def formula(node: Node) -> Node:
        return binary.eq(unary.abs_(node), full_like(node, float("inf")))

    return on_numbers("isinf", _where_float(formula, False), x, allowed=dtypes.ALL)


def isnan(x: ArrayLike, /) -> Array:
    """Return whether elements are NaN.

    >>> import nervure as nv
    >>> nv.isnan(nv.asarray([1.0, nv.inf, nv.nan])).tolist()
    [False, False, True]
    """

    def formula(node: Node) -> Node:
        return unary.not_(binary.eq(node, node))

    return on_numbers("isnan", _where_float(formula, False), x, allowed=dtypes.ALL)


def _where_float(formula: Formula, otherwise: bool) -> Formula:
    """Give a formula of floating-point numbers a fixed answer for integers."""

    def answer(node: Node) -> Node:
        if dtypes.is_float(node.dtype):
            return formula(node)
        return full_like(cast(node, dtypes.bool_), otherwise)

    return answer


def signbit(x: ArrayLike, /) -> Array:
    """Return whether the sign is a minus, also that of -0.0 and NaN.

    Element by element, for numbers of any type; the result is bool.

    >>> import nervure as nv
    >>> nv.signbit(nv.asarray([0.0, -0.0, -3.0])).tolist()
    [False, True, True]
    """
    return on_floats("signbit", negative_sign_bit, x)


# --- logic ---------------------------------------------------------------------------


def _on_truths(op: str, formula: Formula, *values: ArrayLike) -> Array:
    """Apply a formula to the truth values of operands: whether they are not 0."""
    truths = [Array.of_node(cast(as_node(value), dtypes.bool_)) for value in values]
    return Array.of_node(formula(*aligned(op, *truths)))


def logical_and(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether both elements are true; numbers are true unless 0.

    >>> import nervure as nv
    >>> nv.logical_and(nv.asarray([True, False]), True).tolist()
    [True, False]
    """
    return _on_truths("logical_and", binary.and_, x1, x2)


def logical_or(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether one element is true; numbers are true unless 0.

    >>> import nervure as nv
    >>> nv.logical_or(nv.asarray([True, False]), False).tolist()
    [True, False]
    """
    return _on_truths("logical_or", binary.or_, x1, x2)


def logical_xor(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return whether exactly one element is true; numbers are true unless 0.

    >>> import nervure as nv
    >>> nv.logical_xor(nv.asarray([True, False]), True).tolist()
    [False, True]
    """
    return _on_truths("logical_xor", binary.xor, x1, x2)


def logical_not(x: ArrayLike, /) -> Array:
    """Return whether elements are false; numbers are true unless 0.

    >>> import nervure as nv
    >>> nv.logical_not(nv.asarray([True, False])).tolist()
    [False, True]
    """
    return _on_truths("logical_not", unary.not_, x)


# --- bits ----------------------------------------------------------------------------


def bitwise_and(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the bits that both integers or truth values have.

    >>> import nervure as nv
    >>> nv.bitwise_and(nv.asarray([6, 7]), 3).tolist()
    [2, 3]
    """
    return on_numbers("bitwise_and", binary.and_, x1, x2, allowed=BITS)


def bitwise_or(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the bits that one of two integers or truth values has.

    >>> import nervure as nv
    >>> nv.bitwise_or(nv.asarray([4, 1]), 2).tolist()
    [6, 3]
    """
    return on_numbers("bitwise_or", binary.or_, x1, x2, allowed=BITS)


def bitwise_xor(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the bits in which two integers or truth values differ.

    >>> import nervure as nv
    >>> nv.bitwise_xor(nv.asarray([6, 3]), 2).tolist()
    [4, 1]
    """
    return on_numbers("bitwise_xor", binary.xor, x1, x2, allowed=BITS)


def bitwise_invert(x: ArrayLike, /) -> Array:
    """Return integers or truth values with every bit turned over.

    >>> import nervure as nv
    >>> nv.bitwise_invert(nv.asarray([0, -1])).tolist()
    [-1, 0]
    """
    return on_numbers("bitwise_invert", unary.not_, x, allowed=BITS)


def bitwise_left_shift(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the bits of x1 moved up by x2 places.

    Shapes broadcast and types promote; both are integers.

    >>> import nervure as nv
    >>> nv.bitwise_left_shift(nv.asarray([1, 3]), 2).tolist()
    [4, 12]
    """
    return on_numbers("bitwise_left_shift", binary.shift_left, x1, x2, allowed=INTEGERS)


def bitwise_right_shift(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the bits of x1 moved down by x2 places; the sign stays.

    Shapes broadcast and types promote; both are integers.

    >>> import nervure as nv
    >>> nv.bitwise_right_shift(nv.asarray([4, -4]), 1).tolist()
    [2, -2]
    """
    return on_numbers(
        "bitwise_right_shift", binary.shift_right, x1, x2, allowed=INTEGERS
    )


def isclose(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Array:
    """Return where ``abs(x1 - x2) <= atol + rtol * abs(x2)``, as NumPy does.

    Shapes broadcast; the result is bool.

    Infinities are close to themselves only, and so is NaN with ``equal_nan``.

    >>> import nervure as nv
    >>> nv.isclose(nv.asarray([1.0, 2.0]), nv.asarray([1.000001, 2.1])).tolist()
    [True, False]
    """
    x, y = (Array.of_node(as_float(one)) for one in aligned("isclose", x1, x2))
    distance, limit = abs(x - y), abs(y) * rtol + atol
    found = equal(x, y) | (less_equal(distance, limit) & isfinite(y))
    return found | (isnan(x) & isnan(y)) if equal_nan else found


def allclose(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Array:
    """Return whether all elements are close, see :func:`isclose`; a truth value.

    >>> import nervure as nv
    >>> nv.allclose(nv.asarray([1.0, 2.0]), nv.asarray([1.000001, 2.0])).item()
    True
    """
    return isclose(x1, x2, rtol, atol, equal_nan).all()
