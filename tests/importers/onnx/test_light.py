"""The nine networks of the onnx package, on the cpu executor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from nervure.config import config
from nervure.importers.onnx import load_model

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
NETWORKS = {
    "bvlc_alexnet": 60_965_224,
    "densenet121": 8_146_152,
    "inception_v1": 6_998_552,
    "inception_v2": 11_234_792,
    "resnet50": 25_610_152,
    "shufflenet": 1_420_152,
    "squeezenet": 1_235_496,
    "vgg19": 143_667_240,
    "zfnet512": 87_250_536,
}


def check(name, tolerance=1e-3):
    model = load_model(LIGHT / f"light_{name}.onnx", max_bytes=1 << 32)
    assert model.count_params() == NETWORKS[name]
    shape = model.input_shape
    size = int(np.prod(shape))
    # The input with which the package's runner made the expected output.
    x = (np.arange(size).reshape(shape) / size).astype("float32")
    tensor = onnx.TensorProto()
    tensor.ParseFromString((LIGHT / f"light_{name}_output_0.pb").read_bytes())
    right = onnx.numpy_helper.to_array(tensor)
    with config.override(executor="cpu"):
        found = model.predict(x, verbose=0)
    assert found.shape == right.shape
    np.testing.assert_allclose(found, right, rtol=tolerance, atol=1e-7)


def test_squeezenet():
    check("squeezenet")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"squeezenet"}))
def test_networks(name):
    check(name)
