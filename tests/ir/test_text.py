"""The text of graphs: what it looks like, that it reads back, what is refused."""

from __future__ import annotations

import time

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError, NervureError
from nervure.ir import numerals
from nervure.ir.attrs import Constant, NDArray, Rule
from nervure.ir.build import apply, apply_at
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Site
from nervure.ir.parser import parse
from nervure.ir.primitive import primitive_named, primitives
from nervure.ir.record import is_record
from nervure.ir.text import attribute_text, quoted, to_text
from nervure.ir.verify import verify
from nervure.prims import binary, contract, leaf, movement, unary
from nervure.prims.control import part
from tests.strategies import (
    arrays,
    attr_values,
    attrs_of,
    layers,
    names,
    random_graphs,
    shapes,
)

GOLDEN = """\
graph (%0: float32[5, 4] "x", %1: float32[4, 8] "w") {
  %2: float32[5, 8] = dot(%0, %1) {batch = ((), ()), contract = ((1,), (0,))}  \
# model.py:12 layer 'dense'
  %3: float32[8] = buffer {name = "bias", parameter = true}  # model.py:11
  %4: float32[5, 8] = broadcast(%3) {axes = (1,), shape = (5, 8)}  # model.py:13
  %5: float32[5, 8] = add(%2, %4)  # "my model.py":14
  %6: int32[3] = iota {axis = 0, dtype = int32, shape = (3,)}  # <stdin>:1
  %7: int32[3] = custom_gradient(%6, %5) {rule = rule "clip"}  # <stdin>:2 layer "it's"
  return %5, %7, %0
}
"""


def const_text(text: str, type_text: str = "float32[]") -> str:
    return (
        f"graph () {{ %0: {type_text} = const "
        f"{{value = constant<{type_text}>({text})}} return %0 }}"
    )


def same_bits(first: NDArray, second: NDArray) -> bool:
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


# --- writing -------------------------------------------------------------------------


def test_golden_text() -> None:
    assert to_text(parse(GOLDEN)) == GOLDEN


def test_a_graph_made_by_hand() -> None:
    x = leaf.input_leaf((2, 3), dtypes.float32, "x")
    w = leaf.input_leaf((3, 4), dtypes.float32, "w")
    product = contract.dot(x, w, contract=((1,), (0,)))
    graph = Graph([unary.tanh(product)])
    line = product.site.line
    assert to_text(graph) == (
        'graph (%0: float32[2, 3] "x", %1: float32[3, 4] "w") {\n'
        "  %2: float32[2, 4] = dot(%0, %1) {batch = ((), ()), contract = ((1,), (0,))}"
        f"  # test_text.py:{line}\n"
        f"  %3: float32[2, 4] = tanh(%2)  # test_text.py:{line + 1}\n"
        "  return %3\n}\n"
    )
    assert "#" not in to_text(graph, sites=False)
    assert str(graph) == to_text(graph)


def test_many_inputs_take_a_line_each() -> None:
    inputs = [leaf.input_leaf((), dtypes.float32, f"input{i}") for i in range(9)]
    graph = Graph(inputs)
    lines = to_text(graph).splitlines()
    assert lines[:3] == [
        "graph (",
        '  %0: float32[] "input0",',
        '  %1: float32[] "input1",',
    ]
    assert to_text(parse(to_text(graph))) == to_text(graph)


def test_long_constants_are_shortened_for_reading() -> None:
    graph = Graph([leaf.const(np.arange(1000, dtype=np.float32))])
    short = to_text(graph, full=False)
    assert "constant<float32[1000]>(... 1000 values)" in short
    assert "999.0" in to_text(graph)
    with pytest.raises(GraphError, match=r"left out(.|\n)*to_text\(full=True\)"):
        parse(short)
    small = Graph([leaf.const(np.arange(16))])
    assert to_text(small, full=False) == to_text(small)


