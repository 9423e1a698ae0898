from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import DTypeError, ShapeError
from tests.ops.checks import assert_close, assert_equal, assert_gradient
from tests.ops.strategies import floats, integers

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 7.0, np.inf, -np.inf, np.nan, 5e-324, 1e308]
)
PAIRS = tuple(map(np.ravel, np.meshgrid(SPECIAL, SPECIAL)))

BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "copysign": np.copysign,
    "nextafter": np.nextafter,
    "hypot": np.hypot,
}
UNARY = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "negative": np.negative,
    "positive": np.positive,
    "reciprocal": np.reciprocal,
    "round": np.round,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "square": np.square,
    "trunc": np.trunc,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
INTEGER = [name for name in BINARY if name not in ("divide", "pow")][:6]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_binary_as_numpy_with_special_values(name: str, dtype: type) -> None:
    x, y = (part.astype(dtype) for part in PAIRS)
    got = getattr(nv, name)(nv.asarray(x), nv.asarray(y))
    want = BINARY[name](x, y)
    if name in ("maximum", "minimum", "pow"):
        # which of two equal zeros wins is not said; powers may differ by a rounding
        assert_close(got, want, ulp=1)
    elif name == "hypot":
        assert_close(got, want, ulp=2)
    else:
        assert_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_unary_as_numpy_with_special_values(name: str, dtype: type) -> None:
    x = SPECIAL.astype(dtype)
    got = getattr(nv, name)(nv.asarray(x)).numpy()
    want = UNARY[name](x)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@given(st.data())
def test_floats_broadcast_as_numpy(data: st.DataObject) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3))
    x, y = (data.draw(floats(shape)) for shape in shapes.input_shapes)
    name = data.draw(st.sampled_from(sorted(BINARY)))
    assert_close(getattr(nv, name)(x, y), BINARY[name](x, y), ulp=2)


@settings(max_examples=50)
@given(integers((20,)), integers((20,)), st.sampled_from([np.int8, np.int64]))
def test_integers_as_numpy(x: np.ndarray, y: np.ndarray, dtype: type) -> None:
    x, y = x.astype(dtype), y.astype(dtype)
    for name in ("add", "subtract", "multiply", "floor_divide", "remainder"):
        assert_equal(getattr(nv, name)(x, y), BINARY[name](x, y))
    for name in ("abs", "ceil", "floor", "trunc", "round", "sign", "square"):
        assert_equal(getattr(nv, name)(x), UNARY[name](x).astype(dtype))


def test_unsigned_integers() -> None:
    x, y = np.array([7, 0, 200], np.uint8), np.array([2, 3, 0], np.uint8)
    for name in ("floor_divide", "remainder"):
        assert_equal(getattr(nv, name)(x, y), BINARY[name](x, y))
    assert_equal(nv.sign(x), np.array([1, 0, 1], np.uint8))


def test_integers_become_the_default_float() -> None:
    x = nv.asarray([1, 4])
    assert_equal(nv.divide(x, 2), np.array([0.5, 2], np.float32))
    assert_equal(nv.sqrt(x), np.array([1, 2], np.float32))
    assert_equal(nv.reciprocal(x), np.array([1, 0.25], np.float32))
    assert nv.divide(nv.asarray(np.int64(1)), nv.asarray(2.0)).dtype == nv.float32


def test_python_numbers_are_weak() -> None:
    half = nv.asarray([1.0], dtype=nv.float16)
    assert (half * 2.5).dtype == nv.float16
    assert (nv.asarray([1]) * 2.5).dtype == nv.float32
    assert (2 ** nv.asarray([1.0, 3.0])).tolist() == [2.0, 8.0]


def test_bool_arithmetic_is_an_explained_error() -> None:
    truth = nv.asarray([True, False])
    with pytest.raises(DTypeError) as caught:
        nv.add(truth, truth)
    lines = f"{caught.value}".splitlines()
    assert lines[0] == "add: expected integers or floating-point numbers, got bool"
    assert lines[1].startswith("  x1  bool[2]  buffer, test_elementwise.py:")
    assert lines[-1] == "  fix: cast with .astype('float32')"


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"^add: shapes \[2\] and \[3\] do not broad"):
        nv.add(nv.zeros(2), nv.zeros(3))


