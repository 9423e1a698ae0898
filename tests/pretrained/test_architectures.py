"""Numbers of weights, and what constructors do with their arguments."""

import numpy as np
import pytest

import nervure as nv
from nervure.errors import (
    ArgumentError,
    DataError,
    ShapeError,
    UnknownNameError,
)

slow = pytest.mark.slow
# Trainable weights as torchvision's documentation and the papers have them.
TRAINABLE = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "efficientnet_b0": 5_288_548,
    "efficientnet_lite0": 4_652_008,
    "inception_v3": 23_834_568,  # without the second classifier
    "lenet5": 61_706,
    "mobilenet_v2": 3_504_872,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vit_b_16": 86_567_656,
}
# All weights as Keras' documentation has them.
KERAS = {
    "densenet121": 8_062_504,
    "efficientnet_b0": 5_330_571,
    "inception_v3": 23_851_784,
    "mobilenet_v2": 3_538_984,
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
QUICK = ("lenet5", "resnet18", "mobilenet_v2")


def marked(names):
    return [one if one in QUICK else pytest.param(one, marks=slow) for one in names]


@pytest.mark.parametrize("name", marked(TRAINABLE))
def test_trainable_weights(name):
    model = getattr(nv.pretrained, name)(weights=None)
    assert sum(one.size for one in model.trainable_weights) == TRAINABLE[name]
    assert model.name == name


@pytest.mark.parametrize("name", marked(KERAS))
def test_weights_of_keras(name):
    model = getattr(nv.pretrained, name)(style="keras")
    assert model.count_params() == KERAS[name]


@slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_random_networks_compute_and_are_read_again(name, tmp_path):
    size, channels = {"lenet5": (32, 1), "inception_v3": (75, 3)}.get(name, (64, 3))
    model = getattr(nv.pretrained, name)(
        weights=None,
        input_shape=(size, size, channels),
        classes=5,
        classifier_activation=None,
    )
    x = np.random.default_rng(0).normal(size=(2, size, size, channels))
    scores = model.predict(x, verbose=0)
    assert scores.shape == (2, 5)
    assert np.isfinite(scores).all()
    # Weights of a good size keep two images apart.
    assert abs(scores[0] - scores[1]).max() > 1e-5
    path = tmp_path / "network.nv"
    model.save(path)
    again = nv.models.load_model(path)
    path.unlink()  # up to 600 MB
    np.testing.assert_array_equal(again.predict(x, verbose=0), scores)


def test_lenet_of_the_paper(tmp_path):
    body = nv.pretrained.lenet5(style="paper", include_top=False)
    assert body.count_params() == 60_000
    counts = {one.name: one.count_params() for one in body.layers if one.weights}
    assert counts == {
        "c1": 156,
        "s2_scale": 12,
        "c3": 1516,
        "s4_scale": 32,
        "c5": 48_120,
        "f6": 10_164,
    }
    model = nv.pretrained.lenet5(style="paper")
    model.save(tmp_path / "lenet.nv")
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 1))
    again = nv.models.load_model(tmp_path / "lenet.nv")
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_partly_connected_filters_see_their_maps_only():
    layer = nv.pretrained.PartlyConnectedConv2D()
    x = np.random.default_rng(0).normal(size=(1, 9, 9, 6)).astype(np.float32)
    before = layer(x).numpy()
    x[..., 5] += 1.0
    changed = abs(layer(x).numpy() - before).max(axis=(0, 1, 2)) > 1e-5
    # The column of S2's map 5 in table I.
    seen = [3, 4, 5, 8, 9, 10, 11, 13, 14, 15]
    np.testing.assert_array_equal(np.flatnonzero(changed), seen)


def test_lenet_learns():
    nv.utils.set_random_seed(0)
    x, y = nv.datasets.digits.load_data()
    x = np.pad(np.asarray(x, np.float32)[:400], ((0, 0), (12, 12), (12, 12)))[..., None]
    model = nv.pretrained.lenet5(style="paper")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x / 16, y[:400], epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.9


