"""Files of real Keras: the same predictions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.errors import FileFormatError
from nervure.models import load_model
from tests.importers.keras.write_models import MODELS
from tests.parity.answers import NoKerasError, keras_python

HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "golden").glob("*.npz"))


def check(answers, endings=("keras", "h5")):
    """Compare models and weights read from files with what Keras predicted."""
    with np.load(answers) as stored:
        predicted = stored["predicted"]
        inputs = [stored[one] for one in stored.files if one != "predicted"]
    x = inputs if len(inputs) > 1 else inputs[0]
    for ending in endings:
        model = load_model(answers.with_suffix(f".{ending}"))
        assert model.name == answers.stem
        np.testing.assert_allclose(
            model.predict(x, verbose=0), predicted, rtol=1e-5, atol=1e-6
        )
        for weights in ("weights.h5", "h5", "keras"):
            model.set_weights([one * 0 for one in model.get_weights()])
            model.load_weights(answers.with_suffix(f".{weights}"))
            np.testing.assert_allclose(
                model.predict(x, verbose=0), predicted, rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize("executor", ["reference", "cpu"])
@pytest.mark.parametrize("answers", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(answers, executor):
    with nv.config.override(executor=executor):
        check(answers)


def test_there_are_golden_files():
    assert {path.stem for path in GOLDEN} >= {"dense", "convolution", "nested", "graph"}


@pytest.mark.slow
def test_files_that_keras_writes_now(tmp_path):
    try:
        python = keras_python()
    except NoKerasError as missing:
        pytest.skip(str(missing))
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    script = str(HERE / "write_models.py")
    subprocess.run(
        [str(python), script, str(tmp_path), *MODELS], env=environment, check=True
    )
    for name in MODELS:
        check(tmp_path / f"{name}.npz")


def test_a_model_goes_on_learning():
    model = load_model(HERE / "golden" / "dense.keras")
    assert not model.compiled
    model.compile(nv.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    y = np.arange(20) % 3
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=30, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before


def test_weights_of_another_model_change_nothing():
    golden = HERE / "golden"
    for ending in ("weights.h5", "keras", "h5"):
        model = load_model(golden / "dense.keras")
        before = model.get_weights()
        with pytest.raises(FileFormatError):
            model.load_weights(golden / f"convolution.{ending}")
        for one, other in zip(before, model.get_weights()):
            np.testing.assert_array_equal(one, other)
