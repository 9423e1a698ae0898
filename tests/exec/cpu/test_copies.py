"""Padding, concatenation and annotations on the cpu executor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ShapeError
from nervure.exec.cpu.program import Plan
from nervure.exec.cpu.target import target
from nervure.ir import Graph
from nervure.prims.annotate import custom_gradient, stop_gradient
from nervure.prims.binary import add
from nervure.prims.leaf import input_leaf
from nervure.prims.movement import concatenate, reverse, transpose
from nervure.prims.slicing import pad, slice_
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import (
    assert_like_reference,
    check_sample,
    leaves,
    samples_of,
)

NAMES = ("pad", "concatenate", "stop_gradient", "custom_gradient", "checkpoint")


@pytest.mark.parametrize("name, dtype, number", samples_of(*NAMES))
def test_samples(name: str, dtype: DType, number: int) -> None:
    check_sample(name, dtype, number, exact=True)


@given(data=st.data())
@examples(100, 150)
def test_random_padding(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.int8, dtypes.float64]))
    amounts = st.integers(-3, 5)
    size = len(shape)
    low, high = (data.draw(st.lists(amounts, min_size=size, max_size=size))
                 for _ in range(2))  # fmt: skip
    inner = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    (leaf,) = inputs = leaves([x])
    if data.draw(st.booleans()):
        leaf = transpose(leaf, tuple(reversed(range(size))))
    if data.draw(st.booleans()):
        leaf = reverse(leaf, (0,))
    try:
        node = pad(leaf, low, high, inner, 7)
    except ShapeError:
        return
    assert_like_reference([node], inputs, [x], exact=True, threads=(1, 2, 3))


def test_long_rows_are_cut_into_pieces() -> None:
    x = np.arange(100_003, dtype=np.float32)
    (leaf,) = inputs = leaves([x])
    outputs = [
        pad(leaf, (17,), (70_000,)),
        pad(leaf, (-17,), (5,), (2,), 3),
        concatenate([leaf, slice_(leaf, (3,), (100,), (2,)), leaf], 0),
    ]
    assert_like_reference(outputs, inputs, [x], exact=True, threads=(1, 2, 3))


@given(data=st.data())
@examples(60, 100)
def test_random_concatenation(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    extents = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=4))
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.bool_, dtypes.int16]))
    arrays = []
    random = np.random.default_rng(0)
    for extent in extents:
        shape[axis] = extent
        arrays.append(random.integers(0, 2, shape).astype(dtype))
    inputs = leaves(arrays)
    node = concatenate(inputs, axis)
    backwards = concatenate([transpose(one, tuple(reversed(range(len(shape)))))
                             for one in inputs], len(shape) - 1 - axis)  # fmt: skip
    assert_like_reference([node, backwards], inputs, arrays, exact=True)


def test_annotations_cost_nothing() -> None:
    x = input_leaf((3, 4), dtypes.float32, "x")
    marked = custom_gradient(stop_gradient(x), [x], lambda _, g: (g,))
    assert len(Plan(Graph([add(marked, x)], [x]), target()).calls) == 1
    values = np.ones((3, 4), np.float32)
    assert_like_reference([add(marked, x)], [x], [values])
