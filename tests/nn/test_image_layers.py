"""Images resized, cut and changed at random, against SciPy and NumPy."""

import numpy as np
import pytest
from scipy import ndimage

import nervure as nv
from nervure.errors import ArgumentError, ShapeError
from nervure.layers import (
    CenterCrop,
    Input,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Resizing,
)
from nervure.ops import nn
from nervure.step import Step

random = np.random.default_rng(0)
IMAGES = random.random((3, 6, 7, 2)).astype("float32")

SCIPY_MODES = {
    "reflect": "reflect",
    "wrap": "grid-wrap",
    "nearest": "nearest",
    "constant": "grid-constant",
}

RANDOM_LAYERS = {
    "flip": lambda **options: RandomFlip(**options),
    "brightness": lambda **options: RandomBrightness(0.5, (0.0, 1.0), **options),
    "contrast": lambda **options: RandomContrast(0.5, (0.0, 1.0), **options),
    "translation": lambda **options: RandomTranslation(0.3, 0.3, **options),
    "rotation": lambda **options: RandomRotation(0.3, **options),
    "zoom": lambda **options: RandomZoom(0.3, **options),
}


# --- functions -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", SCIPY_MODES)
@pytest.mark.parametrize("order", [0, 1])
def test_affine_transform_against_scipy(mode, order):
    images = IMAGES.astype("float64")
    numbers = random.normal([1, 0, 0, 0, 1, 0], [0.3, 0.3, 9, 0.3, 0.3, 9], (3, 6))
    got = nn.affine_transform(
        images, numbers, "nearest" if order == 0 else "bilinear", mode, 0.25
    )
    y, x = np.mgrid[0:6, 0:7]
    for image, (a, b, c, d, e, f), result in zip(
        images, numbers, got.numpy(), strict=True
    ):
        places = [d * x + e * y + f, a * x + b * y + c]
        for channel in range(2):
            expected = ndimage.map_coordinates(
                image[..., channel], places, order=order, mode=SCIPY_MODES[mode],
                cval=0.25,
            )  # fmt: skip
            np.testing.assert_allclose(result[..., channel], expected, atol=1e-10)


def test_gradient_of_affine_transform():
    weights = random.normal(size=IMAGES.shape)
    numbers = random.normal([1, 0, 0, 0, 1, 0], 0.2, (3, 6))

    def total(images):
        return nv.sum(nn.affine_transform(images, numbers) * weights)

    x = nv.asarray(IMAGES.astype("float64"))
    gradient = nv.grad(total)(x).numpy()
    direction = random.normal(size=IMAGES.shape)
    change = total(x + direction).item() - total(x).item()  # linear in the images
    np.testing.assert_allclose((gradient * direction).sum(), change, rtol=1e-9)


def test_wrong_uses_of_image_functions():
    with pytest.raises(ValueError, match="unknown interpolation"):
        nn.resize(IMAGES, (2, 2), "area")
    with pytest.raises(ShapeError, match="expected images"):
        nn.resize(IMAGES[0], (2, 2))
    with pytest.raises(ValueError, match="unknown fill_mode"):
        nn.affine_transform(IMAGES, np.zeros((3, 6)), fill_mode="mirror")
    with pytest.raises(ShapeError, match="6 numbers for each of the 3"):
        nn.affine_transform(IMAGES, np.zeros((2, 6)))


# --- Resizing, CenterCrop ------------------------------------------------------------


def test_resizing():
    whole = Resizing(3, 7, antialias=False)(IMAGES).numpy()
    np.testing.assert_allclose(whole, (IMAGES[:, ::2] + IMAGES[:, 1::2]) / 2, rtol=1e-5)
    doubled = Resizing(12, 14, "nearest")(IMAGES)
    np.testing.assert_array_equal(doubled, IMAGES.repeat(2, 1).repeat(2, 2))
    same = Resizing(6, 7, "bicubic")(IMAGES)
    np.testing.assert_array_equal(same, IMAGES)
    pixels = (IMAGES * 255).astype("uint8")
    got = Resizing(12, 14, "bicubic")(pixels)
    assert got.dtype == nv.uint8
    assert Resizing(4, 5)(Input((None, None, 3))).shape == (None, 4, 5, 3)
    assert Resizing(4, 5)(IMAGES[0]).shape == (4, 5, 2)
    with pytest.raises(ArgumentError, match="not both"):
        Resizing(4, 5, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)
    with pytest.raises(ValueError, match="unknown interpolation"):
        Resizing(4, 5, "area")
    with pytest.raises(ShapeError, match="with 4 axes, or one with 3"):
        Resizing(4, 5)(IMAGES[0, 0])


