"""Losses against torch, and against Keras' formulas in NumPy."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it

import nervure as nv
from nervure import losses
from nervure.errors import ShapeError, UnknownNameError
from nervure.nn.losses.logits import logits_of_sigmoid, logits_of_softmax

random = np.random.default_rng(0)
LOGITS = random.normal(size=(6, 4)) * 3
BITS = random.integers(0, 2, (6, 4)).astype("float64")
LABELS = random.integers(0, 4, 6)
HOT = np.eye(4)[LABELS]
PROBABILITIES = random.dirichlet(np.ones(4), size=6)
WEIGHTS = random.uniform(size=6)


def keras_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def keras_softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def keras_categorical(true, pred):
    pred = pred / pred.sum(-1, keepdims=True)
    return -(true * np.log(np.clip(pred, 1e-7, 1 - 1e-7))).sum(-1)


def keras_binary(true, pred):
    pred = np.clip(pred, 1e-7, 1 - 1e-7)
    return -(true * np.log(pred) + (1 - true) * np.log(1 - pred)).mean(-1)


def close(got, expected, rtol=1e-10):
    np.testing.assert_allclose(np.asarray(got), expected, rtol=rtol, atol=1e-12)


# --- values --------------------------------------------------------------------------


def test_regression():
    x, y = nv.asarray(LOGITS), nv.asarray(BITS)
    close(losses.mean_squared_error(y, x), ((BITS - LOGITS) ** 2).mean(-1))
    close(losses.mean_absolute_error(y, x), np.abs(BITS - LOGITS).mean(-1))
    assert losses.MeanSquaredError(dtype="float64")(y, x).item() == pytest.approx(
        ((BITS - LOGITS) ** 2).mean()
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary(smoothing):
    true = BITS * (1 - smoothing) + 0.5 * smoothing
    expected = F.binary_cross_entropy_with_logits(
        torch.tensor(LOGITS), torch.tensor(true), reduction="none"
    )
    close(
        losses.binary_crossentropy(BITS, nv.asarray(LOGITS), True, smoothing),
        expected.mean(-1),
    )
    close(
        losses.binary_crossentropy(
            BITS, nv.asarray(PROBABILITIES), label_smoothing=smoothing
        ),
        keras_binary(true, PROBABILITIES),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_categorical(smoothing):
    expected = F.cross_entropy(
        torch.tensor(LOGITS),
        torch.tensor(LABELS),
        reduction="none",
        label_smoothing=smoothing,
    )
    close(
        losses.categorical_crossentropy(HOT, nv.asarray(LOGITS), True, smoothing),
        expected,
    )
    true = HOT * (1 - smoothing) + smoothing / 4
    close(
        losses.categorical_crossentropy(
            HOT, nv.asarray(PROBABILITIES * 3), label_smoothing=smoothing
        ),
        keras_categorical(true, PROBABILITIES),
    )


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype("float32")])
def test_sparse(labels):
    expected = F.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(LABELS), reduction="none"
    )
    close(
        losses.sparse_categorical_crossentropy(labels, nv.asarray(LOGITS), True),
        expected,
    )
    close(
        losses.sparse_categorical_crossentropy(labels, nv.asarray(PROBABILITIES)),
        keras_categorical(HOT, PROBABILITIES),
    )


def test_sparse_with_an_ignored_class():
    labels = LABELS.copy()
    labels[2] = -1
    got = losses.sparse_categorical_crossentropy(
        labels, nv.asarray(LOGITS), True, ignore_class=-1
    ).numpy()
    full = losses.sparse_categorical_crossentropy(
        LABELS, nv.asarray(LOGITS), True
    ).numpy()
    assert got[2] == 0
    close(np.delete(got, 2), np.delete(full, 2))


def test_another_axis():
    x = nv.asarray(LOGITS.T)
    expected = losses.categorical_crossentropy(HOT, nv.asarray(LOGITS), True)
    close(losses.categorical_crossentropy(HOT.T, x, True, axis=0), expected)
    close(losses.sparse_categorical_crossentropy(LABELS, x, True, axis=0), expected)
    close(
        losses.categorical_crossentropy(HOT.T, nv.ops.nn.softmax(x, axis=0), axis=0),
        expected,
    )


def test_a_label_that_is_no_class_is_not_a_perfect_prediction():
    got = losses.sparse_categorical_crossentropy([0, 4, -1], nv.asarray(np.eye(4)[:3]))
    assert np.isnan(got.numpy()).tolist() == [False, True, True]


# --- the logits behind probabilities -------------------------------------------------


def test_logits_are_found():
    x = nv.asarray(LOGITS)
    soft = nv.nn.softmax(x)
    assert logits_of_softmax(soft).node is x.node
    assert logits_of_softmax(soft.astype("float32")).node is x.node
    assert logits_of_softmax(soft, axis=0) is None
    assert logits_of_softmax(soft * 1.5) is None
    assert logits_of_softmax(nv.exp(x) / nv.sum(nv.exp(x))) is None
    assert logits_of_sigmoid(nv.nn.sigmoid(x)).node is x.node
    assert logits_of_sigmoid(soft) is None


def test_softmax_then_loss_is_as_exact_as_the_logits_form():
    x = nv.parameter(np.array([[0.0, 60.0, 200.0]], "float32"))
    loss = losses.categorical_crossentropy([[1.0, 0.0, 0.0]], nv.nn.softmax(x))
    assert loss.tolist() == [200.0]
    gradient = nv.gradients(loss, [x])[0]
    close(gradient, [[-1.0, 0.0, 1.0]], rtol=1e-6)
    sparse = losses.sparse_categorical_crossentropy([0], nv.nn.softmax(x))
    assert sparse.tolist() == [200.0]
    binary = losses.binary_crossentropy([[1.0]], nv.nn.sigmoid(nv.asarray([[-200.0]])))
    assert binary.tolist() == [200.0]


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-12), ("float32", 2e-6)])
def test_logits_form_agrees_with_the_clipped_formula(dtype, rtol):
    x = nv.asarray(LOGITS.astype(dtype))
    soft, sigmoid = keras_softmax(LOGITS), keras_sigmoid(LOGITS)
    close(
        losses.categorical_crossentropy(HOT.astype(dtype), nv.nn.softmax(x)),
        keras_categorical(HOT, soft),
        rtol,
    )
    close(
        losses.binary_crossentropy(BITS.astype(dtype), nv.nn.sigmoid(x)),
        keras_binary(BITS, sigmoid),
        rtol,
    )


def test_through_layers_and_the_loss_object():
    model = nv.layers.Dense(3, activation="softmax", kernel_initializer="ones")
    bias = np.array([0.0, 50.0, 200.0])
    out = model(np.zeros((1, 2), "float32"))
    model.bias.assign(bias)
    out = model(np.zeros((1, 2), "float32"))
    assert losses.SparseCategoricalCrossentropy()([0], out).item() == 200.0


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: losses.mean_squared_error(BITS, x),
        lambda x: losses.mean_absolute_error(BITS, x),
        lambda x: losses.binary_crossentropy(BITS, x, True),
        lambda x: losses.binary_crossentropy(BITS, nv.nn.sigmoid(x)),
        lambda x: losses.categorical_crossentropy(HOT, x, True, 0.1),
        lambda x: losses.categorical_crossentropy(HOT, nv.nn.softmax(x)),
        lambda x: losses.sparse_categorical_crossentropy(LABELS, nv.nn.softmax(x)),
        lambda x: losses.categorical_crossentropy(HOT, nv.nn.softmax(x) * 1.0 + 0.1),
        lambda x: losses.sparse_categorical_crossentropy(LABELS, nv.exp(x)),
    ],
)
def test_gradients_in_a_random_direction(loss):
    direction = np.random.default_rng(3).normal(size=LOGITS.shape)

    def total(x):
        return nv.sum(loss(x) * WEIGHTS)

    gradient = nv.grad(total)(nv.asarray(LOGITS)).numpy()
    step = 1e-6
    numeric = (
        total(nv.asarray(LOGITS + step * direction)).item()
        - total(nv.asarray(LOGITS - step * direction)).item()
    ) / (2 * step)
    assert (gradient * direction).sum() == pytest.approx(numeric, rel=1e-6)


# --- reduction and weights -----------------------------------------------------------


def test_reductions():
    per_sample = ((BITS - LOGITS) ** 2).mean(-1)
    weighted = per_sample * WEIGHTS

    def loss(reduction, weights=None):
        one = losses.MeanSquaredError(reduction=reduction, dtype="float64")
        return np.asarray(one(BITS, LOGITS, sample_weight=weights))

    close(loss("sum"), per_sample.sum())
    close(loss("sum", WEIGHTS), weighted.sum())
    for name in ("sum_over_batch_size", "mean"):
        close(loss(name), per_sample.mean())
        close(loss(name, WEIGHTS), weighted.sum() / 6)  # not the sum of the weights
    close(loss("mean_with_sample_weight"), per_sample.mean())
    close(loss("mean_with_sample_weight", WEIGHTS), weighted.sum() / WEIGHTS.sum())
    close(loss("mean_with_sample_weight", np.zeros(6)), 0.0)
    for name in (None, "none"):
        close(loss(name), per_sample)
        close(loss(name, WEIGHTS), weighted)
        close(loss(name, WEIGHTS[:, None]), weighted[:, None])
    with pytest.raises(UnknownNameError, match="did you mean 'sum_over_batch_size'"):
        losses.MeanSquaredError(reduction="sum_over_batch")


def test_weights_over_time_steps():
    true, pred = np.zeros((2, 3, 4)), np.ones((2, 3, 4))
    loss = losses.MeanSquaredError(dtype="float64", reduction=None)
    per_row = np.array([1.0, 2.0])
    per_step = np.arange(6.0).reshape(2, 3)
    close(loss(true, pred, per_row), np.repeat(per_row[:, None], 3, 1))
    close(loss(true, pred, per_step), per_step)
    with pytest.raises(ShapeError, match="sample weights of shape \\[3\\] do not fit"):
        loss(true, pred, np.ones(3))


def test_ranks_that_differ_by_one():
    column, row = np.ones((5, 1)), np.zeros(5)
    assert losses.MeanSquaredError()(row, column).item() == 1.0
    assert losses.MeanSquaredError()(column, row).item() == 1.0
    # One loss for each of five samples, as in Keras.
    assert losses.MeanSquaredError(reduction=None)(row, column).shape == (5,)
    weights = np.arange(5.0)
    assert losses.MeanSquaredError()(row, column, weights).item() == 2.0
    assert losses.MeanSquaredError()(row, column, weights[:, None]).item() == 2.0
    assert losses.MeanSquaredError(reduction=None)(
        np.ones((5, 3, 1)), np.zeros((5, 3))
    ).shape == (5,)


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="targets of shape \\[5\\] do not fit"):
        losses.MeanSquaredError()(np.ones(5), np.ones((5, 3)))
    with pytest.raises(ShapeError, match="for class numbers use sparse_categorical"):
        losses.CategoricalCrossentropy()(LABELS, PROBABILITIES)
    with pytest.raises(ShapeError, match="for one-hot targets use categorical"):
        losses.SparseCategoricalCrossentropy()(HOT, PROBABILITIES)


# --- objects -------------------------------------------------------------------------


def test_integer_targets_and_weights():
    assert losses.MeanSquaredError()([[1], [2]], [[0.0], [0.0]]).item() == 2.5
    assert losses.BinaryCrossentropy()([[True]], [[0.5]]).item() == pytest.approx(
        math.log(2)
    )


def test_lookup():
    for name, expected in {
        "mse": "mean_squared_error",
        "MSE": "mean_squared_error",
        "mae": "mean_absolute_error",
        "MeanSquaredError": "mean_squared_error",
        "binary_crossentropy": "binary_crossentropy",
        "categorical_crossentropy": "categorical_crossentropy",
        "SparseCategoricalCrossentropy": "sparse_categorical_crossentropy",
    }.items():
        assert losses.get(name).name == expected

    def own(y_true, y_pred):
        return nv.sum(nv.abs(y_true - y_pred), axis=-1)

    loss = losses.get(own)
    assert loss.name == "own"
    assert loss([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0]] * 2).item() == 5.0
    with pytest.raises(UnknownNameError, match="did you mean 'categorical_cross"):
        losses.get("categorical_crossentropie")
    with pytest.raises(UnknownNameError, match="call it: MeanSquaredError\\(\\)"):
        losses.get(losses.MeanSquaredError)


@pytest.mark.parametrize(
    "loss",
    [
        losses.CategoricalCrossentropy(True, 0.1, reduction="sum"),
        losses.SparseCategoricalCrossentropy(ignore_class=3, name="mine"),
        losses.BinaryCrossentropy(label_smoothing=0.2),
        losses.MeanAbsoluteError(),
    ],
)
def test_configuration(loss):
    config = loss.get_config()
    again = losses.get({"class_name": type(loss).__name__, "config": config})
    assert again.get_config() == config


def test_wrong_arguments():
    with pytest.raises(TypeError, match="did you mean 'label_smoothing'"):
        losses.BinaryCrossentropy(label_smothing=0.1)
    with pytest.raises(ValueError, match="label_smoothing to be from 0 to 1, got 2"):
        losses.BinaryCrossentropy(label_smoothing=2)
