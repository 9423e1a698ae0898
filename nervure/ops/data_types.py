"""Converting between data types and asking about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import DTypeError, explain, unknown_name
from nervure.ops.device import placed
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import as_node, is_weak, scalar_dtype
from nervure.prims.select import cast


def astype(
    x: ArrayLike,
    dtype: npt.DTypeLike,
    /,
    *,
    copy: bool = True,
    device: str | None = None,
) -> Array:
    """Return the array converted to another data type.

    Floating-point numbers are cut off toward zero and clipped to the range of an
    integer type, NaN becomes 0; integers wrap around; everything but zero is True.
    With ``copy=False`` an array that has the type already is returned itself.

    >>> import nervure as nv
    >>> nv.astype(nv.asarray([1.7, -0.2, 300.0]), nv.int8).tolist()
    [1, 0, 127]
    """
    wanted = dtypes.as_dtype(dtype)
    if not copy and isinstance(x, Array) and x.dtype == wanted:
        return placed(x, device)
    return placed(Array.of_node(cast(as_node(x), wanted)), device)


def _dtype_of(value: Array | npt.DTypeLike) -> DType:
    """Return the data type of an array, or the one that a name means."""
    if isinstance(value, Array | np.ndarray | np.generic):
        return dtypes.as_dtype(value.dtype)
    return dtypes.as_dtype(value)


def can_cast(from_: Array | npt.DTypeLike, to: npt.DTypeLike, /) -> bool:
    """Tell whether promotion would turn one data type into the other.

    >>> import nervure as nv
    >>> nv.can_cast(nv.int8, nv.int32), nv.can_cast(nv.float64, nv.float32)
    (True, False)
    """
    target = dtypes.as_dtype(to)
    try:
        return dtypes.promote(_dtype_of(from_), target) == target
    except DTypeError:  # uint64 with a signed type
        return False


def result_type(*arrays_and_dtypes: Any) -> DType:
    """Return the data type in which arrays, data types and Python numbers combine.

    >>> import nervure as nv
    >>> nv.result_type(nv.int8, nv.uint8), nv.result_type(nv.float16, 2.0)
    (dtype('int16'), dtype('float16'))
    """
    strong = [_dtype_of(one) for one in arrays_and_dtypes if not is_weak(one)]
    weak = [one for one in arrays_and_dtypes if is_weak(one)]
    if not strong:
        return dtypes.result_type(*(scalar_dtype(number) for number in weak))
    result = dtypes.result_type(*strong)
    for number in weak:
        result = dtypes.promote_scalar(result, number)
    return result


class FloatInfo(NamedTuple):
    """The limits of a floating-point type, as Python numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


class IntegerInfo(NamedTuple):
    """The limits of an integer type, as Python numbers."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: Array | npt.DTypeLike, /) -> FloatInfo:
    """Return the limits of a floating-point type.

    Raises
    ------
    DTypeError
        For a type that is no floating-point type.

    >>> import nervure as nv
    >>> nv.finfo(nv.float32).bits, nv.finfo(nv.bfloat16).eps
    (32, 0.0078125)
    """
    dtype = _dtype_of(type)
    if not dtypes.is_float(dtype):
        raise DTypeError(
            explain(
                f"finfo: expected a floating-point type, got {dtype.name}",
                fix="nervure.iinfo describes types of integers",
            )
        )
    info: Any = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    return FloatInfo(
        bits=int(info.bits),
        eps=float(info.eps),
        max=float(info.max),
        min=float(info.min),
        smallest_normal=float(info.smallest_normal),
        dtype=dtype,
    )


def iinfo(type: Array | npt.DTypeLike, /) -> IntegerInfo:
    """Return the limits of an integer type.

    Raises
    ------
    DTypeError
        For a type that is no integer type.

    >>> import nervure as nv
    >>> nv.iinfo(nv.int8).max
    127
    """
    dtype = _dtype_of(type)
    if not dtypes.is_integer(dtype):
        raise DTypeError(
            explain(
                f"iinfo: expected an integer type, got {dtype.name}",
                fix="nervure.finfo describes floating-point types",
            )
        )
    info = np.iinfo(dtype)
    return IntegerInfo(int(info.bits), int(info.max), int(info.min), dtype)


_KINDS: Final[dict[str, Callable[[DType], bool]]] = {
    "bool": dtypes.is_bool,
    "signed integer": dtypes.is_signed,
    "unsigned integer": dtypes.is_unsigned,
    "integral": dtypes.is_integer,
    "real floating": dtypes.is_float,
    "complex floating": lambda dtype: False,
    "numeric": dtypes.is_number,
}


def isdtype(dtype: npt.DTypeLike, kind: Any) -> bool:
    """Tell whether a data type is of a kind, or of one among several.

    ``kind`` is a data type, "bool", "signed integer", "unsigned integer", "integral",
    "real floating", "complex floating" (which nothing is), "numeric", or a tuple.

    Raises
    ------
    UnknownNameError
        For a kind that does not exist.

    >>> import nervure as nv
    >>> nv.isdtype(nv.int8, "integral"), nv.isdtype(nv.int8, ("bool", nv.float32))
    (True, False)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind](dtypes.as_dtype(dtype))
    if isinstance(kind, str):
        try:
            return dtypes.as_dtype(dtype) == dtypes.as_dtype(kind)
        except DTypeError:
            raise unknown_name("kind of data type", kind, list(_KINDS)) from None
    return dtypes.as_dtype(dtype) == dtypes.as_dtype(kind)
