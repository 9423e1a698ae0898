"""Phases and bands: who runs which kernel, and that no thread reads too early."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.exec.cpu import phases
from nervure.exec.cpu.bands import band_height, is_by_row
from nervure.exec.cpu.phases import Owner
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.exec.cpu.views import view_of
from nervure.ir import Graph, Node
from nervure.prims.binary import add, mul, sub
from nervure.prims.contract import dot
from nervure.prims.indexed import gather
from nervure.prims.leaf import input_leaf
from nervure.prims.movement import broadcast, reshape, transpose
from nervure.prims.reduce import argmax, reduce_max, reduce_sum
from nervure.prims.slicing import slice_
from nervure.prims.unary import exp, tanh
from tests.exec.cpu.parity import assert_like_reference

THREADS = (1, 2, 3, 4)


@pytest.fixture(autouse=True)
def _share_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads share even the smallest graphs."""
    monkeypatch.setattr(phases, "WORTH_A_BARRIER", -1)


def leaf(*shape: int, dtype: dtypes.DType = dtypes.float32) -> Node:
    return input_leaf(shape, dtype, "x")


def matmul(x: Node, y: Node) -> Node:
    return dot(x, y, ((), ()), ((1,), (0,)))


def along_rows(x: Node, row: Node) -> Node:
    """Repeat a value of each row along the row."""
    return broadcast(row, x.shape, (0,))


def softmax(x: Node) -> Node:
    powers = exp(sub(x, along_rows(x, reduce_max(x, (1,)))))
    return mul(powers, along_rows(x, reduce_sum(powers, (1,))))


# --- the cut into phases -------------------------------------------------------------


def owners_of(outputs: list[Node], inputs: list[Node]) -> tuple[int, list[Owner]]:
    plan = Plan(Graph(outputs, inputs), target())
    return len(plan.phases), [plan.phases.owners[call] for call in plan.calls]


def test_what_treats_rows_alone_needs_no_barrier() -> None:
    x, w, v = leaf(128, 64), leaf(64, 10), leaf(10, 32)
    result = tanh(matmul(softmax(matmul(x, w)), v))
    count, owners = owners_of([result, argmax(result, 1)], [x, w, v])
    assert count == 1
    assert set(owners) == {Owner.BANDS}


def test_a_sum_over_rows_waits_for_all_bands() -> None:
    x, w = leaf(128, 64), leaf(64, 10)
    h = softmax(matmul(x, w))
    count, _ = owners_of([reduce_sum(h, (0,))], [x, w])
    assert count == 2


def test_other_numbers_of_rows_do_not_share_bands() -> None:
    x, w = leaf(64, 64), leaf(64, 64)
    h = tanh(matmul(x, w))
    turned = matmul(transpose(h, (1, 0)), h)  # rows of h are its columns
    count, _ = owners_of([turned], [x, w])
    assert count == 2


def test_weights_made_in_the_same_step_are_waited_for() -> None:
    # the right operand has as many rows as the left one, but all of it is read
    x, w = leaf(64, 64), leaf(64, 64)
    y = tanh(w)
    count, _ = owners_of([matmul(tanh(x), exp(y))], [x, w])
    assert count == 2


def test_scalars_are_made_by_every_thread() -> None:
    x, s = leaf(128, 10), leaf()
    factor = broadcast(exp(s), x.shape, ())
    count, owners = owners_of([mul(softmax(x), factor)], [x, s])
    assert count == 1
    assert Owner.EVERY in owners


def test_little_work_is_left_to_the_first_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(phases, "WORTH_A_BARRIER", 60_000)
    x, w = leaf(32, 8), leaf(8, 4)
    count, owners = owners_of([softmax(matmul(x, w))], [x, w])
    assert count == 1
    assert set(owners) == {Owner.FIRST}


def test_a_value_is_not_overwritten_while_others_read_it() -> None:
    # both kernels are small: the first thread would do them in one phase
    x, w, g = leaf(20, 300), leaf(300, 4), leaf(20, 4)
    update = sub(w, matmul(transpose(x, (1, 0)), g))
    back = matmul(g, transpose(w, (1, 0)))
    busy = tanh(matmul(leaf(400, 400), leaf(400, 400)))
    inputs = [w, x, g, *Graph([busy]).inputs]
    plan = Plan(Graph([update, back, busy], inputs), target(), 1, len(inputs) - 1)
    update = plan.graph.outputs[0]  # as the passes have made it
    assert plan.in_place == {w: update}
    for phase in plan.phases:
        writers = [call for call in phase if update in call.writes]
        readers = [call for call in phase if w in call.reads and call not in writers]
        owners = {plan.phases.owners[call] for call in (*writers, *readers)}
        if writers and readers:
            assert owners == {Owner.FIRST}


# --- bands ---------------------------------------------------------------------------


