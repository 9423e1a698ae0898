"""Data types and how they promote.

A Nervure data type *is* a :class:`numpy.dtype`, so ``x.dtype == "float32"`` and
``np.zeros(3, nv.float32)`` work as a NumPy user expects.  ``bfloat16`` comes from
``ml_dtypes``.  ``float32`` is the default floating-point type, ``int64`` the default
integer.

Promotion follows the Array API standard 2024.12 within one kind (bool, integer,
floating point).  Where the standard leaves a mix of kinds undefined we follow what
machine-learning users expect: the floating-point operand decides, so
``int64 + float32`` is ``float32`` (never a silent ``float64``).
"""

from __future__ import annotations

from typing import Any, Final

import ml_dtypes
import numpy as np
import numpy.typing as npt

from nervure.errors import DTypeError, explain

DType = np.dtype[Any]

bool_: Final[DType] = np.dtype(np.bool_)
int8: Final[DType] = np.dtype(np.int8)
int16: Final[DType] = np.dtype(np.int16)
int32: Final[DType] = np.dtype(np.int32)
int64: Final[DType] = np.dtype(np.int64)
uint8: Final[DType] = np.dtype(np.uint8)
uint16: Final[DType] = np.dtype(np.uint16)
uint32: Final[DType] = np.dtype(np.uint32)
uint64: Final[DType] = np.dtype(np.uint64)
float16: Final[DType] = np.dtype(np.float16)
bfloat16: Final[DType] = np.dtype(ml_dtypes.bfloat16)
float32: Final[DType] = np.dtype(np.float32)
float64: Final[DType] = np.dtype(np.float64)

SIGNED: Final = (int8, int16, int32, int64)
UNSIGNED: Final = (uint8, uint16, uint32, uint64)
INTEGERS: Final = SIGNED + UNSIGNED
FLOATS: Final = (float16, bfloat16, float32, float64)
ALL: Final = (bool_, *INTEGERS, *FLOATS)

DEFAULT_FLOAT: Final = float32
DEFAULT_INT: Final = int64

_BY_NAME: Final[dict[str, DType]] = {dtype.name: dtype for dtype in ALL}
_BY_WORD: Final[dict[object, DType]] = {
    float: DEFAULT_FLOAT,
    "float": DEFAULT_FLOAT,
    int: DEFAULT_INT,
    "int": DEFAULT_INT,
    **{dtype.name: dtype for dtype in ALL},
}
_KIND: Final[dict[DType, str]] = {
    bool_: "bool",
    **dict.fromkeys(SIGNED, "signed"),
    **dict.fromkeys(UNSIGNED, "unsigned"),
    **dict.fromkeys(FLOATS, "float"),
}


def as_dtype(value: npt.DTypeLike | DType) -> DType:
    """Return the Nervure data type for a name, a NumPy type or a Python type.

    ``float`` and ``int`` mean the default types (float32 and int64), as everywhere in
    Nervure.  Raises :class:`DTypeError` for complex numbers, strings, objects and
    anything else that cannot be computed with.

    >>> as_dtype("float32"), as_dtype(float), as_dtype(np.int8)
    (dtype('float32'), dtype('float32'), dtype('int8'))
    """
    if isinstance(value, str | type) and value in _BY_WORD:
        return _BY_WORD[value]
    try:
        # NumPy would read None as float64
        dtype = None if value is None else np.dtype(value)
    except (TypeError, ValueError, SyntaxError):  # NumPy parses some texts as Python
        dtype = None
    if dtype is not None:
        if not dtype.isnative:
            dtype = dtype.newbyteorder("=")
        if dtype in _KIND:
            return _BY_NAME[dtype.name]
    raise DTypeError(
        explain(
            f"expected a data type that Nervure computes with, got {value!r}",
            fix="use one of " + ", ".join(_BY_NAME),
        )
    )


def is_supported(dtype: DType) -> bool:
    """Tell whether arrays of this NumPy dtype can enter a graph."""
    return dtype in _KIND


