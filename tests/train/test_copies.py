"""Copies and pickles of models: whole, and of any depth."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from nervure.layers import Dense, Input
from nervure.models import Model, Sequential


def pickled(model: Model) -> Model:
    return pickle.loads(pickle.dumps(model))


def branched() -> Model:
    a, b = Input((4,), name="a"), Input((3,), name="b")
    shared = Dense(5, activation="relu", name="shared")
    inner = Sequential([Dense(5, input_shape=(5,))], name="inner")
    hidden = inner(shared(a)) + Dense(5)(b) * np.arange(5, dtype="float32")
    return Model({"a": a, "b": b}, [hidden[:, 1:3], shared(a)], name="branched")


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_graphs(copied):
    model = branched()
    generator = np.random.default_rng(0)
    given = {"a": generator.normal(size=(5, 4)), "b": generator.normal(size=(5, 3))}
    expected = model.predict(given, verbose=0)
    found = copied(model)
    for one, other in zip(found.predict(given, verbose=0), expected, strict=True):
        assert np.array_equal(one, other)
    assert found.to_json() == model.to_json()
    shared = found.get_layer("shared")
    features = Model(found.inputs, shared.output)
    assert np.array_equal(features.predict(given, verbose=0), expected[1])
    found.get_layer("shared").set_weights([np.zeros((4, 5)), np.zeros(5)])
    assert np.array_equal(model.predict(given, verbose=0)[1], expected[1])


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_stacks_go_on_training(copied):
    model = Sequential([Dense(3, input_shape=(2,), name="a"), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.ones((8, 2)), np.zeros((8, 1))
    model.fit(x, y, verbose=0)
    found = copied(model)
    assert found.output_shape == (None, 1)
    assert found.get_layer("a").output_shape == (None, 3)
    options = {"verbose": 0, "shuffle": False}
    wanted = model.fit(x, y, **options).history
    assert found.fit(x, y, **options).history == wanted


def test_depth_does_not_matter():
    x = Input((2,))
    hidden = x
    for _ in range(500):
        hidden = hidden + 1.0
    model = Model(x, hidden)
    assert pickled(model)(np.zeros((1, 2))).tolist() == [[500.0, 500.0]]


def test_a_stack_of_unknown_input():
    assert not copy.deepcopy(Sequential([Dense(2)])).built
