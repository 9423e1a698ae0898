from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import nervure as nv
from nervure.array import Array
from nervure.errors import TraceError
from nervure.prims.leaf import input_leaf
from tests.ops.checks import assert_equal, assert_gradient
from tests.ops.strategies import Key, keys


def traced(shape: tuple[int, ...], dtype: str = "float32") -> Array:
    """Return an array that has no value, as the arguments of a compiled function."""
    return Array.of_node(input_leaf(shape, np.dtype(dtype), "x"))


@settings(max_examples=400)
@given(keys())
def test_every_key_as_numpy(key: Key) -> None:
    x = np.arange(np.prod(key.shape, dtype=int)).reshape(key.shape)
    try:
        want = x[key.plain]
    except IndexError:  # index arrays that do not broadcast
        with pytest.raises(IndexError):
            nv.asarray(x)[key.lazy]
    else:
        assert_equal(nv.asarray(x)[key.lazy], want)


def test_keys_that_are_no_tuple() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    array = nv.asarray(x)
    assert_equal(array[1], x[1])
    assert_equal(array[...], x)
    assert_equal(array[None], x[None])
    assert_equal(array[()], x)
    assert_equal(array[[]], x[[]])
    assert_equal(array[range(2)], x[np.arange(2)])
    assert_equal(array[array > 5], x[x > 5])
    assert_equal(array[np.int8(1)], x[1])
    assert_equal(array[np.True_], x[np.True_])
    assert_equal(array[nv.asarray(1) :], x[1:])
    assert_equal(array[:, [[0, 1], [2, 0]]], x[:, [[0, 1], [2, 0]]])
    assert_equal(array[nv.asarray([1, 0], dtype=nv.uint8)], x[[1, 0]])


def test_known_slices_stay_primitive() -> None:
    x = nv.zeros((5, 6)) + 1
    assert x[1:4, ::2].node.op.name == "slice"
    assert x[...].node is x.node
    assert x[::-1].node.op.name == "reverse"
    assert x[[0, 2]].node.op.name == "gather"


KINDS = "expected whole numbers, slices, truth masks, None or '...', got "


@pytest.mark.parametrize(
    "key, text",
    [
        (5, "index 5 is out of range for axis 0 of size 2"),
        ((0, -4), "index -4 is out of range for axis 1 of size 3"),
        ([0, 2], "index 2 is out of range for axis 0 of size 2"),
        ((0, 0, 0), "3 indices are too many for an array of 2 axes"),
        ((..., ...), "expected one '...' at most in an index"),
        (1.5, KINDS + "float"),
        ("a", KINDS + "str"),
        (nv.asarray([0.5]), KINDS + "float32"),
        (np.zeros(0), KINDS + "float64"),
        (slice(0.5, None), "expected whole numbers in a slice, got 0.5::"),
        (slice(None, None, 0), "the step of a slice must not be 0"),
        ([[0], [0, 1]], "expected index lists of equal lengths: [[0], [0, 1]]"),
        (([0, 1], [0, 1, 2]), "index arrays of shapes [2] and [3] do not broadcast"),
        ([True, False, True], "expected a mask of shape [2], got [3]"),
    ],
)
def test_errors(key: object, text: str) -> None:
    with pytest.raises(IndexError) as caught:
        (nv.zeros((2, 3)) + 1)[key]
    lines = f"{caught.value}".splitlines()
    assert lines[0] == "indexing: " + text
    assert lines[1].startswith("  x  float32[2, 3]  from add, test_indexing.py:")


def test_iteration_and_membership() -> None:
    x = nv.asarray([[1, 2], [3, 4]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert list(map(int, nv.asarray([5, 6]))) == [5, 6]


def test_computed_numbers_need_no_value() -> None:
    x, place = traced((4, 3)), traced((), "int64")
    assert x[place].shape == (3,)
    assert x[:, place].shape == (4,)
    assert x[place, place].shape == ()
    assert x[traced((2, 2), "int32"), place].shape == (2, 2)
    assert x[place, None, [0, 1]].shape == (2, 1)


def test_computed_numbers_are_moved_into_the_range() -> None:
    x = nv.reshape(nv.arange(6), (2, 3))
    one = nv.asarray(1)
    assert x[one + 9].tolist() == [3, 4, 5]
    assert x[one - 9].tolist() == [0, 1, 2]
    assert x[(one + 9)[None], (one + 9)[None]].tolist() == [5]
    assert x[nv.asarray([0, 1]) * 9, [1, 1]].tolist() == [1, 4]


def test_a_mask_without_value_is_explained() -> None:
    x = traced((4,))
    with pytest.raises(TraceError) as caught:
        x[x > 0]
    lines = f"{caught.value}".splitlines()
    assert lines[0].startswith("a truth mask was used as an index while a function is")
    assert lines[1].startswith("  mask  bool[4]  from lt, test_indexing.py:")
    assert lines[-1].startswith("  fix: keep the shape: nervure.where(mask, x, 0)")


@pytest.mark.parametrize(
    "key",
    [
        (slice(None, None, -2), 1),
        ([0, 0, 2],),
        ([2, 0], slice(1, 3), [1, 1]),
        (slice(None), [[0], [2]], [0, 1]),
        (np.arange(24).reshape(3, 4, 2) % 5 == 0,),
        (None, 1, ..., nv.asarray(1)),
        (nv.asarray([0, -1]), 2),
    ],
)
def test_gradients(key: tuple) -> None:
    assert_gradient(lambda x: x[key] * x[key], np.arange(24.0).reshape(3, 4, 2))


def test_gradient_through_a_mask_of_the_argument() -> None:
    slope = nv.grad(lambda x: nv.sum(x[x > 1] ** 2))(nv.asarray([1.0, 2.0, 3.0]))
    assert slope.tolist() == [0, 4, 6]
    doubled = nv.grad(lambda x: _doubled_sum(x))(nv.asarray([1.0, 2.0, 3.0]))
    assert doubled.tolist() == [0, 2, 2]


def _doubled_sum(x: Array) -> Array:
    y = x * 2
    return nv.sum(y[y > 3])
