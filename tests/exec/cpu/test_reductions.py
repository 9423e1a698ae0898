"""Reductions on the cpu executor: any order of axes, small, long, cut into chunks."""

from __future__ import annotations

import itertools
import math

import ml_dtypes
import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims import binary, movement, reduce
from nervure.prims.leaf import full_like, input_leaf
from tests.exec.cpu.test_primitives_cpu import levels

SMALL = [
    (5,),
    (128, 10),
    (128, 100),
    (3, 4, 5),
    (7, 33, 2),
    (2, 1, 67),
    (1, 1),
    (257, 9),
]
LARGE = [
    (70_001,), (300_000,), (3, 40_000), (40_000, 3), (100_352, 32), (20_000, 130),
    (50, 60, 70), (2, 3, 30_011), (1, 80_000, 1), (400, 1, 300),
]  # fmt: skip
FUNCTIONS = {
    "sum": reduce.reduce_sum,
    "prod": reduce.reduce_prod,
    "max": reduce.reduce_max,
    "min": reduce.reduce_min,
}
TYPES = [dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.int8,
         dtypes.int32, dtypes.uint64, dtypes.bool_]  # fmt: skip


def subsets(rank: int) -> list[tuple[int, ...]]:
    return [axes for count in range(1, rank + 1)
            for axes in itertools.combinations(range(rank), count)]  # fmt: skip


def values_of(shape: tuple[int, ...], dtype: DType, seed: int = 0) -> NDArray:
    random = np.random.default_rng(seed)
    if dtypes.is_float(dtype):
        return np.asarray(random.normal(size=shape).astype(dtype))
    if dtypes.is_bool(dtype):
        return np.asarray(random.random(shape) < 0.5)
    return random.integers(0, 100, shape).astype(dtype)


def run(graph: Graph, arrays: list[NDArray]) -> list[NDArray]:
    """Run with several numbers of threads, which must agree in every bit."""
    program = CpuProgram(graph, target())
    with config.override(num_threads=1):
        first = program(arrays)
    for threads in (2, 3):
        with config.override(num_threads=threads):
            for mine, theirs in zip(program(arrays), first, strict=True):
                assert mine.tobytes() == theirs.tobytes()
    return first


def check_sum(result: NDArray, x: NDArray, axes: tuple[int, ...]) -> None:
    """The error is within that of adding in 64 lanes and 32 chunks, roughly."""
    wide = x.astype(np.float64)
    exact, size = wide.sum(axis=axes), np.abs(wide).sum(axis=axes)
    terms = math.prod(x.shape[axis] for axis in axes)
    accumulator = float(ml_dtypes.finfo(dtypes.accumulator(x.dtype)).eps)
    unit = float(ml_dtypes.finfo(x.dtype).eps)
    allowed = accumulator * (8 + math.sqrt(terms)) * size + unit * np.abs(exact)
    assert np.all(np.abs(result.astype(np.float64) - exact) <= allowed + 1e-30)


def check(shape: tuple[int, ...], axes: tuple[int, ...], dtype: DType) -> None:
    x = input_leaf(shape, dtype, "x")
    arrays = [values_of(shape, dtype)]
    shifted = x if dtypes.is_bool(dtype) else binary.add(x, full_like(x, 1))
    names = ["max", "min"]
    if not dtypes.is_bool(dtype):
        names.append("sum")
    if dtypes.is_integer(dtype):
        names.append("prod")
    outputs: list[Node] = []
    for name in names:
        outputs += [FUNCTIONS[name](x, axes), FUNCTIONS[name](shifted, axes)]
    graph = Graph(outputs, [x])
    results = run(graph, arrays)
    wanted = ReferenceExecutor().compile(graph)(arrays)
    for place, (result, want) in enumerate(zip(results, wanted, strict=True)):
        assert (result.shape, result.dtype) == (want.shape, want.dtype)
        if names[place // 2] == "sum" and dtypes.is_float(dtype):
            moved = arrays[0] if place % 2 == 0 else arrays[0] + np.ones((), dtype)
            check_sum(result, moved, axes)
        elif dtype in (dtypes.float16, dtypes.bfloat16) and place % 2:
            # inside the loop the sum x + 1 is not rounded before it is compared
            np.testing.assert_array_equal(
                result.astype(np.float32), want.astype(np.float32)
            )
        else:
            np.testing.assert_array_equal(result.view(), want)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("shape", SMALL, ids=str)
def test_small(shape: tuple[int, ...], dtype: DType) -> None:
    for axes in subsets(len(shape)):
        check(shape, axes, dtype)


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.int32, dtypes.bool_], ids=str)
@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_large(shape: tuple[int, ...], dtype: DType) -> None:
    for axes in subsets(len(shape)):
        check(shape, axes, dtype)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_operands_read_through_views(order: tuple[int, ...]) -> None:
    x = input_leaf((20, 30, 140), dtypes.int32, "x")
    y = movement.reverse(movement.transpose(x, order), (1,))
    both = binary.add(y, full_like(y, 1))
    outputs = [function(one, axes) for function in FUNCTIONS.values()
               for one in (y, both) for axes in subsets(3)]  # fmt: skip
    graph = Graph(outputs, [x])
    arrays = [values_of((20, 30, 140), dtypes.int32)]
    wanted = ReferenceExecutor().compile(graph)(arrays)
    for result, want in zip(run(graph, arrays), wanted, strict=True):
        np.testing.assert_array_equal(result, want)


