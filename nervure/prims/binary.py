"""Elementwise primitives of two operands of equal shape and type.

There is no implicit broadcasting here: that is the business of the array functions, so
gradient rules never have to undo it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import DTypeError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import (
    Fusion,
    GradientRule,
    Primitive,
    Sample,
    WrongUse,
    register,
)
from nervure.prims import unary
from nervure.prims.check import dtype_among, same_dtype, same_shape
from nervure.prims.leaf import const, full, full_like
from nervure.prims.precision import compute_widened
from nervure.prims.select import select

NUMBERS = (*dtypes.INTEGERS, *dtypes.FLOATS)
BITS = (dtypes.bool_, *dtypes.INTEGERS)
NAMES = ("x", "y")


def _sample_pair(
    name: str, dtype: DType, random: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return two float arrays on which the operation is defined and smooth."""
    x: NDArray = random.uniform(-2, 2, (3, 4))
    y: NDArray = random.uniform(0.4, 2, (3, 4)) * random.choice([-1, 1], (3, 4))
    if dtypes.is_integer(dtype):
        x, y = np.rint(x * 8), np.rint(y * 4)
    if dtypes.is_unsigned(dtype) or name.startswith("shift"):
        x, y = np.abs(x), np.abs(y)
    if name == "pow":
        x = np.abs(x) + 0.3 if dtypes.is_float(dtype) else x
        y = np.abs(y) if dtypes.is_integer(dtype) else y
    if name == "rem" and dtypes.is_float(dtype):
        # quotients with a fraction between .2 and .8: away from the jumps
        y = np.abs(y)
        x = (np.floor(random.uniform(0, 3, (3, 4))) + 0.2 + 0.6 * (x + 2) / 4) * y
    if dtypes.is_bool(dtype):
        x, y = x > 0, y > 0
    return x, y


def _declare(
    name: str,
    definition: Callable[[NDArray, NDArray], NDArray],
    gradient: GradientRule | None,
    *,
    allowed: tuple[DType, ...] = NUMBERS,
    result: DType | None = None,
) -> Primitive:
    """Register an elementwise primitive of two operands."""

    def infer(inputs: Sequence[Node], _attrs: Attrs) -> tuple[Shape, DType]:
        dtype = same_dtype(name, inputs, NAMES)
        dtype_among(name, inputs, NAMES, allowed)
        return same_shape(name, inputs, NAMES), result or dtype

    def samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
        x, y = _sample_pair(name, dtype, random)
        empty = np.zeros((0, 3))
        pairs = ((x, y), (x[0, 0], y[0, 0]), (empty, empty))
        return [
            Sample((np.asarray(a).astype(dtype), np.asarray(b).astype(dtype)))
            for a, b in pairs
        ]

    def zeros(shape: Shape, dtype: DType = allowed[-1]) -> Node:
        return full(shape, 0, dtype)

    other = dtypes.int32 if allowed[-1] != dtypes.int32 else dtypes.int64
    wrong_uses = [
        WrongUse(
            lambda: apply(primitive, zeros((2,)), zeros((3,))),
            ShapeError,
            f"{name}: operands must have equal shapes, got [2] and [3]",
        ),
        WrongUse(
            lambda: apply(primitive, zeros((2,)), zeros((2,), other)),
            DTypeError,
            f"{name}: operands must have equal data types, "
            f"got {allowed[-1].name} and {other.name}",
        ),
    ]
    if dtypes.float32 not in allowed:
        wrong_uses.append(
            WrongUse(
                lambda: apply(primitive, const(0.0), const(0.0)),
                DTypeError,
                f"{name}: expected ",
            )
        )
    primitive = register(
        Primitive(
            name,
            NAMES,
            infer,
            compute_widened(definition),
            gradient,
            Fusion.ELEMENTWISE,
            allowed,
            samples,
            wrong_uses,
        )
    )
    return primitive


