"""Graphs for Graphviz: every node and edge, frames, colours, escaping."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.ir.build import apply_at
from nervure.ir.dot import COLOURS, to_dot
from nervure.ir.graph import Graph
from nervure.ir.node import Site, scope
from nervure.ir.primitive import Fusion
from nervure.prims import binary, contract, leaf, reduce, unary
from tests.strategies import attrs_of, layers, names, random_graphs

_STRING = re.compile(r'"(?:[^"\\\n]|\\["\\n])*"')


def without_strings(text: str) -> str:
    """Replace quoted strings; what is left must have the simplest syntax."""
    return _STRING.sub("S", text)


def check_syntax(text: str) -> None:
    bare = without_strings(text)
    assert '"' not in bare
    assert "\\" not in bare
    depth = 0
    for line in bare.splitlines():
        stripped = line.strip()
        if stripped.endswith("{"):
            # a frame is of a layer (a number) or of a body (where it is)
            assert re.fullmatch(
                r"digraph nervure \{|subgraph cluster_(\d+|(b\d+_\d+_)+) \{", stripped
            )
            depth += 1
        elif stripped == "}":
            depth -= 1
            assert depth >= 0
        else:
            assert re.fullmatch(
                r"(\w+( -> \w+)?)?( ?\[(\w+=[\w.]+(, )?)+\])?;|(\w+=S; ?)+", stripped
            ), line
    assert depth == 0


def test_a_small_graph() -> None:
    x = leaf.input_leaf((2, 3), dtypes.float32, "x")
    with scope("dense"):
        w = leaf.buffer_leaf(np.ones((3, 4), np.float32), "w", parameter=True)
        y = contract.dot(x, w, contract=((1,), (0,)))
    text = to_dot(Graph([reduce.reduce_sum(y, (0,))]))
    check_syntax(text)
    assert 'n0 [label="input x\\nfloat32[2, 3]"' in text
    assert 'subgraph cluster_0 {\n    label="dense";' in text
    assert re.search(r'n1 \[label="parameter w\\nfloat32\[3, 4\]".*penwidth=2\]', text)
    assert "contract = ((1,), (0,))" in text
    assert 'n0 -> n2 [label="x"];' in text
    assert 'n1 -> n2 [label="y"];' in text
    assert "n2 -> n3;" in text
    assert 'out0 [label="output 0"' in text
    assert "n3 -> out0;" in text
    assert COLOURS[Fusion.CONTRACTION] in text
    assert f"test_dot.py:{y.site.line}" in text


@given(random_graphs())
def test_every_node_edge_and_output_is_there(graph: Graph) -> None:
    text = to_dot(graph)
    check_syntax(text)
    count = len({*graph.inputs, *graph.nodes})
    assert len(re.findall(r"^ *n\d+ \[label=", text, re.MULTILINE)) == count
    edges = sum(len(node.inputs) for node in graph)
    assert len(re.findall(r"^  n\d+ -> n\d+", text, re.MULTILINE)) == edges
    assert len(re.findall(r"-> out\d+;", text)) == len(graph.outputs)


def test_frames_lie_within_frames() -> None:
    x = leaf.input_leaf((), dtypes.float32, "x")
    with scope("encoder"):
        with scope("dense"):
            y = unary.exp(x)
        y = unary.sin(y)
        with scope("dropout"):
            y = unary.cos(y)
    text = to_dot(Graph([unary.tanh(y)]))
    check_syntax(text)
    frames = re.findall(r'^( *)label="(\w+)"', text, re.MULTILINE)
    assert [(len(indent), name) for indent, name in frames] == [
        (4, "encoder"),
        (6, "dense"),
        (6, "dropout"),
    ]


@given(names, layers | names, names)
@example('"; evil [label="', '"}', "\\N")
@example("\\", "\\", "\\")
@example("a\nb", "a\x00b", "&lt;<b>")
@example("木", "größe", "'")
def test_names_cannot_break_out(name: str, layer: str, text: str) -> None:
    x = leaf.input_leaf((), dtypes.float32, name)
    y = apply_at(Site(text, 1, layer), unary.EXP, (x,), attrs_of(note=text))
    check_syntax(to_dot(Graph([y])))


def test_entities_and_escapes_are_shown_as_they_are() -> None:
    x = leaf.input_leaf((), dtypes.float32, 'a"b\\N&amp;\x07')
    assert r'"input a\"b\\N&amp;amp;U+0007\n' in to_dot(Graph([x]))


def test_long_attributes_are_cut() -> None:
    text = to_dot(Graph([leaf.const(np.arange(16.0))]))
    assert "value = constant<float64[16]>(0.0, 1...." in text


@pytest.mark.parametrize("fusion", Fusion)
def test_every_class_has_a_colour(fusion: Fusion) -> None:
    assert re.fullmatch("#[0-9a-f]{6}", COLOURS[fusion])
    assert list(COLOURS.values()).count(COLOURS[fusion]) == 1


@given(st.integers(1, 300))
@example(3000)
def test_deep_layers_need_no_recursion(depth: int) -> None:
    x = leaf.input_leaf((), dtypes.float32)
    y = apply_at(Site("a.py", 1, "/".join("a" * depth)), unary.EXP, (x,), attrs_of())
    text = to_dot(Graph([y]))
    assert text.count("subgraph") == depth
    check_syntax(text)


def test_unused_inputs_are_shown() -> None:
    x = leaf.input_leaf((), dtypes.float32, "used")
    y = leaf.input_leaf((), dtypes.float32, "unused")
    assert "input unused" in to_dot(Graph([binary.add(x, x)], [x, y]))
