"""Calls, branches and loops: graphs inside of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import dtypes
from nervure.exporters.onnx.composites import (
    exponent_parts,
    known_value,
    write_exponent_part,
)
from nervure.exporters.onnx.sizes import Size
from nervure.exporters.onnx.table import RULES, writes
from nervure.exporters.onnx.writer import TYPE_NUMBERS, Twin, Writer
from nervure.ir.graph import Graph, topological
from nervure.ir.node import Node

if TYPE_CHECKING:
    import onnx


def twins(first: Sequence[Node], second: Sequence[Node]) -> list[Twin]:
    """Return the nodes of two graphs in pairs; they must have the same structure."""
    from nervure.exporters.onnx.writer import ExportError

    one, other = topological(first), topological(second)
    same = len(one) == len(other) and all(map(_alike, one, other))
    if not same:
        raise ExportError(
            "the model computes differently for different batch sizes; give a fixed "
            "one: model.export(path, batch_size=1)"
        )
    return [Twin(a, b) for a, b in zip(one, other, strict=True)]


def _alike(one: Node, other: Node) -> bool:
    """Tell whether nodes do the same, apart from sizes."""
    if one is other or one.op is not other.op:
        return one is other
    if one.op.name == "const":
        return False  # equal constants are one node
    if one.buffer is not None and other.buffer is not None:
        return np.array_equal(one.buffer.value, other.buffer.value)
    return True


def write_nodes(
    writer: Writer, pairs: Sequence[Twin], given: Mapping[Node, str]
) -> None:
    """Write nodes in order; leaves have the names that are given for them."""
    writer.names.update(given)
    for twin in pairs:
        for one in twin.first.inputs:
            writer.uses[one] = writer.uses.get(one, 0) + 1
    exponents = exponent_parts([twin.first for twin in pairs])
    between = _only_for(exponents, writer)
    for twin in pairs:
        node = twin.first
        if writer.has(node) or node in between:
            continue
        if node in exponents:
            writer.names[node] = write_exponent_part(writer, exponents[node])
            continue
        value = known_value(node) if twin.first is twin.second else None
        if value is not None and node.op.name not in ("const", "buffer"):
            writer.names[node] = writer.data(value)
            continue
        if node.op.name == "const":
            writer.names[node] = writer.data(node.attrs["value"].value)
            continue
        if node.buffer is not None:
            writer.names[node] = writer.data(node.buffer.value, node.buffer.name)
            continue
        rule = RULES.get(node.op.name)
        if rule is None:
            twin.refuse("no operator of ONNX computes it in a model that predicts")
        assert rule is not None
        writer.label = node.site.scope
        result = rule(writer, twin)
        if result:
            writer.names[node] = result


def _only_for(exponents: Mapping[Node, Node], writer: Writer) -> set[Node]:
    """Return the integers that nothing but taking exponents needs."""
    between: set[Node] = set()
    for node in exponents:
        masked = node.inputs[0]
        if writer.uses[masked] == 1 and writer.uses[masked.inputs[0]] == 1:
            between |= {masked, masked.inputs[0]}
    return between


def _body_twins(twin: Twin, name: str) -> tuple[Graph, Graph, list[Twin]]:
    first: Any = twin.first.attrs[name]
    second: Any = twin.second.attrs[name]
    return first, second, twins(first.outputs, second.outputs)


def _inline(
    writer: Writer, body: Graph, pairs: Sequence[Twin], names: Sequence[str]
) -> list[str]:
    """Write a body's nodes among the others and return its outputs' names."""
    inner = Writer(writer.shared)
    inner.nodes = writer.nodes
    write_nodes(inner, pairs, dict(zip(body.inputs, names, strict=True)))
    return [inner.name(one) for one in body.outputs]


@writes("part")
def _part(writer: Writer, twin: Twin) -> str:
    (record,) = twin.first.inputs
    index: Any = twin.attrs["index"]
    name: str = writer.names[record][index]
    return name


@writes("call")
def _call(writer: Writer, twin: Twin) -> list[str]:
    body, _, pairs = _body_twins(twin, "body")
    names = [writer.name(one) for one in twin.first.inputs]
    return _inline(writer, body, pairs, names)


def _graph(
    inner: Writer, name: str, inputs: Sequence[Any], outputs: Sequence[Any]
) -> onnx.GraphProto:
    from onnx import helper

    return helper.make_graph(inner.nodes, name, list(inputs), list(outputs))


def _value(name: str, dtype: Any) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, TYPE_NUMBERS[dtype.name], None)


def _own(inner: Writer, name: str) -> str:
    """Return a result under a name of the body's own, as outputs must have."""
    return inner.emit("Identity", name)


def _before_bodies(writer: Writer) -> None:
    """Compute the batch size outside of bodies, whose names end with them."""
    if writer.shared.batch is None and writer.shared.batch_source:
        writer.sizes([Size(1, 0)])


@writes("cond")
def _cond(writer: Writer, twin: Twin) -> list[str]:
    node = twin.first
    _before_bodies(writer)
    index, *operands = node.inputs
    names = [writer.name(one) for one in operands]
    branches: Any = list(
        zip(node.attrs["branches"], twin.second.attrs["branches"], strict=True)
    )
    place = writer.name(index)
    if dtypes.is_bool(index.dtype):
        place = writer.emit("Cast", place, to=TYPE_NUMBERS["int64"])
    return _choice(writer, place, index, branches, names, 0)


