"""Graphs that cannot be, and programs run on wrong values: the exact texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.errors import REPORT, NervureError, explain
from nervure.exec.base import check_step, executor_named, step_count
from nervure.ir.attrs import Attrs
from nervure.ir.bodies import check_closed
from nervure.ir.build import apply
from nervure.ir.graph import Graph, substitute
from nervure.ir.jsonform import from_json, to_json
from nervure.ir.node import Node
from nervure.ir.parser import parse
from nervure.ir.primitive import primitive_named, register
from nervure.passes.merge import check_unique
from nervure.prims import leaf, unary
from nervure.prims.annotate import CHECKPOINT, CUSTOM_GRADIENT

F32 = np.dtype("float32")
X = leaf.input_leaf((2,), F32, "x")
Y = leaf.input_leaf((3,), F32, "y")
DOUBLED = Graph([unary.tanh(X)], [X])
ONES = np.ones(2, F32)


def without_data() -> Graph:
    """Return a graph that was read from a text, whose buffer holds nothing."""
    return from_json(to_json(nv.graph(nv.tanh(nv.parameter([1.0, 2.0], "w")))))


def run(executor: str, graph: Graph, values: list[Any]) -> Any:
    """Run a graph on values."""
    return executor_named(executor).compile(graph)(values)


CALLS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: apply(primitive_named("add"), X),
        "add takes 2 operands (x, y), got 1\n  fix: pass a node for each operand",
    ),
    (
        lambda: substitute([unary.tanh(X)], {X: Y}),
        "cannot replace a node of type float32[2] by one of type float32[3]\n"
        "  fix: a replacement has the same shape and data type; cast or reshape it "
        "first",
    ),
    (
        lambda: Graph([X], [X, X]),
        "an input is listed twice\n  fix: list each input once",
    ),
    (
        lambda: check_closed(Graph([nv.parameter([1.0], "w").node], [])),
        "a body holds the data of parameter 'w'\n"
        "  fix: pass the array to the loop or the branch as an argument",
    ),
    (
        lambda: check_closed(Graph([X], [X])),
        f"{X!r} is not the input number 0 of a body\n  fix: {REPORT}",
    ),
    (
        lambda: step_count([ONES, ONES[:1]]),
        "varying inputs must be for one number of steps, got [1, 2]\n"
        "  fix: let all varying arrays have one entry a step along their first axis",
    ),
    (
        lambda: check_step(DOUBLED, 0, 0),
        "a step with 0 state values has 1 outputs\n"
        "  fix: let the step return the new value of each state value, in their order",
    ),
    (
        lambda: check_step(DOUBLED, 1, 0),
        "a step needs at least one varying input\n"
        "  fix: pass what differs from step to step, such as the numbers of the rows",
    ),
    (
        lambda: run("reference", DOUBLED, []),
        "expected 1 inputs, got 0\n  fix: pass one array for each of graph.inputs, in "
        "their order and of their types",
    ),
    (
        lambda: run("cpu", DOUBLED, []),
        "expected 1 inputs, got 0\n  fix: pass one array for each of graph.inputs, in "
        "their order and of their types",
    ),
    (
        lambda: run("reference", DOUBLED, [ONES[:1]]),
        "input 'x': expected float32[2], got float32[1]\n"
        "  fix: convert the array first: astype() and reshape()",
    ),
    (
        lambda: run("reference", without_data(), []),
        "the data of parameter 'w' is not here: a graph read from text names its "
        "buffers but does not hold them\n"
        "  fix: make the graph anew, or give its buffers as inputs",
    ),
    (
        lambda: apply(CUSTOM_GRADIENT),
        "custom_gradient: expected a value and its arguments\n"
        "  fix: give it the value first, then what the rule takes",
    ),
    (
        lambda: apply(CHECKPOINT),
        "checkpoint: expected a value and its arguments\n"
        "  fix: give it the value first, then what it was computed from",
    ),
    (
        lambda: leaf.const(1j),
        "const: no graph holds values of type complex128\n"
        "  fix: convert it first, for example with .astype('float32')",
    ),
    (
        lambda: from_json("{"),
        "graph JSON, line 1, column 2: Expecting property name enclosed in double "
        "quotes\n"
        "  fix: write the graph again with to_json, or correct the place that is named",
    ),
    (
        lambda: from_json('{"a": 1, "a": 2}'),
        "graph JSON: the key 'a' is given twice\n"
        "  fix: write the graph again with to_json, or correct the place that is named",
    ),
    (
        lambda: parse("graph ("),
        "graph text, line 1, column 8: expected a value such as %0, found the end of "
        "the text\n"
        "  fix: write the graph again with to_text(full=True), or correct this place",
    ),
]


@pytest.mark.parametrize(("call", "text"), CALLS)
def test_wrong_graph(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(NervureError) as caught:
        call()
    assert f"{caught.value}" == text


def test_what_only_a_wrong_pass_makes_is_to_be_reported() -> None:
    node = unary.tanh(X)
    twin = object.__new__(Node)
    for name in (
        "op",
        "inputs",
        "attrs",
        "shape",
        "dtype",
        "site",
        "tracking",
        "depth",
    ):
        object.__setattr__(twin, name, getattr(node, name))
    graph = Graph([node, twin], [X])
    graph.__dict__["nodes"] = (X, node, twin)
    with pytest.raises(NervureError) as caught:
        check_unique(graph)
    headline = f"{node!r} and {twin!r} are the same operation"
    assert f"{caught.value}" == explain(headline, fix=REPORT)


def test_nodes_and_primitives_stay_as_they_are() -> None:
    with pytest.raises(AttributeError, match="fix: build a new node"):
        X.shape = (3,)
    with pytest.raises(TypeError, match="fix: build a new node"):
        Attrs(a=1).update(a=2)
    with pytest.raises(ValueError, match="fix: give it another name"):
        register(primitive_named("tanh"))
