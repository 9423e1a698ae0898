"""What depends on settled inputs alone is kept from call to call."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.preparing import prepared_apart
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph
from nervure.prims.binary import add, mul
from nervure.prims.convolution import conv
from nervure.prims.leaf import input_leaf
from nervure.prims.movement import broadcast
from nervure.prims.unary import exp

SETTINGS = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)


def network():
    """Return a graph of x, a kernel and a logarithm of scales, and values."""
    random = np.random.default_rng(0)
    values = [
        random.standard_normal(shape).astype("float32")
        for shape in ((2, 9, 8, 5), (3, 3, 5, 40), (40,))
    ]
    x, kernel, scale = (input_leaf(one.shape, dtypes.float32) for one in values)
    y = conv(x, kernel, *SETTINGS)
    y = mul(y, broadcast(exp(scale), y.shape, (3,)))
    return Graph([y], [x, kernel, scale]), values


def expected(graph, values):
    return CpuProgram(graph, target())(values)[0]


def test_panels_and_scales_are_computed_before():
    graph, _ = network()
    plan = Plan(graph, target())
    apart = prepared_apart(plan, plan.graph.inputs[1:])
    assert apart is not None
    assert len(apart.before.calls) == 2
    assert [call.kernel.name.split("_")[0] for call in apart.plan.calls] == ["conv"]
    assert set(apart.kept) == {
        slot for call in apart.before.calls for slot in call.writes
    }


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_bits_are_those_of_one_program(threads):
    graph, values = network()
    wanted = expected(graph, values)
    with config.override(num_threads=threads):
        program = CpuProgram(graph, target(), range(1, 3))
        for _ in range(3):
            np.testing.assert_array_equal(program(values)[0], wanted)


def test_other_arrays_are_noticed_one_by_one():
    graph, values = network()
    program = CpuProgram(graph, target(), range(1, 3))
    for place in (1, 2, 0, 1):
        program(values)
        values = [*values]
        values[place] = values[place] * np.float32(2)
        np.testing.assert_array_equal(program(values)[0], expected(graph, values))


def test_an_array_that_is_not_contiguous_is_right_each_time():
    graph, values = network()
    values[1] = np.asfortranarray(values[1])
    program = CpuProgram(graph, target(), range(1, 3))
    wanted = expected(graph, values)
    for _ in range(2):
        np.testing.assert_array_equal(program(values)[0], wanted)


def test_old_weights_are_not_kept_alive():
    graph, values = network()
    program = CpuProgram(graph, target(), range(1, 3))
    program(values)
    old = weakref.ref(values[1])
    kept = weakref.ref(program._keeper._last.values[0].base)
    values[1] = values[1].copy()
    gc.collect()
    assert old() is None
    assert kept() is None  # nor is what was computed of them
    np.testing.assert_array_equal(program(values)[0], expected(graph, values))


def test_threads_with_weights_of_their_own_do_not_mix_them_up():
    graph, values = network()
    program = CpuProgram(graph, target(), range(1, 3))
    given = [[values[0], values[1] * np.float32(n), values[2]] for n in range(4)]
    wanted = [expected(graph, one) for one in given]
    wrong = []

    def work(number):
        for _ in range(50):
            (found,) = program(given[number])
            if not np.array_equal(found, wanted[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_results_of_settled_inputs_are_new_arrays():
    scale = input_leaf((5,), dtypes.float32)
    x = input_leaf((5,), dtypes.float32)
    graph = Graph([exp(scale), add(x, exp(scale))], [scale, x])
    values = [np.arange(5, dtype="float32"), np.ones(5, "float32")]
    program = CpuProgram(graph, target(), range(1))
    first, _ = program(values)
    first[:] = 0
    np.testing.assert_allclose(program(values)[0], np.exp(values[0]), rtol=1e-6)


def test_much_memory_is_not_kept():
    scale = input_leaf((2,), dtypes.float32)
    x = input_leaf((2, 5000), dtypes.float32)
    large = mul(broadcast(scale, x.shape, (0,)), broadcast(scale, x.shape, (0,)))
    plan = Plan(Graph([add(large, x), exp(large)], [scale, x]), target())
    assert prepared_apart(plan, plan.graph.inputs[:1]) is None


def test_a_program_with_settled_inputs_is_another_one():
    graph, _ = network()
    executor = CpuExecutor()
    assert executor.compile(graph) is not executor.compile(graph, range(1, 3))
    assert executor.compile(graph, range(1, 3)) is executor.compile(graph, range(1, 3))


def test_predictions_follow_training_and_new_weights():
    nv.utils.set_random_seed(0)
    model = nv.models.Sequential(
        [
            nv.layers.Input((8, 8, 3)),
            nv.layers.Conv2D(20, 3),
            nv.layers.BatchNormalization(),
            nv.layers.Flatten(),
            nv.layers.Dense(2),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 8, 8, 3)).astype("float32")
    y = random.normal(size=(4, 2)).astype("float32")
    seen = []
    for _ in range(3):
        for _ in range(2):
            found = model.predict(x, verbose=0)
            with config.override(executor="reference"):
                wanted = model.predict(x, verbose=0)
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        seen.append(found)
        model.fit(x, y, verbose=0)
    model.set_weights([one * 0 for one in model.get_weights()])
    assert not model.predict(x, verbose=0).any()
    assert not np.allclose(seen[0], seen[1])
    assert not np.allclose(seen[1], seen[2])
