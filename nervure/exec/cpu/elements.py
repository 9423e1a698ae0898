"""Elements in memory and in flight.

In flight, a value has the type in which its data type is computed; in memory it may
have another: truth values are bytes, and float16 and bfloat16 travel as ``float``.
"""

from __future__ import annotations

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.expressions import NARROW
from nervure.exec.cpu.llvm import FunctionBuilder, Value, constant, storage_type


def first_lanes(lanes: int, active: int) -> Value:
    """Return the mask of the first ``active`` lanes."""
    bits = ", ".join(f"i1 {'true' if lane < active else 'false'}"
                     for lane in range(lanes))  # fmt: skip
    return Value(f"<{lanes} x i1>", f"<{bits}>")


def loaded(b: FunctionBuilder, raw: Value, dtype: DType) -> Value:
    """Bring elements from memory into flight."""
    if dtypes.is_bool(dtype):
        return b.compare("icmp", "ne", raw, constant(0, raw.type))
    if dtype in NARROW:
        lanes = raw.type
        return b.convert("fpext", raw, lanes.replace(storage_type(dtype), "float"))
    return raw


def stored(b: FunctionBuilder, x: Value, dtype: DType) -> Value:
    """Bring elements in flight into the form they have in memory."""
    if dtypes.is_bool(dtype):
        return b.convert("zext", x, x.type.replace("i1", "i8"))
    if dtype in NARROW:
        return b.convert("fptrunc", x, x.type.replace("float", storage_type(dtype)))
    return x
