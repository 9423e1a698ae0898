"""What ``program(...)`` and ``train_program(...)`` return: graph, kernels, options."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.errors import (
    ArgumentError,
    BudgetError,
    GraphError,
    NotCompiledError,
    SettingError,
)
from nervure.ir.parser import parse
from nervure.ir.verify import verify
from nervure.models import Model
from nervure.program import Program
from tests.program import models


def test_the_class_is_public() -> None:
    assert nv.Program is Program
    assert "Program" in dir(nv)


@pytest.mark.parametrize("name", models.MODELS)
def test_kernels_are_fewer_than_nodes(name: str) -> None:
    program = models.program(name)
    assert 0 < len(program.optimized) < len(program.graph)
    assert len(list(program.optimized)) == len(program.optimized)
    assert len(list(program.graph)) == len(program.graph)


@pytest.mark.parametrize("name", models.MODELS)
def test_the_text_of_kernels_reads_back_as_the_graph(name: str) -> None:
    optimized = models.program(name).optimized
    again = parse(str(optimized))
    verify(again)
    assert again.structural_hash == optimized.graph.structural_hash


def test_the_text_names_each_kernel_before_its_nodes() -> None:
    optimized = models.program("mlp").optimized
    lines = str(optimized).splitlines()
    headings = [line for line in lines if line.startswith("  # kernel ")]
    assert len(headings) == len(optimized)
    for heading, kernel in zip(headings, optimized):
        assert heading.split()[3] == f"{kernel.kernel}:"
        place = lines.index(heading)
        below = lines[place + 1 : place + 1 + len(kernel.nodes)]
        ops = [line.split(" = ")[1].split("(")[0].split()[0] for line in below]
        assert ops == [node.op.name for node in kernel.nodes]


@pytest.mark.parametrize("name", models.MODELS)
def test_every_value_is_written_before_it_is_read(name: str) -> None:
    known: set[int] = set()
    for kernel in models.program(name).optimized:
        for buffer in kernel.reads:
            if buffer.kind.value in ("value", "private"):
                # scratch and results may be read by the kernel that writes them
                assert buffer.number in known
        known.update(buffer.number for buffer in kernel.writes)


def test_kernels_know_what_they_are_for() -> None:
    kernels = list(models.program("mlp").optimized)
    roles = [kernel.role for kernel in kernels]
    assert set(roles) == {"forward", "backward", "update"}
    first = next(one for one in kernels if one.op == "dot")
    assert first.role == "forward"
    assert "/dense" in first.site.scope
    assert first.type_text == f"float32[{models.ROWS}, 64]"
    assert first.operations >= 2 * models.ROWS * 20 * 64
    assert first.saved
    assert not first.recomputed
    assert {one.kernel for one in kernels} == {one.kernels[-1] for one in kernels}


def test_nothing_is_saved_without_a_gradient() -> None:
    program = models.mlp().predict_program(batch_size=23)
    assert {one.role for one in program.optimized} == {"forward"}
    assert not any(one.saved for one in program.optimized)


def test_composites_are_named_in_sites() -> None:
    graph = models.program("attention").graph
    parts = {node.site.composite for node in graph}
    assert any(part.endswith("softmax") for part in parts)
    assert "layer_normalization" in {part.split("/")[0] for part in parts}
    assert "rmsprop" in parts
    gradients = [node for node in graph if node.site.gradient]
    assert {one.site.composite for one in gradients} & parts
    assert any("layer_normalization" in node.site.scope for node in gradients)


def test_budget_recomputes_and_keeps_every_bit() -> None:
    model = models.cnn()
    free = model.train_program(batch_size=64)
    budget = 0.8 * free.memory().peak_bytes
    tight = model.train_program(batch_size=64, memory_budget=budget)
    assert tight.memory().peak_bytes <= budget
    assert any(one.recomputed for one in tight.optimized)
    assert "recomputed" in str(tight.optimized)
    assert tight.compare(free).equal
    parse(str(tight.optimized))
    with pytest.raises(BudgetError, match="smallest"):
        model.train_program(batch_size=64, memory_budget=1000)


def test_compile_decides_the_budget_unless_told() -> None:
    model = models.mlp()
    model.compile("sgd", "sparse_categorical_crossentropy", memory_budget="1 GB")
    assert model.train_program().options.memory_budget == 10**9
    assert model.train_program(memory_budget=2e9).options.memory_budget == 2 * 10**9


def test_a_function_with_gradients_and_its_reference_program() -> None:
    weights = [nv.ones((8, 8)) for _ in range(3)]
    step = nv.compile(nv.value_and_grad(models.layers_of_tanh))
    with config.override(executor="reference"):
        program = step.program(nv.ones((4, 8)), *weights)
    assert program.executor == "reference"
    assert len(program.optimized) == sum(
        node.op.name != "input" for node in program.optimized.graph
    )
    memory = program.memory()
    assert memory.arena_bytes is None
    assert 0 < memory.peak_bytes == max(memory.live_bytes)
    assert "no arena" in str(memory)
    compiled = step.program(nv.ones((4, 8)), *weights)
    assert compiled.executor == "cpu"
    assert compiled.compare(program).largest_difference < 1e-4


def test_static_and_named_arguments() -> None:
    power = nv.compile(lambda x, n, *, shift: x**n + shift, static_argnums=1)
    program = power.program(nv.ones(3), 2, shift=nv.ones(3))
    assert [node.type_text for node in program.graph.inputs] == ["float32[3]"] * 2
    assert program.cost().operations >= 6


def test_a_program_changes_nothing() -> None:
    model = models.mlp()
    model.train_program(batch_size=8)  # makes the optimizer's slots
    before = [one.numpy().copy() for one in model.weights]
    steps = int(model.optimizer.iterations.numpy())
    program = model.train_program(batch_size=8)
    program.profile()
    program.compare(program.without("fusion"))
    for one, old in zip(model.weights, before):
        np.testing.assert_array_equal(one.numpy(), old)
    assert int(model.optimizer.iterations.numpy()) == steps


def test_given_data_decide_the_shapes() -> None:
    class Twice(Model):
        def train_step(self, batch):
            x, y = batch
            loss = nv.mean((self(x) - y) ** 2)
            found = nv.gradients(loss, [one.value for one in self.trainable_variables])
            self.optimizer.apply(found, self.trainable_variables)
            return {"loss": loss}

    x = nv.layers.Input((3,))
    model = Twice(x, nv.layers.Dense(2)(x))
    model.compile("sgd")
    with pytest.raises(ArgumentError, match="step or loss of its own"):
        model.train_program()
    data = np.ones((7, 3), np.float32), np.ones((7, 2), np.float32)
    program = model.train_program(batch_size=4, x=data[0], y=data[1])
    assert "float32[7, 3]" in str(program.graph)
    assert program.largest_batch(2 * program.memory().peak_bytes) >= 4


def test_what_cannot_be_a_program_is_explained() -> None:
    model = nv.models.Sequential([nv.layers.Dense(2)])
    with pytest.raises(NotCompiledError):
        model.train_program()
    model.compile("sgd", "mse")
    with pytest.raises(ArgumentError, match="does not know the shape"):
        model.train_program()
    model = models.mlp()
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    with pytest.raises(ArgumentError, match="run_eagerly"):
        model.train_program()
    with pytest.raises(ArgumentError, match="run_eagerly"):
        model.predict_program()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises((SettingError, ValueError), match="unknown pass"):
        model.train_program(skip="symplify")
    with pytest.raises(ArgumentError, match="batch_size"):
        model.train_program(batch_size=0)
    with pytest.raises(ArgumentError, match="memory_budget"):
        model.train_program(memory_budget="a lot")


def test_two_inputs_and_two_outputs_are_made_up() -> None:
    a, b = nv.layers.Input((3,), name="a"), nv.layers.Input((4, 2), name="b")
    flat = nv.layers.Flatten()(b)
    h = nv.layers.Concatenate()([a, flat])
    first = nv.layers.Dense(5, activation="softmax", name="first")(h)
    second = nv.layers.Dense(1, activation="sigmoid", name="second")(h)
    model = Model([a, b], [first, second])
    model.compile("sgd", ["categorical_crossentropy", "binary_crossentropy"])
    program = model.train_program(batch_size=6)
    assert "float32[6, 4, 2]" in str(program.graph)
    assert len(model.test_program(batch_size=6).optimized) < len(program.optimized)
    table = nv.models.Sequential(
        [nv.layers.Input((5,), dtype="int32"), nv.layers.Embedding(10, 4)]
    )
    assert len(table.predict_program(batch_size=3).optimized) >= 1


def test_representations() -> None:
    program = models.program("mlp")
    assert repr(program).startswith("<Program the training step of 'sequential")
    assert ".optimized" in repr(program)
    assert repr(program.optimized).endswith(f"{len(program.optimized.graph)} nodes>")
    assert "forward" in repr(program.optimized[0])
    assert len(program.optimized[1:3]) == 2


def test_text_that_is_no_graph_stays_an_error() -> None:
    text = str(models.program("mlp").optimized)
    with pytest.raises(GraphError):
        parse(text.replace("= dot(", "= dott(", 1))


def test_offload_moves_values_and_keeps_every_bit() -> None:
    model = models.cnn()
    free = model.train_program(batch_size=256)
    moved = model.train_program(batch_size=256, offload=True)
    moves = [one for one in moved.optimized if one.moves]
    assert moves
    assert {one.op for one in moves} == {"move"}
    assert all(one.bytes_read == one.bytes_written > 0 for one in moves)
    assert "offload" in moved.diff().names
    outside = [one for one in moved.memory() if one.kind == "outside"]
    assert len(outside) == len(moves) // 2
    assert moved.memory().peak_bytes < free.memory().peak_bytes
    assert moved.compare(free).equal
    assert len(moved.profile()) == len(moved.optimized)
    assert "move" in moved.to_html()
    parse(str(moved.optimized))
