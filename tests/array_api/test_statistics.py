"""Statistical, searching, sorting and set functions of the standard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import nervure as nv
from tests.array_api.drawing import (
    ALL,
    FLOATS,
    NUMERIC,
    QUICK,
    arrays,
    both,
    names_in,
    strict,
)


@st.composite
def with_axis(
    draw: Any, kind: tuple[str, ...], several: bool = True, empty: bool = True
) -> Any:
    """Return an array and an axis, several of them, or None for all."""
    x = draw(arrays(kind, ordinary=True))
    if not empty:
        assume(x.size)
    if x.ndim == 0:
        return x, None
    one = st.integers(-x.ndim, x.ndim - 1)
    many = st.lists(
        st.integers(0, x.ndim - 1), min_size=1, max_size=x.ndim, unique=True
    ).map(tuple)
    axis = draw(st.none() | one | many if several else st.none() | one)
    return x, axis


REDUCTIONS = {
    "all": (ALL, True),
    "any": (ALL, True),
    "count_nonzero": (ALL, True),
    "max": (NUMERIC, False),
    "min": (NUMERIC, False),
    "mean": (FLOATS, False),
    "prod": (NUMERIC, True),
    "std": (FLOATS, False),
    "sum": (NUMERIC, True),
    "var": (FLOATS, False),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    kind, empty = REDUCTIONS[name]

    @QUICK
    @given(with_axis(kind, empty=empty), st.booleans())
    def check(given_: Any, keepdims: bool) -> None:
        x, axis = given_
        both(lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims), x)

    check()


@QUICK
@given(with_axis(FLOATS, empty=False), st.sampled_from([0, 1, 0.5]))
def test_correction(given_: Any, correction: float) -> None:
    x, axis = given_
    along = range(x.ndim) if axis is None else np.atleast_1d(axis)
    assume(np.prod([x.shape[one] for one in along]) > correction)
    both(lambda xp, x: xp.var(x, axis=axis, correction=correction), x)
    both(lambda xp, x: xp.std(x, axis=axis, correction=correction), x)


@pytest.mark.parametrize("name", ["sum", "prod"])
@pytest.mark.parametrize("dtype", ["int32", "uint64", "float32", "float64"])
def test_the_type_of_a_sum(name: str, dtype: str) -> None:
    for source in NUMERIC:
        if np.dtype(source).kind == "f" and np.dtype(dtype).kind != "f":
            continue
        x = np.ones((2, 3), source)
        both(lambda xp, x: getattr(xp, name)(x, dtype=getattr(xp, dtype)), x)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_cumulative(name: str) -> None:
    @QUICK
    @given(with_axis(NUMERIC, several=False), st.booleans())
    def check(given_: Any, initial: bool) -> None:
        x, axis = given_
        assume(x.ndim)
        axis = axis if axis is not None or x.ndim == 1 else 0
        both(lambda xp, x: getattr(xp, name)(x, axis=axis, include_initial=initial), x)

    check()


@QUICK
@given(with_axis(NUMERIC, several=False), st.integers(1, 2), st.booleans())
def test_diff(given_: Any, n: int, longer: bool) -> None:
    x, axis = given_
    assume(x.ndim and axis is not None and x.shape[axis] > n)
    both(lambda xp, x: xp.diff(x, axis=axis, n=n), x)
    if longer:
        both(lambda xp, x: xp.diff(x, axis=axis, prepend=x, append=x), x)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places_of_extremes(name: str) -> None:
    @QUICK
    @given(with_axis(NUMERIC, several=False, empty=False), st.booleans())
    def check(given_: Any, keepdims: bool) -> None:
        x, axis = given_
        both(lambda xp, x: getattr(xp, name)(x, axis=axis, keepdims=keepdims), x)

    check()


@QUICK
@given(arrays(ALL))
def test_nonzero(x: Any) -> None:
    assume(x.ndim)
    both(lambda xp, x: xp.nonzero(x), x)


@QUICK
@given(arrays(ALL, ordinary=True), st.data())
def test_where(x: Any, data: Any) -> None:
    y = data.draw(arrays(x.dtype.name, x.shape, ordinary=True))
    condition = data.draw(arrays("bool", x.shape))
    both(lambda xp, c, x, y: xp.where(c, x, y), condition, x, y)
    # Python numbers, since the revision of 2024
    scalar = y.reshape(-1)[0].item() if y.size else True
    assume(type(scalar) is not bool or x.dtype == bool)
    both(lambda xp, c, x: xp.where(c, x, scalar), condition, x)
    both(lambda xp, c, x: xp.where(c, scalar, x), condition, x)


@QUICK
@given(
    arrays(NUMERIC, st.integers(0, 6), ordinary=True),
    st.data(),
    st.sampled_from(["left", "right"]),
)
def test_searchsorted(x1: Any, data: Any, side: Any) -> None:
    x2 = data.draw(arrays(x1.dtype.name, ordinary=True))
    order = np.argsort(x1, kind="stable")
    both(lambda xp, a, b: xp.searchsorted(a, b, side=side), np.sort(x1), x2)
    both(lambda xp, a, b, o: xp.searchsorted(a, b, side=side, sorter=o), x1, x2, order)


@pytest.mark.parametrize("name", ["sort", "argsort"])
def test_sorting(name: str) -> None:
    @QUICK
    @given(with_axis(NUMERIC, several=False), st.booleans())
    def check(given_: Any, descending: bool) -> None:
        x, axis = given_
        assume(x.ndim)
        axis = -1 if axis is None else axis
        both(lambda xp, x: getattr(xp, name)(x, axis=axis, descending=descending), x)

    check()


@pytest.mark.parametrize(
    "name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"]
)
def test_sets(name: str) -> None:
    @QUICK
    @given(arrays(ALL))
    def check(x: Any) -> None:
        x = np.where(x == 0, 0, x).astype(x.dtype)  # which zero stays is left open
        found, wanted = getattr(nv, name)(nv.asarray(x)), None
        wanted = getattr(strict, name)(strict.asarray(x))
        if name == "unique_values":
            found, wanted = (found,), (wanted,)
        else:
            assert found._fields == wanted._fields
        _compare_sets(found, wanted)

    check()


def _compare_sets(found: Any, wanted: Any) -> None:
    """Compare results; NaN is equal to nothing, each is a value of its own."""
    for one, other in zip(found, wanted):
        ours, theirs = np.asarray(one), np.asarray(other._array)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_every_function_is_here() -> None:
    tried = {*REDUCTIONS, "cumulative_sum", "cumulative_prod", "diff"}
    tried -= {"count_nonzero"}  # the standard files it under searching
    assert names_in("_statistical_functions") | names_in("_utility_functions") == tried
    assert names_in("_searching_functions") == {
        *("argmax", "argmin", "count_nonzero", "nonzero", "searchsorted", "where")
    }
    assert names_in("_sorting_functions") == {"argsort", "sort"}
    assert names_in("_set_functions") == {
        *("unique_all", "unique_counts", "unique_inverse", "unique_values")
    }
