"""A thousand random graphs on the xla executor against the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.dtypes import DType
from nervure.ir import Graph
from tests.exec.cpu.effort import examples
from tests.exec.cpu.test_random_graphs import SEEDS, TYPES, seeded, values_for
from tests.exec.xla import agreement
from tests.strategies import random_graphs


def check(graphs: Sequence[Graph], seed: int) -> None:
    random = np.random.default_rng(seed)
    leaves = dict.fromkeys(leaf for graph in graphs for leaf in graph.inputs)
    agreement.check(graphs, {leaf: values_for(leaf, random) for leaf in leaves})


# 5 * 2 * 80 + 5 * 4 * 10 = 1,000 graphs


@pytest.mark.parametrize("allowed", TYPES)
@given(seed=SEEDS)
@examples(2, 40, fixed=True)
def test_graphs(allowed: Sequence[DType], seed: int) -> None:
    check(seeded(seed, allowed, (4, 6, 8, 12), count=80), seed)


@pytest.mark.parametrize("allowed", TYPES)
@given(data=st.data(), seed=SEEDS)
@examples(4, 40, fixed=True)
def test_graphs_of_every_attribute(
    allowed: Sequence[DType], data: st.DataObject, seed: int
) -> None:
    check([data.draw(random_graphs(allowed=allowed)) for _ in range(10)], seed)
