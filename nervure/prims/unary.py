"""Elementwise primitives of one operand.

Each is declared by :func:`_declare` with its NumPy definition, its gradient and the
range of sample values on which it is smooth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import DTypeError
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
from nervure.prims import binary
from nervure.prims.check import dtype_among
from nervure.prims.leaf import const, full_like
from nervure.prims.precision import compute_widened
from nervure.prims.select import select

NUMBERS = (*dtypes.INTEGERS, *dtypes.FLOATS)


def _declare(
    name: str,
    definition: Callable[[NDArray], NDArray],
    gradient: GradientRule | None,
    *,
    allowed: tuple[DType, ...] = dtypes.FLOATS,
    sampled: tuple[float, float] = (-2.0, 2.0),
    result: DType | None = None,
) -> Primitive:
    """Register an elementwise primitive of one operand.

    ``sampled`` is the range from which floating-point samples are drawn; ``result`` is
    the type of the result where it is not the operand's.
    """

    def infer(inputs: Sequence[Node], _attrs: Attrs) -> tuple[Shape, DType]:
        dtype_among(name, inputs, ("x",), allowed)
        return inputs[0].shape, result or inputs[0].dtype

    def samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
        low, high = sampled
        if dtypes.is_unsigned(dtype):
            low = 0.0
        values: NDArray = random.uniform(low, high, (3, 4))
        if dtypes.is_integer(dtype):
            values = values * 10
        if name in ("floor", "round"):  # stay away from the jumps
            values = np.floor(values) + random.uniform(0.1, 0.4, (3, 4))
        if dtypes.is_bool(dtype):
            values = values > (low + high) / 2
        arrays = (values, values[0, 0], np.zeros((0, 3)))
        return [Sample((np.asarray(array).astype(dtype),)) for array in arrays]

    wrong_dtype = next(
        (one for one in (dtypes.bool_, dtypes.float32) if one not in allowed), None
    )
    wrong_uses = []
    if wrong_dtype is not None:
        wrong_uses.append(
            WrongUse(
                lambda: apply(primitive, const(0, wrong_dtype)),
                DTypeError,
                f"{name}: expected {_kinds(allowed)}, got {wrong_dtype.name}",
            )
        )
    primitive = register(
        Primitive(
            name,
            ("x",),
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


def _kinds(allowed: Sequence[DType]) -> str:
    words = []
    if dtypes.bool_ in allowed:
        words.append("truth values")
    if dtypes.int32 in allowed:
        words.append("integers")
    if dtypes.float32 in allowed:
        words.append("floating-point numbers")
    return " or ".join(words)


def _error_function(x: NDArray) -> NDArray:
    """The C library's erf, element by element: NumPy has none."""
    flat = np.array([math.erf(value) for value in x.ravel().tolist()], np.float64)
    return flat.reshape(x.shape).astype(x.dtype)


