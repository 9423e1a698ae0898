"""The network that ships with the package, against the reference of its source."""

import re
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError
from nervure.pretrained.weights import SHIPPED

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PHOTOS = ("book", "china", "flower")
# float16 weights move the logits, which span -4 to 8, by 0.022 at most.
TOLERANCE = 0.05

needs_reference = pytest.mark.skipif(
    not (SHARED / "efficientnet_lite0_reference.npz").exists(),
    reason="there is no ../shared/data",
)


@pytest.fixture(scope="module")
def reference():
    with np.load(SHARED / "efficientnet_lite0_reference.npz") as file:
        images = np.stack([file[f"{one}_image"] for one in PHOTOS])
        logits = np.stack([file[f"{one}_logits"] for one in PHOTOS])
    return images, logits


@needs_reference
@pytest.mark.parametrize("weights, tolerance", [("shared", 1e-3), (None, TOLERANCE)])
def test_logits(reference, weights, tolerance):
    images, expected = reference
    path = SHARED / "efficientnet_lite0.safetensors" if weights else "imagenet"
    model = nv.pretrained.efficientnet_lite0(path, classifier_activation=None)
    logits = model.predict(nv.pretrained.preprocess_input(images), verbose=0)
    assert abs(logits - expected).max() < tolerance
    np.testing.assert_array_equal(logits.argmax(1), expected.argmax(1))


@needs_reference
def test_names(reference):
    images, logits = reference
    model = nv.pretrained.efficientnet_lite0()
    scores = model.predict(nv.pretrained.preprocess_input(images), verbose=0)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    found = nv.pretrained.decode_predictions(scores)
    best = [rows[0][1] for rows in found]
    assert best == ["plant pot", "palace", "daisy"]
    # The five of the reference, in its order, although the weights were rounded.
    expected = nv.pretrained.decode_predictions(logits)
    for rows, right in zip(found, expected, strict=True):
        assert [one[:2] for one in rows] == [one[:2] for one in right]
    assert all(
        [one[2] for one in rows] == sorted((one[2] for one in rows), reverse=True)
        for rows in found
    )


@needs_reference
def test_shipped_file_is_the_shared_one_in_half_precision():
    from safetensors.numpy import load_file

    shared = load_file(SHARED / "efficientnet_lite0.safetensors")
    shipped = load_file(SHIPPED)
    assert shared.keys() == shipped.keys()
    for name, array in shipped.items():
        np.testing.assert_array_equal(array, shared[name].astype(np.float16))


def test_size_and_licence():
    assert SHIPPED.stat().st_size < 9_450_000
    notice = (SHIPPED.parent / "efficientnet_lite0.LICENSE").read_text("utf-8")
    assert "Apache License, Version 2.0" in notice
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert re.search(r'"nervure\.pretrained" = \["data/\*"\]', project)
    assert "nervure/pretrained/data/efficientnet_lite0.LICENSE" in project


def test_other_tops_need_other_weights():
    with pytest.raises(ArgumentError, match="include_top=False"):
        nv.pretrained.efficientnet_lite0(classes=5)
    features = nv.pretrained.efficientnet_lite0(
        include_top=False, pooling="avg", input_shape=(64, 96, 3)
    )
    assert features.predict(np.zeros((1, 64, 96, 3)), verbose=0).shape == (1, 1280)


def test_weights_take_no_more_memory_than_float32():
    model = nv.pretrained.efficientnet_lite0()
    assert {one.dtype.name for one in model.weights} == {"float32"}
    assert sum(one.nbytes for one in model.weights) == 4 * model.count_params()


def test_a_saved_model_predicts_the_same(tmp_path):
    model = nv.pretrained.efficientnet_lite0(input_shape=(32, 32, 3))
    model.save(tmp_path / "lite.nv")
    again = nv.models.load_model(tmp_path / "lite.nv")
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    model.save_weights(tmp_path / "lite.weights.nv")
    third = nv.pretrained.efficientnet_lite0(
        tmp_path / "lite.weights.nv", input_shape=(32, 32, 3)
    )
    np.testing.assert_array_equal(
        third.predict(x, verbose=0), model.predict(x, verbose=0)
    )
