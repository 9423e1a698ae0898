"""Turning what users pass into nodes, and operands into a common type and shape.

Below this layer nothing broadcasts and nothing promotes; here both happen, visibly, as
``broadcast`` and ``cast`` nodes.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import (
    ArgumentError,
    AxisError,
    DTypeError,
    ShapeError,
    explain,
)
from nervure.ir.attrs import NDArray
from nervure.ir.build import wrong
from nervure.ir.node import Node, Shape
from nervure.prims.leaf import buffer_leaf, const
from nervure.prims.movement import broadcast, concatenate, reshape
from nervure.prims.select import cast
from nervure.state import Cell


def frozen_copy(value: Any, dtype: DType | None = None) -> NDArray:
    """Return a read-only copy of data in a supported type.

    Python floats become float32 and Python integers int64, the default types; NumPy
    data keep their type.  Raises :class:`~nervure.errors.DTypeError` for objects,
    strings, complex numbers and ragged lists.
    """
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            explain(
                f"expected nested lists of equal lengths: {error}",
                fix="make all rows equally long, for example with "
                "nervure.utils.pad_sequences",
            )
        ) from None
    if raw.dtype.kind not in "biuf" and raw.dtype != dtypes.bfloat16:
        raise _no_numbers(value, raw)
    if dtype is None:
        given = hasattr(value, "dtype") or _is_buffer(value)
        dtype = dtypes.as_dtype(raw.dtype)
        if not given and dtype == dtypes.float64 and not _holds_numpy(value):
            dtype = dtypes.DEFAULT_FLOAT
    if raw.dtype.kind in "iu" and dtype.kind in "iu" and not hasattr(value, "dtype"):
        _check_range(raw, dtype)
    result = np.array(raw, dtype=dtype, order="C", copy=True)
    result.flags.writeable = False
    return result


def _check_range(raw: NDArray, dtype: DType) -> None:
    """Raise for Python's whole numbers that a type does not hold, as NumPy does."""
    limits = np.iinfo(dtype)
    wrong = raw[(raw < limits.min) | (raw > limits.max)]
    if wrong.size:
        raise DTypeError(
            explain(
                f"{dtype.name} holds {limits.min} to {limits.max}, got {wrong.flat[0]}",
                fix="choose a larger type, or convert an array with .astype(), which "
                "wraps around",
            )
        )


def _no_numbers(value: Any, raw: NDArray) -> DTypeError:
    """Return the error for data that are no numbers."""
    came = f"data of type {raw.dtype.name}"
    fix = "convert it first, for example with .astype('float32')"
    if value is None:
        came, fix = "None", "pass an array; does a function lack its return?"
    elif callable(value):
        came = f"a {type(value).__name__}"
        fix = "pass what it returns: call it on data"
    elif raw.dtype.kind == "O":
        other = [one for one in raw.flat if not isinstance(one, bool | int | float)]
        such = f"such as {other[0]!r:.60}" if other else "though all are numbers"
        came = f"data of type object, {such}"
    return DTypeError(explain(f"expected numbers, got {came}", fix=fix))


def _is_buffer(value: Any) -> bool:
    """Tell whether a value has Python's buffer protocol, which knows a data type."""
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _holds_numpy(value: Any) -> bool:
    """Tell whether nested lists hold NumPy values, which keep their type."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, np.ndarray | np.generic)


def holds_arrays(value: Any) -> bool:
    """Tell whether nested lists hold lazy arrays."""
    if isinstance(value, list | tuple):
        return any(map(holds_arrays, value))
    return isinstance(value, Array)


def assembled(value: Any) -> Node:
    """Return nested lists that hold lazy arrays as one node, without evaluating."""
    if not isinstance(value, list | tuple):
        return as_node(value)
    parts = [one if is_weak(one) else Array.of_node(assembled(one)) for one in value]
    nodes = promoted(*parts)
    if any(node.shape != nodes[0].shape for node in nodes):
        shapes = ", ".join(str(list(node.shape)) for node in nodes)
        raise ShapeError(
            explain(
                f"expected arrays of equal shapes in a list, got {shapes}",
                fix="reshape them, or join them with nervure.concat",
            )
        )
    return concatenate([reshape(node, (1, *node.shape)) for node in nodes], 0)


def as_node(value: Any, dtype: DType | None = None) -> Node:
    """Return the node of an array, a scalar or anything NumPy can convert.

    Single numbers become constants of the graph, other data become buffers.
    """
    if isinstance(value, Cell):
        value = value.value
    if isinstance(value, Array):
        return value.node if dtype is None else cast(value.node, dtype)
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        return const(value, dtype or scalar_dtype(value))
    if isinstance(value, list | tuple) and holds_arrays(value):
        node = assembled(value)
        return node if dtype is None else cast(node, dtype)
    data = frozen_copy(value, dtype)
    return buffer_leaf(data) if data.shape else const(data)


def scalar_dtype(value: bool | int | float) -> DType:
    """Return the default type of a Python number."""
    if isinstance(value, bool):
        return dtypes.bool_
    return dtypes.DEFAULT_INT if isinstance(value, int) else dtypes.DEFAULT_FLOAT


def is_weak(value: Any) -> bool:
    """Tell whether a value is a Python number, which takes the other's type."""
    return isinstance(value, bool | int | float) and not isinstance(value, np.generic)


