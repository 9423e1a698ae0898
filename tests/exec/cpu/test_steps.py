"""Step programs: many steps in one call, state updated in place where possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.cpu.fusion import Tasks
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims import binary, movement, reduce
from nervure.prims.leaf import full_like, input_leaf, random_bits
from nervure.prims.select import cast
from tests.exec.cpu.effort import examples
from tests.exec.cpu.growth import deep_graph
from tests.exec.cpu.test_random_graphs import values_for

F32 = dtypes.float32
EXACT = (dtypes.bool_, dtypes.int32, dtypes.uint32, dtypes.int8)


class Iteration:
    """A step with values for its inputs."""

    def __init__(
        self, graph: Graph, state_count: int, constant_count: int, steps: int, seed: int
    ) -> None:
        self.graph, self.counts = graph, (state_count, constant_count)
        random = np.random.default_rng(seed)
        fixed = state_count + constant_count
        values = [values_for(node, random) for node in graph.inputs[:fixed]]
        self.state, self.constants = values[:state_count], values[state_count:]
        self.varying = [
            np.array([values_for(node, random) for _ in range(steps)]).reshape(
                steps, *node.shape
            )
            for node in graph.inputs[fixed:]
        ]

    def run(self, executor: CpuExecutor | ReferenceExecutor) -> list[NDArray]:
        program = executor.compile_step(self.graph, *self.counts)
        return program.run(self.state, self.constants, self.varying)

    def check(self, exact: bool = True) -> None:
        """Compare with the reference, and 1 with 2 threads, and in place with not."""
        before = [value.tobytes() for value in self.state]
        results = self.run(CpuExecutor())
        assert [value.tobytes() for value in self.state] == before
        with config.override(num_threads=1):
            same_bits(self.run(CpuExecutor()), results)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Tasks, "_overwrite", lambda *_: False)
            same_bits(self.run(CpuExecutor()), results)
        wanted = self.run(ReferenceExecutor())
        for result, want in zip(results, wanted, strict=True):
            if exact:
                np.testing.assert_array_equal(result, want)
            else:
                np.testing.assert_allclose(result, want, rtol=1e-4, atol=1e-5)


def same_bits(first: Sequence[NDArray], second: Sequence[NDArray]) -> None:
    for mine, theirs in zip(first, second, strict=True):
        assert mine.tobytes() == theirs.tobytes()


def step_of(graph: Graph, random: np.random.Generator) -> tuple[Graph, int, int]:
    """Make a random graph a step: outputs replace inputs of their types."""
    nodes = [node for node in graph.nodes if random.random() < 0.7]
    inputs = list(graph.inputs)
    random.shuffle(inputs)  # type: ignore[arg-type]
    state: list[Node] = []
    outputs: list[Node] = []
    for old in inputs:
        fitting = [n for n in nodes if (n.shape, n.dtype) == (old.shape, old.dtype)]
        if fitting and random.random() < 0.8:
            state.append(old)
            outputs.append(fitting[-1 - int(len(fitting) * random.power(3) / 2)])
    rest = [node for node in inputs if node not in state]
    moving = input_leaf((3,), F32, "moving")
    constants = int(random.integers(len(rest) + 1))
    listed = [*state, *rest, moving]
    return Graph(outputs, listed), len(state), constants


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(4, 30))
@examples(100, 1000)
def test_random_steps(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    graph = deep_graph(seed, EXACT, size, large=random.random() < 0.2)
    step, states, constants = step_of(graph, random)
    if states:
        Iteration(step, states, constants, int(random.integers(1, 6)), seed).check()


def optimizer_step() -> tuple[Graph, int, int]:
    """Momentum on a quadratic, with a running sum of the squared gradient."""
    w, m, v = (input_leaf((1000,), F32, name) for name in "wmv")
    total = input_leaf((), F32, "total")
    rate = input_leaf((1000,), F32, "rate")
    g = binary.mul(binary.sub(w, v), rate)
    m2 = binary.add(binary.mul(m, full_like(m, 0.9)), g)
    w2 = binary.sub(w, binary.mul(m2, full_like(m, 0.01)))
    total2 = binary.add(total, reduce.reduce_sum(binary.mul(g, g), (0,)))
    return Graph([w2, m2, total2], [w, m, total, rate, v]), 3, 1


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_an_optimizer(steps: int) -> None:
    graph, states, constants = optimizer_step()
    assert len(Plan(graph, target(), states, constants).in_place) == 3
    iteration = Iteration(graph, states, constants, steps, 0)
    iteration.state[:2] = [np.ones(1000, np.float32), np.zeros(1000, np.float32)]
    iteration.varying = [np.linspace(-1, 1, steps * 1000, dtype=np.float32)]
    iteration.varying[0].shape = (steps, 1000)
    iteration.constants = [np.full(1000, 0.5, np.float32)]
    iteration.check(exact=False)


def check_small(outputs: Sequence[Node], inputs: Sequence[Node], states: int) -> None:
    moving = input_leaf((), F32, "moving")
    graph = Graph(outputs, [*inputs, moving])
    for steps in (1, 2, 3, 4):
        Iteration(graph, states, 0, steps, 1).check()


def test_an_update_that_also_reads_elsewhere_is_not_in_place() -> None:
    x = input_leaf((9,), dtypes.int32, "x")
    check_small([binary.add(x, movement.reverse(x, (0,)))], [x], 1)


def test_a_state_that_another_output_shows_is_not_written_over() -> None:
    x, y = (input_leaf(shape, dtypes.int32, "x") for shape in [(3, 4), (4, 3)])
    new_x = binary.add(x, full_like(x, 1))
    check_small([new_x, movement.transpose(x, (1, 0))], [x, y], 2)


def test_state_that_is_swapped_kept_or_shared() -> None:
    x, y, z, u = (input_leaf((7,), dtypes.int32, name) for name in "xyzu")
    total = binary.add(x, z)
    check_small([y, x, total, total], [x, y, z, u], 4)
    check_small([x, full_like(y, 3), z, binary.add(u, z)], [x, y, z, u], 4)


def test_a_key_that_is_replaced_by_its_own_bits() -> None:
    key = input_leaf((2,), dtypes.uint32, "key")
    check_small([random_bits(key, (2,))], [key], 1)
    counter = binary.add(key, random_bits(key, (2,)))
    check_small([counter], [key], 1)


def test_the_writer_waits_for_readers_on_other_threads() -> None:
    x = input_leaf((300, 200), dtypes.int32, "x")
    y = input_leaf((200, 300), dtypes.int32, "y")
    turned = movement.transpose(x, (1, 0))
    new_y = binary.add(y, binary.mul(turned, turned))
    new_x = binary.add(x, full_like(x, 5))
    graph = Graph([new_x, new_y], [x, y, input_leaf((), F32, "moving")])
    plan = Plan(graph, target(), 2, 0)
    assert len(plan.in_place) == 2
    assert len(plan.phases) == 2
    Iteration(graph, 2, 0, 20, 0).check()


def test_no_steps_change_nothing() -> None:
    graph, states, constants = optimizer_step()
    iteration = Iteration(graph, states, constants, 0, 0)
    results = iteration.run(CpuExecutor())
    same_bits(results, iteration.state)


def test_a_count_that_does_not_matter() -> None:
    x = input_leaf((5,), dtypes.uint32, "x")
    n = input_leaf((), dtypes.int32, "n")
    new = binary.add(x, cast(full_like(x, 1), dtypes.uint32))
    Iteration(Graph([new], [x, n]), 1, 0, 1000, 0).check()
