"""Primitives that move elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure.exporters.onnx.composites import known_value
from nervure.exporters.onnx.sizes import Size
from nervure.exporters.onnx.table import writes
from nervure.exporters.onnx.writer import Twin, Writer
from nervure.ir.node import Node


@writes("reshape")
def _reshape(writer: Writer, twin: Twin) -> str:
    return writer.reshaped(writer.name(twin.first.inputs[0]), twin.shape)


@writes("transpose")
def _transpose(writer: Writer, twin: Twin) -> str:
    x = twin.first.inputs[0]
    axes, rank = list(twin.attrs["axes"]), len(twin.first.shape)
    if axes == [0, rank - 1, *range(1, rank - 1)]:
        return writer.turned_first(x)
    if rank > 2 and axes == [0, *range(2, rank), 1] and x not in writer.first:
        writer.first[twin.first] = writer.name(x)
        return ""
    return writer.emit("Transpose", writer.name(x), perm=axes)


@writes("broadcast")
def _broadcast(writer: Writer, twin: Twin) -> str | list[str]:
    """Add axes of size 1; the repetition is written only if somebody needs it."""
    node = twin.first
    (x,) = node.inputs
    axes = node.attrs["axes"]
    name = writer.name(x)
    sizes = [Size(0, 1)] * len(node.shape)
    for axis, size in zip(axes, twin.input_shape(0), strict=True):
        sizes[axis] = size
    shape = [1] * len(node.shape)
    for axis, extent in zip(axes, x.shape, strict=True):
        shape[axis] = extent
    value = known_value(x)
    if tuple(shape) != x.shape:
        if value is None:
            name = writer.reshaped(name, sizes)
        else:
            name = writer.data(value.reshape(shape))
    writer.thin[node] = (name, tuple(shape))
    writer.names[("shape", node)] = twin.shape  # type: ignore[index]
    return ""


def expanded(writer: Writer, node: Node) -> str:
    """Write the repetition of a broadcast."""
    name, _ = writer.thin[node]
    wanted: Sequence[Size] = writer.names[("shape", node)]  # type: ignore[index]
    return writer.emit("Expand", name, writer.sizes(wanted))


@writes("concatenate")
def _concatenate(writer: Writer, twin: Twin) -> str:
    node = twin.first
    axis, rank = twin.attrs["axis"], len(node.shape)
    if rank > 2 and all(map(writer.is_first, node.inputs)):
        place = {0: 0, rank - 1: 1}.get(axis, axis + 1)
        turned = [writer.turned_first(one) for one in node.inputs]
        writer.first[node] = writer.emit("Concat", *turned, axis=place)
        return ""
    names = [writer.name(one) for one in node.inputs]
    return writer.emit("Concat", *names, axis=axis)


@writes("reverse")
def _reverse(writer: Writer, twin: Twin) -> str:
    axes = list(twin.attrs["axes"])
    return writer.emit(
        "Slice",
        writer.name(twin.first.inputs[0]),
        writer.integers([-1] * len(axes)),
        writer.integers([np.iinfo(np.int64).min] * len(axes)),
        writer.integers(axes),
        writer.integers([-1] * len(axes)),
    )


@writes("slice")
def _slice(writer: Writer, twin: Twin) -> str:
    node = twin.first
    return cut(
        writer,
        writer.name(node.inputs[0]),
        twin.attribute_sizes("start"),
        twin.attribute_sizes("stop"),
        node.attrs["step"],
        twin.input_shape(0),
    )


def cut(
    writer: Writer,
    name: str,
    start: Sequence[Size],
    stop: Sequence[Size],
    step: Any,
    shape: Sequence[Size],
) -> str:
    """Write a slice of the axes that are cut."""
    axes = [
        k
        for k in range(len(shape))
        if start[k] != Size(0, 0) or stop[k] != shape[k] or step[k] != 1
    ]
    if not axes:
        return name
    return writer.emit(
        "Slice",
        name,
        writer.sizes([start[k] for k in axes]),
        writer.sizes([stop[k] for k in axes]),
        writer.integers(axes),
        writer.integers([step[k] for k in axes]),
    )


@writes("pad")
def _pad(writer: Writer, twin: Twin) -> str:
    node = twin.first
    (x,) = node.inputs
    if _padded_first(writer, twin):
        return ""
    name = writer.name(x)
    shape = twin.input_shape(0)
    value = np.asarray(node.attrs["value"].value)
    for axis, between in enumerate(node.attrs["interior"]):
        if between:
            name, shape = _spread(writer, name, shape, axis, between, value)
    low = twin.attribute_sizes("low")
    high = twin.attribute_sizes("high")
    if not all(one.fixed for one in (*low, *high)):
        return writer.emit("Pad", name, writer.sizes([*low, *high]), writer.data(value))
    return padded(
        writer, name, [one.rest for one in low], [one.rest for one in high], value
    )


def _padded_first(writer: Writer, twin: Twin) -> bool:
    """Write borders of a value that has its channels first."""
    node = twin.first
    (x,) = node.inputs
    low, high = twin.attribute_sizes("low"), twin.attribute_sizes("high")
    plain = all(one.fixed for one in (*low, *high)) and not any(node.attrs["interior"])
    if len(node.shape) < 3 or not writer.is_first(x) or not plain:
        return False
    order = [0, len(low) - 1, *range(1, len(low) - 1)]
    writer.first[node] = padded(
        writer,
        writer.turned_first(x),
        [low[k].rest for k in order],
        [high[k].rest for k in order],
        np.asarray(node.attrs["value"].value),
    )
    return True


def padded(
    writer: Writer, name: str, low: Sequence[int], high: Sequence[int], value: Any
) -> str:
    """Write what is added at the borders, and what is cut off where negative."""
    cuts = [
        (axis, max(-before, 0), max(-after, 0))
        for axis, (before, after) in enumerate(zip(low, high, strict=True))
        if before < 0 or after < 0
    ]
    added = [*(max(one, 0) for one in low), *(max(one, 0) for one in high)]
    if any(added):
        name = writer.emit("Pad", name, writer.integers(added), writer.data(value))
    if cuts:
        most = np.iinfo(np.int64).max
        name = writer.emit(
            "Slice",
            name,
            writer.integers([before for _, before, _ in cuts]),
            writer.integers([-after if after else most for _, _, after in cuts]),
            writer.integers([axis for axis, _, _ in cuts]),
        )
    return name


def _spread(
    writer: Writer,
    name: str,
    shape: Sequence[Size],
    axis: int,
    between: int,
    value: Any,
) -> tuple[str, list[Size]]:
    """Write ``between`` elements after each of an axis but the last."""
    if not shape[axis].fixed:
        axis_size = shape[axis]
        wide = Size(axis_size.factor * (between + 1), axis_size.rest * (between + 1))
    else:
        wide = Size(0, shape[axis].rest * (between + 1))
    name = writer.emit("Unsqueeze", name, writer.integers([axis + 1]))
    pads = [0] * (2 * (len(shape) + 1))
    pads[len(shape) + 1 + axis + 1] = between
    name = writer.emit("Pad", name, writer.integers(pads), writer.data(value))
    sizes = [*shape[:axis], wide, *shape[axis + 1 :]]
    name = writer.reshaped(name, sizes)
    name = writer.emit(
        "Slice",
        name,
        writer.integers([0]),
        writer.integers([-between]),
        writer.integers([axis]),
    )
    sizes[axis] = Size(wide.factor, wide.rest - between)
    return name, sizes


@writes("iota")
def _iota(writer: Writer, twin: Twin) -> str:
    from nervure.exporters.onnx.writer import TYPE_NUMBERS

    node = twin.first
    axis = node.attrs["axis"]
    size = twin.shape[axis]
    column = [1] * len(node.shape)
    if size.fixed:
        column[axis] = size.rest
        counts = np.arange(size.rest).astype(node.dtype).reshape(column)
        name = writer.data(counts)
    else:
        limit = writer.emit("Squeeze", writer.sizes([size]))
        zero = writer.data(np.asarray(0, np.int64))
        one = writer.data(np.asarray(1, np.int64))
        name = writer.emit("Range", zero, limit, one)
        name = writer.emit("Cast", name, to=TYPE_NUMBERS[node.dtype.name])
        column[axis] = -1
        name = writer.emit("Reshape", name, writer.integers(column))
    if all(k == axis for k in range(len(column))):
        return name
    return writer.emit("Expand", name, writer.sizes(twin.shape))
