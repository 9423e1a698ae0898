"""Sums and maxima of windows, by poolings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exporters.onnx.primitives.movement import padded
from nervure.exporters.onnx.sizes import Size
from nervure.exporters.onnx.table import writes
from nervure.exporters.onnx.writer import TYPE_NUMBERS, Twin, Writer
from nervure.ir.attrs import NDArray


@writes("window_sum", "window_max")
def _window(writer: Writer, twin: Twin) -> str:
    """Bring the axes with windows last, and all others together as one batch."""
    node = twin.first
    attrs: Any = node.attrs
    rank = len(node.shape)
    sliding = [
        k
        for k in range(rank)
        if attrs["window"][k] != 1
        or attrs["strides"][k] != 1
        or any(attrs["padding"][k])
    ]
    if not sliding:
        return writer.name(node.inputs[0])
    if rank > 2 and set(sliding) <= set(range(1, rank - 1)):
        return _spatial(writer, twin, maxima=node.op.name == "window_max")
    if len(sliding) > 3:
        twin.refuse("its windows reach over more than three axes")
    maxima = node.op.name == "window_max"
    name = writer.name(node.inputs[0])
    name = _with_borders(writer, twin, name, maxima)
    others = [k for k in range(rank) if k not in sliding]
    order = [*others, *sliding]
    if order != list(range(rank)):
        name = writer.emit("Transpose", name, perm=order)
    inside = _padded_sizes(twin)
    flat = _product([inside[k] for k in others])
    name = writer.reshaped(name, [flat, Size(0, 1), *(inside[k] for k in sliding)])
    name = _pooled(writer, twin, name, sliding, maxima)
    name = writer.reshaped(name, [twin.shape[k] for k in order])
    if order != list(range(rank)):
        back = [order.index(k) for k in range(rank)]
        name = writer.emit("Transpose", name, perm=back)
    return name


def _spatial(writer: Writer, twin: Twin, *, maxima: bool) -> str:
    """Write a pooling of images as such, channels first."""
    node = twin.first
    attrs: Any = node.attrs
    places = range(1, len(node.shape) - 1)
    pads: Any = [attrs["padding"][k] for k in places]
    within = all(max(attrs["padding"][k]) < attrs["window"][k] for k in places)
    name = writer.turned_first(node.inputs[0])
    if not within or len(places) > 3:
        order = [0, len(node.shape) - 1, *places]
        low = [attrs["padding"][k][0] for k in order]
        high = [attrs["padding"][k][1] for k in order]
        name = padded(writer, name, low, high, _border(node.dtype, maxima))
        pads = [(0, 0)] * len(places)
    writer.first[node] = _pooled(writer, twin, name, places, maxima, pads)
    return ""


def _product(sizes: Sequence[Size]) -> Size:
    moving = [one for one in sizes if not one.fixed]
    rest = math.prod(one.rest for one in sizes if one.fixed)
    if not moving:
        return Size(0, rest)
    return Size(moving[0].factor * rest, moving[0].rest * rest)


def _padded_sizes(twin: Twin) -> list[Size]:
    pads: Any = twin.attrs["padding"]
    return [
        Size(size.factor, size.rest + sum(pair))
        for size, pair in zip(twin.input_shape(0), pads, strict=True)
    ]


def _with_borders(writer: Writer, twin: Twin, name: str, maxima: bool) -> str:
    node = twin.first
    pads: Any = node.attrs["padding"]
    return padded(
        writer,
        name,
        [low for low, _ in pads],
        [high for _, high in pads],
        _border(node.dtype, maxima),
    )


def _border(dtype: DType, maxima: bool) -> NDArray:
    """Return what padding holds: nothing to a sum, never the largest of a window."""
    if not maxima:
        return np.zeros((), dtype)
    lowest = -np.inf if dtypes.is_float(dtype) else np.iinfo(dtype).min
    return np.asarray(lowest, dtype)


def _pooled(
    writer: Writer,
    twin: Twin,
    name: str,
    sliding: Sequence[int],
    maxima: bool,
    pads: Sequence[tuple[int, int]] = (),
) -> str:
    node = twin.first
    attrs: Any = node.attrs
    settings = {
        "kernel_shape": [attrs["window"][k] for k in sliding],
        "strides": [attrs["strides"][k] for k in sliding],
        "dilations": [attrs["dilation"][k] for k in sliding],
        "pads": [*(low for low, _ in pads), *(high for _, high in pads)] or None,
    }
    plain = node.dtype.name in ("float32", "float64")
    if not plain:
        name = writer.emit("Cast", name, to=TYPE_NUMBERS["float32"])
    if maxima:
        name = writer.emit("MaxPool", name, **settings)
    else:
        name = writer.emit("AveragePool", name, count_include_pad=1, **settings)
        count = math.prod(settings["kernel_shape"])
        like = node.dtype if plain else dtypes.float32
        name = writer.emit("Mul", name, writer.data(np.asarray(count, like)))
    if not plain:
        name = writer.emit("Cast", name, to=TYPE_NUMBERS[node.dtype.name])
    return name