def is_bool(dtype: DType) -> bool:
    """Tell whether ``dtype`` is the truth-value type."""
    return dtype == bool_


def is_integer(dtype: DType) -> bool:
    """Tell whether ``dtype`` is a signed or unsigned integer."""
    return _KIND.get(dtype) in ("signed", "unsigned")


def is_signed(dtype: DType) -> bool:
    """Tell whether ``dtype`` is a signed integer."""
    return _KIND.get(dtype) == "signed"


def is_unsigned(dtype: DType) -> bool:
    """Tell whether ``dtype`` is an unsigned integer."""
    return _KIND.get(dtype) == "unsigned"


def is_float(dtype: DType) -> bool:
    """Tell whether ``dtype`` is a floating-point type."""
    return _KIND.get(dtype) == "float"


def is_number(dtype: DType) -> bool:
    """Tell whether ``dtype`` is an integer or a floating-point type."""
    return _KIND.get(dtype) in ("signed", "unsigned", "float")


def kind_of(dtype: DType) -> str:
    """Return "bool", "signed", "unsigned" or "float"."""
    return _KIND[dtype]


def accumulator(dtype: DType) -> DType:
    """Return the type in which sums over ``dtype`` are accumulated.

    float16 and bfloat16 have too few digits to add up many numbers, so they accumulate
    in float32; every other type accumulates in itself.
    """
    return float32 if dtype in (float16, bfloat16) else dtype


def _promote_signed_unsigned(signed: DType, unsigned: DType) -> DType | None:
    """Return the smallest signed type that holds both, or None beside uint64."""
    for candidate in SIGNED:
        if (
            candidate.itemsize >= signed.itemsize
            and candidate.itemsize > unsigned.itemsize
        ):
            return candidate
    return None


def promote(first: DType, second: DType) -> DType:
    """Return the data type in which two arrays are combined.

    Raises :class:`DTypeError` for uint64 with a signed integer, which no integer type
    holds (NumPy turns the pair into float64 and loses digits silently).

    >>> promote(float32, float64), promote(int32, float32), promote(float16, bfloat16)
    (dtype('float64'), dtype('float32'), dtype('float32'))
    """
    if first == second:
        return first
    kinds = {_KIND[first], _KIND[second]}
    if "bool" in kinds:
        return second if first == bool_ else first
    if kinds == {"float"}:
        if first.itemsize == second.itemsize:  # float16 with bfloat16
            return float32
        return first if first.itemsize > second.itemsize else second
    if "float" in kinds:
        return first if _KIND[first] == "float" else second
    if len(kinds) == 1:
        return first if first.itemsize >= second.itemsize else second
    signed, unsigned = (first, second) if is_signed(first) else (second, first)
    result = _promote_signed_unsigned(signed, unsigned)
    if result is None:
        raise DTypeError(
            explain(
                f"no integer type holds both {first.name} and {second.name}",
                fix="cast one operand, for example with .astype('int64')",
            )
        )
    return result


def promote_scalar(dtype: DType, scalar: bool | int | float) -> DType:
    """Return the type in which an array and a *Python* scalar are combined.

    A Python scalar is weak: it takes the array's type when its kind fits, otherwise
    the default type of its own kind.

    >>> promote_scalar(float16, 2.0), promote_scalar(int8, 2.0)
    (dtype('float16'), dtype('float32'))
    """
    if isinstance(scalar, bool):
        return dtype
    if isinstance(scalar, int):
        return DEFAULT_INT if is_bool(dtype) else dtype
    return dtype if is_float(dtype) else DEFAULT_FLOAT


def result_type(*dtypes: DType) -> DType:
    """Return the type that several arrays promote to, from left to right."""
    if not dtypes:
        raise DTypeError(
            explain(
                "result_type expects at least one data type, got none",
                fix="pass an array or a data type, such as nervure.float32",
            )
        )
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = promote(result, dtype)
    return result
