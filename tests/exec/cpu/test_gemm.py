"""Matrix products on the cpu executor: every shape, axis order, type and epilogue."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu.executor import CpuExecutor
from nervure.exec.cpu.gemm_blocking import Packing, choose_blocking
from nervure.exec.cpu.gemm_problem import find_operands, make_problem
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.exec.cpu.views import contiguous_strides
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims.binary import add, lt, maximum, mul, sub
from nervure.prims.contract import dot
from nervure.prims.leaf import (
    const,
    full,
    full_like,
    input_leaf,
    iota,
    random_bits,
)
from nervure.prims.movement import broadcast, reshape, reverse, transpose
from nervure.prims.reduce import reduce_sum
from nervure.prims.select import cast, select
from nervure.prims.slicing import slice_
from nervure.prims.unary import tanh
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import (
    assert_like_reference,
    check_sample,
    leaves,
    samples_of,
)

F32 = dtypes.float32
THREADS = (1, 2, 3, 4)
KINDS = ("NN", "NT", "TN", "TT")
# Narrow floats need conversions that not every machine has instructions for.
EVERYWHERE = (dtypes.float32, dtypes.float64, dtypes.int8, dtypes.int32, dtypes.uint64)


def values(shape: Sequence[int], dtype: DType = F32, seed: int = 0) -> NDArray:
    """Return random operands: whole numbers for integers, else about one."""
    random = np.random.default_rng([seed, *shape])
    if dtypes.is_integer(dtype):
        limits = np.iinfo(dtype)
        return random.integers(max(limits.min, -99), 99, shape).astype(dtype)
    return random.standard_normal(shape).astype(dtype)


def product(kind: str, m: int, k: int, n: int, dtype: DType) -> tuple[Any, Any, Any]:
    """Return a dot of two leaves, the leaves, and values for them."""
    x = values((k, m) if kind[0] == "T" else (m, k), dtype)
    y = values((n, k) if kind[1] == "T" else (k, n), dtype, 1)
    inputs = leaves([x, y])
    contract = ((int(kind[0] == "N"),), (int(kind[1] == "T"),))
    return dot(*inputs, contract=contract), inputs, [x, y]


def tolerance(dtype: DType, k: int) -> float:
    """Return the error that a sum of k products may have."""
    digits = {dtypes.float64: 1e-13, dtypes.float32: 1e-6, dtypes.float16: 2e-3}
    return digits.get(dtype, 2e-2) * (1 + k**0.5)


def kernels(outputs: Sequence[Node], inputs: Sequence[Node]) -> list[str]:
    """Return the labels of a graph's kernels in order."""
    plan = Plan(Graph(outputs, inputs), target())
    return [call.kernel.name.rpartition("_")[0] for call in plan.calls]


# --- shapes and types ----------------------------------------------------------------


@pytest.mark.parametrize("name, dtype, number", samples_of("dot"))
def test_samples(name: str, dtype: DType, number: int) -> None:
    check_sample(name, dtype, number, exact=False)


SIZES = [
    (1, 1, 1), (3, 5, 7), (16, 16, 16), (17, 33, 65), (6, 70, 6), (33, 17, 130),
    (1, 100, 40), (40, 100, 1), (1, 300, 1), (2, 2000, 3), (70, 1, 90), (128, 32, 10),
    (129, 64, 1), (64, 200, 96), (130, 300, 331), (5, 2500, 40), (9, 31, 5),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m, k, n", SIZES)
def test_sizes(m: int, k: int, n: int, kind: str) -> None:
    node, inputs, arrays = product(kind, m, k, n, F32)
    assert_like_reference(
        [node], inputs, arrays, tolerance=tolerance(F32, k), threads=THREADS
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", contract_types := [
    dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.int8, dtypes.uint16,
    dtypes.int32, dtypes.uint64,
])  # fmt: skip
@pytest.mark.parametrize("m, k, n", [(1, 70, 40), (33, 40, 21), (70, 130, 65)])
def test_types(m: int, k: int, n: int, dtype: DType, kind: str) -> None:
    node, inputs, arrays = product(kind, m, k, n, dtype)
    assert_like_reference(
        [node], inputs, arrays, tolerance=tolerance(dtype, k), threads=(1, 2)
    )


