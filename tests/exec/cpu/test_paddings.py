"""Paddings that convolutions and poolings do themselves."""

from __future__ import annotations

import numpy as np
import pytest

from nervure.exec.cpu.paddings import with_padding_inside
from nervure.ir import Graph, Node
from nervure.prims.binary import add, maximum
from nervure.prims.convolution import conv, conv_kernel_grad
from nervure.prims.leaf import full_like
from nervure.prims.slicing import pad
from nervure.prims.window import window_max, window_sum
from tests.exec.cpu.parity import assert_like_reference, leaves

LOW, HIGH = (0, 1, 2, 0), (0, 2, 1, 0)


def given():
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype("float32")
            for shape in ((2, 9, 8, 5), (3, 3, 5, 20))]  # fmt: skip


def has_pad(output: Node, *inputs: Node) -> bool:
    graph = with_padding_inside(Graph([output], inputs))
    return any(node.op.name == "pad" for node in graph.nodes)


def convolved(x, kernel, stride=1, more=0):
    return conv(x, kernel, (stride,) * 2, ((more, more),) * 2, (1, 1), 1)


def pooled(x, padding=((0, 0),) * 4, dilation=1):
    return window_max(
        x, (1, 3, 3, 1), (1, 2, 2, 1), padding, (1, dilation, dilation, 1)
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("more", [0, 1])
def test_a_convolution_pads_itself(stride, more):
    values = given()
    x, kernel = leaves(values)
    y = convolved(pad(x, LOW, HIGH), kernel, stride, more)
    assert not has_pad(y, x, kernel)
    assert_like_reference([y], [x, kernel], values, threads=(1, 2))


def test_a_maximum_over_windows_of_relu_pads_itself():
    values = given()[:1]
    (x,) = leaves(values)
    y = pooled(pad(maximum(x, full_like(x, 0)), LOW, HIGH))
    assert not has_pad(y, x)
    assert_like_reference([y], [x], values, exact=True, threads=(1, 2))


@pytest.mark.parametrize(
    "build",
    [
        lambda x, k: pooled(pad(x, LOW, HIGH)),  # may be below zero
        lambda x, k: pooled(pad(maximum(x, full_like(x, -1)), LOW, HIGH)),
        lambda x, k: pooled(pad(maximum(x, full_like(x, 0)), LOW, HIGH), dilation=2),
        lambda x, k: pooled(
            pad(maximum(x, full_like(x, 0)), (0, 3, 0, 0), (0, 0, 0, 0))
        ),  # windows of padding alone
        lambda x, k: convolved(pad(x, LOW, HIGH, value=1), k),
        lambda x, k: convolved(pad(x, LOW, HIGH, (0, 1, 0, 0)), k),
        lambda x, k: convolved(pad(x, (0, -1, 0, 0), HIGH), k),
        lambda x, k: convolved(pad(x, (1, 0, 0, 0), HIGH), k),
        lambda x, k: window_sum(
            pad(x, LOW, HIGH), (1, 3, 3, 1), (1, 1, 1, 1), ((0, 0),) * 4, (1,) * 4
        ),
    ],
)
def test_other_paddings_stay(build):
    values = given()
    x, kernel = leaves(values)
    y = build(x, kernel)
    assert has_pad(y, x, kernel)
    assert_like_reference([y], [x, kernel], values, threads=(1, 2))


def test_a_padding_that_a_gradient_reads_stays():
    values = given()
    x, kernel = leaves(values)
    padded = pad(x, LOW, HIGH)
    y = convolved(padded, kernel)
    slope = conv_kernel_grad(padded, y, (3, 3), (1, 1), ((0, 0),) * 2, (1, 1), 1)
    graph = Graph([y, slope], [x, kernel])
    assert with_padding_inside(graph) is graph
    graph = Graph([y, padded], [x, kernel])
    assert with_padding_inside(graph) is graph


def test_what_follows_reads_the_new_nodes():
    values = given()
    x, kernel = leaves(values)
    first = convolved(pad(x, LOW, HIGH), kernel)
    first = maximum(first, full_like(first, 0))
    y = add(pooled(pad(first, (0, 1, 1, 0), (0, 1, 1, 0))),
            pooled(pad(first, (0, 1, 1, 0), (0, 1, 1, 0))))  # fmt: skip
    assert not has_pad(y, x, kernel)
    assert_like_reference([y], [x, kernel], values, threads=(1, 2))