@pytest.mark.parametrize(
    "dtype, value, text",
    [
        ("float32", 0.1, "0.1"),
        ("float32", 1 / 3, "0.33333334"),
        ("float32", 16777216, "16777216.0"),
        ("float32", 3.4028235e38, "3.4028235e+38"),
        ("float32", 1e-45, "1e-45"),
        ("float32", -0.0, "-0.0"),
        ("float32", np.inf, "inf"),
        ("float32", -np.inf, "-inf"),
        ("float32", np.nan, "nan"),
        ("float64", 0.1, "0.1"),
        ("float64", 5e-324, "5e-324"),
        ("float16", 0.1, "0.1"),
        ("float16", 65504, "65500.0"),
        ("bfloat16", 0.1, "0.1"),
        ("bfloat16", 1.0, "1.0"),
        ("bfloat16", 3.3895e38, "3.39e+38"),
        ("bfloat16", -0.0, "-0.0"),
        ("bfloat16", np.nan, "nan"),
        ("bfloat16", -np.inf, "-inf"),
        ("int8", -128, "-128"),
        ("uint64", 2**64 - 1, "18446744073709551615"),
        ("int64", -(2**63), "-9223372036854775808"),
        ("bool", True, "true"),
        ("bool", False, "false"),
    ],
)
def test_numbers_are_short_and_exact(dtype: str, value: float, text: str) -> None:
    array = np.array(value, dtypes.as_dtype(dtype))
    assert numerals.written(array) == f"constant<{dtype}[]>({text})"
    assert same_bits(numerals.elements(text, (), array.dtype), array)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16])
def test_every_half_precision_number_reads_back(dtype: DType) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(dtype)
    text = numerals.written(every)
    body = text[text.index("(") + 1 : -1]
    assert same_bits(numerals.elements(body, (2**16,), dtype), every)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
@example([0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF, 0x80000001, 0x00000001])
def test_every_float32_reads_back(patterns: list[int]) -> None:
    array = np.array(patterns, np.uint32).view(np.float32)
    graph = Graph([leaf.const(array)])
    (node,) = parse(to_text(graph)).outputs
    assert same_bits(node.op.reference(node), array)


@given(st.lists(st.floats(), max_size=20))
def test_every_float64_reads_back(values: list[float]) -> None:
    array = np.array(values, np.float64)
    graph = Graph([leaf.const(array)])
    (node,) = parse(to_text(graph)).outputs
    assert same_bits(node.op.reference(node), array)


@given(st.data(), st.sampled_from(dtypes.ALL), shapes())
def test_every_type_reads_back(
    data: st.DataObject, dtype: DType, shape: tuple[int, ...]
) -> None:
    array = data.draw(arrays(dtype, shape))
    (node,) = parse(to_text(Graph([leaf.const(array)]))).outputs
    assert same_bits(node.op.reference(node), array)


def test_quoting() -> None:
    assert quoted("plain größe 木") == '"plain größe 木"'
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'
    assert quoted("\x00\n\u2028") == '"\\u0000\\n\\u2028"'


def test_values_that_have_no_text() -> None:
    for value in (1.5, [1], np.int64(1), leaf.BUFFER):
        with pytest.raises(GraphError, match="cannot be written as text"):
            attribute_text(value)  # type: ignore[arg-type]
    nested: object = ()
    for _ in range(40):
        nested = (nested,)
    with pytest.raises(GraphError, match="nested deeper than 32"):
        attribute_text(nested)  # type: ignore[arg-type]


# --- round trips ---------------------------------------------------------------------


@given(random_graphs())
def test_reading_undoes_writing(graph: Graph) -> None:
    text = to_text(graph)
    again = parse(text)
    verify(again)
    assert to_text(again) == text
    assert again.structural_hash == graph.structural_hash
    assert [n.type_text for n in again] == [n.type_text for n in graph]
    bare = to_text(graph, sites=False)
    assert to_text(parse(bare), sites=False) == bare


