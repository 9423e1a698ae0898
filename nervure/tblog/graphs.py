"""Graphs as TensorFlow's message ``GraphDef``, which TensorBoard draws.

Source: tensorflow/core/framework/graph.proto and node_def.proto. Names with strokes
are folded into boxes, so the layers of a model can be opened one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.record import is_record
from nervure.tblog import wire

_TYPES: Final = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "string": 7,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "uint16": 17,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
_PRODUCER: Final = 1087  # a version of TensorFlow that knows all of this


@dataclass(frozen=True)
class GraphNode:
    """One node of a picture.

    Attributes
    ----------
    name
        Unique; ``"a/b"`` lies in the box ``a``.
    kind
        What it does, such as ``"MatMul"``.
    inputs
        Names of nodes; ``"^name"`` is one that only has to run before.
    shapes, dtype
        The shapes of the outputs, None for unknown sizes or an unknown shape, and their
        data type.
    attributes
        Numbers, text and truth values to show.

    >>> GraphNode("product", "MatMul", ["x", "w"]).inputs
    ['x', 'w']
    """

    name: str
    kind: str
    inputs: Sequence[str] = ()
    shapes: Sequence[Sequence[int | None] | None] = ()
    dtype: str = ""
    device: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


def graph_def(nodes: Iterable[GraphNode]) -> bytes:
    """Return the message ``GraphDef`` of nodes."""
    body = b"".join(wire.bytes_field(1, _node_def(node)) for node in nodes)
    return body + wire.bytes_field(4, wire.int_field(1, _PRODUCER))


def _node_def(node: GraphNode) -> bytes:
    parts = [wire.text_field(1, node.name), wire.text_field(2, node.kind)]
    parts += [wire.text_field(3, one) for one in node.inputs]
    if node.device:
        parts.append(wire.text_field(4, node.device))
    if node.dtype in _TYPES:
        parts.append(_attribute("T", wire.int_field(6, _TYPES[node.dtype])))
    if node.shapes:
        listed = b"".join(wire.bytes_field(7, _shape(one)) for one in node.shapes)
        parts.append(_attribute("_output_shapes", wire.bytes_field(1, listed)))
    for name, value in sorted(node.attributes.items()):
        parts.append(_attribute(name, _attr_value(value)))
    return b"".join(parts)


def _attribute(name: str, value: bytes) -> bytes:
    return wire.bytes_field(5, wire.text_field(1, name) + wire.bytes_field(2, value))


def _attr_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return wire.int_field(5, value)
    if isinstance(value, int):
        return wire.int_field(3, value)
    if isinstance(value, float):
        return wire.float_field(4, value)
    return wire.text_field(2, str(value)[:1000])


def _shape(sizes: Sequence[int | None] | None) -> bytes:
    if sizes is None:
        return wire.int_field(3, 1)
    return b"".join(
        wire.bytes_field(2, wire.int_field(1, -1 if size is None else size))
        for size in sizes
    )


def nodes_of(graph: Graph) -> list[GraphNode]:
    """Return Nervure's own graph as nodes of a picture.

    A node lies in the box of the layer that it was made for.
    """
    names: dict[Node, str] = {}
    taken: dict[str, int] = {}
    found = []
    for node in graph.nodes:
        label = str(node.attrs.get("name") or node.op.name)
        label = "".join(one if one.isalnum() or one in "_-./" else "_" for one in label)
        scope = node.site.scope
        # Weights are named after their layer already.
        inside = not scope or label.startswith(f"{scope}/")
        base = label if inside else f"{scope}/{label}"
        count = taken.get(base, 0)
        taken[base] = count + 1
        names[node] = f"{base}_{count}" if count else base
        record = is_record(node.dtype)
        found.append(
            GraphNode(
                names[node],
                node.op.name,
                [names[operand] for operand in node.inputs],
                [] if record else [node.shape],
                "" if record else node.dtype.name,
                attributes={"line": f"{node.site.file}:{node.site.line}"},
            )
        )
    return found
