"""Reductions, running sums and order."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import dtypes
from nervure.exporters.onnx.table import writes
from nervure.exporters.onnx.writer import TYPE_NUMBERS, Twin, Writer

_REDUCTIONS = {
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
}


@writes(*_REDUCTIONS)
def _reduce(writer: Writer, twin: Twin) -> str:
    node = twin.first
    x = node.inputs[0]
    places: Any = node.attrs["axes"]
    if writer.is_first(x) and tuple(places) == tuple(range(1, len(x.shape) - 1)):
        name = writer.turned_first(x)
        axes = writer.integers(range(2, len(x.shape)))
    else:
        name, axes = writer.name(x), writer.integers(places)
    truths = dtypes.is_bool(node.dtype)
    if truths:
        name = writer.emit("Cast", name, to=TYPE_NUMBERS["uint8"])
    name = writer.emit(
        _REDUCTIONS[node.op.name], name, axes, keepdims=0, noop_with_empty_axes=1
    )
    return writer.emit("Cast", name, to=TYPE_NUMBERS["bool"]) if truths else name


@writes("argmax")
def _argmax(writer: Writer, twin: Twin) -> str:
    x = twin.first.inputs[0]
    name = writer.name(x)
    if dtypes.is_bool(x.dtype):
        name = writer.emit("Cast", name, to=TYPE_NUMBERS["uint8"])
    return writer.emit("ArgMax", name, axis=twin.attrs["axis"], keepdims=0)


@writes("cumsum")
def _cumsum(writer: Writer, twin: Twin) -> str:
    node = twin.first
    axis = writer.data(np.asarray(node.attrs["axis"], np.int64))
    backwards = int(bool(node.attrs["reverse"]))
    return writer.emit("CumSum", writer.name(node.inputs[0]), axis, reverse=backwards)


@writes("sort")
def _sort(writer: Writer, twin: Twin) -> str:
    """Sort by ``TopK`` with all elements, of equal ones the first first."""
    node = twin.first
    keys, payload = (writer.name(one) for one in node.inputs)
    axis = node.attrs["axis"]
    if dtypes.is_bool(node.inputs[0].dtype):
        keys = writer.emit("Cast", keys, to=TYPE_NUMBERS["int32"])
    count = writer.sizes([twin.input_shape(0)[axis]])
    largest = int(bool(node.attrs["descending"]))
    _, places = writer.emit_many(
        "TopK", [keys, count], 2, "order", axis=axis, largest=largest, sorted=1
    )
    return writer.emit("GatherElements", payload, places, axis=axis)
