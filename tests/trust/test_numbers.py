"""Values at the extremes: nothing overflows on the way to a result that is a number."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import special

import nervure as nv
from nervure import layers, losses, optimizers
from nervure.nn.variable import Variable

EXTREME = np.array([[3e38, -3e38, 0.0], [1e30, 1e30, -1e30], [-1e-45, 1e-45, 88.8]])
SIZES = (3e38, 1e30, 1e20, 1.0, 1e-20, 1e-30, 1e-38)


@pytest.fixture(autouse=True, params=["reference", "cpu"])
def _on(request):
    with nv.config.override(executor=request.param):
        yield


def single(values):
    return nv.asarray(np.asarray(values, "float32"))


def test_softmax_and_its_kin():
    x = single(EXTREME)
    soft = np.asarray(nv.nn.softmax(x))
    np.testing.assert_allclose(
        soft, special.softmax(EXTREME, -1), rtol=1e-6, atol=1e-44
    )
    logs = np.asarray(nv.nn.log_softmax(x))
    assert (logs <= 0).all()
    total = np.asarray(nv.logaddexp(x, x))
    with np.errstate(over="ignore"):
        wide = np.logaddexp(EXTREME, EXTREME).astype("float32")
    np.testing.assert_allclose(total, wide, rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_logsumexp(dtype):
    most = float(nv.finfo(nv.asarray(0, dtype=dtype).dtype).max)
    for values, expected in (
        ([most, -most, 0.0], most),
        ([-most, -most], -most),
        ([most / 2, most / 2, -nv.inf], most / 2),
        ([-nv.inf, -nv.inf], -nv.inf),
        ([nv.inf, 0.0], nv.inf),
        ([0.0, 0.0], np.log(2)),
    ):
        x = nv.asarray(values, dtype=dtype)
        found, slope = nv.value_and_grad(nv.nn.logsumexp)(x)
        assert float(found) == pytest.approx(expected, rel=1e-2), values
        slopes = np.asarray(slope).astype("float64")
        if np.isfinite(expected):
            assert slopes.sum() == pytest.approx(1, rel=1e-2)
        assert not np.isnan(slopes).any() or nv.inf in values


def test_softmax_has_a_gradient_at_the_extremes():
    for row in EXTREME:
        for function in (nv.nn.softmax, nv.nn.log_softmax):
            slope = nv.grad(lambda x, f=function: f(x)[0])(single(row))
            assert np.isfinite(np.asarray(slope)).all(), (row, function)


LOGITS = [
    (losses.SparseCategoricalCrossentropy(from_logits=True), [0, 1]),
    (losses.CategoricalCrossentropy(from_logits=True), np.eye(2)),
    (losses.CategoricalFocalCrossentropy(from_logits=True), np.eye(2)),
    (losses.BinaryCrossentropy(from_logits=True), np.eye(2)),
    (losses.BinaryFocalCrossentropy(from_logits=True), np.eye(2)),
]


@pytest.mark.parametrize("value", [1e4, -1e4, 3e38, -1e38, 0.0])
@pytest.mark.parametrize("loss, truth", LOGITS, ids=lambda one: type(one).__name__)
def test_cross_entropies_of_logits(loss, truth, value):
    logits = single([[value, 0.0], [0.0, value]])
    result, slope = nv.value_and_grad(lambda x: loss(nv.asarray(truth), x))(logits)
    assert float(result) >= 0  # which NaN is not
    assert np.isfinite(np.asarray(slope)).all()
    if value > 0:
        # for the binary ones the 0 beside it says nothing
        one_by_one = type(loss).__name__.startswith("Binary")
        assert (float(result) > 0) == one_by_one
    if isinstance(loss, losses.SparseCategoricalCrossentropy) and value < 0:
        assert float(result) == pytest.approx(-value)


SHARES = [
    (losses.SparseCategoricalCrossentropy(), [0, 1]),
    *[(getattr(losses, name)(), np.eye(2)) for name in (
        "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
        "BinaryCrossentropy", "BinaryFocalCrossentropy", "KLDivergence", "Poisson",
        "MeanSquaredLogarithmicError", "CosineSimilarity", "Dice", "Tversky", "LogCosh",
    )],
]  # fmt: skip


@pytest.mark.parametrize("loss, truth", SHARES, ids=lambda one: type(one).__name__)
def test_losses_of_certain_predictions(loss, truth):
    """Of shares 0 and 1, right or wrong, and of tiny ones beside a 1."""
    for one, two in itertools.product((0.0, 1.0, 1e-38, 1e-45), repeat=2):
        if 1.0 not in (one, two):
            continue  # rows that do not add up to much are no shares
        shares = single([[one, two], [two, one]])
        result, slope = nv.value_and_grad(lambda x: loss(nv.asarray(truth), x))(shares)
        assert np.isfinite(float(result)), (one, two)
        assert np.isfinite(np.asarray(slope)).all(), (one, two)


def test_losses_that_grow_slowly_do_not_overflow():
    for loss in (losses.LogCosh(), losses.Huber(), losses.MeanAbsoluteError()):
        result, slope = nv.value_and_grad(lambda x, f=loss: f(nv.zeros((1, 1)), x))(
            single([[1e38]])
        )
        assert float(result) == pytest.approx(1e38, rel=1e-6)
        assert np.asarray(slope) == pytest.approx(1)


@pytest.mark.parametrize("order", [2, 1, 3, 0.5, -1, -2, np.inf, -np.inf])
@pytest.mark.parametrize("size", SIZES)
def test_norms(size, order):
    """Squares of 1e20 and 1e-30 are beyond float32, the norms are not."""
    x = np.array([size, -size / 2, size / 4], "float32")
    wide = np.linalg.vector_norm(x.astype("float64"), ord=order)
    if wide > 3.4e38:
        assert float(nv.vector_norm(single(x), ord=order)) == np.inf
        return
    found, slope = nv.value_and_grad(lambda y: nv.vector_norm(y, ord=order))(single(x))
    assert float(found) == pytest.approx(wide, rel=1e-5)
    # for a function that is homogeneous (Euler): the slopes times x are its value
    assert np.asarray(slope).astype("float64") @ x == pytest.approx(wide, rel=1e-5)


def test_norms_of_what_is_not_finite():
    for order in (2, 3, 1):
        assert float(nv.vector_norm(single([np.inf, 1.0]), ord=order)) == np.inf
        assert np.isnan(float(nv.vector_norm(single([np.nan, 1.0]), ord=order)))
    assert float(nv.linalg.matrix_norm(single([[3e30, 4e30]]))) == pytest.approx(5e30)


@pytest.mark.parametrize("size", [3e38, 1e30, 1e20, 1.0])
def test_vectors_of_length_1(size):
    x = np.array([size, -size, size / 2], "float64")
    expected = x / np.linalg.norm(x / size) / size
    for found in (nv.nn.normalize(single(x)), layers.UnitNormalization()(single([x]))):
        np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-6)
    cosine = losses.CosineSimilarity()(single([x]), single([-x]))
    assert float(cosine) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("size", [1e30, 1e20, 1.0, 1e-15])
@pytest.mark.parametrize("option", ["clipnorm", "global_clipnorm"])
def test_gradients_are_clipped_at_any_size(option, size):
    """Their direction is kept: an overflow on the way would make them 0."""
    weight = Variable(np.zeros(2, "float32"))
    limit = min(1.0, size)
    optimizer = optimizers.SGD(1.0, **{option: limit})
    optimizer.apply([single([3 * size, -4 * size])], [weight])
    expected = np.array([-0.6, 0.8]) * limit
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-6)


def test_normalizations():
    """Squares are taken as they are: from 1e19 on the layers may give zeros."""
    rows = [[0.0] * 4, [1e-30] * 4, [1e18, -1e18, 1e18, 0], [5e3, 5e3, 5e3, 5]]
    for layer in (
        layers.LayerNormalization(),
        layers.RMSNormalization(),
        layers.UnitNormalization(),
        layers.GroupNormalization(2),
    ):
        result = np.asarray(layer(single(rows)))
        assert np.isfinite(result).all()
        assert np.abs(result[2]).max() > 0.5
