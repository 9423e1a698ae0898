"""Pooling: values and gradients against torch and NumPy, shapes and wrong uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import layers
from nervure.errors import ShapeError
from nervure.layers import (
    AdaptiveAveragePooling2D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)

random = np.random.default_rng(0)


def check_against_torch(layer, shape, theirs):
    """Compare the output and the gradient; ``theirs`` takes channels first."""
    x = random.normal(size=shape)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf.movedim(-1, 1)).movedim(1, -1)
    coefficients = random.normal(size=tuple(expected.shape))
    (expected * torch.tensor(coefficients)).sum().backward()
    given = nv.asarray(x)
    got = layer(given)
    np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-10)
    (slope,) = nv.gradients(nv.sum(layer(given) * coefficients), [given])
    np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("size", "strides"), [(2, None), (3, 1), (2, 3)])
def test_windows_against_torch(rank, kind, size, strides):
    name = {"max": "MaxPooling", "avg": "AveragePooling"}[kind]
    layer = getattr(layers, f"{name}{rank}D")(size, strides, dtype="float64")
    function = getattr(torch.nn.functional, f"{kind}_pool{rank}d")
    shape = (2, *(7, 6, 5)[:rank], 3)
    check_against_torch(layer, shape, lambda x: function(x, size, strides))


def naive(x, size, stride, reduce):
    """Pool along axis 1 with padding "same", by its definition."""
    length = x.shape[1]
    count = -(-length // stride)
    low = max((count - 1) * stride + size - length, 0) // 2
    windows = [
        x[:, max(place * stride - low, 0) : place * stride - low + size]
        for place in range(count)
    ]
    return np.stack([reduce(one, axis=1) for one in windows], axis=1)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("length", [4, 7])
def test_same_padding_is_no_element(size, stride, length):
    """All values are negative: a padding of zeros would show."""
    x = random.uniform(-3, -1, size=(2, length, 2))
    options = {"padding": "same", "dtype": "float64"}
    largest = MaxPooling1D(size, stride, **options)(x)
    np.testing.assert_array_equal(largest, naive(x, size, stride, np.max))
    mean = AveragePooling1D(size, stride, **options)(x)
    np.testing.assert_allclose(mean, naive(x, size, stride, np.mean), rtol=1e-14)


def test_same_padding_with_two_uneven_axes():
    x = random.normal(size=(1, 5, 4, 2))
    layer = AveragePooling2D((3, 2), (2, 3), "same", dtype="float64")
    got = layer(x)
    ones = layer(np.ones_like(x))
    np.testing.assert_array_equal(ones, np.ones((1, 3, 2, 2)))
    rows = naive(x, 3, 2, np.mean)  # means of means: all windows of a row are alike
    both = naive(rows.swapaxes(1, 2), 2, 3, np.mean).swapaxes(1, 2)
    np.testing.assert_allclose(got, both, rtol=1e-13)


def test_channels_first_is_the_same_moved():
    x = random.normal(size=(2, 7, 6, 3)).astype("float32")
    moved = np.moveaxis(x, -1, 1)
    for class_ in (MaxPooling2D, AveragePooling2D):
        last = class_(2, padding="same")(x).numpy()
        first = class_(2, padding="same", data_format="channels_first")(moved)
        np.testing.assert_array_equal(first, np.moveaxis(last, -1, 1))


def test_the_mean_of_halves_does_not_overflow():
    x = np.full((1, 64, 64, 1), 60.0, "float16")
    got = AveragePooling2D(64, dtype="float16")(x)
    assert got.dtype == "float16"
    assert got.ravel().tolist() == [60.0]


# --- global and adaptive -------------------------------------------------------------


def test_global_pooling():
    x = random.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(GlobalMaxPooling2D()(x), x.max((1, 2)))
    mean = GlobalAveragePooling2D(keepdims=True)(x)
    np.testing.assert_allclose(mean, x.mean((1, 2), keepdims=True), rtol=1e-5)
    first = GlobalAveragePooling2D(data_format="channels_first")(x)
    np.testing.assert_allclose(first, x.mean((2, 3)), rtol=1e-5, atol=1e-7)


def test_the_mean_of_the_steps_that_count():
    x = random.normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]], bool)
    got = GlobalAveragePooling1D()(x, mask=nv.asarray(mask)).numpy()
    np.testing.assert_allclose(got[0], x[0, :2].mean(0), rtol=1e-6)
    np.testing.assert_allclose(got[1], x[1, [0, 3]].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(got[2], [0, 0])
    # The mask also comes with the array, and ends there.
    masked = nv.asarray(x).masked(nv.asarray(mask))
    output = GlobalAveragePooling1D()(masked)
    np.testing.assert_array_equal(output, got)
    assert output.mask is None


@pytest.mark.parametrize("count", [(3, 2), (7, 9), (4, 10), 1])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_adaptive_pooling_against_torch(count, kind):
    class_ = {"max": AdaptiveMaxPooling2D, "avg": AdaptiveAveragePooling2D}[kind]
    function = getattr(torch.nn.functional, f"adaptive_{kind}_pool2d")
    layer = class_(count, dtype="float64")
    check_against_torch(layer, (2, 7, 9, 3), lambda x: function(x, count))


# --- shapes and arguments ------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (MaxPooling1D(2), (None, None, 3), (None, None, 3)),
        (MaxPooling2D(), (None, 26, 26, 32), (None, 13, 13, 32)),
        (
            MaxPooling2D(3, 2, "same", "channels_first"),
            (None, 3, 7, None),
            (None, 3, 4, None),
        ),
        (MaxPooling3D(2, 1), (4, 3, 3, 3, 2), (4, 2, 2, 2, 2)),
        (AveragePooling2D(), (None, 5, None, 2), (None, 2, None, 2)),
        (GlobalAveragePooling1D(), (None, None, 4), (None, 4)),
        (GlobalMaxPooling2D(keepdims=True), (None, None, 3, 4), (None, 1, 1, 4)),
        (AdaptiveMaxPooling1D(5), (None, None, 4), (None, 5, 4)),
        (AdaptiveAveragePooling2D((2, 3)), (None, None, 7, 4), (None, 2, 3, 4)),
    ],
)
def test_shapes_with_unknown_sizes(layer, shape, expected):
    assert layer.compute_output_shape(shape) == expected
    assert layer(Input(batch_shape=shape)).shape == expected


@pytest.mark.parametrize("name", [n for n in layers.__all__ if "Pool" in n])
def test_every_configuration(name):
    class_ = getattr(layers, name)
    layer = class_(**({"output_size": 2} if "Adaptive" in name else {}), name="one")
    config = layer.get_config()
    assert config["data_format"] == "channels_last"
    assert class_.from_config(config).get_config() == config


def test_names_that_keras_also_has():
    assert layers.MaxPool2D is MaxPooling2D
    assert layers.GlobalAvgPool1D is GlobalAveragePooling1D


@pytest.mark.parametrize("class_", [MaxPooling2D, AveragePooling2D])
def test_a_window_larger_than_the_input(class_):
    with pytest.raises(ShapeError) as caught:
        class_((2, 4), name="pool")(np.ones((1, 5, 3, 2), "float32"))
    text = str(caught.value)
    assert "(layer 'pool'): a window that reaches over [2, 4] does not fit" in text
    assert "the [5, 3] places of the input" in text
    assert "fix: use a smaller window" in text


def test_the_network_that_shrinks_too_much():
    """The error names the layer in a model, before anything is computed."""
    with pytest.raises(ShapeError, match="layer 'm/small'"):
        nv.models.Sequential(
            [
                Input((5, 5, 1)),
                MaxPooling2D(2),
                MaxPooling2D(3, name="small"),
            ],
            name="m",
        )


def test_whole_numbers_stay_whole_numbers():
    x = np.arange(16).reshape(1, 4, 4, 1)
    assert MaxPooling2D()(x).dtype == "int64"
    assert AveragePooling2D()(x).ravel().tolist() == [2.5, 4.5, 10.5, 12.5]


@pytest.mark.parametrize("size", [0, -1, (2, 2, 2), 1.5, None, "2"])
def test_wrong_sizes(size):
    with pytest.raises(ValueError, match="expected pool_size to be a whole number"):
        MaxPooling2D(size)
