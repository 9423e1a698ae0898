"""Networks of convolutions on the cpu executor, against the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.layers import (
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    MaxPooling2D,
    ZeroPadding2D,
)
from nervure.models import Sequential


def lecture() -> list[Layer]:
    """Return the layers of the lecture's network, with fewer filters."""
    return [
        Conv2D(6, kernel_size=(3, 3), activation="relu", input_shape=(12, 12, 1)),
        MaxPooling2D(pool_size=(2, 2)),
        Conv2D(5, (2, 2), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Flatten(),
        Dense(8, activation="relu"),
        Dense(3, activation="softmax"),
    ]


def padded() -> list[Layer]:
    """Return layers with strides, padding, groups and dilation."""
    return [
        ZeroPadding2D(((1, 0), (0, 2)), input_shape=(12, 12, 1)),
        Conv2D(6, 3, strides=2, padding="same", activation="tanh"),
        Conv2D(6, 3, padding="same", groups=3, dilation_rate=2),
        AveragePooling2D(3, strides=2, padding="same"),
        MaxPooling2D(2, strides=1, padding="same"),
        GlobalAveragePooling2D(),
        Dense(3, activation="softmax"),
    ]


def trained(executor: str, layers: Callable[[], list[Layer]]) -> tuple[list, dict]:
    """Train a small network and return its weights and its history."""
    with config.override(executor=executor, num_threads=2):
        nv.utils.set_random_seed(3)
        generator = np.random.default_rng(0)
        x = generator.normal(size=(70, 12, 12, 1)).astype("float32")
        y = x[:, :3, 0, 0].argmax(axis=1)
        model = Sequential(layers())
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=16, epochs=3, verbose=0)
        return model.get_weights(), history.history


@pytest.mark.parametrize("layers", [lecture, padded])
def test_training_is_that_of_the_reference(layers: Callable[[], list[Layer]]) -> None:
    weights, history = trained("cpu", layers)
    expected, expected_history = trained("reference", layers)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-3)
