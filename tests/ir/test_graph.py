"""Graphs: order, users, substitution, structural hash, size."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from nervure import dtypes
from nervure.errors import GraphError
from nervure.ir.attrs import Rule
from nervure.ir.build import apply
from nervure.ir.graph import Graph, substitute, topological
from nervure.ir.node import Node, scope
from nervure.ir.parser import parse
from nervure.ir.primitive import primitive_named
from nervure.ir.text import canonical_lines, to_text
from nervure.ir.verify import verify
from nervure.prims import binary, leaf, reduce, unary
from tests.strategies import living, random_graphs

CHAIN = 100_000


def input_of(name: str = "x", shape: tuple[int, ...] = (2,)) -> Node:
    return leaf.input_leaf(shape, dtypes.float32, name)


def chain(length: int, x: Node) -> Node:
    """Return ``length`` nodes on top of ``x``, every second one with two operands."""
    node = x
    for _ in range(length // 2):
        node = binary.add(unary.sin(node), x)
    return node


# --- order ---------------------------------------------------------------------------


def test_operands_come_before_users() -> None:
    x, y = input_of("x"), input_of("y")
    total = binary.add(x, y)
    product = binary.mul(total, x)
    assert topological([product]) == [x, y, total, product]
    assert topological([total, product]) == [x, y, total, product]
    assert topological([]) == []


def test_the_walk_stops_where_told() -> None:
    x = input_of()
    middle = unary.exp(x)
    top = unary.sin(middle)
    assert topological([top], stop={middle}) == [middle, top]
    assert topological([top], stop={top}) == [top]


@given(random_graphs())
def test_each_node_comes_once_after_its_operands(graph: Graph) -> None:
    seen: set[Node] = set()
    for node in graph:
        assert node not in seen
        assert all(operand in seen for operand in node.inputs)
        seen.add(node)
    assert len(graph) == len(seen)


def test_users() -> None:
    x = input_of()
    double = binary.add(x, x)
    top = binary.mul(double, x)
    users = Graph([top]).users
    assert users == {x: (double, top), double: (top,), top: ()}


# --- inputs and outputs --------------------------------------------------------------


def test_inputs_are_found_in_the_order_of_use() -> None:
    x, y = input_of("x"), input_of("y")
    assert Graph([binary.sub(y, x)]).inputs == (y, x)


def test_inputs_may_be_listed_without_use() -> None:
    x, y = input_of("x"), input_of("y")
    graph = Graph([unary.exp(x)], [y, x])
    assert graph.inputs == (y, x)
    assert y not in graph.nodes


def test_wrong_lists_of_inputs() -> None:
    x, y = input_of("x"), input_of("y")
    with pytest.raises(GraphError, match="an input is listed twice"):
        Graph([x], [x, x])
    with pytest.raises(GraphError, match="is listed as an input but is not a leaf"):
        Graph([x], [x, unary.exp(x)])
    with pytest.raises(GraphError, match="the outputs need the input .* not listed"):
        Graph([binary.add(x, y)], [x])


def test_buffers_are_listed() -> None:
    w = leaf.buffer_leaf(np.ones(2, np.float32), "w", parameter=True)
    b = leaf.buffer_leaf(np.ones(2, np.float32), "b")
    graph = Graph([binary.add(binary.mul(input_of(), b), w)])
    assert graph.buffers == (b, w)
    assert repr(graph) == "<Graph of 5 nodes, 1 inputs, 1 outputs>"


# --- substitution --------------------------------------------------------------------


def test_substitute_replaces_everywhere() -> None:
    x, y = input_of("x"), input_of("y")
    top = binary.mul(unary.exp(x), binary.add(x, x))
    expected = binary.mul(unary.exp(y), binary.add(y, y))
    assert substitute([top, x], {x: y}) == [expected, y]


def test_substitute_is_simultaneous() -> None:
    x, y = input_of("x"), input_of("y")
    assert substitute([binary.sub(x, y)], {x: y, y: x}) == [binary.sub(y, x)]


def test_what_does_not_change_stays() -> None:
    x, y, z = input_of("x"), input_of("y"), input_of("z")
    kept = unary.exp(y)
    (result,) = substitute([binary.add(x, kept)], {x: z})
    assert result.inputs == (z, kept)
    assert substitute([kept], {x: z}) == [kept]


def test_substitute_keeps_sites() -> None:
    x, y = input_of("x"), input_of("y")
    with scope("dense"):
        top = unary.exp(x)
    (result,) = substitute([top], {x: y})
    assert result.site == top.site


def test_substitute_keeps_types() -> None:
    x, longer = input_of(), input_of(shape=(3,))
    with pytest.raises(GraphError, match=r"float32\[2\] by one of type float32\[3\]"):
        substitute([unary.exp(x)], {x: longer})


@given(random_graphs())
def test_substituting_inputs_renames_a_graph(graph: Graph) -> None:
    fresh = [leaf.input_leaf(n.shape, n.dtype, "fresh") for n in graph.inputs]
    outputs = substitute(graph.outputs, dict(zip(graph.inputs, fresh, strict=True)))
    renamed = Graph(outputs, fresh)
    verify(renamed)
    assert renamed.structural_hash == graph.structural_hash


# --- structural hash -----------------------------------------------------------------


def digest(output: Node) -> str:
    return Graph([output]).structural_hash


def test_names_sites_and_data_do_not_count() -> None:
    def make(name: str, layer: str, value: float) -> Node:
        with scope(layer):
            data = leaf.buffer_leaf(np.full(2, value, np.float32), name)
            return binary.add(input_of(name), data)

    first, second = make("x", "dense", 1.0), make("y", "conv", 2.0)
    assert digest(first) == digest(second)


def test_what_counts() -> None:
    x, y = input_of("x"), input_of("y")
    data = np.ones(2, np.float32)
    one, other = leaf.buffer_leaf(data), leaf.buffer_leaf(data)
    parameter = leaf.buffer_leaf(data, parameter=True)
    graphs = [
        Graph([binary.sub(x, y)]),
        Graph([binary.sub(x, y)], [y, x]),
        Graph([binary.sub(x, x)]),
        Graph([binary.sub(x, x)], [x, y]),
        Graph([binary.sub(x, y), x]),
        Graph([x, binary.sub(x, y)]),
        Graph([binary.sub(x, one)]),
        Graph([binary.sub(x, parameter)]),
        Graph([binary.sub(one, one)]),
        Graph([binary.sub(one, other)]),
        Graph([reduce.reduce_sum(x, (0,))]),
        Graph([reduce.reduce_max(x, (0,))]),
        Graph([unary.exp(leaf.input_leaf((2,), dtypes.float64))]),
        Graph([unary.exp(leaf.input_leaf((2, 1), dtypes.float64))]),
        Graph([leaf.const(np.float32(0.0))]),
        Graph([leaf.const(np.float32(-0.0))]),
        Graph([leaf.const(np.zeros(100, np.float32))]),
        Graph([leaf.const(np.zeros(100, np.float64))]),
        Graph([leaf.const(np.zeros((10, 10), np.float64))]),
        Graph([leaf.const(np.r_[np.zeros(99), 1e-300])]),
        Graph([]),
    ]
    assert len({graph.structural_hash for graph in graphs}) == len(graphs)


def test_rules_count_by_name() -> None:
    op, x = primitive_named("custom_gradient"), input_of()
    first, second, third = (
        Graph([apply(op, x, rule=Rule(None, name))]) for name in ("a", "a", "b")
    )
    assert first.structural_hash == second.structural_hash != third.structural_hash


def test_canonical_lines_hold_no_names() -> None:
    data = leaf.buffer_leaf(np.ones(2, np.float32), "my_data", parameter=True)
    lines = list(canonical_lines(Graph([binary.add(input_of("my_input"), data)])))
    assert lines == [
        "(%0: float32[2])",
        "%1: float32[2] = buffer {parameter = true}",
        "%2: float32[2] = add(%0, %1)",
        "return %2",
    ]


_PROGRAM = """
import numpy as np
from nervure import dtypes
from nervure.ir.graph import Graph
from nervure.ir.node import scope
from nervure.prims import binary, contract, leaf, movement, reduce, select

