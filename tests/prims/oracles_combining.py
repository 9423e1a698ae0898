"""Oracles of the primitives that combine many elements; see ``oracles``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from tests.prims.truth import (
    Attrs,
    NDArray,
    Number,
    Shape,
    Truth,
    by_index,
    numbers,
    of_numbers,
    oracle,
    replaced,
    wrap,
)

# --- reductions ----------------------------------------------------------------------


def reduced(
    x: NDArray, axes: Shape, combine: Callable[[list[Any]], Number], dtype: DType
) -> NDArray:
    """Combine, for each place of the other axes, the list of elements over ``axes``."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    shape = tuple(x.shape[axis] for axis in kept)
    lists: dict[Shape, list[Any]] = {index: [] for index in np.ndindex(*shape)}
    for index, value in zip(np.ndindex(*x.shape), numbers(x), strict=True):
        lists[tuple(index[axis] for axis in kept)].append(value)
    return of_numbers(map(combine, lists.values()), shape, dtype)


def _count(x: NDArray, axes: Shape) -> int:
    return math.prod(x.shape[axis] for axis in axes)


@oracle("reduce_sum")
def _reduce_sum(attrs: Attrs, x: NDArray) -> Truth:
    axes, dtype = attrs["axes"], x.dtype
    if dtypes.is_integer(dtype):
        return Truth(reduced(x, axes, lambda v: wrap(sum(v), dtype), dtype), dtype)
    value = reduced(x, axes, math.fsum, dtypes.float64)
    scale = reduced(np.abs(x), axes, math.fsum, dtypes.float64)
    return Truth(value, dtype, _count(x, axes), scale)


@oracle("reduce_prod")
def _reduce_prod(attrs: Attrs, x: NDArray) -> Truth:
    axes, dtype = attrs["axes"], x.dtype
    if dtypes.is_integer(dtype):
        value = reduced(x, axes, lambda v: wrap(math.prod(v), dtype), dtype)
        return Truth(value, dtype)
    value = reduced(
        x, axes, lambda v: float(math.prod(map(Fraction, v))), dtypes.float64
    )
    return Truth(value, dtype, _count(x, axes))


@oracle("reduce_max")
def _reduce_max(attrs: Attrs, x: NDArray) -> Truth:
    return Truth(reduced(x, attrs["axes"], max, x.dtype), x.dtype)


@oracle("reduce_min")
def _reduce_min(attrs: Attrs, x: NDArray) -> Truth:
    return Truth(reduced(x, attrs["axes"], min, x.dtype), x.dtype)


@oracle("argmax")
def _argmax(attrs: Attrs, x: NDArray) -> Truth:
    def first_of_largest(values: list[Any]) -> int:
        return values.index(max(values))

    value = reduced(x, (attrs["axis"],), first_of_largest, dtypes.int64)
    return Truth(value, dtypes.int64)


# --- contractions --------------------------------------------------------------------


class Sums:
    """An array of sums of products, with what is needed to judge their rounding."""

    def __init__(self, shape: Shape, dtype: DType) -> None:
        exact = dtypes.is_integer(dtype)
        self.dtype = dtype
        self.value = np.zeros(shape, object if exact else np.float64)
        self.scale = np.zeros(shape)
        self.terms = 0

    def add(self, index: Shape, x: Any, y: Any) -> None:
        if dtypes.is_integer(self.dtype):
            self.value[index] += int(x) * int(y)
            return
        product = float(x) * float(y)
        self.value[index] += product
        self.scale[index] += abs(product)
        self.terms += 1

    def truth(self) -> Truth:
        if dtypes.is_integer(self.dtype):
            whole = by_index(
                self.value.shape,
                self.dtype,
                lambda index: wrap(int(self.value[index]), self.dtype),
            )
            return Truth(whole, self.dtype)
        # no sum has more roundings than terms were added, on average, twice over
        units = 2 * self.terms / max(self.value.size, 1) + 2
        return Truth(self.value, self.dtype, units, self.scale)


