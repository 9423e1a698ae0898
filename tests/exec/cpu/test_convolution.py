"""Convolutions and their gradients on the cpu executor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ShapeError
from nervure.ir import Node
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.movement import transpose
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
@settings(max_examples=150, deadline=None)
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
@settings(max_examples=60, deadline=None)
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


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_single_place_with_a_stride_is_found_in_every_image(stride: int) -> None:
    random = np.random.default_rng(0)
    shapes = [(4, 1, 3), (1, 3, 2), (4, 1, 2)]
    arrays = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    x, kernel, g = leaves(arrays)
    options: Any = ([stride], [(0, 0)], [1], 1)
    outputs = [
        conv(x, kernel, *options),
        conv_input_grad(g, kernel, [1], *options),
        conv_kernel_grad(x, g, [1], *options),
    ]
    assert_like_reference(outputs, [x, kernel, g], arrays, tolerance=1e-5)
