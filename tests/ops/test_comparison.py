from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import DTypeError
from tests.ops.checks import assert_equal
from tests.ops.strategies import integers

SPECIAL = np.array([0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan])
ORDER = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
LOGIC = ["logical_and", "logical_or", "logical_xor"]
BITS = ["bitwise_and", "bitwise_or", "bitwise_xor"]


@pytest.mark.parametrize("name", ORDER + LOGIC)
def test_pairs_of_special_values(name: str) -> None:
    x, y = map(np.ravel, np.meshgrid(SPECIAL, SPECIAL))
    assert_equal(getattr(nv, name)(x, y), getattr(np, name)(x, y))


@given(st.data())
def test_pairs_broadcast(data: st.DataObject) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3))
    x, y = (data.draw(integers(shape, -3, 3)) for shape in shapes.input_shapes)
    name = data.draw(st.sampled_from(ORDER + LOGIC + BITS))
    assert_equal(getattr(nv, name)(x, y), getattr(np, name)(x, y))


@pytest.mark.parametrize("name", ORDER + LOGIC + BITS)
def test_truth_values(name: str) -> None:
    x, y = np.array([True, True, False, False]), np.array([True, False] * 2)
    assert_equal(getattr(nv, name)(x, y), getattr(np, name)(x, y))


@pytest.mark.parametrize("name", ["isfinite", "isinf", "isnan", "signbit"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_kinds_of_numbers(name: str, dtype: type) -> None:
    x = SPECIAL.astype(dtype) if dtype is not np.int8 else np.array([-1, 0, 5], dtype)
    want = x < 0 if name == "signbit" and dtype is np.int8 else getattr(np, name)(x)
    assert_equal(getattr(nv, name)(x), want)


def test_not() -> None:
    assert_equal(nv.logical_not(nv.asarray([0, 3])), np.array([True, False]))
    assert_equal(nv.bitwise_invert(nv.asarray([True])), np.array([False]))
    assert_equal(~nv.asarray([0, 5]), np.array([-1, -6]))


def test_logic_of_types_that_do_not_promote() -> None:
    x = nv.asarray(np.array([1, 0], np.uint64))
    assert_equal(nv.logical_and(x, nv.asarray([1, 1])), np.array([True, False]))


def test_shifts() -> None:
    x, y = np.array([1, -8, 5], np.int32), np.array([3, 1, 0], np.int32)
    assert_equal(nv.bitwise_left_shift(x, y), x << y)
    assert_equal(nv.bitwise_right_shift(x, y), x >> y)


@pytest.mark.parametrize("name", [*BITS, "bitwise_left_shift", "bitwise_right_shift"])
def test_bits_of_floats_are_an_explained_error(name: str) -> None:
    with pytest.raises(DTypeError, match=f"^{name}: expected .*integers, got float32"):
        getattr(nv, name)(nv.asarray([1.0]), nv.asarray([1.0]))