def test_integers_wrap_around() -> None:
    for dtype in (dtypes.int8, dtypes.uint16, dtypes.int32, dtypes.uint64):
        limits = np.iinfo(dtype)
        x = np.full((20, 33), limits.max, dtype)
        y = np.full((33, 18), limits.max - 1, dtype)
        inputs = leaves([x, y])
        node = dot(*inputs, contract=((1,), (0,)))
        assert_like_reference([node], inputs, [x, y], exact=True)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize("dtype", [dtypes.int8, dtypes.float16])
def test_batches_of_tiny_products_that_are_converted(
    shape: tuple[int, int], dtype: DType
) -> None:
    m, k = shape
    arrays = [values((5, m, k), dtype), values((5, k, 2), dtype)]
    inputs = leaves(arrays)
    node = dot(*inputs, ((0,), (0,)), contract=((2,), (1,)))
    assert_like_reference([node], inputs, arrays, threads=(1, 2))


def test_nothing_summed_gives_zeros() -> None:
    inputs = leaves([values((40, 0)), values((0, 50)), values((40, 50))])
    node = add(dot(inputs[0], inputs[1], contract=((1,), (0,))), inputs[2])
    arrays = [values((40, 0)), values((0, 50)), values((40, 50))]
    assert_like_reference([node], inputs, arrays, exact=True)


def test_nan_and_infinity_stay_in_their_row_and_column() -> None:
    x, y = values((37, 50)), values((50, 41))
    x[3, 7], y[9, 40] = np.inf, np.nan
    inputs = leaves([x, y])
    node = dot(*inputs, contract=((1,), (0,)))
    assert_like_reference([node], inputs, [x, y], tolerance=1e-4)


def test_long_sums_are_cut_into_parts() -> None:
    """Few results of a long sum: threads make parts, added in a fixed order."""
    node, inputs, arrays = product("TN", 9, 30_001, 7, F32)
    assert kernels([node], inputs) == ["dot", "dot_add"]
    assert_like_reference([node], inputs, arrays, tolerance=1e-3, threads=THREADS)
    node, inputs, arrays = product("NT", 2, 300_007, 2, F32)
    assert kernels([node], inputs) == ["dot", "dot_add"]
    assert_like_reference([node], inputs, arrays, tolerance=1e-2, threads=THREADS)


def test_parts_of_products_with_batches_and_narrow_types() -> None:
    x, y = (
        values((2, 40_000, 3), dtypes.float16),
        values((2, 40_000, 5), dtypes.float16),
    )
    inputs = leaves([x * np.float16(0.1), y])
    node = dot(*inputs, ((0,), (0,)), contract=((1,), (1,)))
    assert kernels([node], inputs)[-1] == "dot_add"
    arrays = [x * np.float16(0.1), y]
    assert_like_reference([node], inputs, arrays, tolerance=0.1, threads=THREADS)


# --- axes and views ------------------------------------------------------------------


@st.composite
def general_products(draw: st.DrawFn) -> tuple[Node, list[Node], list[NDArray]]:
    """Draw a dot of any axes, of operands read through views."""
    sizes = st.sampled_from([1, 2, 3, 4, 5, 8, 17, 33])
    room = 20_000  # elements of all axes together
    kinds: list[list[int]] = [[], [], [], []]
    for kind in (*kinds, *kinds):
        extent = draw(sizes)
        if draw(st.booleans()) and extent <= room:
            room //= extent
            kind.append(extent)
    batch, contract, x_free, y_free = kinds
    dtype = draw(st.sampled_from([F32, F32, dtypes.float64, dtypes.int32, dtypes.int8]))
    operands, arrays, axes = [], [], []
    for free in (x_free, y_free):
        extents = [*batch, *contract, *free]
        order = draw(st.permutations(range(len(extents))))
        shape = [extents[place] for place in order]
        node, array = draw(viewed(shape, dtype, len(arrays)))
        operands.append(node)
        arrays.append(array)
        where = [list(order).index(place) for place in range(len(extents))]
        axes.append(where)
    b, c = len(batch), len(contract)
    node = dot(
        _top(operands[0]), _top(operands[1]),
        (tuple(axes[0][:b]), tuple(axes[1][:b])),
        (tuple(axes[0][b : b + c]), tuple(axes[1][b : b + c])),
    )  # fmt: skip
    return node, [leaf for _, leaf in operands], arrays


