"""The lecture's listings, which must run unedited, and the first things people type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nervure as nv

ROOT = Path(__file__).parents[1]
SLIDES = ROOT.parent / "shared" / "slides"


@pytest.mark.skipif(not SLIDES.is_dir(), reason="the lecture's scripts are not here")
@pytest.mark.parametrize(
    "name",
    [
        "s01_own_network",
        "s02_autodiff",
        "s03_tensorflow",
        pytest.param("s04_keras_mnist", marks=pytest.mark.slow),
        pytest.param("s07_convnet", marks=pytest.mark.slow),
        "s10_convolution",
    ],
)
def test_slide(name: str) -> None:
    script = "import runpy, sys; sys.path.insert(0, sys.argv[1]); "
    script += "runpy.run_path(sys.argv[2], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT), str(SLIDES / f"{name}.py")],
        capture_output=True,
        text=True,
        timeout=300,
        # The slides that take long train on a tenth of the images then.
        env={**os.environ, "MNIST_ROWS": "6000"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "OK"


def test_the_example_of_the_readme() -> None:
    w = nv.parameter([[0.1, -0.2], [0.3, 0.4]], name="w")
    loss = nv.sum(nv.tanh(nv.asarray([[1.0, 2.0]]) @ w) ** 2)
    (dw,) = nv.gradients(loss, [w])
    text = str(nv.graph(loss))
    assert "tanh" in text and "test_lecture.py" in text
    hidden = np.tanh(np.array([[0.7, 0.6]]))
    expected = np.outer([1, 2], 2 * hidden * (1 - hidden**2))
    np.testing.assert_allclose(dw, expected, rtol=1e-5)


def test_a_network_learns_and_predicts() -> None:
    from nervure.layers import Dense
    from nervure.models import Sequential

    nv.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int64")
    model = Sequential(
        [
            Dense(16, activation="relu", input_shape=(4,)),
            Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=40, verbose=0)
    assert history.history["accuracy"][-1] > 0.95
    assert (model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.95
