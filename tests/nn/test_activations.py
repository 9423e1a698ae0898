"""Values and derivatives of the activations, against torch in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it

import nervure as nv
from nervure import activations
from nervure.errors import UnknownNameError

TORCH = {
    "celu": F.celu,
    "elu": F.elu,
    "exponential": torch.exp,
    "gelu": F.gelu,
    "glu": F.glu,
    "hard_shrink": F.hardshrink,
    "hard_sigmoid": F.hardsigmoid,
    "hard_silu": F.hardswish,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "linear": lambda x: x,
    "log_sigmoid": F.logsigmoid,
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "mish": F.mish,
    "relu": F.relu,
    "relu6": F.relu6,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "soft_shrink": F.softshrink,
    "softmax": lambda x: F.softmax(x, -1),
    "softplus": F.softplus,
    "softsign": F.softsign,
    "sparse_plus": lambda x: torch.where(
        x <= -1, 0.0, torch.where(x < 1, (x + 1) ** 2 / 4, x)
    ),
    "sparse_sigmoid": lambda x: torch.clamp((x + 1) / 2, 0, 1),
    "squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
    "swish": F.silu,
    "tanh": torch.tanh,
    "tanh_shrink": F.tanhshrink,
}


@pytest.mark.parametrize("name", sorted(TORCH))
def test_against_torch(name):
    values = np.random.default_rng(0).normal(size=(5, 8)) * 3
    weights = np.random.default_rng(1).normal(size=(5, 8))
    x = torch.tensor(values, requires_grad=True)
    expected = TORCH[name](x)
    weights = weights[:, : expected.shape[1]]
    (expected * torch.tensor(weights)).sum().backward()
    function = activations.get(name)
    got = function(nv.asarray(values))
    assert got.dtype == "float64"
    gradient = nv.grad(lambda one: nv.sum(function(one) * weights))(nv.asarray(values))
    np.testing.assert_allclose(got.numpy(), expected.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(gradient.numpy(), x.grad.numpy(), rtol=1e-7, atol=1e-12)


def test_every_name_is_tested():
    others = {"sparsemax", "threshold"}
    assert set(TORCH) | others == set(activations.__all__) - {
        *("get", "serialize", "deserialize")
    }


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 6)) * 2
    shares = activations.sparsemax(nv.asarray(x)).numpy()
    np.testing.assert_allclose(shares.sum(-1), 1)
    assert (shares >= 0).all()
    for _ in range(50):
        other = random.dirichlet(np.ones(6), size=4)
        assert (((x - shares) ** 2).sum(-1) <= ((x - other) ** 2).sum(-1) + 1e-12).all()
    along_first = activations.sparsemax(nv.asarray(x.T), axis=0).numpy()
    np.testing.assert_allclose(along_first.T, shares)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"negative_slope": 0.1},
        {"max_value": 1.5},
        {"threshold": 0.5},
        {"negative_slope": 0.1, "max_value": 1.5, "threshold": 0.5},
    ],
)
def test_relu_with_options(options):
    x = np.linspace(-3, 3, 25)
    slope = options.get("negative_slope", 0.0)
    level = options.get("threshold", 0.0)
    expected = np.where(x >= level, x, slope * (x - level))
    if "max_value" in options:
        expected = np.minimum(expected, options["max_value"])
    got = activations.relu(nv.asarray(x), **options).numpy()
    np.testing.assert_allclose(got, expected)


def test_lookup():
    assert activations.get(None) is activations.linear
    assert activations.get("ReLU") is activations.relu
    own = lambda x: x  # noqa: E731
    assert activations.get(own) is own
    with pytest.raises(UnknownNameError, match="unknown activation: 'sofmax'"):
        activations.get("sofmax")
    with pytest.raises(UnknownNameError, match="unknown activation: 3"):
        activations.get(3)