def _top(pair: tuple[Node, Node]) -> Node:
    return pair[0]


@st.composite
def viewed(
    draw: st.DrawFn, shape: list[int], dtype: DType, number: int
) -> tuple[tuple[Node, Node], NDArray]:
    """Draw a leaf and a view of it that has a shape."""
    kind = draw(st.sampled_from(["plain", "transpose", "slice", "reverse", "repeat"]))
    rank = len(shape)
    if kind == "transpose" and rank:
        order = draw(st.permutations(range(rank)))
        array = values([shape[axis] for axis in order], dtype, number)
        leaf = input_leaf(array.shape, dtype, f"x{number}")
        return (transpose(leaf, np.argsort(order).tolist()), leaf), array
    if kind == "slice" and rank:
        step = draw(st.integers(1, 2))
        array = values([extent * step + 2 for extent in shape], dtype, number)
        leaf = input_leaf(array.shape, dtype, f"x{number}")
        limits = [1 + (extent - 1) * step + 1 for extent in shape]
        return (slice_(leaf, (1,) * rank, limits, (step,) * rank), leaf), array
    if kind == "repeat" and rank:
        kept = draw(st.integers(0, rank - 1))
        array = values([shape[kept]], dtype, number)
        leaf = input_leaf(array.shape, dtype, f"x{number}")
        return (broadcast(leaf, shape, (kept,)), leaf), array
    array = values(shape, dtype, number)
    leaf = input_leaf(array.shape, dtype, f"x{number}")
    node = reverse(leaf, (0,)) if kind == "reverse" and rank else leaf
    return (node, leaf), array


@given(general_products())
@examples(30, 150)
def test_random_axes_and_views(
    drawn: tuple[Node, list[Node], list[NDArray]],
) -> None:
    node, inputs, arrays = drawn
    limit = 1e-10 if node.dtype == dtypes.float64 else 1e-3
    assert_like_reference([node], inputs, arrays, tolerance=limit, threads=THREADS)


