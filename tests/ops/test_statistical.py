from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nervure as nv
from nervure.errors import ArgumentError, DTypeError, ShapeError
from tests.ops.checks import assert_close, assert_equal, assert_gradient
from tests.ops.strategies import floats, integers, shapes

MOMENTS = ["sum", "prod", "mean", "var", "std"]
EXTREMA = ["max", "min"]
TRUTHS = ["any", "all", "count_nonzero"]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def draw_axis(data: st.DataObject, rank: int):
    """Return None, one axis or several, also negative ones."""
    if not rank:
        return None
    several = st.lists(st.integers(0, rank - 1), unique=True).map(tuple)
    return data.draw(st.none() | st.integers(-rank, rank - 1) | several)


@settings(max_examples=60)
@given(st.data())
def test_reductions_as_numpy(data: st.DataObject) -> None:
    x = data.draw(shapes().flatmap(lambda shape: floats(shape, -3, 3)))
    axis, keepdims = draw_axis(data, x.ndim), data.draw(st.booleans())
    for name in (*MOMENTS, *TRUTHS):
        got = getattr(nv, name)(nv.asarray(x), axis=axis, keepdims=keepdims)
        want = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
        assert got.dtype == want.dtype
        np.testing.assert_allclose(
            got.numpy(), want, rtol=1e-12, atol=1e-12, strict=True
        )
    shape = np.sum(x, axis=axis, keepdims=keepdims).shape
    for name in EXTREMA:
        function = getattr(nv, name)
        if x.size:
            want = np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims))
            got = function(nv.asarray(x), axis=axis, keepdims=keepdims)
            np.testing.assert_array_equal(got.numpy(), want, strict=True)
        elif 0 in shape:  # NumPy refuses some of these
            assert function(x, axis=axis, keepdims=keepdims).shape == shape
        else:
            with pytest.raises(ShapeError, match=f"^{name}: there is no extremum"):
                function(nv.asarray(x), axis=axis, keepdims=keepdims)


@pytest.mark.parametrize(
    "given_, summed",
    [
        ("bool", "int64"),
        ("int8", "int64"),
        ("uint8", "uint64"),
        ("uint64", "uint64"),
        ("float16", "float16"),
        ("float32", "float32"),
    ],
)
def test_types_of_sums(given_: str, summed: str) -> None:
    x = nv.ones(300).astype(given_)
    for function in (nv.sum, nv.prod, nv.cumulative_sum, nv.cumulative_prod):
        assert function(x).dtype == summed
    assert nv.sum(x).item() == 300
    assert nv.sum(x, dtype=nv.float64).dtype == nv.float64
    assert nv.mean(x).dtype == (given_ if "float" in given_ else "float32")
    assert nv.mean(x).item() == 1


def test_narrow_floats_are_averaged_in_float32() -> None:
    x = nv.full(100_000, 1.5, dtype=nv.float16)
    assert nv.mean(x).item() == 1.5
    assert nv.var(x).item() == 0
    y = nv.asarray(np.full(5000, 300.0)).astype(nv.bfloat16)
    assert nv.vector_norm(y).item() == pytest.approx(300 * 5000**0.5, rel=2**-8)


def test_mean_of_nothing() -> None:
    assert np.isnan(nv.mean(nv.zeros((0,))).item())
    assert nv.mean(nv.zeros((0, 2)), axis=1).shape == (0,)
    assert nv.any(nv.zeros((2, 0)), axis=1).tolist() == [False, False]
    assert nv.all(nv.zeros((2, 0)), axis=1).tolist() == [True, True]


@pytest.mark.parametrize("correction", [0, 1, 1.5, 3, 7])
def test_correction(correction: float) -> None:
    x = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 9.0]])
    for name in ("var", "std"):
        got = getattr(nv, name)(nv.asarray(x), axis=1, correction=correction)
        assert_close(got, getattr(np, name)(x, axis=1, ddof=correction))


def test_nan_wins_extrema() -> None:
    x = nv.asarray([1.0, np.nan, 3.0])
    assert np.isnan(nv.max(x).item())
    assert np.isnan(nv.min(x).item())


@settings(max_examples=50)
@given(st.data())
def test_running_sums_as_numpy(data: st.DataObject) -> None:
    x = data.draw(shapes().filter(len).flatmap(lambda shape: integers(shape, -3, 3)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    initial = data.draw(st.booleans())
    for name in ("cumulative_sum", "cumulative_prod"):
        for array in (x, x.astype(np.float64)):
            got = getattr(nv, name)(
                nv.asarray(array), axis=axis, include_initial=initial
            )
            want = getattr(np, name)(array, axis=axis, include_initial=initial)
            np.testing.assert_array_equal(got.numpy(), want, strict=True)


def test_running_sums_need_an_axis() -> None:
    assert nv.cumulative_sum([1, 2]).tolist() == [1, 3]
    with pytest.raises(ArgumentError, match="x has 2 axes\n  fix: pass axis=0"):
        nv.cumulative_prod(nv.ones((2, 2)))


@given(st.data())
def test_diff_as_numpy(data: st.DataObject) -> None:
    x = data.draw(shapes().filter(len).flatmap(lambda shape: integers(shape)))
    axis, n = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.integers(0, 3))
    assert_equal(nv.diff(nv.asarray(x), axis=axis, n=n), np.diff(x, n, axis))
    got = nv.diff(nv.asarray(x), axis=axis, prepend=x, append=x)
    assert_equal(got, np.diff(x, 1, axis, prepend=x, append=x))


def test_diff_of_truth_values() -> None:
    with pytest.raises(DTypeError, match="^diff: expected integers or floating"):
        nv.diff(nv.asarray([True, False]))
    with pytest.raises(ArgumentError, match="n of at least 0"):
        nv.diff([1, 2], n=-1)


def test_axis_out_of_range() -> None:
    with pytest.raises(ArgumentError, match="^sum: axis 2 is out of range"):
        nv.sum(nv.zeros((2, 3)), axis=2)
    with pytest.raises(ArgumentError, match="^mean: an axis is repeated"):
        nv.mean(nv.zeros((2, 3)), axis=(0, -2))


@pytest.mark.parametrize("name", [*MOMENTS, *EXTREMA])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_gradients(name: str, axis: object) -> None:
    x = np.random.default_rng(1).permutation(24).reshape(2, 3, 4) / 7 - 1
    assert_gradient(lambda y: getattr(nv, name)(y, axis=axis), x)


def test_gradients_of_running_functions() -> None:
    x = np.array([[1.5, 0.0, -2.0, 0.0], [0.5, 3.0, 1.0, -1.0]])
    for axis in (0, 1):
        assert_gradient(lambda y, a=axis: nv.cumulative_sum(y, axis=a), x)
        assert_gradient(lambda y, a=axis: nv.cumulative_prod(y, axis=a), x)
        assert_gradient(lambda y, a=axis: nv.diff(y, axis=a), x)


def test_spread_of_equal_elements_has_no_slope() -> None:
    slope = nv.grad(lambda x: nv.std(x))(nv.ones(3))
    assert slope.tolist() == [0, 0, 0]
