"""Data from nothing: ``Constant``, ``ConstantOfShape``, ``Range``, ``EyeLike``, ..."""

from __future__ import annotations

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.importers.onnx.records import DTYPE_NUMBERS
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator


@operator("Constant")
def given(operation: Operation) -> Array:
    """Return the data of the attribute."""
    attributes = operation.node.attributes
    for name, dtype in (
        ("value", None),
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in attributes:
            return constant(np.asarray(operation.attribute(name), dtype))
    operation.refuse("its data are strings or sparse")


@operator("ConstantOfShape")
def constant_of_shape(operation: Operation, sizes: Array) -> Array:
    """Return one value in a shape, 0 of float32 by default."""
    value = operation.attribute("value", np.zeros(1, np.float32))
    shape = tuple(operation.numbers(sizes, "shape"))
    scalar = constant(np.asarray(value).reshape(()))
    return ops.broadcast_to(scalar, shape) if shape else scalar


@operator("Range")
def counted(operation: Operation, start: Array, limit: Array, step: Array) -> Array:
    """Count from a number to another."""
    first = operation.known(start, "start")
    last = operation.known(limit, "limit")
    delta = operation.known(step, "delta")
    wide = np.int64 if first.dtype.kind in "iu" else np.float64
    first, last, delta = (one.astype(wide).reshape(()) for one in (first, last, delta))
    count = max(int(np.ceil((last - first) / delta)), 0)
    return constant((first + delta * np.arange(count)).astype(start.dtype))


@operator("EyeLike")
def identity_like(operation: Operation, x: Array) -> Array:
    """Return ones on a diagonal, in the shape of a matrix."""
    dtype = operation.dtype("dtype", DTYPE_NUMBERS[x.dtype])
    rows, columns = x.shape
    return ops.eye(rows, columns, k=operation.attribute("k", 0), dtype=dtype)


@operator("HannWindow", "HammingWindow", "BlackmanWindow")
def window(operation: Operation, size: Array) -> Array:
    """Return a window of signal processing."""
    dtype = operation.dtype("output_datatype", 1)
    count = int(operation.known(size, "size"))
    steps = count if operation.attribute("periodic", 1) else count - 1
    angle = 2 * np.pi * np.arange(count) / max(steps, 1)
    weights = {
        "HannWindow": (0.5, 0.5, 0.0),
        "HammingWindow": (25 / 46, 21 / 46, 0.0),
        "BlackmanWindow": (0.42, 0.5, 0.08),
    }[operation.name]
    values = weights[0] - weights[1] * np.cos(angle) + weights[2] * np.cos(2 * angle)
    return constant(values.astype(dtype))
