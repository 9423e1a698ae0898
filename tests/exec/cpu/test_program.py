"""Programs: what inputs and outputs may be, large graphs, and limits of fusion."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from nervure import dtypes
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.cpu.fusion import LARGEST_GROUP, Tasks
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims import annotate, binary, movement, reduce, slicing, unary
from nervure.prims.leaf import (
    buffer_leaf,
    const,
    full,
    full_like,
    input_leaf,
    iota,
    random_bits,
)
from nervure.prims.unary import neg
from tests.exec.cpu.test_primitives_cpu import levels

F32 = dtypes.float32


def check(graph: Graph, arrays: Sequence[NDArray]) -> list[NDArray]:
    results = CpuExecutor().compile(graph)(arrays)
    wanted = ReferenceExecutor().compile(graph)(arrays)
    assert len(results) == len(wanted)
    for result, want in zip(results, wanted, strict=True):
        assert isinstance(result, np.ndarray)
        assert (result.shape, result.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(result, want, rtol=1e-5)
    return results


def test_outputs_of_every_kind() -> None:
    x, y = input_leaf((3, 4), F32, "x"), input_leaf((3, 4), F32, "y")
    fixed = const(np.arange(6, dtype=np.float32).reshape(2, 3))
    held = buffer_leaf(np.arange(5, dtype=np.float32))
    z = binary.add(x, y)
    outputs = [
        z, x, z, fixed, held, y, movement.transpose(z, (1, 0)),
        movement.transpose(x, (1, 0)), movement.reshape(x, (12,)),
        movement.reshape(z, (2, 6)), movement.broadcast(fixed, (4, 2, 3), (1, 2)),
        slicing.slice_(held, (1,), (5,), (2,)), full((2, 2), 7, F32),
        iota((3,), 0, dtypes.int64), const(3.0, F32), movement.reverse(x, (0,)),
    ]  # fmt: skip
    values = [np.random.default_rng(k).normal(size=(3, 4)).astype("f") for k in (0, 1)]
    results = check(Graph(outputs, [x, y]), values)
    assert results[0] is results[2]


def test_nothing_to_compute() -> None:
    x = input_leaf((3,), F32, "x")
    values = np.arange(3, dtype=np.float32)
    assert CpuExecutor().compile(Graph([], [x]))([values]) == []
    (result,) = CpuExecutor().compile(Graph([x]))([values])
    assert result is values


def test_unused_inputs_are_checked_and_ignored() -> None:
    x, unused = input_leaf((3,), F32, "x"), input_leaf((2, 2), dtypes.int8, "unused")
    graph = Graph([binary.add(x, x)], [unused, x])
    check(graph, [np.zeros((2, 2), np.int8), np.ones(3, np.float32)])


def test_scalars_and_single_elements() -> None:
    x, y = input_leaf((), F32, "x"), input_leaf((1, 1), F32, "y")
    z = binary.mul(x, movement.reshape(y, ()))
    outputs = [
        z,
        unary.exp(z),
        movement.broadcast(z, (3,), ()),
        movement.reshape(z, (1,)),
    ]
    check(
        Graph(outputs, [x, y]), [np.float32(3).reshape(()), np.full((1, 1), 2.0, "f")]
    )


def test_arrays_without_elements() -> None:
    x = input_leaf((0, 3), F32, "x")
    y = binary.add(x, full_like(x, 1))
    outputs = [
        x, y, movement.transpose(y, (1, 0)), reduce.reduce_sum(y, (0,)),
        reduce.reduce_prod(y, (0, 1)), reduce.reduce_max(y, (1,)),
        movement.reshape(x, (3, 0, 2)), full((0,), 1, F32), iota((0, 2), 1, F32),
        const(np.zeros((2, 0), np.float32)),
    ]  # fmt: skip
    check(Graph(outputs, [x]), [np.zeros((0, 3), np.float32)])


def test_annotations_are_looked_through() -> None:
    x = input_leaf((5,), F32, "x")
    marked = annotate.stop_gradient(binary.add(x, full_like(x, 1)))
    graph = Graph([binary.mul(marked, x), annotate.stop_gradient(x)], [x])
    assert len(Plan(graph, target()).calls) == 1
    check(graph, [np.arange(5, dtype=np.float32)])


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
def test_extrema_have_the_zeros_and_nan_of_the_reference(
    dtype: np.dtype, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, for every pair of special values, in vectors and in their tails."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]
    pairs = np.array([(a, b) for a in special for b in special])
    for size in (1, 7, 49, 64):
        values = [np.resize(pairs[:, k], size).astype(dtype) for k in (0, 1)]
        x, y = (input_leaf((size,), dtype, name) for name in "xy")
        zero = full_like(x, 0)
        outputs = [
            function(*operands)
            for function in (binary.maximum, binary.minimum)
            for operands in ((x, y), (y, x), (x, zero), (zero, x), (neg(zero), x))
        ]
        graph = Graph(outputs, [x, y])
        results = CpuExecutor().compile(graph)(values)
        wanted = ReferenceExecutor().compile(graph)(values)
        for result, want in zip(results, wanted, strict=True):
            wide, exact = result.astype(np.float64), want.astype(np.float64)
            np.testing.assert_array_equal(wide, exact)
            numbers = ~np.isnan(exact)
            signs = np.signbit(wide[numbers]), np.signbit(exact[numbers])
            np.testing.assert_array_equal(*signs)


def test_random_bits_of_every_alignment() -> None:
    key = input_leaf((2,), dtypes.uint32, "key")
    for shape in [(1,), (31,), (32,), (33,), (5000,), (7, 32), (7, 100), (3, 5, 64)]:
        bits = random_bits(key, shape)
        row = input_leaf(shape[-1:], dtypes.uint32, "row")
        spread = movement.broadcast(row, shape, (len(shape) - 1,))
        graph = Graph([bits, binary.xor(bits, spread)], [key, row])
        values = [np.array([5, 2**32 - 1], np.uint32),
                  np.arange(shape[-1], dtype=np.uint32)]  # fmt: skip
        check(graph, values)


@pytest.mark.parametrize("shape", [(300, 300), (64, 4096), (4096, 64), (5, 1000, 3)])
@pytest.mark.parametrize("dtype", [dtypes.bool_, dtypes.int16, F32, dtypes.float64])
def test_transposed_operands(shape: tuple[int, ...], dtype: np.dtype) -> None:
    order = tuple(reversed(range(len(shape))))
    x = input_leaf(shape, dtype, "x")
    y = input_leaf(shape[::-1], dtype, "y")
    turned = movement.transpose(x, order)
    outputs = [turned, binary.maximum(turned, y)]
    random = np.random.default_rng(0)
    values = [random.integers(0, 2, n.shape).astype(dtype) for n in (x, y)]
    check(Graph(outputs, [x, y]), values)


# --- large graphs --------------------------------------------------------------------


def chain(length: int, steps: int = 3) -> Graph:
    x = input_leaf((100,), F32, "x")
    y = x
    for number in range(length):
        function = (binary.add, binary.mul, binary.maximum)[number % steps]
        y = function(y, full_like(y, 1 + 1 / (2 + number)))
        if number % 50 == 49:
            y = binary.mul(y, full_like(y, 1e-3))
    return Graph([y], [x])


def test_a_chain_of_thousands_of_nodes() -> None:
    graph = chain(5000)
    began = time.process_time()
    plan = Plan(graph, target())
    assert time.process_time() - began < 2
    assert 2 <= len(plan.calls) <= 5200 / LARGEST_GROUP + 2
    assert len(plan.phases) == 1  # small: one thread does them all
    check(graph, [np.linspace(0, 1, 100, dtype=np.float32)])


def test_a_long_chain_of_views() -> None:
    x = input_leaf((7, 5), F32, "x")
    y = x
    for _ in range(3000):
        y = movement.transpose(y, (1, 0))
    check(Graph([y, unary.neg(y)], [x]), [np.ones((7, 5), np.float32)])


def test_planning_thousands_of_tasks_takes_no_time() -> None:
    x = input_leaf((10, 10), F32, "x")
    y = x
    for _ in range(400):
        total = movement.broadcast(reduce.reduce_sum(y, (1,)), (10, 10), (0,))
        y = binary.sub(y, binary.mul(total, full_like(y, 0.01)))
        y = binary.add(unary.tanh(y), x)
    graph = Graph([y], [x])
    began = time.process_time()
    assert len(Tasks(graph).order) >= 800
    assert time.process_time() - began < 1
    check(graph, [np.ones((10, 10), np.float32)])


def two_branches() -> list[Node]:
    x = input_leaf((64,), F32, "x")
    first = binary.add(x, x)
    total = movement.broadcast(reduce.reduce_sum(first, (0,)), (64,), ())
    return [x, first, total, binary.mul(first, total)]


def test_a_group_never_waits_for_itself() -> None:
    x, first, total, last = two_branches()
    tasks = Tasks(Graph([last, first], [x]))
    assert tasks.task_of[first] is not tasks.task_of[last]
    check(Graph([last, first], [x]), [np.arange(64, dtype=np.float32)])
    del total
