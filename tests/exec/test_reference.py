"""The reference executor: programs and steps."""

from __future__ import annotations

import gc
import re
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError
from nervure.exec.base import check_step
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node, apply
from nervure.ir.primitive import Fusion, Primitive
from nervure.prims.binary import add, div, mul
from nervure.prims.leaf import buffer_leaf, const, full_like, input_leaf, iota
from nervure.prims.movement import broadcast
from nervure.prims.reduce import reduce_sum
from nervure.prims.unary import exp, log, neg, sin

FLOAT = dtypes.float64


@pytest.fixture
def reference() -> ReferenceExecutor:
    return ReferenceExecutor()


def leaf(*shape: int, dtype: DType = FLOAT, name: str = "x") -> Node:
    return input_leaf(shape, dtype, name)


# --- programs ------------------------------------------------------------------------


def test_a_program_runs_again_with_other_data(reference: ReferenceExecutor) -> None:
    x, y = leaf(2), leaf(2)
    program = reference.compile(Graph([add(x, y), mul(x, y)], [x, y]))
    first = program([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    second = program([np.array([5.0, 6.0]), np.array([0.0, 1.0])])
    assert [one.tolist() for one in first] == [[4.0, 6.0], [3.0, 8.0]]
    assert [one.tolist() for one in second] == [[5.0, 7.0], [0.0, 6.0]]


def test_inputs_keep_the_order_in_which_they_are_listed(
    reference: ReferenceExecutor,
) -> None:
    x, y = leaf(name="x"), leaf(name="y")
    program = reference.compile(Graph([div(x, y)], [y, x]))
    assert program([np.array(4.0), np.array(2.0)])[0] == 0.5


def test_inputs_that_no_output_uses_are_accepted(reference: ReferenceExecutor) -> None:
    x, unused, y = leaf(name="x"), leaf(3, name="unused"), leaf(name="y")
    program = reference.compile(Graph([add(x, y)], [x, unused, y]))
    assert program([np.array(1.0), np.zeros(3), np.array(2.0)])[0] == 3.0
    nothing = reference.compile(Graph([], [unused]))
    assert nothing([np.zeros(3)]) == []


def test_leaves_and_repeated_nodes_may_be_outputs(reference: ReferenceExecutor) -> None:
    x = leaf(2)
    data = buffer_leaf(np.array([7.0, 8.0]))
    double = add(x, x)
    program = reference.compile(Graph([x, double, data, double, const(5), x], [x]))
    found = [one.tolist() for one in program([np.array([1.0, 2.0])])]
    assert found == [[1.0, 2.0], [2.0, 4.0], [7.0, 8.0], [2.0, 4.0], 5, [1.0, 2.0]]


def test_inputs_are_not_changed(reference: ReferenceExecutor) -> None:
    x = leaf(3)
    given = np.array([1.0, 2.0, 3.0])
    given.flags.writeable = False  # writing to it would raise
    (found,) = reference.compile(Graph([neg(mul(x, x))], [x]))([given])
    assert found.tolist() == [-1.0, -4.0, -9.0]


def test_infinities_and_nan_are_values_not_warnings(
    reference: ReferenceExecutor,
) -> None:
    """The test suite turns warnings into errors."""
    x = leaf(3)
    outputs = [log(x), div(full_like(x, 1), x), exp(mul(x, full_like(x, 1e308)))]
    found = reference.compile(Graph(outputs, [x]))([np.array([-1.0, 0.0, 2.0])])
    assert [str(one.tolist()) for one in found] == [
        f"[nan, -inf, {float(np.log(2.0))}]",
        "[-1.0, inf, 0.5]",
        "[0.0, 1.0, inf]",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([np.zeros(3)], "expected 2 inputs, got 1"),
        ([np.zeros(3)] * 3, "expected 2 inputs, got 3"),
        (
            [np.zeros(3), np.zeros(4)],
            "input 'bias': expected float64[3], got float64[4]",
        ),
        (
            [np.zeros(3, np.float32), np.zeros(3)],
            "input 'weight': expected float64[3], got float32[3]",
        ),
    ],
)
def test_wrong_inputs_are_named(
    reference: ReferenceExecutor, given: list[Any], message: str
) -> None:
    x, y = leaf(3, name="weight"), leaf(3, name="bias")
    program = reference.compile(Graph([add(x, y)], [x, y]))
    with pytest.raises(GraphError, match=re.escape(message)):
        program(given)


def test_an_input_that_is_not_listed_is_refused() -> None:
    x = leaf(3)
    with pytest.raises(GraphError, match="need the input .*, not listed"):
        Graph([neg(x)], [])


# --- memory --------------------------------------------------------------------------


def spy(alive: list[weakref.ref[Any]], counts: list[int]) -> Primitive:
    """Return an unregistered operation that counts what lives while it runs."""

    def reference(_node: Node, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        counts.append(sum(one() is not None for one in alive))
        result = x + 1
        alive.append(weakref.ref(result))
        return result

    return Primitive(
        "spy",
        ("x",),
        lambda inputs, _attrs: (inputs[0].shape, inputs[0].dtype),
        reference,
        None,
        Fusion.OPAQUE,
    )


def test_a_value_is_dropped_after_its_last_use(reference: ReferenceExecutor) -> None:
    alive: list[weakref.ref[Any]] = []
    counts: list[int] = []
    step = spy(alive, counts)
    x = leaf(4)
    nodes = [apply(step, x)]
    for _ in range(5):
        nodes.append(apply(step, nodes[-1]))
    # the second value is needed at the end once more, and one is an output
    last = add(nodes[-1], nodes[1])
    program = reference.compile(Graph([last, nodes[3]], [x]))
    found = program([np.zeros(4)])
    assert found[0].tolist() == [8.0] * 4
    assert counts == [0, 1, 1, 2, 2, 3]
    kept = [place for place, one in enumerate(alive) if one() is not None]
    assert kept == [3]
    del found
    assert alive[3]() is None  # nor does the program keep its outputs


def test_memory_does_not_grow_with_the_length_of_a_chain(
    reference: ReferenceExecutor,
) -> None:
    size = 1 << 20
    x = leaf(size // 8)
    y = x
    for _ in range(30):
        y = sin(y)
    program = reference.compile(Graph([reduce_sum(y, (0,))], [x]))
    given = np.ones(size // 8)
    gc.collect()
    tracemalloc.start()
    try:
        program([given])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # an operand and a result, each of 1 MiB; 30 of them would be kept without care
    assert peak < 4 * size


# --- steps ---------------------------------------------------------------------------


class Momentum:
    """A step of gradient descent with momentum: two states, a constant, a batch."""

    def __init__(self) -> None:
        self.weight, self.speed = leaf(3, name="weight"), leaf(3, name="speed")
        self.rate, self.target = leaf(name="rate"), leaf(3, name="target")
        self.scale = leaf(name="scale")
        slope = add(self.weight, neg(self.target))
        amount = broadcast(mul(self.rate, self.scale), (3,), ())
        speed = add(mul(full_like(slope, 0.9), self.speed), mul(amount, slope))
        self.graph = Graph(
            [add(self.weight, neg(speed)), speed],
            [self.weight, self.speed, self.rate, self.target, self.scale],
        )


def test_a_run_of_steps_equals_single_calls(reference: ReferenceExecutor) -> None:
    step = Momentum()
    program = reference.compile_step(step.graph, 2, 1)
    single = reference.compile(step.graph)
    random = np.random.default_rng(0)
    targets, scales = random.normal(size=(7, 3)), random.uniform(size=7)
    rate = np.array(0.1)
    state = [np.ones(3), np.zeros(3)]
    expected = list(state)
    for target, scale in zip(targets, scales, strict=True):
        expected = single([*expected, rate, target, np.asarray(scale)])
    found = program.run(state, [rate], [targets, scales])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    # two runs, one after the other, are one long run
    half = program.run([np.ones(3), np.zeros(3)], [rate], [targets[:3], scales[:3]])
    rest = program.run(half, [rate], [targets[3:], scales[3:]])
    for one, other in zip(rest, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_of_no_steps_returns_the_state(reference: ReferenceExecutor) -> None:
    program = reference.compile_step(Momentum().graph, 2, 1)
    nothing = [np.zeros((0, 3)), np.zeros(0)]
    found = program.run([np.ones(3), np.zeros(3)], [np.array(0.1)], nothing)
    assert [one.tolist() for one in found] == [[1.0] * 3, [0.0] * 3]


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_varying_scalars_of_every_type(
    reference: ReferenceExecutor, dtype: DType
) -> None:
    """One entry of a vector is a NumPy scalar, which is no array."""
    last, varying = leaf(dtype=dtype), leaf(dtype=dtype)
    graph = Graph([varying], [last, varying])
    program = reference.compile_step(graph, 1, 0)
    (found,) = program.run([np.zeros((), dtype)], [], [np.array([0, 1]).astype(dtype)])
    assert isinstance(found, np.ndarray)
    assert (found.dtype, found.shape, found.tolist()) == (dtype, (), 1)


def test_graphs_that_cannot_be_iterated_are_refused(
    reference: ReferenceExecutor,
) -> None:
    x, y = leaf(3), leaf(3)
    graph = Graph([add(x, y)], [x, y])
    check_step(graph, 1, 0)
    with pytest.raises(GraphError, match="a step with 2 state values has 1 outputs"):
        reference.compile_step(graph, 2, 0)
    with pytest.raises(GraphError, match="needs at least one varying input"):
        reference.compile_step(graph, 1, 1)
    shrunk = Graph([reduce_sum(x, (0,))], [x, y])
    message = "a step turns the state float64[3] into float64[]"
    with pytest.raises(GraphError, match=re.escape(message)):
        reference.compile_step(shrunk, 1, 0)
    counted = Graph([iota((3,), 0)], [x, y])
    message = "a step turns the state float64[3] into int64[3]"
    with pytest.raises(GraphError, match=re.escape(message)):
        check_step(counted, 1, 0)


def test_varying_inputs_must_be_for_one_number_of_steps() -> None:
    total = input_leaf((), dtypes.float32, "total")
    first = input_leaf((), dtypes.float32, "first")
    second = input_leaf((), dtypes.float32, "second")
    graph = Graph([add(total, add(first, second))], [total, first, second])
    program = ReferenceExecutor().compile_step(graph, 1, 0)
    zero = np.zeros((), np.float32)
    with pytest.raises(GraphError, match=r"one number of steps, got \[2, 3\]"):
        program.run([zero], [], [np.zeros(2, np.float32), np.zeros(3, np.float32)])
