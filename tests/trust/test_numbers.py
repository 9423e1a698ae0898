"""Gradients of every layer and loss against differences, and values at the extremes.

In float64, along a random direction: the derivative and the central difference agree
to 1e-6 of their size, for the inputs and for all weights together.
"""

from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure import layers, losses

RELATIVE = 1e-6
STEP = 2e-6

# A maker for each family, and the shape of its input without the batch.
LAYERS = {
    "Dense": (lambda o: layers.Dense(4, "tanh", **o), (5,)),
    "EinsumDense": (lambda o: layers.EinsumDense("ab,bc->ac", 4, **o), (5,)),
    "Conv1D": (lambda o: layers.Conv1D(3, 2, strides=2, **o), (7, 2)),
    "Conv2D": (lambda o: layers.Conv2D(3, 2, padding="same", **o), (5, 4, 2)),
    "Conv2D dilated": (lambda o: layers.Conv2D(2, 2, dilation_rate=2, **o), (5, 5, 2)),
    "Conv2D groups": (lambda o: layers.Conv2D(4, 3, groups=2, **o), (5, 5, 2)),
    "Conv3D": (lambda o: layers.Conv3D(2, 2, **o), (3, 3, 3, 2)),
    "Conv1DTranspose": (lambda o: layers.Conv1DTranspose(2, 3, 2, **o), (4, 2)),
    "Conv2DTranspose": (lambda o: layers.Conv2DTranspose(2, 3, 2, **o), (3, 3, 2)),
    "DepthwiseConv1D": (lambda o: layers.DepthwiseConv1D(2, **o), (5, 3)),
    "DepthwiseConv2D": (lambda o: layers.DepthwiseConv2D(2, **o), (4, 4, 3)),
    "SeparableConv1D": (lambda o: layers.SeparableConv1D(2, 2, **o), (5, 3)),
    "SeparableConv2D": (lambda o: layers.SeparableConv2D(2, 2, **o), (4, 4, 3)),
    "MaxPooling2D": (lambda o: layers.MaxPooling2D(2, **o), (4, 4, 2)),
    "AveragePooling2D": (lambda o: layers.AveragePooling2D(3, 1, "same", **o),
                         (4, 4, 2)),
    "AdaptiveAveragePooling2D": (lambda o: layers.AdaptiveAveragePooling2D(2, **o),
                                 (5, 4, 2)),
    "GlobalAveragePooling2D": (lambda o: layers.GlobalAveragePooling2D(**o), (4, 4, 2)),
    "GlobalMaxPooling1D": (lambda o: layers.GlobalMaxPooling1D(**o), (4, 2)),
    "SimpleRNN": (lambda o: layers.SimpleRNN(3, **o), (4, 2)),
    "LSTM": (lambda o: layers.LSTM(3, return_sequences=True, **o), (4, 2)),
    "GRU": (lambda o: layers.GRU(3, **o), (4, 2)),
    "Bidirectional": (lambda o: layers.Bidirectional(layers.LSTM(2, **o), **o), (3, 2)),
    "ConvLSTM1D": (lambda o: layers.ConvLSTM1D(2, 2, **o), (3, 4, 2)),
    "TimeDistributed": (
        lambda o: layers.TimeDistributed(layers.Dense(2, **o), **o),
        (3, 4),
    ),
    "BatchNormalization": (lambda o: layers.BatchNormalization(**o), (4,)),
    "LayerNormalization": (lambda o: layers.LayerNormalization(**o), (4, 3)),
    "GroupNormalization": (lambda o: layers.GroupNormalization(2, **o), (3, 4)),
    "RMSNormalization": (lambda o: layers.RMSNormalization(**o), (4,)),
    "UnitNormalization": (lambda o: layers.UnitNormalization(**o), (4,)),
    "ELU": (lambda o: layers.ELU(**o), (6,)),
    "LeakyReLU": (lambda o: layers.LeakyReLU(**o), (6,)),
    "PReLU": (lambda o: layers.PReLU(**o), (6,)),
    "ReLU": (lambda o: layers.ReLU(**o), (6,)),
    "Softmax": (lambda o: layers.Softmax(**o), (6,)),
    "Flatten": (lambda o: layers.Flatten(**o), (2, 3)),
    "Permute": (lambda o: layers.Permute((2, 1), **o), (2, 3)),
    "Reshape": (lambda o: layers.Reshape((3, 2), **o), (6,)),
    "RepeatVector": (lambda o: layers.RepeatVector(3, **o), (4,)),
    "UpSampling2D": (lambda o: layers.UpSampling2D(2, interpolation="bilinear", **o),
                     (3, 3, 2)),
    "ZeroPadding2D": (lambda o: layers.ZeroPadding2D(1, **o), (3, 3, 2)),
    "Cropping2D": (lambda o: layers.Cropping2D(1, **o), (4, 4, 2)),
    "Rescaling": (lambda o: layers.Rescaling(0.5, 1.0, **o), (4,)),
}  # fmt: skip
for _name in ("elu", "gelu", "mish", "selu", "sigmoid", "softplus", "softsign", "swish",
              "tanh", "exponential", "log_softmax", "celu", "squareplus"):  # fmt: skip
    LAYERS[_name] = (lambda o, name=_name: layers.Activation(name, **o), (6,))


