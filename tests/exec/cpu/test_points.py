"""Convolutions that are matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.kernel import KernelCall
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.ir.bodies import closed
from nervure.prims.binary import add, maximum
from nervure.prims.control import part
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.leaf import full_like
from nervure.prims.movement import broadcast
from nervure.prims.scan import scan
from tests.exec.cpu.parity import assert_like_reference, leaves


def settings(rank: int, stride: int = 1, pads: int = 0, groups: int = 1) -> Any:
    return (stride,) * rank, ((pads, pads),) * rank, (1,) * rank, groups


def labels(outputs: list[Node], inputs: list[Node]) -> list[str]:
    """Return what kind of kernels a graph becomes."""
    calls = Plan(Graph(outputs, inputs), target()).calls
    return [call.kernel.name.split("_")[0] for call in calls]


def three(shape: tuple[int, ...], filters: int, dtype: DType) -> Any:
    """Return a convolution and its gradients, their inputs and values for these."""
    random = np.random.default_rng(len(shape))
    rank, channels = len(shape) - 2, shape[-1]
    shapes = shape, (1,) * rank + (channels, filters), (*shape[:-1], filters)
    values = [random.standard_normal(one).astype(dtype) for one in shapes]
    x, kernel, g = inputs = leaves(values)
    options = settings(rank)
    outputs = [
        conv(x, kernel, *options),
        conv_input_grad(g, kernel, shape[1:-1], *options),
        conv_kernel_grad(x, g, (1,) * rank, *options),
    ]
    return outputs, inputs, values


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float64, dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(3, 11, 5), (2, 6, 7, 17), (2, 3, 4, 5, 6)])
def test_windows_of_one_place_are_products(
    shape: tuple[int, ...], dtype: DType
) -> None:
    outputs, inputs, values = three(shape, 9, dtype)
    for output in outputs:
        assert "conv" not in labels([output], inputs)
        assert_like_reference([output], inputs, values, threads=(1, 2, 3))


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("shape", [(3, 11, 5), (2, 33, 36, 17), (2, 3, 4, 5, 6)])
def test_with_strides_they_are_products_of_slices(
    shape: tuple[int, ...], stride: int
) -> None:
    random = np.random.default_rng(stride)
    rank, kernel_shape = len(shape) - 2, (1,) * (len(shape) - 2) + (shape[-1], 9)
    values = [random.standard_normal(one).astype("float32")
              for one in (shape, kernel_shape)]  # fmt: skip
    x, kernel = inputs = leaves(values)
    output = conv(x, kernel, *settings(rank, stride=stride))
    assert "conv" not in labels([output], inputs)
    assert_like_reference([output], inputs, values, threads=(1, 2, 3))


def test_other_convolutions_are_not() -> None:
    x, kernel = leaves([np.zeros(shape, np.float32) for shape in
                        ((2, 6, 7, 4), (1, 1, 4, 8))])  # fmt: skip
    apart = leaves([np.zeros((1, 1, 2, 8), np.float32)])[0]
    for node in (
        conv_input_grad(
            conv(x, kernel, *settings(2, stride=2)),
            kernel,
            (6, 7),
            *settings(2, stride=2),
        ),
        conv(x, kernel, *settings(2, pads=1)),
        conv(x, apart, *settings(2, groups=2)),
    ):
        assert "conv" in labels([node], [x, kernel, apart])


def test_a_bias_and_an_activation_need_no_kernel_of_their_own() -> None:
    x, kernel, bias = leaves(
        [np.zeros(shape, np.float32) for shape in ((8, 9, 9, 4), (1, 1, 4, 32), (32,))]
    )
    y = add(conv(x, kernel, *settings(2)), broadcast(bias, (8, 9, 9, 32), (3,)))
    assert labels([maximum(y, full_like(y, 0))], [x, kernel, bias]) == ["dot"]


def test_within_loops_too() -> None:
    random = np.random.default_rng(0)
    values = [random.standard_normal(shape).astype("float32")
              for shape in ((2, 5, 6, 4), (1, 1, 4, 4))]  # fmt: skip
    x, kernel = leaves(values)
    inner = leaves(values)
    body = closed([conv(*inner, *settings(2))], inner)
    node = scan(body, [x, kernel], carry=1, consts=1, length=3)
    calls = Plan(Graph([part(node, 0)], [x, kernel]), target()).calls
    kernels = [one.kernel.name for call in calls for one in _all(call)]
    assert not any(name.startswith("conv") for name in kernels), kernels
    assert_like_reference([part(node, 0)], [x, kernel], values, threads=(1, 2))


def _all(call: KernelCall) -> list[KernelCall]:
    """Return a call and those within its block."""
    inner = getattr(call.kernel, "calls", ())
    return [call, *(one for part in inner for one in _all(part))]