@pytest.mark.parametrize(
    "pooling, shape",
    [(None, (None, 2, 2, 512)), ("avg", (None, 512)), ("max", (None, 512))],
)
def test_without_a_top(pooling, shape):
    model = nv.pretrained.resnet18(
        include_top=False, pooling=pooling, input_shape=(64, 64, 3)
    )
    assert model.output_shape == shape


@slow
def test_pooling_of_a_transformer():
    options = {"include_top": False, "input_shape": (32, 32, 3)}
    assert nv.pretrained.vit_b_16(**options).output_shape == (None, 5, 768)
    pooled = nv.pretrained.vit_b_16(pooling="avg", **options)
    assert pooled.output_shape == (None, 768)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"weights": "imagenet"}, ArgumentError, "not in the package"),
        ({"pooling": "mean"}, UnknownNameError, "pooling"),
        ({"style": "jax"}, UnknownNameError, "style of resnet50"),
        ({"input_shape": (20, 20, 3)}, ShapeError, "at least 32 x 32"),
        ({"input_shape": (224, 224)}, ShapeError, "height, width, channels"),
        ({"classes": 0}, ArgumentError, "classes"),
        ({"include_top": "no"}, ArgumentError, "include_top"),
        ({"alpha": 1.0}, TypeError, "'alpha'"),
    ],
)
def test_bad_arguments(options, error, words):
    with pytest.raises(error, match=words):
        nv.pretrained.resnet50(**options)


# --- pixels and names ---------------------------------------------------------------


def test_pixels_as_torchvision_and_keras_scale_them():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    prepare = nv.pretrained.preprocess_input
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = (pixels / 255 - mean) / deviation
    np.testing.assert_allclose(prepare(pixels, "resnet50"), expected, atol=1e-5)
    blue_first = pixels[..., ::-1] - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(
        prepare(pixels, nv.pretrained.vgg16, "keras"), blue_first, atol=1e-4
    )
    np.testing.assert_allclose(
        prepare(pixels, "mobilenet_v2", style="keras"), pixels / 127.5 - 1, atol=1e-6
    )
    scaled = prepare(pixels.astype(np.float64))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, (pixels - 127.0) / 128.0, atol=1e-6)


def test_bad_pixels():
    prepare = nv.pretrained.preprocess_input
    with pytest.raises(DataError, match="from 0 to 255"):
        prepare(np.full((2, 2, 3), -0.5))
    with pytest.raises(DataError, match="from 0 to 255"):
        prepare(np.full((2, 2, 3), np.nan))
    with pytest.raises(ShapeError, match="height, width, 3"):
        prepare(np.zeros((2, 2), np.uint8))
    with pytest.raises(UnknownNameError, match="resnet50"):
        prepare(np.zeros((2, 2, 3), np.uint8), "resnet")
    with pytest.raises(UnknownNameError, match="style of alexnet"):
        prepare(np.zeros((2, 2, 3), np.uint8), "alexnet", "keras")


def test_names_of_classes():
    names = nv.pretrained.imagenet_classes()
    assert len(names) == 1000 and names[0] == "tench" and names[9] == "ostrich"
    scores = np.zeros((2, 1000), np.float32)
    scores[0, [3, 7]] = 0.25, 0.5
    (first, second) = nv.pretrained.decode_predictions(scores, top=2)
    assert [one[0] for one in first] == [7, 3] and first[0][2] == 0.5
    assert [one[0] for one in second] == [0, 1]
    with pytest.raises(ShapeError, match="1000"):
        nv.pretrained.decode_predictions(np.zeros((2, 10)))
    with pytest.raises(DataError, match="NaN"):
        nv.pretrained.decode_predictions(np.full((1, 1000), np.nan))
    with pytest.raises(ArgumentError, match="top"):
        nv.pretrained.decode_predictions(scores, top=1001)
