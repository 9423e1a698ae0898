from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import ArgumentError
from tests.ops.checks import assert_equal, assert_gradient


@given(st.data())
def test_as_numpy(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(max_dims=3, min_side=0, max_side=4))
    x = data.draw(hnp.arrays(st.sampled_from([np.float64, np.uint8, np.bool_]), shape))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    order = np.argsort(x, axis=axis, stable=True)
    assert_equal(nv.argsort(nv.asarray(x), axis=axis), order)
    assert_equal(nv.sort(nv.asarray(x), axis=axis), np.take_along_axis(x, order, axis))


def test_descending_is_stable_and_nan_stays_last() -> None:
    x = nv.asarray([2.0, np.nan, 3.0, 2.0])
    assert nv.argsort(x, descending=True).tolist() == [2, 0, 3, 1]
    np.testing.assert_array_equal(
        nv.sort(x, descending=True).numpy(), [3, 2, 2, np.nan]
    )


def test_top_k() -> None:
    x = np.array([[1.0, 5.0, 3.0], [9.0, 2.0, 9.0]])
    values, indices = nv.top_k(nv.asarray(x), 2)
    assert_equal(values, np.array([[5.0, 3.0], [9.0, 9.0]]))
    assert_equal(indices, np.array([[1, 2], [0, 2]]))
    assert nv.top_k(x, 1, axis=0).indices.tolist() == [[1, 0, 1]]
    assert nv.top_k(x, 0).values.shape == (2, 0)
    with pytest.raises(ArgumentError, match="k from 0 to 3, the size of axis 1"):
        nv.top_k(x, 4)


def test_a_number_cannot_be_sorted() -> None:
    with pytest.raises(ArgumentError, match="^sort: axis -1 is out of range"):
        nv.sort(nv.asarray(3))


def test_gradients() -> None:
    x = np.array([[3.0, 1.0, 2.0], [0.5, 9.0, 4.0]])
    assert_gradient(lambda y: nv.sort(y, axis=1, descending=True), x)
    assert_gradient(lambda y: nv.top_k(y, 2).values, x)
