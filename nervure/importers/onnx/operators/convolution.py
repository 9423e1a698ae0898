"""Convolutions: ``Conv``, ``ConvTranspose``, ``DeformConv``.

ONNX has channels first, Nervure's convolution has them last.  Each node is a transpose,
a convolution and a transpose back; the passes cancel the pairs between neighbours.
"""

from __future__ import annotations

from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.importers.onnx.operators.windows import (
    channels_first,
    channels_last,
    windows_of,
)
from nervure.importers.onnx.running import Operation
from nervure.importers.onnx.table import operator
from nervure.ir.node import Node
from nervure.ops import mixed
from nervure.prims.movement import transpose
from nervure.prims.slicing import pad


@operator("Conv")
def conv(
    operation: Operation, x: Array, kernel: Array, bias: Array | None = None
) -> Array:
    """Slide filters ``[M, C / groups, *window]`` over ``[N, C, *places]``."""
    rank = x.ndim - 2
    size = operation.attribute("kernel_shape", kernel.shape[2:])
    windows = windows_of(operation, x.shape[2:], size)
    weights = transpose(kernel.node, (*range(2, rank + 2), 1, 0))
    result = mixed.conv(
        channels_last(x),
        weights,
        windows.strides,
        windows.pads,
        windows.dilation,
        operation.attribute("group", 1),
    )
    return _with_bias(result, bias)


def _with_bias(result: Node, bias: Array | None) -> Array:
    if bias is not None:
        result = ops.add(Array.of_node(result), bias).node
    return channels_first(result)


@operator("ConvTranspose")
def conv_transpose(
    operation: Operation, x: Array, kernel: Array, bias: Array | None = None
) -> Array:
    """Spread each element by filters ``[C, M / groups, *window]`` and add up."""
    rank = x.ndim - 2
    groups = operation.attribute("group", 1)
    size = kernel.shape[2:]
    strides = operation.attribute("strides") or [1] * rank
    dilation = operation.attribute("dilations") or [1] * rank
    full = [
        (place - 1) * stride + (extent - 1) * step + 1
        for place, extent, stride, step in zip(
            x.shape[2:], size, strides, dilation, strict=True
        )
    ]
    cuts = _cuts(operation, x.shape[2:], full, strides)
    # All that the elements reach; the gradient of a convolution in its input.
    weights = transpose(kernel.node, (*range(2, rank + 2), 1, 0))
    whole = mixed.conv_input_grad(
        channels_last(x), weights, full, strides, [(0, 0)] * rank, dilation, groups
    )
    low = (0, *(-low for low, _ in cuts), 0)
    high = (0, *(-high for _, high in cuts), 0)
    return _with_bias(pad(whole, low, high), bias)


def _cuts(
    operation: Operation, places: Any, full: list[int], strides: list[int]
) -> list[tuple[int, int]]:
    """Return how many places are cut off before and after; negative: added."""
    rank = len(full)
    more = operation.attribute("output_padding") or [0] * rank
    shape = operation.attribute("output_shape")
    kind = operation.attribute("auto_pad", "NOTSET")
    if shape is None and kind in ("NOTSET", "", "VALID"):
        given = operation.attribute("pads") or [0] * (2 * rank)
        return [(given[k], given[k + rank] - more[k]) for k in range(rank)]
    if shape is None:
        shape = [place * stride for place, stride in zip(places, strides, strict=True)]
    cuts = []
    for k, wanted in enumerate(shape[-rank:]):
        total = full[k] + more[k] - wanted
        half = total // 2
        low = half if kind == "SAME_UPPER" else total - half
        if total < 0:
            low = 0
        cuts.append((low, total - low - more[k]))
    return cuts


@operator("DeformConv")
def deform_conv(
    operation: Operation,
    x: Array,
    kernel: Array,
    offsets: Array,
    bias: Array | None = None,
    mask: Array | None = None,
) -> Array:
    """Slide filters whose places are moved by offsets, sampled bilinearly (2-D)."""
    if x.ndim != 4:
        operation.refuse("Nervure deforms convolutions of images only")
    batch, channels, height, width = x.shape
    filters, per_group, down, across = kernel.shape
    windows = windows_of(operation, x.shape[2:], (down, across))
    groups = operation.attribute("group", 1)
    parts = operation.attribute("offset_group", 1)
    rows, columns = offsets.shape[2:]
    moved = ops.reshape(offsets, (batch, parts, down * across, 2, rows, columns))
    taps = []
    for place in range(down * across):
        first = place // across * windows.dilation[0] - windows.pads[0][0]
        second = place % across * windows.dilation[1] - windows.pads[1][0]
        y = ops.reshape(ops.arange(rows) * windows.strides[0] + first, (rows, 1))
        z = ops.arange(columns) * windows.strides[1] + second
        at = (
            moved[:, :, place, 0] + ops.astype(y, x.dtype),
            moved[:, :, place, 1] + ops.astype(z, x.dtype),
        )
        taken = _sampled(
            ops.reshape(x, (batch, parts, channels // parts, height, width)), *at
        )
        if mask is not None:
            weight = ops.reshape(mask, (batch, parts, down * across, rows, columns))
            taken = taken * weight[:, :, place][:, :, None]
        taps.append(ops.reshape(taken, (batch, channels, rows, columns)))
    stacked = ops.stack(taps, axis=2)
    shape = (batch, groups, per_group * down * across, rows * columns)
    flat = ops.reshape(stacked, shape)
    weights = ops.reshape(kernel, (groups, filters // groups, shape[2]))
    result = ops.reshape(ops.matmul(weights, flat), (batch, filters, rows, columns))
    if bias is not None:
        result = result + ops.reshape(bias, (filters, 1, 1))
    return result


def _sampled(x: Array, y: Array, z: Array) -> Array:
    """Return ``[N, G, C, *places]`` at fractional places; zero outside."""
    height, width = x.shape[-2:]
    batch, parts, channels = x.shape[:3]
    flat = ops.reshape(x, (batch, parts, channels, height * width))
    top, left = ops.floor(y), ops.floor(z)
    result = None
    for low in (0, 1):
        for side in (0, 1):
            row, column = top + low, left + side
            weight = (1 - ops.abs(y - row)) * (1 - ops.abs(z - column))
            inside = ops.logical_and(
                ops.logical_and(row >= 0, row <= height - 1),
                ops.logical_and(column >= 0, column <= width - 1),
            )
            weight = ops.where(inside, weight, ops.zeros_like(weight))
            place = ops.clip(row, 0, height - 1) * width + ops.clip(
                column, 0, width - 1
            )
            index = ops.reshape(ops.astype(place, "int64"), (batch, parts, 1, -1))
            taken = ops.take_along_axis(flat, index, axis=3)
            taken = ops.reshape(taken, (batch, parts, channels, *y.shape[2:]))
            term = taken * weight[:, :, None]
            result = term if result is None else result + term
    assert result is not None
    return result