def test_center_crop():
    np.testing.assert_array_equal(CenterCrop(2, 3)(IMAGES), IMAGES[:, 2:4, 2:5])
    np.testing.assert_array_equal(CenterCrop(6, 7)(IMAGES), IMAGES)
    assert CenterCrop(9, 3)(IMAGES).shape == (3, 9, 3, 2)
    assert CenterCrop(4, 5)(Input((6, 7, 3))).shape == (None, 4, 5, 3)
    first = CenterCrop(2, 3, "channels_first")(np.moveaxis(IMAGES, -1, 1))
    np.testing.assert_array_equal(first, np.moveaxis(IMAGES[:, 2:4, 2:5], -1, 1))


# --- random layers -------------------------------------------------------------------


@pytest.mark.parametrize("name", RANDOM_LAYERS)
def test_only_training_changes_images(name):
    make = RANDOM_LAYERS[name]
    layer = make(seed=1)
    np.testing.assert_array_equal(layer(IMAGES), IMAGES)
    many = np.concatenate([IMAGES[:1]] * 16)
    first, second = (layer(many, training=True).numpy() for _ in range(2))
    assert not np.allclose(first, second)
    assert len({one.tobytes() for one in first}) > 2  # each image in its own way
    np.testing.assert_array_equal(make(seed=1)(many, training=True), first)
    assert layer(Input((6, 7, 2)), training=True).shape == (None, 6, 7, 2)
    assert layer(IMAGES[0], training=True).shape == (6, 7, 2)
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(many, training=True), first)


@pytest.mark.parametrize("name", RANDOM_LAYERS)
def test_channels_first(name):
    make = RANDOM_LAYERS[name]
    last = make(seed=1)(IMAGES, training=True)
    turned = np.moveaxis(IMAGES, -1, 1)
    first = make(seed=1, data_format="channels_first")(turned, training=True)
    np.testing.assert_allclose(first, np.moveaxis(last.numpy(), -1, 1), atol=1e-6)


@pytest.mark.parametrize("executor", ["reference", "cpu"])
@pytest.mark.parametrize("name", ["flip", "contrast", "rotation"])
def test_compiled_steps_change_images_alike(name, executor):
    make = RANDOM_LAYERS[name]
    layer = make(seed=1)
    total = nv.nn.variable.Variable(np.zeros(IMAGES.shape, "float32"), name="total")

    def step(constants, varying):
        total.assign_add(layer(constants[0], training=True))

    with nv.config.override(executor=executor):
        Step(step).run([IMAGES], [np.zeros(2)])
    with nv.config.override(executor="reference"):
        eager = make(seed=1)
        expected = sum(eager(IMAGES, training=True).numpy() for _ in range(2))
    np.testing.assert_allclose(total.numpy(), expected, atol=1e-4)


def test_flips():
    many = np.concatenate([IMAGES[:1]] * 64)
    flips = {
        "horizontal": [np.flip(IMAGES[0], 1)],
        "vertical": [np.flip(IMAGES[0], 0)],
        "horizontal_and_vertical": [
            np.flip(IMAGES[0], 1), np.flip(IMAGES[0], 0), np.flip(IMAGES[0], (0, 1))
        ],
    }  # fmt: skip
    for mode, expected in flips.items():
        got = RandomFlip(mode, seed=2)(many, training=True).numpy()
        kinds = {one.tobytes() for one in got}
        assert kinds == {one.tobytes() for one in (IMAGES[0], *expected)}
    with pytest.raises(ValueError, match="unknown mode of RandomFlip"):
        RandomFlip("diagonal")


def test_brightness_and_contrast():
    brighter = RandomBrightness((0.2, 0.2), (0.0, 1.0))(IMAGES, training=True)
    np.testing.assert_allclose(brighter, np.clip(IMAGES + 0.2, 0, 1), atol=1e-6)
    pixels = (IMAGES * 255).astype("uint8")
    got = RandomBrightness(0.5, seed=1)(pixels, training=True).numpy()
    assert got.min() >= 0
    assert got.max() <= 255
    layer = RandomContrast((0.5, 0.0), (-9.0, 9.0), seed=1)
    got = layer(IMAGES, training=True).numpy()
    mean = IMAGES.mean((1, 2), keepdims=True)
    factors = (got - mean) / (IMAGES - mean)
    assert (np.abs(factors - factors[:, :1, :1, :1]) < 0.05).all()
    assert ((factors > 0.45) & (factors < 1.05)).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomBrightness(1.5),
        lambda: RandomBrightness((0.5, 0.2)),
        lambda: RandomBrightness(0.5, (1, 0)),
        lambda: RandomContrast(2.0),
        lambda: RandomContrast((0.1, 0.2, 0.3)),
        lambda: RandomTranslation(2.0, 0.1),
        lambda: RandomRotation("half"),
        lambda: RandomZoom((-2.0, 0.0)),
        lambda: RandomZoom(0.1, fill_mode="mirror"),
        lambda: RandomRotation(0.1, interpolation="bicubic"),
    ],
)
def test_wrong_factors(make):
    with pytest.raises(ValueError, match="expected|unknown"):
        make()