def _logistic(x: NDArray) -> NDArray:
    """1 / (1 + exp(-x)) without overflow: the exponential never exceeds one."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _no_gradient(_node: Node, _g: Node) -> tuple[None]:
    """The derivative is zero wherever it exists."""
    return (None,)


def _abs_gradient(node: Node, g: Node) -> tuple[Node]:
    (x,) = node.inputs
    zero = full_like(x, 0)
    falling = select(binary.lt(x, zero), neg(g), full_like(g, 0))
    return (select(binary.lt(zero, x), g, falling),)


def _erf_gradient(node: Node, g: Node) -> tuple[Node]:
    (x,) = node.inputs
    bell = exp(neg(binary.mul(x, x)))
    return (binary.mul(g, binary.mul(full_like(x, 2 / math.sqrt(math.pi)), bell)),)


def _tanh_gradient(node: Node, g: Node) -> tuple[Node]:
    slope = binary.sub(full_like(node, 1), binary.mul(node, node))
    return (binary.mul(g, slope),)


def _sigmoid_gradient(node: Node, g: Node) -> tuple[Node]:
    slope = binary.mul(node, binary.sub(full_like(node, 1), node))
    return (binary.mul(g, slope),)


NEG = _declare("neg", np.negative, lambda node, g: (neg(g),), allowed=NUMBERS)
ABS = _declare("abs", np.abs, _abs_gradient, allowed=NUMBERS)
FLOOR = _declare("floor", np.floor, _no_gradient)
ROUND = _declare("round", np.rint, _no_gradient)
EXP = _declare("exp", np.exp, lambda node, g: (binary.mul(g, node),))
EXPM1 = _declare(
    "expm1",
    np.expm1,
    lambda node, g: (binary.mul(g, binary.add(node, full_like(node, 1))),),
)
LOG = _declare(
    "log", np.log, lambda node, g: (binary.div(g, node.inputs[0]),), sampled=(0.2, 3)
)
LOG1P = _declare(
    "log1p",
    np.log1p,
    lambda node, g: (binary.div(g, binary.add(full_like(g, 1), node.inputs[0])),),
    sampled=(-0.6, 3),
)
SQRT = _declare(
    "sqrt",
    np.sqrt,
    lambda node, g: (binary.div(binary.mul(g, full_like(g, 0.5)), node),),
    sampled=(0.2, 3),
)
SIN = _declare("sin", np.sin, lambda node, g: (binary.mul(g, cos(node.inputs[0])),))
COS = _declare(
    "cos", np.cos, lambda node, g: (neg(binary.mul(g, sin(node.inputs[0]))),)
)
TANH = _declare("tanh", np.tanh, _tanh_gradient)
SIGMOID = _declare("sigmoid", _logistic, _sigmoid_gradient)
ERF = _declare("erf", _error_function, _erf_gradient)
NOT = _declare("not", np.invert, _no_gradient, allowed=(dtypes.bool_, *dtypes.INTEGERS))
IS_FINITE = _declare("is_finite", np.isfinite, _no_gradient, result=dtypes.bool_)


def neg(x: Node) -> Node:
    """Return -x; unsigned integers wrap around."""
    return apply(NEG, x)


def abs_(x: Node) -> Node:
    """Return the absolute value; its derivative at 0 is taken as 0."""
    return apply(ABS, x)


def floor(x: Node) -> Node:
    """Return the largest whole number that is not above x."""
    return apply(FLOOR, x)


def round_(x: Node) -> Node:
    """Return the nearest whole number, halves to the even one."""
    return apply(ROUND, x)


def exp(x: Node) -> Node:
    """Return e to the power of x."""
    return apply(EXP, x)


def expm1(x: Node) -> Node:
    """Return exp(x) - 1, accurate near 0."""
    return apply(EXPM1, x)


def log(x: Node) -> Node:
    """Return the natural logarithm: -inf at 0, NaN below."""
    return apply(LOG, x)


def log1p(x: Node) -> Node:
    """Return log(1 + x), accurate near 0."""
    return apply(LOG1P, x)


def sqrt(x: Node) -> Node:
    """Return the square root; NaN below 0."""
    return apply(SQRT, x)


def sin(x: Node) -> Node:
    """Return the sine of an angle in radians."""
    return apply(SIN, x)


def cos(x: Node) -> Node:
    """Return the cosine of an angle in radians."""
    return apply(COS, x)


def tanh(x: Node) -> Node:
    """Return the hyperbolic tangent."""
    return apply(TANH, x)


def sigmoid(x: Node) -> Node:
    """Return 1 / (1 + exp(-x))."""
    return apply(SIGMOID, x)


def erf(x: Node) -> Node:
    """Return the error function, 2/sqrt(pi) times the integral of exp(-t^2)."""
    return apply(ERF, x)


def not_(x: Node) -> Node:
    """Return the logical not of truth values, the bitwise not of integers."""
    return apply(NOT, x)


def is_finite(x: Node) -> Node:
    """Return whether x is neither infinite nor NaN."""
    return apply(IS_FINITE, x)
