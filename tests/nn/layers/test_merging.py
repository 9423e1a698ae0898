"""Layers that merge several inputs, with and without masks."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure import layers
from nervure.errors import ArgumentError, ShapeError
from nervure.layers import (
    Add,
    Average,
    Concatenate,
    Dot,
    Input,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)

random = np.random.default_rng(0)
x, y, z = random.normal(size=(3, 2, 3, 4)).astype("float32")
ELEMENTWISE = {
    "Add": lambda *parts: sum(parts[1:], parts[0]),
    "Multiply": lambda *parts: np.prod(parts, axis=0),
    "Average": lambda *parts: np.mean(parts, axis=0),
    "Maximum": lambda *parts: np.max(parts, axis=0),
    "Minimum": lambda *parts: np.min(parts, axis=0),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    layer, function = getattr(layers, name)(), getattr(layers, name.lower())
    expected = ELEMENTWISE[name](x, y, z)
    np.testing.assert_allclose(layer([x, y, z]), expected, rtol=1e-6)
    np.testing.assert_allclose(function([x, y, z]), expected, rtol=1e-6)
    np.testing.assert_array_equal(layer([x]), x)
    assert layer([x, y[:, :1]]).shape == (2, 3, 4)
    assert layer([x, y[:, 0]]).shape == (2, 3, 4)


def test_subtract():
    np.testing.assert_array_equal(Subtract()([x, y]), x - y)
    np.testing.assert_array_equal(layers.subtract([x, y], name="s"), x - y)
    with pytest.raises(ShapeError, match="expected a list of 2 arrays, got 3"):
        Subtract()([x, y, z])


def test_shorter_inputs_get_axes_after_the_batch():
    row = random.normal(size=(2, 4)).astype("float32")
    np.testing.assert_allclose(Add()([x, row]), x + row[:, None], rtol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (x, "expected a list of at least 1 array, got one array of shape"),
        ([x, y[:1]], r"equal numbers of samples, got the shapes \[2, 3, 4\], \[1,"),
        ([x, y[:, :2]], "do not broadcast"),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(ShapeError, match=message):
        Add(name="a")(inputs)


def test_gradients_of_a_merge():
    one, other = nv.asarray(x), nv.asarray(y)
    loss = nv.sum(Multiply()([one, Add()([one, other])]))
    slopes = nv.gradients(loss, [one, other])
    np.testing.assert_allclose(slopes[0], 2 * x + y, rtol=1e-5)
    np.testing.assert_allclose(slopes[1], x, rtol=1e-6)


# --- concatenate, dot ----------------------------------------------------------------


def test_concatenate():
    np.testing.assert_array_equal(
        Concatenate()([x, y[..., :1]]), np.concatenate([x, y[..., :1]], -1)
    )
    np.testing.assert_array_equal(
        layers.concatenate([x, y, z], axis=1), np.concatenate([x, y, z], 1)
    )
    np.testing.assert_array_equal(Concatenate(0)([x, y[:1]]), np.vstack([x, y[:1]]))
    with pytest.raises(ShapeError, match="inputs that differ on axis -1 only, got"):
        Concatenate()([x, y[:, :2]])
    with pytest.raises(ShapeError, match="inputs that differ on axis -1 only, got"):
        Concatenate()([x, y[:, 0]])
    assert Concatenate(1).get_config()["axis"] == 1


@pytest.mark.parametrize(
    ("shapes", "axes", "subscripts"),
    [
        (((2, 3), (2, 3)), 1, "bi,bi->b"),
        (((2, 4, 3), (2, 5, 3)), -1, "bij,bkj->bik"),
        (((2, 3, 5), (2, 10, 3)), (1, 2), "bij,bki->bjk"),
        (((2, 3), (2, 4, 3)), (1, 2), "bi,bki->bk"),
        (((2, 3, 4, 5), (2, 4)), (2, 1), "bijk,bj->bik"),
    ],
)
@pytest.mark.parametrize("normalize", [False, True])
def test_dot(shapes, axes, subscripts, normalize):
    one, other = (random.normal(size=shape) for shape in shapes)
    got = Dot(axes, normalize, dtype="float64")([one, other])
    if normalize:
        pair = (axes, axes) if isinstance(axes, int) else axes
        one = one / np.linalg.norm(one, axis=pair[0], keepdims=True)
        other = other / np.linalg.norm(other, axis=pair[1], keepdims=True)
    expected = np.einsum(subscripts, one, other)
    expected = expected[:, None] if expected.ndim == 1 else expected
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_dot_of_what_does_not_fit():
    with pytest.raises(ArgumentError, match="other than that of the batch"):
        Dot(0)
    with pytest.raises(ShapeError, match="expected equal sizes of axis 1 and axis 2"):
        Dot((1, 2))([x, y])
    with pytest.raises(ShapeError, match="there is no axis 3 besides the batch"):
        Dot(3)([x, y])
    assert Dot((1, 2), True).get_config()["axes"] == [1, 2]
    assert layers.dot([x, y], axes=2).shape == (2, 3, 3)


# --- types without numbers, masks ----------------------------------------------------


@pytest.mark.parametrize("class_", [Add, Multiply, Average, Maximum, Minimum])
def test_symbolic_inputs(class_):
    one, other = Input((None, 4)), Input((None, 1))
    assert class_()([one, other]).shape == (None, None, 4)


def test_more_symbolic_inputs():
    one, other = Input((5, 4)), Input((5, 3))
    assert Concatenate()([one, other]).shape == (None, 5, 7)
    assert Dot(1)([one, other]).shape == (None, 4, 3)
    assert Subtract()([one, Input((1, 4))]).shape == (None, 5, 4)


MASKS = np.array([[[1, 0, 0], [1, 1, 0]], [[1, 1, 0], [0, 1, 0]]], bool)


def masked():
    """Return x and y with masks of their steps."""
    pairs = zip((x, y), MASKS)
    return [nv.asarray(part).masked(nv.asarray(mask)) for part, mask in pairs]


@pytest.mark.parametrize("class_", [Add, Subtract, Multiply, Average, Maximum, Minimum])
def test_a_step_counts_if_it_counts_in_any_input(class_):
    result = class_()(masked())
    np.testing.assert_array_equal(result.mask, MASKS.any(0))
    assert class_()([masked()[0], nv.asarray(y)]).mask is None


def test_what_does_not_count_takes_no_part():
    first, second = MASKS[..., None]
    product = np.where(first, x, 1) * np.where(second, y, 1)
    expected = np.where(first | second, product, 0)
    np.testing.assert_array_equal(Multiply()(masked()), expected)
    lowest = np.maximum(np.where(first, x, -np.inf), np.where(second, y, -np.inf))
    got = Maximum()(masked()).numpy()
    known = MASKS.any(0)
    np.testing.assert_array_equal(got[known], lowest[known])
    highest = np.minimum(np.where(first, x, np.inf), np.where(second, y, np.inf))
    got = Minimum()(masked()).numpy()
    np.testing.assert_array_equal(got[known], highest[known])


def test_masks_of_joined_inputs():
    joined = Concatenate(axis=1)(masked())
    np.testing.assert_array_equal(joined.mask, np.concatenate(MASKS, axis=1))
    features = Concatenate()([masked()[0], nv.asarray(y)])
    np.testing.assert_array_equal(features.mask, np.ones((2, 3)))
    assert Dot(-1)(masked()).mask is None
