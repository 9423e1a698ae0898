"""Matrix products and convolutions."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from nervure.exporters.onnx.composites import PendingConvolution, known_value
from nervure.exporters.onnx.primitives.movement import padded
from nervure.exporters.onnx.table import writes
from nervure.exporters.onnx.writer import Twin, Writer
from nervure.ir.node import Node


@writes("dot")
def _dot(writer: Writer, twin: Twin) -> str:
    """Write ``MatMul`` where the axes lie as it wants them, else ``Einsum``."""
    node = twin.first
    x, y = node.inputs
    batch: Any = node.attrs["batch"]
    contract: Any = node.attrs["contract"]
    names = [writer.name(x), writer.name(y)]
    rank = len(batch[0])
    lead = tuple(range(rank))
    plain = tuple(batch[0]) == tuple(batch[1]) == lead
    last = len(x.shape) - 1
    if plain and tuple(contract[0]) == (last,) and tuple(contract[1]) == (rank,):
        flat = rank == 0 and len(y.shape) == 2
        stacked = len(x.shape) == len(y.shape) == rank + 2
        if flat or stacked:
            return writer.emit("MatMul", *names)
    return writer.emit("Einsum", *names, equation=_equation(node, batch, contract))


def _equation(node: Node, batch: Any, contract: Any) -> str:
    letters = iter(string.ascii_lowercase)
    x, y = node.inputs
    first = [""] * len(x.shape)
    second = [""] * len(y.shape)
    shared = []
    for a, b in zip(*batch, strict=True):
        first[a] = second[b] = next(letters)
        shared.append(first[a])
    for a, b in zip(*contract, strict=True):
        first[a] = second[b] = next(letters)
    free: list[str] = []
    for labels in (first, second):
        for k, label in enumerate(labels):
            if not label:
                labels[k] = next(letters)
                free.append(labels[k])
    return f"{''.join(first)},{''.join(second)}->{''.join(shared + free)}"


def _channels_first(writer: Writer, name: str, rank: int) -> str:
    return writer.emit("Transpose", name, perm=[0, rank - 1, *range(1, rank - 1)])


def _channels_last(writer: Writer, name: str, rank: int) -> str:
    return writer.emit("Transpose", name, perm=[0, *range(2, rank), 1])


def _kernel(writer: Writer, kernel: Node) -> str:
    """Turn filters ``[*window, channels, filters]`` to ``[filters, channels, ...]``."""
    rank = len(kernel.shape)
    order = [rank - 1, rank - 2, *range(rank - 2)]
    return writer.emit("Transpose", writer.name(kernel), perm=order)


@writes("conv")
def _conv(writer: Writer, twin: Twin) -> str:
    node = twin.first
    x, kernel = node.inputs
    name = writer.turned_first(x)
    settings = _settings(node, node.attrs["padding"])
    value = known_value(kernel)
    if value is None or node.dtype.name not in ("float32", "float64"):
        kernels = _kernel(writer, kernel)
        writer.first[node] = writer.emit("Conv", name, kernels, **settings)
        return ""
    rank = value.ndim
    turned = value.transpose((rank - 1, rank - 2, *range(rank - 2)))
    ones = np.ones(node.shape[-1])
    writer.pending[node] = PendingConvolution(name, turned, ones, 0 * ones, settings)
    return ""


def _settings(node: Node, pads: Any) -> dict[str, Any]:
    attrs: Any = node.attrs
    kernel = node.inputs[1]
    return {
        "kernel_shape": list(kernel.shape[:-2]),
        "strides": list(attrs["strides"]),
        "pads": [*(low for low, _ in pads), *(high for _, high in pads)],
        "dilations": list(attrs["dilation"]),
        "group": attrs["groups"],
    }


@writes("conv_input_grad")
def _conv_transpose(writer: Writer, twin: Twin) -> str:
    """Write all that the elements reach, then cut it or add zeros."""
    node = twin.first
    g, kernel = node.inputs
    attrs: Any = node.attrs
    rank = len(g.shape)
    none = [(0, 0)] * (rank - 2)
    name = _channels_first(writer, writer.name(g), rank)
    name = writer.emit(
        "ConvTranspose", name, _kernel(writer, kernel), **_settings(node, none)
    )
    low, high = [0, 0], [0, 0]
    for k, (before, _) in enumerate(attrs["padding"]):
        reach = (kernel.shape[k] - 1) * attrs["dilation"][k] + 1
        whole = (g.shape[k + 1] - 1) * attrs["strides"][k] + reach
        low.append(-before)
        high.append(attrs["sizes"][k] - whole + before)
    name = padded(writer, name, low, high, _zero(node))
    return _channels_last(writer, name, rank)


def _zero(node: Node) -> Any:
    return np.asarray(0, node.dtype)
