"""Loops and branches in native code, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.autodiff import reverse
from nervure.config import config
from nervure.exec.cpu import memory
from nervure.exec.cpu.kernel import Block
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.program import CpuProgram, CpuStepProgram
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, apply
from nervure.ir.primitive import primitive_named
from nervure.prims.control import part
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.parity import assert_like_reference, leaves

THREADS = (1, 2, 4)
CASES = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name in ("call", "cond", "scan", "while_loop")
    for number in range(
        len(primitive_named(name).samples(dtypes.float32, np.random.default_rng(0)))
    )
]


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever nobody has written be NaN."""
    monkeypatch.setattr(memory, "poison", True)


@pytest.mark.parametrize("name, number", CASES)
def test_samples_and_their_gradients(name: str, number: int) -> None:
    primitive = primitive_named(name)
    random = np.random.default_rng(0)
    sample = primitive.samples(dtypes.float32, random)[number]
    arrays = [np.asarray(one) for one in sample.inputs]
    inputs = leaves(arrays)
    node = part(apply(primitive, *inputs, **sample.attrs), sample.result)
    outputs = [node]
    if dtypes.is_float(node.dtype):
        g = input_leaf(node.shape, node.dtype, "g")
        smooth = [one for one in inputs if dtypes.is_float(one.dtype)]
        outputs += [one for one in reverse([node], [g], smooth) if one is not None]
        inputs = [*inputs, g]
        arrays.append(random.normal(size=node.shape).astype(np.float32))
    assert_like_reference(outputs, inputs, arrays, threads=THREADS)


def recurrent(steps: int, batch: int, width: int) -> tuple[Graph, list[Any]]:
    """Return a loop with its gradient, and values for its inputs."""
    random = np.random.default_rng(1)
    shapes = [(steps, batch, width), (batch, width), (width, width), (width,)]
    arrays = [
        random.normal(0, 0.5 / width**0.5, shape).astype(np.float32) for shape in shapes
    ]
    x, h, w, b = inputs = leaves(arrays)

    def loss(*values: Any) -> Any:
        x, h, w, b = values

        def step(h: Any, x: Any) -> tuple[Any, Any]:
            h = nv.tanh(x + h @ w + b)
            return h, h

        last, all_ = nv.scan(step, h, x)
        return nv.sum(last) + nv.sum(all_ * all_)

    value, slopes = nv.value_and_grad(loss, argnums=(0, 1, 2, 3))(
        *(nv.Array.of_node(node) for node in (x, h, w, b))
    )
    return Graph([value.node, *(one.node for one in slopes)], inputs), arrays


def blocks(graph: Graph) -> list[Block]:
    calls = Plan(graph, target()).calls
    return [call.kernel for call in calls if isinstance(call.kernel, Block)]


@pytest.mark.parametrize("steps, batch, width", [(7, 3, 5), (5, 96, 160)])
def test_a_recurrence_and_its_gradient(steps: int, batch: int, width: int) -> None:
    graph, arrays = recurrent(steps, batch, width)
    found = blocks(graph)
    # the loop that saves values for the gradient is the forward loop itself
    assert len(found) == 2
    assert all(block.alone == (width < 100) for block in found)
    assert_like_reference(
        graph.outputs, graph.inputs, arrays, threads=THREADS, tolerance=2e-4
    )


def test_a_loop_in_a_loop_with_a_branch() -> None:
    def inner(v: Any, i: Any) -> Any:
        bigger = nv.sum(v) > 3.0
        return nv.cond(bigger, lambda: v * 0.5, lambda: v + nv.astype(i, v.dtype))

    def outer(v: Any, x: Any) -> tuple[Any, Any]:
        v = nv.fori_loop(0, 3, lambda i, w: inner(w, i) + x, v)
        n, v = nv.while_loop(
            lambda n, w: nv.max(w) > 1.5, lambda n, w: (n + 1, w - 0.75), (0, v)
        )
        return v, n

    random = np.random.default_rng(2)
    arrays = [random.normal(size=shape).astype("f") for shape in ((5,), (6, 5))]
    inputs = leaves(arrays)
    v, x = (nv.Array.of_node(node) for node in inputs)
    last, counts = nv.scan(outer, v, x)
    assert_like_reference([last.node, counts.node], inputs, arrays, threads=THREADS)
    (counted,) = ReferenceExecutor().compile(Graph([counts.node], inputs))(arrays)
    assert counted.max() > 0


def test_a_training_step_with_a_loop_runs_many_times() -> None:
    """Weights are updated in place while a loop within the step reads them."""
    random = np.random.default_rng(3)
    w0 = random.normal(0, 0.2, (6, 6)).astype(np.float32)
    batches = random.normal(size=(9, 4, 3, 6)).astype(np.float32)
    w, x = leaves([w0, batches[0]])

    def loss(w: Any) -> Any:
        step = lambda h, x: (nv.tanh(x + h @ w), None)  # noqa: E731
        return nv.sum(nv.scan(step, nv.zeros((3, 6)), nv.Array.of_node(x))[0])

    weights = nv.Array.of_node(w)
    new = weights - 0.05 * nv.grad(loss)(weights)
    graph = Graph([new.node], [w, x])
    results = []
    for threads in THREADS:
        with config.override(num_threads=threads):
            program = CpuStepProgram(graph, target(), 1, 0)
            results.append(program.run([w0.copy()], [], [batches])[0])
    expected = ReferenceExecutor().compile_step(graph, 1, 0).run([w0], [], [batches])
    for result in results:
        assert result.tobytes() == results[0].tobytes()
        np.testing.assert_allclose(result, expected[0], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@pytest.mark.parametrize("bound", [None, 0, 2, 5])
def test_while_loops_end_with_every_parity(steps: int, bound: int | None) -> None:
    """The last state lies in the result after an odd and an even number of steps."""
    n, x, y = np.array(steps), np.arange(3.0), np.arange(4.0)
    inputs = leaves([n, x, y])
    arrays = [nv.Array.of_node(node) for node in inputs]

    def body(n: Any, x: Any, y: Any) -> Any:
        return n - 1, nv.flip(x) + n, y * 2.0

    results = nv.while_loop(lambda n, x, y: n > 0, body, arrays, bound)
    assert_like_reference(
        [one.node for one in results], inputs, [n, x, y], exact=True, threads=THREADS
    )


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int64, np.uint64])
def test_branches_by_numbers_of_every_kind(dtype: Any) -> None:
    functions = [lambda x: x + 1, lambda x: x * 2, lambda x: -x]
    index, x = input_leaf((), np.dtype(dtype)), input_leaf((2,), dtypes.float32)
    if dtype is np.bool_:
        result = nv.cond(nv.Array.of_node(index), functions[1], functions[0],
                         nv.Array.of_node(x))  # fmt: skip
    else:
        result = nv.switch(nv.Array.of_node(index), functions, nv.Array.of_node(x))
    program = CpuProgram(Graph([result.node], [index, x]), target())
    value = np.array([3.0, 5.0], np.float32)
    numbers = [0, 1] if dtype is np.bool_ else [0, 1, 2, 3, np.iinfo(dtype).max]
    for number in numbers:
        (got,) = program([np.array(number, dtype), value])
        want = functions[min(int(number), 2)](value)
        np.testing.assert_array_equal(got, want)
    if np.issubdtype(dtype, np.signedinteger):
        (got,) = program([np.array(-1, dtype), value])
        np.testing.assert_array_equal(got, value + 1)
