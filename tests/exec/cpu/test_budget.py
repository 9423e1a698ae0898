"""Memory budgets: kept to the byte, with the bits of the step without one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nervure as nv
from nervure import autodiff
from nervure.config import config
from nervure.errors import ArgumentError, BudgetError
from nervure.exec.budget import byte_count, size_text
from nervure.exec.cpu import CpuExecutor, memory, program
from nervure.exec.cpu.layout import arena_bytes
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from nervure.models import Model, Sequential
from nervure.ops import asarray
from nervure.prims import binary, contract, reduce, unary
from nervure.prims.leaf import full_like, input_leaf
from nervure.prims.movement import broadcast
from tests.exec.cpu.effort import examples

ROWS = 192


def stack() -> Model:
    """Return a deep stack with everything that is random or counts."""
    layers: list[Any] = [Dense(96, activation="relu", input_shape=(40,))]
    for _ in range(4):
        layers += [Dense(96, activation="relu"), BatchNormalization(), Dropout(0.3)]
    return Sequential([*layers, Dense(10, activation="softmax")])


def images() -> Model:
    """Return a small net of convolutions."""
    return Sequential([
        Conv2D(16, 3, activation="relu", input_shape=(16, 16, 1)),
        BatchNormalization(),
        Conv2D(16, 3, activation="relu"),
        MaxPooling2D(2),
        Dropout(0.5),
        Flatten(),
        Dense(10, activation="softmax"),
    ])  # fmt: skip


def trained(make: Callable[[], Model], **options: Any) -> list[NDArray]:
    """Return the weights after some steps, and what the metrics said."""
    nv.utils.set_random_seed(3)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", **options)
    random = np.random.default_rng(0)
    x = random.random((2 * ROWS, *model.input_shape[1:]), np.float32)
    history = model.fit(x, np.arange(2 * ROWS) % 10, ROWS, epochs=2, verbose=0)
    return [*model.get_weights(), np.array(history.history["loss"])]


def full_bytes(make: Callable[[], Model]) -> int:
    """Return what a training step needs without a budget."""
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    return int(model.train_program(batch_size=ROWS).memory().peak_bytes)


def check_bits(cases: list[tuple[Callable[[], Model], float, int]]) -> None:
    """Compare trainings with a share of the memory, on a number of threads."""
    expected: dict[Callable[[], Model], list[NDArray]] = {}
    for make, share, threads in cases:
        if make not in expected:
            expected[make] = trained(make)
        with config.override(num_threads=threads):
            found = trained(make, memory_budget=share * full_bytes(make))
        for x, y in zip(expected[make], found, strict=True):
            np.testing.assert_array_equal(x, y)


def test_bits_do_not_depend_on_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "poison", True)
    check_bits([(images, 0.75, one) for one in (1, 2, 4)] + [(stack, 0.85, 1)])


@pytest.mark.slow
def test_bits_do_not_depend_on_many_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "poison", True)
    shares = (0.75, 0.8, 0.9)
    check_bits(
        [(images, share, threads) for threads in (1, 2, 3, 4) for share in shares]
        + [(stack, share, threads) for threads in (1, 2) for share in (0.85, 0.95)]
    )


def test_a_budget_is_kept_to_the_byte() -> None:
    model = images()
    model.compile("adam", "sparse_categorical_crossentropy")
    full = full_bytes(images)
    tight = model.train_program(batch_size=ROWS, memory_budget=0.75 * full)
    assert tight.memory().peak_bytes <= 0.75 * full
    assert any(kernel.recomputed for kernel in tight.optimized)
    assert any(kernel.saved for kernel in tight.optimized)
    loose = model.train_program(batch_size=ROWS, memory_budget=full)
    assert loose.memory().peak_bytes == full
    assert not any(kernel.recomputed for kernel in loose.optimized)


def test_an_unreachable_budget_names_one_that_can_be_kept_to() -> None:
    model = images()
    model.compile("adam", "sparse_categorical_crossentropy", memory_budget=1000)
    x = np.ones((ROWS, 16, 16, 1), np.float32)
    with pytest.raises(BudgetError) as caught:
        model.fit(x, np.zeros(ROWS, int), batch_size=ROWS, verbose=0)
    smallest = caught.value.smallest_bytes
    assert smallest is not None
    first, buffer, *_, fix = f"{caught.value}".splitlines()
    assert "budget of 1,000 bytes; the smallest budget that can be kept to is " in first
    assert f"{smallest:,} bytes" in first
    assert " bytes  float32[192, " in buffer and Path(__file__).name in buffer
    assert fix.startswith("  fix: ")
    reached = model.train_program(batch_size=ROWS, memory_budget=smallest)
    assert reached.memory().peak_bytes <= smallest


def test_moved_values_come_back_with_their_bits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "poison", True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spills: list[int] = []
    make_file = program.spill_file

    def counted(nbytes: int) -> NDArray:
        spills.append(nbytes)
        return make_file(nbytes)

    monkeypatch.setattr(program, "spill_file", counted)
    for make in (stack, images):
        spills.clear()
        expected = trained(make)
        assert not spills
        found = trained(make, offload=True)
        assert spills and not list(tmp_path.iterdir())
        for x, y in zip(expected, found, strict=True):
            np.testing.assert_array_equal(x, y)


def test_no_file_stays_behind_after_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []

    def broken(_array: NDArray) -> int:
        seen.append(1)
        raise KeyboardInterrupt

    trained(images, offload=True)  # compiled from here on
    monkeypatch.setattr(memory, "handle", broken)
    with pytest.raises(KeyboardInterrupt):
        trained(images, offload=True)
    assert seen and not list(tmp_path.iterdir())


def test_less_memory_with_values_moved_out() -> None:
    model = images()
    model.compile("adam", "sparse_categorical_crossentropy")
    full = full_bytes(images)
    moved = model.train_program(batch_size=ROWS, offload=True)
    assert moved.memory().peak_bytes < full


def test_a_budget_needs_a_plan() -> None:
    with config.override(executor="reference"):
        model = images()
        model.compile("adam", "sparse_categorical_crossentropy", memory_budget="1 GB")
        x = np.ones((8, 16, 16, 1), np.float32)
        with pytest.raises(BudgetError, match="reference executor does not plan"):
            model.fit(x, np.zeros(8, int), verbose=0)
    with pytest.raises(ArgumentError, match="run_eagerly keeps to no memory budget"):
        images().compile("adam", "mse", run_eagerly=True, memory_budget=10)


def test_sizes_as_people_write_them() -> None:
    assert byte_count(None) is None
    assert byte_count(np.float32(2.75)) == 2
    assert byte_count(" 1.5 GiB ") == 3 * 2**29
    assert byte_count(".5k") == 500
    assert byte_count("7") == 7
    for wrong in ("", "MB", "1 parsec", "-3", 0, -1, True, float("nan"), [1], 1j):
        with pytest.raises(ArgumentError, match="memory_budget must be a number"):
            byte_count(wrong)
    assert size_text(12_345) == "12,345 bytes"
    assert size_text(25_289_472) == "25.29 MB"
    assert size_text(250_000) == "250 kB"


# --- checkpoint ----------------------------------------------------------------------


def block(x: nv.Array, w: nv.Array) -> nv.Array:
    return nv.tanh(nv.matmul(nv.exp(nv.matmul(x, w) * 0.01), w) * 0.05)


def loss_of(layer: Callable[..., nv.Array]) -> Callable[..., nv.Array]:
    def loss(x: nv.Array, w: nv.Array) -> nv.Array:
        for _ in range(4):
            x = layer(x, w)
        return nv.mean(x * x)

    return loss


def test_checkpoint_changes_memory_and_no_bit() -> None:
    random = np.random.default_rng(0)
    x = asarray(random.standard_normal((512, 256)).astype(np.float32))
    w = asarray(random.standard_normal((256, 256)).astype(np.float32) / 16)
    found = []
    for layer in (block, nv.checkpoint(block)):
        both = nv.compile(nv.value_and_grad(loss_of(layer), argnums=(0, 1)))
        report = CpuExecutor().report(both.graph(x, w))
        value, gradients = both(x, w)
        again = sum(task.recomputed for task in report.tasks)
        found.append((report.arena_nbytes, again, value, *gradients))
    plain, marked = found
    assert plain[1] == 0 < marked[1]
    assert plain[0] > marked[0]
    for a, b in zip(plain[2:], marked[2:], strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_checkpoint_has_gradients_of_gradients() -> None:
    def f(x: nv.Array) -> nv.Array:
        return nv.sum(nv.sin(x) * nv.exp(x))

    marked = nv.checkpoint(f)
    x = asarray([0.3, -1.2])

    def twice(g: Callable[..., nv.Array]) -> Callable[..., nv.Array]:
        return nv.grad(lambda y: nv.sum(nv.grad(g)(y) ** 2))

    for derive in (nv.grad, nv.hessian, twice):
        np.testing.assert_array_equal(derive(marked)(x).numpy(), derive(f)(x).numpy())
    _, change = nv.jvp(marked, (x,), (nv.ones_like(x),))
    _, expected = nv.jvp(f, (x,), (nv.ones_like(x),))
    np.testing.assert_array_equal(change.numpy(), expected.numpy())


def test_checkpoint_takes_and_returns_trees() -> None:
    @nv.checkpoint
    def both(pair: dict[str, Any], scale: float = 2.0) -> tuple[Any, ...]:
        return pair["x"] * scale, (pair["y"], "text")

    x, y = asarray([1.0]), asarray([2])
    doubled, (same, text) = both({"x": x, "y": y}, scale=3.0)
    assert (doubled.item(), same.item(), text) == (3.0, 2, "text")
    assert nv.checkpoint(lambda: 5)() == 5


# --- any graph -----------------------------------------------------------------------


@st.composite
def steps(draw: st.DrawFn) -> tuple[Graph, int]:
    """Draw a training step: weights, a batch, layers with skips, and an update."""
    rows = draw(st.sampled_from([8, 64, 160]))
    width = draw(st.sampled_from([16, 48]))
    count = draw(st.integers(2, 6))
    weights = [input_leaf((width, width), np.dtype("float32"), f"w{place}")
               for place in range(count)]  # fmt: skip
    batch = input_leaf((rows, width), np.dtype("float32"), "x")
    values = [batch]
    for weight in weights:
        x = contract.dot(values[-1], weight, contract=((1,), (0,)))
        x = draw(st.sampled_from([unary.tanh, unary.sin, unary.abs_]))(x)
        if draw(st.booleans()):
            x = binary.add(x, draw(st.sampled_from(values)))
        if draw(st.booleans()):
            mean = reduce.reduce_sum(x, axes=(0,))
            x = binary.sub(x, broadcast(mean, x.shape, (1,)))
        values.append(x)
    loss = reduce.reduce_sum(binary.mul(x, x), axes=(0, 1))
    gradients = autodiff.reverse([loss], [full_like(loss, 1)], weights)
    new = []
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None
        rate = full_like(weight, 1e-4)
        new.append(binary.sub(weight, binary.mul(rate, gradient)))
    return Graph(new, [*weights, batch]), count


def check_budget(step: tuple[Graph, int], share: float, offload: bool) -> None:
    graph, count = step
    executor = CpuExecutor()
    full = arena_bytes(executor.plan_step(graph, count, 0))
    budget = max(int(share * full), 1)
    random = np.random.default_rng(0)
    state = [random.standard_normal(one.shape).astype(np.float32) / 8
             for one in graph.inputs[:count]]  # fmt: skip
    batches = random.standard_normal((3, *graph.inputs[-1].shape)).astype(np.float32)
    try:
        tight = executor.compile_step(
            graph, count, 0, memory_budget=budget, offload=offload
        )
    except BudgetError as error:
        assert error.smallest_bytes is not None
        budget = error.smallest_bytes
        tight = executor.compile_step(
            graph, count, 0, memory_budget=budget, offload=offload
        )
    layout = executor.plan_step(graph, count, 0, memory_budget=budget, offload=offload)
    assert arena_bytes(layout) <= budget
    expected = executor.compile_step(graph, count, 0).run(state, [], [batches])
    for x, y in zip(expected, tight.run(state, [], [batches]), strict=True):
        np.testing.assert_array_equal(x, y)


@examples(6, 300)
@given(step=steps(), share=st.floats(0.2, 1.0), offload=st.booleans())
def test_random_steps_with_random_budgets(
    step: tuple[Graph, int], share: float, offload: bool
) -> None:
    memory.poison = True
    try:
        check_budget(step, share, offload)
    finally:
        memory.poison = False
