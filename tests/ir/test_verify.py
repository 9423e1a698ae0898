"""The verifier: it accepts what is well formed and names what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from nervure import dtypes
from nervure.errors import REPORT, GraphError
from nervure.ir import primitive
from nervure.ir.attrs import Buffer, Constant, Rule
from nervure.ir.build import apply, apply_at
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Site, intern, key_of
from nervure.ir.primitive import Fusion, Primitive, primitive_named
from nervure.ir.verify import verify
from nervure.prims import binary, leaf, reduce, unary
from tests.strategies import attrs_of, random_graphs


def input_of(shape: tuple[int, ...] = (2,), name: str = "x") -> Node:
    return leaf.input_leaf(shape, dtypes.float32, name)


def changed(node: Node, **fields: Any) -> Node:
    """Return a copy of a node with some fields changed, behind everyone's back."""
    copy: Node = object.__new__(Node)
    for name in Node.__slots__:
        if name != "__weakref__":
            value = fields.get(name, getattr(node, name))
            Node.__dict__[name].__set__(copy, value)
    return copy


def forged(op: str, inputs: tuple[Node, ...], **attrs: Any) -> Node:
    """Return an interned node whose attributes no rule has seen."""
    given = attrs_of(**attrs)
    key = key_of(primitive_named(op), inputs, given)
    x = inputs[0] if inputs else input_of()
    site = Site("forged.py", 3)
    return intern(key, primitive_named(op), inputs, given, x.shape, x.dtype, site)


def refused(output: Node, message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        verify(Graph([output]))
    assert "is not well formed: " in f"{caught.value}"


@given(random_graphs())
def test_what_is_built_is_well_formed(graph: Graph) -> None:
    verify(graph)


def test_unregistered_primitives() -> None:
    def infer(inputs: Any, _attrs: Any) -> Any:
        return inputs[0].shape, inputs[0].dtype

    twin = Primitive("exp", ("x",), infer, np.exp, None, Fusion.ELEMENTWISE)
    refused(apply(twin, input_of()), "is not the one registered as 'exp'")
    stranger = Primitive("stranger", ("x",), infer, np.exp, None, Fusion.OPAQUE)
    with pytest.raises(GraphError, match="unknown primitive 'stranger'"):
        verify(Graph([apply(stranger, input_of())]))


def test_a_primitive_registered_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primitive, "_registry", dict(primitive._registry))
    op = primitive.register(
        Primitive(
            "twice",
            ("x",),
            lambda inputs, _attrs: (inputs[0].shape, inputs[0].dtype),
            lambda _node, x: 2 * x,
            None,
            Fusion.ELEMENTWISE,
        )
    )
    verify(Graph([apply(op, input_of())]))


def test_operand_count() -> None:
    x = input_of()
    node = changed(binary.add(x, x), inputs=(x,))
    refused(node, "add takes 2 operands, got 1\n  operand 0  float32\\[2\\]  input 'x'")


def test_shape_and_dtype() -> None:
    node = unary.exp(input_of())
    refused(changed(node, shape=(3,)), r"its type should be float32\[2\]")
    refused(changed(node, dtype=dtypes.float64), r"its type should be float32\[2\]")
    refused(changed(node, shape=(-2,)), "does not consist of sizes")
    refused(changed(node, shape=(2.0,)), "does not consist of sizes")
    refused(changed(node, shape=(np.int64(2),)), "does not consist of sizes")
    refused(changed(node, dtype=np.dtype("complex64")), "values of type complex64")


def test_shapes_that_only_look_like_sizes() -> None:
    node = unary.exp(input_of((1,)))
    refused(changed(node, shape=(True,)), "does not consist of sizes")


def test_what_the_rule_refuses() -> None:
    x = input_of()
    refused(forged("reduce_sum", (x,), axes=(1,)), "its primitive refuses it: reduce_")
    refused(forged("reduce_sum", (x,)), "its primitive fails on it: KeyError")


@pytest.mark.parametrize(
    "value, message",
    [
        (1.5, "the attribute 'a' is a float, which is not allowed"),
        (np.int64(1), "the attribute 'a' is a int64, which is not allowed"),
        (np.bool_(True), "the attribute 'a' is a bool, which is not allowed"),
        (((1, 2.0),), "the attribute 'a' is a float, which is not allowed"),
        (frozenset(), "the attribute 'a' is a frozenset, which is not allowed"),
        ((1, True), "the attribute 'a' has a truth value in a tuple"),
        (np.dtype("complex64"), "the attribute 'a' is the type complex64"),
        (Buffer(None), "the attribute 'a' is data, which only buffers have"),
    ],
)
def test_attributes_of_wrong_types(value: object, message: str) -> None:
    refused(forged("exp", (input_of(),), a=value), message)


