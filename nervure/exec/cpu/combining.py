"""Combining elements: sums, products and extrema of vectors and within one."""

from __future__ import annotations

import math

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.expressions import NARROW, extremum, is_floating, register_type
from nervure.exec.cpu.kernel import KernelBuilder
from nervure.exec.cpu.llvm import Value, constant, element_of, vector_type


def identity(op: str, dtype: DType) -> bool | int | float:
    """Return the value that changes nothing when combined."""
    if op == "reduce_sum":
        return 0
    if op == "reduce_prod":
        return 1
    largest = op == "reduce_min"
    if dtypes.is_bool(dtype):
        return largest
    if dtypes.is_float(dtype):
        return math.inf if largest else -math.inf
    limits = np.iinfo(dtype)
    return int(limits.max if largest else limits.min)


def neutral(op: str, dtype: DType, lanes: int) -> Value:
    """Return a vector that changes nothing when combined."""
    return constant(identity(op, dtype), vector_type(register_type(dtype), lanes))


def computed_dtype(dtype: DType) -> DType:
    """Return the data type in which elements of ``dtype`` are combined."""
    return dtypes.float32 if dtype in NARROW else dtype


def combine(b: KernelBuilder, op: str, dtype: DType, x: Value, y: Value) -> Value:
    """Combine two partial results."""
    if op == "reduce_max":
        return extremum(b, "maximum", dtype, x, y)
    if op == "reduce_min":
        return extremum(b, "minimum", dtype, x, y)
    word = "add" if op == "reduce_sum" else "mul"
    if is_floating(x):
        return b.binary(f"f{word}", x, y)
    return b.binary(word, x, y)


def across(b: KernelBuilder, op: str, dtype: DType, x: Value, lanes: int) -> Value:
    """Combine the lanes of a vector, halving it again and again."""
    if lanes == 1:
        return x
    element = element_of(x.type)
    while lanes > 2:
        lanes //= 2
        type_ = vector_type(element, lanes)
        low, high = (
            b.emit(type_, f"shufflevector {x}, {x.type} poison, {_picks(begin, lanes)}")
            for begin in (0, lanes)
        )
        x = combine(b, op, dtype, low, high)
    first, second = (b.emit(element, f"extractelement {x}, i64 {k}") for k in (0, 1))
    return combine(b, op, dtype, first, second)


def _picks(begin: int, count: int) -> str:
    """Return the shuffle mask of ``count`` lanes from ``begin`` on."""
    listed = ", ".join(f"i32 {lane}" for lane in range(begin, begin + count))
    return f"<{count} x i32> <{listed}>"
