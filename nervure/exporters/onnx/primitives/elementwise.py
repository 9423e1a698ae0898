"""Elementwise primitives, and data types."""

from __future__ import annotations

import math

import numpy as np

from nervure import dtypes
from nervure.exporters.onnx.composites import (
    elementwise_channels_first,
    joined,
    rectified,
)
from nervure.exporters.onnx.table import RULES, writes
from nervure.exporters.onnx.writer import TYPE_NUMBERS, Twin, Writer
from nervure.ir.node import Node

# Primitives that one operator computes.
_SAME = {
    "abs": "Abs",
    "add": "Add",
    "cos": "Cos",
    "div": "Div",
    "eq": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "le": "LessOrEqual",
    "log": "Log",
    "lt": "Less",
    "maximum": "Max",
    "minimum": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "pow": "Pow",
    "round": "Round",
    "select": "Where",
    "sigmoid": "Sigmoid",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "stop_gradient": "Identity",
    "sub": "Sub",
    "tanh": "Tanh",
}
_LOGICAL = {"and": "And", "or": "Or", "xor": "Xor", "not": "Not"}


def operands(writer: Writer, node: Node) -> list[str]:
    """Return the names of operands, which ONNX broadcasts if all axes are there."""
    shapes = [
        writer.thin[one][1] if one in writer.thin else one.shape for one in node.inputs
    ]
    if np.broadcast_shapes(*shapes) != node.shape:
        return [writer.name(one) for one in node.inputs]
    return [
        writer.thin[one][0] if one in writer.thin else writer.name(one)
        for one in node.inputs
    ]


def _same(writer: Writer, twin: Twin) -> str:
    node = twin.first
    if joined(writer, twin) or rectified(writer, twin):
        return ""
    if elementwise_channels_first(writer, _SAME[node.op.name], node):
        return ""
    names = operands(writer, node)
    if node.op.name in ("maximum", "minimum") and dtypes.is_bool(node.dtype):
        return writer.emit("Or" if node.op.name == "maximum" else "And", *names)
    return writer.emit(_SAME[node.op.name], *names)


for _name in _SAME:
    RULES[_name] = _same


@writes(*_LOGICAL)
def _logical(writer: Writer, twin: Twin) -> str:
    node = twin.first
    op = _LOGICAL[node.op.name]
    names = operands(writer, node)
    if dtypes.is_bool(node.dtype):
        return writer.emit(op, *names)
    return writer.emit(f"Bitwise{op}", *names)


@writes("shift_left", "shift_right")
def _shift(writer: Writer, twin: Twin) -> str:
    """Signed numbers, which ONNX does not shift, are multiplied or divided."""
    node = twin.first
    left = node.op.name == "shift_left"
    x, count = operands(writer, node)
    if dtypes.is_unsigned(node.dtype):
        direction = "LEFT" if left else "RIGHT"
        return writer.emit("BitShift", x, count, direction=direction)
    power = writer.emit("Pow", writer.scalar_like(2, node), count)
    if left:
        return writer.emit("Mul", x, power)
    rest = writer.emit("Mod", x, power)
    return writer.emit("Div", writer.emit("Sub", x, rest), power)


@writes("rem")
def _rem(writer: Writer, twin: Twin) -> str:
    return writer.emit("Mod", *operands(writer, twin.first), fmod=1)


@writes("is_finite")
def _is_finite(writer: Writer, twin: Twin) -> str:
    name = writer.name(twin.first.inputs[0])
    bad = writer.emit("Or", writer.emit("IsInf", name), writer.emit("IsNaN", name))
    return writer.emit("Not", bad)


@writes("expm1")
def _expm1(writer: Writer, twin: Twin) -> str:
    """Near 0 by ``2 t / (1 - t)`` with ``t = tanh(x / 2)``, which cancels nothing."""
    x = twin.first.inputs[0]
    name = writer.name(x)
    one, two = writer.scalar_like(1, x), writer.scalar_like(2, x)
    plain = writer.emit("Sub", writer.emit("Exp", name), one)
    t = writer.emit("Tanh", writer.emit("Div", name, two))
    near = writer.emit("Div", writer.emit("Mul", t, two), writer.emit("Sub", one, t))
    small = writer.emit("Less", writer.emit("Abs", name), one)
    return writer.emit("Where", small, near, plain)


@writes("log1p")
def _log1p(writer: Writer, twin: Twin) -> str:
    """``log(u) x / (u - 1)`` with ``u = 1 + x`` as rounded (Kahan)."""
    x = twin.first.inputs[0]
    name, one = writer.name(x), writer.scalar_like(1, x)
    u = writer.emit("Add", name, one)
    rounded = writer.emit("Sub", u, one)
    factor = writer.emit("Div", name, rounded)
    exact = writer.emit("Mul", writer.emit("Log", u), factor)
    tiny = writer.emit("Equal", rounded, writer.scalar_like(0, x))
    endless = writer.emit("IsInf", name, detect_negative=0)
    return writer.emit("Where", writer.emit("Or", tiny, endless), name, exact)


@writes("atan2")
def _atan2(writer: Writer, twin: Twin) -> str:
    y, x = (writer.name(one) for one in twin.first.inputs)
    like = twin.first
    zero, pi = writer.scalar_like(0, like), writer.scalar_like(math.pi, like)
    half = writer.scalar_like(math.pi / 2, like)
    plain = writer.emit("Atan", writer.emit("Div", y, x))
    low = writer.emit("Less", y, zero)
    turned = writer.emit(
        "Where", low, writer.emit("Sub", plain, pi), writer.emit("Add", plain, pi)
    )
    upright = writer.emit("Where", low, writer.emit("Neg", half), half)
    flat = writer.emit("Equal", y, zero)
    upright = writer.emit("Where", flat, zero, upright)
    left = writer.emit("Less", x, zero)
    result = writer.emit("Where", left, turned, plain)
    return writer.emit("Where", writer.emit("Equal", x, zero), upright, result)


@writes("cast")
def _cast(writer: Writer, twin: Twin) -> str:
    node = twin.first
    name = writer.name(node.inputs[0])
    return writer.emit("Cast", name, to=TYPE_NUMBERS[node.dtype.name])


@writes("custom_gradient")
def _custom_gradient(writer: Writer, twin: Twin) -> str:
    return writer.name(twin.first.inputs[0])
