"""Branches and loops on arrays: values, derivatives, closures, cells and errors."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import nervure as nv
from nervure import control_flow, evaluation
from nervure.errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    GraphError,
    ShapeError,
    TraceError,
)
from nervure.ir import Graph
from nervure.ir.bodies import DEEPEST_BODY, body_input, closed
from nervure.ir.jsonform import from_json, to_json
from nervure.ir.parser import parse
from nervure.ir.verify import verify
from nervure.nn.variable import Variable
from nervure.passes import optimized
from nervure.prims.annotate import stop_gradient
from nervure.prims.control import call, part
from nervure.prims.leaf import buffer_leaf, input_leaf

EXECUTORS = ("reference", "cpu")


@pytest.fixture(params=EXECUTORS, autouse=True)
def executor(request):
    with nv.config.override(executor=request.param):
        yield


def test_examples():
    assert doctest.testmod(control_flow).failed == 0


def looped(x, w, steps):
    """Return what a scan is to compute, step by step in Python."""
    h, stacked = np.zeros(x.shape[1:]), np.zeros(x.shape)
    for step in steps:
        h = np.tanh(x[step] + h @ w)
        stacked[step] = h
    return h, stacked


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("unroll", [1, True])
def test_scan_is_a_loop(reverse, unroll):
    random = np.random.default_rng(0)
    x, w = random.normal(size=(5, 2, 3)), random.normal(size=(3, 3))

    def step(h, x):
        h = nv.tanh(x + h @ nv.asarray(w))
        return h, {"y": h, "twice": 2 * h}

    h, ys = nv.scan(step, nv.zeros((2, 3), dtype="float64"), nv.asarray(x),
                    reverse=reverse, unroll=unroll)  # fmt: skip
    steps = range(5)[::-1] if reverse else range(5)
    last, stacked = looped(x, w, steps)
    np.testing.assert_allclose(h, last, rtol=1e-12)
    np.testing.assert_allclose(ys["y"], stacked, rtol=1e-12)
    np.testing.assert_allclose(ys["twice"], 2 * stacked, rtol=1e-12)


def test_scan_has_the_derivatives_of_the_unrolled_loop():
    random = np.random.default_rng(1)
    x, w = random.normal(size=(4, 2, 3)), random.normal(size=(3, 3))

    def loss(x, w, h, unroll):
        def step(h, x):
            h = nv.tanh(x + h @ w)
            return h, nv.sum(h * x)

        last, ys = nv.scan(step, h, x, unroll=unroll)
        return nv.sum(last * last) + nv.sum(ys**2)

    given = [nv.asarray(x), nv.asarray(w), nv.asarray(random.normal(size=(2, 3)))]
    directions = [nv.asarray(random.normal(size=one.shape)) for one in given]
    found = []
    for unroll in (False, True):
        slopes = nv.grad(lambda *a: loss(*a, unroll), argnums=(0, 1, 2))  # noqa: B023
        along = lambda *a: sum(  # noqa: E731
            nv.sum(one * d)
            for one, d in zip(slopes(*a), directions)  # noqa: B023
        )
        second = nv.grad(along, argnums=1)(*given)
        change = nv.jvp(lambda *a: loss(*a, unroll), given, directions)[1]  # noqa: B023
        found.append([*slopes(*given), second, change])
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_gradient_runs_the_forward_loop_once():
    w = nv.parameter(np.eye(3), name="w")

    def loss(w):
        return nv.sum(nv.scan(lambda h, x: (nv.tanh(h @ w + x), None),
                              nv.zeros((2, 3), dtype="float64"),
                              nv.ones((4, 2, 3), dtype="float64"))[0])  # fmt: skip

    value, slope = nv.value_and_grad(loss)(w)
    graph = Graph([value.node, slope.node])
    count = lambda graph: sum(node.op.name == "scan" for node in graph)  # noqa: E731
    assert (count(graph), count(optimized(graph))) == (3, 2)


def test_looking_at_one_result_computes_the_others(monkeypatch):
    runs = []
    real = evaluation.choose_executor
    monkeypatch.setattr(
        evaluation, "choose_executor", lambda *a, **k: runs.append(1) or real(*a, **k)
    )
    total, sums = nv.scan(lambda c, x: (c + x, c + x), 0.0, nv.arange(3.0))
    assert total.item() == 3.0
    assert sums.tolist() == [0.0, 1.0, 3.0]
    assert len(runs) == 1


def test_closures_are_computed_outside_of_the_loop():
    w = nv.parameter(np.full((2, 2), 0.25), name="w")
    last, _ = nv.scan(
        lambda h, _: (h @ (w @ w), None), nv.ones((1, 2), dtype="float64"), length=3
    )
    (scan,) = [node for node in Graph([last.node]) if node.op.name == "scan"]
    assert [node.op.name for node in scan.attrs["body"].nodes].count("dot") == 1
    assert last.tolist() == [[0.25**3, 0.25**3]]


def test_cells_that_a_body_writes_are_carried():
    total = Variable(0.0, name="total", trainable=False)

    def step(_, x):
        total.assign_add(x)
        return (), total.value * 1.0

    def run():
        return nv.scan(step, (), nv.asarray([1.0, 2.0, 3.0]))[1]

    assert run().tolist() == [1.0, 3.0, 6.0]
    assert float(total.numpy()) == 6.0
    assert nv.compile(run)().tolist() == [7.0, 9.0, 12.0]
    nv.cond(nv.asarray(True), lambda: total.assign(0.0), lambda: None)
    assert float(total.numpy()) == 0.0


def test_cond_runs_one_branch_and_differentiates_it():
    def function(x):
        return nv.cond(nv.sum(x) > 0, lambda: nv.sum(x * x), lambda: nv.sum(1.0 / x))

    positive, negative = nv.asarray([1.0, 2.0]), nv.asarray([-1.0, 0.5])
    assert function(positive).item() == 5.0
    assert nv.grad(function)(positive).tolist() == [2.0, 4.0]
    assert nv.compile(nv.grad(function))(negative).tolist() == [-1.0, -4.0]
    change = nv.jvp(function, [positive], [nv.asarray([1.0, 0.0])])[1]
    assert change.item() == 2.0


def test_python_numbers_take_the_type_of_their_counterparts():
    x = nv.asarray([1.5, 2.5], dtype="float64")
    assert nv.cond(False, lambda: nv.sum(x), lambda: 0).dtype == nv.float64
    last, _ = nv.scan(lambda c, x: (0, c), x[0], x)
    assert last.dtype == nv.float64


def test_while_loops_in_forward_and_reverse_mode():
    def function(x, bound=None):
        return nv.sum(nv.while_loop(
            lambda n, y: nv.sum(y) < 100.0,
            lambda n, y: (n + 1, y * y + 1.0),
            (0, x),
            maximum_iterations=bound,
        )[1])  # fmt: skip

    x = nv.asarray([1.0, 0.5], dtype="float64")
    ones = nv.ones(2, dtype="float64")
    step = 1e-6
    expected = [
        (float(function(x + step * e)) - float(function(x - step * e))) / (2 * step)
        for e in (nv.asarray([1.0, 0.0]), nv.asarray([0.0, 1.0]))
    ]
    change = nv.jvp(function, [x], [ones])[1]
    assert change.item() == pytest.approx(sum(expected), rel=1e-6)
    slope = nv.grad(lambda x: function(x, 40))(x)
    np.testing.assert_allclose(slope, expected, rtol=1e-6)
    with pytest.raises(GradientError, match="give maximum_iterations"):
        nv.grad(function)(x)


def test_while_loops_take_one_value_as_keras_does():
    assert nv.while_loop(lambda x: x < 10, lambda x: x * 2, nv.asarray(1)).item() == 16
    (x,) = nv.while_loop(lambda x: x < 10, lambda x: (x * 2,), [nv.asarray(1)])
    assert x.item() == 16
    assert (
        nv.while_loop(lambda x: x < 10, lambda x: x + 1, nv.asarray(1), 3).item() == 4
    )


def test_composites():
    x = nv.asarray(np.arange(1.0, 8.0))
    running = nv.associative_scan(nv.multiply, x)
    np.testing.assert_array_equal(running, np.cumprod(np.arange(1.0, 8.0)))
    back = nv.associative_scan(lambda a, b: a - 0 * a + b, x, reverse=True)
    np.testing.assert_array_equal(back, np.cumsum(np.arange(1.0, 8.0)[::-1])[::-1])
    table = nv.asarray(np.arange(12.0).reshape(3, 4))
    pairs = nv.associative_scan(
        lambda a, b: {"m": nv.maximum(a["m"], b["m"])}, {"m": -table}, axis=1
    )
    np.testing.assert_array_equal(pairs["m"], np.maximum.accumulate(-table.numpy(), 1))
    assert nv.map(lambda row: nv.sum(row), table).tolist() == [6.0, 22.0, 38.0]
    assert nv.fori_loop(2, 5, lambda i, v: v * i, nv.asarray(1)).item() == 24
    assert nv.fori_loop(5, 2, lambda i, v: v * i, nv.asarray(7)).item() == 7
    upper = nv.asarray(5)
    assert nv.fori_loop(2, upper, lambda i, v: v * i, nv.asarray(1)).item() == 24


def test_loops_of_no_steps():
    x = nv.ones((0, 2))
    last, stacked = nv.scan(lambda c, x: (c + x, c), nv.asarray([3.0, 4.0]), x)
    assert last.tolist() == [3.0, 4.0]
    assert stacked.shape == (0, 2)
    slope = nv.grad(lambda c: nv.sum(nv.scan(lambda c, x: (c * x, c), c, x)[0]))
    assert slope(nv.asarray([3.0, 4.0])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: nv.scan(lambda c, x: c, 0.0, nv.ones(3)), ArgumentError, "carry, y"),
        (lambda: nv.scan(lambda c, x: (c, x), 0.0), ShapeError, "give length="),
        (
            lambda: nv.scan(lambda c, x: (c, x), 0.0, [nv.ones(3), nv.ones(4)]),
            ShapeError,
            "arrays of one length",
        ),
        (
            lambda: nv.scan(lambda c, x: (nv.ones(2), x), 0.0, nv.ones(3)),
            ShapeError,
            r"value 0 .* from float32\[\] to float32\[2\]",
        ),
        (
            lambda: nv.scan(lambda c, x: ((c, c), x), 0.0, nv.ones(3)),
            ShapeError,
            "changed their structure",
        ),
        (
            lambda: nv.cond(True, lambda: (1.0, 2.0), lambda: 1.0),
            ShapeError,
            "different structures",
        ),
        (
            lambda: nv.cond(nv.ones(2) > 0, lambda: nv.ones(1), lambda: nv.ones(1)),
            DTypeError,
            r"of shape \[\]",
        ),
        (
            lambda: nv.while_loop(lambda x: x, lambda x: x, nv.ones(2)),
            ShapeError,
            "the condition must return",
        ),
        (
            lambda: nv.scan(
                lambda c, x: (c if float(x) > 0 else -c, x), 0.0, nv.ones(3)
            ),
            TraceError,
            "while a function is being traced",
        ),
        (lambda: nv.switch(0, []), ArgumentError, "at least one branch"),
        (lambda: nv.switch(0.5, [lambda: 1.0]), ArgumentError, "a whole number"),
    ],
)
def test_wrong_use_is_explained(use, error, message):
    with pytest.raises(error, match=message):
        use()


# --- bodies in the graph -------------------------------------------------------------


def looping_graph():
    w = nv.Array.of_node(input_leaf((2, 2), np.dtype("float32"), "w"))

    def step(h, x):
        h = nv.cond(nv.sum(h) > 1, lambda: h @ w, lambda: h + x)
        return h, nv.sum(h)

    last, sums = nv.scan(step, nv.zeros((1, 2)), nv.ones((3, 1, 2)))
    return Graph([last.node, sums.node])


def test_bodies_are_written_and_read():
    graph = looping_graph()
    verify(graph)
    for again in (parse(graph.to_text()), from_json(to_json(graph))):
        verify(again)
        assert again.structural_hash == graph.structural_hash
        assert again.to_text(sites=False) == graph.to_text(sites=False)
    text = graph.to_dot()
    assert text.count("subgraph cluster_b") == 3
    assert text.count("{") == text.count("}")
    assert "scan(" in str(graph)


def test_equal_bodies_are_one_node():
    one, other = looping_graph(), looping_graph()
    assert one.structural_hash == other.structural_hash
    x = nv.ones((3,))
    first = nv.scan(lambda c, x: (c + x * 2, None), 0.0, x)[0]
    assert nv.scan(lambda c, x: (c + x * 2, None), 0.0, x)[0].node is first.node
    assert nv.scan(lambda c, x: (c + x * 3, None), 0.0, x)[0].node is not first.node


def test_what_is_no_body_is_refused():
    x = input_leaf((), np.dtype("float32"))
    with pytest.raises(GraphError, match="holds the data"):
        closed([buffer_leaf(np.ones(2))], [])
    with pytest.raises(GraphError, match="not listed"):
        closed([x], [])
    with pytest.raises(GraphError, match="list its parts"):
        verify(Graph([call(closed([x], [x]), [x])]))
    with pytest.raises(GraphError, match="reads several results as one value"):
        verify(Graph([stop_gradient(call(closed([x], [x]), [x]))]))


def test_bodies_nest_only_so_deep():
    leaf = node = input_leaf((), np.dtype("float32"))
    for _ in range(DEEPEST_BODY):
        node = part(call(closed([node], [leaf]), [leaf]), 0)
    with pytest.raises(GraphError, match="nested deeper"):
        closed([node], [leaf])


def test_deep_texts_are_refused_quickly():
    text = "graph () { %0: (float32[],) = call {body = " * 5000
    with pytest.raises(GraphError, match="nested at most"):
        parse(text)


def test_inputs_of_bodies_are_shared():
    assert body_input(0, (2,), np.dtype("float32")) is body_input(
        0, (2,), np.dtype("float32")
    )
