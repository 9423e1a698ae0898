from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from tests.ops.checks import assert_close, assert_gradient

UNARY = {
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cos": np.cos,
    "cosh": np.cosh,
    "sin": np.sin,
    "sinh": np.sinh,
    "tan": np.tan,
    "tanh": np.tanh,
}
SIDE = np.concatenate(
    [
        np.geomspace(5e-324, 1e-3, 60),
        np.linspace(1e-3, 3, 100),
        1 - np.geomspace(1e-16, 1e-2, 30),
        1 + np.geomspace(1e-15, 1e-2, 30),
        np.linspace(3, 25, 60),
        np.linspace(80, 95, 20),
        np.linspace(700, 715, 20),
        [0.0, 2.0**28, 1.0, np.inf],
    ]
)
VALUES = np.concatenate([SIDE, -SIDE, [np.nan]])
LARGE = np.concatenate([VALUES, np.geomspace(1e3, 1.7e308, 60)])
PERIODIC = ("sin", "cos", "tan")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_as_numpy(name: str, dtype: type) -> None:
    x = (VALUES if name in PERIODIC else LARGE).astype(dtype)
    want = UNARY[name](x.astype(np.float64)).astype(dtype)
    got = getattr(nv, name)(nv.asarray(x))
    assert_close(got, want, ulp=4)
    zero = (x == 0) & ~np.isnan(want)  # the sign of a NaN means nothing
    assert np.array_equal(np.signbit(got.numpy()[zero]), np.signbit(want[zero]))


def test_atan2() -> None:
    special = [0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan]
    y, x = map(np.ravel, np.meshgrid(special, special))
    assert_close(nv.atan2(y, x), np.arctan2(y, x), ulp=1)


@pytest.mark.parametrize("name", UNARY)
def test_integers_and_narrow_floats(name: str) -> None:
    function = getattr(nv, name)
    assert function(nv.asarray([1, 2])).dtype == nv.float32
    x = nv.asarray([0.5, 0.99], dtype=nv.float16) + (1 if name == "acosh" else 0)
    want = function(x.astype(nv.float32)).astype(nv.float16)
    assert function(x).tolist() == want.tolist()


@pytest.mark.parametrize("name", UNARY)
def test_gradients(name: str) -> None:
    x = np.array([-0.7, 0.0, 0.3]) + (2 if name == "acosh" else 0)
    assert_gradient(getattr(nv, name), x)
    if name not in ("asin", "acos", "atanh", "acosh", "tan"):
        assert_gradient(getattr(nv, name), np.array([-4.0, 2.5]))


@pytest.mark.parametrize(
    "name, slope",
    [
        ("asinh", lambda x: 1 / np.hypot(x, 1)),
        ("acosh", lambda x: 1 / np.sqrt(x - 1) / np.sqrt(x + 1)),
        ("atan", lambda x: 1 / (1 + x**2)),
        ("tanh", lambda x: 0 * x),
    ],
)
def test_gradients_far_out(name: str, slope) -> None:
    x = np.array([30.0, 1e9, 1e100, 1e300])
    got = nv.grad(lambda z: nv.sum(getattr(nv, name)(z)))(nv.asarray(x)).numpy()
    np.testing.assert_allclose(got, slope(x), rtol=1e-12, atol=1e-20)


def test_gradients_of_large_exponentials() -> None:
    x = np.array([-710.0, -30.0, 30.0, 710.0])
    for name, slope in (("sinh", np.cosh), ("cosh", np.sinh)):
        got = nv.grad(lambda z, n=name: nv.sum(getattr(nv, n)(z)))(nv.asarray(x))
        np.testing.assert_allclose(got.numpy(), slope(x), rtol=1e-12)


def test_second_derivatives() -> None:
    for name, want in (("sinh", np.sinh(0.5)), ("asin", 0.5 / 0.75**1.5)):
        first = nv.grad(getattr(nv, name))
        assert abs(nv.grad(first)(nv.asarray(np.float64(0.5))).item() - want) < 1e-12
