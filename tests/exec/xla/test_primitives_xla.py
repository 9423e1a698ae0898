"""Every primitive, type and sample on the xla executor."""

from __future__ import annotations

import numpy as np
import pytest

from nervure import dtypes
from nervure.exec.xla.rules import TABLE
from nervure.ir import Graph
from nervure.ir.primitive import Primitive, Sample, primitives
from nervure.prims import binary, indexed, leaf, unary, window
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.test_primitives_cpu import applied
from tests.exec.xla.agreement import check, run

NO_OPERANDS = ("input", "buffer", "part")
CASES = [
    pytest.param(primitive, id=primitive.name)
    for primitive in primitives()
    if primitive.name not in NO_OPERANDS
]


def test_every_primitive_has_a_rule() -> None:
    names = {primitive.name for primitive in primitives()}
    assert names - set(TABLE) == {"input", "buffer"}  # arguments of the program
    assert set(TABLE) <= names


@pytest.mark.parametrize("primitive", CASES)
def test_samples(primitive: Primitive) -> None:
    """All types in one program."""
    samples = [
        sample
        for dtype in primitive.dtypes
        for sample in primitive.samples(dtype, np.random.default_rng(0))
    ]
    graphs = [applied(primitive, sample) for sample in samples]
    values = {
        node: np.asarray(array)
        for graph, sample in zip(graphs, samples)
        for node, array in zip(graph.inputs, sample.inputs)
    }
    check(graphs, values)


def edge_values(dtype: np.dtype) -> np.ndarray:
    if dtypes.is_bool(dtype):
        return np.array([False, True])
    if dtypes.is_integer(dtype):
        limits = np.iinfo(dtype)
        values = {limits.min, limits.min + 1, -7, -1, 0, 1, 2, 3, 9, 63, 64}
        values |= {limits.max - 1, limits.max, 8, 16, 32}
        inside = [one for one in values if limits.min <= one <= limits.max]
        return np.array(sorted(inside), dtype)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 7.0, 1e-3, 300.7, -70000.0]
    special += [np.inf, -np.inf, np.nan]
    with np.errstate(over="ignore"):
        return np.array(special).astype(dtype)


ELEMENTWISE = [
    pytest.param(primitive, id=primitive.name)
    for primitive in primitives()
    if primitive.fusion.value == "elementwise" and primitive.name != "random_bits"
]


@pytest.mark.parametrize("primitive", ELEMENTWISE)
def test_edges(primitive: Primitive) -> None:
    """Every special value with every other one."""
    graphs, values = [], {}
    for dtype in primitive.dtypes:
        for sample in primitive.samples(dtype, np.random.default_rng(0)):
            if sample.inputs[0].size < 2:
                continue
            kinds = [edge_values(np.asarray(one).dtype) for one in sample.inputs]
            grid = [one.reshape(-1) for one in np.meshgrid(*kinds, indexing="ij")]
            graph = applied(primitive, Sample(tuple(grid), sample.attrs))
            graphs.append(graph)
            values |= dict(zip(graph.inputs, grid))
    check(graphs, values)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1000, 100_003])
def test_random_bits_are_those_of_the_reference(count: int) -> None:
    key = input_leaf((2,), dtypes.uint32, "key")
    graph = Graph([leaf.random_bits(key, (count,))], [key])
    given = np.array([0xDEADBEEF, 7], np.uint32)
    (bits,) = run(graph, [given])
    np.testing.assert_array_equal(bits, graph.outputs[0].op.reference(
        graph.outputs[0], given
    ))  # fmt: skip


def test_large_windows_are_visited_in_a_loop() -> None:
    """More than 64 elements a window; NaN, ties and padding as the definition says."""
    random = np.random.default_rng(0)
    x, g = (input_leaf((2, 23, 21), dtypes.float32, name) for name in "xg")
    attrs = ((1, 9, 9), (1, 2, 3), ((0, 0), (3, 2), (4, 4)), (1, 1, 2))
    node = window.window_max(x, *attrs)
    g = input_leaf(node.shape, dtypes.float32, "g")
    values = random.integers(0, 4, (2, 23, 21)).astype(np.float32)
    values[0, 3, 4] = values[1, 20, 20] = np.nan
    given = {x: values, g: random.normal(size=node.shape).astype(np.float32)}
    check([Graph([node, window.window_max_grad(x, g, *attrs)], [x, g])], given)


def test_convolutions_without_spatial_axes_are_products() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    k = np.random.default_rng(1).normal(size=(2, 6)).astype(np.float32)
    g = np.random.default_rng(2).normal(size=(3, 6)).astype(np.float32)
    leaves = [input_leaf(one.shape, one.dtype, "x") for one in (x, k, g)]
    options = ((), (), (), 2)
    nodes = [
        conv(leaves[0], leaves[1], *options),
        conv_input_grad(leaves[2], leaves[1], (), *options),
        conv_kernel_grad(leaves[0], leaves[2], (), *options),
    ]
    check([Graph(nodes, leaves)], dict(zip(leaves, (x, k, g))))


def test_the_last_of_several_assignments_stays() -> None:
    random = np.random.default_rng(0)
    x, updates = random.normal(size=(50, 3)), random.normal(size=(4000, 3))
    places = random.integers(-5, 60, 4000)
    leaves = [input_leaf(one.shape, one.dtype, "x") for one in (x, places, updates)]
    node = indexed.scatter(*leaves, 0, "set")
    (result,) = run(Graph([node], leaves), [x, places, updates])
    expected = x.copy()
    for place, row in zip(np.clip(places, 0, 49), updates):
        expected[place] = row
    np.testing.assert_array_equal(result, expected)


def test_the_angle_of_the_origin_of_a_counter() -> None:
    """Found by random graphs: XLA folds it to NaN."""
    n = leaf.iota((5,), 0, dtypes.float32)
    (result,) = run(Graph([binary.atan2(n, n)]), [])
    np.testing.assert_allclose(result, np.arctan2(np.arange(5), np.arange(5)), 1e-6)


def test_wide_types_do_not_change_what_jax_does_elsewhere() -> None:
    import jax.numpy as jnp

    x = input_leaf((), dtypes.float64, "x")
    (result,) = run(Graph([unary.exp(x)], [x]), [np.asarray(1.0)])
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, np.exp(1.0), rtol=1e-15)
    assert jnp.ones(2).dtype == np.float32
