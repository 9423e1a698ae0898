"""Products: ``MatMul``, ``Gemm``, ``Einsum``."""

from __future__ import annotations

from nervure import dtypes, ops
from nervure.array import Array
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator


@operator("MatMul")
def matmul(_operation: Operation, x: Array, y: Array) -> Array:
    """Multiply matrices, over all other axes."""
    return ops.matmul(x, y)


@operator("Gemm", since=7)
def gemm(operation: Operation, a: Array, b: Array, c: Array | None = None) -> Array:
    """Return ``alpha a @ b + beta c``, each operand as it is or transposed."""
    if operation.attribute("transA", 0):
        a = ops.permute_dims(a, (1, 0))
    if operation.attribute("transB", 0):
        b = ops.permute_dims(b, (1, 0))
    result = _scaled(operation, ops.matmul(a, b), operation.attribute("alpha", 1.0))
    if c is None:
        return result
    return ops.add(result, _scaled(operation, c, operation.attribute("beta", 1.0)))


def _scaled(operation: Operation, x: Array, factor: float) -> Array:
    if factor == 1.0:
        return x
    if not dtypes.is_float(x.dtype):
        operation.refuse("Nervure does not scale whole numbers by a fraction")
    return ops.multiply(x, factor)


@operator("Einsum")
def einsum(operation: Operation, *values: Array) -> Array:
    """Sum products as Einstein's convention says."""
    equation = operation.attribute("equation").replace(" ", "")
    return ops.einsum(equation, *values)