{padding}
leaf.input_leaf((1,), dtypes.int8)  # so that numbers differ between processes
def build(name):
    x = leaf.input_leaf((5, 4), dtypes.float32, name)
    w = leaf.buffer_leaf(np.ones((4, 8), np.float32), name + "/w", parameter=True)
    noise = leaf.const(np.linspace(-1, 1, 40, dtype=np.float32).reshape(5, 8))
    with scope(name):
        y = binary.add(contract.dot(x, w, contract=((1,), (0,))), noise)
    positive = binary.lt(leaf.full_like(y, 0), y)
    y = select.select(positive, y, leaf.full_like(y, -0.0))
    return Graph([reduce.reduce_sum(y, (0,)), movement.reshape(y, (40,))])
print(build({name!r}).structural_hash)
"""


def test_the_hash_is_the_same_in_every_process() -> None:
    root = Path(__file__).parents[2]
    found = set()
    for seed, padding in [("0", ""), ("1", "leaf.const(3)\n" * 5), ("2", "\n\n")]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        program = _PROGRAM.format(padding=padding, name=f"layer{seed}")
        result = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(result.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64


# --- size ----------------------------------------------------------------------------


@pytest.fixture
def _shallow_recursion() -> object:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("_shallow_recursion")
def test_a_chain_of_many_nodes_is_an_ordinary_graph() -> None:
    before = living()
    x, y = input_of("x"), input_of("y")
    start = time.perf_counter()
    graph = Graph([chain(CHAIN, x)])
    assert len(graph) == CHAIN + 1
    text = to_text(graph)
    assert text.count("\n") == CHAIN + 3
    again = parse(text)
    assert again.structural_hash == graph.structural_hash
    assert len(graph.users) == len(graph)
    outputs = substitute(graph.outputs, {x: y})
    assert Graph(outputs).inputs == (y,)
    verify(graph)
    del graph, again, outputs
    assert living() == before + 2
    # It takes about 5 s on a slow core; anything quadratic would take hours.
    assert time.perf_counter() - start < 120


def test_a_chain_is_freed_on_a_small_stack() -> None:
    """Dropping the last reference must not need a C frame for each node."""
    before = living()
    done = threading.Event()

    def work() -> None:
        node = chain(CHAIN, input_of())
        del node
        done.set()

    size = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(size)
    assert done.is_set()
    assert living() == before


def test_memory_of_a_dead_chain_is_released() -> None:
    x = input_of()
    chain(20, x)  # whatever the first use allocates for good
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        node = chain(20_000, x)
        held, _ = tracemalloc.get_traced_memory()
        del node
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held - before > 20_000 * 100
    # The interning table keeps its size, a hundred bytes or so an entry.
    assert after - before < (held - before) / 3


@settings(max_examples=20)
@given(random_graphs(steps=6))
def test_graphs_leave_nothing_behind(graph: Graph) -> None:
    before = living()
    parse(to_text(graph))
    assert living() == before
