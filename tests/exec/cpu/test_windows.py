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
from nervure.exec.cpu.layout import Layout
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.exec.cpu.window_nest import UNROLLED
from nervure.ir import Graph
from nervure.prims.binary import add, lt
from nervure.prims.convolution import conv
from nervure.prims.movement import broadcast, transpose
from nervure.prims.select import select
from nervure.prims.unary import tanh
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


@given(data=st.data())
@examples(20, 60)
def test_gradients_of_maxima_that_were_noted(data: st.DataObject) -> None:
    window = [1, *data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)), 1]
    rests = [0, *(data.draw(st.integers(0, one - 1)) for one in window[1:-1]), 0]
    counts = [data.draw(st.sampled_from([1, 2, 3, 33])),
              *(data.draw(st.integers(1, 4)) for _ in window[1:-1]),
              data.draw(st.sampled_from([1, 3, 16, 40, 130]))]  # fmt: skip
    shape = [n * k + r for n, k, r in zip(counts, window, rests)]
    attrs = (window, window)
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    # small whole numbers: ties are frequent, and every product is exact
    x = random.integers(-3, 4, shape).astype(np.float32)
    x[random.random(shape) < 0.05] = np.nan
    factor = random.integers(-3, 4, shape[1:]).astype(np.float32)
    inputs = leaves([x, factor])
    best = window_max(inputs[0], *attrs)
    gradient = window_max_grad(inputs[0], add(best, best), *attrs)
    spread = broadcast(inputs[1], tuple(shape), tuple(range(1, len(shape))))
    after = select(lt(inputs[0], spread), spread, gradient)  # an epilogue
    outputs = [after, best, *([gradient] if data.draw(st.booleans()) else [])]
    plan = Plan(Graph(outputs, inputs), target())
    names = [call.kernel.name for call in plan.calls]
    noted = any(name.startswith("window_max_noted") for name in names)
    assert noted == (math.prod(window) <= UNROLLED)
    assert_like_reference(outputs, inputs, [x, factor], exact=True, threads=(1, 2, 3))


def test_a_value_that_only_one_chain_needs_is_never_whole() -> None:
    images, weights = np.zeros((64, 32, 32, 32)), np.zeros((3, 3, 32, 32))
    inputs = leaves([images.astype(np.float32), weights.astype(np.float32)])
    first = tanh(conv(*inputs, (1, 1), ((0, 0), (0, 0)), (1, 1), 1))
    best = window_max(first, (1, 2, 2, 1), (1, 2, 2, 1))
    layout = Layout(Plan(Graph([best], inputs), target()))
    assert first in layout.private
    assert layout.total_nbytes(2) < first.nbytes / 2
    assert layout.total_nbytes(4) - layout.total_nbytes(2) == 2 * layout.thread_nbytes
