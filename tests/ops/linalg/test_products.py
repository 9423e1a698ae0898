from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import ArgumentError, DTypeError, ShapeError
from tests.ops.checks import assert_close, assert_equal, assert_gradient
from tests.ops.strategies import integers

GENERATOR = np.random.default_rng(0)


def whole(*shape: int) -> np.ndarray:
    """Return small integers, whose products are exact."""
    return GENERATOR.integers(-5, 6, shape)


@settings(max_examples=100)
@given(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, min_side=0))
def test_matmul_as_numpy(found: hnp.BroadcastableShapes) -> None:
    x, y = (whole(*shape) for shape in found.input_shapes)
    assert_equal(nv.matmul(x, y), np.matmul(x, y))


def test_matmul_of_other_types() -> None:
    x, y = whole(2, 3).astype(np.float32), whole(3, 4)
    assert_equal(nv.asarray(x) @ nv.asarray(y), (x @ y).astype(np.float32))
    half = nv.ones((1, 5000), dtype=nv.float16)
    assert_equal(half @ half.T, np.full((1, 1), 5000, np.float16))


@pytest.mark.parametrize(
    "x, y, text",
    [
        ((2, 3), (4, 5), "matmul: axes (1,) of x1 and (0,) of x2 are summed over and "
         "must have equal sizes, got 3 and 4"),
        ((2, 2, 3), (4, 3, 5), "matmul: the leading axes [2] and [4] do not broadcast"),
        ((), (3,), "matmul: expected arrays of at least one axis"),
    ],
)  # fmt: skip
def test_matmul_errors(x: tuple, y: tuple, text: str) -> None:
    with pytest.raises(ShapeError) as caught:
        nv.matmul(nv.zeros(x), nv.zeros(y))
    assert f"{caught.value}".splitlines()[0] == text


def test_matmul_of_truth_values() -> None:
    with pytest.raises(DTypeError, match="^matmul: expected integers or floating"):
        nv.matmul(nv.ones((2, 2), dtype=bool), nv.ones((2, 2), dtype=bool))


@pytest.mark.parametrize(
    "x, y, axes",
    [
        ((2, 3, 4), (3, 4, 5), 2),
        ((2, 3), (4,), 0),
        ((2, 3, 4), (4, 2, 5), ((2, 0), (0, 1))),
        ((2, 3, 4), (4, 2), (-1, 0)),
        ((), (3,), 0),
        ((3, 0), (0, 2), 1),
    ],
)
def test_tensordot_as_numpy(x: tuple, y: tuple, axes: object) -> None:
    a, b = whole(*x), whole(*y)
    assert_equal(nv.tensordot(a, b, axes=axes), np.tensordot(a, b, axes))


def test_tensordot_errors() -> None:
    x, y = nv.zeros((2, 3)), nv.zeros((4, 5))
    with pytest.raises(ShapeError, match=r"got \[2, 3\] and \[4, 5\]"):
        nv.tensordot(x, y)
    with pytest.raises(ArgumentError, match="cannot sum over 3 axes"):
        nv.tensordot(x, y, axes=3)
    with pytest.raises(ArgumentError, match="as many axes of x1 as of x2"):
        nv.tensordot(x, y, axes=((0,), (0, 1)))
    with pytest.raises(ArgumentError, match="an axis is repeated"):
        nv.tensordot(x, y, axes=((0, 0), (0, 1)))


@given(st.data())
def test_vecdot_as_numpy(data: st.DataObject) -> None:
    found = data.draw(
        hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=2)
    )
    x, y = (data.draw(integers(shape)) for shape in found.input_shapes)
    assert_equal(nv.vecdot(x, y), np.vecdot(x, y))
    axis = data.draw(st.integers(-min(x.ndim, y.ndim), -1))
    moved = [np.moveaxis(part, -1, axis) for part in (x, y)]
    assert_equal(nv.vecdot(*moved, axis=axis), np.vecdot(*moved, axis=axis))


@pytest.mark.parametrize(
    "x, y",
    [((3,), (3,)), ((2, 3), (3, 4)), ((2, 3), (3,)), ((), (2,)), ((2, 3), (4, 3, 5))],
)
def test_dot_as_numpy(x: tuple, y: tuple) -> None:
    a, b = whole(*x), whole(*y)
    assert_equal(nv.dot(a, b), np.dot(a, b))


def test_outer_and_transpose() -> None:
    x, y = whole(2, 3), whole(4)
    assert_equal(nv.outer(x, y), np.outer(x, y))
    stack = whole(2, 3, 4)
    assert_equal(nv.matrix_transpose(stack), np.matrix_transpose(stack))
    with pytest.raises(ShapeError, match="matrix_transpose: expected an array of at"):
        nv.matrix_transpose(nv.zeros(3))


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_norms_as_numpy(order: float, axis: object) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 4))
    want = np.linalg.vector_norm(x, axis=axis, ord=order, keepdims=True)
    got = nv.vector_norm(nv.asarray(x), axis=axis, ord=order, keepdims=True)
    assert_close(got, want, ulp=8)
    if order != 0:
        assert_gradient(lambda y: nv.vector_norm(y, axis=axis, ord=order), x)


def test_norm_at_zero() -> None:
    assert nv.grad(nv.vector_norm)(nv.zeros(3)).tolist() == [0, 0, 0]
    assert nv.vector_norm(nv.zeros(0)).item() == 0
    with pytest.raises(ShapeError, match="^vector_norm: there is no extremum"):
        nv.vector_norm(nv.zeros(0), ord=np.inf)


@pytest.mark.parametrize(
    "x, y",
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (4, 3, 2)), ((2, 3), (4, 3, 2)),
     ((4, 2, 3), (3, 2)), ((1, 2, 3), (4, 3, 2))],
)  # fmt: skip
def test_gradients(x: tuple, y: tuple) -> None:
    assert_gradient(nv.matmul, GENERATOR.normal(size=x), GENERATOR.normal(size=y))