@given(
    st.tuples(*[st.integers(1, 70)] * 3),
    st.sampled_from(KINDS),
    st.sampled_from(EVERYWHERE),
    st.sampled_from(["avx512", "avx2", "baseline"]),
)
@examples(30, 150)
def test_random_sizes_on_every_level(
    size: tuple[int, int, int], kind: str, dtype: DType, level: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        force_level(patch, level)
        node, inputs, arrays = product(kind, *size, dtype)
        limit = tolerance(dtype, size[1]) if dtypes.is_float(dtype) else None
        assert_like_reference([node], inputs, arrays, tolerance=limit, threads=(1, 3))


def force_level(patch: pytest.MonkeyPatch, level: str) -> None:
    """Compile for less than this machine has; a level it lacks is passed over."""
    from nervure.errors import SettingError

    patch.setenv("NERVURE_CPU_LEVEL", level)
    try:
        target()
    except SettingError:
        patch.delenv("NERVURE_CPU_LEVEL")


def test_attention_needs_no_copies() -> None:
    """Heads beside each other in memory are batch axes with strides of their own."""
    batch, length, heads, width = 3, 20, 4, 16
    q, k = (values((batch, length, heads, width), seed=seed) for seed in (0, 1))
    inputs = leaves([q, k])
    scores = dot(*inputs, ((0, 2), (0, 2)), contract=((3,), (3,)))
    context = dot(scores, inputs[1], ((0, 1), (0, 2)), contract=((3,), (1,)))
    assert kernels([context], inputs) == ["dot", "dot"]
    assert_like_reference([context], inputs, [q, k], tolerance=1e-3, threads=THREADS)


def test_one_matrix_for_all_batches_is_one_product() -> None:
    x, w = values((6, 7, 20)), values((20, 30))
    leaf, weights = leaves([x, w])
    repeated = broadcast(weights, (6, 20, 30), (1, 2))
    node = dot(leaf, repeated, ((0,), (0,)), contract=((2,), (1,)))
    operands = find_operands(node, target(), _no_copies)
    problem = make_problem(node, operands, [contiguous_strides(node.shape)])
    assert (problem.batch, problem.m) == ((), 42)
    assert_like_reference([node], [leaf, weights], [x, w], tolerance=1e-5)


def _no_copies(node: Node, machine: object) -> None:
    pytest.fail(f"{node} was copied")


# --- epilogues -----------------------------------------------------------------------


def dense(m: int = 37, k: int = 50, n: int = 41) -> tuple[Node, list[Node], list[Any]]:
    """Return ``x @ w + b``, its inputs and values for them."""
    arrays = [values((m, k)), values((k, n)), values((n,))]
    x, w, bias = inputs = leaves(arrays)
    node = dot(x, w, contract=((1,), (0,)))
    return add(node, broadcast(bias, (m, n), (1,))), inputs, arrays


def relu(x: Node) -> Node:
    return maximum(x, full_like(x, 0))


@pytest.mark.parametrize("level", ["avx512", "avx2", "baseline"])
@pytest.mark.parametrize(
    "size", [(37, 50, 41), (1, 64, 30), (128, 300, 33), (5, 2000, 3), (70, 1500, 80)]
)
def test_bias_and_activation_are_computed_on_the_sums(
    size: tuple[int, int, int], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    force_level(monkeypatch, level)
    node, inputs, arrays = dense(*size)
    for output in (relu(node), tanh(relu(node))):
        assert kernels([output], inputs) == ["dot"]
        assert_like_reference([output], inputs, arrays, tolerance=1e-3, threads=THREADS)


def test_sums_and_intermediate_values_can_be_stored_too() -> None:
    node, inputs, arrays = dense()
    outputs = [relu(node), node, node.inputs[0], lt(node, full_like(node, 0))]
    assert kernels(outputs, inputs) == ["dot"]
    assert_like_reference(outputs, inputs, arrays, tolerance=1e-4, threads=THREADS)


def test_dropout_is_computed_on_the_sums() -> None:
    node, inputs, arrays = dense(70, 30, 100)
    key = input_leaf((2,), dtypes.uint32, "key")
    bits = random_bits(key, node.shape)
    kept = lt(bits, full_like(bits, 2**31))
    dropped = select(kept, relu(node), full_like(node, 0))
    inputs, arrays = [*inputs, key], [*arrays, np.array([1, 2], np.uint32)]
    assert kernels([dropped, kept], inputs) == ["dot"]
    assert_like_reference(
        [dropped, kept], inputs, arrays, tolerance=1e-4, threads=THREADS
    )


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [(37, 50, 41), (16, 600, 3), (130, 128, 260)])
def test_the_update_of_weights_is_computed_on_their_gradient(
    size: tuple[int, int, int], turned: bool
) -> None:
    m, k, n = size
    arrays = [values((m, k)), values((m, n)), values((k, n)), values((k, n), seed=1)]
    x, g, w, speed = inputs = leaves(arrays)
    gradient = dot(x, g, contract=((0,), (0,)))
    if turned:  # differentiation may give the transpose of this product
        gradient = transpose(dot(g, x, contract=((0,), (0,))), (1, 0))
    faster = add(mul(speed, full_like(speed, 0.9)), gradient)
    outputs = [sub(w, mul(faster, full_like(faster, 0.1))), faster]
    assert kernels(outputs, inputs) == ["dot"]
    assert_like_reference(outputs, inputs, arrays, tolerance=1e-3, threads=THREADS)


def test_an_update_is_written_over_the_old_value() -> None:
    arrays = [values((40, 30)), values((20, 40)), values((20, 30))]
    w, x, g = inputs = leaves(arrays)
    gradient = dot(x, g, contract=((0,), (0,)))
    updated = sub(w, mul(gradient, full_like(gradient, 0.1)))
    graph = Graph([updated], inputs)
    plan = Plan(graph, target(), 1, 0)
    assert list(plan.in_place) == [w]
    assert [call.kernel.name.rpartition("_")[0] for call in plan.calls] == ["dot"]
    steps = [np.stack([array] * 5) for array in arrays[1:]]
    program = CpuExecutor().compile_step(graph, 1, 0)
    (result,) = program.run(arrays[:1], [], steps)
    wanted = arrays[0] - 5 * 0.1 * (arrays[1].T @ arrays[2])
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


def test_weights_that_are_multiplied_are_not_overwritten_meanwhile() -> None:
    arrays = [values((40, 40)), values((40, 40))]
    w, x = inputs = leaves(arrays)
    updated = sub(w, dot(w, x, contract=((1,), (0,))))
    graph = Graph([updated], inputs)
    assert not Plan(graph, target(), 1, 0).in_place
    program = CpuExecutor().compile_step(graph, 1, 0)
    (result,) = program.run(arrays[:1], [], [np.stack([arrays[1] * 0.1] * 3)])
    wanted = arrays[0].astype(np.float64)
    for _ in range(3):
        wanted = wanted - wanted @ (arrays[1] * 0.1)
    np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=1e-3)


