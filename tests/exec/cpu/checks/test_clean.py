"""Whole kernels are clean: checks find nothing, and change no bit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

import nervure as nv
from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu.checks.watch import totals
from nervure.exec.cpu.executor import CpuExecutor
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.ir.primitive import primitive_named
from nervure.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from nervure.models import Sequential
from nervure.prims import binary, order
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.checks.checked import assert_clean
from tests.exec.cpu.effort import examples
from tests.exec.cpu.growth import deep_graph
from tests.exec.cpu.test_primitives_cpu import CASES, applied
from tests.exec.cpu.test_random_graphs import SEEDS, TYPES, seeded, values_for
from tests.strategies import random_graphs

F32 = dtypes.float32


def check_samples(name: str, types: Sequence[Any]) -> None:
    """Run the samples of a primitive in one program, checked and unchecked."""
    primitive = primitive_named(name)
    random = np.random.default_rng(0)
    samples = [
        sample for dtype in types if dtype in primitive.dtypes
        for sample in primitive.samples(dtype, random)
    ]  # fmt: skip
    graphs = [applied(primitive, sample) for sample in samples]
    whole = Graph(
        [output for graph in graphs for output in graph.outputs],
        [one for graph in graphs for one in graph.inputs],
    )
    assert_clean(whole, [np.asarray(one) for each in samples for one in each.inputs])


QUICK = (dtypes.bool_, dtypes.uint8, F32)
NAMES = list(dict.fromkeys(case.values[0].name for case in CASES))


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    check_samples(name, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_every_type(name: str) -> None:
    check_samples(name, dtypes.ALL)


def model_and_data() -> tuple[Sequential, list[NDArray]]:
    """Return a network with images and words, and what to train it on."""
    nv.utils.set_random_seed(3)
    random = np.random.default_rng(0)
    model = Sequential(
        [
            Conv2D(5, 3, activation="relu", input_shape=(9, 11, 3)),
            MaxPooling2D(2),
            Flatten(),
            Dense(17, activation="tanh"),
            Dropout(0.3),
            Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = random.normal(size=(70, 9, 11, 3)).astype(np.float32)
    return model, [x, random.integers(0, 4, 70)]


def weights_after(check: bool, threads: int) -> list[NDArray]:
    with config.override(executor="cpu", check=check, num_threads=threads):
        model, (x, y) = model_and_data()
        model.fit(x, y, batch_size=16, epochs=2, verbose=0, validation_split=0.2)
        return [*model.get_weights(), np.asarray(model.predict(x, verbose=0))]


def test_training_is_clean_and_keeps_its_bits() -> None:
    """A batch that is not full, dropout, validation and prediction are in it."""
    before = totals.accesses
    wanted = weights_after(False, 2)
    assert totals.accesses == before
    for threads in (1, 2):
        for mine, theirs in zip(weights_after(True, threads), wanted, strict=True):
            assert mine.tobytes() == theirs.tobytes()
    assert totals.accesses > before + 100_000


def test_a_profile_can_be_checked() -> None:
    x = input_leaf((200, 200), F32)
    graph = Graph([order.cumsum(binary.mul(x, x), axis=1)])
    values = [np.ones((200, 200), np.float32)]
    with config.override(check=True):
        assert CpuExecutor().profile(graph, values).steps > 0


def test_settings_do_not_share_programs() -> None:
    executor = CpuExecutor()
    x = input_leaf((3,), F32)
    graph = Graph([binary.mul(x, x)])
    plain = executor.compile(graph)
    with config.override(check=True):
        assert executor.compile(graph) is not plain
        assert executor.compile(graph) is executor.compile(graph)
    assert executor.compile(graph) is plain


# The tests of everything that writes kernels, or decides where they work.
SUITES = (
    *("budget", "control", "convolution", "copies", "fusion", "gemm", "indexed"),
    *("mathlib", "ordering", "phases", "points", "primitives_cpu", "program"),
    *("random_graphs", "reductions", "steps", "training", "training_images"),
    *("whole_runs", "windows", "winograd"),
)


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_the_tests_of_the_executor_pass_with_checks(suite: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-m", "not slow", f"tests/exec/cpu/test_{suite}.py"]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[4],
        env={**os.environ, "NERVURE_TEST_CHECKED": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"[1-9]\d* accesses checked", done.stdout)


# --- random graphs -------------------------------------------------------------------


def check(graphs: Sequence[Graph], seed: int) -> None:
    """Run many graphs as one program, checked and unchecked."""
    random = np.random.default_rng(seed)
    inputs = list(dict.fromkeys(leaf for graph in graphs for leaf in graph.inputs))
    whole = Graph([node for graph in graphs for node in graph.outputs], inputs)
    assert_clean(whole, [values_for(one, random) for one in inputs])


@pytest.mark.parametrize("allowed", TYPES)
@given(seed=SEEDS)
@examples(1, 1)
def test_graphs(allowed: Sequence[DType], seed: int) -> None:
    check(seeded(seed, allowed, (4, 6, 8, 12), count=20), seed)


@given(data=st.data(), seed=SEEDS)
@examples(5, 5)
def test_graphs_of_every_attribute(data: st.DataObject, seed: int) -> None:
    check([data.draw(random_graphs()) for _ in range(5)], seed)


@given(seed=SEEDS, steps=st.integers(5, 25))
@examples(3, 3)
def test_graphs_that_threads_share(seed: int, steps: int) -> None:
    types = (dtypes.bool_, dtypes.int32, dtypes.uint32, F32)
    check([deep_graph(seed, types, steps, large=True)], seed)


@pytest.mark.slow
@pytest.mark.parametrize("allowed", TYPES)
def test_two_thousand_graphs(allowed: Sequence[DType]) -> None:
    @seed(0)
    @given(seed=SEEDS)
    @examples(10, 10)
    def look(seed: int) -> None:
        check(seeded(seed, allowed, (4, 6, 8, 12)), seed)

    look()


@pytest.mark.slow
@given(data=st.data(), seed=SEEDS)
@examples(30, 30)
def test_more_graphs_of_every_attribute(data: st.DataObject, seed: int) -> None:
    check([data.draw(random_graphs()) for _ in range(5)], seed)


@pytest.mark.slow
@given(seed=SEEDS, steps=st.integers(5, 25))
@examples(30, 30)
def test_more_graphs_that_threads_share(seed: int, steps: int) -> None:
    types = (dtypes.bool_, dtypes.int32, dtypes.uint32, F32)
    check([deep_graph(seed, types, steps, large=True)], seed)
