import json
import math

import numpy as np
import pytest

import nervure as nv
from nervure import initializers
from nervure.errors import ShapeError, UnknownNameError
from nervure.nn.initializers.drawn import fans
from nervure.nn.seed import SeedGenerator

RANDOM = {
    # name: mean, variance for fan_in 200 and fan_out 300, largest absolute value
    "random_uniform": (0, 0.1**2 / 12, 0.05),
    "random_normal": (0, 0.05**2, math.inf),
    "truncated_normal": (0, (0.05 * 0.87962566) ** 2, 0.1),
    "glorot_uniform": (0, 2 / 500, math.sqrt(6 / 500)),
    "glorot_normal": (0, 2 / 500, 2 * math.sqrt(2 / 500) / 0.87962566),
    "he_uniform": (0, 2 / 200, math.sqrt(6 / 200)),
    "he_normal": (0, 2 / 200, 2 * math.sqrt(2 / 200) / 0.87962566),
    "lecun_uniform": (0, 1 / 200, math.sqrt(3 / 200)),
    "lecun_normal": (0, 1 / 200, 2 * math.sqrt(1 / 200) / 0.87962566),
    "variance_scaling": (0, 1 / 200, 2 * math.sqrt(1 / 200) / 0.87962566),
    "orthogonal": (0, 1 / 300, 1),
}


@pytest.mark.parametrize("name", sorted(RANDOM))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments(name, dtype):
    mean, variance, largest = RANDOM[name]
    class_ = type(initializers.get(name))
    values = class_(seed=1)((200, 300), dtype).numpy()
    assert values.dtype == dtype
    assert values.shape == (200, 300)
    deviation = math.sqrt(variance)
    assert abs(values.mean() - mean) < 4 * deviation / math.sqrt(values.size)
    assert values.var() == pytest.approx(variance, rel=0.03)
    assert np.abs(values).max() <= largest * 1.000001
    if largest < 1:
        assert np.abs(values).max() > 0.97 * largest


def test_constants():
    assert initializers.Zeros()((2, 3)).tolist() == [[0.0] * 3] * 2
    assert initializers.Ones()((2,), "int64").tolist() == [1, 1]
    assert initializers.Constant(3)((2,)).tolist() == [3.0, 3.0]
    assert initializers.Constant([1, 2])((2, 2)).tolist() == [[1.0, 2.0]] * 2
    assert initializers.Identity(2.0)((2, 3)).tolist() == [[2, 0, 0], [0, 2, 0]]
    with pytest.raises(ShapeError, match="identity initializes weights with 2 axes"):
        initializers.Identity()((2,))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 2, 3)])
def test_orthogonal(shape):
    values = initializers.Orthogonal(gain=2.0, seed=3)(shape, "float64").numpy()
    matrix = values.reshape(-1, shape[-1])
    small = matrix.T @ matrix if matrix.shape[0] >= shape[-1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)
    with pytest.raises(ShapeError, match="at least 2 axes"):
        initializers.Orthogonal()((3,))


def test_seeds():
    fixed = initializers.GlorotUniform(seed=5)
    assert fixed((3, 3)).tolist() == fixed((3, 3)).tolist()
    drawing = initializers.GlorotUniform()
    assert drawing((3, 3)).tolist() != drawing((3, 3)).tolist()
    nv.random.seed(1)
    first = drawing((3, 3)).tolist()
    nv.random.seed(1)
    assert drawing((3, 3)).tolist() == first
    shared = initializers.GlorotUniform(seed=SeedGenerator(1))
    assert shared((3, 3)).tolist() != shared((3, 3)).tolist()


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((7, 9), (7, 9)),
        ((3, 5, 7, 9), (15 * 7, 15 * 9)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


def test_modes_and_distributions():
    for mode, fan in (("fan_in", 100), ("fan_out", 400), ("fan_avg", 250)):
        for distribution in ("normal", "untruncated_normal", "uniform"):
            initializer = initializers.VarianceScaling(3.0, mode, distribution, seed=2)
            values = initializer((100, 400)).numpy()
            assert values.var() == pytest.approx(3 / fan, rel=0.05)
    with pytest.raises(UnknownNameError, match="did you mean 'fan_in'"):
        initializers.VarianceScaling(mode="fanin")
    with pytest.raises(UnknownNameError, match="unknown distribution"):
        initializers.VarianceScaling(distribution="cauchy")
    with pytest.raises(ValueError, match="expected a positive scale"):
        initializers.VarianceScaling(0)


def test_lookup_and_configuration():
    assert initializers.get(None) is None
    for name in ("GlorotUniform", "glorot_uniform", "glorotuniform"):
        assert isinstance(initializers.get(name), initializers.GlorotUniform)
    assert initializers.get(np.eye(2))((2, 2)).tolist() == [[1, 0], [0, 1]]
    own = lambda shape, dtype=None: nv.zeros(shape)  # noqa: E731
    assert initializers.get(own) is own
    with pytest.raises(UnknownNameError, match="did you mean 'he_normal'"):
        initializers.get("he_norml")
    for one in (
        initializers.HeNormal(seed=3),
        initializers.Constant([1.0, 2.0]),
        initializers.VarianceScaling(2.0, "fan_avg", "uniform"),
    ):
        config = json.loads(json.dumps(one.get_config()))
        assert type(one).from_config(config).get_config() == config
    again = initializers.get({"class_name": "HeNormal", "config": {"seed": 3}})
    assert again.seed == 3
    with pytest.raises(UnknownNameError, match="'class_name' and 'config'"):
        initializers.get({"seed": 3})