def _choice(
    writer: Writer,
    place: str,
    index: Node,
    branches: Sequence[tuple[Graph, Graph]],
    names: Sequence[str],
    number: int,
) -> list[str]:
    """Write ``branches[number]`` or, for larger places, those after it."""
    first, second = branches[number]
    if number == len(branches) - 1:
        return _inline(writer, first, twins(first.outputs, second.outputs), names)
    like = np.int64 if dtypes.is_bool(index.dtype) else index.dtype
    here = writer.emit("LessOrEqual", place, writer.data(np.asarray(number, like)))
    graphs = []
    for chosen in (True, False):
        inner = Writer(writer.shared)
        if chosen:
            pairs = twins(first.outputs, second.outputs)
            results = _inline(inner, first, pairs, names)
        else:
            results = _choice(inner, place, index, branches, names, number + 1)
        outputs = [
            _value(_own(inner, name), one.dtype)
            for name, one in zip(results, first.outputs, strict=True)
        ]
        graphs.append(_graph(inner, f"branch_{number}_{chosen}", [], outputs))
    return writer.emit_many(
        "If",
        [here],
        len(first.outputs),
        "If",
        then_branch=graphs[0],
        else_branch=graphs[1],
    )


@writes("scan")
def _scan(writer: Writer, twin: Twin) -> list[str]:
    """Write a loop of a known length; constants are read from the graph around it."""
    node = twin.first
    attrs: Any = node.attrs
    _before_bodies(writer)
    body, _, pairs = _body_twins(twin, "body")
    carry, last = attrs["carry"], attrs["carry"] + attrs["consts"]
    names = [writer.name(one) for one in node.inputs]
    if last == len(names):
        return _counted(writer, twin, body, pairs, names)
    inner = Writer(writer.shared)
    given: dict[Node, str] = {}
    inputs = []
    for place, leaf in enumerate(body.inputs):
        if carry <= place < last:
            given[leaf] = names[place]
        else:
            given[leaf] = inner.fresh("entry")
            inputs.append(_value(given[leaf], leaf.dtype))
    write_nodes(inner, pairs, given)
    outputs = [_value(_own(inner, inner.name(one)), one.dtype) for one in body.outputs]
    slices, stacks = len(names) - last, len(body.outputs) - carry
    backwards = int(bool(attrs["reverse"]))
    return writer.emit_many(
        "Scan",
        [*names[:carry], *names[last:]],
        len(body.outputs),
        "Scan",
        body=_graph(inner, "body", inputs, outputs),
        num_scan_inputs=slices,
        scan_input_directions=[backwards] * slices,
        scan_output_directions=[backwards] * stacks if stacks else None,
    )


def _counted(
    writer: Writer, twin: Twin, body: Graph, pairs: Sequence[Twin], names: list[str]
) -> list[str]:
    """Write a scan that reads no slices as a ``Loop``."""
    attrs: Any = twin.attrs
    carry = attrs["carry"]
    inner = Writer(writer.shared)
    place, go = inner.fresh("place"), inner.fresh("go")
    given = {leaf: names[k] for k, leaf in enumerate(body.inputs) if k >= carry}
    inputs = [_value(place, np.dtype(np.int64)), _value(go, np.dtype(bool))]
    for leaf in body.inputs[:carry]:
        given[leaf] = inner.fresh("entry")
        inputs.append(_value(given[leaf], leaf.dtype))
    write_nodes(inner, pairs, given)
    outputs = [_value(_own(inner, go), np.dtype(bool))]
    outputs += [_value(_own(inner, inner.name(one)), one.dtype) for one in body.outputs]
    count = writer.data(np.asarray(attrs["length"], np.int64))
    results = writer.emit_many(
        "Loop",
        [count, "", *names[:carry]],
        len(body.outputs),
        "Loop",
        body=_graph(inner, "body", inputs, outputs),
    )
    if attrs["reverse"] and len(results) > carry:
        twin.refuse("it stacks results backwards without reading any")
    return results


@writes("while_loop")
def _while(writer: Writer, twin: Twin) -> list[str]:
    node = twin.first
    attrs: Any = node.attrs
    _before_bodies(writer)
    body, _, pairs = _body_twins(twin, "body")
    question, _, asked = _body_twins(twin, "condition")
    count = attrs["state"]
    names = [writer.name(one) for one in node.inputs]
    consts = names[count:]
    (start,) = _inline(writer, question, asked, names[: len(question.inputs)])
    inner = Writer(writer.shared)
    place, go = inner.fresh("place"), inner.fresh("go")
    inputs = [_value(place, np.dtype(np.int64)), _value(go, np.dtype(bool))]
    entries = []
    for leaf in body.inputs[:count]:
        entries.append(inner.fresh("entry"))
        inputs.append(_value(entries[-1], leaf.dtype))
    results = _inline(inner, body, pairs, [*entries, *consts])
    (proceed,) = _inline(
        inner, question, asked, [*results, *consts][: len(question.inputs)]
    )
    outputs = [_value(_own(inner, proceed), np.dtype(bool))]
    outputs += [
        _value(_own(inner, name), one.dtype)
        for name, one in zip(results, body.outputs, strict=True)
    ]
    limit = (
        ""
        if attrs["bound"] is None
        else writer.data(np.asarray(attrs["bound"], np.int64))
    )
    return writer.emit_many(
        "Loop",
        [limit, start, *names[:count]],
        count,
        "Loop",
        body=_graph(inner, "body", inputs, outputs),
    )
