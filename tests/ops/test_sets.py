from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from tests.ops.checks import assert_equal
from tests.ops.strategies import integers, shapes


@given(shapes().flatmap(lambda shape: integers(shape, -3, 3)))
def test_unique_as_numpy(x: np.ndarray) -> None:
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        got, want = getattr(nv, name)(nv.asarray(x)), getattr(np, name)(x)
        assert got._fields == want._fields
        for one, other in zip(got, want):
            assert_equal(one, other)
    assert_equal(nv.unique_values(x), np.unique(x))


def test_every_nan_is_a_value() -> None:
    values, counts = nv.unique_counts(nv.asarray([np.nan, 1.0, np.nan, 1.0]))
    assert np.isnan(values.numpy()).tolist() == [False, True, True]
    assert counts.tolist() == [2, 1, 1]


def test_unique_narrow_floats() -> None:
    x = nv.asarray([2.0, 1.0, 2.0], dtype=nv.bfloat16)
    assert nv.unique_values(x).dtype == nv.bfloat16
    assert nv.unique_values(x).tolist() == [1, 2]


@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_side=0, max_side=3)),
    hnp.arrays(np.float64, st.integers(0, 6)),
    st.booleans(),
)
def test_isin_as_numpy(x: np.ndarray, members: np.ndarray, invert: bool) -> None:
    members = np.concatenate([members, x.ravel()[:2]])
    got = nv.isin(nv.asarray(x), members, invert=invert)
    assert_equal(got, np.isin(x, members, invert=invert))
