"""Random graphs on the cpu executor against the reference executor.

Graphs without floating-point numbers must agree in every bit; for the others
``stability.py`` says what may differ.  Whatever the graph, one, two and four threads
must agree in every bit.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu import memory
from nervure.exec.cpu.executor import CpuExecutor
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from tests.exec.cpu.growth import deep_graph
from tests.exec.cpu.lowered import supported
from tests.exec.cpu.stability import judge
from tests.strategies import random_graphs

SETTINGS = settings(
    max_examples=300, deadline=None, suppress_health_check=list(HealthCheck)
)
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
    """Run with several numbers of threads, once in an arena full of NaN.

    All runs must agree in every bit.
    """
    program = CpuExecutor().compile(graph)
    first: list[NDArray] | None = None
    for threads in THREADS:
        with config.override(num_threads=threads):
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


def check(graph: Graph, seed: int) -> None:
    graph = supported(graph)
    random = np.random.default_rng(seed)
    inputs = [values_for(node, random) for node in graph.inputs]
    before = [value.tobytes() for value in inputs]
    results = run_everywhere(graph, inputs)
    assert [value.tobytes() for value in inputs] == before, "an input was changed"
    faults = judge(graph, inputs, results)
    assert not faults, "\n".join([*faults, str(graph)])


TYPES = [
    pytest.param((dtypes.bool_, *dtypes.INTEGERS), id="exact"),
    pytest.param((dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32), id="32"),
    pytest.param((dtypes.int64, dtypes.float64, dtypes.float32), id="wide"),
    pytest.param((dtypes.float16, dtypes.bfloat16, dtypes.float32), id="narrow"),
    pytest.param(dtypes.ALL, id="all"),
]


@pytest.mark.parametrize("allowed", TYPES)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@SETTINGS
def test_small_graphs(
    allowed: tuple[np.dtype, ...], data: st.DataObject, seed: int
) -> None:
    check(data.draw(random_graphs(allowed=allowed)), seed)


@pytest.mark.parametrize("allowed", TYPES)
@given(seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([6, 12, 25, 50]))
@SETTINGS
def test_deep_graphs(allowed: tuple[np.dtype, ...], seed: int, steps: int) -> None:
    check(deep_graph(seed, allowed, steps), seed)


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(5, 25))
@settings(SETTINGS, max_examples=60)
def test_graphs_that_threads_share(seed: int, steps: int) -> None:
    types = (dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.float32)
    check(deep_graph(seed, types, steps, large=True), seed)
