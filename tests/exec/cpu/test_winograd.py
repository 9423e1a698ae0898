"""Winograd's way: what it computes, how exactly, and where it is chosen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.prims.binary import add, maximum, mul
from nervure.prims.convolution import conv, conv_input_grad, conv_kernel_grad
from nervure.prims.leaf import full_like
from nervure.prims.movement import broadcast, slice_, transpose
from nervure.prims.unary import tanh
from tests.exec.cpu.effort import examples
from tests.exec.cpu.parity import assert_like_reference, leaves
from tests.exec.cpu.test_primitives_cpu import levels

ROUNDING = float(np.finfo(np.float32).eps)

# batch, height, width, channels, filters, padding
SHAPES = [
    (4, 16, 16, 64, 64, 1),
    (6, 13, 11, 32, 32, 0),
    (7, 9, 12, 20, 40, 1),
    (3, 14, 15, 48, 17, 2),
    (33, 4, 4, 32, 96, 1),
    (1, 40, 33, 16, 80, 1),
    (64, 5, 8, 31, 16, 1),
]


def options(padding: int) -> tuple:
    return (1, 1), ((padding, padding),) * 2, (1, 1), 1


def problem(batch, height, width, channels, filters, padding, seed=0):
    """Return the arrays x, kernel and g, their leaves, and the three nodes."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(batch, height, width, channels)).astype("float32")
    kernel = random.normal(size=(3, 3, channels, filters)).astype("float32")
    result = (batch, height + 2 * padding - 2, width + 2 * padding - 2, filters)
    g = random.normal(size=result).astype("float32")
    arrays = [x, kernel, g]
    inputs = leaves(arrays)
    plain = options(padding)
    nodes = [
        conv(inputs[0], inputs[1], *plain),
        conv_input_grad(inputs[2], inputs[1], (height, width), *plain),
        conv_kernel_grad(inputs[0], inputs[2], (3, 3), *plain),
    ]
    return arrays, inputs, nodes


def kernels_of(outputs: list[Node], inputs: list[Node]) -> list[str]:
    """Return the names of a program's kernels."""
    program = CpuProgram(Graph(outputs, inputs), target())
    phases = program._compiled.layout.plan.phases
    return [call.kernel.name for call in itertools.chain(*phases)]


def exact(arrays: list[NDArray], padding: int) -> list[NDArray]:
    """Return the three results by torch in float64."""
    x, kernel, g = (torch.from_numpy(one).double() for one in arrays)
    x, g, kernel = x.movedim(-1, 1), g.movedim(-1, 1), kernel.permute(3, 2, 0, 1)
    back = torch.ops.aten.convolution_backward(
        g, x, kernel, None, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1,
        [True, True, False],
    )  # fmt: skip
    result = torch.conv2d(x, kernel, padding=padding).movedim(1, -1)
    return [
        result.numpy(),
        back[0].movedim(1, -1).numpy(),
        back[1].permute(2, 3, 1, 0).numpy(),
    ]


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("shape", SHAPES)
def test_like_float64(level: str, shape: tuple, monkeypatch) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    arrays, inputs, nodes = problem(*shape)
    assert sum("winograd" in name for name in kernels_of(nodes, inputs)) == 6
    found = CpuProgram(Graph(nodes, inputs), target())(arrays)
    wanted = exact(arrays, shape[-1])
    # the sum of the products' sizes bounds the error of any order of adding them
    sizes = exact([np.abs(one) for one in arrays], shape[-1])
    for result, want, size in zip(found, wanted, sizes, strict=True):
        assert np.abs(result - want).max() <= 4 * ROUNDING * size.max()