def test_what_is_added_may_repeat_over_any_axis() -> None:
    """Rows that do not join because of another operand become batch axes."""
    arrays = [values((5, 6, 20)), values((20, 3, 7)), values((6, 7)), values((5,))]
    x, w, table, each = inputs = leaves(arrays)
    node = dot(x, w, contract=((2,), (0,)))
    shape = node.shape
    total = add(node, broadcast(table, shape, (1, 3)))
    total = mul(total, broadcast(each, shape, (0,)))
    assert kernels([total], inputs) == ["dot"]
    assert_like_reference([total], inputs, arrays, tolerance=1e-4, threads=THREADS)


def test_a_group_reads_one_product_on_the_way_and_others_from_memory() -> None:
    arrays = [values((30, 20)), values((20, 25)), values((30, 40)), values((40, 25))]
    x, w, h, u = inputs = leaves(arrays)
    both = add(dot(x, w, contract=((1,), (0,))), dot(h, u, contract=((1,), (0,))))
    assert kernels([tanh(both)], inputs) == ["dot", "dot"]
    assert_like_reference([tanh(both)], inputs, arrays, tolerance=1e-4)


@given(general_products(), st.data())
@examples(30, 150)
def test_random_epilogues(
    drawn: tuple[Node, list[Node], list[NDArray]], data: st.DataObject
) -> None:
    node, inputs, arrays = drawn
    outputs = []
    rank = len(node.shape)
    steps = st.sampled_from(["bias", "transpose", "relu", "bits", "iota", "keep"])
    for step in data.draw(st.lists(steps, min_size=1, max_size=5)):
        kept: tuple[int, ...] = ()
        if rank and step in ("bias", "transpose", "iota"):
            kept = tuple(sorted(data.draw(st.sets(st.integers(0, rank - 1)))))
        if step in ("bias", "transpose"):
            order = kept[::-1] if step == "transpose" else kept
            arrays.append(values([node.shape[axis] for axis in order], node.dtype, 9))
            inputs.append(input_leaf(arrays[-1].shape, node.dtype, f"b{len(inputs)}"))
            other = inputs[-1]
            if step == "transpose":
                other = transpose(other, tuple(range(len(kept)))[::-1])
            node = add(node, broadcast(other, node.shape, kept))
        elif step == "iota" and kept:
            node = add(node, cast(iota(node.shape, kept[0], dtypes.int64), node.dtype))
        elif step == "bits":
            key = const(np.array([len(inputs), 2], np.uint32))
            bits = random_bits(key, node.shape)
            chosen = lt(bits, full_like(bits, 2**31))
            node = select(chosen, node, full_like(node, 0))
        elif step == "relu":
            node = maximum(node, full_like(node, 0))
        else:
            outputs.append(node)
    limit = 1e-10 if node.dtype == dtypes.float64 else 1e-3
    assert_like_reference(
        [*outputs, node], inputs, arrays, tolerance=limit, threads=(1, 3)
    )


def test_no_circle_is_made() -> None:
    """A group that waits for another reader of the product is not joined."""
    x = input_leaf((30, 30), F32, "x")
    first = dot(x, x, contract=((1,), (0,)))
    total = broadcast(reduce_sum(first, (0,)), (30, 30), (1,))
    outputs = [sub(first, total), dot(first, first, contract=((1,), (0,)))]
    arrays = [values((30, 30))]
    assert "map" in kernels(outputs, [x])
    assert_like_reference(outputs, [x], arrays, tolerance=1e-3)


