"""An independent truth for every primitive.

Each oracle computes a sample's result another way than the NumPy reference does:
element by element over Python numbers, with ``math`` and exact fractions, straight from
the definition of the operation.  Slow and obvious is the point.

An oracle is called with a sample's attributes and arrays and returns a
:class:`~tests.prims.truth.Truth`.  Those that combine many elements are in
``oracles_combining``; importing this module registers all of them in :data:`ORACLES`.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

import tests.prims.oracles_combining
import tests.prims.oracles_control  # noqa: F401 - importing registers
from nervure import dtypes
from nervure.dtypes import DType
from tests.prims.truth import (
    ORACLES,
    Attrs,
    NDArray,
    Number,
    Shape,
    Truth,
    by_index,
    nearest,
    numbers,
    of_numbers,
    oracle,
    replaced,
    wrap,
)

__all__ = ["ORACLES"]

# --- leaves and annotations ----------------------------------------------------------


@oracle("input", "stop_gradient", "custom_gradient", "checkpoint")
def _first(attrs: Attrs, value: NDArray, *arguments: NDArray) -> Truth:
    return Truth(value, value.dtype)


@oracle("buffer")
def _buffer(attrs: Attrs) -> Truth:
    value = attrs["buffer"].value
    return Truth(value, value.dtype)


@oracle("const")
def _const(attrs: Attrs) -> Truth:
    value = attrs["value"].value
    return Truth(value, value.dtype)


@oracle("iota")
def _iota(attrs: Attrs) -> Truth:
    dtype, axis = attrs["dtype"], attrs["axis"]
    return Truth(by_index(attrs["shape"], dtype, lambda index: index[axis]), dtype)


def threefry_words(key: Sequence[int], high: int, low: int) -> tuple[int, int]:
    """Encrypt one counter, as written in the paper: injections every four rounds."""
    mask = 0xFFFFFFFF
    injected = [key[0], key[1], 0x1BD11BDA ^ key[0] ^ key[1]]
    first, second = (high + injected[0]) & mask, (low + injected[1]) & mask
    turns = (13, 15, 26, 6, 17, 29, 16, 24)
    for number in range(20):
        first = (first + second) & mask
        turn = turns[number % 8]
        second = (second << turn | second >> 32 - turn) & mask
        second ^= first
        if number % 4 == 3:
            group = number // 4 + 1
            first = (first + injected[group % 3]) & mask
            second = (second + injected[(group + 1) % 3] + group) & mask
    return first, second


@oracle("random_bits")
def _random_bits(attrs: Attrs, key: NDArray) -> Truth:
    def word(place: int) -> int:
        block, within = divmod(place, 32)
        half, lane = divmod(within, 16)
        counter = 16 * block + lane
        return threefry_words(key.tolist(), counter >> 32, counter & 0xFFFFFFFF)[half]

    shape = attrs["shape"]
    words = [word(place) for place in range(math.prod(shape))]
    return Truth(of_numbers(words, shape, dtypes.uint32), dtypes.uint32)


# --- elementwise ---------------------------------------------------------------------


def elementwise(
    name: str,
    of_floats: Callable[..., Fraction | Number] | None,
    of_integers: Callable[..., Number] | None = None,
    of_truths: Callable[..., bool] | None = None,
    *,
    units: float | None = None,
    result: DType | None = None,
) -> None:
    """Register an elementwise primitive, given what it does to Python numbers.

    ``of_floats`` may return a fraction, the exact result, to be rounded once.  With
    ``units`` None the result must be the truth rounded once.
    """

    def truth(attrs: Attrs, *arrays: NDArray) -> Truth:
        given = arrays[0].dtype
        dtype = result or given
        rows = list(zip(*map(numbers, arrays), strict=True))
        values: list[Number]
        if dtypes.is_float(given):
            assert of_floats is not None
            values = [of_floats(*row) for row in rows]  # type: ignore[misc]
            if units is not None:
                wide = np.array(values, np.float64).reshape(arrays[0].shape)
                return Truth(wide, dtype, units)
            if dtypes.is_float(dtype):
                values = [nearest(value, dtype) for value in values]
        elif dtypes.is_bool(given):
            assert of_truths is not None
            values = [of_truths(*row) for row in rows]
        else:
            assert of_integers is not None
            values = [of_integers(*row) for row in rows]
            if dtypes.is_integer(dtype):
                values = [wrap(int(value), dtype) for value in values]
        return Truth(of_numbers(values, arrays[0].shape, dtype), dtype)

    oracle(name)(truth)


def error_function(x: float) -> float:
    """2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 3 ... (2n+1)): nothing cancels."""
    term, total, n = x, 0.0, 0
    while abs(term) > abs(total) * 2.0**-60:
        total += term
        n += 1
        term *= 2 * x * x / (2 * n + 1)
    return 2 / math.sqrt(math.pi) * math.exp(-x * x) * total


elementwise("neg", operator.neg, operator.neg)
elementwise("abs", abs, abs)
elementwise("floor", lambda x: Fraction(math.floor(x)))
elementwise("round", lambda x: Fraction(round(x)))
elementwise("exp", math.exp, units=2)
elementwise("expm1", math.expm1, units=2)
elementwise("log", math.log, units=2)
elementwise("log1p", math.log1p, units=2)
elementwise("sqrt", math.sqrt, units=0)
elementwise("sin", math.sin, units=2)
elementwise("cos", math.cos, units=2)
elementwise("tanh", math.tanh, units=4)
elementwise("sigmoid", lambda x: 1 / (1 + math.exp(-x)), units=4)
elementwise("erf", error_function, units=8)
elementwise("not", None, lambda x: -x - 1, operator.not_)
elementwise("is_finite", math.isfinite, result=dtypes.bool_)


def exactly(function: Callable[[Any, Any], Any]) -> Callable[[float, float], Fraction]:
    """Let an arithmetic operation work on exact fractions."""
    return lambda x, y: function(Fraction(x), Fraction(y))


def truncated_quotient(x: int, y: int) -> int:
    return 0 if y == 0 else math.trunc(Fraction(x, y))


def truncated_remainder(x: int, y: int) -> int:
    return 0 if y == 0 else x - y * truncated_quotient(x, y)


def integer_power(x: int, y: int) -> int:
    if y >= 0:
        return pow(x, y, 1 << 64)  # all that is left after wrapping
    if x == 0:
        return 0
    exponent = -y if -y <= 64 else 64 + y % 2  # beyond that only the parity matters
    return math.trunc(Fraction(1, x**exponent))


def shifted_left(x: int, y: int) -> int:
    return x << y if 0 <= y < 64 else 0


def shifted_right(x: int, y: int) -> int:
    return x >> (y if 0 <= y < 64 else 64)


elementwise("add", exactly(operator.add), operator.add)
elementwise("sub", exactly(operator.sub), operator.sub)
elementwise("mul", exactly(operator.mul), operator.mul)
elementwise("div", exactly(operator.truediv), truncated_quotient)
elementwise("rem", math.fmod, truncated_remainder)
elementwise("pow", math.pow, integer_power, units=4)
elementwise("maximum", max, max, operator.or_)
elementwise("minimum", min, min, operator.and_)
elementwise("atan2", math.atan2, units=4)
elementwise("and", None, operator.and_, operator.and_)
elementwise("or", None, operator.or_, operator.or_)
elementwise("xor", None, operator.xor, operator.xor)
elementwise("shift_left", None, shifted_left)
elementwise("shift_right", None, shifted_right)
for _name, _compare in (("eq", operator.eq), ("lt", operator.lt), ("le", operator.le)):
    elementwise(_name, _compare, _compare, _compare, result=dtypes.bool_)


@oracle("select")
def _select(attrs: Attrs, condition: NDArray, x: NDArray, y: NDArray) -> Truth:
    value = by_index(
        x.shape, x.dtype, lambda index: x[index] if condition[index] else y[index]
    )
    return Truth(value, x.dtype)


def converted(value: Number, dtype: DType) -> Number:
    """Convert one Python number as ``cast`` does."""
    if dtypes.is_bool(dtype):
        return value != 0
    if dtypes.is_float(dtype):
        return nearest(value if isinstance(value, float) else Fraction(value), dtype)
    if not isinstance(value, float):
        return wrap(value, dtype)
    if math.isnan(value):
        return 0
    limits = np.iinfo(dtype)
    if math.isinf(value):
        return int(limits.max if value > 0 else limits.min)
    return max(int(limits.min), min(int(limits.max), math.trunc(value)))


@oracle("cast")
def _cast(attrs: Attrs, x: NDArray) -> Truth:
    dtype = attrs["dtype"]
    values = [converted(value, dtype) for value in numbers(x)]
    return Truth(of_numbers(values, x.shape, dtype), dtype)


@oracle("bitcast")
def _bitcast(attrs: Attrs, x: NDArray) -> Truth:
    source, dtype = x.dtype, attrs["dtype"]

    def code(one: DType) -> str:
        return "e" if one == dtypes.float16 else "fd"[one.itemsize // 8]

    def to_bits(value: Number) -> bytes:
        if source == dtypes.bfloat16:  # the upper half of a float32
            return struct.pack("<f", value)[2:]
        if dtypes.is_float(source):
            return struct.pack("<" + code(source), value)
        signed = dtypes.is_signed(source)
        return int(value).to_bytes(source.itemsize, "little", signed=signed)

    def of_bits(bits: bytes) -> Number:
        if dtype == dtypes.bfloat16:
            return float(struct.unpack("<f", bytes(2) + bits)[0])
        if dtypes.is_float(dtype):
            return float(struct.unpack("<" + code(dtype), bits)[0])
        return int.from_bytes(bits, "little", signed=dtypes.is_signed(dtype))

    values = [of_bits(to_bits(value)) for value in numbers(x)]
    return Truth(of_numbers(values, x.shape, dtype), dtype)


# --- movement ------------------------------------------------------------------------


@oracle("reshape")
def _reshape(attrs: Attrs, x: NDArray) -> Truth:
    flat = iter([x[index] for index in np.ndindex(*x.shape)])
    return Truth(by_index(attrs["shape"], x.dtype, lambda _: next(flat)), x.dtype)


@oracle("transpose")
def _transpose(attrs: Attrs, x: NDArray) -> Truth:
    axes = attrs["axes"]

    def element(index: Shape) -> Any:
        return x[tuple(index[axes.index(axis)] for axis in range(x.ndim))]

    shape = tuple(x.shape[axis] for axis in axes)
    return Truth(by_index(shape, x.dtype, element), x.dtype)


@oracle("broadcast")
def _broadcast(attrs: Attrs, x: NDArray) -> Truth:
    axes = attrs["axes"]
    value = by_index(
        attrs["shape"], x.dtype, lambda index: x[tuple(index[axis] for axis in axes)]
    )
    return Truth(value, x.dtype)


@oracle("slice")
def _slice(attrs: Attrs, x: NDArray) -> Truth:
    places = [
        list(range(first, last, step))
        for first, last, step in zip(
            attrs["start"], attrs["stop"], attrs["step"], strict=True
        )
    ]

    def element(index: Shape) -> Any:
        return x[tuple(one[place] for one, place in zip(places, index, strict=True))]

    return Truth(by_index(tuple(map(len, places)), x.dtype, element), x.dtype)


@oracle("pad")
def _pad(attrs: Attrs, x: NDArray) -> Truth:
    low, high, interior = attrs["low"], attrs["high"], attrs["interior"]
    shape = tuple(
        extent + max(extent - 1, 0) * inner + before + after
        for extent, before, after, inner in zip(
            x.shape, low, high, interior, strict=True
        )
    )
    value = by_index(shape, x.dtype, lambda _: attrs["value"].value[()])
    for index in np.ndindex(*x.shape):
        target = tuple(
            before + place * (inner + 1)
            for place, before, inner in zip(index, low, interior, strict=True)
        )
        inside = zip(target, shape, strict=True)
        if all(0 <= place < extent for place, extent in inside):
            value[target] = x[index]
    return Truth(value, x.dtype)


@oracle("reverse")
def _reverse(attrs: Attrs, x: NDArray) -> Truth:
    def element(index: Shape) -> Any:
        return x[
            tuple(
                extent - 1 - place if axis in attrs["axes"] else place
                for axis, (place, extent) in enumerate(zip(index, x.shape, strict=True))
            )
        ]

    return Truth(by_index(x.shape, x.dtype, element), x.dtype)


@oracle("concatenate")
def _concatenate(attrs: Attrs, *arrays: NDArray) -> Truth:
    axis = attrs["axis"]
    # which array, and which place in it, each place along the axis shows
    sources = [(a, place) for a in arrays for place in range(a.shape[axis])]

    def element(index: Shape) -> Any:
        array, place = sources[index[axis]]
        return array[replaced(index, axis, place)]

    shape = replaced(arrays[0].shape, axis, len(sources))
    dtype = arrays[0].dtype
    return Truth(by_index(shape, dtype, element), dtype)


# --- indexed -------------------------------------------------------------------------


def clamped(place: Any, last: int) -> int:
    return max(0, min(int(place), last))


@oracle("gather")
def _gather(attrs: Attrs, x: NDArray, indices: NDArray) -> Truth:
    axis, rank = attrs["axis"], indices.ndim

    def element(index: Shape) -> Any:
        place = clamped(indices[index[axis : axis + rank]], x.shape[axis] - 1)
        return x[(*index[:axis], place, *index[axis + rank :])]

    shape = replaced(x.shape, axis, *indices.shape)
    return Truth(by_index(shape, x.dtype, element), x.dtype)


@oracle("scatter")
def _scatter(attrs: Attrs, x: NDArray, indices: NDArray, updates: NDArray) -> Truth:
    axis, rank, mode = attrs["axis"], indices.ndim, attrs["mode"]
    wide = np.float64 if dtypes.is_float(x.dtype) else object
    value, scale = x.astype(wide), np.abs(x.astype(np.float64))
    count = 0
    # np.ndindex is row-major in the indices for each slice: the order that is defined
    for index in np.ndindex(*updates.shape):
        place = clamped(indices[index[axis : axis + rank]], x.shape[axis] - 1)
        target = (*index[:axis], place, *index[axis + rank :])
        update = updates[index].astype(wide)
        combine: Any = {"add": operator.add, "max": max, "min": min}.get(mode)
        value[target] = update if combine is None else combine(value[target], update)
        scale[target] += abs(float(updates[index]))
        count += 1
    if mode == "add" and dtypes.is_float(x.dtype):
        return Truth(value, x.dtype, count, scale)
    if dtypes.is_integer(x.dtype):
        value = by_index(x.shape, x.dtype, lambda i: wrap(int(value[i]), x.dtype))
    return Truth(value.astype(x.dtype), x.dtype)


def piece(x: NDArray, size: Shape, starts: NDArray) -> list[range]:
    """Return the places on each axis that a piece at clamped starts covers."""
    begins = [
        clamped(start, extent - length)
        for start, extent, length in zip(starts.tolist(), x.shape, size, strict=True)
    ]
    return [range(begin, begin + n) for begin, n in zip(begins, size, strict=True)]


@oracle("dynamic_slice")
def _dynamic_slice(attrs: Attrs, x: NDArray, starts: NDArray) -> Truth:
    places = piece(x, attrs["shape"], starts)

    def element(index: Shape) -> Any:
        return x[tuple(one[place] for one, place in zip(places, index, strict=True))]

    return Truth(by_index(attrs["shape"], x.dtype, element), x.dtype)


@oracle("dynamic_update_slice")
def _update(attrs: Attrs, x: NDArray, update: NDArray, starts: NDArray) -> Truth:
    places = piece(x, update.shape, starts)

    def element(index: Shape) -> Any:
        covered = zip(index, places, strict=True)
        if not all(place in one for place, one in covered):
            return x[index]
        moved = zip(index, places, strict=True)
        return update[tuple(place - one.start for place, one in moved)]

    return Truth(by_index(x.shape, x.dtype, element), x.dtype)
