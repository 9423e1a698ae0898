"""The memory timeline, and that its peak is what the executor allocates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.errors import ArgumentError
from nervure.exec.base import executor_named
from nervure.exec.cpu import memory, program
from nervure.program.batch_search import MOST_ROWS, largest_batch
from nervure.program.memory import Memory
from tests.program import models


@pytest.fixture
def allocated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the bytes of every arena are added."""
    found: list[int] = []

    def fresh(nbytes: int) -> memory.Workspace:
        made = memory.Workspace(nbytes)
        made.lock.acquire()
        found.append(made.bytes.nbytes)
        return made

    monkeypatch.setattr(program, "locked_workspace", fresh)
    # Programs of other tests have memory already.
    monkeypatch.setattr(executor_named("cpu"), "_programs", {})
    return found


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("threads", [1, 3])
def test_peak_is_what_fit_allocates(
    name: str, threads: int, allocated: list[int]
) -> None:
    with config.override(num_threads=threads):
        model = models.MODELS[name]()
        x, y = models.data(model)
        planned = model.train_program(batch_size=models.ROWS, x=x, y=y)
        assert not allocated
        peak = planned.memory().peak_bytes
        model.fit(x, y, batch_size=models.ROWS, verbose=0)
    assert peak in allocated
    assert peak > 0


@pytest.mark.parametrize("name", models.MODELS)
def test_peak_is_known_without_data(name: str, allocated: list[int]) -> None:
    model = models.MODELS[name]()
    peak = model.train_program(batch_size=models.ROWS).memory().peak_bytes
    x, y = models.data(model, 3 * models.ROWS)
    model.fit(x, y, batch_size=models.ROWS, verbose=0)
    assert peak in allocated


def test_peak_of_functions_and_of_a_budget(allocated: list[int]) -> None:
    weights = [nv.ones((64, 64)) for _ in range(6)]
    step = nv.compile(nv.value_and_grad(models.layers_of_tanh, argnums=(1, 2, 3)))
    x = nv.ones((256, 64))
    planned = step.program(x, *weights)
    step(x, *weights)
    assert planned.memory().peak_bytes in allocated
    nothing = nv.compile(lambda x: x).program(x)
    assert nothing.memory().peak_bytes == 0
    assert len(nothing.optimized) == 0


def test_peak_with_a_budget_is_allocated(allocated: list[int]) -> None:
    model = models.cnn()
    x, y = models.data(model, 64)
    free = model.train_program(batch_size=64, x=x, y=y).memory().peak_bytes
    budget = int(0.8 * free)
    model.compile("sgd", "sparse_categorical_crossentropy", memory_budget=budget)
    planned = model.train_program(batch_size=64, x=x, y=y)
    model.fit(x, y, batch_size=64, verbose=0)
    assert planned.memory().peak_bytes in allocated
    assert max(allocated) <= budget < free


@pytest.mark.parametrize("name", models.MODELS)
def test_buffers_alive_together_never_overlap(name: str) -> None:
    timeline = models.program(name).memory()
    placed = [one for one in timeline if one.in_arena]
    for one, other in itertools.combinations(placed, 2):
        together = one.birth <= other.death and other.birth <= one.death
        apart = (
            one.offset + one.space <= other.offset
            or other.offset + other.space <= one.offset
        )
        assert apart or not together, (one, other)
    assert max(one.offset + one.space for one in placed) == timeline.peak_bytes
    assert max(timeline.live_bytes) <= timeline.peak_bytes


@pytest.mark.parametrize("name", models.MODELS)
def test_the_line_of_bytes_in_use_is_the_sum_of_buffers(name: str) -> None:
    timeline = models.program(name).memory()
    for moment, live in enumerate(timeline.live_bytes):
        assert live == sum(one.space for one in timeline.at(moment))
    peak = timeline.peak_moment
    assert timeline.live_bytes[peak] == max(timeline.live_bytes)
    assert all(0 <= one.birth <= one.death < timeline.moments for one in timeline)


