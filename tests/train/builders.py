"""Small models and data sets that the tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

import nervure as nv
from nervure.layers import Dense, Input
from nervure.models import Model, Sequential


def classifier(
    units: int = 3,
    activation: str | None = "softmax",
    loss: Any = "sparse_categorical_crossentropy",
    features: int = 4,
    optimizer: Any = "adam",
    **options: Any,
) -> Sequential:
    """Return a compiled network of two layers, named "net"."""
    layers = [
        Dense(5, activation="relu", input_shape=(features,), name="hidden"),
        Dense(units, activation=activation, name="top"),
    ]
    model = Sequential(layers, name="net")
    model.compile(optimizer, loss, **options)
    return model


def regressor(optimizer: Any = "sgd", **options: Any) -> Sequential:
    """Return a compiled linear model of two features."""
    model = Sequential([Dense(1, input_shape=(2,))], name="line")
    model.compile(optimizer, "mse", **options)
    return model


def line(rows: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return features ``[rows, 2]`` and what a linear function makes of them."""
    x = np.random.default_rng(3).normal(size=(rows, 2)).astype("float32")
    return x, (x @ [2.0, -1.0] + 0.5).astype("float32")


def three_classes(rows: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return features ``[rows, 4]`` and labels 0, 1, 2."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(rows, 4)).astype("float32")
    return x, (np.arange(rows) % 3).astype("int64")


def state_of(model: Any) -> list[np.ndarray]:
    """Return every number that training could change."""
    optimizer = [] if model.optimizer is None else model.optimizer.variables
    return [one.numpy() for one in [*model.variables, *optimizer]]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Tell whether two states are equal to the last bit."""
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def next_random_key() -> list[int]:
    """Return the key that the process's generator gives next, and draw it."""
    return nv.random.default_generator().next_key().tolist()


def two_by_two(form: str = "list") -> Model:
    """Return a model of two inputs and two outputs with a shared layer."""
    a, b = Input((4,), name="a"), Input((3,), name="b")
    shared = Dense(5, activation="tanh", name="d")
    joined = shared(a) + Dense(5, name="e")(b) * 2
    first = Dense(3, activation="softmax", name="cls")(joined)
    second = Dense(1, name="reg")(shared(a) * joined[:, :1])
    inputs = {"a": a, "b": b} if form == "dict" else [a, b]
    outputs = {"cls": first, "reg": second} if form == "dict" else [first, second]
    model = Model(inputs, outputs, name="m")
    filled(model)
    return model


def filled(model: Any) -> None:
    """Give a model the weights that Keras' models have in the stored numbers."""
    for place, weight in enumerate(model.weights):
        values = np.random.RandomState(place).randn(*weight.shape) * 0.3
        weight.assign(values.astype("float32"))