def promoted(*values: Any) -> list[Node]:
    """Return the operands as nodes of one common data type."""
    strong = [None if is_weak(value) else as_node(value) for value in values]
    types = [node.dtype for node in strong if node is not None]
    if types:
        common = dtypes.result_type(*types)
        for value in values:
            if is_weak(value):
                common = dtypes.promote_scalar(common, value)
    else:
        common = dtypes.result_type(*(scalar_dtype(value) for value in values))
    return [
        _weak_constant(value, common) if node is None else cast(node, common)
        for value, node in zip(values, strong, strict=True)
    ]


def _weak_constant(value: bool | int | float, dtype: DType) -> Node:
    """Return a Python number as a constant; integers must fit the type."""
    if dtypes.is_integer(dtype) and not isinstance(value, bool):
        limits = np.iinfo(dtype)
        if not limits.min <= value <= limits.max:
            raise DTypeError(
                explain(
                    f"the number {value} does not fit into {dtype.name}",
                    fix="convert the array first, for example with .astype('int64')",
                )
            )
    return const(value, dtype)


def common_shape(op: str, nodes: Sequence[Node]) -> Shape:
    """Return the shape that operands broadcast to; raises :class:`ShapeError`."""
    try:
        return np.broadcast_shapes(*(node.shape for node in nodes))
    except ValueError:
        shapes = " and ".join(str(list(node.shape)) for node in nodes)
        names = (
            "xyz"[: len(nodes)]
            if len(nodes) <= 3
            else [f"x{place}" for place in range(len(nodes))]
        )
        raise wrong(
            ShapeError,
            op,
            f"shapes {shapes} do not broadcast: counted from the last axis, sizes "
            "must be equal or 1",
            nodes,
            list(names),
            fix="reshape one operand, for example with x[:, None]",
        ) from None


def broadcast_node(node: Node, shape: Shape) -> Node:
    """Return ``node`` repeated to ``shape`` by NumPy's rule; it must fit."""
    if node.shape == shape:
        return node
    offset = len(shape) - len(node.shape)
    kept = [
        axis
        for axis, extent in enumerate(node.shape)
        if extent != 1 or shape[offset + axis] == 1
    ]
    slim = reshape(node, tuple(node.shape[axis] for axis in kept))
    return broadcast(slim, shape, tuple(offset + axis for axis in kept))


def aligned(op: str, *values: Any) -> list[Node]:
    """Return the operands as nodes of one data type and one shape."""
    nodes = promoted(*values)
    shape = common_shape(op, nodes)
    return [broadcast_node(node, shape) for node in nodes]


def whole_index(op: str, what: str, value: Any, fix: str) -> int:
    """Return a whole number; raises :class:`DTypeError` for anything else.

    >>> whole_index("split", "sections", 3, "write split(x, 3)")
    3
    """
    try:
        return operator.index(value)
    except TypeError:
        raise DTypeError(
            explain(
                f"{op}: expected {what} to be a whole number, got {value!r}", fix=fix
            )
        ) from None


def axis_index(op: str, axis: int, rank: int) -> int:
    """Return a possibly negative axis as one from 0; raises for one out of range."""
    place = whole_index(op, "axis", axis, "write axis=-1 for the last one")
    if not -rank <= place < rank:
        raise AxisError(
            explain(
                f"{op}: axis {axis} is out of range for an array of {rank} axes",
                fix=f"use an axis from {-rank} to {rank - 1}"
                if rank
                else "give it an axis first: x[None]",
            )
        )
    return place % rank


def axes_tuple(op: str, axis: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Return the axes that an ``axis`` argument means; None means all."""
    if axis is None:
        return tuple(range(rank))
    try:
        given = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
        axes = tuple(sorted(axis_index(op, one, rank) for one in given))
    except TypeError:
        raise DTypeError(
            explain(
                f"{op}: expected axis to be a whole number, several, or None, got "
                f"{axis!r}",
                fix="pass axis=-1, for example, or axis=(0, 1)",
            )
        ) from None
    if len(set(axes)) != len(axes):
        raise ArgumentError(
            explain(f"{op}: an axis is repeated in {axis}", fix="name each axis once")
        )
    return axes
