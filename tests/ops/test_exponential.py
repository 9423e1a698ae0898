from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import nervure as nv
from tests.ops.checks import assert_close, assert_equal, assert_gradient

UNARY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sigmoid": special.expit,
    "erf": special.erf,
}
VALUES = np.concatenate(
    [
        np.geomspace(5e-324, 1.7e308, 200),
        -np.geomspace(1e-300, 700, 50),
        1 + np.linspace(-1e-6, 1e-6, 21),
        [0.0, -0.0, np.inf, -np.inf, np.nan],
    ]
)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_as_numpy(name: str, dtype: type) -> None:
    x = VALUES.astype(dtype)
    want = UNARY[name](x.astype(np.float64)).astype(dtype)
    assert_close(getattr(nv, name)(nv.asarray(x)), want, ulp=4)


@pytest.mark.parametrize("name", UNARY)
def test_integers_and_narrow_floats(name: str) -> None:
    function = getattr(nv, name)
    assert function(nv.asarray([1, 2])).dtype == nv.float32
    x = nv.asarray([0.5, 3.0], dtype=nv.bfloat16)
    want = function(x.astype(nv.float32)).astype(nv.bfloat16)
    assert function(x).tolist() == want.tolist()


def test_logarithms_of_powers_are_exact() -> None:
    twos = np.arange(-1074, 1024)
    assert_equal(nv.log2(np.ldexp(1.0, twos)), twos.astype(np.float64))
    tens = np.arange(-307, 309)
    powers = np.array([f"1e{power}" for power in tens], np.float64)
    assert_equal(nv.log10(powers), tens.astype(np.float64))
    small = np.arange(-37, 39)
    powers = np.array([f"1e{power}" for power in small], np.float32)
    assert_equal(nv.log10(powers), small.astype(np.float32))


def test_logaddexp() -> None:
    special_values = [0.0, -1000.0, 1000.0, 1e-9, np.inf, -np.inf, np.nan]
    x, y = map(np.ravel, np.meshgrid(special_values, special_values))
    assert_close(nv.logaddexp(x, y), np.logaddexp(x, y), ulp=2)
    slope = nv.grad(lambda x: nv.logaddexp(x, 3.0))(nv.asarray(3.0))
    assert slope.item() == 0.5


@pytest.mark.parametrize("name", UNARY)
def test_gradients(name: str) -> None:
    x = np.array([0.2, 0.9, 1.0, 3.7])
    assert_gradient(getattr(nv, name), x)


def test_gradients_of_two() -> None:
    assert_gradient(nv.logaddexp, np.array([0.2, 3.0]), np.array([1.0, -2.0]))


@pytest.mark.parametrize("name", ["log2", "log10"])
def test_gradients_far_out(name: str) -> None:
    x = np.array([1e-300, 1e-5, 1e5, 1e300])
    slope = nv.grad(lambda z: nv.sum(getattr(nv, name)(z)))(nv.asarray(x)).numpy()
    base = 2 if name == "log2" else 10
    np.testing.assert_allclose(slope, 1 / (x * np.log(base)), rtol=1e-14)
