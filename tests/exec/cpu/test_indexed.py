"""Gathers, scatters and dynamic slices on the cpu executor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir import Node
from nervure.prims.indexed import (
    MODES,
    dynamic_slice,
    dynamic_update_slice,
    gather,
    scatter,
)
from nervure.prims.leaf import full
from nervure.prims.movement import transpose
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import (
    assert_like_reference,
    check_sample,
    leaves,
    samples_of,
)

NAMES = ("gather", "scatter", "dynamic_slice", "dynamic_update_slice")
SHAPES = st.lists(st.integers(1, 20), min_size=1, max_size=4)
INDEX_TYPES = st.sampled_from([dtypes.int64, dtypes.int32, dtypes.uint8, dtypes.int8])


@pytest.mark.parametrize("name, dtype, number", samples_of(*NAMES))
def test_samples(name: str, dtype: DType, number: int) -> None:
    check_sample(name, dtype, number, exact=True)


def turned(node: Node) -> Node:
    """Return the same elements behind a transposition."""
    order = tuple(reversed(range(len(node.shape))))
    return transpose(node, order)


@given(data=st.data(), shape=SHAPES, dtype=INDEX_TYPES)
@examples(50, 100)
def test_random_gathers(data: st.DataObject, shape: list[int], dtype: DType) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    index_shape = data.draw(st.lists(st.integers(1, 6), max_size=2))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = random.normal(size=shape).astype(np.float32)
    lowest = -3 if dtypes.is_signed(dtype) else 0
    indices = np.asarray(random.integers(lowest, 25, index_shape))
    arrays = [x, indices.astype(dtype), x.T.copy(), indices.T.astype(dtype)]
    inputs = leaves(arrays)
    outputs = [
        gather(inputs[0], inputs[1], axis),
        gather(turned(inputs[2]), turned(inputs[3]), axis),
    ]
    assert_like_reference(outputs, inputs, arrays, exact=True, threads=(1, 2, 3))


@given(data=st.data(), shape=SHAPES, mode=st.sampled_from(MODES))
@examples(50, 150)
def test_random_scatters(data: st.DataObject, shape: list[int], mode: str) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    index_shape = data.draw(st.lists(st.integers(1, 9), max_size=2))
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.bfloat16, dtypes.int16]))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = random.normal(size=shape).astype(dtype)
    indices = np.asarray(random.integers(-2, 22, index_shape))
    updates_shape = [*shape[:axis], *index_shape, *shape[axis + 1 :]]
    updates = np.asarray(random.normal(size=updates_shape) * 9)
    arrays = [x, indices, updates.astype(dtype)]
    inputs = leaves(arrays)
    back = leaves([array.T.copy() for array in arrays])
    outputs = [
        scatter(*inputs, axis, mode),
        scatter(full(shape, 1, dtype), *inputs[1:], axis, mode),
        scatter(*map(turned, back), axis, mode),
    ]
    arrays = [*arrays, *(array.T.copy() for array in arrays)]
    assert_like_reference(
        outputs, [*inputs, *back], arrays, exact=True, threads=(1, 2, 3)
    )


@pytest.mark.parametrize("shape, axis, count", [
    ((1000, 64), 0, 500),
    ((300, 7), 0, 2000),
    ((40_000,), 0, 30_000),
    ((3, 5000, 3), 1, 3000),
    ((50, 40_000), 0, 60),
])  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
def test_large_scatters_keep_the_order(
    shape: tuple[int, ...], axis: int, count: int, mode: str
) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(np.float32)
    indices = random.integers(0, shape[axis], count)
    updates = random.normal(size=(*shape[:axis], count, *shape[axis + 1 :]))
    arrays = [x, indices, updates.astype(np.float32)]
    inputs = leaves(arrays)
    outputs = [scatter(*inputs, axis, mode), gather(*inputs[:2], axis)]
    assert_like_reference(outputs, inputs, arrays, exact=True, threads=(1, 2, 3))


@given(data=st.data(), shape=SHAPES)
@examples(50, 100)
def test_random_dynamic_slices(data: st.DataObject, shape: list[int]) -> None:
    piece = [data.draw(st.integers(1, extent)) for extent in shape]
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = random.integers(0, 100, shape).astype(np.int32)
    update = random.integers(0, 100, piece).astype(np.int32)
    starts = random.integers(-3, 20, len(shape))
    arrays = [x, update, starts, x.T.copy(), update.T.copy()]
    inputs = leaves(arrays)
    outputs = [
        dynamic_slice(inputs[0], inputs[2], piece),
        dynamic_update_slice(*inputs[:3]),
        dynamic_slice(turned(inputs[3]), inputs[2], piece),
        dynamic_update_slice(turned(inputs[3]), turned(inputs[4]), inputs[2]),
    ]
    assert_like_reference(outputs, inputs, arrays, exact=True, threads=(1, 2, 3))
