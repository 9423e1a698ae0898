"""Mixed precision learns as well as float32: W2 and W3 on all of MNIST."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.trust.mixed_job import accuracy

SEEDS = (0, 1, 2)
EPOCHS = 3
MOST = 0.003  # of accuracy

pytestmark = pytest.mark.slow


@functools.cache
def mean(key: str, precision: str) -> float:
    return float(np.mean([accuracy(key, precision, seed, EPOCHS) for seed in SEEDS]))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("key", ["W2", "W3"])
def test_as_accurate_as_single_precision(key: str, precision: str) -> None:
    single = mean(key, "float32")
    assert single > 0.97
    assert mean(key, precision) >= single - MOST
