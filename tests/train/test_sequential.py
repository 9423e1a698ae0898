"""Building stacks of layers, in every way that Keras users know."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import nervure as nv
from nervure.errors import NotBuiltError, ShapeError
from nervure.layers import (
    Activation,
    Dense,
    Dropout,
    Flatten,
    Input,
    InputLayer,
    Reshape,
)
from nervure.models import Model, Sequential
from tests.train.builders import classifier, same, state_of, three_classes


@pytest.fixture(autouse=True)
def _fresh_names():
    nv.utils.clear_session()


WAYS = {
    "input_shape": lambda: Sequential([Dense(3, input_shape=(4,)), Dense(2)]),
    "input_dim": lambda: Sequential([Dense(3, input_dim=4), Dense(2)]),
    "batch_input_shape": lambda: Sequential(
        [Dense(3, batch_input_shape=(None, 4)), Dense(2)]
    ),
    "Input": lambda: Sequential([Input((4,)), Dense(3), Dense(2)]),
    "InputLayer": lambda: Sequential([InputLayer((4,)), Dense(3), Dense(2)]),
    "tuple": lambda: Sequential((Input((4,)), Dense(3), Dense(2))),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_say_the_shape_of_the_input(way):
    model = WAYS[way]()
    assert model.built
    assert model.input_shape == (None, 4)
    assert model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]
    assert [tuple(layer.output.shape) for layer in model.layers] == [
        (None, 3),
        (None, 2),
    ]
    assert model.count_params() == 4 * 3 + 3 + 3 * 2 + 2
    assert [weight.path for weight in model.weights] == [
        "sequential/dense/kernel",
        "sequential/dense/bias",
        "sequential/dense_1/kernel",
        "sequential/dense_1/bias",
    ]
    assert model(np.ones((5, 4))).shape == (5, 2)


def test_adding_one_by_one():
    model = Sequential()
    model.add(Dense(32, input_dim=784))
    model.add(Activation("relu"))
    assert model.built
    assert model.output_shape == (None, 32)
    model.add(Reshape((4, 8)))
    model.add(Flatten())
    assert [layer.output_shape for layer in model.layers] == [
        (None, 32),
        (None, 32),
        (None, 4, 8),
        (None, 32),
    ]


def test_a_model_without_input_shape_is_built_by_data():
    model = Sequential([Dense(3), Dropout(0.5), Dense(2)])
    assert not model.built
    assert model.inputs == model.outputs == []
    with pytest.raises(NotBuiltError):
        model.count_params()
    assert model(np.ones((7, 4))).shape == (7, 2)
    assert model.built
    assert model.input_shape == (None, 4)
    assert model.output_shape == (None, 2)
    assert model.weights[0].path == "sequential/dense/kernel"
    with pytest.raises(ShapeError, match="4 features, got 5"):
        model(np.ones((7, 5)))


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "build"])
def test_each_method_builds(method):
    model = Sequential([Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = three_classes()
    if method == "build":
        model.build((None, 4))
    elif method == "predict":
        model.predict(x, verbose=0)
    else:
        getattr(model, method)(x, y, verbose=0)
    assert model.output_shape == (None, 3)


def test_adding_to_a_trained_model():
    x, y = three_classes()
    model = Sequential([Dense(3, activation="softmax", input_shape=(4,))])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    first = model.layers[0].get_weights()
    model.add(Dense(3, activation="softmax"))
    assert same(first, model.layers[0].get_weights())
    model.fit(x, y, verbose=0)
    assert not same(first, model.layers[0].get_weights())
    assert model.predict(x, verbose=0).shape == (24, 3)


def test_popping():
    x, _ = three_classes()
    model = classifier()
    model.predict(x, verbose=0)
    top = model.layers[-1]
    assert model.pop() is top
    assert model.output_shape == (None, 5)
    assert model.predict(x, verbose=0).shape == (24, 5)
    model.add(Dense(2))
    assert model.predict(x, verbose=0).shape == (24, 2)


def test_a_layer_that_does_not_fit_is_not_added():
    model = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ShapeError):
        model.add(Reshape((2, 2)))
    assert [layer.name for layer in model.layers] == ["dense"]
    assert model.output_shape == (None, 3)
    model.add(Dense(1))
    assert model.output_shape == (None, 1)


def test_a_model_may_be_a_layer():
    features = Sequential([Dense(3, input_shape=(4,), name="inner")], name="features")
    model = Sequential([features, Dense(2)])
    assert model.built
    assert model.output_shape == (None, 2)
    assert model.count_params() == 15 + 8
    assert model.get_layer("features") is features
    features.trainable = False
    assert len(model.trainable_variables) == 2
    assert model(np.ones((3, 4))).shape == (3, 2)


def test_layers_are_found_by_name_and_index():
    model = classifier()
    assert model.get_layer("hidden") is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[1]


def test_the_list_of_layers_is_a_copy():
    model = classifier()
    model.layers.clear()
    assert len(model.layers) == 2


def test_symbolic_ends():
    model = classifier()
    assert model.inputs == [model.input]
    assert model.outputs == [model.output]
    assert model.input.shape == (None, 4)
    assert model.output is model.layers[-1].output


def test_names():
    assert Sequential().name == "sequential"
    assert Sequential().name == "sequential_1"
    assert Sequential(name="mine").name == "mine"
    assert isinstance(Sequential(), Model)


def test_weights_are_saved_and_set():
    x, _ = three_classes()
    one, other = classifier(), classifier()
    other.set_weights(one.get_weights())
    np.testing.assert_array_equal(
        one.predict(x, verbose=0), other.predict(x, verbose=0)
    )


def test_training_flag_reaches_dropout():
    model = Sequential([Dropout(0.5, input_shape=(1000,))])
    x = np.ones((1, 1000), "float32")
    assert (np.asarray(model(x)) == 1).all()
    dropped = np.asarray(model(x, training=True))
    assert 300 < (dropped == 0).sum() < 700


def test_compile_again_starts_afresh():
    x, y = three_classes()
    model = classifier(metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.optimizer.name == "sgd"
    assert isinstance(model.evaluate(x, y, verbose=0), float)
    assert int(model.optimizer.iterations.numpy()) == 0


def test_what_compile_was_given_can_be_read():
    model = classifier(metrics=["accuracy"])
    assert model.compiled
    assert model.loss == "sparse_categorical_crossentropy"
    assert model.optimizer.name == "adam"
    x, y = three_classes()
    model.evaluate(x, y, verbose=0)
    assert [metric.name for metric in model.metrics] == ["loss", "accuracy"]
    assert not Sequential().compiled


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("way", COPIES)
def test_copies_go_on_training_by_themselves(way):
    x, y = three_classes()
    model = classifier(metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    twin = COPIES[way](model)
    assert same(state_of(model), state_of(twin))
    before = state_of(model)
    twin.fit(x, y, shuffle=False, verbose=0)
    assert same(before, state_of(model))
    model.fit(x, y, shuffle=False, verbose=0)
    assert same(state_of(model), state_of(twin))
