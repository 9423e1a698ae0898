"""The array object: conversions, operators with foreign operands, protocols."""

import copy
import pickle

import numpy as np
import pytest

import nervure as nv
from nervure.errors import DTypeError, ShapeError


def test_default_types() -> None:
    assert nv.asarray([1.0, 2.0]).dtype == nv.float32
    assert nv.asarray([1, 2]).dtype == nv.int64
    assert nv.asarray([True]).dtype == nv.bool
    assert nv.asarray(np.array([1.0])).dtype == nv.float64
    assert nv.asarray([np.float64(1.0)]).dtype == nv.float64


@pytest.mark.parametrize("value", [["a"], [1j], [object()], np.array("2020", "M8[D]")])
def test_what_cannot_be_computed_with_is_refused(value: object) -> None:
    with pytest.raises(DTypeError, match="expected numbers, got"):
        nv.asarray(value)


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ShapeError, match="equal lengths"):
        nv.asarray([[1.0, 2.0], [3.0]])


def test_python_numbers_are_weak() -> None:
    half = nv.asarray(np.ones(2, np.float16))
    assert (half * 2.5).dtype == nv.float16
    assert (2 / half).dtype == nv.float16
    assert (nv.asarray(np.ones(2, np.int8)) + 1).dtype == nv.int8
    assert (nv.asarray([1, 2]) * 0.5).dtype == nv.float32
    with pytest.raises(DTypeError, match="300 does not fit into int8"):
        nv.asarray(np.ones(2, np.int8)) + 300


def test_numpy_operands_keep_their_type() -> None:
    x = nv.asarray([1.0, 2.0])
    for result in (x + np.ones(2), np.ones(2) + x, np.float64(1) * x):
        assert isinstance(result, nv.Array)
        assert result.dtype == nv.float64
    assert (np.ones(2, np.float32) @ x).item() == 3
    assert ([1.0, 2.0] * x).tolist() == [1, 4]


def test_foreign_operands_are_left_to_python() -> None:
    x = nv.asarray([1.0])
    for other in ("a", None, {}, object()):
        with pytest.raises(TypeError):
            x + other
        assert (x == other) is False or (x == other) is NotImplemented


def test_conversions_of_a_single_element() -> None:
    x = nv.asarray([[2.5]])
    assert float(x) == 2.5 and int(x) == 2 and bool(x) and complex(x) == 2.5
    assert x.item() == 2.5 and f"{x:.3f}" == "2.500" and round(2.5 * x).item() == 6
    assert [10, 20, 30][nv.asarray(1)] == 20
    with pytest.raises(DTypeError, match="an index must be an integer"):
        [1][nv.asarray(0.0)]
    with pytest.raises(ShapeError, match=r"float\(\) expects an array of one element"):
        float(nv.asarray([1.0, 2.0]))
    with pytest.raises(ShapeError, match="all"):
        bool(nv.asarray([1.0, 2.0]))


def test_iteration_length_and_membership() -> None:
    x = nv.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert len(x) == 2 and 3.0 in x and 5.0 not in x
    for use in (len, iter):
        with pytest.raises(TypeError):
            use(nv.asarray(1.0))


def test_printing() -> None:
    x = nv.asarray([1.0, 2.5])
    assert str(x) == "[1.  2.5]"
    assert repr(x) == "Array([1. , 2.5], float32[2])"
    seen = []
    nv.compile(lambda v: seen.append(repr(v)) or v)(x)
    assert seen == ["<Array float32[2], no value yet>"]


def test_numpy_protocols() -> None:
    x = nv.asarray([1.0, 2.0])
    assert np.asarray(x).dtype == np.float32
    assert np.asarray(x, np.float64).dtype == np.float64
    own = np.array(x)
    own[0] = 7  # a copy is the caller's
    assert x.tolist() == [1, 2]
    np.testing.assert_allclose(np.sqrt(x), np.sqrt([1, 2]), rtol=1e-6)
    assert np.mean(x) == 1.5


def test_dlpack_round_trips_without_sharing_what_may_be_written() -> None:
    x = nv.asarray(np.arange(6.0).reshape(2, 3)) + 0
    y = np.from_dlpack(x)
    np.testing.assert_array_equal(y, x)
    assert x.__dlpack_device__() == (1, 0)
    back = nv.from_dlpack(np.arange(3.0))
    assert isinstance(back, nv.Array) and back.tolist() == [0, 1, 2]


def test_arrays_cannot_be_hashed_and_operators_make_new_ones() -> None:
    x = nv.asarray([1.0, 2.0])
    with pytest.raises(TypeError):
        hash(x)
    y = x
    y += 1
    assert x.tolist() == [1, 2] and y.tolist() == [2, 3]


def test_copy_and_pickle() -> None:
    x = nv.asarray([1.0, 2.0]) * 2
    copies = copy.copy(x), copy.deepcopy([x])[0]
    assert all(one is not x and one.node is x.node for one in copies)
    restored = pickle.loads(pickle.dumps(x))
    assert restored.tolist() == [2, 4] and restored.dtype == nv.float32


def test_the_class_is_not_called() -> None:
    with pytest.raises(TypeError, match=r"nervure\.asarray"):
        nv.Array()


def test_array_namespace_and_device() -> None:
    x = nv.asarray([1.0])
    assert x.__array_namespace__() is nv
    assert x.device == "cpu" and x.to_device("cpu") is x
    with pytest.raises(ValueError, match="unknown device: 'gpu:7'"):
        x.to_device("gpu:7")
    with pytest.raises(ValueError, match="unknown Array API version"):
        x.__array_namespace__(api_version="1999.01")


def test_methods_are_the_functions() -> None:
    data = np.random.default_rng(0).normal(size=(2, 3))
    x = nv.asarray(data)
    for name in ("sum", "prod", "mean", "var", "std", "max", "min"):
        method = getattr(x, name)(axis=1, keepdims=True)
        expected = getattr(data, name)(axis=1, keepdims=True)
        np.testing.assert_allclose(method, expected)
    assert x.argmax(axis=1).tolist() == data.argmax(1).tolist()
    assert x.argmin(axis=0).tolist() == data.argmin(0).tolist()
    np.testing.assert_array_equal(x.T, data.T)
    np.testing.assert_array_equal(x.mT, data.T)
    np.testing.assert_array_equal(x.reshape(3, -1), data.reshape(3, -1))
    np.testing.assert_array_equal(x.reshape((6,)).reshape([2, 3]), data)
    np.testing.assert_array_equal(x.transpose(1, 0), data.T)
    np.testing.assert_array_equal(x.flatten(), data.ravel())
    np.testing.assert_array_equal(x.clip(-0.1, 0.1), data.clip(-0.1, 0.1))
    assert (x > 100).any().item() is False and (x < 100).all().item() is True
    assert x.astype("int32").dtype == nv.int32
