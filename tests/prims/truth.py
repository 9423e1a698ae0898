"""What an oracle says, how a result is judged by it, and exact numbers.

Everything here works on Python numbers and exact fractions, so that it shares nothing
with what it judges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.dtypes import DType

NDArray = npt.NDArray[Any]
Shape = tuple[int, ...]
Attrs = Mapping[str, Any]
Number = bool | int | float

# Significant bits, and the exponent of the smallest normal number.
FORMATS = {
    dtypes.float16: (11, -14),
    dtypes.bfloat16: (8, -126),
    dtypes.float32: (24, -126),
    dtypes.float64: (53, -1022),
}
# The largest finite number is the one below 2 to this power.
OVERFLOW = {
    dtypes.float16: 16,
    dtypes.bfloat16: 128,
    dtypes.float32: 128,
    dtypes.float64: 1024,
}


@dataclass(frozen=True)
class Truth:
    """What a result must be.

    Attributes
    ----------
    value
        The expected value: float64, or already of the result's type.
    dtype
        The expected data type.
    units
        How many times the rounding error of the type in which the operation computes
        (float32 for float16 and bfloat16) may be between them; None: no difference at
        all, neither in the sign of a zero.
    scale
        The magnitude to which that rounding error is relative, for sums whose terms
        may cancel; by default that of the value.
    """

    value: NDArray
    dtype: DType
    units: float | None = None
    scale: NDArray | None = None


Oracle = Callable[..., Truth]
ORACLES: dict[str, Oracle] = {}


def oracle(*names: str) -> Callable[[Oracle], Oracle]:
    """Register the decorated function as the truth of these primitives."""

    def register(function: Oracle) -> Oracle:
        for name in names:
            assert name not in ORACLES, name
            ORACLES[name] = function
        return function

    return register


def assert_matches(result: NDArray, truth: Truth) -> None:
    """Fail unless a primitive's result is what its oracle says."""
    assert result.dtype == truth.dtype
    assert result.shape == truth.value.shape
    if truth.units is None:
        expected = truth.value.astype(truth.dtype)
        if dtypes.is_float(truth.dtype):  # NumPy compares NaN only in its own types
            result, expected = result.astype(np.float64), expected.astype(np.float64)
            number = ~np.isnan(expected)
            signs = np.signbit(result)[number], np.signbit(expected)[number]
            np.testing.assert_array_equal(*signs, err_msg="the signs differ")
        np.testing.assert_array_equal(result, expected)
        return
    actual = result.astype(np.float64)
    expected = truth.value.astype(np.float64)
    scale = np.abs(expected) if truth.scale is None else truth.scale
    bits, smallest = FORMATS[truth.dtype]
    unit = 2.0 ** (1 - FORMATS[dtypes.accumulator(truth.dtype)][0])
    # the error of computing, and that of rounding the result once to its own type
    allowed = truth.units * unit * scale + 2.0**-bits * np.abs(expected)
    allowed = allowed + 2.0 ** (smallest - bits)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    difference = np.abs(actual - expected)[finite]
    excess = difference - np.broadcast_to(allowed, expected.shape)[finite]
    assert not np.any(excess > 0), (
        f"off by {difference.max()}, of which {excess.max()} too much:\n"
        f"expected {expected}\ngot {actual}"
    )


# --- numbers -------------------------------------------------------------------------


def wrap(value: int, dtype: DType) -> int:
    """Bring a whole number into the range of an integer type, modulo 2^bits."""
    bits = 8 * dtype.itemsize
    value %= 1 << bits
    negative = dtypes.is_signed(dtype) and value >> (bits - 1)
    return value - (1 << bits) if negative else value


def nearest(value: Fraction | float, dtype: DType) -> float:
    """Round a number once to a floating-point type, halves to even.

    Infinities and NaN stay; a number that is too large becomes infinite.
    """
    if isinstance(value, float):
        if value == 0 or not math.isfinite(value):
            return value
        value = Fraction(value)
    if value == 0:
        return 0.0
    bits, smallest = FORMATS[dtype]
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, smallest) - bits + 1)
    rounded = round(size / unit) * unit  # round() of a fraction: halves to even
    result = float(rounded) if rounded < Fraction(2) ** OVERFLOW[dtype] else math.inf
    return result if value > 0 else -result


def numbers(array: NDArray) -> list[Any]:
    """Return the elements in row-major order as Python bools, ints or floats."""
    if dtypes.is_float(array.dtype):
        array = array.astype(np.float64)
    return array.ravel().tolist()


def of_numbers(values: Iterable[Number], shape: Shape, dtype: DType) -> NDArray:
    """Make an array of Python numbers that fit the type."""
    flat = list(values)
    wide = np.dtype(np.float64) if dtypes.is_float(dtype) else dtype
    return np.array(flat, wide).astype(dtype).reshape(shape)


def by_index(shape: Shape, dtype: DType, element: Callable[[Shape], Any]) -> NDArray:
    """Make an array whose element at each index is ``element(index)``."""
    result = np.empty(shape, dtype)
    for index in np.ndindex(*shape):
        result[index] = element(index)
    return result


def replaced(index: Shape, axis: int, *places: int) -> Shape:
    """Return the index with its entry for one axis replaced by other entries."""
    return (*index[:axis], *places, *index[axis + 1 :])
