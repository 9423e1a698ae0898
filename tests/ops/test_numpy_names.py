"""Functions under NumPy's names beyond the standard: pieces, NaN, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, UnknownNameError
from tests.ops.checks import assert_close, assert_equal, assert_gradient

GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(4, 5, 6))
HOLES = np.where(GENERATOR.uniform(size=X.shape) < 0.3, np.nan, X)
HOLES[1, 2] = np.nan
AXES: list[Any] = [None, 0, -1, (0, 2)]


# --- pieces --------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("sections", [1, 2, 3, 7, [1, 3], [3, 1], [-2], [0, 99], []])
def test_array_split(axis: int, sections: Any) -> None:
    expected = np.array_split(X, sections, axis)
    found = nv.array_split(nv.asarray(X), sections, axis)
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert_equal(one, other)


def test_split() -> None:
    for one, other in zip(nv.split(nv.asarray(X), 2), np.split(X, 2)):
        assert_equal(one, other)
    with pytest.raises(ArgumentError, match="size 5 cannot be cut into 2 equal pieces"):
        nv.split(nv.asarray(X), 2, axis=1)
    with pytest.raises(ArgumentError, match="expected 1 piece at least, got 0"):
        nv.array_split(nv.asarray(X), 0)


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack"])
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_stacks(name: str, rank: int) -> None:
    parts = [X[(0,) * (3 - rank)], 2 * X[(1,) * (3 - rank)]]
    expected = getattr(np, name)(parts)
    assert_equal(getattr(nv, name)([nv.asarray(one) for one in parts]), expected)


# --- NaN -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of empty slices
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "name",
    ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin"],
)
def test_without_nan(name: str, axis: Any, keepdims: bool) -> None:
    for x in (HOLES, X, np.arange(24).reshape(2, 3, 4)):
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        found = getattr(nv, name)(nv.asarray(x), axis=axis, keepdims=keepdims)
        if x.dtype.kind == "i":
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        else:
            assert_close(found, np.asarray(expected), ulp=64)


def test_nan_alone() -> None:
    x = nv.asarray([[np.nan, np.nan], [1.0, np.nan]])
    assert nv.nansum(x, axis=1).tolist() == [0, 1]
    found = nv.nanmax(x, axis=1).numpy()
    assert np.isnan(found[0]) and found[1] == 1
    two = nv.nanvar(nv.asarray([1.0, 3.0, np.nan]), correction=1)
    assert two.item() == 2


def test_nan_to_num() -> None:
    x = np.array([1.0, np.nan, np.inf, -np.inf], np.float32)
    assert_equal(nv.nan_to_num(nv.asarray(x)), np.nan_to_num(x))
    found = nv.nan_to_num(nv.asarray(x), 5.0, posinf=7.0, neginf=-7.0)
    assert found.tolist() == [1, 5, 7, -7]
    assert_equal(nv.nan_to_num(nv.asarray([1, 2])), np.array([1, 2]))


# --- quantiles -----------------------------------------------------------------------


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(axis: Any, method: Any) -> None:
    for q in (0.3, [0.0, 0.25, 0.5, 1.0]):
        for keepdims in (False, True):
            options = {"axis": axis, "method": method, "keepdims": keepdims}
            expected = np.quantile(X, q, **options)
            found = nv.quantile(nv.asarray(X), q, **options)
            assert_close(found, np.asarray(expected), ulp=64)
    found = nv.percentile(nv.asarray(X), 30, axis=axis, method=method)
    np.testing.assert_allclose(found, np.percentile(X, 30, axis, method=method))


@pytest.mark.parametrize("axis", AXES)
def test_medians(axis: Any) -> None:
    found = nv.median(nv.asarray(X), axis=axis, keepdims=True)
    assert_close(found, np.asarray(np.median(X, axis=axis, keepdims=True)), ulp=8)
    assert np.isnan(nv.median(nv.asarray([1.0, np.nan])).item())


def test_quantiles_refuse() -> None:
    for wrong in (1.5, [-0.1, 0.5], [[0.5]], float("nan")):
        with pytest.raises(ArgumentError, match="numbers from 0 to 1"):
            nv.quantile(nv.ones(3), wrong)
    with pytest.raises(UnknownNameError, match="linear"):
        nv.quantile(nv.ones(3), 0.5, method="linea")
    with pytest.raises(ArgumentError, match="without elements"):
        nv.median(nv.ones(0))


def test_quantiles_have_gradients() -> None:
    assert_gradient(lambda x: nv.quantile(x, [0.2, 0.7], axis=0), X[:, :, 0])


# --- closeness -----------------------------------------------------------------------


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose(equal_nan: bool) -> None:
    x = np.array([1.0, 1.0, np.nan, np.inf, np.inf, 0.0, 3.0])
    y = np.array([1.0 + 1e-6, 1.1, np.nan, np.inf, -np.inf, 1e-9, np.inf])
    expected = np.isclose(x, y, equal_nan=equal_nan)
    found = nv.isclose(nv.asarray(x), nv.asarray(y), equal_nan=equal_nan)
    assert_equal(found, expected)
    assert nv.allclose(x[:1], y[:1]).item() and not nv.allclose(x, y).item()
    assert nv.isclose(nv.asarray([10, 20]), 20, atol=10).tolist() == [True, True]
