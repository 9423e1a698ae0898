"""Random graphs on the cpu executor against the reference executor.

Graphs without floating-point numbers must agree in every bit; for the others
``stability.py`` says what may differ.  Whatever the graph, one, two and four threads
must agree in every bit.  Many small graphs are compiled as one program, which is much
faster than one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu import memory
from nervure.exec.cpu.executor import CpuExecutor
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from tests.exec.cpu.effort import examples
from tests.exec.cpu.growth import deep_graph
from tests.exec.cpu.guarded import guarded
from tests.exec.cpu.stability import judge
from tests.exec.cpu.test_primitives_cpu import levels
from tests.strategies import random_graphs

THREADS = (1, 2, 4)
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 1e-8, 1e30, np.inf, -np.inf, np.nan)


def values_for(node: Node, random: np.random.Generator) -> NDArray:
    """Return values of an input: mostly ordinary, some special."""
    if dtypes.is_bool(node.dtype):
        return np.asarray(random.random(node.shape) < 0.5)
    if dtypes.is_integer(node.dtype):
        limits = np.iinfo(node.dtype)
        ordinary = random.integers(max(limits.min, -9), 10, node.shape)
        bounds = np.array([limits.min, limits.max], node.dtype)
        extreme = random.choice(bounds, node.shape)
        rare = random.random(node.shape) < 0.1
        return np.where(rare, extreme, ordinary.astype(node.dtype)).astype(node.dtype)
    ordinary = random.normal(size=node.shape) * 2
    rare = random.random(node.shape) < 0.1
    with np.errstate(all="ignore"):
        chosen = np.where(rare, random.choice(SPECIAL, node.shape), ordinary)
        return np.asarray(chosen.astype(node.dtype))


def run_everywhere(graph: Graph, inputs: list[NDArray]) -> list[NDArray]:
    """Run with several numbers of threads, once in an arena full of NaN's bits.

    All runs must agree in every bit, and none may write beside its memory.
    """
    program = CpuExecutor().compile(graph)
    first: list[NDArray] | None = None
    for threads in THREADS:
        with config.override(num_threads=threads), guarded():
            memory.poison = threads == 2
            try:
                results = program(inputs)
            finally:
                memory.poison = False
        first = first or results
        for mine, theirs in zip(results, first, strict=True):
            assert mine.tobytes() == theirs.tobytes(), f"{threads} threads differ"
    assert first is not None or not graph.outputs
    return first or []


def check(graphs: Sequence[Graph], seed: int) -> None:
    """Compile many graphs as one program, and judge each."""
    random = np.random.default_rng(seed)
    leaves = list(dict.fromkeys(leaf for graph in graphs for leaf in graph.inputs))
    given = {leaf: values_for(leaf, random) for leaf in leaves}
    before = [given[leaf].tobytes() for leaf in leaves]
    whole = Graph([node for graph in graphs for node in graph.outputs], leaves)
    results = iter(run_everywhere(whole, list(given.values())))
    assert [given[leaf].tobytes() for leaf in leaves] == before, "an input was changed"
    for graph in graphs:
        found = [next(results) for _ in graph.outputs]
        faults = judge(graph, [given[leaf] for leaf in graph.inputs], found)
        assert not faults, "\n".join([*faults, str(graph)])


TYPES = [
    pytest.param((dtypes.bool_, *dtypes.INTEGERS), id="exact"),
    pytest.param((dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32), id="32"),
    pytest.param((dtypes.int64, dtypes.float64, dtypes.float32), id="wide"),
    pytest.param((dtypes.float16, dtypes.bfloat16, dtypes.float32), id="narrow"),
    pytest.param(dtypes.ALL, id="all"),
]
SEEDS = st.integers(0, 2**32 - 1)
BATCH = 50  # graphs in one program


def seeded(
    seed: int, allowed: Sequence[DType], sizes: Sequence[int], count: int = BATCH
) -> list[Graph]:
    """Return the graphs of a seed, of several sizes."""
    seeds = np.random.SeedSequence(seed).generate_state(count).tolist()
    return [
        deep_graph(one, allowed, sizes[place % len(sizes)])
        for place, one in enumerate(seeds)
    ]


# --- what every run of the tests looks at: 5 * (8 * 50 + 8 * 5) = 2,200 graphs -------


@pytest.mark.parametrize("allowed", TYPES)
@given(seed=SEEDS)
@examples(8, 8)
def test_graphs(allowed: Sequence[DType], seed: int) -> None:
    check(seeded(seed, allowed, (4, 6, 8, 12)), seed)


@pytest.mark.parametrize("allowed", TYPES)
@given(data=st.data(), seed=SEEDS)
@examples(8, 8)
def test_graphs_of_every_attribute(
    allowed: Sequence[DType], data: st.DataObject, seed: int
) -> None:
    check([data.draw(random_graphs(allowed=allowed)) for _ in range(5)], seed)


@given(seed=SEEDS, steps=st.integers(5, 25))
@examples(10, 10)
def test_graphs_that_threads_share(seed: int, steps: int) -> None:
    types = (dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32)
    check([deep_graph(seed, types, steps, large=True)], seed)


# --- a hundred thousand of them: 5 * 400 * 50, and some more -------------------------


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("allowed", TYPES)
def test_a_hundred_thousand_graphs(allowed: Sequence[DType], part: int) -> None:
    @seed(part)
    @given(seed=SEEDS)
    @examples(50, 50)
    def look(seed: int) -> None:
        check(seeded(seed, allowed, (4, 6, 8, 12)), seed)

    look()


@pytest.mark.slow
@pytest.mark.parametrize("allowed", TYPES)
@given(data=st.data(), seed=SEEDS)
@examples(300, 300)
def test_many_graphs_of_every_attribute(
    allowed: Sequence[DType], data: st.DataObject, seed: int
) -> None:
    check([data.draw(random_graphs(allowed=allowed))], seed)


@pytest.mark.slow
@pytest.mark.parametrize("allowed", TYPES)
@given(seed=SEEDS)
@examples(30, 30)
def test_deep_graphs(allowed: Sequence[DType], seed: int) -> None:
    check(seeded(seed, allowed, (25, 50), count=10), seed)


@pytest.mark.slow
@given(seed=SEEDS, steps=st.integers(5, 25))
@examples(100, 100)
def test_more_graphs_that_threads_share(seed: int, steps: int) -> None:
    types = (dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32)
    check([deep_graph(seed, types, steps, large=True)], seed)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["avx2", "baseline"])
@pytest.mark.parametrize("allowed", TYPES)
@given(seed=SEEDS)
@examples(20, 20)
def test_graphs_on_lesser_machines(
    level: str, allowed: Sequence[DType], seed: int
) -> None:
    if level not in levels():
        pytest.skip(f"this machine has no {level}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NERVURE_CPU_LEVEL", level)
        check(seeded(seed, allowed, (4, 6, 8, 12)), seed)
