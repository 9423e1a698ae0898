"""Whole training runs: any number of threads, steps a call, and what the arena held.

The step is written with primitives' gradients: a convolution, normalisation by the
batch's mean and variance with running statistics, dropout, two products and Adam.
"""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.array import Array
from nervure.autodiff import reverse
from nervure.config import config
from nervure.exec.base import StepProgram
from nervure.exec.cpu import memory
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims.convolution import conv
from nervure.prims.leaf import full_like, input_leaf, random_bits
from nervure.prims.window import window_max
from tests.exec.cpu.guarded import guarded
from tests.exec.cpu.test_primitives_cpu import levels

F32 = dtypes.float32
BATCH, ROWS, STEPS = 16, 200, 12
SHAPES = {"kernel": (3, 3, 3, 8), "hidden": (200, 30), "out": (30, 5)}
SAME = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)


def loss_of(weights: list[Array], x: Array, y: Array, mask: Array) -> list[Array]:
    """Return the loss, and the mean and variance of the batch."""
    kernel, hidden, out = weights
    z = Array.of_node(conv(x.node, kernel.node, *SAME))
    mean, variance = nv.mean(z, axis=(0, 1, 2)), nv.var(z, axis=(0, 1, 2))
    z = nv.maximum((z - mean) / nv.sqrt(variance + 1e-3), 0)
    z = Array.of_node(window_max(z.node, (1, 2, 2, 1), (1, 2, 2, 1)))
    z = nv.reshape(z, (BATCH, -1))[:, :200]
    z = nv.where(mask, nv.tanh(z @ hidden) * 2, 0)
    z = z @ out
    z = z - nv.log(nv.sum(nv.exp(z), axis=1, keepdims=True))
    picked = nv.arange(5) == nv.expand_dims(y, axis=1)
    return [-nv.sum(nv.where(picked, z, 0)) / BATCH, mean, variance]


def training_step() -> tuple[Graph, list[NDArray], list[NDArray]]:
    """Return one step, its first state and its data."""
    random = np.random.default_rng(0)
    names = [*SHAPES, *(f"{slot} {name}" for slot in "mv" for name in SHAPES)]
    shapes = [*SHAPES.values()] * 3
    state = [input_leaf(shape, F32, name)
             for shape, name in zip(shapes, names, strict=True)]  # fmt: skip
    mean, variance = (input_leaf((8,), F32, name) for name in ("mean", "variance"))
    losses, counter = input_leaf((), F32, "losses"), input_leaf((2,), dtypes.uint32)
    x_all = input_leaf((ROWS, 10, 10, 3), F32, "x")
    y_all = input_leaf((ROWS,), dtypes.int32, "y")
    rows = input_leaf((BATCH,), dtypes.int64, "rows")
    x, y = (nv.take(Array.of_node(one), Array.of_node(rows), axis=0)
            for one in (x_all, y_all))  # fmt: skip
    mask = Array.of_node(random_bits(counter, (BATCH, 30))) > 2**31
    weights = state[:3]
    results = loss_of([Array.of_node(one) for one in weights], x, y, mask)
    loss = results[0].node
    gradients = reverse([loss], [full_like(loss, 1)], weights)
    new: list[list[Node]] = [[], [], []]
    for w, m, v, g_ in zip(weights, state[3:6], state[6:], gradients, strict=True):
        assert g_ is not None
        g = Array.of_node(g_)
        m2 = Array.of_node(m) * 0.9 + g * 0.1
        v2 = Array.of_node(v) * 0.99 + g * g * 0.01
        w2 = Array.of_node(w) - 0.01 * m2 / (nv.sqrt(v2) + 1e-3)
        for column, one in zip(new, (w2, m2, v2), strict=True):
            column.append(one.node)
    moments = [
        (Array.of_node(old) * 0.9 + now * 0.1).node
        for old, now in zip((mean, variance), results[1:], strict=True)
    ]
    total = (Array.of_node(losses) + results[0]).node
    again = random_bits(counter, (2,))
    inputs = [*state, mean, variance, losses, counter, x_all, y_all, rows]
    graph = Graph([*new[0], *new[1], *new[2], *moments, total, again], inputs)
    first = [(random.normal(size=shape) * 0.2).astype(np.float32)
             for shape in SHAPES.values()]  # fmt: skip
    first += [np.zeros(shape, np.float32) for shape in shapes[3:]]
    first += [np.zeros(8, np.float32), np.ones(8, np.float32)]
    first += [np.zeros((), np.float32), np.array([7, 9], np.uint32)]
    data = [random.normal(size=(ROWS, 10, 10, 3)).astype(np.float32),
            random.integers(0, 5, ROWS).astype(np.int32)]  # fmt: skip
    return graph, first, data


GRAPH, STATE, DATA = training_step()
ORDER = np.random.default_rng(1).integers(0, ROWS, (STEPS, BATCH))


def run(program: StepProgram, steps_a_call: int = STEPS) -> list[NDArray]:
    state = [one.copy() for one in STATE]
    for begin in range(0, STEPS, steps_a_call):
        state = program.run(state, DATA, [ORDER[begin : begin + steps_a_call]])
    return state


def compiled() -> StepProgram:
    return CpuExecutor().compile_step(GRAPH, len(STATE), len(DATA))


def same_bits(first: list[NDArray], second: list[NDArray]) -> None:
    for mine, theirs in zip(first, second, strict=True):
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("level", levels())
def test_any_number_of_threads_gives_the_same_bits(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    program = compiled()
    with config.override(num_threads=1):
        wanted = run(program)
    for threads in (2, 3, 4):
        with config.override(num_threads=threads):
            same_bits(run(program), wanted)
    reference = ReferenceExecutor().compile_step(GRAPH, len(STATE), len(DATA))
    for mine, theirs in zip(wanted, run(reference), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=5e-3, atol=5e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_arena_full_of_nan_between_steps(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left in the arena by one step for the next, and nothing beside it."""
    with config.override(num_threads=threads):
        wanted = run(compiled())
        assert all(np.isfinite(one).all() for one in wanted)
        for steps_a_call in (1, 5, STEPS):
            same_bits(run(compiled(), steps_a_call), wanted)
        monkeypatch.setattr(memory, "poison", True)
        for steps_a_call in (1, 3):
            with guarded():
                same_bits(run(compiled(), steps_a_call), wanted)


def test_programs_that_share_an_arena_do_not_disturb_each_other() -> None:
    wanted = run(compiled())
    x = input_leaf((300, 300), F32, "x")
    other = CpuExecutor().compile(Graph([(Array.of_node(x) @ Array.of_node(x)).node]))
    program = compiled()
    state = [one.copy() for one in STATE]
    for step in range(STEPS):
        state = program.run(state, DATA, [ORDER[step : step + 1]])
        other([np.full((300, 300), np.nan, np.float32)])
    same_bits(state, wanted)
