from __future__ import annotations

import numpy as np
import pytest

import nervure as nv
from nervure import dtypes
from nervure.errors import DTypeError, UnknownNameError
from tests.ops.checks import assert_equal


def test_astype() -> None:
    x = nv.asarray([-1.7, 0.0, 300.0, np.nan])
    assert_equal(nv.astype(x, nv.int8), np.array([-1, 0, 127, 0], np.int8))
    assert_equal(nv.astype(x, bool), np.array([True, False, True, True]))
    assert nv.astype(x, nv.float32).node is x.node
    assert nv.astype(x, nv.float32, copy=False) is x
    assert nv.astype(x, nv.float32) is not x
    with pytest.raises(DTypeError, match="that Nervure computes with"):
        nv.astype(x, "complex64")


def test_can_cast_follows_promotion() -> None:
    assert nv.can_cast(nv.asarray([1], dtype=nv.int8), nv.int16)
    assert not nv.can_cast(nv.uint64, nv.int64)
    for one in dtypes.ALL:
        assert nv.can_cast(one, one)
        assert nv.can_cast(nv.bool, one)


def test_result_type() -> None:
    x = nv.asarray([1], dtype=nv.int8)
    assert nv.result_type(x, nv.uint8) == nv.int16
    assert nv.result_type(x, 2.0) == nv.float32
    assert nv.result_type(nv.float64, 1) == nv.float64
    assert nv.result_type(True, 1) == nv.int64
    assert nv.result_type(np.zeros(2, np.float16)) == nv.float16
    with pytest.raises(DTypeError, match="at least one"):
        nv.result_type()


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=str)
def test_finfo(dtype: np.dtype) -> None:
    info = nv.finfo(dtype)
    one = nv.asarray(1.0, dtype=dtype)
    assert (nv.nextafter(one, one + one) - one).item() == info.eps
    assert info.bits == 8 * dtype.itemsize
    assert info.dtype == dtype
    assert info.min == -info.max
    assert isinstance(info.smallest_normal, float)
    assert nv.finfo(one) == info
    with pytest.raises(DTypeError, match="finfo: expected a floating-point type"):
        nv.finfo(nv.int8)


def test_iinfo() -> None:
    info = nv.iinfo(nv.uint16)
    assert (info.bits, info.min, info.max, info.dtype) == (16, 0, 65535, nv.uint16)
    with pytest.raises(DTypeError, match="iinfo: expected an integer type, got bool"):
        nv.iinfo(nv.bool)


def test_isdtype() -> None:
    assert nv.isdtype(nv.bfloat16, "real floating")
    assert nv.isdtype(nv.uint8, ("signed integer", "unsigned integer"))
    assert not nv.isdtype(nv.bool, "numeric")
    assert not nv.isdtype(nv.float32, "complex floating")
    assert nv.isdtype(nv.float32, "float32")
    assert nv.isdtype(nv.bool, "bool")
    with pytest.raises(UnknownNameError, match="did you mean 'integral'"):
        nv.isdtype(nv.int8, "integer")
