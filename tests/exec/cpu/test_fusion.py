"""Tasks come after what they need, however they were joined."""

import numpy as np
import pytest

import nervure as nv
from nervure.exec.cpu.fusion import Tasks, memory_root

random = np.random.default_rng(0)


def masked_normalization(x, mask, weights):
    """Moments of some places: reductions that share what they reduce."""
    counted = nv.broadcast_to(mask[..., None], x.shape)
    count = nv.sum(counted.astype("float32"), axis=(0, 1), keepdims=True)
    mean = nv.sum(nv.where(counted, x, 0.0), axis=(0, 1), keepdims=True) / count
    distance = nv.where(counted, x - mean, 0.0)
    variance = nv.sum(distance * distance, axis=(0, 1), keepdims=True) / count
    return nv.sum((x - mean) * nv.rsqrt(variance + 1e-3) * weights)


def masked_attention(scores, mask, values):
    """Weights that are a result themselves."""
    weights = nv.nn.softmax(nv.where(mask, scores, -np.inf))
    return nv.sum(nv.cos(weights)) + nv.sum(nv.sin(weights @ values))


CASES = {
    "normalization": (
        masked_normalization,
        random.normal(size=(8, 6, 5)).astype("float32"),
        random.random((8, 6)) < 0.5,
        random.normal(size=(8, 6, 5)).astype("float32"),
    ),
    "attention": (
        masked_attention,
        random.normal(size=(2, 3, 5, 7)).astype("float32"),
        random.random((2, 1, 5, 7)) < 0.5,
        random.normal(size=(2, 3, 7, 4)).astype("float32"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_task_comes_after_what_it_needs(name):
    function, *data = CASES[name]
    x, *others = map(nv.asarray, data)
    gradient = nv.compile(lambda x: nv.grad(lambda x: function(x, *others))(x))
    graph = gradient.graph(x)
    for output in graph.nodes:
        tasks = Tasks(type(graph)([output], graph.inputs))
        done = set()
        for task in tasks.order:
            done |= set(task.nodes)
            needed = {memory_root(one) for node in task.nodes for one in node.inputs}
            missing = {one for one in needed if one in tasks.task_of} - done
            assert not missing, f"for {output!r} {task.nodes} lack {missing}"


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_the_reference(name):
    function, *data = CASES[name]
    x, *others = map(nv.asarray, data)
    found = {}
    for executor in ("reference", "cpu"):
        with nv.config.override(executor=executor):
            gradient = nv.compile(nv.grad(lambda x: function(x, *others)))
            found[executor] = gradient(x).numpy()
    np.testing.assert_allclose(found["cpu"], found["reference"], rtol=1e-4, atol=1e-5)