# --- definitions that NumPy does not have, or has with other edge cases ---------------


def _divide(x: NDArray, y: NDArray) -> NDArray:
    """Divide; whole numbers round toward zero, and a zero divisor gives zero."""
    if not dtypes.is_integer(x.dtype):
        return np.true_divide(x, y)
    divisor = np.where(y == 0, 1, y).astype(x.dtype)
    quotient = (x - np.fmod(x, divisor)) // divisor
    return np.where(y == 0, 0, quotient).astype(x.dtype)


def _remainder(x: NDArray, y: NDArray) -> NDArray:
    """Remainder with the sign of x; a zero integer divisor gives zero."""
    if not dtypes.is_integer(x.dtype):
        return np.fmod(x, y)
    divisor = np.where(y == 0, 1, y).astype(x.dtype)
    return np.where(y == 0, 0, np.fmod(x, divisor)).astype(x.dtype)


def _power(x: NDArray, y: NDArray) -> NDArray:
    """Power; a negative whole exponent gives the reciprocal rounded toward zero."""
    if not dtypes.is_signed(x.dtype):
        return np.power(x, y)
    odd = np.where(y % 2 == 0, 1, x)
    reciprocal = np.where(np.abs(x) == 1, odd, 0).astype(x.dtype)
    return np.where(y < 0, reciprocal, np.power(x, np.maximum(y, 0)))


def _larger(x: NDArray, y: NDArray) -> NDArray:
    """The larger operand; NumPy's own choice between two zeros is the machine's."""
    if not dtypes.is_float(x.dtype):
        return np.asarray(np.maximum(x, y))
    return np.where((x > y) | np.isnan(x), x, y)


def _smaller(x: NDArray, y: NDArray) -> NDArray:
    """The smaller operand; see :func:`_larger`."""
    if not dtypes.is_float(x.dtype):
        return np.asarray(np.minimum(x, y))
    return np.where((x < y) | np.isnan(x), x, y)


# --- gradients -----------------------------------------------------------------------


def _no_gradient(_node: Node, _g: Node) -> tuple[None, None]:
    return (None, None)


def _mul_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    return mul(g, y), mul(g, x)


def _div_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    _, y = node.inputs
    share = div(g, y)
    return share, unary.neg(mul(share, node))


def _rem_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    x, y = node.inputs
    whole = unary.round_(div(sub(x, node), y))  # x = whole * y + rem, exactly
    return g, unary.neg(mul(g, whole))


def _pow_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """d x^y = y x^(y-1) dx + x^y log(x) dy, with 0 log(0) = 0."""
    x, y = node.inputs
    zero, one = full_like(x, 0), full_like(x, 1)
    below = pow_(x, sub(y, one))
    slope = select(eq(y, zero), zero, mul(y, below))
    # Where x is 0 the logarithm is taken of 1 instead, so that no infinity arises.
    log_x = unary.log(select(eq(x, zero), one, x))
    return mul(g, slope), mul(g, mul(node, log_x))


def _extremum_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """The winner takes the cotangent; equal operands take half each."""
    x, y = node.inputs
    zero, half = full_like(g, 0), mul(g, full_like(g, 0.5))
    tied = eq(x, y)
    x_wins = eq(node, x)
    to_x = select(tied, half, select(x_wins, g, zero))
    to_y = select(tied, half, select(x_wins, zero, g))
    return to_x, to_y


def _atan2_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    """The operands are (y, x) of a point: d = (x dy - y dx) / (x^2 + y^2)."""
    y, x = node.inputs
    share = div(g, add(mul(x, x), mul(y, y)))
    return mul(share, x), unary.neg(mul(share, y))


