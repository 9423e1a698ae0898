"""Models as plain data and JSON, read back, and cloned; data are never run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nervure as nv
from nervure.errors import (
    ArgumentError,
    FileFormatError,
    NervureError,
    UnknownNameError,
)
from nervure.layers import Dense, Dropout, Input, Layer
from nervure.models import Model, Sequential, clone_model, model_from_json


@pytest.fixture(autouse=True)
def fresh_names():
    nv.utils.clear_session()


class Scale(Layer):
    """A layer of the user's own."""

    def __init__(self, factor=2.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor


class Own(Model):
    """A model of the user's own."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.dense = Dense(units)

    def call(self, inputs):
        return self.dense(inputs)


def branched(*further: Layer) -> Model:
    """Return a model with everything that a graph may hold."""
    a, b = Input((4,), name="a"), Input((3,), name="b", dtype="int32")
    shared = Dense(5, activation="relu", name="shared")
    inner = Sequential([Dense(5, input_shape=(5,)), Dropout(0.5)], name="inner")
    twice = Dense(5, name="twice")
    hidden = inner(shared(a), training=False) + 2 * twice(twice(shared(a)))
    hidden = hidden * np.arange(5, dtype="float32") + nv.sum(b, axis=-1)[:, None]
    for layer in further:
        hidden = layer(hidden)
    joined = nv.concat([hidden, shared(a)[..., :1]], axis=-1)
    outputs = {"p": Dense(2, name="p")(joined), "q": (hidden, nv.nn.relu(hidden))}
    return Model([a, b], outputs, name="branched")


def data() -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    return [generator.normal(size=(6, 4)), generator.integers(0, 9, (6, 3))]


def same_outputs(one: Model, other: Model) -> bool:
    first, second = (model.predict(data(), verbose=0) for model in (one, other))
    return (
        np.array_equal(first["p"], second["p"])
        and np.array_equal(first["q"][0], second["q"][0])
        and np.array_equal(first["q"][1], second["q"][1])
    )


# --- there and back -----------------------------------------------------------------


def test_a_graph_survives_json():
    model = branched()
    text = model.to_json()
    found = model_from_json(text)
    assert found.to_json() == text
    assert [one.name for one in found.layers] == [one.name for one in model.layers]
    assert (found.input_names, found.output_names) == (
        model.input_names,
        model.output_names,
    )
    assert not same_outputs(found, model)
    found.set_weights(model.get_weights())
    assert same_outputs(found, model)


def test_frozen_layers_stay_frozen():
    model = branched()
    model.get_layer("shared").trainable = False
    found = model_from_json(model.to_json())
    assert len(found.trainable_weights) == len(model.trainable_weights) == 6


@pytest.mark.parametrize("knows_input", [True, False])
def test_a_stack_survives_json(knows_input):
    first = Dense(3, input_shape=(2,)) if knows_input else Dense(3)
    model = Sequential([first, Dropout(0.5), Dense(1)], name="stack")
    found = model_from_json(model.to_json(indent=1))
    assert found.name == "stack" and found.built == knows_input
    x = np.ones((3, 2), "float32")
    expected = model(x)
    found(x)
    found.set_weights(model.get_weights())
    assert np.array_equal(found(x).numpy(), expected.numpy())


def test_classes_of_ones_own_are_passed():
    text = branched(Scale(3.0, name="thrice")).to_json()
    with pytest.raises(UnknownNameError, match=r"(?s)'Scale'.*custom_objects"):
        model_from_json(text)
    found = model_from_json(text, {"Scale": Scale})
    assert found.get_layer("thrice").factor == 3.0
    with nv.utils.custom_object_scope({"Scale": Scale}):
        assert model_from_json(text).get_layer("thrice").factor == 3.0
    config = branched(Scale(3.0, name="thrice")).get_config()
    found = Model.from_config(config, custom_objects={"Scale": Scale})
    assert found.get_layer("thrice").factor == 3.0
    stack = Sequential([Scale(4.0)]).get_config()
    assert Sequential.from_config(stack, {"Scale": Scale}).layers[0].factor == 4.0
    own = Own(3, name="mine")
    assert model_from_json(own.to_json(), {"Own": Own}).units == 3


def test_registered_classes_and_functions_are_known():
    @nv.utils.register_keras_serializable("tests", "Shift")
    class Shift(Layer):
        def call(self, inputs):
            return inputs + 1.0

    @nv.utils.register_keras_serializable("tests")
    def cube(x):
        return x * x * x

    x = Input((2,))
    model = Model(x, Shift()(Dense(2, activation=cube)(x)))
    assert '"tests>Shift"' in model.to_json() and '"tests>cube"' in model.to_json()
    found = model_from_json(model.to_json())
    assert isinstance(found.layers[-1], Shift) and found.layers[1].activation is cube
    assert nv.utils.get_registered_name(Shift) == "tests>Shift"
    assert nv.utils.get_registered_object("tests>cube") is cube
    with pytest.raises(ArgumentError, match="'tests>Shift' is taken"):
        nv.utils.register_keras_serializable("tests", "Shift")(Scale)
    with pytest.raises(ArgumentError, match="has no get_config"):
        nv.utils.register_keras_serializable()(type("Plain", (), {}))


def test_a_function_of_ones_own_is_no_data():
    x = Input((2,))
    with pytest.raises(TypeError, match="Dense.activation: plain data cannot hold"):
        Model(x, Dense(2, activation=lambda one: one)(x)).to_json()


# --- clones -------------------------------------------------------------------------


def test_a_clone_has_weights_of_its_own():
    model = branched(Scale(name="scale"))
    clone = clone_model(model)
    assert clone.to_json() == model.to_json()
    assert not {id(one) for one in model.weights} & {id(one) for one in clone.weights}
    clone.set_weights(model.get_weights())
    assert same_outputs(clone, model)


def test_clones_of_other_kinds():
    stack = clone_model(Sequential([Dense(2, activation=lambda x: x * 2), Scale(3.0)]))
    assert [type(one).__name__ for one in stack.layers] == ["Dense", "Scale"]
    assert clone_model(Own(4)).units == 4

    class Loud(Model):
        def train_step(self, data):
            return super().train_step(data)

    x = Input((2,))
    assert type(clone_model(Loud(x, Dense(1)(x)))) is Loud


def test_clones_may_differ():
    model = Sequential([Dense(4, input_shape=(3,)), Dropout(0.5), Dense(2)])

    def thinner(layer):
        config = layer.get_config()
        if isinstance(layer, Dropout):
            config["rate"] = 0.1
        return type(layer).from_config(config)

    assert clone_model(model, clone_function=thinner).layers[1].rate == 0.1
    x = Input((3,), name="mine")
    graph = Model(model.inputs, model.outputs)
    assert clone_model(graph, input_tensors=x).input_names == ["mine"]
    with pytest.raises(ArgumentError, match="has 1 inputs, got 2"):
        clone_model(graph, input_tensors=[x, x])
    with pytest.raises(ArgumentError, match="must return a layer"):
        clone_model(graph, clone_function=lambda layer: None)
    with pytest.raises(ArgumentError, match="connected by its call"):
        clone_model(Own(2), clone_function=thinner)
    with pytest.raises(ArgumentError, match="expects a model"):
        clone_model(Dense(2))


# --- data that are wrong ------------------------------------------------------------


def first_output(config):
    return config["output_layers"]["items"]["p"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda one: one.pop("layers"), "KeyError: 'layers'"),
        (lambda one: one["layers"].append(one["layers"][0]), "have the same name"),
        (lambda one: one["layers"][-1].update(inbound_nodes=3), "TypeError"),
        (
            lambda one: one["output_layers"]["items"]["p"].update(of=["p", 9, 0]),
            "tensor",
        ),
        (
            lambda one: one["output_layers"]["items"]["p"].update(kind="code"),
            "KeyError",
        ),
        (lambda one: one["layers"][1].update(config=[]), "no pair of class_name"),
        (lambda one: one["layers"][2]["config"].update(surprise=1), "does not accept"),
    ],
)
def test_damaged_graphs(change, message):
    described = json.loads(branched().to_json())
    change(described["config"])
    with pytest.raises(FileFormatError, match=message):
        model_from_json(json.dumps(described))


def test_circles_in_data():
    described = json.loads(branched().to_json())
    for layer in described["config"]["layers"]:
        if layer["name"] == "add":
            layer["inbound_nodes"][0]["args"][0] = {
                "kind": "tensor",
                "of": ["add", 0, 0],
            }
    with pytest.raises(FileFormatError, match="wait for each other"):
        model_from_json(json.dumps(described))


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1, 2", "the text is no JSON"),
        ("[" * 100_000, "the text is no JSON"),
        ('{"class_name": "Dense", "config": {"units": 3}}', "which is no model"),
        ('{"class_name": "Sequential"}', "no pair of class_name and config"),
        ("3", "no pair of class_name and config"),
    ],
)
def test_what_is_no_model(text, message):
    with pytest.raises(FileFormatError, match=message):
        model_from_json(text)


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "nervure.cli", "__main__"]
)
def test_names_import_nothing(name):
    text = json.dumps({"class_name": name, "config": {}})
    with pytest.raises(UnknownNameError, match="is not known"):
        model_from_json(text)


def test_operations_are_array_functions_only():
    described = json.loads(branched().to_json())
    for layer in described["config"]["layers"]:
        if layer["class_name"] == "Operation":
            layer["config"]["function"] = "__import__"
    with pytest.raises(UnknownNameError, match="unknown function: '__import__'"):
        model_from_json(json.dumps(described))


def test_deep_nesting_is_refused():
    described = {"class_name": "Dense", "config": {"units": 1}}
    for _ in range(60):
        described = {
            "class_name": "Sequential",
            "config": {"name": "s", "layers": [described]},
        }
    with pytest.raises(FileFormatError, match="nested more than 50 times"):
        model_from_json(json.dumps(described))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "of", "items", "class_name", "config", "name"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    place=st.sampled_from(["layers", "input_layers", "output_layers", "name", "dtype"]),
    index=st.integers(0, 20),
    value=VALUES,
)
def test_any_other_data_make_a_model_or_an_explained_error(place, index, value):
    described = json.loads(TEXT)
    config = described["config"]
    if place == "layers" and index:
        layer = config["layers"][index % len(config["layers"])]
        layer[["config", "inbound_nodes", "class_name"][index % 3]] = value
    else:
        config[place] = value
    try:
        assert isinstance(model_from_json(json.dumps(described)), Model)
    except NervureError as error:
        assert str(error)


TEXT = branched().to_json()