def test_nan_wins_every_extremum() -> None:
    x = input_leaf((3, 5000), dtypes.float32, "x")
    values = values_of((3, 5000), dtypes.float32)
    values[0, 17], values[1, 4999], values[2, 64] = np.nan, np.nan, np.inf
    outputs = [
        FUNCTIONS[name](x, axes) for name in ("max", "min") for axes in subsets(2)
    ]
    graph = Graph(outputs, [x])
    wanted = ReferenceExecutor().compile(graph)([values])
    for result, want in zip(run(graph, [values]), wanted, strict=True):
        np.testing.assert_array_equal(result, want)


def test_nothing_is_summed_to_zero() -> None:
    x = input_leaf((4, 0, 3), dtypes.float32, "x")
    outputs = [FUNCTIONS[name](x, axes) for name in ("sum", "prod")
               for axes in subsets(3)]  # fmt: skip
    graph = Graph(outputs, [x])
    arrays = [np.zeros((4, 0, 3), np.float32)]
    wanted = ReferenceExecutor().compile(graph)(arrays)
    for result, want in zip(run(graph, arrays), wanted, strict=True):
        np.testing.assert_array_equal(result, want)


def test_a_long_reduction_is_cut_for_all_threads() -> None:
    for shape, axes in (((300_000,), (0,)), ((100_352, 32), (0,)), ((2, 90_000), (1,))):
        x = input_leaf(shape, dtypes.float32, "x")
        plan = Plan(Graph([reduce.reduce_sum(x, axes)], [x]), target())
        assert len(plan.calls) == 2
        assert plan.calls[0].kernel.units >= 16


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("step", [1, 2])
def test_unused_lanes_of_quotients(
    level: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LLVM once left out what replaces the 0 / 0 of lanes that are not in use."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    lengths = (1, 2, 3, 5, 9, 17, 18)
    leaves, totals = [], []
    for length, dtype in itertools.product(lengths, (dtypes.float32, dtypes.float64)):
        x = input_leaf((3, length * step), dtype)
        every = movement.slice_(x, (0, 0), x.shape, (1, step))
        leaves.append(x)
        totals.append(reduce.reduce_sum(binary.div(every, every), (1,)))
    values = [np.full(x.shape, 7, x.dtype) for x in leaves]
    results = CpuProgram(Graph(totals, leaves), target())(values)
    expected = [np.full(3, x.shape[1] // step, x.dtype) for x in leaves]
    for result, total in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, total)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_tails_on_every_level(
    level: str, dtype: DType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LLVM once called a function that nobody has, to load a tail of bfloat16."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    leaves = [input_leaf((length,), dtype) for length in (3, 5, 13, 21)]
    totals = [reduce.reduce_max(binary.le(x, x), (0,)) for x in leaves]
    totals += [reduce.reduce_max(x, (0,)) for x in leaves]
    values = [values_of(x.shape, dtype) for x in leaves]
    results = CpuProgram(Graph(totals, leaves), target())(values)
    assert all(results[:4])
    for result, given in zip(results[4:], values, strict=True):
        assert result == given.max()
