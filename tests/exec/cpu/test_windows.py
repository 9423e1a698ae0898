"""Sums and maxima under windows on the cpu executor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ShapeError
from nervure.prims.movement import broadcast, transpose
from nervure.prims.window import window_max, window_max_grad, window_sum
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import (
    assert_like_reference,
    check_sample,
    leaves,
    samples_of,
)

NAMES = ("window_sum", "window_max", "window_max_grad")


@pytest.mark.parametrize("name, dtype, number", samples_of(*NAMES))
def test_samples(name: str, dtype: DType, number: int) -> None:
    check_sample(name, dtype, number, exact=True)


@given(data=st.data())
@examples(40, 200)
def test_random_windows(data: st.DataObject) -> None:
    spatial = data.draw(st.integers(1, 3))
    sizes = [data.draw(st.integers(1, 8)) for _ in range(spatial)]
    channels = data.draw(st.sampled_from([1, 2, 3, 16, 17, 64, 70, 130]))
    shape = [data.draw(st.integers(1, 3)), *sizes, channels]
    window, strides, dilation = (
        [1, *(data.draw(st.integers(1, 3)) for _ in sizes), 1] for _ in range(3)
    )
    if data.draw(st.booleans()):
        strides, dilation = window, [1] * len(shape)
    padding = [(0, 0)] * len(shape)
    if data.draw(st.booleans()):
        inner = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2)))
                 for _ in sizes]  # fmt: skip
        padding = [(0, 0), *inner, (0, 0)]
    attrs = (window, strides, padding, dilation)
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.bfloat16, dtypes.int32]))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    # small whole numbers: ties are frequent, and every sum is exact
    x = random.integers(-3, 4, shape).astype(dtype)
    if dtypes.is_float(dtype):
        x[random.random(shape) < 0.05] = np.nan
    (leaf,) = leaves([x])
    try:
        outputs = [window_sum(leaf, *attrs)]
        best = window_max(leaf, *attrs)
    except ShapeError:
        return
    g = random.integers(-3, 4, best.shape).astype(dtype)
    arrays = [x, g, x.T.copy(), g.T.copy(), g[..., 0].copy()]
    inputs = leaves(arrays)
    order = tuple(reversed(range(len(shape))))
    back = [transpose(one, order) for one in inputs[2:4]]
    spread = broadcast(inputs[4], best.shape, tuple(range(len(shape) - 1)))
    outputs = [
        window_sum(inputs[0], *attrs),
        window_max(inputs[0], *attrs),
        window_max_grad(*inputs[:2], *attrs),
        window_max_grad(inputs[0], spread, *attrs),
        window_max(back[0], *attrs),
        window_max_grad(*back, *attrs),
    ]
    assert_like_reference(outputs, inputs, arrays, exact=True, threads=(1, 2, 3))


@pytest.mark.parametrize("shape, size, stride", [
    ((32, 26, 26, 32), 2, 2),
    ((8, 11, 11, 32), 2, 2),
    ((4, 30, 31, 20), 3, 2),
    ((2, 33, 33, 200), 3, 3),
])  # fmt: skip
def test_pooling(shape: tuple[int, ...], size: int, stride: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(np.float32)
    attrs = ((1, size, size, 1), (1, stride, stride, 1))
    (leaf,) = leaves([x])
    counts = window_max(leaf, *attrs).shape
    g = random.normal(size=counts).astype(np.float32)
    inputs = leaves([x, g])
    outputs = [window_max(inputs[0], *attrs), window_max_grad(*inputs, *attrs),
               window_sum(inputs[0], *attrs)]  # fmt: skip
    assert math.prod(counts) > 0
    assert_like_reference(outputs, inputs, [x, g], threads=(1, 2, 3))
