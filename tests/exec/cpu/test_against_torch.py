"""Convolutions and pooling against torch, for a grid of options."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.window import window_max, window_max_grad, window_sum
from tests.exec.cpu.parity import leaves

torch = pytest.importorskip("torch")

torch.set_num_threads(1)  # else its threads wait for ours

SIZES = {1: (17,), 2: (11, 8), 3: (6, 5, 7)}
RANKS = [2, *(pytest.param(rank, marks=pytest.mark.slow) for rank in (1, 3))]
STRIDES, PADDINGS, DILATIONS = (1, 2, 3), (0, 1, 2), (1, 2)


def values(shape: Sequence[int], seed: int) -> NDArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def channels_first(x: NDArray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def channels_last(x: Any) -> NDArray:
    return np.moveaxis(x.detach().numpy(), 1, -1)


def run(outputs: Sequence[Node], inputs: Sequence[Node], arrays: Any) -> list[NDArray]:
    return CpuProgram(Graph(outputs, inputs), target())(arrays)


def close(result: NDArray, want: NDArray) -> None:
    assert result.shape == want.shape
    np.testing.assert_allclose(result, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("groups, channels, filters", [
    (1, 1, 5), (1, 3, 16), (2, 4, 6), (6, 6, 6), (6, 6, 12),
])  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 3])
def test_convolutions(
    rank: int, groups: int, channels: int, filters: int, size: int
) -> None:
    extents, window = SIZES[rank], (size,) * rank
    x = values((2, *extents, channels), 0)
    kernel = values((*window, channels // groups, filters), 1)
    for stride, padding, dilation in itertools.product(STRIDES, PADDINGS, DILATIONS):
        if (size - 1) * dilation + 1 > min(extents) + 2 * padding:
            continue
        if (size == 1 and dilation > 1) or (stride == 3 and dilation == 2):
            continue
        x_t = channels_first(x).requires_grad_()
        order = (rank + 1, rank, *range(rank))
        kernel_t = torch.from_numpy(kernel.transpose(order).copy()).requires_grad_()
        function = getattr(torch.nn.functional, f"conv{rank}d")
        y_t = function(
            x_t, kernel_t, stride=stride, padding=padding, dilation=dilation,
            groups=groups,
        )  # fmt: skip
        g = values(channels_last(y_t).shape, 2)
        y_t.backward(channels_first(g))
        arrays = [x, kernel, g]
        a, k, b = inputs = leaves(arrays)
        options: Any = (
            (stride,) * rank, ((padding, padding),) * rank, (dilation,) * rank, groups
        )  # fmt: skip
        outputs = [
            conv(a, k, *options),
            conv_input_grad(b, k, extents, *options),
            conv_kernel_grad(a, b, window, *options),
        ]
        y, to_x, to_kernel = run(outputs, inputs, arrays)
        close(y, channels_last(y_t))
        close(to_x, channels_last(x_t.grad))
        back = (*range(2, rank + 2), 1, 0)
        close(to_kernel, kernel_t.grad.numpy().transpose(back))


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("channels", [1, 5, 32])
@pytest.mark.parametrize("size", [2, 3])
def test_pooling(rank: int, channels: int, size: int) -> None:
    extents = SIZES[rank]
    x = values((2, *extents, channels), 0)
    for stride, padding in itertools.product(STRIDES, (0, 1)):
        if padding > size // 2:
            continue
        x_t = channels_first(x).requires_grad_()
        best_t, mean_t = (
            getattr(torch.nn.functional, f"{kind}_pool{rank}d")(
                x_t, size, stride, padding
            )
            for kind in ("max", "avg")
        )
        g = values(channels_last(best_t).shape, 2)
        best_t.backward(channels_first(g))
        attrs: Any = [
            (1, *(number,) * rank, 1) for number in (size, stride)
        ] + [((0, 0), *((padding, padding),) * rank, (0, 0))]  # fmt: skip
        a, b = inputs = leaves([x, g])
        outputs = [
            window_max(a, *attrs), window_max_grad(a, b, *attrs), window_sum(a, *attrs)
        ]  # fmt: skip
        best, back, total = run(outputs, inputs, [x, g])
        close(best, channels_last(best_t))
        close(back, channels_last(x_t.grad))
        close(total / np.float32(size**rank), channels_last(mean_t))
