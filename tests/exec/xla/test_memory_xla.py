"""Memory budgets on the xla executor: XLA's own memory analysis is the judge."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.errors import BudgetError
from nervure.exec.base import executor_named
from nervure.exec.xla.lowering import Lowered
from nervure.exec.xla.operations import Operations
from nervure.exec.xla.planned import KEEP_BARRIERS, planned
from nervure.exec.xla.program import StepCode, XlaProgram
from nervure.exec.xla.rules import Context
from nervure.exec.xla.runtime import wide_types
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten
from nervure.models import Sequential
from nervure.passes import optimized, runnable
from nervure.passes.memory_budget import cut
from nervure.passes.recompute import Decision
from tests.exec.cpu.test_random_graphs import TYPES, seeded, values_for

ROWS = 256


def stack(depth: int = 8) -> Sequential:
    nv.utils.set_random_seed(3)
    hidden = [Dense(64, activation="tanh") for _ in range(depth)]
    dropped = Dropout(0.2)
    return Sequential(
        [Dense(64, input_shape=(20,)), *hidden, dropped, Dense(10, "softmax")]
    )


def images() -> Sequential:
    nv.utils.set_random_seed(3)
    parts: list[Any] = [Conv2D(8, 3, input_shape=(12, 12, 1))]
    for _ in range(2):
        parts += [BatchNormalization(), Conv2D(8, 3, activation="relu", padding="same")]
    return Sequential([*parts, Flatten(), Dense(10, activation="softmax")])


def compiled(model: Sequential, **options: Any) -> Sequential:
    # Momentum, not Adam: that turns tiny differences of tiny gradients into large ones.
    optimizer = nv.optimizers.SGD(0.05, momentum=0.9)
    options = {"executor": "xla"} | options
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


def trained(model: Sequential, **options: Any) -> list[NDArray]:
    compiled(model, **options)
    random = np.random.default_rng(0)
    x = random.random((2 * ROWS, *model.input_shape[1:]), np.float32)
    history = model.fit(x, np.arange(2 * ROWS) % 10, ROWS, epochs=2, verbose=0)
    return [*model.get_weights(), np.array(history.history["loss"])]


def peak(model: Sequential, **options: Any) -> int:
    program = compiled(model).train_program(batch_size=ROWS, **options)
    return int(program.memory().peak_bytes)


@pytest.mark.parametrize(("make", "share"), [(stack, 0.6), (images, 0.9)])
def test_a_budget_is_kept_to_and_changes_no_result(make: Any, share: float) -> None:
    budget = int(share * peak(make()))
    tight = compiled(make()).train_program(batch_size=ROWS, memory_budget=budget)
    assert tight.memory().peak_bytes <= budget
    assert any(kernel.recomputed for kernel in tight.optimized)
    expected, found = trained(make()), trained(make(), memory_budget=budget)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_the_error_names_a_budget_that_is_kept_to() -> None:
    with pytest.raises(BudgetError, match="says XLA, and in its way") as caught:
        peak(stack(2), memory_budget=10_000)
    smallest = caught.value.smallest_bytes
    assert smallest is not None
    with pytest.raises(BudgetError):
        trained(stack(2), memory_budget=10_000)
    assert peak(stack(2), memory_budget=smallest) <= smallest


def test_without_the_pass_nothing_is_computed_again() -> None:
    with config.override(skip_passes=("recomputation",)):
        full = peak(stack(4))
        assert peak(stack(4), memory_budget=full) == full
        with pytest.raises(BudgetError):
            peak(stack(4), memory_budget=0.8 * full)


def test_the_report_says_where_a_peak_comes_from() -> None:
    program = compiled(stack(4)).train_program(batch_size=ROWS)
    memory = program.memory()
    assert memory.arena_bytes is None and memory.peak_bytes == memory.compiler_bytes
    assert "of temporary memory, says xla; by the model below" in str(memory)
    assert 0.3 < max(memory.live_bytes) / memory.peak_bytes < 3
    assert not any(kernel.recomputed for kernel in program.optimized)
    assert any(kernel.saved for kernel in program.optimized)


def gradient_program(marked: bool) -> tuple[XlaProgram, list[NDArray]]:
    """Return the gradient of twelve layers, marked in blocks of three."""
    random = np.random.default_rng(0)
    x = nv.asarray(random.normal(size=(2048, 64)).astype("float32"))
    w = nv.parameter(random.normal(size=(64, 64)).astype("float32") / 8)

    def block(x: Any, w: Any) -> Any:
        for _ in range(3):
            x = nv.tanh(x @ w)
        return x

    if marked:
        block = nv.checkpoint(block)
    for _ in range(4):
        x = block(x, w)
    graph = nv.graph(*nv.gradients(nv.sum(x * x), [w]))
    program = executor_named("xla").compile(graph)
    return program, [np.asarray(one) for one in program([])]


def test_what_is_marked_is_computed_again() -> None:
    plain, (expected,) = gradient_program(False)
    marked, (found,) = gradient_program(True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    before = plain.memory().temp_size_in_bytes
    assert marked.memory().temp_size_in_bytes < 0.7 * before
    with config.override(skip_passes=("recomputation",)):
        kept, _ = gradient_program(True)
        assert kept.memory().temp_size_in_bytes >= 0.99 * before


def test_the_program_says_what_waits_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes: list[StepCode] = []
    made = StepCode._many

    def watched(self: StepCode, decision: Decision) -> Any:
        codes.append(self)
        return made(self, decision)

    monkeypatch.setattr(StepCode, "_many", watched)
    expected = trained(stack(4))
    found = trained(stack(4), offload=True)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)
    code = codes[-1]
    assert len(code.decision.moved) >= 4 and not code.decision.dropped
    nodes, counts = code._graph.inputs, code._counts
    state, fixed, block = code.placement.step_types(nodes, *counts)
    data = code.placement.types(code._graph.buffers)
    with wide_types():
        traced = code.call.trace(state, np.int32(1), block, fixed, data)
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    placements = text.count("@annotate_device_placement")
    assert placements == 2 * len(code.decision.moved)
    assert text.count('"pinned_host"') == len(code.decision.moved)
    assert "optimization_barrier" in text


@pytest.mark.parametrize("allowed", TYPES)
def test_random_graphs_with_everything_computed_again(allowed: Any) -> None:
    """What may be dropped is dropped: values do not change."""
    context = Context("cpu")
    random = np.random.default_rng(5)
    again = 0
    for graph in seeded(5, allowed, (8, 12), count=12):
        simple = runnable(optimized(graph))
        leaves = (*graph.inputs, *graph.buffers)
        values = [np.asarray(values_for(one, random)) for one in graph.inputs]
        operations = Operations(simple, leaves)
        everything = cut(operations.program, float("inf"), operations.required)
        schedule = operations.program.schedule(everything)
        again += len(schedule.again)
        call = jax.jit(
            planned(operations, schedule, context), compiler_options=KEEP_BARRIERS
        )
        plain, _ = Lowered(graph, context).function(Decision())
        with wide_types():
            found, expected = call(values), jax.jit(plain)(values)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype and one.shape == other.shape
            wide = np.float64 if np.issubdtype(other.dtype, np.inexact) else other.dtype
            np.testing.assert_allclose(
                np.asarray(one).astype(wide), np.asarray(other).astype(wide), rtol=0.02
            )
    assert isinstance(graph, Graph)
    assert again > 0