def test_what_lies_outside_the_arena() -> None:
    model = models.mlp()
    timeline = model.train_program(batch_size=models.ROWS).memory()
    weights = sum(one.numpy().nbytes for one in model.trainable_weights)
    state = [one for one in timeline if one.kind == "state"]
    held = sum(one.nbytes for one in state if one.name.endswith(("kernel", "bias")))
    assert held == weights
    assert timeline.outside_bytes >= 3 * weights
    assert {one.kind for one in timeline} >= {"state", "data", "batch", "value"}


def test_texts_say_bytes_as_people_do() -> None:
    timeline = models.program("cnn").memory()
    text = str(timeline)
    assert f"({timeline.peak_bytes} bytes)" in text
    assert "KB" in text
    assert "conv2d" in text
    assert repr(timeline).startswith("<Memory: peak ")


def test_largest_batch_fits_and_one_more_does_not() -> None:
    model = models.mlp()
    program_ = model.train_program(batch_size=8)
    for budget in (20_000, 100_000, 1_000_000):
        rows = program_.largest_batch(budget)
        fits = model.train_program(batch_size=rows).memory().peak_bytes
        above = model.train_program(batch_size=rows + 1).memory().peak_bytes
        assert fits <= budget < above


def test_a_larger_budget_allows_a_larger_batch() -> None:
    program_ = models.program("cnn")
    found = [program_.largest_batch(budget) for budget in ("500 KB", "1 MB", "2 MB")]
    assert found == sorted(set(found))


@pytest.mark.slow  # plans with recomputation, again and again
def test_recomputation_allows_a_larger_batch() -> None:
    model = models.cnn()
    free = model.train_program(batch_size=64)
    peak = free.memory().peak_bytes
    tight = model.train_program(batch_size=64, memory_budget=peak)
    assert tight.largest_batch(peak) > free.largest_batch(peak)


def test_functions_name_the_arguments_with_the_batch() -> None:
    def apply(x, w):
        return nv.sum(nv.tanh(x @ w) @ w)

    step = nv.compile(nv.grad(apply, argnums=1))
    x, w = nv.ones((16, 32)), nv.ones((32, 32))
    program_ = step.program(x, w, batched=[0])
    rows = program_.largest_batch(100_000)
    again = step.program(nv.ones((rows, 32)), w).memory().peak_bytes
    above = step.program(nv.ones((rows + 1, 32)), w).memory().peak_bytes
    assert again <= 100_000 < above
    with pytest.raises(ArgumentError, match="batched"):
        step.program(x, w).largest_batch(100_000)


def test_a_budget_for_not_even_one_row_is_explained() -> None:
    with pytest.raises(ArgumentError, match="not even one row") as caught:
        models.program("cnn").largest_batch(2000)
    assert "fix: pass a budget of at least" in str(caught.value)
    with pytest.raises(ArgumentError, match="budget"):
        models.program("cnn").largest_batch(-1)


class _Planned(Memory):
    """Memory of a made-up size."""

    def __init__(self, nbytes: int) -> None:
        self.peak_bytes = nbytes


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("budget", [5000, 123_456, 10**7])
def test_the_search_is_tight_where_memory_grows_in_steps(
    step: int, budget: int
) -> None:
    asked: list[int] = []

    def plan(rows: int) -> Memory:
        asked.append(rows)
        return _Planned(100 + 48 * step * -(-rows // step) if rows > 1 else 100)

    rows = largest_batch(budget, plan)
    assert plan(rows).peak_bytes <= budget < plan(rows + 1).peak_bytes
    assert len(asked) < 60


def test_the_search_ends_where_memory_does_not_grow() -> None:
    assert largest_batch(1000, lambda rows: _Planned(10)) == MOST_ROWS
    assert largest_batch(64, lambda n: None if n > 5 else _Planned(n)) == 5


def test_values_of_the_reference_executor_are_all_there() -> None:
    with config.override(executor="reference"):
        program_ = models.mlp().train_program(batch_size=4)
    timeline = program_.memory()
    values = [one for one in timeline if one.kind == "value"]
    assert sum(one.nbytes for one in values) > timeline.peak_bytes
    assert all(one.offset is None for one in timeline)
    assert np.isfinite(timeline.peak_bytes)
