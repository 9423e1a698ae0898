"""What makes a file plain and fast: constants, channels first, operators joined.

ONNX has channels first.  The result of a convolution is kept so, and elementwise
operators, poolings and the like take it as it is; it is turned only where somebody
needs channels last.  Scales and shifts by channel (a bias, batch normalization) go
into the convolution's weights, and the rectifier's formula becomes ``Relu``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from nervure.array import Array
from nervure.exporters.onnx.writer import Twin, Writer
from nervure.ir.attrs import NDArray
from nervure.ir.graph import topological
from nervure.ir.node import UNTRACKED, Node

# A computed constant may be so large; above, its formula is written.
_MOST_BYTES: Final = 1 << 16


def known_value(node: Node) -> NDArray | None:
    """Return the value of a node that depends on no input, if it is of use."""
    if node.tracking != UNTRACKED:
        return None
    if node.op.name in ("const", "buffer"):
        return Array.of_node(node).numpy()
    inside = sum(one.nbytes for one in node.inputs)
    if node.nbytes > max(_MOST_BYTES, 2 * inside) or node.op.name == "broadcast":
        return None
    if any(one.op.name == "random_bits" for one in topological([node])):
        return None  # drawn anew each time, not once for the file
    return Array.of_node(node).numpy()


@dataclass(frozen=True)
class PendingConvolution:
    """A convolution that is written when its value is asked for."""

    x: str
    kernel: NDArray  # [filters, channels, *window]
    scale: NDArray
    shift: NDArray
    settings: dict[str, Any]

    def written(self, writer: Writer) -> str:
        """Write the node and return its name, channels first."""
        shape = (-1, *(1,) * (self.kernel.ndim - 1))
        dtype = self.kernel.dtype
        kernel = (self.kernel * self.scale.reshape(shape)).astype(dtype)
        inputs = [self.x, writer.data(kernel, "kernel")]
        if self.shift.any():
            inputs.append(writer.data(self.shift.astype(dtype), "bias"))
        return writer.emit("Conv", *inputs, **self.settings)


def by_channel(node: Node, channels: int) -> NDArray | None:
    """Return a broadcast of a number, or of one for each channel, as a vector."""
    if node.op.name != "broadcast":
        return None
    (x,) = node.inputs
    last = len(node.shape) - 1
    axes: Any = node.attrs["axes"]
    if x.shape not in ((), (channels,)) or (x.shape and axes != (last,)):
        wide = [k for k, extent in enumerate(x.shape) if extent != 1]
        if [axes[k] for k in wide] not in ([], [last]):
            return None
    value = known_value(x)
    if value is None:
        return None
    return np.broadcast_to(value.ravel().astype(np.float64), (channels,))


def joined(writer: Writer, twin: Twin) -> bool:
    """Join a scale or a shift by channel to the convolution before it."""
    node = twin.first
    if node.op.name not in ("add", "sub", "mul", "div") or len(node.inputs) != 2:
        return False
    x, y = node.inputs
    swapped = x not in writer.pending
    if swapped:
        x, y = y, x
    pending = writer.pending.get(x)
    if pending is None or writer.uses.get(x) != 1:
        return False
    if swapped and node.op.name in ("sub", "div"):
        return False
    vector = by_channel(y, node.shape[-1])
    if vector is None:
        return False
    scale, shift = pending.scale, pending.shift
    if node.op.name == "add":
        shift = shift + vector
    elif node.op.name == "sub":
        shift = shift - vector
    else:
        factor = vector if node.op.name == "mul" else 1.0 / vector
        scale, shift = scale * factor, shift * factor
    writer.pending[node] = replace(pending, scale=scale, shift=shift)
    return True


def _is_number(node: Node, number: float) -> bool:
    while node.op.name == "broadcast":
        (node,) = node.inputs
    value = known_value(node) if node.shape == () else None
    return value is not None and float(value) == number


def rectified(writer: Writer, twin: Twin) -> bool:
    """Write ``select(x <= 0, 0, x)`` as ``Relu``, and with an upper bound ``Clip``."""
    node = twin.first
    if node.op.name == "select":
        condition, zero, x = node.inputs
        if (
            condition.op.name != "le"
            or condition.inputs[0] is not x
            or not _is_number(condition.inputs[1], 0.0)
            or not _is_number(zero, 0.0)
        ):
            return False
        _unary(writer, node, x, "Relu")
        writer.rectifiers[node] = x
        return True
    if node.op.name == "minimum" and node.inputs[0] in writer.rectifiers:
        bound = node.inputs[1]
        while bound.op.name == "broadcast":
            (bound,) = bound.inputs
        if bound.shape != () or known_value(bound) is None:
            return False
        limits = [writer.scalar_like(0, node), writer.name(bound)]
        _unary(writer, node, writer.rectifiers[node.inputs[0]], "Clip", *limits)
        return True
    return False


def _unary(writer: Writer, node: Node, x: Node, op: str, *more: str) -> None:
    """Write an operator of one array in the layout that the array has."""
    name = writer.channels_first(x)
    if name is not None:
        writer.first[node] = writer.emit(op, name, *more)
    else:
        writer.names[node] = writer.emit(op, writer.name(x), *more)


def elementwise_channels_first(writer: Writer, op: str, node: Node) -> bool:
    """Write an elementwise operator with channels first, if its operands are so."""
    if len(node.shape) < 3 or not any(map(writer.is_first, node.inputs)):
        return False
    names, shapes = [], []
    for one in node.inputs:
        name = writer.channels_first(one)
        if name is not None:
            names.append(name)
            shapes.append(_moved(one.shape))
            continue
        if one not in writer.thin:
            return False
        name, shape = writer.thin[one]
        shapes.append(_moved(shape))
        names.append(_thin_first(writer, one, name, shape))
    if np.broadcast_shapes(*shapes) != _moved(node.shape):
        return False
    writer.first[node] = writer.emit(op, *names)
    return True


def _moved(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], shape[-1], *shape[1:-1])


def _thin_first(writer: Writer, node: Node, name: str, shape: tuple[int, ...]) -> str:
    """Return a value that is not repeated yet with its channels first."""
    if all(extent == 1 for extent in shape):
        return name
    source = node.inputs[0] if node.op.name == "broadcast" else None
    value = known_value(source) if source is not None else None
    rank = len(shape)
    order = [0, rank - 1, *range(1, rank - 1)]
    if value is not None:
        return writer.data(value.reshape(shape).transpose(order))
    return writer.emit("Transpose", name, perm=order)


def exponent_parts(nodes: Sequence[Node]) -> dict[Node, Node]:
    """Return the nodes that keep only the exponent of numbers, and those numbers.

    ONNX cannot read the bits of a number (before version 26), so
    :func:`~nervure.ops.units.power_of_two` is written with a logarithm.
    """
    found = {}
    for node in nodes:
        if node.op.name != "bitcast" or node.inputs[0].op.name != "and":
            continue
        bits, mask = node.inputs[0].inputs
        if bits.op.name != "bitcast" or bits.inputs[0].dtype != node.dtype:
            continue
        kept = {"float32": 0xFF << 23, "float64": 0x7FF << 52}.get(node.dtype.name)
        if kept is not None and _is_number(mask, kept):
            found[node] = bits.inputs[0]
    return found


def write_exponent_part(writer: Writer, size: Node) -> str:
    """Write the power of two below positive numbers, or one beside it.

    Rounding may make it twice or half of that, which is as good a unit; the largest
    power is not exceeded.
    """
    most = np.finfo(size.dtype).maxexp - 1
    log = writer.emit("Log", writer.name(size))
    log = writer.emit("Div", log, writer.scalar_like(np.log(2.0), size))
    exponent = writer.emit("Floor", log)
    exponent = writer.emit("Min", exponent, writer.scalar_like(most, size))
    return writer.emit("Pow", writer.scalar_like(2, size), exponent)