def test_a_product_read_at_other_places_is_stored() -> None:
    x = input_leaf((30, 30), F32, "x")
    first = dot(x, x, contract=((1,), (0,)))
    outputs = [add(first, transpose(first, (1, 0))), reshape(first, (900,))]
    assert_like_reference(outputs, [x], [values((30, 30))], tolerance=1e-4)
    turned = transpose(first, (1, 0))
    outputs = [mul(turned, full_like(turned, 2.0)), turned]
    assert_like_reference(outputs, [x], [values((30, 30))], tolerance=1e-4)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.int8, dtypes.int64])
def test_epilogues_of_other_types(dtype: DType) -> None:
    arrays = [values((30, 40), dtype), values((40, 50), dtype), values((50,), dtype)]
    x, w, bias = inputs = leaves(arrays)
    node = add(dot(x, w, contract=((1,), (0,))), broadcast(bias, (30, 50), (1,)))
    output = maximum(node, full(node.shape, 0, dtype))
    assert "map" not in kernels([output], inputs)
    assert_like_reference([output], inputs, arrays, tolerance=0.05, threads=(1, 2))


# --- the cuts ------------------------------------------------------------------------


def blocking_of(kind: str, m: int, k: int, n: int, dtype: DType = F32) -> Any:
    node, _, _ = product(kind, 1, 1, 1, dtype)
    x = input_leaf((k, m) if kind[0] == "T" else (m, k), dtype, "x")
    y = input_leaf((n, k) if kind[1] == "T" else (k, n), dtype, "y")
    node = dot(x, y, contract=((int(kind[0] == "N"),), (int(kind[1] == "T"),)))
    operands = find_operands(node, target(), _no_copies)
    problem = make_problem(node, operands, [contiguous_strides(node.shape)])
    return choose_blocking(problem, target())


@given(st.tuples(*[st.integers(1, 3000)] * 3), st.sampled_from(KINDS),
       st.sampled_from(["avx512", "avx2", "baseline"]))  # fmt: skip
@examples(100, 200)
def test_tiles_cover_every_result_once(
    size: tuple[int, int, int], kind: str, level: str
) -> None:
    m, k, n = size
    with pytest.MonkeyPatch.context() as patch:
        force_level(patch, level)
        machine = target()
        cut = blocking_of(kind, m, k, n)
    assert sum(one.rows * one.count for one in cut.tiles) == m
    starts = [one.start for one in cut.tiles]
    assert starts == [0, *itertools.accumulate(
        one.rows * one.count for one in cut.tiles[:-1]
    )]  # fmt: skip
    assert (cut.panels - 1) * cut.panel.stride + cut.last.columns == n
    assert cut.blocks * cut.tiles_per_block >= cut.tile_count
    assert 0 < cut.depth <= k
    for rows in (one.rows for one in cut.tiles):
        room = machine.registers - (2 if rows > 1 else 1)
        assert rows * len(cut.panel.widths) <= room
    if cut.packing is not Packing.NONE:
        assert cut.depth * cut.panel.stride * 4 <= 2**18


@pytest.mark.parametrize("size", [(128, 784, 1024), (1024, 128, 1024), (128, 32, 10)])
@pytest.mark.parametrize("kind", ["NN", "TN", "NT"])
def test_code_stays_small(size: tuple[int, int, int], kind: str) -> None:
    """Compile time grows with the number of instructions."""
    node, inputs, _ = product(kind, *size, F32)
    plan = Plan(Graph([node], inputs), replace(target(), check=False))
    assert sum(call.kernel.text.count("\n") for call in plan.calls) < 700


def test_equal_products_share_a_kernel() -> None:
    arrays = [values((20, 20)) for _ in range(3)]
    x, y, z = inputs = leaves(arrays)
    outputs = [dot(x, y, contract=((1,), (0,))), dot(y, z, contract=((1,), (0,)))]
    plan = Plan(Graph(outputs, inputs), target())
    assert len({call.kernel.name for call in plan.calls}) == 1


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    node, inputs, arrays = product("NT", 150, 1100, 170, F32)
    program = CpuProgram(Graph([node], inputs), target())
    results = set()
    for threads in (1, 2, 3, 4, 7):
        with config.override(num_threads=threads):
            results.add(program(arrays)[0].tobytes())
    assert len(results) == 1
