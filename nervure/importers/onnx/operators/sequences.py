"""Sequences: lists of arrays whose length is known when a program is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.importers.onnx.operators.shapes import pieces
from nervure.importers.onnx.running import Operation, constant
from nervure.importers.onnx.table import operator


@operator("SequenceEmpty")
def empty(_operation: Operation) -> list[Array]:
    """Return a sequence of nothing."""
    return []


@operator("SequenceConstruct")
def construct(_operation: Operation, *values: Array) -> list[Array]:
    """Return a sequence of arrays."""
    return list(values)


@operator("SequenceInsert")
def insert(
    operation: Operation, values: list[Array], one: Array, place: Array | None = None
) -> list[Array]:
    """Return a sequence with one array more, by default at the end."""
    position = len(values) if place is None else _place(operation, place)
    if position < 0:
        position += len(values)
    return [*values[:position], one, *values[position:]]


@operator("SequenceErase")
def erase(
    operation: Operation, values: list[Array], place: Array | None = None
) -> list[Array]:
    """Return a sequence without one of its arrays, by default the last."""
    position = (-1 if place is None else _place(operation, place)) % len(values)
    return [*values[:position], *values[position + 1 :]]


@operator("SequenceAt")
def at(operation: Operation, values: list[Array], place: Array) -> Array:
    """Return one array of a sequence."""
    return values[_place(operation, place)]


@operator("SequenceLength")
def length(_operation: Operation, values: list[Array]) -> Array:
    """Return how many arrays a sequence has."""
    return constant(np.asarray(len(values), np.int64))


@operator("ConcatFromSequence")
def concat(operation: Operation, values: list[Array]) -> Array:
    """Join the arrays of a sequence along an axis, or along a new one."""
    join = ops.stack if operation.attribute("new_axis", 0) else ops.concat
    return join(values, axis=operation.attribute("axis"))


@operator("SplitToSequence")
def split(operation: Operation, x: Array, sizes: Array | None = None) -> list[Array]:
    """Cut an array into a sequence."""
    axis = operation.attribute("axis", 0) % x.ndim
    extent = x.shape[axis]
    if sizes is None:
        cut = pieces(x, axis, [1] * extent)
        if operation.attribute("keepdims", 1):
            return cut
        return [ops.squeeze(one, axis=axis) for one in cut]
    given = operation.known(sizes, "split")
    if given.ndim:
        return pieces(x, axis, given.tolist())
    size = int(given)
    return pieces(
        x, axis, [min(size, extent - first) for first in range(0, extent, size)]
    )


def _place(operation: Operation, place: Array) -> int:
    return int(operation.known(place, "position").reshape(()))


@operator("OptionalHasElement")
def has_element(_operation: Operation, value: Any = None) -> Array:
    """Tell whether a value is there."""
    return constant(np.asarray(value is not None))


@operator("OptionalGetElement")
def get_element(operation: Operation, value: Any) -> Any:
    """Return a value that may be missing."""
    if value is None:
        operation.refuse("there is no element to get")
    return value


@operator("Optional")
def optional(_operation: Operation, value: Any = None) -> Any:
    """Return a value that may be missing."""
    return value
