"""Models made of inputs and outputs: structure, calls, parts, trainable switches."""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, DataError, ShapeError, UnknownNameError
from nervure.layers import Dense, Dropout, Input, Layer
from nervure.models import Model, Sequential
from tests.train.builders import two_by_two


@pytest.fixture(autouse=True)
def fresh_names():
    nv.utils.clear_session()


def data(rows: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.RandomState(0)
    a = generator.randn(rows, 4).astype("float32")
    b = generator.randn(rows, 3).astype("float32")
    return a, b, generator.randint(0, 3, rows), generator.randn(rows, 1)


def expected(model: Model, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of the model, computed in float64 by NumPy."""
    of = {weight.path: weight.numpy().astype("float64") for weight in model.weights}
    d = np.tanh(a @ of["d/kernel"] + of["d/bias"])
    joined = d + (b @ of["e/kernel"] + of["e/bias"]) * 2
    logits = joined @ of["cls/kernel"] + of["cls/bias"]
    odds = np.exp(logits - logits.max(1, keepdims=True))
    second = (d * joined[:, :1]) @ of["reg/kernel"] + of["reg/bias"]
    return [odds / odds.sum(1, keepdims=True), second]


# --- structure ----------------------------------------------------------------------


def test_layers_are_in_the_order_of_keras():
    """Real Keras 3.15 gives these names for the same model."""
    model = two_by_two()
    assert [one.name for one in model.layers] == ["b", "a", "e", "d", "cls", "reg"]
    assert [one.name for one in model.operations] == [
        *("b", "a", "e", "d", "multiply", "add", "get_item", "multiply_1"),
        *("cls", "reg"),
    ]
    assert model.input_shape == [(None, 4), (None, 3)]
    assert model.output_shape == [(None, 3), (None, 1)]
    assert model.input_names == ["a", "b"]
    assert model.output_names == ["cls", "reg"]
    assert model.count_params() == 69
    assert model.get_layer("d").units == 5
    assert model.get_layer(index=-1).name == "reg"


@pytest.mark.parametrize("form", ["list", "dict"])
def test_a_call_computes_the_graph(form):
    model = two_by_two(form)
    a, b, _, _ = data(6)
    given = {"b": b, "a": a} if form == "dict" else [a, b]
    outputs = model(given)
    predicted = model.predict(given, verbose=0)
    assert isinstance(outputs, dict if form == "dict" else list)
    for place, wanted in enumerate(expected(model, a, b)):
        key = ["cls", "reg"][place] if form == "dict" else place
        np.testing.assert_allclose(outputs[key].numpy(), wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(predicted[key], wanted, rtol=1e-5, atol=1e-6)


def test_inputs_may_be_named():
    model = two_by_two()
    a, b, _, _ = data(3)
    by_name = model({"b": b, "a": a})
    assert np.array_equal(by_name[0].numpy(), model([a, b])[0].numpy())
    assert np.array_equal(by_name[0].numpy(), model((a, b))[0].numpy())


def test_nested_structures():
    a, b, c = Input((2,)), Input((2,)), Input((2,))
    model = Model({"p": [a, b], "q": c}, (a + b, {"r": c * 2}))
    one = np.ones((1, 2), "float32")
    first, second = model({"p": [one, one], "q": one * 3})
    assert first.tolist() == [[2.0, 2.0]]
    assert second["r"].tolist() == [[6.0, 6.0]]
    predicted = model.predict({"p": [one, one], "q": one * 3}, verbose=0)
    assert predicted[1]["r"].tolist() == [[6.0, 6.0]]


def test_a_shared_layer_has_one_set_of_weights_and_all_gradients():
    x = Input((2,))
    shared = Dense(2, use_bias=False, kernel_initializer="ones")
    model = Model(x, shared(shared(x)))
    assert len(model.weights) == 1
    model.compile(nv.optimizers.SGD(0.1), "mse")
    rows, targets = np.ones((4, 2)), np.zeros((4, 2))
    model.fit(rows, targets, epochs=1, verbose=0)
    # W = ones: the output is 4, d/dW of the mean square is 8 * (W x' + x W') = 8 * 3/2
    weight = np.ones((2, 2))
    step = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            for sign in (1, -1):
                moved = weight.copy()
                moved[i, j] += sign * 1e-6
                step[i, j] += sign * ((rows @ moved @ moved) ** 2).mean() / 2e-6
    np.testing.assert_allclose(model.get_weights()[0], weight - 0.1 * step, rtol=1e-4)


def test_models_are_layers():
    inner = two_by_two()
    a, b, _, _ = data(5)
    p, q = Input((4,)), Input((3,))
    outer = Model([p, q], inner([p, q])[1] + 1)
    np.testing.assert_allclose(
        outer([a, b]).numpy(), inner([a, b])[1].numpy() + 1, rtol=1e-6
    )
    assert outer.weights == inner.weights
    stacked = Sequential([Input((4,)), Dense(4), Model(p, Dense(2)(p))])
    assert stacked.output_shape == (None, 2)
    assert stacked.predict(a, verbose=0).shape == (5, 2)


def test_a_part_of_a_model_is_a_model():
    model = two_by_two()
    a, b, _, _ = data(5)
    features = Model(model.inputs, model.get_layer("d").output)
    wanted = np.tanh(a @ model.get_weights()[2] + model.get_weights()[3])
    np.testing.assert_allclose(features([a, b]).numpy(), wanted, rtol=1e-5)
    x = Input((4,))
    middle = Dense(3)(x)
    rest = Model(middle, Dense(2)(middle))
    assert rest.input_shape == (None, 3)
    assert rest.layers[0].name == "dense_input"


def test_a_base_model_called_in_inference_stays_so():
    x = Input((1000,))
    base = Model(x, Dropout(0.5)(x))
    outer = Model(x, base(x, training=False))
    one = np.ones((1, 1000), "float32")
    assert (outer(one, training=True).numpy() == 1).all()
    assert (base(one, training=True).numpy() == 0).any()


def test_a_missing_last_axis_is_mended():
    x = Input((3, 1))
    model = Model(x, x * 2)
    assert model(np.ones((2, 3))).shape == (2, 3, 1)
    with pytest.raises(ShapeError, match=r"expects the input 'input_layer' of shape"):
        model(np.ones((2, 4)))


def test_integers_reach_the_layers_as_such():
    seen = []

    class Kind(Layer):
        def call(self, inputs):
            seen.append(inputs.dtype.name)
            return inputs * 1.0

    x = Input((2,), dtype="int32")
    Model(x, Kind()(x)).predict(np.ones((2, 2), "int64"), verbose=0)
    assert set(seen) == {"int32"}


# --- trainable ----------------------------------------------------------------------


def test_frozen_layers_stay_and_thaw_without_another_compile():
    model = two_by_two()
    a, b, labels, numbers = data()
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    model.get_layer("d").trainable = False
    before = model.get_layer("d").get_weights()
    model.fit([a, b], [labels, numbers], verbose=0)
    assert all(map(np.array_equal, before, model.get_layer("d").get_weights()))
    model.get_layer("d").trainable = True
    model.fit([a, b], [labels, numbers], verbose=0)
    assert not np.array_equal(before[0], model.get_layer("d").get_weights()[0])


def test_a_frozen_model_has_no_trainable_weights():
    model = two_by_two()
    model.trainable = False
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 8
    assert Model(model.inputs, model.outputs, trainable=False).trainable_weights == []


# --- what is wrong ------------------------------------------------------------------


def test_a_graph_must_be_connected():
    a, b = Input((2,), name="a"), Input((2,), name="b")
    with pytest.raises(ArgumentError, match="disconnected: layer 'add' needs 'b'"):
        Model(a, a + b)
    with pytest.raises(ArgumentError, match="disconnected: an output needs 'b'"):
        Model(a, [a * 2, b])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda x: Model(x, None), "got no outputs"),
        (lambda x: Model(outputs=x), "got no inputs"),
        (lambda x: Model(x, Dense(2)), "the layer 'dense', which has not been called"),
        (lambda x: Model(np.ones(3), x), "must be symbolic tensors, got an object"),
        (lambda x: Model([x, x], x), "'x' occurs twice"),
        (lambda x: Model(x, []), "needs outputs, got none"),
        (
            lambda x: Model(x, Dense(2, name="same")(Dense(2, name="same")(x))),
            "two layers named 'same'",
        ),
    ],
)
def test_what_is_no_graph(make, message):
    with pytest.raises(ArgumentError, match=message):
        make(Input((2,), name="x"))


def test_a_cycle_is_found():
    x = Input((2,), name="x")
    layer = Dense(2, name="loop")
    output = layer(x)
    layer._calls[0].arguments = ((output,), {})
    with pytest.raises(ArgumentError, match="cycle: the layer 'loop' needs its own"):
        Model(x, output)


def test_a_model_is_no_layer_of_itself():
    model = Sequential([Dense(2, input_shape=(2,))], name="me")
    with pytest.raises(ArgumentError, match="'me' cannot be a layer of itself"):
        model.add(model)
    with pytest.raises(ArgumentError, match="'me' cannot be a layer of itself"):
        model.add(Sequential([model]))


@pytest.mark.parametrize(
    "given, message",
    [
        (lambda a, b: [a], "must hold 2 arrays .a, b., got a list of 1"),
        (lambda a, b: a, "must hold 2 arrays .a, b., got one array"),
        (lambda a, b: {"a": a}, "lacks 'b'"),
        (lambda a, b: {"a": a, "c": b}, "lacks 'b' and has the unknown 'c'"),
        (lambda a, b: [a, b[:3]], "has 20 rows and x..b.. has 3"),
        (lambda a, b: [a, b * np.nan], "x..b.. holds NaN"),
    ],
)
def test_wrong_inputs(given, message):
    model = two_by_two()
    a, b, labels, numbers = data()
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    before = model.get_weights()
    with pytest.raises(DataError, match=message):
        model.fit(given(a, b), [labels, numbers], verbose=0)
    with pytest.raises(DataError, match=message):
        model.predict(given(a, b), verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_unknown_layers_have_near_names():
    with pytest.raises(UnknownNameError, match="did you mean 'cls'"):
        two_by_two().get_layer("cl")


def test_a_subclass_is_built_for_a_shape():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.dense = Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model.build((None, 4))
    assert model.built and [one.shape for one in model.weights] == [(4, 3), (3,)]
    assert model.predict(np.ones((2, 4)), verbose=0).shape == (2, 3)


def test_a_mask_goes_through_models():
    ids = Input((4,), dtype="int32")
    rows = nv.layers.Embedding(5, 3, mask_zero=True)(ids)
    inner = Model(ids, rows)
    seen = []

    class Watching(Layer):
        def call(self, inputs, mask=None):
            self.supports_masking = True
            seen.append(mask)
            return inputs * 1.0

    Model(ids, Watching()(inner(ids)))(np.array([[1, 2, 0, 0]]))
    assert seen[-1].tolist() == [[True, True, False, False]]
