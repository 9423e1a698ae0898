"""Whether a graph is well formed; tests ask after every pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from nervure import dtypes
from nervure.errors import (
    REPORT,
    GraphError,
    NervureError,
    explain,
)
from nervure.ir.attrs import Attrs, AttrValue, Buffer, Constant, Rule
from nervure.ir.bodies import check_closed
from nervure.ir.build import origin_of
from nervure.ir.graph import Graph
from nervure.ir.node import (
    PARAMETRIC,
    TRACED,
    UNTRACKED,
    Node,
    Site,
    find,
    key_of,
)
from nervure.ir.primitive import primitive_named
from nervure.ir.record import is_record, result_types, type_text
from nervure.ir.text import DEEPEST_TUPLE

_KINDS: Final = (bool, int, str, type(None), Constant, Rule)


def verify(graph: Graph) -> None:
    """Raise :class:`GraphError`, naming the node, unless ``graph`` is well formed.

    Every node must be of a registered primitive, have the number of operands, the
    attributes, the shape and the data type that the primitive's rules say, be interned,
    and come after its operands.  Every input must be listed, and the data of buffers
    must be of the buffer's type.

    >>> from nervure.prims import leaf
    >>> verify(Graph([leaf.const(True)]))
    """
    _check_order(graph)
    for node in graph.nodes:
        _check_node(node)
    _check_inputs(graph)
    for node in graph.outputs:
        if is_record(node.dtype):
            raise _fault(node, "several results are an output; list its parts")


def _fault(node: object, problem: str, operands: Sequence[Node] = ()) -> GraphError:
    rows = [
        (f"operand {position}", operand.type_text, origin_of(operand))
        for position, operand in enumerate(operands)
    ]
    headline = f"{node!r} is not well formed: {problem}"
    return GraphError(explain(headline, operands=rows, fix=REPORT))


def _check_order(graph: Graph) -> None:
    """Check that the listed nodes are those needed, each after its operands.

    This also shows that there is no cycle.
    """
    listed: set[Node] = set()
    for node in graph.nodes:
        if not isinstance(node, Node):
            raise _fault(node, "it is not a node")
        if node in listed:
            raise _fault(node, "it is listed twice")
        for operand in node.inputs:
            if operand not in listed:
                raise _fault(node, f"its operand {operand!r} is not listed before it")
        listed.add(node)
    for output in graph.outputs:
        if output not in listed:
            raise _fault(output, "it is an output, but not among the nodes")
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node not in needed:
            raise _fault(node, "no output needs it, yet it is listed")
        needed.update(node.inputs)


def _check_inputs(graph: Graph) -> None:
    listed = set(graph.inputs)
    if len(listed) != len(graph.inputs):
        raise GraphError(explain("an input is listed twice", fix=REPORT))
    for node in graph.inputs:
        if node.op.name != "input":
            raise _fault(node, "it is listed as an input, but is not an input leaf")
        _check_node(node)
    for node in graph.nodes:
        if node.op.name == "input" and node not in listed:
            raise _fault(node, "it is an input that is not listed")


def _check_node(node: Node) -> None:
    if primitive_named(node.op.name) is not node.op:
        raise _fault(
            node, f"its primitive is not the one registered as {node.op.name!r}"
        )
    count = len(node.op.operands)
    if not node.op.variadic and len(node.inputs) != count:
        problem = f"{node.op.name} takes {count} operands, got {len(node.inputs)}"
        raise _fault(node, problem, node.inputs)
    if not isinstance(node.attrs, Attrs):
        raise _fault(node, f"its attributes are a {type(node.attrs).__name__}")
    for name, value in node.attrs.items():
        _check_attribute(node, name, value, 0)
    if not isinstance(node.site, Site):
        raise _fault(node, f"its site is a {type(node.site).__name__}")
    _check_type(node)
    _check_derived(node)
    if find(key_of(node.op, node.inputs, node.attrs)) is not node:
        raise _fault(node, "it is not interned, so an equal node may be another one")


def _check_type(node: Node) -> None:
    if not all(type(extent) is int and extent >= 0 for extent in node.shape):
        raise _fault(node, f"its shape {node.shape!r} does not consist of sizes")
    types = result_types(node.dtype) or ((node.shape, node.dtype),)
    for _, dtype in types:
        if not dtypes.is_supported(dtype):
            raise _fault(node, f"no graph holds values of type {dtype}")
    for operand in node.inputs:
        if is_record(operand.dtype) and node.op.name != "part":
            raise _fault(node, "it reads several results as one value", node.inputs)
    try:
        shape, dtype = node.op.infer(node.inputs, node.attrs)
    except NervureError as error:
        raise _fault(node, f"its primitive refuses it: {error}", node.inputs) from error
    except Exception as error:
        # Rules trust the attributes, which here may be anything.
        problem = f"its primitive fails on it: {error!r}"
        raise _fault(node, problem, node.inputs) from error
    if (shape, dtype) != (node.shape, node.dtype):
        inferred = type_text(shape, dtype)
        raise _fault(node, f"its type should be {inferred}", node.inputs)
    buffer = node.buffer
    if buffer is None or buffer.value is None:
        return
    if (buffer.value.shape, buffer.value.dtype) != (node.shape, node.dtype):
        found = f"{buffer.value.dtype.name}{list(buffer.value.shape)}"
        raise _fault(node, f"its data are of type {found}")


def _check_derived(node: Node) -> None:
    """Check what a node remembers about the nodes below it."""
    depth = 1 + max((operand.depth for operand in node.inputs), default=-1)
    if node.depth != depth:
        raise _fault(node, f"its depth should be {depth}, not {node.depth}")
    tracking = max((operand.tracking for operand in node.inputs), default=UNTRACKED)
    if not node.inputs and node.op.name == "input":
        tracking = TRACED
    elif not node.inputs and node.buffer is not None and node.buffer.parameter:
        tracking = PARAMETRIC
    if node.tracking != tracking:
        raise _fault(node, f"its tracking should be {tracking}, not {node.tracking}")


def _check_attribute(node: Node, name: str, value: AttrValue, depth: int) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise _fault(node, f"{name!r} is not the name of an attribute")
    if isinstance(value, tuple):
        if depth == DEEPEST_TUPLE:
            raise _fault(node, f"a tuple in the attribute {name!r} is nested too deep")
        for part in value:
            if isinstance(part, bool):  # 1 == True, so it could pass for a size
                raise _fault(
                    node, f"the attribute {name!r} has a truth value in a tuple"
                )
            _check_attribute(node, name, part, depth + 1)
    elif isinstance(value, np.dtype):
        if not dtypes.is_supported(value):
            raise _fault(node, f"the attribute {name!r} is the type {value}")
    elif isinstance(value, Buffer):
        if node.op.name != "buffer" or name != "buffer":
            raise _fault(
                node, f"the attribute {name!r} is data, which only buffers have"
            )
    elif isinstance(value, Graph):
        _check_body(node, name, value)
    elif type(value) not in _KINDS:  # exactly: a NumPy integer prints otherwise
        kind = type(value).__name__
        raise _fault(node, f"the attribute {name!r} is a {kind}, which is not allowed")


def _check_body(node: Node, name: str, body: Graph) -> None:
    """Check a graph within the graph; the nesting is limited, so this may recurse."""
    try:
        check_closed(body)
        verify(body)
    except GraphError as error:
        raise _fault(node, f"its {name} is not well formed: {error}") from error
