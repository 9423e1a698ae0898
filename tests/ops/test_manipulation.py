from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import ArgumentError, ShapeError
from tests.ops.checks import assert_equal, assert_gradient
from tests.ops.strategies import integers, shapes

arrays = shapes().flatmap(integers)
with_axes = shapes().filter(len).flatmap(integers)


def an_axis(data: st.DataObject, rank: int) -> int:
    return data.draw(st.integers(-rank, rank - 1))


@given(with_axes, st.data())
def test_along_an_axis_as_numpy(x: np.ndarray, data: st.DataObject) -> None:
    axis = an_axis(data, x.ndim)
    shift = data.draw(st.integers(-9, 9))
    array = nv.asarray(x)
    assert_equal(nv.flip(array, axis=axis), np.flip(x, axis))
    assert_equal(nv.roll(array, shift, axis=axis), np.roll(x, shift, axis))
    assert_equal(nv.concat([array, x], axis=axis), np.concat([x, x], axis=axis))
    assert_equal(nv.stack([array, x], axis=axis), np.stack([x, x], axis=axis))
    assert_equal(nv.expand_dims(array, axis=axis), np.expand_dims(x, axis))
    parts, wanted = nv.unstack(array, axis=axis), np.unstack(x, axis=axis)
    assert len(parts) == len(wanted)
    for part, want in zip(parts, wanted):
        assert_equal(part, want)
    counts = data.draw(integers(x.shape[axis], 0, 3))
    for repeats in (2, counts, [2]):
        assert_equal(nv.repeat(array, repeats, axis=axis), np.repeat(x, repeats, axis))


@given(arrays, st.data())
def test_whole_arrays_as_numpy(x: np.ndarray, data: st.DataObject) -> None:
    array = nv.asarray(x)
    order = data.draw(st.permutations(range(x.ndim)))
    places = data.draw(st.permutations(range(x.ndim)))
    count = data.draw(st.integers(0, x.ndim))
    assert_equal(nv.permute_dims(array, order), np.transpose(x, order))
    assert_equal(nv.transpose(array), x.T)
    moved = np.moveaxis(x, order[:count], places[:count])
    assert_equal(nv.moveaxis(array, order[:count], places[:count]), moved)
    assert_equal(nv.ravel(array), x.ravel())
    assert_equal(nv.flip(array), np.flip(x))
    assert_equal(nv.roll(array, 2), np.roll(x, 2))
    assert_equal(nv.repeat(array, 2), np.repeat(x, 2))
    assert_equal(nv.squeeze(array), np.squeeze(x))
    assert_equal(nv.concat([array, x], axis=None), np.concat([x, x], axis=None))
    assert_equal(nv.reshape(array, (1, x.size, 1)), x.reshape(1, x.size, 1))
    if x.size:
        assert_equal(nv.reshape(array, (-1, 1)), x.reshape(-1, 1))
    counts = data.draw(st.lists(st.integers(0, 3), max_size=4))
    assert_equal(nv.tile(array, counts), np.tile(x, counts))
    widths = data.draw(st.lists(st.tuples(*[st.integers(0, 2)] * 2), min_size=x.ndim,
                                max_size=x.ndim))  # fmt: skip
    if x.ndim:
        padded = np.pad(x, widths, constant_values=7)
        assert_equal(nv.pad(array, widths, constant_values=7), padded)
        assert_equal(nv.pad(array, 1), np.pad(x, 1))
        assert_equal(nv.pad(array, (1, 2)), np.pad(x, (1, 2)))


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0))
def test_broadcasting_as_numpy(found: hnp.BroadcastableShapes) -> None:
    parts = [np.arange(np.prod(shape)).reshape(shape) for shape in found.input_shapes]
    got = nv.broadcast_arrays(*parts)
    for one, want in zip(got, np.broadcast_arrays(*parts)):
        assert_equal(one, want)
    for part in parts:
        want = np.broadcast_to(part, found.result_shape)
        assert_equal(nv.broadcast_to(part, found.result_shape), want)