ADD = _declare("add", np.add, lambda node, g: (g, g))
SUB = _declare("sub", np.subtract, lambda node, g: (g, unary.neg(g)))
MUL = _declare("mul", np.multiply, _mul_gradient)
DIV = _declare("div", _divide, _div_gradient)
REM = _declare("rem", _remainder, _rem_gradient)
POW = _declare("pow", _power, _pow_gradient)
MAXIMUM = _declare("maximum", _larger, _extremum_gradient, allowed=dtypes.ALL)
MINIMUM = _declare("minimum", _smaller, _extremum_gradient, allowed=dtypes.ALL)
ATAN2 = _declare("atan2", np.arctan2, _atan2_gradient, allowed=dtypes.FLOATS)
AND = _declare("and", np.bitwise_and, _no_gradient, allowed=BITS)
OR = _declare("or", np.bitwise_or, _no_gradient, allowed=BITS)
XOR = _declare("xor", np.bitwise_xor, _no_gradient, allowed=BITS)
SHIFT_LEFT = _declare(
    "shift_left", np.left_shift, _no_gradient, allowed=dtypes.INTEGERS
)
SHIFT_RIGHT = _declare(
    "shift_right", np.right_shift, _no_gradient, allowed=dtypes.INTEGERS
)
EQ = _declare("eq", np.equal, _no_gradient, allowed=dtypes.ALL, result=dtypes.bool_)
LT = _declare("lt", np.less, _no_gradient, allowed=dtypes.ALL, result=dtypes.bool_)
LE = _declare(
    "le", np.less_equal, _no_gradient, allowed=dtypes.ALL, result=dtypes.bool_
)


def add(x: Node, y: Node) -> Node:
    """Return x + y."""
    return apply(ADD, x, y)


def sub(x: Node, y: Node) -> Node:
    """Return x - y."""
    return apply(SUB, x, y)


def mul(x: Node, y: Node) -> Node:
    """Return x * y."""
    return apply(MUL, x, y)


def div(x: Node, y: Node) -> Node:
    """Return x / y; whole numbers round toward zero and x / 0 is 0."""
    return apply(DIV, x, y)


def rem(x: Node, y: Node) -> Node:
    """Return the remainder of x / y with the sign of x."""
    return apply(REM, x, y)


def pow_(x: Node, y: Node) -> Node:
    """Return x to the power of y."""
    return apply(POW, x, y)


def maximum(x: Node, y: Node) -> Node:
    """Return the larger operand; NaN if one is NaN, y if they are equal.

    Which of two equal operands is returned shows in the sign of a zero.
    """
    return apply(MAXIMUM, x, y)


def minimum(x: Node, y: Node) -> Node:
    """Return the smaller operand; NaN if one is NaN, y if they are equal."""
    return apply(MINIMUM, x, y)


def atan2(y: Node, x: Node) -> Node:
    """Return the angle of the point (x, y) in radians."""
    return apply(ATAN2, y, x)


def and_(x: Node, y: Node) -> Node:
    """Return the bitwise (for truth values: logical) and."""
    return apply(AND, x, y)


def or_(x: Node, y: Node) -> Node:
    """Return the bitwise (for truth values: logical) or."""
    return apply(OR, x, y)


def xor(x: Node, y: Node) -> Node:
    """Return the bitwise (for truth values: logical) exclusive or."""
    return apply(XOR, x, y)


def shift_left(x: Node, y: Node) -> Node:
    """Return x shifted by y bits; 0 when y reaches the width or is negative."""
    return apply(SHIFT_LEFT, x, y)


def shift_right(x: Node, y: Node) -> Node:
    """Return x shifted by y bits, filled with the sign bit of signed types.

    When y reaches the width or is negative, only copies of that bit are left.
    """
    return apply(SHIFT_RIGHT, x, y)


def eq(x: Node, y: Node) -> Node:
    """Return whether x equals y; NaN equals nothing."""
    return apply(EQ, x, y)


def lt(x: Node, y: Node) -> Node:
    """Return whether x is less than y."""
    return apply(LT, x, y)


def le(x: Node, y: Node) -> Node:
    """Return whether x is at most y."""
    return apply(LE, x, y)
