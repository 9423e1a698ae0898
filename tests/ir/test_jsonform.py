"""Graphs as JSON: round trips, and that damage is told with its path."""

from __future__ import annotations

import copy
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.errors import GraphError
from nervure.ir.build import apply_at
from nervure.ir.graph import Graph
from nervure.ir.jsonform import from_json, to_json
from nervure.ir.node import Site, scope
from nervure.ir.text import to_text
from nervure.ir.verify import verify
from nervure.prims import binary, leaf, reduce, unary
from tests.strategies import attr_values, attrs_of, random_graphs


def example() -> Graph:
    x = leaf.input_leaf((2, 3), dtypes.float32, "x")
    with scope("dense"):
        w = leaf.buffer_leaf(np.ones((2, 3), np.float32), "w", parameter=True)
        y = binary.add(x, w)
    shift = leaf.const(np.array([[0.5, np.nan, -0.0], [np.inf, 1, 2]], np.float32))
    return Graph([reduce.reduce_sum(binary.mul(y, shift), (1,))])


def test_the_form() -> None:
    graph = example()
    form = json.loads(to_json(graph))
    assert (form["format"], form["version"]) == ("nervure-graph", 1)
    (x,) = form["inputs"]
    assert (x["name"], x["dtype"], x["shape"]) == ("x", "float32", [2, 3])
    assert [node["op"] for node in form["nodes"]] == [
        "buffer",
        "add",
        "const",
        "mul",
        "reduce_sum",
    ]
    assert form["nodes"][0]["attrs"] == {"name": "w", "parameter": True}
    assert form["nodes"][1]["operands"] == [0, 1]
    assert form["nodes"][1]["site"] == {
        "file": "test_jsonform.py",
        "line": graph.outputs[0].inputs[0].inputs[0].site.line,
        "layer": "dense",
    }
    assert form["nodes"][4]["attrs"] == {"axes": [1]}
    assert form["outputs"] == [5]


@given(random_graphs())
def test_reading_undoes_writing(graph: Graph) -> None:
    text = to_json(graph)
    again = from_json(text)
    verify(again)
    assert to_json(again) == text
    assert again.structural_hash == graph.structural_hash
    assert to_text(again) == to_text(graph)


@given(random_graphs())
def test_it_is_strict_json(graph: Graph) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(to_json(graph), parse_constant=refuse)
    assert to_json(graph).isascii()


@given(attr_values())
def test_attributes_read_back(value: object) -> None:
    if _has_truth(value) and isinstance(value, tuple):
        return
    x = leaf.input_leaf((), dtypes.float32)
    site = Site("", 0)
    graph = Graph([apply_at(site, unary.EXP, (x,), attrs_of(anything=value))])
    found = from_json(to_json(graph)).outputs[0].attrs
    assert found == graph.outputs[0].attrs
    assert type(found["anything"]) is type(value)


def _has_truth(value: object) -> bool:
    if isinstance(value, tuple):
        return any(_has_truth(part) for part in value)
    return isinstance(value, bool)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda dtype: dtype.name)
def test_constants_keep_every_bit(dtype: np.dtype[Any]) -> None:
    random = np.random.default_rng(0)
    if dtypes.is_bool(dtype):
        values = random.random(100) < 0.5
    else:
        values = np.frombuffer(random.bytes(100 * dtype.itemsize), dtype)
    (node,) = from_json(to_json(Graph([leaf.const(values)]))).outputs
    assert node.dtype == dtype
    assert node.op.reference(node).tobytes() == values.tobytes()


def test_empty_graphs_and_constants() -> None:
    assert to_json(from_json(to_json(Graph([])))) == to_json(Graph([]))
    (node,) = from_json(to_json(Graph([leaf.const(np.zeros((0, 3)))]))).outputs
    assert node.shape == (0, 3)


# --- what is refused -----------------------------------------------------------------

Path = tuple[str | int, ...]


def damaged(path: Path, value: object) -> str:
    """Return the JSON of the example with one value replaced."""
    form = json.loads(to_json(example()))
    place = form
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(form)


CONSTANT: Path = ("nodes", 2, "attrs", "value", "constant")