@oracle("dot")
def _dot(attrs: Attrs, x: NDArray, y: NDArray) -> Truth:
    """Name every axis, as in Einstein's notation: a name has one place at a time."""
    x_names = [f"x{axis}" for axis in range(x.ndim)]
    y_names = [f"y{axis}" for axis in range(y.ndim)]
    for pair in (attrs["batch"], attrs["contract"]):
        for x_axis, y_axis in zip(*pair, strict=True):
            y_names[y_axis] = x_names[x_axis]
    sizes = dict(zip([*x_names, *y_names], [*x.shape, *y.shape], strict=True))
    result = [x_names[axis] for axis in attrs["batch"][0]]
    result += [name for name in x_names if name not in y_names]
    result += [name for name in y_names if name not in x_names]
    sums = Sums(tuple(sizes[name] for name in result), x.dtype)
    for places in itertools.product(*map(range, sizes.values())):
        at = dict(zip(sizes, places, strict=True))
        index, in_x, in_y = (
            tuple(at[name] for name in names) for names in (result, x_names, y_names)
        )
        sums.add(index, x[in_x], y[in_y])
    return sums.truth()


def meetings(
    attrs: Attrs, x_shape: Shape, kernel_shape: Shape
) -> tuple[Shape, Iterator[tuple[Shape, Shape, Shape]]]:
    """Return a convolution's shape, and who meets whom in it.

    Each triple ``(x index, kernel index, result index)`` stands for one product.
    """
    strides, padding = attrs["strides"], attrs["padding"]
    dilation, groups = attrs["dilation"], attrs["groups"]
    window, (per_group, filters) = kernel_shape[:-2], kernel_shape[-2:]
    sizes = []
    for axis, extent in enumerate(x_shape[1:-1]):
        reach = dilation[axis] * (window[axis] - 1) + 1
        last = extent + sum(padding[axis]) - reach
        sizes.append(len(range(0, last + 1, strides[axis])))

    def triples() -> Iterator[tuple[Shape, Shape, Shape]]:
        for n, *places, o in np.ndindex(x_shape[0], *sizes, filters):
            group = o // (filters // groups)
            for *inner, c in np.ndindex(*window, per_group):
                at = [
                    place * strides[axis]
                    + inner[axis] * dilation[axis]
                    - padding[axis][0]
                    for axis, place in enumerate(places)
                ]
                inside = zip(at, x_shape[1:-1], strict=True)
                if all(0 <= place < extent for place, extent in inside):
                    channel = group * per_group + c
                    yield (n, *at, channel), (*inner, c, o), (n, *places, o)

    return (x_shape[0], *sizes, filters), triples()


@oracle("conv")
def _conv(attrs: Attrs, x: NDArray, kernel: NDArray) -> Truth:
    shape, triples = meetings(attrs, x.shape, kernel.shape)
    sums = Sums(shape, x.dtype)
    for in_x, in_kernel, in_result in triples:
        sums.add(in_result, x[in_x], kernel[in_kernel])
    return sums.truth()


@oracle("conv_input_grad")
def _conv_input_grad(attrs: Attrs, g: NDArray, kernel: NDArray) -> Truth:
    channels = kernel.shape[-2] * attrs["groups"]
    x_shape = (g.shape[0], *attrs["sizes"], channels)
    sums = Sums(x_shape, g.dtype)
    for in_x, in_kernel, in_result in meetings(attrs, x_shape, kernel.shape)[1]:
        sums.add(in_x, g[in_result], kernel[in_kernel])
    return sums.truth()


@oracle("conv_kernel_grad")
def _conv_kernel_grad(attrs: Attrs, x: NDArray, g: NDArray) -> Truth:
    per_group = x.shape[-1] // attrs["groups"]
    kernel_shape = (*attrs["window"], per_group, g.shape[-1])
    sums = Sums(kernel_shape, x.dtype)
    for in_x, in_kernel, in_result in meetings(attrs, x.shape, kernel_shape)[1]:
        sums.add(in_kernel, x[in_x], g[in_result])
    return sums.truth()


# --- scans, order, windows -----------------------------------------------------------


def along(
    x: NDArray, axis: int, function: Callable[..., Sequence[Number]], *others: NDArray
) -> NDArray:
    """Apply a function of lists to each line of elements along an axis, as objects."""
    result = np.empty(x.shape, object)
    lines = [replaced(i, axis, 0) for i in np.ndindex(*replaced(x.shape, axis, 1))]
    for line in lines:
        indices = [replaced(line, axis, place) for place in range(x.shape[axis])]
        rows = [[array[index].item() for index in indices] for array in (x, *others)]
        for index, value in zip(indices, function(*rows), strict=True):
            result[index] = value
    return result


