"""Constants as text: the shortest decimal numbers that read back as the same bits.

``nan`` is the usual NaN; any other is written as its bits, ``nan:0x...``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import GraphError
from nervure.ir.attrs import NDArray
from nervure.ir.node import Shape

LONG_CONSTANT: Final = 16  # elements; longer ones are shortened for reading

_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|inf)|nan")
_INTEGER: Final = re.compile(r"-?[0-9]{1,40}")
_PATTERN: Final = re.compile(r"nan:0x([0-9a-f]{1,16})")
_TRUTH: Final = re.compile("true|false")

# --- writing -------------------------------------------------------------------------


def written(value: NDArray) -> str:
    """Write a whole constant.

    >>> written(np.array([0.1, -0.0], np.float32))
    'constant<float32[2]>(0.1, -0.0)'
    """
    return _constant(value, ", ".join(_words(value)))


def shortened(value: NDArray) -> str:
    """Write a constant; of a long one, only how many elements it has."""
    if value.size <= LONG_CONSTANT:
        return written(value)
    return _constant(value, f"... {value.size} values")


def digested(value: NDArray) -> str:
    """Write a constant; of a long one, only a digest of its bytes."""
    if value.size <= LONG_CONSTANT:
        return written(value)
    return _constant(
        value, f"sha256 {hashlib.sha256(little_endian(value)).hexdigest()}"
    )


def little_endian(value: NDArray) -> bytes:
    """Return the elements in row-major order as little-endian bytes."""
    bits = np.ascontiguousarray(value).view(f"u{value.dtype.itemsize}")
    return bits.astype(bits.dtype.newbyteorder("<"), copy=False).tobytes()


def _constant(value: NDArray, elements: str) -> str:
    shape = ", ".join(map(str, value.shape))
    return f"constant<{value.dtype.name}[{shape}]>({elements})"


def _words(value: NDArray) -> list[str]:
    """Write each element as the shortest number that reads back the same."""
    flat = value.ravel()
    if dtypes.is_bool(value.dtype):
        return ["true" if element else "false" for element in flat.tolist()]
    if dtypes.is_integer(value.dtype):
        return [str(element) for element in flat.tolist()]
    if value.dtype == dtypes.bfloat16:  # its own str() is not the shortest
        words = [_shortest_bfloat16(float(element)) for element in flat]
    elif value.dtype == dtypes.float64:
        words = [repr(element) for element in flat.tolist()]
    else:  # NumPy finds the digits; the layout, which its versions change, is Python's
        words = [repr(float(str(element))) for element in flat]
    bits = flat.view(f"u{value.dtype.itemsize}")
    read = _floats(words, value.dtype).view(bits.dtype)
    for place in np.flatnonzero(bits != read).tolist():
        # A NaN with a sign or a payload, or a number whose shortest form, read by way
        # of float64, would be rounded twice: all digits of the float64 never are.
        element = float(flat[place])
        pattern = f"nan:{int(bits[place]):#x}"
        words[place] = pattern if math.isnan(element) else repr(element)
    return words


def _shortest_bfloat16(element: float) -> str:
    if not math.isfinite(element):
        return repr(element)
    for digits in range(1, 4):
        candidate = float(f"{element:.{digits}g}")
        if _floats([repr(candidate)], dtypes.bfloat16)[0] == element:
            return repr(candidate)
    return repr(float(f"{element:.4g}"))  # enough for eight significant bits


def _floats(words: Sequence[str], dtype: DType) -> NDArray:
    """Read decimal numbers, ``inf`` and ``nan`` as an array."""
    numbers = np.array([float(word) for word in words], np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return numbers.astype(dtype)


# --- reading -------------------------------------------------------------------------


def elements(body: str, shape: Shape, dtype: DType) -> NDArray:
    """Read the elements of a constant, written in row-major order.

    Raises :class:`GraphError` for anything but as many numbers as the type holds.

    >>> elements("1, 2.5", (2,), dtypes.float32)
    array([1. , 2.5], dtype=float32)
    """
    words = [word.strip() for word in body.split(",")] if body.strip() else []
    if len(words) != math.prod(shape):
        raise GraphError(f"expected {math.prod(shape)} numbers, found {len(words)}")
    try:
        return _flat_elements(words, dtype).reshape(shape)
    except (OverflowError, ValueError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"no array has the shape {shape}: {error}") from error


def _flat_elements(words: Sequence[str], dtype: DType) -> NDArray:
    if dtypes.is_float(dtype):
        return _float_elements(words, dtype)
    if dtypes.is_bool(dtype):
        truths = [_checked(word, _TRUTH, "true or false") == "true" for word in words]
        return np.array(truths, dtype)
    numbers = [int(_checked(word, _INTEGER, "a whole number")) for word in words]
    bounds = np.iinfo(dtype)
    for number in numbers:
        if not bounds.min <= number <= bounds.max:
            raise GraphError(f"{number} does not fit into {dtype.name}")
    return np.array(numbers, dtype)


def _float_elements(words: Sequence[str], dtype: DType) -> NDArray:
    patterns = {
        place: int(found.group(1), 16)
        for place, word in enumerate(words)
        if word.startswith("nan:") and (found := _PATTERN.fullmatch(word))
    }
    plain = [
        "nan" if place in patterns else _checked(word, _NUMBER, "a number")
        for place, word in enumerate(words)
    ]
    array = _floats(plain, dtype)
    for place in np.flatnonzero(np.isinf(array)).tolist():
        if not plain[place].endswith("inf"):
            raise GraphError(f"{plain[place][:40]} does not fit into {dtype.name}")
    _set_patterns(array, patterns)
    return array


def _set_patterns(array: NDArray, patterns: dict[int, int]) -> None:
    """Give the NaNs at some places the bits that were written."""
    bits: Any = array.view(f"u{array.dtype.itemsize}")
    for place, pattern in patterns.items():
        fits = pattern.bit_length() <= 8 * array.dtype.itemsize
        if fits:
            bits[place] = pattern
        if not fits or array[place] == array[place]:
            raise GraphError(f"nan:{pattern:#x} is not a NaN of {array.dtype.name}")


def _checked(word: str, pattern: re.Pattern[str], expected: str) -> str:
    if pattern.fullmatch(word) is None:
        raise GraphError(f"expected {expected}, found {word[:40]!r}")
    return word