@given(attr_values())
def test_attributes_read_back(value: object) -> None:
    if isinstance(value, tuple) and _has_truth(value):
        return
    x = leaf.input_leaf((), dtypes.float32)
    graph = Graph([apply_at(Site("", 0), unary.EXP, (x,), attrs_of(anything=value))])
    again = parse(to_text(graph))
    assert again.outputs[0].attrs == graph.outputs[0].attrs
    assert type(again.outputs[0].attrs["anything"]) is type(value)


def _has_truth(value: object) -> bool:
    if isinstance(value, tuple):
        return any(_has_truth(part) for part in value)
    return isinstance(value, bool)


@given(names, names, layers | names, st.integers(0, 10**6))
@example("a", "/home/user/my model.py", "it's", 3)
@example("a", "C:\\code\\model.py", "'", 3)
@example('"', '"', '"', 0)
@example("a", "<ipython-input-3-abc>", "a/b", 1)
@example("a", "a:3 layer 'b'", "x' # y", 1)
def test_names_and_sites_read_back(name: str, file: str, layer: str, line: int) -> None:
    x = leaf.input_leaf((), dtypes.float32, name)
    node = apply_at(Site(file, line, layer), unary.EXP, (x,), attrs_of())
    graph = Graph([node])
    again = parse(to_text(graph))
    assert to_text(again) == to_text(graph)
    assert again.inputs[0].attrs["name"] == name
    assert again.outputs[0].site[:3] == (file.rpartition("/")[2], line, layer)


def test_reading_makes_new_inputs_and_buffers() -> None:
    first, second = parse(GOLDEN), parse(GOLDEN)
    assert not set(first.inputs) & set(second.inputs)
    assert not set(first.buffers) & set(second.buffers)
    (buffer,) = first.buffers
    assert buffer.buffer is not None
    assert buffer.buffer.value is None
    with pytest.raises(GraphError, match="does not hold them"):
        buffer.op.reference(buffer)


def test_inputs_that_are_read_differ_from_those_that_are_made() -> None:
    text = 'graph (%0: float32[] "x", %1: float32[] "x") { return %0, %1 }'
    for _ in range(20):
        made = leaf.input_leaf((), dtypes.float32, "x")
        assert len({made, *parse(text).inputs}) == 3


def test_a_rule_has_no_code() -> None:
    rule = parse(GOLDEN).outputs[1].attrs["rule"]
    assert isinstance(rule, Rule)
    assert rule.function is None
    assert rule.name == "clip"


def test_equal_rules_stay_apart() -> None:
    x = leaf.input_leaf((), dtypes.float32)
    op = primitive_named("custom_gradient")
    one, other = (apply(op, x, rule=Rule(None, "same")) for _ in range(2))
    graph = Graph([one, other])
    assert len(parse(to_text(graph))) == len(graph) == 3


def test_without_a_site_the_reader_is_the_site() -> None:
    graph = parse(
        "graph (%0: float32[]) {\n%1: float32[] = exp(%0) # why not\n return %1}"
    )
    assert graph.outputs[0].site.file == __file__


def test_layout_is_free() -> None:
    graph = parse(
        "\ngraph(%x:float32[2]) # a comment\r\n{%y:float32[2]=exp\n(%x,\n)\t{}"
        "%z:float32[2]=exp(%x)# another\nreturn%y , %z}\n# the end".replace(",\n)", ")")
    )
    assert graph.outputs[0] is graph.outputs[1]
    assert to_text(parse("graph () {return}")) == "graph () {\n  return\n}\n"


# --- what is refused -----------------------------------------------------------------