def directional(loss, values, seed=0):
    """Return a derivative along a direction, the difference, and the terms' size."""
    random = np.random.default_rng(seed)
    ways = [random.normal(size=one.shape) for one in values]
    slopes = [np.asarray(one) for one in nv.grad(lambda v: loss(v))([
        nv.asarray(one) for one in values
    ])]  # fmt: skip
    terms = [slope * way for slope, way in zip(slopes, ways)]

    def at(step):
        moved = [nv.asarray(one + step * way) for one, way in zip(values, ways)]
        return float(loss(moved))

    # the fourth order leaves an error of rounding only
    near, far = at(STEP) - at(-STEP), at(2 * STEP) - at(-2 * STEP)
    difference = (8 * near - far) / (12 * STEP)
    size = sum(np.abs(one).sum() for one in terms)
    return sum(one.sum() for one in terms), difference, size


def check(loss, values, seed=0):
    """Assert that the derivative is that of the function."""
    found, expected, size = directional(loss, values, seed)
    assert size > 0
    assert abs(found - expected) <= RELATIVE * size, (found, expected, size)


@pytest.mark.parametrize("name", LAYERS)
def test_gradient_of_a_layer(name):
    nv.utils.set_random_seed(2)
    make, shape = LAYERS[name]
    layer = make({"dtype": "float64"})
    x = np.random.default_rng(4).normal(size=(3, *shape))
    layer(nv.asarray(x))
    weights = list(layer.trainable_weights)
    random = np.random.default_rng(5)
    start = [random.uniform(-0.9, 0.9, one.shape) for one in weights]
    factors = np.cos(np.arange(1000.0))
    training = {"training": True} if name == "BatchNormalization" else {}

    def loss(values):
        for weight, value in zip(weights, values[1:]):
            weight.assign(value)
        result = layer(values[0], **training)
        size = int(np.prod(result.shape))
        return nv.sum(nv.reshape(result, (size,)) * factors[:size])

    if weights:
        # values are set outside of what is differentiated; each kind by itself
        for weight, value in zip(weights, start):
            weight.assign(value)
    check(lambda values: loss([values[0]]), [x])
    if weights:
        given = nv.asarray(x)
        result = layer(given, **training)
        size = int(np.prod(result.shape))
        total = nv.sum(nv.reshape(result, (size,)) * factors[:size])
        slopes = nv.gradients(total, [one.value for one in weights])
        ways = [random.normal(size=one.shape) for one in start]
        terms = [np.asarray(s) * w for s, w in zip(slopes, ways)]

        def at(step):
            moved = [one + step * way for one, way in zip(start, ways)]
            return float(loss([given, *moved]))

        near, far = at(STEP) - at(-STEP), at(2 * STEP) - at(-2 * STEP)
        difference = (8 * near - far) / (12 * STEP)
        size = sum(np.abs(one).sum() for one in terms)
        assert abs(sum(one.sum() for one in terms) - difference) <= RELATIVE * size


