"""A graph of ONNX as plain data: what the rest of the package works on.

Protocol buffers are left behind here, so everything after this file sees NumPy arrays,
Python numbers and strings.

Source of the format: https://github.com/onnx/onnx/blob/main/docs/IR.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.importers.onnx.refusal import UnsupportedError
from nervure.ir.attrs import NDArray

if TYPE_CHECKING:
    import onnx

# Turns a tensor of the file into an array; knows where external data may lie.
ReadTensor = Callable[["onnx.TensorProto"], NDArray]

# The numbers of TensorProto.DataType.
DTYPES: Final[Mapping[int, DType]] = {
    1: dtypes.float32,
    2: dtypes.uint8,
    3: dtypes.int8,
    4: dtypes.uint16,
    5: dtypes.int16,
    6: dtypes.int32,
    7: dtypes.int64,
    9: dtypes.bool_,
    10: dtypes.float16,
    11: dtypes.float64,
    12: dtypes.uint32,
    13: dtypes.uint64,
    16: dtypes.bfloat16,
}
DTYPE_NUMBERS: Final = {dtype: number for number, dtype in DTYPES.items()}
_REFUSED_DTYPES: Final = {
    8: "strings",
    14: "complex numbers",
    15: "complex numbers",
    17: "float8",
    18: "float8",
    19: "float8",
    20: "float8",
    21: "4-bit integers",
    22: "4-bit integers",
    23: "float4",
    24: "float8",
    25: "2-bit integers",
    26: "2-bit integers",
}


def dtype_of(number: int, operator: str = "") -> DType:
    """Return the data type that a number of the format means.

    Raises :class:`UnsupportedError` for one that no graph of Nervure holds.
    """
    if number in DTYPES:
        return DTYPES[number]
    what = _REFUSED_DTYPES.get(number, f"the data type number {number}")
    raise UnsupportedError(operator, f"Nervure does not compute with {what}")


@dataclass(frozen=True)
class AttributeOfCaller:
    """An attribute of a function's body that the caller's node gives."""

    name: str


@dataclass(frozen=True)
class OnnxNode:
    """One operation of a graph."""

    operator: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: Any = field(compare=False, repr=False, default=None)

    @property
    def label(self) -> str:
        """How messages and scopes call it."""
        return self.name or next((one for one in self.outputs if one), self.operator)


@dataclass(frozen=True)
class OnnxValue:
    """An input or output: a name, the data type and the sizes of the axes.

    ``shape`` is None where the rank is not said; a size is None where it varies.
    ``dtype`` is None for what is no array, and for types that Nervure does not have;
    ``element`` is the number that the file says.
    """

    name: str
    dtype: DType | None
    shape: tuple[int | None, ...] | None
    element: int = 0


@dataclass(frozen=True)
class OnnxGraph:
    """Nodes in the order in which they run, and what goes in and out."""

    name: str
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: Mapping[str, NDArray]


@dataclass(frozen=True)
class OnnxFunction:
    """A function that a file or the standard defines in terms of other operators."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[OnnxNode, ...]
    defaults: Mapping[str, Any]
    opsets: Mapping[str, int]


def graph_record(proto: onnx.GraphProto, read: ReadTensor) -> OnnxGraph:
    """Return a graph of the file, its tensors read."""
    if proto.sparse_initializer:
        raise UnsupportedError("", "it has sparse initializers")
    return OnnxGraph(
        proto.name,
        tuple(map(_value, proto.input)),
        tuple(map(_value, proto.output)),
        tuple(node_record(node, read) for node in proto.node),
        {tensor.name: read(tensor) for tensor in proto.initializer},
    )


def function_record(proto: onnx.FunctionProto, read: ReadTensor) -> OnnxFunction:
    """Return a function of the file or of the standard."""
    return OnnxFunction(
        proto.name,
        tuple(proto.input),
        tuple(proto.output),
        tuple(node_record(node, read) for node in proto.node),
        {one.name: _attribute(one, read) for one in proto.attribute_proto},
        opset_versions(proto.opset_import),
    )


def opset_versions(imports: Any) -> dict[str, int]:
    """Return the version of each operator set by its domain; "" is ONNX's own."""
    return {plain_domain(one.domain): one.version for one in imports}


def plain_domain(domain: str) -> str:
    """Return a domain under its one name."""
    return "" if domain == "ai.onnx" else domain


def node_record(proto: onnx.NodeProto, read: ReadTensor) -> OnnxNode:
    """Return a node of the file."""
    return OnnxNode(
        proto.op_type,
        plain_domain(proto.domain),
        proto.name,
        tuple(proto.input),
        tuple(proto.output),
        {one.name: _attribute(one, read) for one in proto.attribute},
        proto,
    )


def _attribute(proto: onnx.AttributeProto, read: ReadTensor) -> Any:
    if proto.ref_attr_name:
        return AttributeOfCaller(proto.ref_attr_name)
    kind = proto.WhichOneof("value") if proto.DESCRIPTOR.oneofs else None
    readers: dict[int, Callable[[], Any]] = {
        1: lambda: proto.f,
        2: lambda: proto.i,
        3: lambda: proto.s.decode("utf-8", "replace"),
        4: lambda: read(proto.t),
        5: lambda: graph_record(proto.g, read),
        6: lambda: list(proto.floats),
        7: lambda: list(proto.ints),
        8: lambda: [text.decode("utf-8", "replace") for text in proto.strings],
        9: lambda: [read(tensor) for tensor in proto.tensors],
    }
    if proto.type not in readers:
        what = kind or f"the kind {proto.type}"
        return Unreadable(f"its attribute {proto.name!r} is of {what}")
    return readers[proto.type]()


@dataclass(frozen=True)
class Unreadable:
    """An attribute of a kind that no supported operator has; refused when used."""

    why: str


def _value(proto: onnx.ValueInfoProto) -> OnnxValue:
    if not proto.type.HasField("tensor_type"):
        return OnnxValue(proto.name, None, None)
    tensor = proto.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type)
    if not tensor.HasField("shape"):
        return OnnxValue(proto.name, dtype, None, tensor.elem_type)
    sizes = tuple(
        axis.dim_value if axis.HasField("dim_value") else None
        for axis in tensor.shape.dim
    )
    return OnnxValue(proto.name, dtype, sizes, tensor.elem_type)


def plain_array(value: Any) -> NDArray:
    """Return an array whose data type Nervure knows; refuses others."""
    array = np.asarray(value)
    if not dtypes.is_supported(array.dtype):
        raise UnsupportedError(
            "", f"Nervure does not compute with {array.dtype.name or array.dtype}"
        )
    return array
