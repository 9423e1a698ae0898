"""Activations with settings, weights and masks, against torch and NumPy."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import nervure as nv
from nervure.errors import ArgumentError, AxisError, ShapeError
from nervure.layers import ELU, Input, LeakyReLU, Masking, PReLU, ReLU, Softmax
from tests.nn.gradients import assert_like_torch, randomize

random = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (ReLU(dtype="float64"), functional.relu),
        (ReLU(0.7, dtype="float64"), lambda x: torch.clamp(x, 0.0, 0.7)),
        (
            ReLU(0.9, 0.1, 0.3, dtype="float64"),
            lambda x: torch.clamp(torch.where(x >= 0.3, x, 0.1 * (x - 0.3)), max=0.9),
        ),
        (LeakyReLU(dtype="float64"), lambda x: functional.leaky_relu(x, 0.3)),
        (ELU(0.5, dtype="float64"), lambda x: functional.elu(x, 0.5)),
        (Softmax(dtype="float64"), lambda x: torch.softmax(x, -1)),
        (Softmax(1, dtype="float64"), lambda x: torch.softmax(x, 1)),
        (
            Softmax([1, 2], dtype="float64"),
            lambda x: torch.softmax(x.flatten(1), 1).reshape(x.shape),
        ),
    ],
)
def test_against_torch(layer, expected):
    x = random.normal(size=(3, 4, 5))
    assert_like_torch(layer, expected, x)
    assert layer(Input((None, 5))).shape == (None, None, 5)


def test_infinite_inputs_of_relu():
    x = np.array([[-np.inf, -1.0, np.inf]], "float32")
    assert ReLU()(x).tolist() == [[0.0, 0.0, np.inf]]
    assert ReLU(6.0)(x).tolist() == [[0.0, 0.0, 6.0]]
    assert ReLU(threshold=1.0)(x).tolist() == [[0.0, 0.0, np.inf]]


@pytest.mark.parametrize(
    ("shared", "shape"), [(None, (4, 5, 2)), ([1, 2], (1, 1, 2)), (2, (4, 1, 2))]
)
def test_prelu_against_torch(shared, shape):
    x = random.normal(size=(3, 4, 5, 2))
    layer = PReLU(shared_axes=shared, dtype="float64")
    layer(x)
    randomize(layer)
    assert layer.alpha.shape == shape
    assert_like_torch(layer, lambda x, alpha: torch.where(x > 0, x, alpha * x), x)


def test_shapes_of_prelu():
    assert PReLU(shared_axes=[1, 2])(Input((None, None, 3))).shape == (
        *(None, None, None, 3),
    )
    with pytest.raises(ShapeError):
        PReLU()(Input((None, 3)))
    with pytest.raises(AxisError, match="shares its weight along axis 0"):
        PReLU(shared_axes=[0])(np.ones((2, 3)))


def test_masked_softmax():
    x = random.normal(size=(2, 3, 4))
    mask = np.ones((2, 3, 4), bool)
    mask[0, 1, 2:] = False
    mask[1, 0] = False
    got = Softmax(dtype="float64")(x, mask=mask).numpy()
    weights = np.exp(x) * mask
    total = weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(got, weights / np.where(total == 0, 1, total))
    assert got[1, 0].tolist() == [0.0] * 4
    numbers = Softmax(dtype="float64")(x, mask=mask.astype("float64"))
    np.testing.assert_array_equal(numbers, got)
    with pytest.raises(ShapeError, match="expected a mask that broadcasts"):
        Softmax()(x, mask=mask[:, :, :3])
    with pytest.raises(ShapeError, match="expected a mask that broadcasts"):
        Softmax()(x, mask=mask[None])


def test_gradients_of_a_softmax_that_is_all_masked():
    x = nv.asarray(random.normal(size=(2, 4)).astype("float32"))
    mask = np.array([[True, False, True, False], [False] * 4])
    for executor in ("reference", "cpu"):
        with nv.config.override(executor=executor):
            loss = nv.sum(Softmax()(x, mask=mask) ** 2)
            (gradient,) = nv.gradients(loss, [x])
            assert (gradient.numpy()[~mask] == 0).all()
            assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize(
    ("class_", "options"),
    [
        (ReLU, {"max_value": -1.0}),
        (ReLU, {"negative_slope": None}),
        (ReLU, {"threshold": -0.5}),
        (LeakyReLU, {"negative_slope": -1}),
        (ELU, {"alpha": "one"}),
    ],
)
def test_wrong_arguments(class_, options):
    with pytest.raises(ArgumentError, match="expected"):
        class_(**options)


def test_masking():
    x = random.normal(size=(2, 3, 4)).astype("float32")
    x[0, 1] = 0.0
    x[1, 2] = 0.0
    got = Masking()(x)
    np.testing.assert_array_equal(got, x)
    assert got.mask.tolist() == [[True, False, True], [True, True, False]]
    filled = np.where(x == 0, 7.0, x)
    np.testing.assert_array_equal(Masking(7.0)(filled), x)
    symbolic = Masking()(Input((None, 4)))
    assert symbolic.shape == (None, None, 4)
    assert symbolic.mask is not None
    with pytest.raises(ArgumentError, match="expected mask_value"):
        Masking("0")
