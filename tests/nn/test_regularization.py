"""Noise and dropout: moments, what shares its fate, and that inference is exact."""

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, ShapeError
from nervure.layers import (
    ActivityRegularization,
    AlphaDropout,
    Dense,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Input,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from nervure.step import Step

random = np.random.default_rng(0)

RANDOM_LAYERS = {
    "dropout": (Dropout, (3, 4)),
    "spatial 1": (SpatialDropout1D, (3, 4, 5)),
    "spatial 2": (SpatialDropout2D, (3, 4, 5, 2)),
    "spatial 3": (SpatialDropout3D, (3, 4, 5, 2, 2)),
    "noise": (GaussianNoise, (3, 4)),
    "gaussian": (GaussianDropout, (3, 4)),
    "alpha": (AlphaDropout, (3, 4)),
}


@pytest.mark.parametrize("name", RANDOM_LAYERS)
def test_only_training_is_random(name):
    class_, shape = RANDOM_LAYERS[name]
    x = random.normal(size=shape).astype("float32")
    layer = class_(0.5, seed=1)
    np.testing.assert_array_equal(layer(x), x)
    first, second = (layer(x, training=True).numpy() for _ in range(2))
    assert not np.array_equal(first, x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(class_(0.5, seed=1)(x, training=True), first)
    np.testing.assert_array_equal(class_(0.0)(x, training=True), x)
    assert layer(Input(shape[1:]), training=True).shape == (None, *shape[1:])
    assert layer.weights == []
    assert len(layer.non_trainable_variables) == 2
    assert class_.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("name", RANDOM_LAYERS)
@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_a_compiled_step_draws_the_same(name, executor):
    class_, shape = RANDOM_LAYERS[name]
    x = random.normal(size=shape).astype("float32")
    layer, eager = class_(0.5, seed=1), class_(0.5, seed=1)
    total = nv.nn.variable.Variable(np.zeros((2, *shape), "float32"), name="total")

    def step(constants, varying):
        here = nv.nn.one_hot(varying[0], 2)
        here = nv.reshape(here, (2, *(1,) * len(shape)))
        total.assign_add(here * layer(constants[0], training=True))

    with nv.config.override(executor=executor):
        Step(step).run([x], [np.arange(2)])
        expected = [eager(x, training=True).numpy() for _ in range(2)]
    np.testing.assert_allclose(total.numpy(), np.stack(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape", "shared"),
    [
        (SpatialDropout1D(0.5, seed=1), (8, 6, 16), (1,)),
        (SpatialDropout2D(0.5, seed=1), (8, 6, 5, 16), (1, 2)),
        (SpatialDropout2D(0.5, "channels_first", seed=1), (8, 16, 6, 5), (2, 3)),
        (SpatialDropout3D(0.5, seed=1), (8, 3, 2, 5, 16), (1, 2, 3)),
        (SpatialDropout3D(0.5, "channels_first", 1), (8, 16, 3, 2, 5), (2, 3, 4)),
    ],
)
def test_spatial_dropout_drops_whole_channels(layer, shape, shared):
    out = layer(np.ones(shape, "float32"), training=True).numpy()
    assert set(np.unique(out)) == {0.0, 2.0}
    assert (out.min(shared) == out.max(shared)).all()
    assert 0.3 < out.min(shared).mean() / 2 < 0.7


def test_wrong_uses_of_spatial_dropout():
    with pytest.raises(ShapeError, match="3 axes, got 2"):
        SpatialDropout1D(0.5)(np.ones((2, 3)))
    with pytest.raises(ValueError, match="data_format"):
        SpatialDropout2D(0.5, "channels")
    with pytest.raises(ArgumentError, match="the rate of SpatialDropout1D"):
        SpatialDropout1D(1.5)


def test_moments_of_noise():
    ones = np.ones((200, 500), "float32")
    noise = GaussianNoise(0.3, seed=1)(ones, training=True).numpy()
    assert abs(noise.mean() - 1) < 4 * 0.3 / np.sqrt(noise.size)
    assert abs(noise.std() - 0.3) < 0.003
    factors = GaussianDropout(0.2, seed=1)(2 * ones, training=True).numpy()
    assert abs(factors.mean() - 2) < 0.02
    assert abs(factors.std() - 2 * np.sqrt(0.2 / 0.8)) < 0.01


def test_alpha_dropout_keeps_the_moments():
    x = random.normal(size=(300, 400)).astype("float32")
    out = AlphaDropout(0.3, seed=1)(x, training=True).numpy()
    assert abs(out.mean()) < 0.02
    assert abs(out.std() - 1) < 0.02
    lowest, counts = np.unique(np.round(out, 5), return_counts=True)
    assert abs(counts.max() / out.size - 0.3) < 0.01
    kept = AlphaDropout(0.3, noise_shape=(None, 1), seed=1)(x, training=True).numpy()
    dropped = (np.abs(kept - lowest[counts.argmax()]) < 1e-4).all(1)
    assert abs(dropped.mean() - 0.3) < 0.1
    with pytest.raises(ShapeError, match="alpha dropout: a mask of shape"):
        AlphaDropout(0.3, noise_shape=(3,))(x, training=True)


@pytest.mark.parametrize("class_", [GaussianDropout, AlphaDropout])
@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, "half", None])
def test_wrong_rates(class_, rate):
    with pytest.raises(ArgumentError, match="expected the rate"):
        class_(rate)


def test_wrong_deviation():
    with pytest.raises(ArgumentError, match="expected stddev"):
        GaussianNoise(-1.0)


def test_activity_regularization():
    x = np.array([[1.0, -2.0], [3.0, 0.0]], "float32")
    layer = ActivityRegularization(0.5, 0.25)
    np.testing.assert_array_equal(layer(x), x)
    assert layer.losses[0].item() == (0.5 * 6 + 0.25 * 14) / 2
    assert layer.get_config()["l1"] == 0.5
    assert "activity_regularizer" not in layer.get_config()
    model = nv.models.Sequential([Dense(1), ActivityRegularization(l2=1.0)])
    model.compile("sgd", "mse")
    model.build((None, 2))
    predicted = model.predict(x, verbose=0)
    loss = model.evaluate(x, predicted, verbose=0)
    np.testing.assert_allclose(loss, np.square(predicted).sum() / 2, rtol=1e-5)
