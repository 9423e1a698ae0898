from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nervure as nv
from nervure.errors import ArgumentError, DTypeError, ShapeError, UnknownNameError
from nervure.state import Cell
from tests.ops.checks import assert_close, assert_equal


def test_types_of_data() -> None:
    assert nv.asarray(1.5).dtype == nv.float32
    assert nv.asarray([1, 2]).dtype == nv.int64
    assert nv.asarray(True).dtype == nv.bool
    assert nv.asarray([[1.0], [2]]).dtype == nv.float32
    assert nv.asarray([]).dtype == nv.float32
    for dtype in (np.float64, np.float16, np.uint8, ml_dtypes.bfloat16):
        assert nv.asarray(np.ones(2, dtype)).dtype == dtype
    assert nv.asarray(np.float64(1)).dtype == nv.float64
    assert nv.asarray([1, 2], dtype=nv.int8).dtype == nv.int8
    assert nv.asarray(nv.asarray([1, 2]), dtype="float32").dtype == nv.float32


def test_data_are_copied() -> None:
    data = np.zeros(3)
    x = nv.asarray(data)
    data[0] = 7
    assert x.tolist() == [0, 0, 0]
    assert nv.asarray(x) is x
    with pytest.raises(ArgumentError, match="copy=False"):
        nv.asarray(data, copy=False)


def test_equal_data_stay_apart() -> None:
    x, y = nv.asarray(2.0), nv.asarray(2.0)
    assert x.node is not y.node


def test_lists_of_lazy_arrays_keep_gradients() -> None:
    def norm(x):
        return nv.sum(nv.asarray([x * 2, 1.0, [x, 3][0]]) ** 2)

    assert nv.grad(norm)(nv.asarray(3.0)).item() == 30
    mixed = nv.asarray([nv.asarray(np.float64(1)), 2])
    assert_equal(mixed, np.array([1.0, 2.0]))
    rows = nv.asarray([[nv.asarray(1), 2], nv.asarray([3, 4])], dtype=nv.int8)
    assert_equal(rows, np.array([[1, 2], [3, 4]], np.int8))
    with pytest.raises(ShapeError, match=r"equal shapes in a list, got \[\], \[2\]"):
        nv.asarray([nv.asarray(1), nv.asarray([1, 2])])


@pytest.mark.parametrize("value", [["a"], [None], 1j, [object()]])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(DTypeError, match="expected numbers"):
        nv.asarray(value)


def test_unknown_device() -> None:
    with pytest.raises(UnknownNameError, match="unknown device: 'gpu:0'"):
        nv.zeros(3, device="gpu")
    assert nv.zeros(3, device="cpu").device == "cpu"


def test_dlpack() -> None:
    assert_equal(nv.from_dlpack(np.arange(3)), np.arange(3))
    assert_equal(nv.from_dlpack(nv.asarray([1.5])), np.array([1.5], np.float32))


def test_one_value() -> None:
    assert_equal(nv.full((2, 0), 3), np.full((2, 0), 3))
    assert_equal(nv.full(2, True), np.full(2, True))
    assert_equal(nv.full((), 1.5), np.float32(1.5))
    assert_equal(nv.full((2, 2), 1.5, dtype=nv.int8), np.ones((2, 2), np.int8))
    assert_equal(nv.full((2, 2), nv.asarray([1, 2])), np.array([[1, 2], [1, 2]]))
    assert_equal(nv.zeros((2, 3)), np.zeros((2, 3), np.float32))
    assert_equal(nv.ones(2, dtype=nv.float64), np.ones(2))
    like = np.array([[1, 2]], np.int16)
    for name in ("zeros_like", "ones_like", "empty_like"):
        want = getattr(np, name.replace("empty", "zeros"))(like)
        assert_equal(getattr(nv, name)(like), want)
    assert_equal(nv.full_like(like, 7, dtype=bool), np.full((1, 2), True))
    with pytest.raises(ShapeError, match=r"\[3\] does not broadcast to \[2\]"):
        nv.full(2, nv.asarray([1, 2, 3]))
    with pytest.raises(ArgumentError, match="zeros|full: sizes must not be neg"):
        nv.zeros(-1)


def test_values_are_part_of_the_graph_not_memory() -> None:
    assert nv.zeros((1000, 1000)).node.op.name == "broadcast"
    assert nv.arange(10**9).node.op.name == "iota"