@pytest.mark.parametrize(
    "value",
    [True, 1, "a", None, dtypes.int8, (), ((1, "a", None),), Rule(None, "r")],
    ids=repr,
)
def test_attributes_of_right_types(value: object) -> None:
    verify(Graph([forged("exp", (input_of(),), a=value)]))


def test_constants_may_be_attributes() -> None:
    verify(Graph([forged("exp", (input_of(),), a=Constant(np.ones(2)))]))


def test_attributes_too_deep_or_misnamed() -> None:
    value: object = 1
    for _ in range(40):
        value = (value,)
    refused(forged("exp", (input_of(),), a=value), "is nested too deep")
    refused(forged("exp", (input_of(),), **{"a b": 1}), "'a b' is not the name of an")
    refused(changed(input_of(), attrs={"name": "x"}), "its attributes are a dict")


def test_data_of_buffers() -> None:
    def buffer_of(value: Any, shape: tuple[int, ...]) -> Node:
        return apply(
            leaf.BUFFER, buffer=Buffer(value), shape=shape, dtype=dtypes.float32
        )

    verify(Graph([buffer_of(None, (2,))]))
    verify(Graph([buffer_of(np.zeros(2, np.float32), (2,))]))
    refused(
        buffer_of(np.zeros(3, np.float32), (2,)), r"its data are of type float32\[3"
    )
    refused(buffer_of(np.zeros(2), (2,)), r"its data are of type float64\[2\]")


def test_order() -> None:
    x = input_of()
    node = unary.exp(x)
    graph = Graph([node])
    graph.__dict__["nodes"] = (node, x)
    with pytest.raises(
        GraphError, match="<exp .* its operand <input .* not listed bef"
    ):
        verify(graph)
    graph.__dict__["nodes"] = (x, x, node)
    with pytest.raises(GraphError, match="<input .* it is listed twice"):
        verify(graph)
    graph.__dict__["nodes"] = (x,)
    with pytest.raises(GraphError, match="<exp .* an output, but not among the nodes"):
        verify(graph)
    graph.__dict__["nodes"] = (x, unary.sin(x), node)
    with pytest.raises(
        GraphError, match="<sin .* no output needs it, yet it is listed"
    ):
        verify(graph)
    graph.__dict__["nodes"] = (x, "node")
    with pytest.raises(GraphError, match="'node' is not well formed: it is not a node"):
        verify(graph)


def test_cycles() -> None:
    node = changed(unary.exp(unary.sin(input_of())))
    graph = Graph([node])
    assert len(graph) == 3
    Node.__dict__["inputs"].__set__(node, (node,))
    with pytest.raises(GraphError, match="its operand .* is not listed before it"):
        verify(graph)


def test_inputs() -> None:
    x, y = input_of(), input_of(name="y")
    graph = Graph([binary.add(x, y)])
    graph.inputs = (x,)
    with pytest.raises(GraphError, match="<input .* it is an input that is not listed"):
        verify(graph)
    graph.inputs = (x, y, y)
    with pytest.raises(GraphError, match="an input is listed twice"):
        verify(graph)
    graph.inputs = (x, y, unary.exp(x))
    with pytest.raises(GraphError, match="<exp .* listed as an input, but is not an"):
        verify(graph)
    graph.inputs = (x, y, changed(input_of(), dtype=np.dtype("S3")))
    with pytest.raises(GraphError, match="no graph holds values of type"):
        verify(graph)


def test_interning() -> None:
    node = reduce.reduce_sum(input_of(), (0,))
    refused(changed(node), "it is not interned, so an equal node may be another one")
    kept = node  # the original is alive, so the copy is the stranger
    verify(Graph([kept]))


def test_what_a_node_remembers() -> None:
    x = input_of()
    w = leaf.buffer_leaf(np.zeros(2, np.float32), parameter=True)
    node = binary.add(x, w)
    refused(changed(node, depth=7), "its depth should be 1, not 7")
    refused(changed(node, tracking=0), "its tracking should be 2, not 0")
    refused(changed(x, tracking=0), "its tracking should be 2, not 0")
    refused(changed(w, tracking=0), "its tracking should be 1, not 0")
    refused(changed(node, site=("a.py", 3)), "its site is a tuple")


def test_the_message_names_the_node_and_its_operands() -> None:
    x = apply_at(Site("model.py", 3, "dense"), unary.EXP, (input_of(),), attrs_of())
    node = changed(unary.sin(x), shape=(5,), site=Site("/home/me/model.py", 4, "out"))
    with pytest.raises(GraphError) as caught:
        verify(Graph([node]))
    assert f"{caught.value}" == (
        "<sin float32[5] from layer 'out', model.py:4> is not well formed: "
        "its type should be float32[2]\n"
        "  operand 0  float32[2]  from exp, layer 'dense', model.py:3\n"
        f"  fix: {REPORT}"
    )