@pytest.mark.parametrize(
    "path, value, message",
    [
        (("format",), "onnx", r"\$.format: expected 'nervure-graph', found 'onnx'"),
        (("version",), 2, r"\$.version: expected 1, the one .* found 2"),
        (("version",), True, r"\$.version: expected a whole number from 0, found True"),
        (
            ("extra",),
            1,
            r"\$: expected the keys format, version, inputs, nodes, outputs",
        ),
        (("inputs",), {}, r"\$.inputs: expected an array"),
        (("inputs", 0), 3, r"\$.inputs\[0\]: expected an object, found 3"),
        (("inputs", 0, "name"), None, r"\$.inputs\[0\].name: expected text"),
        (("inputs", 0, "dtype"), "float33", r"\$.inputs\[0\].dtype: expected one of"),
        (("inputs", 0, "dtype"), [], r"\$.inputs\[0\].dtype: expected one of"),
        (
            ("inputs", 0, "shape"),
            [2, -1],
            r"\$.inputs\[0\].shape\[1\]: expected a whol",
        ),
        (
            ("inputs", 0, "shape"),
            [2, 3.0],
            r"\$.inputs\[0\].shape\[1\]: expected a who",
        ),
        (
            ("inputs", 0, "shape"),
            [True, 3],
            r"\$.inputs\[0\].shape\[0\]: expected a wh",
        ),
        (
            ("inputs", 0, "shape"),
            [10**99],
            r"\$.inputs\[0\].shape\[0\]: expected a siz",
        ),
        (("inputs", 0, "shape"), [2, 4], r"\$.nodes\[1\]: add: operands must have eq"),
        (("inputs", 0, "site", "line"), -1, r"\$.inputs\[0\].site.line: expected"),
        (("inputs", 0, "site", "line"), 10**99, r"site.line: expected the number"),
        (("inputs", 0, "site"), None, r"\$.inputs\[0\].site: expected an object"),
        (("nodes", 1, "op"), "ad", r"\$.nodes\[1\]: unknown primitive 'ad'"),
        (("nodes", 1, "op"), "input", r"\$.nodes\[1\].op: expected an operation"),
        (("nodes", 1, "op"), 4, r"\$.nodes\[1\].op: expected text, found 4"),
        (("nodes", 1, "operands"), [0], r"\$.nodes\[1\]: add takes 2 operands"),
        (
            ("nodes", 1, "operands"),
            [0, 2],
            r"\$.nodes\[1\].operands\[1\]: expected the",
        ),
        (("nodes", 1, "operands"), [-1, 0], r"\$.nodes\[1\].operands\[0\]: expected t"),
        (("nodes", 1, "operands"), [True, 0], r"\$.nodes\[1\].operands\[0\]: expected"),
        (
            ("nodes", 1, "dtype"),
            "int8",
            r"\$.nodes\[1\]: expected the inferred type fl",
        ),
        (
            ("nodes", 4, "attrs"),
            {},
            r"\$.nodes\[4\]: reduce_sum needs the attribute 'ax",
        ),
        (("nodes", 4, "attrs"), [], r"\$.nodes\[4\].attrs: expected an object"),
        (("nodes", 4, "attrs", "axes"), 1, r"\$.nodes\[4\]: the attributes do not fit"),
        (
            ("nodes", 4, "attrs", "axes"),
            [2],
            r"\$.nodes\[4\]: reduce_sum: axis 2 is no",
        ),
        (
            ("nodes", 4, "attrs", "axes"),
            1.5,
            r"\$.nodes\[4\].attrs.axes: expected true",
        ),
        (
            ("nodes", 4, "attrs", "axes"),
            [True],
            r"attrs.axes\[0\]: expected no truth v",
        ),
        (
            ("nodes", 4, "attrs", "axes"),
            [[{}]],
            r"attrs.axes\[0\]\[0\]: expected true,",
        ),
        (("nodes", 4, "attrs", "axes"), {"a": 1}, r"attrs.axes: expected true, false"),
        (("nodes", 4, "attrs", "axes"), {"dtype": 1}, r"axes.dtype: expected one of"),
        (("nodes", 4, "attrs", "axes"), {"rule": 1}, r"axes.rule: expected text"),
        (("nodes", 4, "attrs", "axes"), 10**200, "a number of at most 100 digits"),
        (
            ("nodes", 0, "attrs"),
            {},
            r"\$.nodes\[0\].attrs: expected the keys name, par",
        ),
        (
            ("nodes", 0, "attrs", "parameter"),
            1,
            r"attrs.parameter: expected true or fa",
        ),
        (
            (*CONSTANT, "base64"),
            "AAAA",
            r"constant.base64: expected 24 bytes, found '3",
        ),
        ((*CONSTANT, "base64"), "AAA", r"\$.nodes\[2\].attrs.value.constant.base64: "),
        ((*CONSTANT, "base64"), "?" * 32, r"\$.nodes\[2\].attrs.value.constant.base64"),
        ((*CONSTANT, "base64"), "é" * 32, r"\$.nodes\[2\].attrs.value.constant.base64"),
        ((*CONSTANT, "base64"), None, r"constant.base64: expected text"),
        ((*CONSTANT, "shape"), [0, 2**62, 2**62], r"constant.base64: expected 0 bytes"),
        ((*CONSTANT, "dtype"), "complex64", r"constant.dtype: expected one of"),
        (("outputs",), [6], r"\$.outputs\[0\]: expected the number of a value defined"),
        (("outputs",), None, r"\$.outputs: expected an array, found None"),
    ],
)
def test_damage_is_told_with_its_path(path: Path, value: object, message: str) -> None:
    with pytest.raises(GraphError, match=f"^graph JSON, (.|\n)*{message}"):
        from_json(damaged(path, value))


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "graph JSON, line 1, column 1: Expecting value"),
        ("{", "graph JSON, line 1, column 2"),
        ("[]", r"graph JSON, \$: expected an object"),
        ("NaN", "graph JSON: NaN is not a JSON number"),
        ('{"a": -Infinity}', "graph JSON: -Infinity is not a JSON number"),
        ('{"a": 1, "a": 2}', "graph JSON: the key 'a' is given twice"),
        ("9" * 9999, "graph JSON: "),
        ("[" * 100_000, "graph JSON: "),
        ('{"a":' * 100_000, "graph JSON: "),
    ],
)
def test_what_is_no_json(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=f"^{message}"):
        from_json(text)


