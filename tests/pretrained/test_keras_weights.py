"""Files of Keras' applications give the outputs that Keras computes."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.pretrained.architectures.efficientnet import _mend_normalization
from tests.parity.answers import NoKerasError, keras_python
from tests.pretrained.write_keras_networks import CLASSES, NAMES

SCRIPT = Path(__file__).parent / "write_keras_networks.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_outputs_equal_keras(name, tmp_path):
    try:
        python = keras_python()
    except NoKerasError as missing:
        pytest.skip(str(missing))
    subprocess.run(
        [python, str(SCRIPT), str(tmp_path), name],
        check=True,
        capture_output=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    with np.load(tmp_path / f"{name}.npz") as file:
        x, expected = file["x"], file["y"]
    assert expected.std() > 1e-3
    for ending in ("h5", "weights.h5"):
        model = getattr(nv.pretrained, name)(
            weights=tmp_path / f"{name}.{ending}",
            input_shape=x.shape[1:],
            classes=CLASSES,
            classifier_activation=None,
        )
        got = model.predict(x, verbose=0)
        tolerance = 1e-4 * abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def test_a_published_efficientnet_is_mended():
    """The published files hold the deviation of ImageNet where the variance belongs."""
    model = nv.pretrained.efficientnet_b0(style="keras", input_shape=(32, 32, 3))
    layer = model.get_layer("normalization")
    mean, variance, *count = layer.get_weights()
    np.testing.assert_allclose(variance.reshape(-1), np.square([0.229, 0.224, 0.225]))
    layer.set_weights([mean, np.sqrt(variance), *count])
    _mend_normalization(model)
    np.testing.assert_allclose(layer.get_weights()[1], variance, rtol=1e-6)
    _mend_normalization(model)  # once is enough
    np.testing.assert_allclose(layer.get_weights()[1], variance, rtol=1e-6)