HEAD = "graph (%0: float32[2]) {\n"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "line 1, column 1: expected 'graph', found the end of the text"),
        ("grap () {return}", "expected 'graph', found 'grap'"),
        ("graph", r"expected '\(', found the end of the text"),
        ("graph () {return} x", "expected the end of the text, found 'x'"),
        ("graph () {}", "expected 'return', found '}'"),
        ("graph (%0 float32[]) {return}", "expected ':', found 'float32'"),
        ("graph (%0: float32) {return}", r"expected a type such as .*'float32'"),
        ("graph (%0: float33[]) {return}", "expected a data type, found 'float33'"),
        ("graph (%0: float32[-1]) {return}", "expected a type such as"),
        ("graph (%0: float32[2,]) {return}", r"expected sizes, found \[2,\]"),
        ("graph (%0: float32[1 2]) {return}", r"expected sizes, found \[1 2\]"),
        (f"graph (%0: int8[{'9' * 30}]) {{return}}", "expected sizes"),
        ("graph (%0: float32[] x) {return}", r"expected ',' or '\)' after an input"),
        (
            "graph (%0: float32[],\n%0: float32[]) {return}",
            "line 2, column 1: the value %0 is defined twice",
        ),
        (HEAD + "return %1 }", "line 2, column 8: expected a value defined above"),
        (HEAD + "return 0 }", "expected '}' or ',' after the returned values"),
        (HEAD + "%1: float32[2] = exq(%0) return %1 }", "unknown primitive 'exq'"),
        (HEAD + "%1: float32[2] = exp(%1) return %1 }", "defined above, found %1"),
        (HEAD + "%1: float32[2] = exp(%0 return %1 }", r"',' or '\)' after an operand"),
        (HEAD + "%1: float32[3] = exp(%0) return %1 }", r"type float32\[2\], found fl"),
        (HEAD + "%1: float64[2] = exp(%0) return %1 }", r"type float32\[2\], found fl"),
        (HEAD + "%1: bool[2] = exp(%0, %0) return %1 }", r"exp takes 1 operands \(x\)"),
        (
            HEAD + "%1: bool[2] = and(%0, %0) return %1 }",
            "line 2, column 1: and: expec",
        ),
        (HEAD + '%1: int8[] = input {name = "x"} }', "declared in the header"),
        (HEAD + "%1: int8[] = buffer {name = 3} }", r"name \(text\) and parameter"),
        (
            HEAD + "%1: int8[] = buffer {parameter = 1} }",
            r"name \(text\) and parameter",
        ),
        (HEAD + "%1: int8[] = buffer {shape = ()} }", r"name \(text\) and parameter"),
        (HEAD + "%1: int8[] = const }", "const needs the attribute 'value'"),
        (
            HEAD + "%1: int8[] = const {value = 3} }",
            "const needs the attribute 'value'",
        ),
        (HEAD + "%1: float32[] = reduce_sum(%0) }", "needs the attribute 'axes'"),
        (
            HEAD + '%1: float32[] = reduce_sum(%0) {axes = "x"} }',
            "the attributes do not fit reduce_sum",
        ),
        (HEAD + "%1: float32[] = reduce_sum(%0) {axes = 0} }", "do not fit reduce_sum"),
        (HEAD + "%1: float32[2] = exp(%0) {a = 1 b = 2} }", "',' or '}' after an attr"),
        (HEAD + "%1: float32[2] = exp(%0) {a = 1, a = 2} }", "'a' is given twice"),
        (HEAD + "%1: float32[2] = exp(%0) {a = } }", "the value of an attribute"),
        (
            HEAD + "%1: float32[2] = exp(%0) {a = 1.5} }",
            r"expected a whole number(.|\n)*",
        ),
        (HEAD + "%1: float32[2] = exp(%0) {a = 1e5} }", "expected a whole number"),
        (HEAD + "%1: float32[2] = exp(%0) {a = --1} }", "expected a whole number"),
        (
            HEAD + f"%1: float32[2] = exp(%0) {{a = {'9' * 5000}}} }}",
            "5000 digits is to",
        ),
        (HEAD + "%1: float32[2] = exp(%0) {a = True} }", "expected true, false, none"),
        (HEAD + '%1: float32[2] = exp(%0) {a = "b} }', "text in double quotes"),
        (HEAD + '%1: float32[2] = exp(%0) {a = "\\q"} }', "expected text as in JSON"),
        (HEAD + "%1: float32[2] = exp(%0) {a = (1)} }", r"expected ',', found '\)'"),
        (HEAD + "%1: float32[2] = exp(%0) {a = (1, 2} }", r"',' or '\)' in a tuple"),
        (HEAD + "%1: float32[2] = exp(%0) {a = (,)} }", "the value of an attribute"),
        (
            HEAD + "%1: float32[2] = exp(%0) {a = (true,)} }",
            "no truth value in a tuple",
        ),
        (HEAD + "%1: float32[2] = exp(%0) {a = rule 3} }", "text in double quotes"),
        (HEAD + "%1: float32[2] = exp(%0) {a = " + "(" * 99, "nested at most 32 deep"),
        (const_text("1, 2"), "expected 1 numbers, found 2"),
        (const_text(""), "expected 1 numbers, found 0"),
        (const_text("one"), "expected a number, found 'one'"),
        (const_text("1_000"), "expected a number, found '1_000'"),
        (const_text("infinity"), "expected a number, found 'infinity'"),
        (const_text("-nan"), "expected a number, found '-nan'"),
        (const_text("true"), "expected a number, found 'true'"),
        (const_text("1e99"), "1e99 does not fit into float32"),
        (const_text("1e999", "float64[]"), "1e999 does not fit into float64"),
        (const_text("1e5", "float16[]"), "1e5 does not fit into float16"),
        (const_text("1e39", "bfloat16[]"), "1e39 does not fit into bfloat16"),
        (const_text("nan:0x1"), "nan:0x1 is not a NaN of float32"),
        (const_text("nan:0x7ff8000000000001"), "is not a NaN of float32"),
        (const_text("1.0", "int8[]"), "expected a whole number, found '1.0'"),
        (const_text("128", "int8[]"), "128 does not fit into int8"),
        (const_text("-1", "uint8[]"), "-1 does not fit into uint8"),
        (const_text("9" * 99, "int64[]"), "expected a whole number"),
        (const_text("1", "bool[]"), "expected true or false, found '1'"),
        (const_text("", f"int8[0, {10**18}, {10**18}]"), "no array has the shape"),
        (const_text("", f"int8[{'1, ' * 99}0]"), "no array has the shape"),
        (const_text("", f"int8[{10**18}]"), "expected 1000000000000000000 numbers"),
        (
            "graph () { %0: int8[] = const {value = constant<int8[]>(3",
            r"expected '\)' af",
        ),
        ("graph () { %0: int8[] = const {value = constant(3", "expected '<', found"),
    ],
)
def test_malformed_text(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=f"^graph text, (.|\n)*{message}"):
        parse(text)