def test_several_axes() -> None:
    x = np.arange(24).reshape(2, 1, 3, 1, 4)
    assert_equal(nv.squeeze(x, (1, -2)), np.squeeze(x, (1, -2)))
    assert_equal(nv.flip(x, axis=(0, -1)), np.flip(x, (0, -1)))
    assert_equal(nv.roll(x, (1, -2), axis=(2, 4)), np.roll(x, (1, -2), (2, 4)))
    assert_equal(nv.roll(x, 1, axis=(2, 4)), np.roll(x, 1, (2, 4)))
    assert_equal(nv.expand_dims(x, (0, -1)), np.expand_dims(x, (0, -1)))
    assert_equal(nv.swapaxes(x, 0, -1), np.swapaxes(x, 0, -1))


def test_joined_types_promote() -> None:
    x, y = np.ones(2, np.int8), np.ones(2, np.float16)
    assert nv.concat([x, y]).dtype == nv.float16
    assert nv.stack([x, np.ones(2, np.uint8)]).dtype == nv.int16
    assert nv.concatenate is nv.concat


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x: nv.reshape(x, (4, -1)), ShapeError,
         r"reshape: 6 elements do not fill the shape \[4, -1\]"),
        (lambda x: nv.reshape(x, (-1, -1)), ArgumentError, "one -1 at most"),
        (lambda x: nv.reshape(x, 5), ShapeError, "reshape: 6 elements do not fill"),
        (lambda x: nv.squeeze(x, 0), ShapeError, "axis 0 to have size 1, it has 2"),
        (lambda x: nv.broadcast_to(x, (3, 3)), ShapeError,
         r"shape \[2, 3\] does not broadcast to \[3, 3\]"),
        (lambda x: nv.broadcast_to(x, 3), ShapeError, "does not broadcast"),
        (lambda x: nv.permute_dims(x, (0, 0)), ArgumentError, "every axis once"),
        (lambda x: nv.permute_dims(x, (0,)), ArgumentError, "every axis once"),
        (lambda x: nv.moveaxis(x, (0, 1), 0), ArgumentError, "as many dest"),
        (lambda x: nv.concat([]), ShapeError, "concat: expected at least one array"),
        (lambda x: nv.concat([x, [1]]), ShapeError, "every axis but axis 0"),
        (lambda x: nv.stack([x, [1]]), ShapeError, "stack: expected equal shapes, got"),
        (lambda x: nv.concat([1, 2]), ArgumentError, "axis 0 is out of range"),
        (lambda x: nv.repeat(x, -1), ArgumentError, "at least 0, got -1"),
        (lambda x: nv.repeat(x, [1, 2, 3], axis=0), ShapeError, "one number or 2 of"),
        (lambda x: nv.roll(x, (1, 2), axis=0), ArgumentError, "one shift for"),
        (lambda x: nv.tile(x, -1), ArgumentError, "sizes must not be negative"),
        (lambda x: nv.pad(x, 1, "edge"), ArgumentError, "mode 'constant', got"),
        (lambda x: nv.pad(x, (1, 2, 3)), ArgumentError, "or 2 pairs of them"),
        (lambda x: nv.pad(x, -1), ArgumentError, "must not be negative"),
    ],
)  # fmt: skip
def test_errors(call, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(nv.zeros((2, 3)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nv.roll(x, 1, axis=1),
        lambda x: nv.repeat(x, [2, 0, 1], axis=1),
        lambda x: nv.repeat(x, 3, axis=0),
        lambda x: nv.tile(x, (2, 2)),
        lambda x: nv.pad(x, 1),
        lambda x: nv.concat([x, x * x], axis=1),
        lambda x: nv.stack(nv.unstack(x, axis=1)[::-1]),
        lambda x: nv.moveaxis(nv.flip(x), 0, 1),
        lambda x: nv.broadcast_to(nv.expand_dims(x, 1), (2, 4, 3)),
    ],
)
def test_gradients(function) -> None:
    assert_gradient(function, np.arange(6.0).reshape(2, 3))