@given(rows=st.integers(1, 100_000))
def test_bands_are_whole_vectors_and_not_too_many(rows: int) -> None:
    height = band_height(rows)
    if rows < 32:
        assert height == 0
    else:
        assert height % 16 == 0
        assert -(-rows // height) <= 64


def test_which_views_stay_within_their_row() -> None:
    x = leaf(40, 6)
    assert is_by_row(view_of(x), 40)
    assert is_by_row(view_of(slice_(x, (0, 1), (40, 5), (1, 2))), 40)
    assert is_by_row(view_of(reshape(x, (40, 3, 2))), 40)
    assert not is_by_row(view_of(x), 20)
    assert not is_by_row(view_of(transpose(leaf(40, 40), (1, 0))), 40)
    assert not is_by_row(view_of(broadcast(leaf(6), (40, 6), (1,))), 40)
    assert not is_by_row(view_of(slice_(leaf(80, 6), (0, 0), (40, 6), (1, 1))), 40)
    assert not is_by_row(view_of(reshape(leaf(240), (40, 6))), 240)


# --- random graphs of rows -----------------------------------------------------------

ROWS = st.sampled_from([31, 32, 33, 47, 64, 100, 128, 130, 1000])
COLUMNS = st.sampled_from([1, 2, 10, 16, 32, 33])


def _steps(draw: st.DrawFn, pool: list[Node], rows: int, inputs: list[Node]) -> Node:
    """Draw an operation on values of the pool, most of which treat rows alone."""
    x = draw(st.sampled_from(pool))
    columns = x.shape[1]

    def weights(extent: int) -> Node:
        node = leaf(columns, extent)
        inputs.append(node)
        return node

    def other() -> Node:
        alike = [one for one in pool if one.shape == x.shape]
        return draw(st.sampled_from(alike))

    def square() -> Node:
        return matmul(x, matmul(transpose(x, (1, 0)), x))

    choices: list[Callable[[], Node]] = [
        lambda: tanh(x),
        lambda: add(x, other()),
        lambda: softmax(x),
        lambda: tanh(matmul(x, weights(draw(COLUMNS)))),
        lambda: sub(x, broadcast(reduce_max(x, (0,)), x.shape, (1,))),
        lambda: mul(x, along_rows(x, reduce_sum(x, (1,)))),
        lambda: tanh(square()),
        lambda: tanh(slice_(x, (0, 0), (rows, (columns + 1) // 2), (1, 1))),
    ]
    return draw(st.sampled_from(choices))()


@st.composite
def row_graphs(draw: st.DrawFn) -> tuple[list[Node], list[Node]]:
    """Draw a graph whose values are matrices of the same number of rows."""
    rows = draw(ROWS)
    inputs = [leaf(rows, draw(COLUMNS))]
    pool = list(inputs)
    for _ in range(draw(st.integers(2, 8))):
        pool.append(_steps(draw, pool, rows, inputs))
    found = [argmax(pool[-1], 1), reduce_sum(pool[-1], (0, 1)), *pool[-2:]]
    return [one for one in found if one not in inputs], inputs


@given(graph=row_graphs(), seed=st.integers(0, 5))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_random_row_graphs_on_any_number_of_threads(
    graph: tuple[list[Node], list[Node]], seed: int
) -> None:
    outputs, inputs = graph
    random = np.random.default_rng(seed)
    arrays = [
        (random.normal(size=one.shape) * 0.1).astype(np.float32) for one in inputs
    ]
    # places of maxima may differ where values are equal but for rounding
    floats = [one for one in outputs if dtypes.is_float(one.dtype)]
    assert_like_reference(floats, inputs, arrays, threads=THREADS, tolerance=1e-3)


# --- products that gather their rows -------------------------------------------------


@pytest.mark.parametrize("rows", [8, 9, 31, 32, 33, 96, 128, 200])
@pytest.mark.parametrize("columns", [1, 5, 16, 32, 40, 64])
def test_gathered_products(rows: int, columns: int) -> None:
    source, weights = leaf(500, 133), leaf(133, columns)
    index = leaf(rows, dtype=dtypes.int32)
    x = gather(source, index, 0)
    outputs = [
        tanh(matmul(x, weights)),
        matmul(transpose(x, (1, 0)), x),
    ]
    random = np.random.default_rng(rows)
    arrays = [
        random.normal(size=(500, 133)).astype(np.float32),
        (random.normal(size=(133, columns)) * 0.1).astype(np.float32),
        random.integers(-3, 520, rows).astype(np.int32),  # clamped
    ]
    inputs = [source, weights, index]
    assert_like_reference(outputs, inputs, arrays, threads=THREADS, tolerance=1e-4)
    plan = Plan(Graph(outputs, inputs), target())
    alone = [one for one in plan.calls if one.kernel.name.startswith("gather")]
    if 5 <= columns <= 40:
        assert not alone, "the product gathers its rows itself"


def test_a_gather_that_others_need_first_stays_alone() -> None:
    source, index = leaf(50, 200), leaf(40, dtype=dtypes.int32)
    x = gather(source, index, 0)
    weights = broadcast(reduce_sum(x, (0,)), (200, 4), (0,))
    outputs = [matmul(x, tanh(weights))]
    random = np.random.default_rng(0)
    arrays = [
        (random.normal(size=(50, 200)) * 0.1).astype(np.float32),
        random.integers(0, 50, 40).astype(np.int32),
    ]
    assert_like_reference(outputs, [source, index], arrays, threads=THREADS)
