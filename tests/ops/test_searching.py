from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.config import config
from nervure.errors import ArgumentError, DTypeError, ShapeError
from tests.ops.checks import assert_equal, assert_gradient
from tests.ops.strategies import integers, shapes


@given(st.data())
def test_positions_of_extrema_as_numpy(data: st.DataObject) -> None:
    x = data.draw(
        hnp.arrays(
            st.sampled_from([np.float64, np.int8, np.uint8, np.bool_]),
            hnp.array_shapes(max_dims=3, max_side=4),
        )
    )
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    keepdims = data.draw(st.booleans())
    for name in ("argmax", "argmin"):
        got = getattr(nv, name)(nv.asarray(x), axis=axis, keepdims=keepdims)
        want = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        assert_equal(got, want)


def test_smallest_integer_is_the_minimum() -> None:
    assert nv.argmin(nv.asarray([0, -(2**63), 5])).item() == 1
    assert nv.argmin(nv.asarray(7)).item() == 0


def test_no_extremum_of_nothing() -> None:
    with pytest.raises(ShapeError, match="^argmin: there is no extremum"):
        nv.argmin(nv.zeros((0, 2)))
    assert nv.argmax(nv.zeros((0, 2)), axis=1).shape == (0,)


@given(shapes().filter(len).flatmap(lambda shape: integers(shape, -1, 1)))
def test_nonzero_as_numpy(x: np.ndarray) -> None:
    for got, want in zip(nv.nonzero(nv.asarray(x)), np.nonzero(x), strict=True):
        assert_equal(got, want)


def test_nonzero_of_a_number() -> None:
    with pytest.raises(ShapeError, match="nonzero: expected an array of at least one"):
        nv.nonzero(nv.asarray(3))


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3))
def test_where_as_numpy(found: hnp.BroadcastableShapes) -> None:
    random = np.random.default_rng(0)
    condition, x, y = (random.normal(size=shape) for shape in found.input_shapes)
    assert_equal(nv.where(condition > 0, x, y), np.where(condition > 0, x, y))


def test_where_of_a_condition_alone_is_nonzero() -> None:
    (places,) = nv.where(nv.asarray([0.0, 2.0, 3.0]))
    assert places.tolist() == [1, 2]
    with pytest.raises(ArgumentError, match="both x1 and x2, or neither"):
        nv.where(True, 1.0)


def test_where_promotes() -> None:
    half = nv.asarray([1.0], dtype=nv.float16)
    assert nv.where(nv.asarray([True]), half, 2).dtype == nv.float16
    assert nv.where(nv.asarray([1, 0]), 1, 2).tolist() == [1, 2]
    assert nv.where(True, 1.0, 2).dtype == nv.float32
    with pytest.raises(ShapeError, match=r"^where: shapes \[2\] and \[3\] and \[\]"):
        nv.where(nv.asarray([True, False]), nv.zeros(3), 0)


@given(
    st.lists(st.floats(width=16), max_size=20),
    st.lists(st.floats(width=16), max_size=6),
    st.sampled_from(["left", "right"]),
)
def test_searchsorted_as_numpy(edges: list, values: list, side: str) -> None:
    x, v = np.sort(np.array(edges, np.float64)), np.array(values, np.float64)
    with config.override(check=True):
        got = nv.searchsorted(nv.asarray(x), v[:, None], side=side)
        assert_equal(got, np.searchsorted(x, v[:, None], side))


def test_searchsorted_with_a_sorter() -> None:
    x = np.array([30, 10, 20])
    got = nv.searchsorted(x, [15, 30], sorter=nv.argsort(x), side="right")
    assert got.tolist() == [1, 3]
    with pytest.raises(ArgumentError, match="'left' or 'right', got 'middle'"):
        nv.searchsorted([1], [1], side="middle")
    with pytest.raises(ShapeError, match="x1 to have one axis"):
        nv.searchsorted([[1]], [1])


@given(st.data())
def test_take_as_numpy(data: st.DataObject) -> None:
    x = data.draw(hnp.array_shapes(max_dims=3, max_side=4).flatmap(integers))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    extent = x.shape[axis]
    indices = data.draw(shapes(2, 3).flatmap(
        lambda shape: integers(shape, -extent, extent - 1)))  # fmt: skip
    want = np.take(x, indices, axis)
    listed = indices.tolist() if indices.size else indices
    for form in (indices, listed, nv.asarray(indices)):
        assert_equal(nv.take(nv.asarray(x), form, axis=axis), want)


@given(st.data())
def test_take_along_axis_as_numpy(data: st.DataObject) -> None:
    x = data.draw(hnp.array_shapes(max_dims=3, max_side=4).flatmap(integers))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    shape = list(x.shape)
    shape[axis] = data.draw(st.integers(0, 3))
    for place in range(x.ndim):
        if place != axis % x.ndim and data.draw(st.booleans()):
            shape[place] = 1
    extent = x.shape[axis]
    indices = data.draw(integers(shape, -extent, extent - 1))
    want = np.take_along_axis(x, indices, axis)
    for form in (indices, nv.asarray(indices)):
        assert_equal(nv.take_along_axis(nv.asarray(x), form, axis=axis), want)


def test_take_errors() -> None:
    x = nv.zeros((2, 3))
    with pytest.raises(ArgumentError, match="^take: expected an axis, since x"):
        nv.take(x, [0])
    with pytest.raises(IndexError, match="index -4 is out of range for axis 1 of size"):
        nv.take(x, [0, -4], axis=1)
    with pytest.raises(DTypeError, match="^take: expected integers, got float"):
        nv.take(x, [0.5], axis=1)
    with pytest.raises(ShapeError, match="expected indices of 2 axes, got 1"):
        nv.take_along_axis(x, nv.asarray([0]))
    with pytest.raises(ShapeError, match="every axis but axis 1"):
        nv.take_along_axis(x, nv.zeros((3, 1), dtype=int), axis=1)


def test_one_hot() -> None:
    x = np.array([[0, 2], [1, 5]])
    want = np.eye(6, dtype=np.float32)[:, :3][x]
    assert_equal(nv.one_hot(x, 3), want)
    assert_equal(nv.one_hot(x, 3, axis=0), np.moveaxis(want, -1, 0))
    assert_equal(nv.one_hot(1, 2, dtype=bool), np.array([False, True]))
    assert_equal(nv.one_hot(x=x, num_classes=3), want)  # as in Keras
    with pytest.raises(DTypeError, match="^one_hot: expected integers, got float32"):
        nv.one_hot(nv.zeros(2), 3)


def test_gradients() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert_gradient(lambda y: nv.where(y > 2, y * y, -y), x + 0.1)
    assert_gradient(lambda y: nv.take(y, [2, 2, 0], axis=1), x)
    places = nv.asarray([[2, 2], [0, 1]])
    assert_gradient(lambda y: nv.take_along_axis(y, places, axis=1), x)
