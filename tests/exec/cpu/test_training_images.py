"""Networks of convolutions on the cpu executor, against the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nervure as nv
from nervure.config import config
from nervure.layers import (
    Add,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    SeparableConv2D,
    UpSampling2D,
    ZeroPadding2D,
)
from nervure.models import Model, Sequential


def lecture() -> Model:
    """Return the lecture's network, with fewer filters."""
    return Sequential(
        [
            Conv2D(6, kernel_size=(3, 3), activation="relu", input_shape=(12, 12, 1)),
            MaxPooling2D(pool_size=(2, 2)),
            Conv2D(5, (2, 2), activation="relu"),
            MaxPooling2D(pool_size=(2, 2)),
            Flatten(),
            Dense(8, activation="relu"),
            Dense(3, activation="softmax"),
        ]
    )


def padded() -> Model:
    """Return a network with strides, padding, groups and dilation."""
    return Sequential(
        [
            ZeroPadding2D(((1, 0), (0, 2)), input_shape=(12, 12, 1)),
            Conv2D(6, 3, strides=2, padding="same", activation="tanh"),
            Conv2D(6, 3, padding="same", groups=3, dilation_rate=2),
            AveragePooling2D(3, strides=2, padding="same"),
            MaxPooling2D(2, strides=1, padding="same"),
            GlobalAveragePooling2D(),
            Dense(3, activation="softmax"),
        ]
    )


def residual() -> Model:
    """Return a network with ways that part and meet again."""
    image = Input((12, 12, 1))
    x = Conv2D(4, 3, padding="same", activation="relu")(image)
    y = SeparableConv2D(4, 3, padding="same", activation="relu")(x)
    x = Add()([x, y])
    small = DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(x)
    large = Conv2DTranspose(3, 3, strides=2, padding="same")(small)
    wide = UpSampling2D(2, interpolation="bilinear")(small)
    x = Concatenate()([large, wide])
    return Model(image, Dense(3, activation="softmax")(GlobalAveragePooling2D()(x)))


def large() -> Model:
    """Return a network whose images are long rows, which are worked on in bands."""
    return Sequential(
        [
            Conv2D(16, 3, padding="same", activation="relu", input_shape=(12, 12, 1)),
            MaxPooling2D(2),
            Conv2D(32, 3, padding="same", activation="relu"),
            MaxPooling2D((3, 2)),
            Flatten(),
            Dense(3, activation="softmax"),
        ]
    )


def trained(
    executor: str,
    network: Callable[[], Model],
    threads: int = 2,
    batch_size: int = 16,
) -> tuple[list, dict]:
    """Train a small network and return its weights and its history."""
    with config.override(executor=executor, num_threads=threads):
        nv.utils.set_random_seed(3)
        generator = np.random.default_rng(0)
        x = generator.normal(size=(70, 12, 12, 1)).astype("float32")
        y = x[:, :3, 0, 0].argmax(axis=1)
        model = network()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=batch_size, epochs=3, verbose=0)
        return model.get_weights(), history.history


@pytest.mark.parametrize("network", [lecture, padded, residual, large])
def test_training_is_that_of_the_reference(network: Callable[[], Model]) -> None:
    weights, history = trained("cpu", network)
    expected, expected_history = trained("reference", network)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-3)


@pytest.mark.parametrize("network", [lecture, large])
@pytest.mark.parametrize("batch_size", [3, 33, 64, 70])
def test_the_number_of_threads_does_not_matter(
    network: Callable[[], Model], batch_size: int
) -> None:
    weights, _ = trained("cpu", network, 1, batch_size)
    expected, _ = trained("reference", network, 1, batch_size)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for threads in (2, 3, 4):
        again, _ = trained("cpu", network, threads, batch_size)
        for one, other in zip(again, weights, strict=True):
            assert one.tobytes() == other.tobytes()
