"""Operators that the standard itself defines in terms of simpler ones.

Rare operators (``FlexAttention``, ``CenterCropPad``, ...) need no builder: the onnx
package carries their definition as a graph, which is run like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nervure.array import Array
from nervure.importers.onnx.records import (
    DTYPE_NUMBERS,
    OnnxFunction,
    function_record,
)
from nervure.ir.attrs import NDArray

if TYPE_CHECKING:
    import onnx

    from nervure.importers.onnx.running import Operation


def standard_function(
    operation: Operation, inputs: Sequence[Any]
) -> OnnxFunction | None:
    """Return the definition of an operator by others, if the standard has one."""
    import onnx

    try:
        schema = onnx.defs.get_schema(
            operation.name, operation.version, operation.node.domain
        )
    except onnx.defs.SchemaError:
        return None
    proto = _definition(schema, operation, inputs)
    if proto is None:
        return None
    record = function_record(proto, _tensor)
    defaults = {
        name: _default(attribute.default_value)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type
    }
    return OnnxFunction(
        record.name,
        record.inputs,
        record.outputs,
        record.nodes,
        {**defaults, **record.defaults},
        record.opsets or {"": operation.version},
    )


def _definition(
    schema: Any, operation: Operation, inputs: Sequence[Any]
) -> onnx.FunctionProto | None:
    import onnx

    if schema.has_function:
        return schema.function_body
    if not schema.has_context_dependent_function:
        return None
    if any(isinstance(value, list) for value in inputs):
        return None  # the package's code for sequences does not check its types
    node = _resolved(operation)
    onnx.checker.check_node(node, _context(operation))
    types = [_type_of(value) for value in inputs]
    data = schema.get_context_dependent_function(node.SerializeToString(), types)
    if not data:
        return None
    function = onnx.FunctionProto()
    function.ParseFromString(data)
    return function


def _resolved(operation: Operation) -> onnx.NodeProto:
    """Return the node with the attributes that its caller gives filled in."""
    import onnx

    node = onnx.NodeProto()
    node.CopyFrom(operation.node.proto)
    del node.attribute[:]
    for attribute in operation.node.proto.attribute:
        if not attribute.ref_attr_name:
            node.attribute.append(attribute)
            continue
        value = operation.attribute(attribute.name)
        if value is not None:
            node.attribute.append(onnx.helper.make_attribute(attribute.name, value))
    return node


def _context(operation: Operation) -> Any:
    """Return what the package's checks of one node need to know."""
    import onnx

    context = onnx.checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {"": operation.version}
    return context


def _type_of(value: Any) -> bytes:
    import onnx

    if not isinstance(value, Array):
        return onnx.TypeProto().SerializeToString()
    number = DTYPE_NUMBERS[value.dtype]
    proto = onnx.helper.make_tensor_type_proto(number, value.shape)
    return proto.SerializeToString()


def _tensor(proto: onnx.TensorProto) -> NDArray:
    from nervure.importers.onnx.reading import tensor_array

    return tensor_array(proto, None)


def _default(proto: onnx.AttributeProto) -> Any:
    import onnx

    value = onnx.helper.get_attribute_value(proto)
    return value.decode() if isinstance(value, bytes) else value
