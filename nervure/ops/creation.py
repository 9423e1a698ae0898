"""Making arrays.

Regular arrays (zeros, ranges of whole numbers, the identity) are built from constants
and counters inside the graph, where that gives the same bits; no memory is filled until
somebody looks.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.ops.device import placed
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import (
    as_node,
    broadcast_node,
    frozen_copy,
    holds_arrays,
    whole_index,
)
from nervure.prims import binary, leaf
from nervure.prims.leaf import buffer_leaf, const, iota
from nervure.prims.movement import broadcast, reshape
from nervure.prims.select import cast, select
from nervure.state import Cell

# Data up to this many elements become part of the graph's text, where equal data are
# one node; more stay outside as a buffer.
SMALL = 256

ShapeLike = int | Sequence[int]


def data_leaf(value: NDArray) -> Node:
    """Return data that a function here has made: a constant if small, or a buffer."""
    return const(value) if value.size <= SMALL else buffer_leaf(value)


def shape_tuple(op: str, shape: ShapeLike) -> tuple[int, ...]:
    """Return a shape given as a number or a sequence; sizes must not be negative."""
    try:
        given = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        result = tuple(operator.index(extent) for extent in given)
    except TypeError:
        raise DTypeError(
            explain(
                f"{op}: expected a shape of whole numbers, got {shape!r}",
                fix="pass a tuple such as (2, 3), or one number",
            )
        ) from None
    if any(extent < 0 for extent in result):
        raise ArgumentError(
            explain(
                f"{op}: sizes must not be negative, got {result}",
                fix="pass sizes of at least 0, such as (2, 3)",
            )
        )
    return result


# --- from data -----------------------------------------------------------------------


def asarray(
    obj: Any,
    /,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
    copy: bool | None = None,
) -> Array:
    """Return an array of numbers, nested lists, or anything NumPy converts.

    The data are copied, because arrays are computed later.  NumPy data keep their type,
    Python floats become float32, integers int64, truth values bool.  A lazy array of
    that type is returned itself, unless ``copy=True``.
    Lists that hold lazy arrays are assembled inside the graph, so gradients flow.

    Raises :class:`~nervure.errors.DTypeError` for objects, strings and complex numbers,
    and ``ValueError`` for ``copy=False`` with data that must be copied.

    >>> import nervure as nv
    >>> nv.asarray([1.0, 2.0]).dtype, nv.asarray([1, 2]).dtype
    (dtype('float32'), dtype('int64'))
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(obj, Cell):
        obj = obj.value
    if isinstance(obj, Array) and (wanted is None or wanted == obj.dtype):
        return placed(obj.alias() if copy else obj, device)
    if copy is False:
        reason = (
            "another data type needs one"
            if isinstance(obj, Array)
            else "arrays are computed later and must not share data that may change"
        )
        raise ArgumentError(
            explain(
                f"asarray: expected that no copy is needed (copy=False), but {reason}",
                fix="leave the argument copy out",
            )
        )
    if isinstance(obj, Array):
        return placed(Array.of_node(cast(obj.node, wanted or obj.dtype)), device)
    if isinstance(obj, list | tuple) and holds_arrays(obj):
        return placed(Array.of_node(as_node(obj, wanted)), device)
    return placed(Array.of_node(buffer_leaf(frozen_copy(obj, wanted))), device)


def from_dlpack(
    x: Any, /, *, device: str | None = None, copy: bool | None = None
) -> Array:
    """Return a copy of an array of another library that speaks DLPack.

    >>> import numpy as np, nervure as nv
    >>> nv.from_dlpack(np.arange(3.0)).tolist()
    [0.0, 1.0, 2.0]
    """
    if isinstance(x, Array):
        return asarray(x, device=device, copy=copy)
    return asarray(np.from_dlpack(x), device=device, copy=copy)


# --- one value -----------------------------------------------------------------------