@oracle("cumsum")
def _cumsum(attrs: Attrs, x: NDArray) -> Truth:
    axis, dtype = attrs["axis"], x.dtype
    total = sum if dtypes.is_integer(dtype) else math.fsum

    def sums(values: list[Any]) -> list[Any]:
        places = range(len(values))
        if attrs["reverse"]:
            return [total(values[place:]) for place in places]
        return [total(values[: place + 1]) for place in places]

    if dtypes.is_integer(dtype):
        whole = along(x, axis, lambda v: [wrap(one, dtype) for one in sums(v)])
        return Truth(whole.astype(dtype), dtype)
    wide = x.astype(np.float64)
    value = along(wide, axis, sums).astype(np.float64)
    scale = along(np.abs(wide), axis, sums).astype(np.float64)
    return Truth(value, dtype, x.shape[axis], scale)


@oracle("sort")
def _sort(attrs: Attrs, keys: NDArray, payload: NDArray) -> Truth:
    sign = -1 if attrs["descending"] else 1

    def ordered(keys: list[Any], payload: list[Any]) -> list[Any]:
        def rank(place: int) -> tuple[bool, Any]:
            key = keys[place]
            return (True, 0) if key != key else (False, sign * key)

        return [payload[place] for place in sorted(range(len(keys)), key=rank)]

    if dtypes.is_float(keys.dtype):
        keys = keys.astype(np.float64)
    # places as the payload, so that no type of payload needs converting
    places = np.arange(keys.size).reshape(keys.shape)
    order = along(keys, attrs["axis"], ordered, places).astype(int)
    flat = [payload[index] for index in np.ndindex(*payload.shape)]
    value = by_index(payload.shape, payload.dtype, lambda index: flat[order[index]])
    return Truth(value, payload.dtype)


def window_counts(attrs: Attrs, shape: Shape) -> Shape:
    """Return how many windows there are along each axis, by counting starts."""
    counts = []
    for axis, extent in enumerate(shape):
        low, high = attrs["padding"][axis]
        reach = attrs["dilation"][axis] * (attrs["window"][axis] - 1)
        starts = range(-low, extent + high - reach, attrs["strides"][axis])
        counts.append(len(starts))
    return tuple(counts)


def windows(attrs: Attrs, shape: Shape) -> dict[Shape, list[Shape]]:
    """Return, for each window, the indices of the elements of x in it, in order."""
    found: dict[Shape, list[Shape]] = {}
    for place in np.ndindex(*window_counts(attrs, shape)):
        found[place] = []
        for offset in itertools.product(*map(range, attrs["window"])):
            index = tuple(
                place[axis] * attrs["strides"][axis]
                - attrs["padding"][axis][0]
                + offset[axis] * attrs["dilation"][axis]
                for axis in range(len(shape))
            )
            inside = zip(index, shape, strict=True)
            if all(0 <= at < extent for at, extent in inside):
                found[place].append(index)
    return found


@oracle("window_sum")
def _window_sum(attrs: Attrs, x: NDArray) -> Truth:
    sums = Sums(window_counts(attrs, x.shape), x.dtype)
    for place, members in windows(attrs, x.shape).items():
        for index in members:
            sums.add(place, x[index], 1)
    return sums.truth()


def first_largest(x: NDArray, members: Sequence[Shape]) -> Shape:
    """Return the index of the first NaN among the members, or of the first maximum."""
    nan = [index for index in members if x[index] != x[index]]
    return nan[0] if nan else max(members, key=lambda index: x[index].item())


@oracle("window_max")
def _window_max(attrs: Attrs, x: NDArray) -> Truth:
    found = windows(attrs, x.shape)
    value = by_index(
        window_counts(attrs, x.shape),
        x.dtype,
        lambda place: x[first_largest(x, found[place])],
    )
    return Truth(value, x.dtype)


@oracle("window_max_grad")
def _window_max_grad(attrs: Attrs, x: NDArray, g: NDArray) -> Truth:
    sums = Sums(x.shape, x.dtype)
    for place, members in windows(attrs, x.shape).items():
        sums.add(first_largest(x, members), g[place], 1)
    return sums.truth()
