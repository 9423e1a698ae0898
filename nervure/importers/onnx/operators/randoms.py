"""Random numbers: ``RandomNormal``, ``RandomUniformLike``, ``Bernoulli``, ...

A ``seed`` gives the same numbers every time, but Nervure's, not another library's.
"""

from __future__ import annotations

import struct
from typing import Any

from nervure import dtypes, ops, random
from nervure.array import Array
from nervure.importers.onnx.records import DTYPE_NUMBERS
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator


def key_of(operation: Operation) -> Any:
    """Return the key that a node's seed means; without one the process draws it."""
    seed = operation.attribute("seed")
    if seed is None:
        return None
    (bits,) = struct.unpack("<I", struct.pack("<f", float(seed)))
    return random.key(bits)


@operator("RandomNormal", "RandomNormalLike")
def normal(operation: Operation, like: Array | None = None) -> Array:
    """Draw from a normal distribution."""
    shape, dtype = _shape_and_type(operation, like)
    return random.normal(
        shape,
        operation.attribute("mean", 0.0),
        operation.attribute("scale", 1.0),
        dtype=dtype,
        key=key_of(operation),
    )


@operator("RandomUniform", "RandomUniformLike")
def uniform(operation: Operation, like: Array | None = None) -> Array:
    """Draw evenly between two numbers."""
    shape, dtype = _shape_and_type(operation, like)
    return random.uniform(
        shape,
        operation.attribute("low", 0.0),
        operation.attribute("high", 1.0),
        dtype=dtype,
        key=key_of(operation),
    )


def _shape_and_type(operation: Operation, like: Array | None) -> tuple[Any, Any]:
    if like is None:
        return tuple(operation.attribute("shape")), operation.dtype("dtype", 1)
    default = DTYPE_NUMBERS[like.dtype] if dtypes.is_float(like.dtype) else 1
    return like.shape, operation.dtype("dtype", default)


@operator("Bernoulli")
def bernoulli(operation: Operation, chances: Array) -> Array:
    """Draw 1 with the chances given, else 0."""
    dtype = operation.dtype("dtype", DTYPE_NUMBERS[chances.dtype])
    drawn = random.uniform(chances.shape, dtype="float64", key=key_of(operation))
    return ops.astype(drawn < ops.astype(chances, "float64"), dtype)


@operator("Multinomial")
def multinomial(operation: Operation, logits: Array) -> Array:
    """Draw class numbers from rows of logarithms of chances."""
    count = operation.attribute("sample_size", 1)
    dtype = operation.dtype("dtype", 6)
    rows, classes = logits.shape
    noise = random.gumbel((rows, count, classes), key=key_of(operation))
    scores = ops.astype(logits, "float32")[:, None] + noise
    return ops.astype(ops.argmax(scores, axis=-1), dtype)
