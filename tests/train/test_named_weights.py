"""Weights as plain safetensors, by the names of their paths."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import nervure as nv
from nervure.errors import FileFormatError


def model():
    return nv.models.Sequential(
        [
            nv.layers.Dense(3, name="first", input_shape=(2,)),
            nv.layers.BatchNormalization(name="norm"),
            nv.layers.Dense(1, name="last"),
        ]
    )


def test_there_and_back(tmp_path):
    one, other = model(), model()
    path = tmp_path / "m.safetensors"
    one.save_weights(path)
    assert {"first/kernel", "norm/gamma", "last/bias"} <= set(load_file(path))
    other.load_weights(path)
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("change", ["missing", "more", "shape", "type"])
def test_weights_of_another_model_change_nothing(tmp_path, change):
    one = model()
    path = tmp_path / "m.safetensors"
    one.save_weights(path)
    arrays = load_file(path)
    if change == "missing":
        del arrays["last/bias"]
    elif change == "more":
        arrays["other"] = np.zeros(1, "float32")
    elif change == "shape":
        arrays["last/bias"] = np.zeros(2, "float32")
    else:
        arrays["last/bias"] = np.zeros(1, "float64")
    arrays["first/kernel"] = arrays["first/kernel"] + 1
    save_file(arrays, path)
    before = one.get_weights()
    with pytest.raises(FileFormatError):
        one.load_weights(path)
    for left, right in zip(before, one.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_damaged_file(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(FileFormatError):
        model().load_weights(path)
