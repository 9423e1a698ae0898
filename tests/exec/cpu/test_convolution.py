"""Convolutions and their gradients on the cpu executor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError, ShapeError
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.prims.binary import add, div, lt, maximum, mul
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.leaf import full_like
from nervure.prims.movement import broadcast, reshape, transpose
from nervure.prims.select import select
from nervure.prims.unary import exp, neg, sqrt, tanh
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import (
    assert_like_reference,
    check_sample,
    leaves,
    samples_of,
)

NAMES = ("conv", "conv_input_grad", "conv_kernel_grad")


@pytest.mark.parametrize("name, dtype, number", samples_of(*NAMES))
def test_samples(name: str, dtype: DType, number: int) -> None:
    check_sample(name, dtype, number, exact=False)


def turned(node: Node) -> Node:
    """Return the same elements behind a transposition."""
    return transpose(node, tuple(reversed(range(len(node.shape)))))


@given(data=st.data())
@examples(30, 150)
def test_random_convolutions(data: st.DataObject) -> None:
    rank = data.draw(st.sampled_from([2, 2, 2, 1, 3]))
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    sizes = [draw(1, 9 if rank == 3 else 15) for _ in range(rank)]
    window, strides, dilation = ([draw(1, 3) for _ in sizes] for _ in range(3))
    if data.draw(st.booleans()):
        strides, dilation = [1] * rank, [1] * rank
    padding = [(draw(0, 2), draw(0, 2)) for _ in sizes]
    if data.draw(st.booleans()):
        padding = [(0, 0)] * rank
    groups = data.draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels = data.draw(st.sampled_from([1, 2, 3, 5, 16]))
    filters = data.draw(st.sampled_from([1, 3, 10, 16, 32, 33, 48, 70]))
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.float64, dtypes.float16]))
    batch = draw(1, 5)
    options: Any = (strides, padding, dilation, groups)
    random = np.random.default_rng(draw(0, 99))
    x = random.normal(size=(batch, *sizes, channels * groups)).astype(dtype)
    kernel = random.normal(size=(*window, channels, filters * groups)).astype(dtype)
    try:
        shape = conv(*leaves([x, kernel]), *options).shape
    except ShapeError:
        return
    g = random.normal(size=shape).astype(dtype)
    arrays = [x, kernel, g, x.T.copy(), kernel.T.copy(), g.T.copy()]
    inputs = leaves(arrays)
    outputs = [
        conv(inputs[0], inputs[1], *options),
        conv(turned(inputs[3]), turned(inputs[4]), *options),
        conv_input_grad(inputs[2], inputs[1], sizes, *options),
        conv_input_grad(inputs[2], turned(inputs[4]), sizes, *options),
        conv_kernel_grad(inputs[0], inputs[2], window, *options),
        conv_kernel_grad(turned(inputs[3]), turned(inputs[5]), window, *options),
    ]
    tolerance = {dtypes.float16: 1e-2, dtypes.float32: 1e-4, dtypes.float64: 1e-12}
    assert_like_reference(
        outputs, inputs, arrays, tolerance=tolerance[dtype], threads=(1, 2, 3)
    )


@given(data=st.data())
@examples(20, 60)
def test_random_groups(data: st.DataObject) -> None:
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    rank = draw(1, 2)
    sizes = [draw(4, 12) for _ in range(rank)]
    window, strides, dilation = ([draw(1, 4) for _ in sizes] for _ in range(3))
    if data.draw(st.booleans()):
        strides, dilation = [1] * rank, [1] * rank
    padding = [(draw(0, 2), draw(0, 2)) for _ in sizes]
    groups = data.draw(st.sampled_from([2, 7, 16, 19, 40]))
    channels = data.draw(st.sampled_from([1, 2, 3, 4, 9]))
    filters = data.draw(st.sampled_from([1, 2, 3, 4, 8]))
    dtype = data.draw(st.sampled_from([dtypes.float32, dtypes.float64, dtypes.float16]))
    options: Any = (strides, padding, dilation, groups)
    random = np.random.default_rng(draw(0, 99))
    x = random.normal(size=(draw(1, 3), *sizes, channels * groups)).astype(dtype)
    kernel = random.normal(size=(*window, channels, filters * groups)).astype(dtype)
    try:
        shape = conv(*leaves([x, kernel]), *options).shape
    except ShapeError:
        return
    g = random.normal(size=shape).astype(dtype)
    inputs = leaves([x, kernel, g])
    outputs = [
        conv(inputs[0], inputs[1], *options),
        conv_input_grad(inputs[2], inputs[1], sizes, *options),
        conv_kernel_grad(inputs[0], inputs[2], window, *options),
    ]
    tolerance = {dtypes.float16: 1e-2, dtypes.float32: 1e-4, dtypes.float64: 1e-12}
    assert_like_reference(
        outputs, inputs, [x, kernel, g], tolerance=tolerance[dtype], threads=(1, 2, 3)
    )


# --- elementwise groups computed on the results ---------------------------------------


def relu(x: Node) -> Node:
    return maximum(x, full_like(x, 0))


def with_bias(x: Node, bias: Node) -> Node:
    return add(x, broadcast(bias, x.shape, (len(x.shape) - 1,)))


OPTIONS = [
    (1, ((1, 1), (1, 1)), 1, 1),
    (2, ((0, 0), (0, 0)), 1, 1),
    (1, ((0, 0), (0, 0)), 1, 1),
    (2, ((1, 0), (2, 1)), 2, 2),
    (1, ((1, 1), (1, 1)), 1, 8),
]


@pytest.mark.parametrize("stride, padding, dilation, groups", OPTIONS)
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.bfloat16])
def test_epilogues(
    stride: int, padding: Any, dilation: int, groups: int, size: int, dtype: DType
) -> None:
    options = ((stride, stride), padding, (dilation, dilation), groups)
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 9, 8, 16)).astype(dtype)
    kernel = (random.normal(size=(size, size, 16 // groups, 40)) / 9).astype(dtype)
    bias = random.normal(size=40).astype(dtype)
    plain = conv(*leaves([x, kernel]), *options)
    g = random.normal(size=plain.shape).astype(dtype)
    scale = random.normal(size=(3, 1, 1, 1)).astype(dtype)
    slots = random.random(kernel.shape).astype(dtype)
    arrays = [x, kernel, bias, g, scale, slots]
    inputs = leaves(arrays)
    y = conv(inputs[0], inputs[1], *options)
    scales = broadcast(reshape(inputs[4], (3,)), y.shape, (0,))
    to_x = conv_input_grad(inputs[3], inputs[1], (9, 8), *options)
    to_kernel = conv_kernel_grad(inputs[0], inputs[3], (size, size), *options)
    outputs = [
        relu(with_bias(y, inputs[2])),
        y,
        add(relu(mul(y, scales)), inputs[3]),
        select(lt(full_like(to_x, 0), inputs[0]), to_x, full_like(to_x, 0)),
        div(to_kernel, add(sqrt(mul(to_kernel, to_kernel)), inputs[5])),
    ]
    tolerance = 1e-4 if dtype == dtypes.float32 else 5e-2
    assert_like_reference(
        outputs[:1], inputs, arrays, tolerance=tolerance, threads=(1, 2, 3)
    )
    assert_like_reference(
        outputs, inputs, arrays, tolerance=tolerance, threads=(1, 2, 3)
    )


def test_long_epilogues_and_residuals() -> None:
    options = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    random = np.random.default_rng(0)
    x = random.normal(size=(5, 6, 6, 33)).astype(np.float32)
    kernel = (random.normal(size=(3, 3, 33, 33)) / 20).astype(np.float32)
    inputs = leaves([x, kernel])
    y = conv(*inputs, *options)
    outputs = [mul(tanh(y), exp(neg(mul(y, y)))), add(y, inputs[0])]
    assert_like_reference(outputs[:1], inputs, [x, kernel], threads=(1, 2, 3))
    assert_like_reference(outputs[1:], inputs, [x, kernel], threads=(1, 2, 3))


def test_a_bias_and_an_activation_need_no_kernel_of_their_own() -> None:
    x, kernel, bias = leaves(
        [np.zeros(shape, np.float32) for shape in ((8, 9, 9, 4), (3, 3, 4, 32), (32,))]
    )
    y = conv(x, kernel, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    fused = Graph([relu(with_bias(y, bias))], [x, kernel, bias])
    plain = Graph([y], [x, kernel])
    assert len(Plan(fused, target()).calls) == len(Plan(plain, target()).calls)


@pytest.mark.parametrize("shape, window, dilation, groups", [
    ((1, 9, 70, 400), (3, 3), (3, 30), 1),
    ((1, 140, 20, 24), (2, 2), (130, 9), 1),
    ((2, 3000, 64), (3,), (1400,), 1),
    ((1, 140, 60, 24), (2, 2), (130, 20), 8),
    ((1, 40, 90, 64), (2, 3), (38, 40), 64),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float16])
@pytest.mark.parametrize("inside", [True, False])
def test_windows_too_wide_for_a_strip(
    shape: Any, window: Any, dilation: Any, groups: int, dtype: DType, inside: bool
) -> None:
    rank = len(window)
    padding = ((0, 0) if inside else (3, 2),) * rank
    options = ((1,) * rank, padding, dilation, groups)
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype(dtype)
    kernel = random.normal(size=(*window, shape[-1] // groups, groups)) / 10
    kernel = kernel.astype(dtype)
    g = random.normal(size=conv(*leaves([x, kernel]), *options).shape).astype(dtype)
    inputs = leaves([x, kernel, g])
    outputs = [
        conv(*inputs[:2], *options),
        conv_input_grad(inputs[2], inputs[1], shape[1:-1], *options),
        conv_kernel_grad(inputs[0], inputs[2], window, *options),
    ]
    tolerance = 1e-3 if dtype == dtypes.float32 else 1e-1
    assert_like_reference(outputs, inputs, [x, kernel, g], tolerance=tolerance)


@pytest.mark.parametrize("window, stride, size, groups", [
    ((4, 4), (4, 4), (13, 16), 1),
    ((16, 16), (16, 16), (32, 32), 1),
    ((3, 2), (5, 4), (14, 17), 2),
    ((2, 7), (2, 3), (9, 20), 4),
    ((8,), (8,), (64,), 1),
])  # fmt: skip
def test_strides_as_long_as_the_window(
    window: Any, stride: Any, size: Any, groups: int
) -> None:
    rank = len(window)
    options = (stride, ((1, 2),) * rank, (1,) * rank, groups)
    random = np.random.default_rng(0)
    kernel = random.normal(size=(*window, 4 // groups, 8)).astype(np.float32)
    x = random.normal(size=(2, *size, 4)).astype(np.float32)
    g = random.normal(size=conv(*leaves([x, kernel]), *options).shape)
    arrays = [g.astype(np.float32), kernel, x]
    inputs = leaves(arrays)
    outputs = [
        conv_input_grad(inputs[0], inputs[1], size, *options),
        add(conv_input_grad(inputs[0], inputs[1], size, *options), inputs[2]),
    ]
    assert_like_reference(outputs[:1], inputs, arrays, threads=(1, 2, 3))
    assert_like_reference(outputs[1:], inputs, arrays, threads=(1, 2, 3))


def test_many_filters_are_divided_among_units() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 5, 5, 256)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 256, 192)).astype(np.float32)
    inputs = leaves([x, kernel])
    padding = ((1, 1), (1, 1))
    node = conv(*inputs, (1, 1), padding, (1, 1), 1)
    back = conv_input_grad(node, inputs[1], (5, 5), (1, 1), padding, (1, 1), 1)
    assert_like_reference(
        [node, back], inputs, [x, kernel], tolerance=2e-3, threads=(1, 2, 3, 4)
    )
    plan = Plan(Graph([node], inputs), target())
    product = plan.calls[-1]
    assert product.kernel.name.startswith("conv_")
    assert product.bands is None


def test_too_many_spatial_axes_are_explained() -> None:
    inputs = leaves([np.zeros((1, 3, 3, 3, 3, 2)), np.zeros((2, 2, 2, 2, 2, 1))])
    node = conv(*inputs, (1,) * 4, ((0, 0),) * 4, (1,) * 4, 1)
    with pytest.raises(GraphError, match="up to 3 axes, got 4"):
        Plan(Graph([node], inputs), target())