@given(data=st.data())
@examples(15, 150)
def test_random_shapes_on_threads(data: st.DataObject) -> None:
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    padding = draw(0, 3)
    height, width = draw(6, 14), draw(6, 14)
    batch = draw(6, 12)
    shape = (batch, height, width, draw(16, 70), draw(16, 70), padding)
    arrays, inputs, nodes = problem(*shape, seed=draw(0, 99))
    assert_like_reference(nodes, inputs, arrays, tolerance=2e-3, threads=(1, 2, 4))


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("long", [False, True])
def test_what_reads_the_result_is_computed_with_it(size: int, long: bool) -> None:
    arrays, inputs, (result, _, gradient) = problem(16, size, size, 32, 48, 1)
    random = np.random.default_rng(1)
    more = [
        random.normal(size=shape).astype("float32")
        for shape in ((48,), result.shape, gradient.shape)
    ]
    bias, residual, decay = leaves(more)
    shifted = add(result, broadcast(bias, result.shape, (3,)))
    shifted = add(shifted, residual)
    final = tanh(shifted) if long else maximum(shifted, full_like(shifted, 0))
    updated = add(decay, mul(gradient, full_like(gradient, 0.01)))
    outputs, everything = [final, updated], [*inputs, bias, residual, decay]
    names = kernels_of(outputs, everything)
    assert not any(name.startswith("map") for name in names), names
    assert_like_reference(
        outputs, everything, [*arrays, *more], tolerance=2e-4, threads=(1, 2)
    )


def test_parts_of_larger_arrays() -> None:
    random = np.random.default_rng(2)
    large = random.normal(size=(9, 14, 20, 40)).astype("float32")
    kernel = random.normal(size=(24, 40, 3, 3)).astype("float32")
    x, weights = leaves([large, kernel])
    inner = slice_(x, (1, 2, 3, 8), (9, 14, 19, 40), (1, 1, 1, 1))
    turned = transpose(weights, (2, 3, 1, 0))
    turned = slice_(turned, (0, 0, 4, 0), (3, 3, 36, 24), (1, 1, 1, 1))
    node = conv(inner, turned, *options(1))
    assert any("winograd" in name for name in kernels_of([node], [x, weights]))
    assert_like_reference([node], [x, weights], [large, kernel], tolerance=1e-4)


@pytest.mark.parametrize(
    "shape, changed",
    [
        ((8, 16, 16, 8, 64, 1), {}),  # few channels
        ((8, 16, 16, 64, 8, 1), {}),  # few filters
        ((16, 8, 8, 1040, 16, 1), {}),  # many channels
        ((1, 8, 8, 64, 64, 1), {}),  # few tiles
        ((32, 7, 7, 64, 64, 1), {}),  # much of the tiles is outside
        ((8, 16, 16, 64, 64, 1), {"strides": (2, 2)}),
        ((8, 16, 16, 64, 64, 1), {"dilation": (2, 1)}),
        ((8, 16, 16, 64, 64, 1), {"dtype": dtypes.float64}),
        ((8, 16, 16, 64, 64, 1), {"dtype": dtypes.bfloat16}),
    ],
)
def test_other_convolutions_are_computed_directly(shape: tuple, changed: dict) -> None:
    batch, height, width, channels, filters, padding = shape
    dtype = changed.get("dtype", dtypes.float32)
    x = np.zeros((batch, height, width, channels), dtype)
    inputs = leaves([x, np.zeros((3, 3, channels, filters), dtype)])
    node = conv(
        *inputs, changed.get("strides", (1, 1)), ((padding, padding),) * 2,
        changed.get("dilation", (1, 1)), 1,
    )  # fmt: skip
    assert not any("winograd" in name for name in kernels_of([node], inputs))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_an_infinity_stays_within_the_tiles_that_see_it(value: float) -> None:
    arrays, inputs, (node, *_) = problem(4, 12, 12, 16, 16, 1)
    x = arrays[0]
    (plain,) = CpuProgram(Graph([node], inputs), target())(arrays)
    x[1, 5, 6, 3] = value
    (found,) = CpuProgram(Graph([node], inputs), target())(arrays)
    changed = np.zeros((4, 12, 12), bool)
    changed[1, 4:8, 4:8] = True  # tiles begin at even places
    np.testing.assert_array_equal(found[~changed], plain[~changed])
    assert not np.isfinite(found[1, 4:7, 5:8]).any()
