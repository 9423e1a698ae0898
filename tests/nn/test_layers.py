"""Each layer's values and gradients, against torch or NumPy in float64."""

import numpy as np
import pytest
import torch

import nervure as nv
from nervure.errors import ShapeError, UnknownNameError
from nervure.layers import Activation, Dense, Dropout, Flatten, Reshape
from nervure.nn.seed import SeedGenerator
from nervure.step import Step

random = np.random.default_rng(0)


# --- Dense ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_against_torch(shape, use_bias):
    x = random.normal(size=shape)
    weights = random.normal(size=(*shape[:-1], 3))
    layer = Dense(
        3, "tanh", use_bias, bias_initializer="random_normal", dtype="float64"
    )
    layer(x)

    parameters = [
        torch.tensor(one, requires_grad=True) for one in (x, *layer.get_weights())
    ]
    out = parameters[0] @ parameters[1]
    if use_bias:
        out = out + parameters[2]
    expected = torch.tanh(out)
    (expected * torch.tensor(weights)).sum().backward()

    given = nv.asarray(x)
    got = layer(given)
    np.testing.assert_allclose(got.numpy(), expected.detach().numpy(), rtol=1e-12)
    wanted = [given, *(one.value for one in layer.weights)]
    # A fresh call: the values above have been looked at and forgot their graph.
    loss = nv.sum(layer(given) * weights)
    for one, other in zip(nv.gradients(loss, wanted), parameters):
        np.testing.assert_allclose(one.numpy(), other.grad.numpy(), rtol=1e-10)


def test_dense_options():
    layer = Dense(2, kernel_constraint=lambda one: one, bias_regularizer=nv.sum)
    layer(np.ones((1, 3)))
    assert layer.kernel.constraint is not None
    assert layer.bias.regularizer is nv.sum
    assert layer.kernel.shape == (3, 2)
    assert Dense(2, activation=None).activation is nv.activations.linear
    without = Dense(2, use_bias=False)
    without(np.ones((1, 3)))
    assert without.bias is None
    assert len(without.weights) == 1


def test_dense_of_an_empty_batch():
    assert Dense(2)(np.ones((0, 3), "float32")).shape == (0, 2)


# --- Activation ----------------------------------------------------------------------


def test_activation():
    x = random.normal(size=(3, 4)).astype("float32")
    got = Activation("softmax")(x).numpy()
    np.testing.assert_allclose(got.sum(-1), 1, rtol=1e-6)
    assert Activation(nv.tanh)(x).tolist() == nv.tanh(x).tolist()
    assert Activation("relu").get_config()["activation"] == "relu"


# --- Flatten, Reshape ----------------------------------------------------------------


def test_flatten():
    x = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    assert np.array_equal(Flatten()(x), x.reshape(2, 12))
    first = Flatten(data_format="channels_first")(x)
    assert np.array_equal(first, np.moveaxis(x, 1, -1).reshape(2, 12))
    assert Flatten()(np.ones(3)).shape == (3, 1)
    assert Flatten()(np.ones((0, 3, 4))).shape == (0, 12)
    with pytest.raises(UnknownNameError, match="unknown data_format"):
        Flatten("channels")


def test_reshape():
    x = np.arange(24.0, dtype="float32").reshape(2, 12)
    assert np.array_equal(Reshape((3, 4))(x), x.reshape(2, 3, 4))
    assert np.array_equal(Reshape((-1, 2, 2))(x), x.reshape(2, 3, 2, 2))
    assert Reshape(12)(x.reshape(2, 3, 4)).shape == (2, 12)
    assert Reshape((-1, 3))(np.ones((0, 12))).shape == (0, 4, 3)
    assert Reshape(())(np.ones((2, 1))).shape == (2,)


def test_reshape_that_does_not_fit():
    with pytest.raises(ShapeError) as caught:
        Reshape((5, -1), name="r")(np.ones((2, 12)))
    assert f"{caught.value}" == (
        "reshape (layer 'r'): samples of shape [12] have 12 elements, the target shape "
        "[5, -1] takes multiples of 5\n"
        "  fix: choose sizes with the same product, or -1 for the size that is to be "
        "computed"
    )
    with pytest.raises(ShapeError, match="the target shape \\[5\\] takes 5"):
        Reshape((5,))(np.ones((2, 12)))
    with pytest.raises(ShapeError, match="at most one -1"):
        Reshape((-1, -1))


# --- Dropout -------------------------------------------------------------------------


def test_dropout_outside_of_training():
    x = random.normal(size=(3, 4)).astype("float32")
    assert np.array_equal(Dropout(0.5)(x), x)
    assert np.array_equal(Dropout(0.0)(x, training=True), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate):
    layer = Dropout(rate, seed=1)
    out = layer(np.ones((100, 500), "float32"), training=True).numpy()
    kept = np.float32(1 / (1 - rate))
    assert set(np.unique(out)) <= {0, kept}
    deviation = np.sqrt(rate / (1 - rate) / out.size)
    assert abs(out.mean() - 1) < 4 * deviation


def test_dropout_draws_new_bits_each_time():
    layer, again = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    x = np.ones((4, 8), "float32")
    first, second = (layer(x, training=True).tolist() for _ in range(2))
    assert first != second
    assert again(x, training=True).tolist() == first
    assert (
        Dropout(0.5)(x, training=True).tolist()
        != Dropout(0.5)(x, training=True).tolist()
    )


def test_dropout_in_a_compiled_step_draws_the_same_bits():
    layer, eager = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    total = nv.nn.variable.Variable(np.zeros((3, 4, 8), "float32"), name="total")

    def step(constants, varying):
        (place,) = varying
        here = nv.nn.one_hot(place, 3)[:, None, None]
        total.assign_add(here * layer(nv.ones((4, 8)), training=True))

    Step(step).run([], [np.arange(3)])
    expected = [eager(nv.ones((4, 8)), training=True).numpy() for _ in range(3)]
    assert np.array_equal(total.numpy(), np.stack(expected))
    assert layer.seed_generator.counter.numpy() == 3


def test_dropout_with_shared_noise():
    out = Dropout(0.5, noise_shape=(None, 1), seed=2)(np.ones((50, 7)), training=True)
    rows = out.numpy()
    assert (rows == rows[:, :1]).all()
    assert 0 < (rows[:, 0] == 0).sum() < 50
    with pytest.raises(ShapeError, match="a mask of shape"):
        Dropout(0.5, noise_shape=(3,))(np.ones((2, 2)), training=True)


@pytest.mark.parametrize("rate", [-0.1, 1.5, "half", True, None])
def test_dropout_with_a_wrong_rate(rate):
    with pytest.raises(
        ValueError, match="expected the rate of Dropout to be from 0 to 1"
    ):
        Dropout(rate)


def test_seed_generator():
    nv.random.seed(4)
    one, other = SeedGenerator(), SeedGenerator()
    assert one.key.numpy().tolist() != other.key.numpy().tolist()
    nv.random.seed(4)
    assert SeedGenerator().key.numpy().tolist() == one.key.numpy().tolist()
    keys = {tuple(one.next().tolist()) for _ in range(10)}
    assert len(keys) == 10
    assert one.counter.numpy() == 10
