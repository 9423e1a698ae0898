"""Training with several inputs and outputs, against numbers of real Keras 3.15."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, DataError
from nervure.layers import Dense
from nervure.models import Model
from tests.train.builders import filled, two_by_two

# Histories and evaluations, in Keras' order of keys; five digits.
KERAS = json.loads(Path(__file__).with_name("keras_several.json").read_text())
CROSSENTROPY = "sparse_categorical_crossentropy"
BOTH = [CROSSENTROPY, "mse"]


@pytest.fixture(autouse=True)
def fresh_names():
    nv.utils.clear_session()


GENERATOR = np.random.RandomState(0)
A = GENERATOR.randn(20, 4).astype("float32")
B = GENERATOR.randn(20, 3).astype("float32")
LABELS = GENERATOR.randint(0, 3, 20)
NUMBERS = GENERATOR.randn(20, 1).astype("float32")
ONE_HOT = np.eye(3)[LABELS].astype("float32")
WEIGHTS = np.arange(20) / 10.0
BACKWARDS = WEIGHTS[::-1].copy()
NAMED_X, NAMED_Y = {"a": A, "b": B}, {"cls": LABELS, "reg": NUMBERS}
EACH = [["accuracy"], ["mae"]]

# name -> form of the model, arguments of compile, arguments of fit, weights to evaluate
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], Any]] = {
    "list": (
        "list",
        {"loss": BOTH, "metrics": EACH},
        {"x": [A, B], "y": [LABELS, NUMBERS], "validation_split": 0.2},
        None,
    ),
    "dictloss": (
        "list",
        {
            "loss": {"cls": CROSSENTROPY, "reg": "mse"},
            "loss_weights": {"cls": 0.5, "reg": 2.0},
            "metrics": {"cls": ["accuracy"], "reg": "mae"},
            "weighted_metrics": {"reg": ["mae"]},
        },
        {"x": NAMED_X, "y": NAMED_Y},
        None,
    ),
    "dict": (
        "dict",
        {
            "loss": {"cls": CROSSENTROPY, "reg": "mse"},
            "loss_weights": {"cls": 0.5, "reg": 2.0},
            "metrics": {"cls": ["accuracy"], "reg": ["mae", "mse"]},
        },
        {"x": NAMED_X, "y": NAMED_Y, "validation_data": (NAMED_X, NAMED_Y)},
        None,
    ),
    "sw1": (
        "list",
        {"loss": BOTH, "weighted_metrics": EACH},
        {"x": [A, B], "y": [LABELS, NUMBERS], "sample_weight": WEIGHTS},
        WEIGHTS,
    ),
    "sw2": (
        "list",
        {"loss": BOTH, "metrics": EACH, "weighted_metrics": EACH},
        {"x": [A, B], "y": [LABELS, NUMBERS], "sample_weight": [WEIGHTS, BACKWARDS]},
        [WEIGHTS, BACKWARDS],
    ),
    "oneloss": (
        "list",
        {"loss": [None, "mse"], "metrics": [[], ["mae"]]},
        {"x": [A, B], "y": [LABELS, NUMBERS]},
        None,
    ),
    "onefor_all": (
        "list",
        {"loss": "mse"},
        {"x": [A, B], "y": [ONE_HOT, NUMBERS]},
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_training_is_that_of_keras(name):
    form, compiling, fitting, weights = CASES[name]
    model = two_by_two(form)
    model.compile("sgd", **compiling)
    history = model.fit(batch_size=8, epochs=2, shuffle=False, verbose=0, **fitting)
    wanted = KERAS[name]
    assert list(history.history) == list(wanted["fit"])  # the keys in the same order
    for key, values in wanted["fit"].items():
        np.testing.assert_allclose(history.history[key], values, atol=2e-5)
    asked = {"x": fitting["x"], "y": fitting["y"], "verbose": 0}
    found = model.evaluate(**asked, sample_weight=weights, return_dict=True)
    assert list(found) == list(wanted["evaluate"])
    np.testing.assert_allclose(
        list(found.values()), list(wanted["evaluate"].values()), atol=2e-5
    )
    listed = model.evaluate(**asked, sample_weight=weights)
    np.testing.assert_allclose(listed, wanted["listed"], atol=2e-5)


class Pair(Model):
    """Returns two outputs in a list or a dict."""

    def __init__(self, form: str = "list"):
        super().__init__()
        self.hidden = Dense(4, activation="relu")
        self.first = Dense(3, activation="softmax")
        self.second = Dense(1)
        self.form = form

    def call(self, inputs):
        hidden = self.hidden(inputs)
        outputs = [self.first(hidden), self.second(hidden)]
        return dict(zip("pq", outputs, strict=True)) if self.form == "dict" else outputs


def test_a_subclass_that_returns_a_list():
    """Keras 3.15: metrics have their names only, losses are called as they were."""
    model = Pair()
    model(A[:2])
    filled(model)
    model.compile("sgd", BOTH, metrics=EACH)
    y = [LABELS, NUMBERS]
    history = model.fit(A, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert list(history.history) == [
        *("accuracy", "loss", "mae", "mse_loss"),
        "sparse_categorical_crossentropy_loss",
    ]
    np.testing.assert_allclose(history.history["loss"], [2.20667, 2.19887], atol=2e-5)
    np.testing.assert_allclose(history.history["mae"], [0.84395, 0.84264], atol=2e-5)
    np.testing.assert_allclose(
        model.train_on_batch(A, y),
        [2.18701, 0.35, 0.83929, 1.13752, 1.04949],
        atol=2e-5,
    )
    np.testing.assert_allclose(
        model.test_on_batch(A, y), [2.18331, 0.35, 0.83851, 1.1366, 1.04671], atol=2e-5
    )


def test_a_subclass_that_returns_a_dict():
    model = Pair("dict")
    model.compile("sgd", {"p": CROSSENTROPY, "q": "mse"}, metrics={"q": ["mae"]})
    history = model.fit(A, {"p": LABELS, "q": NUMBERS}, verbose=0)
    assert list(history.history) == ["loss", "p_loss", "q_loss", "q_mae"]
    assert model.predict(A, verbose=0)["q"].shape == (20, 1)


def test_two_losses_of_one_name_are_both_kept():
    model = Pair()
    model.compile("sgd", "mse")
    history = model.fit(A, [ONE_HOT, NUMBERS], verbose=0)
    assert list(history.history) == ["loss", "mse_loss", "mse_loss_1"]


def test_inputs_of_a_subclass_may_be_a_dict():
    class Sum(Model):
        def call(self, inputs):
            return inputs["a"] + inputs["b"]

    model = Sum()
    given = {"b": np.ones((3, 2)), "a": np.full((3, 2), 2.0)}
    assert model.predict(given, verbose=0).tolist() == [[3.0, 3.0]] * 3
    model.compile("sgd", "mse")


def test_class_weights_by_output():
    model = two_by_two()
    model.compile("sgd", BOTH)
    y = [LABELS, NUMBERS]
    heavy = np.where(LABELS == 1, 5.0, 1.0)
    by_class, by_row = two_by_two(), two_by_two()
    for one in (by_class, by_row):
        one.compile("sgd", BOTH)
    options = {"verbose": 0, "shuffle": False}
    by_class.fit([A, B], y, class_weight={"cls": {1: 5.0}}, **options)
    by_row.fit([A, B], y, sample_weight={"cls": heavy}, **options)
    assert all(map(np.array_equal, by_class.get_weights(), by_row.get_weights()))
    with pytest.raises(ArgumentError, match="a dict by their names .cls, reg."):
        model.fit([A, B], y, class_weight={0: 1.0}, **options)


def test_batches_may_hold_several_inputs_and_outputs():
    def batches():
        while True:
            for start in (0, 10):
                part = slice(start, start + 10)
                yield (
                    {"a": A[part], "b": B[part]},
                    {"cls": LABELS[part], "reg": NUMBERS[part]},
                )

    streamed, whole = two_by_two(), two_by_two()
    for model in (streamed, whole):
        model.compile("sgd", BOTH)
    streamed.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0)
    whole.fit(
        [A, B], [LABELS, NUMBERS], batch_size=10, epochs=2, shuffle=False, verbose=0
    )
    for one, other in zip(streamed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_weights_for_each_step_of_a_sequence():
    x = np.random.default_rng(1).normal(size=(6, 3, 2)).astype("float32")
    y = np.random.default_rng(2).normal(size=(6, 3, 1)).astype("float32")
    weights = np.arange(18.0).reshape(6, 3)
    model = nv.models.Sequential([Dense(1, input_shape=(3, 2))])
    model.compile("sgd", "mse")
    found = model.evaluate(x, y, sample_weight=weights, verbose=0)
    output = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        found, (((output - y) ** 2)[..., 0] * weights).mean(), rtol=1e-5
    )


@pytest.mark.parametrize(
    "compiling, message",
    [
        ({"loss": ["mse"]}, "loss must have an entry for each of the 2 outputs"),
        ({"loss": {"cls": "mse", "rag": "mse"}}, "the key 'rag'.*\n.*mean 'reg'"),
        ({"loss": "mse", "metrics": ["mae"]}, "metrics must have an entry for each"),
        ({"loss": "mse", "metrics": {"x": "mae"}}, "metrics has the key 'x'"),
        ({"loss": "mse", "loss_weights": [1.0]}, "loss_weights must have an entry"),
        ({"loss": "mse", "loss_weights": ["a", 1]}, "must be numbers, got 'a'"),
    ],
)
def test_what_compile_refuses(compiling, message):
    with pytest.raises(ArgumentError, match=message):
        two_by_two().compile("sgd", **compiling)


@pytest.mark.parametrize(
    "y, message",
    [
        ([LABELS], "y must hold 2 arrays .cls, reg., got a list of 1"),
        (LABELS, "y must hold 2 arrays .cls, reg., got one array"),
        ({"cls": LABELS}, "the dict y lacks 'reg'"),
        ([LABELS, None], "y..reg.. is None, but this output has the loss"),
        ([LABELS + 7, NUMBERS], "y..cls.. holds the label"),
        ([LABELS, NUMBERS[:3]], "x has 20 rows and y..reg.. has 3"),
        ([LABELS, NUMBERS * np.inf], "y..reg.. holds"),
    ],
)
def test_wrong_targets(y, message):
    model = two_by_two()
    model.compile("sgd", BOTH)
    before = model.get_weights()
    with pytest.raises(DataError, match=message):
        model.fit([A, B], y, verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))
