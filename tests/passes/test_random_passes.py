"""Every pass on random graphs: the same bits by definition, and well formed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervure.dtypes import DType
from nervure.ir import Graph
from tests.exec.cpu.growth import deep_graph
from tests.exec.cpu.test_random_graphs import TYPES, values_for
from tests.passes.equality import check, reads_bits
from tests.passes.growing_loops import Loops
from tests.strategies import random_graphs

SEEDS = st.integers(0, 2**32 - 1)


def examples(count: int) -> settings:
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck)
    )


def judge(graph: Graph, seed: int) -> None:
    """Check a graph with random inputs."""
    random = np.random.default_rng(seed)
    if not reads_bits(graph):
        check(graph, [values_for(leaf, random) for leaf in graph.inputs])


# --- what every run of the tests looks at: 5 * (40 + 20) + 60 = 360 graphs ------------


@pytest.mark.parametrize("allowed", TYPES)
@given(seed=SEEDS, steps=st.integers(4, 25))
@examples(40)
def test_graphs(allowed: Sequence[DType], seed: int, steps: int) -> None:
    judge(deep_graph(seed, allowed, steps), seed)


@pytest.mark.parametrize("allowed", TYPES)
@given(graph=st.data(), seed=SEEDS)
@examples(20)
def test_graphs_of_every_attribute(
    allowed: Sequence[DType], graph: st.DataObject, seed: int
) -> None:
    judge(graph.draw(random_graphs(allowed=allowed)), seed)


@given(seed=SEEDS)
@examples(60)
def test_loops(seed: int) -> None:
    judge(Loops(seed).graph(), seed)


# --- ten thousand of them: 5 * (1,500 + 200) + 1,500 ----------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("allowed", TYPES)
def test_ten_thousand_graphs(allowed: Sequence[DType]) -> None:
    for seed in range(1500):
        judge(deep_graph(seed, allowed, (4, 8, 12, 25)[seed % 4]), seed)


@pytest.mark.slow
@pytest.mark.parametrize("allowed", TYPES)
@given(graph=st.data(), seed=SEEDS)
@examples(200)
def test_many_graphs_of_every_attribute(
    allowed: Sequence[DType], graph: st.DataObject, seed: int
) -> None:
    judge(graph.draw(random_graphs(allowed=allowed)), seed)


@pytest.mark.slow
def test_many_loops() -> None:
    for seed in range(1500):
        judge(Loops(seed).graph(), seed)
