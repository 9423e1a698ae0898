"""Checks that several shape rules share."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError
from nervure.ir.build import wrong
from nervure.ir.node import Node, Shape


def as_shape(op: str, shape: Sequence[int]) -> Shape:
    """Return ``shape`` as a tuple of Python ints; raises for negative sizes."""
    result = tuple(operator.index(extent) for extent in shape)
    if any(extent < 0 for extent in result):
        raise wrong(
            ArgumentError, op, f"sizes must not be negative, got {result}", (), ()
        )
    return result


def as_ints(values: Sequence[int]) -> tuple[int, ...]:
    """Return ``values`` as a tuple of Python ints."""
    return tuple(operator.index(value) for value in values)


def same_shape(op: str, inputs: Sequence[Node], names: Sequence[str]) -> Shape:
    """Return the common shape of ``inputs``; raises :class:`ShapeError`."""
    shape = inputs[0].shape
    for node in inputs[1:]:
        if node.shape != shape:
            shapes = " and ".join(str(list(node.shape)) for node in inputs)
            raise wrong(
                ShapeError,
                op,
                f"operands must have equal shapes, got {shapes}",
                inputs,
                names,
                fix="broadcast or reshape one of them",
            )
    return shape


def same_dtype(op: str, inputs: Sequence[Node], names: Sequence[str]) -> DType:
    """Return the common data type of ``inputs``; raises :class:`DTypeError`."""
    dtype = inputs[0].dtype
    for node in inputs[1:]:
        if node.dtype != dtype:
            types = " and ".join(node.dtype.name for node in inputs)
            raise wrong(
                DTypeError,
                op,
                f"operands must have equal data types, got {types}",
                inputs,
                names,
                fix="cast one of them with .astype(...)",
            )
    return dtype


def dtype_among(
    op: str, inputs: Sequence[Node], names: Sequence[str], allowed: Sequence[DType]
) -> None:
    """Raise :class:`DTypeError` unless the first operand has an allowed type."""
    dtype = inputs[0].dtype
    if dtype in allowed:
        return
    kinds = list(dict.fromkeys(dtypes.kind_of(one) for one in allowed))
    words = {
        "bool": "truth values",
        "signed": "integers",
        "unsigned": "integers",
        "float": "floating-point numbers",
    }
    expected = " or ".join(dict.fromkeys(words[kind] for kind in kinds))
    raise wrong(
        DTypeError,
        op,
        f"expected {expected}, got {dtype.name}",
        inputs,
        names,
        fix=f"cast with .astype('{allowed[-1].name}')" if allowed else None,
    )


def axis_within(op: str, axis: int, inputs: Sequence[Node], name: str = "x") -> int:
    """Return ``axis`` if it is one of the first operand's; raises otherwise."""
    node = inputs[0]
    if not 0 <= axis < len(node.shape):
        raise wrong(
            ArgumentError,
            op,
            f"axis {axis} is not an axis of {node.type_text}",
            inputs[:1],
            (name,),
            fix=f"use an axis from 0 to {len(node.shape) - 1}" if node.shape else None,
        )
    return axis


def axes_within(op: str, axes: tuple[int, ...], inputs: Sequence[Node]) -> Shape:
    """Return ``axes`` if they are sorted, different axes of the first operand."""
    for axis in axes:
        axis_within(op, axis, inputs)
    if list(axes) != sorted(set(axes)):
        raise wrong(
            ArgumentError,
            op,
            f"axes must be in increasing order without repeats, got {axes}",
            inputs[:1],
            ("x",),
        )
    return axes