def test_errors_of_rules_keep_their_cause() -> None:
    text = HEAD + "  %1: float32[1] = reduce_sum(%0) {axes = (1,)}  # model.py:3\n"
    with pytest.raises(GraphError) as caught:
        parse(text)
    assert str(caught.value).startswith(
        "graph text, line 2, column 3: reduce_sum: axis 1 is not an axis of float32[2]"
    )
    assert isinstance(caught.value.__cause__, GraphError)
    assert isinstance(caught.value.__cause__.__cause__, NervureError)


def test_nothing_is_evaluated() -> None:
    for value in ("__import__('os')", "exit()", "`ls`", "lambda: 0", "[1]", "{}"):
        with pytest.raises(GraphError):
            parse(HEAD + f"%1: float32[2] = exp(%0) {{a = {value}}} return %1 }}")


@given(st.text())
@example("graph (%0: float32[²]) {return}")
@example("graph () {%0: int8[] = const {value = constant<int8[]>(²)} return}")
@example("graph () {%0: int8[] = exp {a = ²} return}")
def test_any_text_is_refused_or_read(text: str) -> None:
    with pytest.raises(GraphError):
        parse(text)


def mutations(text: str) -> st.SearchStrategy[str]:
    """Texts that differ from ``text`` in a few characters or lines."""
    pieces = st.sampled_from(list("%,:=(){}[]<>\"#-019 \n\\'.ntx"))
    words = st.sampled_from(
        [
            "true",
            "none",
            "float32",
            "nan",
            "inf",
            "(",
            "constant<",
            "rule ",
            "%0",
            "1e9",
        ]
    )
    places = st.integers(0, len(text))
    edits = st.lists(
        st.tuples(places, st.integers(0, 3), st.none() | pieces | words),
        min_size=1,
        max_size=4,
    )

    def edited(found: list[tuple[int, int, str | None]]) -> str:
        result = text
        for place, removed, added in found:
            result = result[:place] + (added or "") + result[place + removed :]
        return result

    def shuffled(order: list[str]) -> str:
        return "\n".join(order)

    lines = text.split("\n")
    moved = st.lists(st.sampled_from(lines), max_size=len(lines)).map(shuffled)
    return st.one_of(st.just(edits).flatmap(lambda one: one).map(edited), moved)