def test_deep_arrays_are_refused() -> None:
    nested: list[object] = []
    for _ in range(40):
        nested = [nested]
    with pytest.raises(GraphError, match="expected arrays nested at most 32 deep"):
        from_json(damaged(("nodes", 4, "attrs", "axes"), nested))


def test_truth_values_have_two_bytes() -> None:
    text = to_json(Graph([leaf.const(np.array([True, False]))]))
    with pytest.raises(GraphError, match="expected bytes 0 and 1 for false and true"):
        from_json(text.replace("AQA=", "AgA="))


def test_impossible_shapes_of_no_elements() -> None:
    text = to_json(Graph([leaf.const(np.zeros((0, 7), np.int8))]))
    assert text.count("[0, 7]") == 2
    with pytest.raises(GraphError, match=r"^graph JSON, \$.nodes\[0\]"):
        from_json(text.replace("[0, 7]", f"[0, {2**62}, {2**62}]"))


@pytest.mark.parametrize("key", ["format", "version", "inputs", "nodes", "outputs"])
def test_missing_keys(key: str) -> None:
    form = json.loads(to_json(example()))
    del form[key]
    with pytest.raises(GraphError, match=r"\$: expected the keys format, version"):
        from_json(json.dumps(form))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "add", "exp", "float32", "AAAA"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["dtype", "rule", "constant", "shape"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


def places_in(form: Any) -> list[Callable[[Any], None]]:
    """Return functions that set each value within ``form``."""
    found: list[Callable[[Any], None]] = []
    pending = [form]
    while pending:
        value = pending.pop()
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            found.append(functools.partial(value.__setitem__, key))
            if isinstance(value[key], (dict, list)):
                pending.append(value[key])
    return found


@settings(max_examples=300)
@given(st.data())
def test_any_damage_is_refused_or_reads_back(data: st.DataObject) -> None:
    graph = data.draw(random_graphs(steps=4))
    form = copy.deepcopy(json.loads(to_json(graph)))
    for _ in range(data.draw(st.integers(1, 2))):
        places = places_in(form)
        places[data.draw(st.integers(0, len(places) - 1))](data.draw(json_values))
        if not isinstance(form, dict):
            return
    try:
        again = from_json(json.dumps(form))
    except GraphError as error:
        assert str(error).startswith("graph JSON")
        return
    verify(again)
    assert to_json(from_json(to_json(again))) == to_json(again)


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(GraphError):
        from_json(text)


def test_a_chain_of_many_nodes() -> None:
    node = leaf.input_leaf((2,), dtypes.float32, "x")
    for _ in range(50_000):
        node = unary.sin(node)
    graph = Graph([node])
    start = time.perf_counter()
    assert from_json(to_json(graph)).structural_hash == graph.structural_hash
    assert time.perf_counter() - start < 60
