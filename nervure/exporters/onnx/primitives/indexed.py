"""Gather, scatter and pieces at computed places."""

from __future__ import annotations

import numpy as np

from nervure.exporters.onnx.sizes import Size
from nervure.exporters.onnx.table import writes
from nervure.exporters.onnx.writer import TYPE_NUMBERS, Twin, Writer


def _inside(writer: Writer, name: str, size: Size) -> str:
    """Write indices as int64, kept between 0 and the last place."""
    wide = writer.emit("Cast", name, to=TYPE_NUMBERS["int64"])
    last = writer.sizes([Size(size.factor, size.rest - 1)])
    last = writer.emit("Squeeze", last)
    low = writer.emit("Max", wide, writer.data(np.asarray(0, np.int64)))
    return writer.emit("Min", low, last)


@writes("gather")
def _gather(writer: Writer, twin: Twin) -> str:
    node = twin.first
    axis = node.attrs["axis"]
    x, indices = node.inputs
    known = indices.attrs.get("value")
    if known is not None and twin.input_shape(0)[axis].fixed:
        places = np.clip(np.asarray(known.value, np.int64), 0, x.shape[axis] - 1)
        name = writer.data(places)
    else:
        name = _inside(writer, writer.name(indices), twin.input_shape(0)[axis])
    return writer.emit("Gather", writer.name(x), name, axis=axis)


@writes("scatter")
def _scatter(writer: Writer, twin: Twin) -> str:
    node = twin.first
    x, indices, updates = node.inputs
    axis, rank = node.attrs["axis"], len(x.shape)
    mode = {"set": "none"}.get(node.attrs["mode"], node.attrs["mode"])
    count = len(indices.shape)
    # The indexed axis goes first, in x and, for each of its axes, in the updates.
    order = [axis, *(k for k in range(rank) if k != axis)]
    inner = list(range(axis, axis + count))
    outer = [k for k in range(len(updates.shape)) if k not in inner]
    data, new = writer.name(x), writer.name(updates)
    if axis:
        data = writer.emit("Transpose", data, perm=order)
        new = writer.emit("Transpose", new, perm=[*inner, *outer])
    places = _inside(writer, writer.name(indices), twin.input_shape(0)[axis])
    places = writer.emit("Unsqueeze", places, writer.integers([-1]))
    result = writer.emit("ScatterND", data, places, new, reduction=mode)
    if not axis:
        return result
    back = [order.index(k) for k in range(rank)]
    return writer.emit("Transpose", result, perm=back)


def _first_places(writer: Writer, twin: Twin, starts: str, piece: list[Size]) -> str:
    """Write where a piece begins, so that it lies within x."""
    shape = twin.input_shape(0)
    room = [
        Size(a.factor - b.factor, a.rest - b.rest)
        for a, b in zip(shape, piece, strict=True)
    ]
    wide = writer.emit("Cast", starts, to=TYPE_NUMBERS["int64"])
    low = writer.emit("Max", wide, writer.data(np.asarray(0, np.int64)))
    return writer.emit("Min", low, writer.sizes(room))


@writes("dynamic_slice")
def _dynamic_slice(writer: Writer, twin: Twin) -> str:
    x, starts = twin.first.inputs
    first = _first_places(writer, twin, writer.name(starts), twin.shape)
    last = writer.emit("Add", first, writer.sizes(twin.shape))
    axes = writer.integers(range(len(x.shape)))
    return writer.emit("Slice", writer.name(x), first, last, axes)


@writes("dynamic_update_slice")
def _dynamic_update_slice(writer: Writer, twin: Twin) -> str:
    """Put a piece in its place: zeros around it, and a mask of where it is."""
    x, update, starts = twin.first.inputs
    piece = twin.input_shape(1)
    first = _first_places(writer, twin, writer.name(starts), piece)
    last = writer.emit("Add", first, writer.sizes(piece))
    after = writer.emit("Sub", writer.sizes(twin.shape), last)
    widths = writer.emit("Concat", first, after, axis=0)
    one = writer.data(np.ones(1, np.float32))
    ones = writer.emit("Expand", one, writer.sizes(piece))
    zero = writer.data(np.asarray(0, np.float32))
    mask = writer.emit("Cast", writer.emit("Pad", ones, widths, zero), to=9)
    name = writer.name(update)
    placed = writer.emit("Pad", name, widths, writer.scalar_like(0, update))
    return writer.emit("Where", mask, placed, writer.name(x))
