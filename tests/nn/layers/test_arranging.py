"""Layers that arrange elements: padding, cropping, upsampling, orders of axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import nervure as nv
from nervure import layers
from nervure.errors import ArgumentError, ShapeError, UnknownNameError
from nervure.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Input,
    Permute,
    RepeatVector,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)

random = np.random.default_rng(0)


def test_zero_padding():
    x = random.normal(size=(2, 3, 4, 2)).astype("float32")
    got = ZeroPadding2D(((1, 0), (2, 3)))(x)
    np.testing.assert_array_equal(got, np.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0))))
    got = ZeroPadding2D((1, 2), data_format="channels_first")(x)
    np.testing.assert_array_equal(got, np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2))))
    assert ZeroPadding1D((0, 3))(x[0]).shape == (3, 7, 2)
    assert ZeroPadding3D(1)(x[None]).shape == (1, 4, 5, 6, 2)


def test_the_gradient_of_padding_is_cropping():
    x = nv.asarray(random.normal(size=(1, 3, 4, 2)))
    weights = random.normal(size=(1, 4, 9, 2))
    layer = ZeroPadding2D(((1, 0), (2, 3)), dtype="float64")
    (slope,) = nv.gradients(nv.sum(layer(x) * weights), [x])
    cropped = Cropping2D(((1, 0), (2, 3)), dtype="float64")(weights)
    np.testing.assert_array_equal(slope, cropped)


def test_cropping():
    x = random.normal(size=(2, 5, 6, 2)).astype("float32")
    np.testing.assert_array_equal(Cropping2D(1)(x), x[:, 1:-1, 1:-1])
    np.testing.assert_array_equal(Cropping2D(((0, 2), (1, 0)))(x), x[:, :-2, 1:])
    np.testing.assert_array_equal(Cropping2D()(x), x)
    got = Cropping2D((1, 0), data_format="channels_first")(x)
    np.testing.assert_array_equal(got, x[:, :, 1:-1])
    np.testing.assert_array_equal(Cropping1D()(x[0]), x[0][:, 1:-1])
    assert Cropping3D(((1, 0), (0, 2), (3, 2)))(x[None]).shape == (1, 1, 3, 1, 2)


def test_cropping_that_leaves_nothing():
    with pytest.raises(ShapeError) as caught:
        Cropping2D(((2, 3), (0, 0)), name="c")(np.ones((1, 5, 5, 1)))
    assert str(caught.value).startswith(
        "cropping (layer 'c'): nothing is left of the [5, 5] places of the input when "
        "((2, 3), (0, 0)) are cut off"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: ZeroPadding2D(-1),
        lambda: ZeroPadding2D((1, 2, 3)),
        lambda: ZeroPadding2D(((1, 2), (3, -4))),
        lambda: ZeroPadding1D((1, 2, 3)),
        lambda: Cropping3D((1, 2)),
        lambda: Cropping1D("1"),
        lambda: Cropping2D(((1,), (2, 2))),
    ],
)
def test_wrong_borders(make):
    with pytest.raises(ArgumentError, match="(padding|cropping) to be a whole number"):
        make()


# --- upsampling ----------------------------------------------------------------------


def test_repeated_places():
    x = random.normal(size=(2, 3, 4, 2)).astype("float32")
    got = UpSampling2D((2, 3))(x)
    np.testing.assert_array_equal(got, x.repeat(2, 1).repeat(3, 2))
    got = UpSampling2D((2, 3), "channels_first")(x)
    np.testing.assert_array_equal(got, x.repeat(2, 2).repeat(3, 3))
    np.testing.assert_array_equal(UpSampling1D(3)(x[0]), x[0].repeat(3, 1))
    assert UpSampling3D((1, 2, 3))(x[None]).shape == (1, 2, 6, 12, 2)


@pytest.mark.parametrize("factor", [2, 3])
def test_bilinear_against_torch(factor):
    x = random.normal(size=(2, 4, 5, 3))
    leaf = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.interpolate(
        leaf.movedim(-1, 1), scale_factor=factor, mode="bilinear", align_corners=False
    ).movedim(1, -1)
    weights = random.normal(size=tuple(expected.shape))
    (expected * torch.tensor(weights)).sum().backward()
    given = nv.asarray(x)
    layer = UpSampling2D(factor, interpolation="bilinear", dtype="float64")
    np.testing.assert_allclose(layer(given), expected.detach().numpy(), rtol=1e-12)
    (slope,) = nv.gradients(nv.sum(layer(given) * weights), [given])
    np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=1e-11)


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_interpolation_keeps_a_constant(name):
    x = np.full((1, 6, 7, 1), 2.5)
    got = UpSampling2D((3, 2), interpolation=name.upper(), dtype="float64")(x)
    np.testing.assert_allclose(got, np.full((1, 18, 14, 1), 2.5), rtol=1e-14)


def test_cubic_interpolation_keeps_a_parabola_inside():
    """Keys' kernel reproduces polynomials up to the second degree."""
    place = np.arange(12.0)
    x = (place**2)[None, :, None]
    got = nv.nn.upsample(x, 4, interpolation="bicubic").numpy()[0, :, 0]
    middle = (np.arange(48) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(got[8:-8], middle[8:-8] ** 2, rtol=1e-12)


def test_upsampling_of_nothing():
    empty = np.ones((0, 2, 2, 1), "float32")
    layer = UpSampling2D(2, interpolation="bilinear")
    assert layer(empty).shape == (0, 4, 4, 1)
    with pytest.raises(UnknownNameError, match="unknown interpolation: 'linear'"):
        UpSampling2D(interpolation="linear")
    with pytest.raises(ValueError, match="expected size to be a whole number from 1"):
        UpSampling1D(0)


# --- orders of axes, repetition ------------------------------------------------------


def test_permute():
    x = random.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(Permute((3, 1, 2))(x), x.transpose(0, 3, 1, 2))
    with pytest.raises(ArgumentError, match="the axes from 1 on, each once"):
        Permute((0, 1))
    with pytest.raises(ShapeError, match="expected an input with 3 axes, got 4"):
        Permute((2, 1))(x)


def test_repeat_vector():
    x = random.normal(size=(2, 3)).astype("float32")
    np.testing.assert_array_equal(RepeatVector(4)(x), x[:, None].repeat(4, 1))
    assert RepeatVector(4)(np.ones((0, 3))).shape == (0, 4, 3)
    with pytest.raises(ValueError, match="expected n to be a whole number from 1"):
        RepeatVector(0)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (ZeroPadding1D(2), (None, None, 3), (None, None, 3)),
        (ZeroPadding2D(1), (None, 4, None, 3), (None, 6, None, 3)),
        (Cropping2D(1, "channels_first"), (None, 3, 4, None), (None, 3, 2, None)),
        (UpSampling2D((2, 3)), (None, 4, None, 3), (None, 8, None, 3)),
        (UpSampling2D(2, None, "bilinear"), (None, None, 4, 3), (None, None, 8, 3)),
        (Permute((2, 1)), (None, None, 4), (None, 4, None)),
        (RepeatVector(3), (None, 4), (None, 3, 4)),
    ],
)
def test_shapes_with_unknown_sizes(layer, shape, expected):
    assert layer.compute_output_shape(shape) == expected
    assert layer(Input(batch_shape=shape)).shape == expected


@pytest.mark.parametrize(
    "name",
    [n for n in layers.__all__ if n.startswith(("Zero", "Crop", "UpSamp"))],
)
def test_every_configuration(name):
    class_ = getattr(layers, name)
    config = class_(name="one").get_config()
    assert class_.from_config(config).get_config() == config
