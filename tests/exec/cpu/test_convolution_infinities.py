"""Infinities in a convolution: padding may meet them, and nothing else may."""

from __future__ import annotations

import numpy as np
import pytest

from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph
from nervure.prims.convolution import conv, conv_input_grad
from tests.exec.cpu.parity import assert_like_reference, leaves
from tests.exec.cpu.stability import judge, padding_meets_infinity

PLAIN = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)


def operands(value=np.inf, place=(1, 1, 0, 2)):
    """Return g ``float32[2, 3, 5, 3]`` and a kernel ``[3, 2, 2, 3]`` that holds it."""
    random = np.random.default_rng(0)
    g = random.normal(size=(2, 3, 5, 3)).astype("float32")
    kernel = random.normal(size=(3, 2, 2, 3)).astype("float32")
    kernel[place] = value
    return [g, kernel]


def gradient(inputs):
    return conv_input_grad(*inputs, (5, 6), *PLAIN)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 1, 0, 2), (2, 1, 1, 1)])
def test_only_padding_may_meet_it(value, place):
    arrays = operands(value, place)
    inputs = leaves(arrays)
    node = gradient(inputs)
    (found,) = CpuProgram(Graph([node], inputs), target())(arrays)
    with np.errstate(invalid="ignore"):
        wanted = node.op.reference(node, *arrays)
    beside = padding_meets_infinity(node, *arrays)
    assert 0 < beside.sum() < beside.size
    np.testing.assert_allclose(found[~beside], wanted[~beside], rtol=1e-5, atol=1e-5)
    # beside it there are the number itself or NaN, never another number
    other = beside & ~np.isnan(found)
    np.testing.assert_allclose(found[other], wanted[other], rtol=1e-5, atol=1e-5)
    assert not judge(Graph([node], inputs), arrays, [found])


def test_the_judge_still_sees_a_wrong_number():
    arrays = operands()
    inputs = leaves(arrays)
    graph = Graph([gradient(inputs)], inputs)
    (found,) = CpuProgram(graph, target())(arrays)
    judged = np.isfinite(found) & ~padding_meets_infinity(graph.outputs[0], *arrays)
    (place,) = np.argwhere(judged)[:1]
    found[tuple(place)] += 1
    assert judge(graph, arrays, [found])


def test_the_definition_of_conv_multiplies_padding_too():
    x, kernel = operands()
    pads = ((2, 2), (2, 2))
    inputs = leaves([x, kernel.transpose(0, 1, 3, 2)])
    node = conv(*inputs, (1, 1), pads, (1, 1), 1)
    with np.errstate(invalid="ignore"):
        wanted = node.op.reference(node, x, kernel.transpose(0, 1, 3, 2))
    assert np.isnan(wanted).any()


def test_finite_numbers_never_meet_this():
    arrays = operands(3e38)
    arrays[0] /= 100
    inputs = leaves(arrays)
    assert_like_reference([gradient(inputs)], inputs, arrays, threads=(1, 2))
