"""Arithmetic, comparisons and bits: ``Add``, ``Less``, ``BitShift``, ``Where``, ..."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import add, operator
from nervure.ops.operands import aligned
from nervure.prims import binary

Function = Callable[..., Array]


def _plain(function: Function) -> Callable[..., Array]:
    """Return a builder that hands its inputs to a function."""
    return lambda _operation, *inputs: function(*inputs)


# Before version 7 operands were broadcast by an attribute `axis`.
for _name, _function in {
    "Add": ops.add,
    "Sub": ops.subtract,
    "Mul": ops.multiply,
    "And": ops.logical_and,
    "Or": ops.logical_or,
    "Xor": ops.logical_xor,
    "Equal": ops.equal,
    "Greater": ops.greater,
    "Less": ops.less,
}.items():
    add(_name, _plain(_function), since=7)

for _name, _function in {
    "Abs": ops.abs,
    "Acos": ops.acos,
    "Acosh": ops.acosh,
    "Asin": ops.asin,
    "Asinh": ops.asinh,
    "Atan": ops.atan,
    "Atanh": ops.atanh,
    "BitwiseAnd": ops.bitwise_and,
    "BitwiseNot": ops.bitwise_invert,
    "BitwiseOr": ops.bitwise_or,
    "BitwiseXor": ops.bitwise_xor,
    "Ceil": ops.ceil,
    "Cos": ops.cos,
    "Cosh": ops.cosh,
    "Erf": ops.erf,
    "Exp": ops.exp,
    "Floor": ops.floor,
    "GreaterOrEqual": ops.greater_equal,
    "Identity": lambda x: x,
    "IsNaN": ops.isnan,
    "LessOrEqual": ops.less_equal,
    "Log": ops.log,
    "Neg": ops.negative,
    "Not": ops.logical_not,
    "Reciprocal": ops.reciprocal,
    "Round": ops.round,
    "Sign": ops.sign,
    "Sin": ops.sin,
    "Sinh": ops.sinh,
    "Sqrt": ops.sqrt,
    "Tan": ops.tan,
    "Tanh": ops.tanh,
    "Where": ops.where,
}.items():
    add(_name, _plain(_function))


@operator("Div", since=7)
def divide(_operation: Operation, x: Array, y: Array) -> Array:
    """Divide; whole numbers are rounded towards zero, as in C."""
    return divided(x, y)


def divided(x: Array, y: Array) -> Array:
    """Return a quotient in the type of the operands."""
    if dtypes.is_float(x.dtype):
        return ops.divide(x, y)
    if dtypes.is_unsigned(x.dtype):
        return ops.floor_divide(x, y)
    rest = _truncated_rest(x, y)
    return ops.floor_divide(ops.subtract(x, rest), y)


def _truncated_rest(x: Array, y: Array) -> Array:
    """Return the rest of a division rounded towards zero: it has the sign of x."""
    return Array.of_node(binary.rem(*aligned("Mod", x, y)))


@operator("Mod")
def modulo(operation: Operation, x: Array, y: Array) -> Array:
    """Return the rest, with the sign of y, or with ``fmod`` that of x."""
    if operation.attribute("fmod", 0):
        return _truncated_rest(x, y)
    return ops.remainder(x, y)


@operator("Pow", since=7)
def power(_operation: Operation, x: Array, y: Array) -> Array:
    """Raise to a power; the result has the type of the base."""
    if x.dtype == y.dtype:
        return ops.pow(x, y)
    if dtypes.is_float(x.dtype):
        return ops.pow(x, ops.astype(y, x.dtype))
    wide = dtypes.float64
    return ops.astype(ops.pow(ops.astype(x, wide), ops.astype(y, wide)), x.dtype)


@operator("Max", since=8)
def maximum(_operation: Operation, *values: Array) -> Array:
    """Return the largest of each place."""
    return functools.reduce(ops.maximum, values)


@operator("Min", since=8)
def minimum(_operation: Operation, *values: Array) -> Array:
    """Return the smallest of each place."""
    return functools.reduce(ops.minimum, values)


@operator("Sum", since=8)
def total(_operation: Operation, *values: Array) -> Array:
    """Add several arrays."""
    return functools.reduce(ops.add, values)


@operator("Mean", since=8)
def mean(_operation: Operation, *values: Array) -> Array:
    """Return the mean of several arrays."""
    return ops.divide(functools.reduce(ops.add, values), float(len(values)))


@operator("Clip", since=6)
def clip(operation: Operation, x: Array, low: Any = None, high: Any = None) -> Array:
    """Keep within bounds, which were attributes before version 11."""
    if operation.version < 11:
        low, high = operation.attribute("min"), operation.attribute("max")
    if low is not None:
        x = ops.maximum(x, _of_type(low, x))
    if high is not None:
        x = ops.minimum(x, _of_type(high, x))
    return x


def _of_type(value: Any, like: Array) -> Array:
    return ops.astype(ops.asarray(value), like.dtype)


@operator("IsInf")
def is_infinite(operation: Operation, x: Array) -> Array:
    """Tell where a number is infinite, of the signs that count."""
    result = ops.isinf(x)
    if not operation.attribute("detect_negative", 1):
        result = ops.logical_and(result, ops.greater(x, 0.0))
    if not operation.attribute("detect_positive", 1):
        result = ops.logical_and(result, ops.less(x, 0.0))
    return result


@operator("BitShift")
def bit_shift(operation: Operation, x: Array, count: Array) -> Array:
    """Shift bits; by the width or more gives what zeros shifted in give."""
    left = operation.attribute("direction") == "LEFT"
    shift = ops.bitwise_left_shift if left else ops.bitwise_right_shift
    width = x.dtype.itemsize * 8
    inside = ops.less(count, np.asarray(width, count.dtype))
    shifted = shift(x, ops.where(inside, count, ops.zeros_like(count)))
    emptied = ops.zeros_like(shifted)
    if not left and dtypes.is_signed(x.dtype):
        emptied = ops.where(ops.less(x, ops.zeros_like(x)), emptied - 1, emptied)
    return ops.where(inside, shifted, emptied)
