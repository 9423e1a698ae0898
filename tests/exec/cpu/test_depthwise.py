"""Depthwise convolutions that read the image where it lies."""

from __future__ import annotations

import numpy as np
import pytest

from nervure import dtypes
from nervure.exec.cpu.conv_depthwise import (
    DepthwiseWriter,
    suits_in_place,
    tiles_of_row,
)
from nervure.exec.cpu.conv_geometry import forward
from nervure.exec.cpu.conv_lanes import lanes_tiling, share_lanes
from nervure.exec.cpu.convolution import _Part
from nervure.exec.cpu.target import target
from nervure.ir import Node
from nervure.prims.binary import add, maximum
from nervure.prims.convolution import conv, conv_input_grad
from nervure.prims.leaf import full_like, input_leaf
from nervure.prims.movement import broadcast
from tests.exec.cpu.parity import assert_like_reference, leaves

# image, window, stride, padding (rows, columns), dilation
CASES = [
    ((1, 14, 14, 48), (3, 3), 1, ((1, 1), (1, 1)), 1),
    ((2, 7, 7, 40), (5, 5), 1, ((2, 2), (2, 2)), 1),
    ((1, 15, 33, 16), (3, 3), 2, ((0, 1), (0, 1)), 1),
    ((3, 30, 17, 21), (5, 5), 2, ((1, 2), (2, 1)), 1),
    ((1, 9, 60, 33), (3, 7), 1, ((1, 1), (3, 3)), 1),
    ((2, 12, 12, 32), (3, 3), 1, ((2, 2), (2, 2)), 2),
    ((1, 6, 5, 16), (5, 5), 3, ((4, 4), (4, 4)), 1),
    ((1, 5, 40, 20), (3, 3), 1, ((0, 0), (0, 0)), 1),
    ((1, 3, 3, 17), (3, 3), 1, ((5, 5), (5, 5)), 1),
    ((1, 40, 11, 300), (5, 5), 1, ((2, 2), (2, 2)), 1),
]


def operands(case, dtype=dtypes.float32):
    """Return the node, its inputs and their values."""
    shape, window, stride, padding, dilation = case
    random = np.random.default_rng(sum(shape))
    values = [
        random.standard_normal(one).astype(dtype)
        for one in (shape, (*window, 1, shape[-1]))
    ]
    inputs = leaves(values)
    settings = (stride,) * 2, padding, (dilation,) * 2, shape[-1]
    return conv(*inputs, *settings), inputs, values


def part_of(node: Node) -> _Part:
    return _Part.of(forward(node, []), 0, target())


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_the_definition(case):
    node, inputs, values = operands(case)
    assert part_of(node).tiling.in_place
    assert_like_reference([node], inputs, values, threads=(1, 2, 4))


@pytest.mark.parametrize("case", CASES[:4])
@pytest.mark.parametrize("dtype", [dtypes.float64, dtypes.bfloat16, dtypes.float16])
def test_other_types(case, dtype):
    node, inputs, values = operands(case, dtype)
    assert_like_reference([node], inputs, values, threads=(1, 2))


@pytest.mark.parametrize("case", CASES)
def test_gradients_in_the_input(case):
    shape, _, stride, padding, dilation = case
    node, (_, kernel), values = operands(case)
    random = np.random.default_rng(1)
    g = random.standard_normal(node.shape).astype("float32")
    (slope,) = leaves([g])
    settings = (stride,) * 2, padding, (dilation,) * 2, shape[-1]
    gradient = conv_input_grad(slope, kernel, shape[1:3], *settings)
    assert_like_reference(
        [gradient], [slope, kernel], [g, values[1]], threads=(1, 2, 3)
    )


def test_a_group_of_nodes_is_computed_on_the_sums():
    node, inputs, values = operands(CASES[3])
    bias = np.random.default_rng(2).standard_normal(21).astype("float32")
    (leaf,) = leaves([bias])
    y = add(node, broadcast(leaf, node.shape, (3,)))
    y = maximum(y, full_like(y, 0))
    assert_like_reference([y], [*inputs, leaf], [*values, bias], threads=(1, 2, 3))


@pytest.mark.parametrize("case", CASES)
def test_torch_agrees(case):
    torch = pytest.importorskip("torch")
    shape, _, stride, padding, dilation = case
    node, inputs, (x, kernel) = operands(case)
    (top, bottom), (left, right) = padding
    image = torch.from_numpy(x).permute(0, 3, 1, 2)
    image = torch.nn.functional.pad(image, (left, right, top, bottom))
    weights = torch.from_numpy(kernel).permute(3, 2, 0, 1)
    wanted = torch.nn.functional.conv2d(
        image, weights, None, stride, 0, dilation, shape[-1]
    )
    from nervure.exec.cpu.program import CpuProgram
    from nervure.ir import Graph

    (found,) = CpuProgram(Graph([node], inputs), target())([x, kernel])
    np.testing.assert_allclose(
        found, wanted.permute(0, 2, 3, 1).numpy(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_each_product_inside_the_image_belongs_to_one_tile(case):
    node, _, _ = operands(case)
    part = part_of(node)
    width = part.whole.axes[2]
    wanted = {
        (result, tap)
        for result in range(width.count)
        for tap in range(width.taps)
        if 0 <= result * width.stride - width.low + tap * width.dilation < width.size
    }
    found = [
        (tiles.start + number * tiles.columns + column, tap)
        for tiles in tiles_of_row(part.whole, part.tiling)
        for number in range(tiles.count)
        for column in range(tiles.columns)
        for tap in range(width.taps)
        if (column, tap) not in tiles.outside
    ]
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_what_does_not_suit_is_computed_with_strips():
    long = operands(((1, 4, 40, 16), (3, 9), 1, ((1, 1), (4, 4)), 1))[0]
    assert not part_of(long).tiling.in_place
    x = input_leaf((1, 8, 8, 32), dtypes.float32)
    kernel = input_leaf((3, 3, 2, 16), dtypes.float32)  # two channels each
    pairs = conv(x, kernel, (1, 1), ((1, 1), (1, 1)), (1, 1), 16)
    shared = share_lanes(forward(pairs, []), target())
    if shared is not None:
        assert not suits_in_place(shared, lanes_tiling(shared, target(), True))


def test_the_writer_counts_the_units_of_bands():
    from nervure.exec.cpu.kernel import KernelBuilder

    part = part_of(operands(((4, 14, 14, 48), (3, 3), 1, ((1, 1), (1, 1)), 1))[0])
    b = KernelBuilder("conv", target(), 3)
    writer = part.writer(b, *b.operands[:2], lambda results: None)
    assert isinstance(writer, DepthwiseWriter)
    units = writer.emit(0, None)
    assert units == 4 * writer.band_items(1)
