"""Small models and functions whose programs the tests look into."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import nervure as nv
from nervure import layers
from nervure.models import Model, Sequential
from nervure.program import Program

ROWS = 32


def mlp() -> Model:
    model = Sequential(
        [
            layers.Input((20,)),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def cnn() -> Model:
    model = Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def attention() -> Model:
    x = layers.Input((8, 12))
    h = layers.MultiHeadAttention(2, 6)(x, x)
    h = layers.LayerNormalization()(h + x)
    y = layers.Dense(1)(layers.GlobalAveragePooling1D()(h))
    model = Model(x, y)
    model.compile("rmsprop", "mse")
    return model


def recurrent() -> Model:
    model = Sequential([layers.Input((6, 5)), layers.LSTM(8), layers.Dense(2)])
    model.compile("adam", "mse")
    return model


MODELS: dict[str, Callable[[], Model]] = {
    "mlp": mlp,
    "cnn": cnn,
    "attention": attention,
    "recurrent": recurrent,
}


def data(model: Model, rows: int = ROWS) -> tuple[Any, Any]:
    """Return features and targets that suit a model."""
    random = np.random.default_rng(3)
    x = random.standard_normal((rows, *model.input_shape[1:]), np.float32)
    if model.loss == "mse":
        return x, random.standard_normal((rows, model.output_shape[-1]), np.float32)
    return x, random.integers(0, model.output_shape[-1], rows)


@cache
def program(name: str) -> Program:
    """Return the training program of a model, planned once for all tests."""
    return MODELS[name]().train_program(batch_size=ROWS)


def layers_of_tanh(x: Any, *weights: Any) -> Any:
    """A function whose values between the products are kept for its gradient."""
    for w in weights:
        x = nv.tanh(x @ w)
    return nv.sum(x)