def full(
    shape: ShapeLike,
    fill_value: ArrayLike,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return an array that holds one value everywhere.

    ``fill_value`` is a number, or an array that broadcasts to ``shape``.  Without a
    ``dtype`` it decides the type.

    >>> import nervure as nv
    >>> nv.full((2, 2), 7).tolist()
    [[7, 7], [7, 7]]
    """
    sizes = shape_tuple("full", shape)
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    node = as_node(fill_value, wanted)
    return placed(Array.of_node(_repeated("full", node, sizes)), device)


def _repeated(op: str, node: Node, shape: tuple[int, ...]) -> Node:
    """Return a node broadcast to a shape, or say that it does not fit."""
    try:
        fits = np.broadcast_shapes(node.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            explain(
                f"{op}: shape {list(node.shape)} does not broadcast to {list(shape)}",
                fix="pass one number, or an array whose sizes are 1 or those of the "
                "shape",
            )
        )
    return broadcast_node(node, shape)


def full_like(
    x: ArrayLike,
    /,
    fill_value: ArrayLike,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return one value in the shape, and unless said the type, of another array.

    >>> import nervure as nv
    >>> nv.full_like(nv.asarray([1, 2]), 5).tolist()
    [5, 5]
    """
    like = as_node(x)
    wanted = like.dtype if dtype is None else dtype
    return full(like.shape, fill_value, dtype=wanted, device=device)


def zeros(
    shape: ShapeLike,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return an array of zeros, float32 unless said.

    >>> import nervure as nv
    >>> nv.zeros(3).tolist()
    [0.0, 0.0, 0.0]
    """
    wanted = dtypes.DEFAULT_FLOAT if dtype is None else dtype
    return full(shape, 0, dtype=wanted, device=device)


def ones(
    shape: ShapeLike,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return an array of ones, float32 unless said.

    >>> import nervure as nv
    >>> nv.ones((1, 2), dtype=nv.int8).tolist()
    [[1, 1]]
    """
    wanted = dtypes.DEFAULT_FLOAT if dtype is None else dtype
    return full(shape, 1, dtype=wanted, device=device)


def zeros_like(
    x: ArrayLike,
    /,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return zeros in the shape, and unless said the type, of another array.

    >>> import nervure as nv
    >>> nv.zeros_like(nv.asarray([1.5, 2.0])).tolist()
    [0.0, 0.0]
    """
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(
    x: ArrayLike,
    /,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return ones in the shape, and unless said the type, of another array.

    >>> import nervure as nv
    >>> nv.ones_like(nv.asarray([3, 4])).tolist()
    [1, 1]
    """
    return full_like(x, 1, dtype=dtype, device=device)


def empty(
    shape: ShapeLike,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return an array to be replaced: zeros, since an array is never written to.

    >>> import nervure as nv
    >>> nv.empty((2, 0)).shape
    (2, 0)
    """
    return zeros(shape, dtype=dtype, device=device)


def empty_like(
    x: ArrayLike,
    /,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return an array of the same shape to be replaced: zeros.

    >>> import nervure as nv
    >>> nv.empty_like(nv.asarray([[1, 2]])).shape
    (1, 2)
    """
    return zeros_like(x, dtype=dtype, device=device)


# --- ranges --------------------------------------------------------------------------


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return evenly spaced numbers from ``start`` up to but not including ``stop``.

    With one argument they run from 0 up to it.  The type is int64 for whole numbers
    and float32 otherwise.

    Raises
    ------
    ArgumentError
        For a step of 0, and for what is no number.

    >>> import nervure as nv
    >>> nv.arange(2, 11, 3).tolist(), nv.arange(0.0, 1.0, 0.25).tolist()
    ([2, 5, 8], [0.0, 0.25, 0.5, 0.75])
    """
    if stop is None:
        start, stop = 0, start
    start, stop, step = _number(start), _number(stop), _number(step)
    if step == 0:
        raise ArgumentError(
            explain(
                "arange: the step must not be 0",
                fix="pass a step such as 1, or use linspace for a number of points",
            )
        )
    whole = isinstance(start, int) and isinstance(step, int)
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
    elif whole and isinstance(stop, int):
        wanted = dtypes.DEFAULT_INT
    else:
        wanted = dtypes.DEFAULT_FLOAT
    count = _count(start, stop, step)
    if whole and _counts_exactly(start, step, count, wanted):
        return placed(
            Array.of_node(_counter(int(start), int(step), count, wanted)), device
        )
    places: NDArray = np.arange(count, dtype=np.int64 if whole else np.float64)
    return placed(
        Array.of_node(data_leaf((start + places * step).astype(wanted))), device
    )


def _number(value: Any) -> int | float:
    """Return a Python number for what may be an array or a NumPy number."""
    number = (
        value.item() if isinstance(value, Array | np.ndarray | np.generic) else value
    )
    if not isinstance(number, int | float):
        raise ArgumentError(
            explain(
                f"expected a number, got {value!r}",
                fix="pass a Python number or an array without axes",
            )
        )
    return number


def _count(start: int | float, stop: int | float, step: int | float) -> int:
    """Return how many steps there are from ``start`` before ``stop``."""
    if all(isinstance(one, int) for one in (start, stop, step)):
        return len(range(int(start), int(stop), int(step)))
    steps = (stop - start) / step
    if not math.isfinite(steps):
        raise ArgumentError(
            explain(
                "arange: expected a finite number of steps, got start "
                f"{start}, stop {stop} and step {step}",
                fix="pass finite numbers",
            )
        )
    return max(0, math.ceil(steps))


def _counts_exactly(
    start: int | float, step: int | float, count: int, dtype: DType
) -> bool:
    """Tell whether every step of a counter of whole numbers is exact in a type."""
    extremes = (start, step, count, start + step * max(count - 1, 0))
    if dtypes.is_integer(dtype):
        limits = np.iinfo(dtype)
        return all(limits.min <= value <= limits.max for value in extremes)
    digits = {dtypes.float64: 53, dtypes.float32: 24, dtypes.float16: 11}.get(dtype, 0)
    return all(abs(value) <= 2**digits for value in extremes)


def _counter(start: int, step: int, count: int, dtype: DType) -> Node:
    """Return ``start, start + step, ...`` from a counter in the graph."""
    node = iota((count,), 0, dtype)
    if step != 1:
        node = binary.mul(node, leaf.full_like(node, step))
    if start != 0 or step < 0:  # 0 times a negative step is -0.0
        node = binary.add(node, leaf.full_like(node, start))
    return node


def linspace(
    start: int | float,
    stop: int | float,
    /,
    num: int,
    *,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
    endpoint: bool = True,
) -> Array:
    """Return ``num`` evenly spaced numbers from ``start`` to ``stop``, float32.

    Raises
    ------
    ArgumentError
        For a negative num.

    >>> import nervure as nv
    >>> nv.linspace(0, 1, 5).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    wanted = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
    count = whole_index("linspace", "num", num, "write linspace(0, 1, 5)")
    if count < 0:
        raise ArgumentError(
            explain(
                f"linspace: expected num of at least 0, got {num}",
                fix="pass how many numbers you want, such as 11",
            )
        )
    values = np.linspace(_number(start), _number(stop), count, endpoint=endpoint)
    if dtypes.is_integer(wanted):
        values = np.floor(values)
    return placed(Array.of_node(data_leaf(values.astype(wanted))), device)


# --- matrices and grids --------------------------------------------------------------


def _diagonal_offsets(shape: tuple[int, ...]) -> tuple[Node, Node]:
    """Return the row and the column of each element of matrices."""
    rank = len(shape)
    return iota(shape, rank - 2), iota(shape, rank - 1)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: npt.DTypeLike | None = None,
    device: str | None = None,
) -> Array:
    """Return a matrix with ones on one diagonal, ``k`` places right of the main one.

    >>> import nervure as nv
    >>> nv.eye(2, 3, k=1).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    wanted = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
    shape = shape_tuple("eye", (n_rows, n_rows if n_cols is None else n_cols))
    row, column = _diagonal_offsets(shape)
    shifted = binary.add(row, leaf.full_like(row, operator.index(k)))
    return placed(Array.of_node(cast(binary.eq(shifted, column), wanted)), device)


def tril(x: ArrayLike, /, *, k: int = 0) -> Array:
    """Return matrices with zeros above the diagonal ``k``.

    >>> import nervure as nv
    >>> nv.tril(nv.ones((2, 2))).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _triangle("tril", x, k, lower=True)


def triu(x: ArrayLike, /, *, k: int = 0) -> Array:
    """Return matrices with zeros below the diagonal ``k``.

    >>> import nervure as nv
    >>> nv.triu(nv.ones((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return _triangle("triu", x, k, lower=False)


def _triangle(op: str, x: ArrayLike, k: int, *, lower: bool) -> Array:
    node = as_node(x)
    if len(node.shape) < 2:
        raise ShapeError(
            explain(
                f"{op}: expected an array of at least 2 axes, got {node.type_text}",
                fix="pass a matrix, or several along the first axes",
            )
        )
    row, column = _diagonal_offsets(node.shape)
    shifted = binary.add(row, leaf.full_like(row, operator.index(k)))
    kept = binary.le(column, shifted) if lower else binary.le(shifted, column)
    return Array.of_node(select(kept, node, leaf.full_like(node, 0)))


def meshgrid(*arrays: ArrayLike, indexing: str = "xy") -> list[Array]:
    """Return the coordinates of a grid, one array for each axis.

    With ``indexing="ij"`` the axes come in the order of the arguments; with "xy" the
    first two are exchanged, as in a picture.

    Raises
    ------
    ArgumentError, ShapeError
        For another indexing, and for arrays of several axes.

    >>> import nervure as nv
    >>> rows, columns = nv.meshgrid([0, 1], [5, 6, 7], indexing="ij")
    >>> rows.shape, columns.tolist()
    ((2, 3), [[5, 6, 7], [5, 6, 7]])
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(
            explain(
                f"meshgrid: expected indexing 'xy' or 'ij', got {indexing!r}",
                fix="'xy' for pictures and plots, 'ij' for matrices",
            )
        )
    nodes = [as_node(array) for array in arrays]
    for place, node in enumerate(nodes):
        if len(node.shape) > 1:
            raise ShapeError(
                explain(
                    f"meshgrid: expected arrays of one axis, argument {place} is "
                    f"{node.type_text}",
                    fix="flatten it with nervure.ravel",
                )
            )
    lines = [reshape(node, (node.size,)) for node in nodes]
    order = list(range(len(lines)))
    if indexing == "xy" and len(lines) > 1:
        order[:2] = [1, 0]
    shape = tuple(lines[place].shape[0] for place in order)
    return [
        Array.of_node(broadcast(line, shape, (order.index(place),)))
        for place, line in enumerate(lines)
    ]
