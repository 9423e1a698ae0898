"""Layers by name, their outputs and filters, neighbours, projections, errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

import nervure as nv
from nervure import inspect
from nervure.errors import (
    ArgumentError,
    DataError,
    GradientError,
    NotBuiltError,
    ShapeError,
    UnknownNameError,
)
from nervure.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from nervure.models import Model, Sequential
from tests.torch_twin import pictures, small_network

X = pictures(5)


@pytest.fixture(scope="module")
def model():
    return small_network()


# --- activations ----------------------------------------------------------------------


def test_activations_of_a_stack(model):
    found = inspect.activations(model, X, batch_size=2)
    assert list(found) == [layer.name for layer in model.layers]
    values = X
    for layer in model.layers:
        values = layer(values).numpy()
        np.testing.assert_allclose(found[layer.name], values, rtol=1e-4, atol=1e-5)
    chosen = inspect.activations(model, X, ["pool", model.layers[0]])
    assert list(chosen) == ["pool", "first"]
    np.testing.assert_allclose(chosen["pool"], found["pool"], atol=1e-6)
    assert list(inspect.activations(model, X, "pool")) == ["pool"]


def test_names_inside_models_and_of_repeated_calls():
    inner = Sequential([Dense(4, name="a"), Dropout(0.5, name="b")], name="inner")
    x = Input((4,))
    shared = Dense(4, name="shared")
    outputs = shared(inner(shared(x))) + x
    model = Model(x, Dense(2, name="top")(outputs))
    data = np.ones((3, 4), np.float32)
    found = inspect.activations(model, data)
    assert list(found) == [
        "shared", "inner/a", "inner/b", "inner", "shared:2", "top"
    ]  # fmt: skip
    np.testing.assert_array_equal(found["inner/a"], found["inner/b"])
    assert not np.array_equal(found["shared"], found["shared:2"])
    np.testing.assert_allclose(found["top"], model.predict(data, verbose=0), rtol=1e-5)
    # The name inside suffices where there is only one.
    assert list(inspect.activations(model, data, "a")) == ["inner/a"]


def test_subclassed_models_several_inputs_and_outputs():
    class Two(Model):
        def __init__(self):
            super().__init__(name="two")
            self.left = Dense(3, name="left")
            self.lstm = nv.layers.LSTM(2, return_state=True, name="lstm")

        def call(self, inputs):
            hidden, memory, carry = self.lstm(inputs["b"])
            return self.left(inputs["a"]), hidden + memory + carry

    data = {"a": np.ones((3, 4)), "b": np.ones((3, 5, 2))}
    data = {name: one.astype(np.float32) for name, one in data.items()}
    found = inspect.activations(Two(), data)
    assert {name: one.shape for name, one in found.items()} == {
        "lstm[0]": (3, 2),
        "lstm[1]": (3, 2),
        "lstm[2]": (3, 2),
        "left": (3, 3),
    }


def test_whole_numbers_and_layers_in_loops():
    model = Sequential(
        [
            Input((6,), dtype="int32"),
            nv.layers.Embedding(9, 3, name="words"),
            nv.layers.Bidirectional(nv.layers.GRU(2, name="gru"), name="both"),
            Dense(2, name="top"),
        ]
    )
    found = inspect.activations(model, np.arange(12).reshape(2, 6) % 9)
    assert found["words"].shape == (2, 6, 3) and found["both"].shape == (2, 4)
    assert all(np.isfinite(one).all() for one in found.values())


def test_programs_are_kept_until_layers_change(model):
    inspect.activations(model, X)
    kept = dict(model._kept)
    inspect.activations(model, X)
    assert model._kept == kept
    other = Sequential([Dense(3, input_shape=(2,))])
    data = np.ones((2, 2), np.float32)
    assert len(inspect.activations(other, data)) == 1
    other.add(Dense(4))
    assert len(inspect.activations(other, data)) == 2


# --- filters --------------------------------------------------------------------------


def test_first_layer_filters(model):
    filters = inspect.first_layer_filters(model)
    kernel = model.layers[0].get_weights()[0]
    assert filters.shape == (6, 3, 3, 2)
    np.testing.assert_array_equal(filters[4], kernel[..., 4])
    second = inspect.first_layer_filters(model, "second")
    assert second.shape == (5, 2, 2, 6)


def test_weights_of_dense_units_are_pictures():
    model = Sequential([Flatten(input_shape=(4, 5)), Dense(3), Dense(2)])
    filters = inspect.first_layer_filters(model)
    assert filters.shape == (3, 4, 5, 1)
    kernel = model.layers[1].get_weights()[0]
    np.testing.assert_array_equal(filters[1].ravel(), kernel[:, 1])
    plain = Sequential([Dense(3, input_shape=(7,))])
    assert inspect.first_layer_filters(plain).shape == (3, 7)
    separable = nv.layers.SeparableConv2D(5, 3, input_shape=(8, 8, 2))
    assert inspect.first_layer_filters(Sequential([separable])).shape == (1, 3, 3, 2)
    inside = Sequential([Sequential([Conv2D(4, 3, input_shape=(8, 8, 1))])])
    assert inspect.first_layer_filters(inside).shape == (4, 3, 3, 1)


# --- pictures that filters respond to -------------------------------------------------


def test_feature_visualization_raises_the_response(model):
    def response(picture, layer, number):
        values = inspect.activations(model, picture[None], layer)[layer][0]
        return values[..., number].mean()

    for layer in ("first", "top"):
        values = inspect.activations(model, X, layer)[layer]
        # One that responds: a dead rectifier shows no way up.
        number = int(values.reshape(-1, values.shape[-1]).mean(axis=0).argmax())
        made = inspect.feature_visualization(
            model, layer, number, steps=25, jitter=0.0, rotation=0, scaling=0.0
        )
        assert made.shape == (10, 10, 2) and made.min() >= 0 and made.max() <= 1
        gray = np.full((10, 10, 2), 0.5, np.float32)
        many = [response(one, layer, number) for one in X]
        assert response(made, layer, number) > response(gray, layer, number)
        assert response(made, layer, number) > np.mean(many)


def test_feature_visualization_of_several_filters(model):
    options = {"steps": 3, "clip_min": -1.0, "clip_max": 2.0}
    made, same, other = (
        inspect.feature_visualization(model, "second", [0, 3], seed=seed, **options)
        for seed in (0, 0, 1)
    )
    assert made.shape == (2, 10, 10, 2)
    np.testing.assert_array_equal(made, same)
    assert not np.array_equal(made, other)


# --- neighbours and projections -------------------------------------------------------


def test_nearest_training_samples(model):
    train = pictures(60, seed=5)
    rows, distances = inspect.nearest_training_samples(model, X, train, k=4)
    codes = [inspect.activations(model, one, model.layers[3]) for one in (X, train)]
    points, known = (next(iter(one.values())) for one in codes)
    expected = NearestNeighbors(n_neighbors=4).fit(known).kneighbors(points)
    np.testing.assert_allclose(distances, expected[0], rtol=1e-4)
    np.testing.assert_array_equal(rows, expected[1])
    itself, zero = inspect.nearest_training_samples(model, X, X, k=1)
    assert itself[:, 0].tolist() == [0, 1, 2, 3, 4] and zero.max() == 0


def test_projection(model):
    many = pictures(40, seed=6)
    points = inspect.embedding_projection(model, many, layer="second")
    codes = inspect.activations(model, many, "second")["second"].reshape(40, -1)
    expected = PCA(2).fit_transform(codes.astype(np.float64))
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-4)
    near = inspect.embedding_projection(model, many, method="t-SNE", perplexity=5)
    assert near.shape == (40, 2) and np.isfinite(near).all()


# --- figures --------------------------------------------------------------------------


def test_every_function_has_a_picture(model):
    y = [0, 1, 2, 3, 0]
    figures = [
        inspect.plot_activations(model, X, "first"),
        inspect.plot_first_layer_filters(model),
        inspect.plot_deconvnet(model, X, layer="first", filter=0),
        inspect.plot_guided_backpropagation(model, X, y),
        inspect.plot_saliency(model, X, y),
        inspect.plot_smooth_grad(model, X, y, samples=2),
        inspect.plot_integrated_gradients(model, X, y, steps=2),
        inspect.plot_grad_cam(model, X, y),
        inspect.plot_grad_cam_plus_plus(model, X, y),
        inspect.plot_occlusion(model, X, y, size=5),
        inspect.plot_feature_visualization(model, "first", [0, 1], steps=1),
        inspect.plot_nearest_training_samples(model, X, X, k=2),
        inspect.plot_embedding_projection(model, X, y),
    ]
    counts = [6, 6, 10, 10, 10, 10, 10, 10, 10, 10, 2, 15, 1]
    shown = [
        sum(1 for axes in one.axes if axes.images or axes.collections)
        for one in figures
    ]
    assert shown == counts
    names = {name.removeprefix("plot_") for name in inspect.__all__}
    assert all(f"plot_{name}" in inspect.__all__ for name in names)


# --- what is refused ------------------------------------------------------------------


def test_unknown_layers(model):
    with pytest.raises(UnknownNameError, match="did you mean 'second'"):
        inspect.deconvnet(model, X, layer="secnd", filter=0)
    with pytest.raises(UnknownNameError, match="unknown layer: 'conv'"):
        inspect.activations(model, X, "conv")
    with pytest.raises(ArgumentError, match="got the layer 'stranger'"):
        inspect.grad_cam(model, X, layer=Conv2D(3, 3, name="stranger"))
    with pytest.raises(ArgumentError, match="use one of 'first', 'pool'"):
        inspect.activations(model, X, [3])


def test_no_convolution_and_no_maps(model):
    dense = Sequential([Dense(3, input_shape=(4,))])
    x = np.ones((2, 4), np.float32)
    with pytest.raises(ArgumentError, match="has no convolution"):
        inspect.grad_cam(dense, x)
    with pytest.raises(ShapeError, match="are no maps of the samples"):
        inspect.grad_cam(model, X, layer="top")
    with pytest.raises(ArgumentError, match="no convolution and no dense layer"):
        inspect.first_layer_filters(Sequential([Flatten(input_shape=(2, 2))]))
    with pytest.raises(ArgumentError, match="'pool' has no filters"):
        inspect.first_layer_filters(model, "pool")
    with pytest.raises(NotBuiltError, match="has no weights yet"):
        inspect.first_layer_filters(Sequential([Dense(3)]))


def test_layers_beside_the_way():
    x = Input((6, 6, 1))
    beside = Conv2D(2, 3, name="beside")(x)
    main = Dense(2)(Flatten()(Conv2D(2, 3, name="main")(x)))
    model = Model(x, main + 0.0 * nv.mean(nv.astype(beside > 0, "float32")))
    data = np.ones((2, 6, 6, 1), np.float32)
    with pytest.raises(GradientError, match="does not depend on the layer 'beside'"):
        inspect.grad_cam(model, data, layer="beside")


@pytest.mark.parametrize(
    "y, message",
    [
        ([0, 1], "x has 5 rows and y has 2"),
        (np.zeros((5, 3)), "one class for each of 5 rows of x, got shape"),
        ([0, 1, 2, 3, 4], "y holds the label 4 at row 4"),
        ([0, 1, 2, 3, -1], "labels start at 0"),
        (["a"] * 5, "text"),
    ],
)
def test_wrong_labels(model, y, message):
    for method in (inspect.saliency, inspect.grad_cam, inspect.occlusion):
        with pytest.raises(DataError, match=message):
            method(model, X, y)


def test_wrong_numbers(model):
    with pytest.raises(ArgumentError, match="has 5 filters, there is none with"):
        inspect.deconvnet(model, X, layer="second", filter=5)
    with pytest.raises(ArgumentError, match="place must be"):
        inspect.deconvnet(model, X, layer="second", filter=0, place=(9, 9))
    with pytest.raises(ArgumentError, match="has 5 filters"):
        inspect.feature_visualization(model, "second", [1, 7])
    with pytest.raises(ShapeError, match="is larger than samples"):
        inspect.occlusion(model, X, size=11)
    with pytest.raises(ShapeError, match="baseline must be"):
        inspect.integrated_gradients(model, X, baseline=np.zeros((3, 3)))
    with pytest.raises(UnknownNameError, match="unknown method: 'umap'"):
        inspect.embedding_projection(model, X, method="umap")
    with pytest.raises(ArgumentError, match="perplexity"):
        inspect.embedding_projection(model, X, method="tsne")
    with pytest.raises(DataError, match="no 9 neighbours"):
        inspect.nearest_training_samples(model, X, X, k=9)
    with pytest.raises(ShapeError, match="pictures"):
        inspect.feature_visualization(Sequential([Dense(2, input_shape=(3,))]), "dense")
    pool = MaxPooling2D(2, input_shape=(4, 4, 1))
    with pytest.raises(ArgumentError, match="has no hidden layer"):
        inspect.embedding_projection(Sequential([pool]), np.ones((4, 4, 4, 1)))