@settings(max_examples=300)
@given(st.data())
def test_damaged_text_is_refused_or_reads_back(data: st.DataObject) -> None:
    graph = data.draw(random_graphs(steps=5))
    damaged = data.draw(mutations(to_text(graph, sites=data.draw(st.booleans()))))
    try:
        again = parse(damaged)
    except GraphError as error:
        assert str(error).startswith("graph text, line ")
        return
    verify(again)
    text = to_text(again)
    assert to_text(parse(text)) == text


def test_every_sample_reads_back() -> None:
    random = np.random.default_rng(0)
    for op in primitives():
        for dtype in op.dtypes:
            for sample in op.samples(dtype, random):
                operands = [
                    leaf.input_leaf(array.shape, array.dtype) for array in sample.inputs
                ]
                node = apply(op, *operands, **sample.attrs)
                if is_record(node.dtype):
                    node = part(node, sample.result)
                graph = Graph([node])
                verify(graph)
                again = parse(to_text(graph))
                assert again.structural_hash == graph.structural_hash


# --- speed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "graph (" + "(" * 300_000,
        "graph () {" + " " * 300_000 + "?",
        "graph () {" + "#\n" * 150_000 + "?",
        "graph (%0: float32[" + "1," * 150_000,
        'graph (%0: float32[] "' + "a" * 300_000,
        'graph (%0: float32[] "' + "\\" * 300_000,
        HEAD + "%1: float32[2] = exp(%0) {a = " + "1" * 300_000 + "}",
        HEAD + "%1: float32[2] = exp(%0) {a = " + "(1, " * 100_000,
        HEAD + "%1: float32[2] = exp(%0) # " + "a" * 300_000,
        HEAD + '%1: float32[2] = exp(%0) # "' + "a" * 300_000,
        HEAD + "%1: float32[2] = exp(%0) # a:1 layer '" + "a" * 300_000,
        "graph () {" + "%0: float32[] = const {value = constant<float32[]>(1,",
        const_text("1, " * 100_000),
        "%" * 300_000,
    ],
)
def test_long_malformed_text_fails_fast(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(GraphError) as caught:
        parse(text)
    assert time.perf_counter() - start < 5
    assert len(str(caught.value)) < 1000


def test_wide_graphs_are_read_in_linear_time() -> None:
    x = leaf.input_leaf((2,), dtypes.float32, "x")
    parts: list[Node] = [
        binary.add(x, leaf.full((2,), i, x.dtype)) for i in range(5000)
    ]
    graph = Graph([movement.concatenate(parts, 0)])
    start = time.perf_counter()
    assert parse(to_text(graph)).structural_hash == graph.structural_hash
    assert time.perf_counter() - start < 20


def test_large_constants_are_read_in_linear_time() -> None:
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    start = time.perf_counter()
    (node,) = parse(to_text(Graph([leaf.const(values)]))).outputs
    assert node is leaf.const(values)
    assert time.perf_counter() - start < 20


def test_bfloat16_is_ml_dtypes() -> None:
    value = np.array([1.5], ml_dtypes.bfloat16)
    assert attribute_text(Constant(value)) == "constant<bfloat16[1]>(1.5)"
