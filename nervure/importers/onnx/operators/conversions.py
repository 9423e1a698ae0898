"""Data types: ``Cast``, ``CastLike``, ``BitCast``."""

from __future__ import annotations

from nervure import dtypes, ops
from nervure.array import Array
from nervure.dtypes import DType
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator
from nervure.prims.select import bitcast


def converted(x: Array, dtype: DType) -> Array:
    """Return an array in another type."""
    return ops.astype(x, dtype)


@operator("Cast", since=6)
def cast(operation: Operation, x: Array) -> Array:
    """Convert to the type of the attribute ``to``."""
    return converted(x, operation.dtype("to"))


@operator("CastLike")
def cast_like(_operation: Operation, x: Array, like: Array) -> Array:
    """Convert to the type of another array."""
    return converted(x, like.dtype)


@operator("BitCast")
def bit_cast(operation: Operation, x: Array) -> Array:
    """Return the same bits as another type of the same width."""
    dtype = operation.dtype("to")
    if dtype.itemsize != x.dtype.itemsize:
        operation.refuse(f"Nervure does not read {x.dtype} as {dtype}")
    if dtypes.is_bool(x.dtype):
        x = ops.astype(x, dtypes.uint8)
    if dtypes.is_bool(dtype):
        return ops.not_equal(x, ops.zeros_like(x))
    return Array.of_node(bitcast(x.node, dtype))
