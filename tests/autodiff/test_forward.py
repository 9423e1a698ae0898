"""Forward mode: Jacobian times tangent, made from reverse mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nervure import dtypes
from nervure.autodiff import forward, reverse
from nervure.errors import GradientError
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.prims.annotate import custom_gradient, stop_gradient
from nervure.prims.binary import add, mul
from nervure.prims.contract import dot
from nervure.prims.leaf import full_like, input_leaf
from nervure.prims.reduce import argmax, reduce_sum
from nervure.prims.select import cast
from nervure.prims.unary import exp, sin, tanh

FLOAT = dtypes.float64
POINT = np.array([0.3, -1.2, 2.0])
TANGENT = np.array([1.0, 0.5, -2.0])


@pytest.fixture
def x() -> Node:
    return input_leaf((3,), FLOAT, "x")


@pytest.fixture
def v() -> Node:
    return input_leaf((3,), FLOAT, "tangent")


def values(nodes: Sequence[Node], inputs: dict[Node, Any]) -> list[Any]:
    """Evaluate; inputs that the nodes do not use need not be left out."""
    return ReferenceExecutor().compile(Graph(nodes, list(inputs)))(
        [np.asarray(one, leaf.dtype) for leaf, one in inputs.items()]
    )


def change(output: Node, x: Node, v: Node) -> Any:
    """Return the change of an output at POINT along TANGENT."""
    return values(forward([output], [x], [v]), {x: POINT, v: TANGENT})[0]


def test_elementwise_change(x: Node, v: Node) -> None:
    found = change(mul(sin(x), x), x, v)
    expected = (np.cos(POINT) * POINT + np.sin(POINT)) * TANGENT
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_change_of_a_matrix_product(v: Node) -> None:
    matrix, x = input_leaf((2, 3), FLOAT, "matrix"), input_leaf((3,), FLOAT, "x")
    tilt = input_leaf((2, 3), FLOAT, "tilt")
    y = tanh(dot(matrix, x, contract=((1,), (0,))))
    random = np.random.default_rng(0)
    at, by = random.normal(size=(2, 2, 3))
    (found,) = values(
        forward([y], [matrix, x], [tilt, v]),
        {matrix: at, x: POINT, tilt: by, v: TANGENT},
    )
    expected = (by @ POINT + at @ TANGENT) / np.cosh(at @ POINT) ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_several_outputs_and_the_operands_themselves(x: Node, v: Node) -> None:
    other, w = input_leaf((3,), FLOAT, "other"), input_leaf((3,), FLOAT, "w")
    outputs = [mul(x, other), x, add(x, x), mul(x, other), other]
    changes = forward(outputs, [x, other], [v, w])
    at = {x: POINT, other: [2, 2, 2], v: TANGENT, w: [10, 10, 10]}
    product, itself, twice, again, second = values(changes, at)
    np.testing.assert_allclose(product, 2 * TANGENT + 10 * POINT)
    np.testing.assert_array_equal(again, product)
    np.testing.assert_array_equal(itself, TANGENT)
    np.testing.assert_array_equal(twice, 2 * TANGENT)
    np.testing.assert_array_equal(second, [10, 10, 10])


def test_what_does_not_depend_changes_by_zero(x: Node, v: Node) -> None:
    stranger = input_leaf((2,), FLOAT, "stranger")
    count = argmax(x, 0)
    outputs = [
        exp(stranger),
        count,
        stop_gradient(x),
        cast(cast(x, dtypes.int8), FLOAT),
    ]
    changes = forward(outputs, [x], [v])
    types = [(node.shape, node.dtype) for node in changes]
    assert types == [(node.shape, node.dtype) for node in outputs]
    for found in values(changes, {x: POINT, v: TANGENT, stranger: [1, 2]}):
        np.testing.assert_array_equal(found, np.zeros_like(found))
    assert forward([], [x], [v]) == []
    (nothing,) = values(forward([sin(x)], [], []), {x: POINT})
    np.testing.assert_array_equal(nothing, np.zeros(3))


def test_the_result_uses_nothing_but_operands_and_tangents(x: Node, v: Node) -> None:
    (found,) = forward([reduce_sum(mul(tanh(x), exp(x)), (0,))], [x], [v])
    assert set(Graph([found]).inputs) == {x, v}


def test_forward_over_reverse_is_reverse_over_reverse(x: Node, v: Node) -> None:
    """Both are the Hessian times the tangent."""
    f = reduce_sum(mul(mul(x, x), sin(x)), (0,))
    (first,) = reverse([f], [full_like(f, 1)], [x])
    assert first is not None
    one_way = change(first, x, v)
    (other,) = reverse([reduce_sum(mul(first, v), (0,))], [full_like(f, 1)], [x])
    assert other is not None
    (other_way,) = values([other], {x: POINT, v: TANGENT})
    second = 2 * np.sin(POINT) + 4 * POINT * np.cos(POINT) - POINT**2 * np.sin(POINT)
    np.testing.assert_allclose(one_way, second * TANGENT, rtol=1e-13)
    np.testing.assert_allclose(other_way, second * TANGENT, rtol=1e-13)


def test_forward_over_forward(x: Node, v: Node) -> None:
    (first,) = forward([exp(x)], [x], [v])
    (second,) = forward([first], [x], [v])
    (found,) = values([second], {x: POINT, v: TANGENT})
    np.testing.assert_allclose(found, np.exp(POINT) * TANGENT**2, rtol=1e-14)


def test_reverse_over_forward(x: Node, v: Node) -> None:
    (first,) = forward([exp(x)], [x], [v])
    to_x, to_v = reverse([first], [full_like(first, 1)], [x, v])
    assert to_x is not None
    assert to_v is not None
    found = values([to_x, to_v], {x: POINT, v: TANGENT})
    np.testing.assert_allclose(found[0], np.exp(POINT) * TANGENT, rtol=1e-14)
    np.testing.assert_allclose(found[1], np.exp(POINT), rtol=1e-14)


def test_a_custom_rule_is_transposed(x: Node, v: Node) -> None:
    def rule(arguments: Sequence[Node], g: Node) -> list[Node | None]:
        return [mul(mul(full_like(g, 5), arguments[0]), g)]

    found = change(custom_gradient(mul(x, x), [x], rule), x, v)
    np.testing.assert_allclose(found, 5 * POINT * TANGENT, rtol=1e-15)


def test_a_tangent_of_another_type_is_refused(x: Node) -> None:
    with pytest.raises(GradientError, match=r"float64\[3\], got float64\[2\]"):
        forward([sin(x)], [x], [input_leaf((2,), FLOAT)])


def test_a_long_chain() -> None:
    x, v = input_leaf((), FLOAT, "x"), input_leaf((), FLOAT, "v")
    y = x
    for _ in range(5_000):
        y = sin(y)
    (found,) = values(forward([y], [x], [v]), {x: 0.5, v: 2.0})
    slope, at = 2.0, 0.5
    for _ in range(5_000):
        slope, at = slope * math.cos(at), math.sin(at)
    assert float(found) == pytest.approx(slope, rel=1e-10)
