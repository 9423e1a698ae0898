"""Running sums, sorting and argmax on the cpu executor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.attrs import NDArray
from nervure.prims.leaf import iota
from nervure.prims.movement import transpose
from nervure.prims.order import cumsum, sort
from nervure.prims.reduce import argmax
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import (
    assert_like_reference,
    check_sample,
    leaves,
    samples_of,
)

SHAPES = st.lists(st.integers(1, 20), min_size=1, max_size=4)
TYPES = st.sampled_from(dtypes.ALL)


@pytest.mark.parametrize("name, dtype, number", samples_of("cumsum", "sort", "argmax"))
def test_samples(name: str, dtype: DType, number: int) -> None:
    check_sample(name, dtype, number, exact=name != "cumsum")


def tied(random: Any, shape: list[int], dtype: DType) -> NDArray:
    """Return values many of which are equal, with NaN and both zeros among them."""
    values = random.integers(-4, 5, shape).astype(np.float64)
    if dtypes.is_float(dtype):
        values[random.random(shape) < 0.1] = np.nan
        values[random.random(shape) < 0.1] = -0.0
        values[random.random(shape) < 0.1] = np.inf
        values[random.random(shape) < 0.1] = -np.inf
    elif not dtypes.is_signed(dtype):
        values = np.abs(values)
    result: NDArray = values.astype(dtype)
    return result


@given(data=st.data(), shape=SHAPES, dtype=TYPES)
@examples(40, 150)
def test_random_lines(data: st.DataObject, shape: list[int], dtype: DType) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    if data.draw(st.booleans()):
        shape[axis] = data.draw(st.sampled_from([130, 600, 1000]))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = tied(random, shape, dtype)
    (leaf,) = inputs = leaves([x])
    order = tuple(reversed(range(len(shape))))
    back = transpose(leaf, order)
    falling = data.draw(st.booleans())
    places = iota(leaf.shape, axis)
    outputs = [
        argmax(leaf, axis),
        argmax(back, len(shape) - 1 - axis),
        sort(leaf, places, axis, falling),
        sort(back, transpose(places, order), len(shape) - 1 - axis, falling),
        sort(leaf, leaf, axis, not falling),
    ]
    assert_like_reference(outputs, inputs, [x], exact=True, threads=(1, 2, 3))


@given(data=st.data(), shape=SHAPES, reverse=st.booleans())
@examples(50, 100)
def test_random_sums(data: st.DataObject, shape: list[int], reverse: bool) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.float16, dtypes.uint8]))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = (random.normal(size=shape) * 3).astype(dtype)
    (leaf,) = inputs = leaves([x])
    back = transpose(leaf, tuple(reversed(range(len(shape)))))
    outputs = [
        cumsum(leaf, axis, reverse),
        cumsum(back, len(shape) - 1 - axis, reverse),
    ]
    assert_like_reference(outputs, inputs, [x], exact=True, threads=(1, 2, 3))


@pytest.mark.parametrize(
    "dtype", [np.uint32, np.float32, np.int64, np.float64, np.bool_]
)
def test_long_sorts(dtype: Any) -> None:
    random = np.random.default_rng(0)
    x = (random.normal(size=(2, 60_000)) * 1e4).astype(dtype)
    (leaf,) = inputs = leaves([x])
    outputs = [sort(leaf, iota(leaf.shape, 1), 1), sort(leaf, leaf, 1, True),
               argmax(leaf, 1), argmax(leaf, 0)]  # fmt: skip
    assert_like_reference(outputs, inputs, [x], exact=True, threads=(1, 2, 3))