def test_power_of_integers() -> None:
    x = nv.asarray([2, -3])
    assert_equal(nv.pow(x, 2), np.array([4, 9]))
    assert_equal(nv.pow(x, 3), np.array([8, -27]))
    assert_equal(nv.pow(x, nv.asarray([-1, 1])), np.array([0, -3]))
    with pytest.raises(DTypeError, match="integers cannot be raised to the negative"):
        nv.pow(x, -1)


@pytest.mark.parametrize("decimals", [1, 3, -1, -3, -30])
def test_round_to_decimals(decimals: int) -> None:
    x = np.array([0.25, 1234.5678, -1e300, np.inf, np.nan, -0.05, 15.0, 25.0])
    assert_equal(nv.round(x, decimals), np.round(x, decimals))
    whole = np.array([15, 25, -15, -25, 149, 151, 500, 1500, 2500])
    want = whole if decimals > 0 else np.round(whole, decimals)
    assert_equal(nv.round(nv.asarray(whole), decimals), want)


def test_round_of_small_integers_does_not_overflow() -> None:
    x = np.array([127, -128, 55, 45], np.int8)
    assert nv.round(nv.asarray(x), -1).tolist()[2:] == [60, 40]
    assert nv.round(nv.asarray(x), -2).tolist() == [100, -100, 100, 0]
    assert nv.round(nv.asarray(x), -3).tolist() == [0, 0, 0, 0]


def test_clip() -> None:
    x = np.array([-2.0, 0.5, 3.0, np.nan])
    for low, high in [(0, 1), (None, 1), (0, None), (None, None), (2, 1)]:
        want = x if low is high is None else np.clip(x, low, high)
        assert_equal(nv.clip(nv.asarray(x), low, high), want)
    rows = nv.clip(nv.asarray(x), nv.asarray([[0.0], [1.0]]), 2)
    assert_equal(rows, np.clip(x, np.array([[0.0], [1.0]]), 2))
    assert nv.clip(nv.asarray([1, 9]), max=5).dtype == nv.int64


def test_hypot_without_overflow() -> None:
    x = np.array([3e300, 3e-300, 5e-324, 0.0, 1e308])
    y = np.array([4e300, 4e-300, 0.0, 0.0, 1.0])
    assert_close(nv.hypot(x, y), np.hypot(x, y), ulp=1)
    x, y = x[:2].astype(np.float32), y[:2].astype(np.float32)
    large = np.float32(3e37), np.float32(4e37)
    assert_close(nv.hypot(*large), np.hypot(*large), ulp=1)


def test_nextafter_of_narrow_floats() -> None:
    one = nv.asarray(1.0, dtype=nv.bfloat16)
    assert nv.nextafter(one, nv.asarray(2.0, dtype=nv.bfloat16)).item() == 1.0078125


@pytest.mark.parametrize("name", ["hypot", "rsqrt", "reciprocal", "sqrt", "square"])
def test_gradients(name: str) -> None:
    x = np.array([0.3, 1.7, 4.0])
    rest = [np.array([1.5, -0.5, 2.0])] if name == "hypot" else []
    assert_gradient(getattr(nv, name), x, *rest)


def test_gradients_of_remainder_and_power() -> None:
    x, y = np.array([7.3, -7.3, 2.2]), np.array([2.0, 3.1, -1.5])
    assert_gradient(nv.remainder, x, y)
    assert_gradient(nv.pow, np.abs(x), y)
    assert_gradient(lambda z: z**2 + z**3, x)
    assert nv.grad(lambda z: nv.remainder(z, 2.0))(nv.asarray(4.0)).item() == 1.0


def test_gradients_at_corners() -> None:
    zero = nv.asarray([0.0])
    for function in (
        lambda x: nv.hypot(x, x),
        nv.sign,
        nv.round,
        nv.trunc,
        lambda x: nv.floor_divide(x, x),
        lambda x: nv.nextafter(x, 1),
    ):
        slope = nv.grad(lambda x, f=function: nv.sum(f(x)))(zero)
        assert slope.tolist() == [0.0]