RANDOM = np.random.default_rng(8)
SHARES = RANDOM.dirichlet(np.ones(4), 3)
ONE_HOT = np.eye(4)[[0, 2, 3]]
LOSSES = {
    "BinaryCrossentropy": ({}, (SHARES > 0.3) * 1.0, SHARES),
    "BinaryFocalCrossentropy": ({}, (SHARES > 0.3) * 1.0, SHARES),
    "CategoricalCrossentropy": ({"label_smoothing": 0.1}, ONE_HOT, SHARES),
    "CategoricalFocalCrossentropy": ({}, ONE_HOT, SHARES),
    "CategoricalGeneralizedCrossEntropy": ({}, np.array([0, 2, 3]), SHARES),
    "CategoricalHinge": ({}, ONE_HOT, SHARES),
    "CosineSimilarity": ({}, ONE_HOT, SHARES),
    "Dice": ({}, ONE_HOT, SHARES),
    "Hinge": ({}, 2 * ONE_HOT - 1, SHARES),
    "Huber": ({"delta": 0.5}, ONE_HOT, 3 * SHARES),
    "KLDivergence": ({}, SHARES[::-1], SHARES),
    "LogCosh": ({}, ONE_HOT, SHARES),
    "MeanAbsoluteError": ({}, ONE_HOT, SHARES),
    "MeanAbsolutePercentageError": ({}, ONE_HOT + 1, SHARES),
    "MeanSquaredError": ({}, ONE_HOT, SHARES),
    "MeanSquaredLogarithmicError": ({}, ONE_HOT, SHARES),
    "Poisson": ({}, ONE_HOT, SHARES),
    "SparseCategoricalCrossentropy": ({}, np.array([0, 2, 3]), SHARES),
    "SquaredHinge": ({}, 2 * ONE_HOT - 1, SHARES),
    "Tversky": ({}, ONE_HOT, SHARES),
}  # fmt: skip
# They need more than one tensor of predictions, and have tests of their own.
APART = {"CTC", "Circle", "Loss", "LossFunctionWrapper"}


def test_every_loss_is_here():
    public = {one for one in losses.__all__ if one[0].isupper()}
    assert public == LOSSES.keys() | APART


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_a_loss(name):
    options, truth, predicted = LOSSES[name]
    loss = getattr(losses, name)(dtype="float64", **options)
    check(lambda values: loss(nv.asarray(truth), values[0]), [predicted])


# --- extremes ------------------------------------------------------------------------

EXTREME = np.array([[3e38, -3e38, 0.0], [1e30, 1e30, -1e30], [-1e-45, 1e-45, 88.8]])


@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_nothing_overflows_on_the_way(executor):
    with nv.config.override(executor=executor):
        x = nv.asarray(EXTREME.astype("float32"))
        soft = np.asarray(nv.nn.softmax(x))
        np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-6)
        logs = np.asarray(nv.nn.log_softmax(x))
        assert (logs <= 0).all()
        total = np.asarray(nv.logaddexp(x, x))
        with np.errstate(over="ignore"):
            wide = np.logaddexp(EXTREME, EXTREME).astype("float32")
        np.testing.assert_allclose(total, wide, rtol=1e-6, atol=1e-44)
        for value in (1e4, -1e4, 3e38):
            logits = nv.asarray([[value, 0.0], [0.0, value]], dtype="float32")
            for loss, truth in (
                (losses.SparseCategoricalCrossentropy(from_logits=True), [0, 1]),
                (losses.BinaryCrossentropy(from_logits=True), np.eye(2)),
            ):
                result, slope = nv.value_and_grad(
                    lambda given, loss=loss, truth=truth: loss(nv.asarray(truth), given)
                )(logits)
                assert not np.isnan(float(result))
                assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("executor", ["reference", "cpu"])
def test_normalizations_at_the_extremes(executor):
    rows = np.array(
        [[0.0] * 4, [1e-30] * 4, [1e15, -1e15, 1e15, 0], [5e3, 5e3, 5e3, 5]]
    )
    with nv.config.override(executor=executor):
        for layer in (
            layers.LayerNormalization(),
            layers.RMSNormalization(),
            layers.UnitNormalization(),
            layers.GroupNormalization(2),
        ):
            assert np.isfinite(
                np.asarray(layer(nv.asarray(rows, dtype="float32")))
            ).all()
