"""All passes in their order: skipping, recording, verifying, and keys of programs."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest

import nervure as nv
from nervure import passes
from nervure.array import Array
from nervure.autodiff import reverse
from nervure.config import PASS_NAMES, config
from nervure.errors import GraphError, UnknownNameError
from nervure.exec.base import executor_named
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.cpu.layout import Layout
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.passes import PASSES, PLANNED, Pass, optimized, pass_named, pipeline
from nervure.passes.merge import check_unique
from nervure.prims.binary import add, mul
from nervure.prims.contract import dot
from nervure.prims.leaf import full_like, input_leaf
from nervure.prims.movement import transpose
from nervure.prims.unary import exp, neg, tanh

F32 = np.dtype("float32")


def leaf(*shape: int) -> Node:
    return input_leaf(shape, F32, "x")


def test_examples() -> None:
    assert doctest.testmod(pipeline).failed == 0


def test_settings_and_the_package_name_the_passes() -> None:
    named = {**{one.name: one.summary for one in PASSES}, **PLANNED}
    assert tuple(named) == PASS_NAMES
    for name in named:
        assert f"| ``{name}`` |" in (passes.__doc__ or "")


def test_nothing_to_do_returns_the_graph_itself() -> None:
    x = leaf(3)
    graph = Graph([exp(x), add(x, x)])
    assert optimized(graph) is graph
    for one in PASSES:
        assert one.run(graph) is graph


def test_passes_run_until_none_finds_anything() -> None:
    x = leaf(2, 3)
    # The factor turns out to be one when its transposes have gone.
    half, two = full_like(x, 0.5), full_like(x, 2.0)
    factor = transpose(mul(half, two), (1, 0))
    y = transpose(mul(transpose(x, (1, 0)), factor), (1, 0))
    records: list[pipeline.PassRecord] = []
    assert optimized(Graph([y]), record=records).outputs == (x,)
    assert [one.name for one in records] == ["fold", "layout", "simplify"]
    for before, after in itertools.pairwise(records):
        assert before.after is after.before
    assert records[0].before.outputs == (y,)


def test_changes_say_why() -> None:
    x = leaf(3)
    y = neg(neg(x))
    records: list[pipeline.PassRecord] = []
    optimized(Graph([exp(y)]), record=records)
    (change,) = records[0].changes
    assert change == ("double negation", y, (x,), "The sign is turned back.")
    assert pass_named("simplify").recorded(Graph([exp(y)])) == records[0]


@pytest.mark.parametrize("how", ["argument", "setting", "environment"])
def test_a_pass_is_skipped_by_name(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph([neg(neg(leaf(3)))])
    if how == "argument":
        assert optimized(graph, skip=["simplify", "fold"]) is graph
    elif how == "setting":
        with config.override(skip_passes="fold, simplify"):
            assert config.skip_passes == ("simplify", "fold")
            assert optimized(graph) is graph
    else:
        monkeypatch.setenv("NERVURE_SKIP_PASSES", "simplify")
        assert optimized(graph) is graph
    monkeypatch.delenv("NERVURE_SKIP_PASSES", raising=False)
    assert optimized(graph) is not graph


def test_an_unknown_pass_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'simplify'"):
        optimized(Graph([leaf(3)]), skip=["simplyfy"])
    with pytest.raises(UnknownNameError, match="unknown pass: 'fusion'"):
        pass_named("fusion")


def test_a_wrong_pass_is_found_at_debug_level_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = leaf(3)
    bad = object.__new__(Node)
    for name in ("op", "inputs", "attrs", "dtype", "site", "tracking", "depth"):
        Node.__dict__[name].__set__(bad, getattr(exp(x), name))
    Node.__dict__["shape"].__set__(bad, (4,))
    wrong = Pass("wrong", "Makes a bad node.", lambda _graph, _note: Graph([bad], [x]))
    monkeypatch.setattr(pipeline, "PASSES", (wrong,))
    monkeypatch.setattr(pipeline, "MOST_ROUNDS", 1)
    optimized(Graph([x]))
    with (
        config.override(debug=2),
        pytest.raises(GraphError, match="after the pass 'wrong'"),
    ):
        optimized(Graph([x]))


def test_equal_operations_are_found() -> None:
    x = leaf(3)
    twin = object.__new__(Node)
    for name in ("op", "inputs", "attrs", "shape", "dtype", "site", "tracking",
                 "depth"):  # fmt: skip
        Node.__dict__[name].__set__(twin, getattr(exp(x), name))
    check_unique(Graph([add(exp(x), exp(x))]))
    with pytest.raises(GraphError, match="are the same operation"):
        check_unique(Graph([exp(x), twin]))


# --- programs ------------------------------------------------------------------------


def test_programs_know_which_passes_were_skipped() -> None:
    x = leaf(64, 64)
    graph = Graph([tanh(neg(neg(x)))])
    executor = CpuExecutor()
    whole = executor.compile(graph)
    assert executor.compile(graph) is whole
    with config.override(skip_passes=["simplify"]):
        other = executor.compile(graph)
        assert other is not whole
        assert executor.compile(graph) is other
    assert executor.compile(graph) is whole


def test_skipping_compiles_again_and_says_so() -> None:
    square = nv.compile(lambda x: x * x)
    square(nv.ones(3))
    with nv.config.override(skip_passes=["fold"]):
        square(nv.ones(3))
    assert [one.partition(": ")[2] for one in square.recompiles.causes] == [
        "the skipped passes changed from () to ('fold',)"
    ]


def training_step() -> tuple[Graph, list[NDArray], list[NDArray]]:
    """Return a step with loops over rows, products, sums and an update in place."""
    random = np.random.default_rng(0)
    shapes = {"w": (40, 24), "b": (24,), "v": (24, 5), "x": (64, 40), "rows": (16,)}
    w, b, v, x = (input_leaf(shapes[name], F32, name) for name in "wbvx")
    rows = input_leaf((16,), np.dtype("int64"), "rows")
    taken = nv.take(Array.of_node(x), Array.of_node(rows), axis=0)
    h = nv.maximum(taken @ Array.of_node(w) + Array.of_node(b), 0)
    z = nv.stop_gradient(-1.0) * -(h @ Array.of_node(v))
    z = z - nv.max(z, axis=1, keepdims=True)
    shares = nv.exp(z) / nv.sum(nv.exp(z), axis=1, keepdims=True)
    loss = (-nv.sum(nv.log(shares[:, :1] + 1e-3)) / 16).node
    weights = [w, b, v]
    gradients = reverse([loss], [full_like(loss, 1)], weights)
    new = [
        (Array.of_node(one) - 0.1 * Array.of_node(g)).node
        for one, g in zip(weights, gradients, strict=True) if g is not None
    ]  # fmt: skip
    state = [random.normal(size=shapes[name]).astype(F32) for name in "wbv"]
    data = [random.normal(size=shapes["x"]).astype(F32)]
    return Graph(new, [*weights, x, rows]), state, data


def state_after(executor: str, skipped: tuple[str, ...]) -> list[NDArray]:
    """Return the state after some steps."""
    graph, state, data = training_step()
    with config.override(skip_passes=skipped, num_threads=2):
        program = executor_named(executor).compile_step(graph, len(state), len(data))
        rows = np.random.default_rng(1).integers(0, 64, (5, 16))
        return program.run([one.copy() for one in state], data, [rows])


@pytest.mark.parametrize("name", [*(one.name for one in PASSES), "all"])
def test_training_without_a_pass_has_the_same_bits(name: str) -> None:
    skipped = PASS_NAMES if name == "all" else (name,)
    wanted = state_after("reference", ())
    for one, other in zip(state_after("reference", skipped), wanted, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", ["simplify", "layout", *PLANNED, "all"])
def test_compiled_training_without_a_pass(name: str) -> None:
    skipped = PASS_NAMES if name == "all" else (name,)
    wanted = state_after("cpu", ())
    for one, other in zip(state_after("cpu", skipped), wanted, strict=True):
        if name in ("in_place", "schedule", "memory"):
            assert one.tobytes() == other.tobytes()
        else:  # within one loop a product and a sum are rounded once
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_what_planning_does_without_a_pass() -> None:
    x, w = leaf(512, 512), leaf(512, 512)
    y = tanh(dot(tanh(dot(x, w, ((), ()), ((1,), (0,)))), w, ((), ()), ((1,), (0,))))
    graph = Graph([add(x, neg(exp(y))), w], [x, w, leaf()])

    def planned(*skipped: str) -> tuple[int, int, int, int]:
        with config.override(skip_passes=skipped):
            plan = Plan(graph, target(), 2, 0)
            layout = Layout(plan)
        return len(plan.calls), len(plan.in_place), len(plan.phases), layout.nbytes

    calls, in_place, phases, nbytes = planned()
    assert planned("fusion")[0] > calls
    assert planned("in_place")[1] == 0 < in_place
    assert planned("schedule")[2] == 1 < phases
    assert planned("memory", "fusion")[3] > planned("fusion")[3] >= nbytes