@given(
    st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(lambda n: n)
)
def test_arange_of_integers(start: int, stop: int, step: int) -> None:
    assert_equal(nv.arange(start, stop, step), np.arange(start, stop, step))
    for dtype in (np.float32, np.int8):
        want = np.arange(start, stop, step).astype(dtype)
        assert_equal(nv.arange(start, stop, step, dtype=dtype), want)


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0.1, 3))
def test_arange_of_floats(start: float, stop: float, step: float) -> None:
    want = np.arange(start, stop, step)
    got = nv.arange(start, stop, step, dtype=nv.float64)
    np.testing.assert_allclose(got.numpy(), want, atol=1e-13, strict=True)
    assert nv.arange(start, stop, step).dtype == nv.float32


def test_arange_edges() -> None:
    assert_equal(nv.arange(3), np.arange(3))
    assert_equal(nv.arange(2.0), np.arange(2, dtype=np.float32))
    assert_equal(nv.arange(5, 0), np.arange(5, 0))
    assert nv.arange(0, 4e9, 1e9, dtype=nv.int64).tolist() == [0, 1e9, 2e9, 3e9]
    assert nv.arange(nv.asarray(3)).tolist() == [0, 1, 2]
    with pytest.raises(ArgumentError, match="the step must not be 0"):
        nv.arange(0, 1, 0)


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 2, 7])
def test_linspace(num: int, endpoint: bool) -> None:
    want = np.linspace(-1, 2.5, num, endpoint=endpoint)
    assert_equal(nv.linspace(-1, 2.5, num, endpoint=endpoint, dtype="float64"), want)
    assert_close(
        nv.linspace(-1, 2.5, num, endpoint=endpoint), want.astype(np.float32), ulp=0
    )
    whole = np.linspace(-3, 8, num, endpoint=endpoint, dtype=np.int64)
    assert_equal(nv.linspace(-3, 8, num, endpoint=endpoint, dtype=int), whole)


@pytest.mark.parametrize("k", [-4, -1, 0, 1, 2, 9])
def test_diagonals(k: int) -> None:
    assert_equal(nv.eye(3, k=k), np.eye(3, k=k, dtype=np.float32))
    assert_equal(nv.eye(2, 4, k=k, dtype=bool), np.eye(2, 4, k=k, dtype=bool))
    x = np.arange(24.0).reshape(2, 3, 4)
    assert_equal(nv.tril(x, k=k), np.tril(x, k))
    assert_equal(nv.triu(x, k=k), np.triu(x, k))
    with pytest.raises(ShapeError, match=r"tril: expected .* got float64\[3\]"):
        nv.tril(np.zeros(3))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(indexing: str) -> None:
    parts = [np.arange(2), np.arange(3), np.arange(0), np.array(5)]
    for count in range(5):
        got = nv.meshgrid(*parts[:count], indexing=indexing)
        want = np.meshgrid(*parts[:count], indexing=indexing)
        assert len(got) == len(want)
        for one, other in zip(got, want):
            assert_equal(one, other)
    with pytest.raises(ArgumentError, match="'xy' or 'ij'"):
        nv.meshgrid([1], indexing="yx")
    with pytest.raises(ShapeError, match=r"argument 1 is int64\[1, 1\]"):
        nv.meshgrid([1], [[1]])


def test_lists_of_lazy_arrays_keep_their_gradient_in_every_function() -> None:
    a, b = nv.asarray(np.array(2.0)), nv.asarray(np.array(3.0))
    x = nv.asarray(np.array([10.0, 20.0]))
    assert nv.add(x, [a, b]).dtype == nv.float64
    gradient = nv.grad(lambda v: nv.sum(nv.multiply(x, [v, v * v])))(a)
    assert float(gradient) == 10 + 20 * 2 * 2


def test_a_wrong_axis_is_an_index_error_and_a_value_error() -> None:
    for kind in (IndexError, ValueError):
        with pytest.raises(kind, match="axis 2 is out of range"):
            nv.expand_dims(nv.asarray([1.0]), axis=2)


def test_asarray_of_a_cell_stays_connected() -> None:
    cell = Cell(nv.asarray([1.0, 2.0]))
    assert nv.asarray(cell).node is cell.value.node
    doubled = nv.compile(lambda: nv.asarray(cell) * 2)
    assert doubled().tolist() == [2.0, 4.0]
    cell.value = nv.asarray([5.0, 6.0])
    assert doubled().tolist() == [10.0, 12.0]
