"""Reading and writing at places that are known only when the program runs.

| primitive | does |
|---|---|
| ``gather`` | picks slices of one axis by number, as ``np.take`` |
| ``scatter`` | writes, adds or compares slices into one axis by number |
| ``dynamic_slice`` | cuts out a piece of fixed shape at a computed place |
| ``dynamic_update_slice`` | overwrites a piece at a computed place |

No place is ever outside: an index is clamped to the first or the last one, and a piece
is moved until it fits.  A compiled program cannot stop in the middle, so clamping is
the definition; while ``config.check`` is on, the reference raises instead, and so does
the cpu executor after a run with such an index.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.errors import (
    ArgumentError,
    DTypeError,
    ShapeError,
)
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims import binary
from nervure.prims.check import as_shape, axis_within, same_dtype
from nervure.prims.leaf import const, full, full_like, iota
from nervure.prims.movement import broadcast, reshape
from nervure.prims.outside import index_outside, start_outside
from nervure.prims.select import cast, select
from nervure.prims.slicing import sample_values

MODES = ("set", "add", "max", "min")
GATHER_NAMES = ("x", "indices")
SCATTER_NAMES = ("x", "indices", "updates")
SLICE_NAMES = ("x", "starts")
UPDATE_NAMES = ("x", "update", "starts")


# --- checks and clamping that several rules share ------------------------------------


def _check_integers(
    op: str, name: str, inputs: Sequence[Node], names: Sequence[str]
) -> None:
    """Raise unless the operand that holds places is of an integer type."""
    dtype = inputs[names.index(name)].dtype
    if not dtypes.is_integer(dtype):
        raise wrong(
            DTypeError,
            op,
            f"expected integer {name}, got {dtype.name}",
            inputs,
            names,
            fix="cast them with .astype('int64')",
        )


def _gathered_shape(
    op: str, axis: int, inputs: Sequence[Node], names: Sequence[str]
) -> Shape:
    """Return the shape that ``gather`` gives; raises for indices that cannot be."""
    x, indices = inputs[:2]
    axis_within(op, axis, inputs)
    _check_integers(op, "indices", inputs, names)
    if x.shape[axis] == 0 and indices.size:
        raise wrong(
            ShapeError,
            op,
            f"axis {axis} of size 0 has no element for {indices.size} indices",
            inputs,
            names,
            fix="index an axis that has elements, or pass no indices",
        )
    return x.shape[:axis] + indices.shape + x.shape[axis + 1 :]


def _clamp(places: NDArray, limit: Sequence[int] | int) -> NDArray:
    """Return the places as int64, moved into 0 ... limit.

    A large uint64 would turn negative as int64, so the upper end is cut in uint64.
    """
    positive = np.maximum(places, 0).astype(np.uint64)
    return np.minimum(positive, np.asarray(limit, np.uint64)).astype(np.int64)


def _places(node: Node, indices: NDArray) -> NDArray:
    """Return the indices of ``gather`` and ``scatter``, clamped; checked if asked."""
    axis: Any = node.attrs["axis"]
    extent = node.inputs[0].shape[axis]
    places = _clamp(indices, max(extent - 1, 0))
    if config.check and not np.array_equal(places, indices):
        number = int(np.flatnonzero(places != indices)[0])
        raise index_outside(node, number, indices.flat[number])
    return places


# --- gather --------------------------------------------------------------------------


def _infer_gather(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    axis: Any = attrs["axis"]
    return _gathered_shape("gather", axis, inputs, GATHER_NAMES), inputs[0].dtype


def _reference_gather(node: Node, x: NDArray, indices: NDArray) -> NDArray:
    axis: Any = node.attrs["axis"]
    return np.asarray(np.take(x, _places(node, indices), axis=axis))


def _gather_gradient(node: Node, g: Node) -> tuple[Node, None]:
    """An element that was read several times collects all its cotangents."""
    x, indices = node.inputs
    axis: Any = node.attrs["axis"]
    return scatter(full_like(x, 0), indices, g, axis, "add"), None


def _gather_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 4, 3)
    matrix = np.array([[2, 0], [1, 1]], np.int32)
    outside = np.array([-1, 5, 3, -(2**40)], np.int64)
    nothing = np.zeros((2, 0), np.int64)
    return [
        Sample((values, np.array([3, 0, 0], np.int64)), {"axis": 0}),
        Sample((values, matrix), {"axis": 1}),
        Sample((values, np.array(2, np.uint8)), {"axis": 0}),
        Sample((values, outside), {"axis": 0}),
        Sample((values, np.array([2**64 - 1, 1], np.uint64)), {"axis": 1}),
        Sample((values, nothing), {"axis": 1}),
        Sample((values[:0], matrix), {"axis": 1}),
        Sample((values[:0], nothing), {"axis": 0}),
    ]


GATHER = register(
    Primitive(
        "gather",
        GATHER_NAMES,
        _infer_gather,
        _reference_gather,
        _gather_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        _gather_samples,
        [
            WrongUse(
                lambda: gather(full((2, 3), 0, dtypes.float32), const([0]), 2),
                ArgumentError,
                "gather: axis 2 is not an axis of float32[2, 3]",
            ),
            WrongUse(
                lambda: gather(full((2, 3), 0, dtypes.float32), const([0.0]), 0),
                DTypeError,
                "gather: expected integer indices, got float64",
            ),
            WrongUse(
                lambda: gather(full((2, 0), 0, dtypes.float32), const([0, 0]), 1),
                ShapeError,
                "gather: axis 1 of size 0 has no element for 2 indices",
            ),
        ],
    )
)


def gather(x: Node, indices: Node, axis: int) -> Node:
    """Return the slices of x numbered by ``indices``, as ``np.take`` does.

    ``indices`` are integers of any shape; below 0 means 0, beyond the end means the
    last one.  The result has the shape
    ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``.
    """
    return apply(GATHER, x, indices, axis=operator.index(axis))


# --- scatter -------------------------------------------------------------------------


def _infer_scatter(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    x, _, updates = inputs
    axis: Any = attrs["axis"]
    mode = attrs["mode"]
    if mode not in MODES:
        raise wrong(
            ArgumentError,
            "scatter",
            f"expected a mode among {', '.join(MODES)}, got {mode!r}",
            inputs,
            SCATTER_NAMES,
        )
    shape = _gathered_shape("scatter", axis, inputs, SCATTER_NAMES)
    dtype = same_dtype("scatter", (x, updates), ("x", "updates"))
    if mode == "add" and dtypes.is_bool(dtype):
        raise wrong(
            DTypeError,
            "scatter",
            "truth values cannot be added",
            inputs,
            SCATTER_NAMES,
            fix="use the mode 'max' for a logical or, or cast with .astype('int64')",
        )
    if updates.shape != shape:
        raise wrong(
            ShapeError,
            "scatter",
            f"expected updates of shape {list(shape)}, got {list(updates.shape)}",
            inputs,
            SCATTER_NAMES,
            fix="give one slice of x for each index",
        )
    return x.shape, dtype


def _reference_scatter(
    node: Node, x: NDArray, indices: NDArray, updates: NDArray
) -> NDArray:
    axis: Any = node.attrs["axis"]
    mode = node.attrs["mode"]
    places = _places(node, indices).reshape(-1)
    wide = dtypes.accumulator(x.dtype) if mode == "add" else x.dtype
    result = np.moveaxis(x, axis, 0).astype(wide, order="C", copy=True)
    # One slice for each index, in the row-major order of the indices.
    indexed = range(axis, axis + indices.ndim)
    slices = np.moveaxis(updates, indexed, range(indices.ndim)).astype(wide)
    slices = slices.reshape(places.size, *result.shape[1:])
    if mode == "set":
        # NumPy does not promise which of several assignments stays: find the last.
        last = np.full(result.shape[0], -1)
        np.maximum.at(last, places, np.arange(places.size))
        result[last >= 0] = slices[last[last >= 0]]
    else:
        combine = {"add": np.add, "max": np.maximum, "min": np.minimum}[str(mode)]
        combine.at(result, places, slices)  # one after the other, in order
    return np.moveaxis(result, 0, axis).astype(node.dtype, copy=False)


def _is_last(node: Node) -> Node:
    """Tell which updates stay when each place keeps the last one written to it.

    Each update writes its running number into an integer array; an update that reads
    its own number back was the last.
    """
    x, indices, updates = node.inputs
    axis: Any = node.attrs["axis"]
    numbers = reshape(iota((indices.size,), 0), indices.shape)
    board = full((x.shape[axis],), 0, dtypes.int64)
    kept = gather(scatter(board, indices, numbers, 0, "set"), indices, 0)
    axes = tuple(range(axis, axis + len(indices.shape)))
    return broadcast(binary.eq(kept, numbers), updates.shape, axes)


def _scatter_gradient(node: Node, g: Node) -> tuple[Node, None, Node]:
    x, indices, updates = node.inputs
    axis: Any = node.attrs["axis"]
    mode = node.attrs["mode"]
    at_updates = gather(g, indices, axis)
    nothing = full_like(updates, 0)
    if mode == "add":
        return g, None, at_updates
    if mode == "set":
        to_x = scatter(g, indices, nothing, axis, "set")
        return to_x, None, select(_is_last(node), at_updates, nothing)
    # An extremum: all that equal it, x itself among them, share the cotangent equally.
    x_wins = binary.eq(x, node)
    update_wins = binary.eq(updates, gather(node, indices, axis))
    winners = scatter(
        cast(x_wins, g.dtype), indices, cast(update_wins, g.dtype), axis, "add"
    )
    share = binary.div(g, winners)
    to_x = select(x_wins, share, full_like(x, 0))
    return to_x, None, select(update_wins, gather(share, indices, axis), nothing)


def _scatter_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    modes = [mode for mode in MODES if mode != "add" or not dtypes.is_bool(dtype)]
    # All different and apart, so that the extrema are smooth.
    values = random.permutation(60).astype(dtype)
    x, updates = values[:20].reshape(5, 4), values[20:]
    twice = np.array([3, 0, 3, 3], np.int64)
    matrix = np.array([[2, 0, 2], [9, -7, 3]], np.int32)
    ties = np.ones((4, 4), dtype)
    samples = []
    for mode in modes:
        first: dict[str, Any] = {"axis": 0, "mode": mode}
        second: dict[str, Any] = {"axis": 1, "mode": mode}
        linear = mode in ("set", "add")
        samples += [
            Sample((x, twice, updates[:16].reshape(4, 4)), first),
            Sample((x, matrix, updates[:30].reshape(5, 2, 3)), second),
            Sample((x, np.array(4, np.uint8), updates[:4]), first),
            Sample((ties, twice, ties), first, smooth=linear),
            Sample((x, twice[:0], updates[:0].reshape(0, 4)), first),
            Sample((x[:0], twice, updates[:0].reshape(0, 4)), second),
            Sample((x[:0], twice[:0], updates[:0].reshape(0, 4)), first),
        ]
    return samples


def _wrong_scatter(
    x: Node, indices: Node, updates: Node, axis: int = 0, mode: str = "add"
) -> Any:
    return lambda: scatter(x, indices, updates, axis, mode)


_FLOATS = full((2,), 0, dtypes.float32)
_TRUTHS = full((2,), 0, dtypes.bool_)

SCATTER = register(
    Primitive(
        "scatter",
        SCATTER_NAMES,
        _infer_scatter,
        _reference_scatter,
        _scatter_gradient,
        Fusion.OPAQUE,
        dtypes.ALL,
        _scatter_samples,
        [
            WrongUse(
                _wrong_scatter(_FLOATS, const([0, 1]), _FLOATS, mode="sum"),
                ArgumentError,
                "scatter: expected a mode among set, add, max, min, got 'sum'",
            ),
            WrongUse(
                _wrong_scatter(_FLOATS, const([0, 1]), const([1.0, 2.0])),
                DTypeError,
                "scatter: operands must have equal data types, got float32 and float64",
            ),
            WrongUse(
                _wrong_scatter(_TRUTHS, const([0, 1]), _TRUTHS),
                DTypeError,
                "scatter: truth values cannot be added",
            ),
            WrongUse(
                _wrong_scatter(_FLOATS, const([0]), _FLOATS),
                ShapeError,
                "scatter: expected updates of shape [1], got [2]",
            ),
        ],
    )
)


def scatter(x: Node, indices: Node, updates: Node, axis: int, mode: str) -> Node:
    """Return x with slices of one axis overwritten or combined with ``updates``.

    Parameters
    ----------
    x
        Any array; with the mode "add" one of numbers.
    indices
        Integers of any shape; below 0 means 0, beyond the end means the last one.
    updates
        One slice for each index, of the type of x and the shape that
        ``gather(x, indices, axis)`` has.
    axis
        The axis of x that is indexed.
    mode
        "set", "add", "max" or "min".  Where an index occurs several times, its updates
        are taken in row-major order: the last one stays, or they are added in that
        order (float16 and bfloat16 in float32, rounded once).
    """
    return apply(SCATTER, x, indices, updates, axis=operator.index(axis), mode=mode)


# --- dynamic_slice -------------------------------------------------------------------


def _check_piece(
    op: str, shape: Shape, inputs: Sequence[Node], names: Sequence[str]
) -> None:
    """Raise unless there is a start for each axis, and the piece lies within x."""
    whole, starts = inputs[0].shape, inputs[-1].shape
    _check_integers(op, "starts", inputs, names)
    fits = len(shape) == len(whole) and all(
        0 <= size <= extent for size, extent in zip(shape, whole, strict=True)
    )
    if starts != (len(whole),):
        headline = f"expected starts of shape [{len(whole)}], got {list(starts)}"
    elif not fits:
        headline = f"a piece of shape {list(shape)} does not fit into {list(whole)}"
    else:
        return
    raise wrong(ShapeError, op, headline, inputs, names)


def _piece(node: Node, starts: NDArray, shape: Shape) -> tuple[slice, ...]:
    """Return where a piece lies, moved so that it fits; checked if asked."""
    whole = node.inputs[0].shape
    room = [extent - size for extent, size in zip(whole, shape, strict=True)]
    places = _clamp(starts, room)
    if config.check and not np.array_equal(places, starts):
        axis = int(np.argmax(places != starts))
        raise start_outside(node, axis, starts[axis])
    return tuple(
        slice(start, start + size)
        for start, size in zip(places.tolist(), shape, strict=True)
    )


def _infer_dynamic_slice(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    shape: Any = attrs["shape"]
    _check_piece("dynamic_slice", shape, inputs, SLICE_NAMES)
    return shape, inputs[0].dtype


def _dynamic_slice_gradient(node: Node, g: Node) -> tuple[Node, None]:
    x, starts = node.inputs
    return dynamic_update_slice(full_like(x, 0), g, starts), None


# Starts for a piece of [2, 3] in [4, 5]: inside, outside, and of other types.
_STARTS = (
    np.array([1, 2], np.int64),
    np.array([-3, 9], np.int32),
    np.array([2**64 - 1, 0], np.uint64),
)


def _dynamic_slice_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 4, 5)
    one = _STARTS[0]
    return [
        *(Sample((values, starts), {"shape": (2, 3)}) for starts in _STARTS),
        Sample((values, one), {"shape": (4, 5)}),
        Sample((values, one), {"shape": (0, 5)}),
        Sample((values[:0], one), {"shape": (0, 2)}),
        Sample((values[0, 0], one[:0]), {"shape": ()}),
    ]


_MATRIX = full((2, 3), 0, dtypes.float32)

DYNAMIC_SLICE = register(
    Primitive(
        "dynamic_slice",
        SLICE_NAMES,
        _infer_dynamic_slice,
        lambda node, x, starts: np.asarray(x[_piece(node, starts, node.shape)]),
        _dynamic_slice_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        _dynamic_slice_samples,
        [
            WrongUse(
                lambda: dynamic_slice(_MATRIX, const([0.0, 0.0]), (1, 1)),
                DTypeError,
                "dynamic_slice: expected integer starts, got float64",
            ),
            WrongUse(
                lambda: dynamic_slice(_MATRIX, const([0]), (1, 1)),
                ShapeError,
                "dynamic_slice: expected starts of shape [2], got [1]",
            ),
            WrongUse(
                lambda: dynamic_slice(_MATRIX, const([0, 0]), (1, 4)),
                ShapeError,
                "dynamic_slice: a piece of shape [1, 4] does not fit into [2, 3]",
            ),
            WrongUse(
                lambda: dynamic_slice(_MATRIX, const([0, 0]), (1,)),
                ShapeError,
                "dynamic_slice: a piece of shape [1] does not fit into [2, 3]",
            ),
            WrongUse(
                lambda: dynamic_slice(_MATRIX, const([0, 0]), (1, -1)),
                ArgumentError,
                "dynamic_slice: sizes must not be negative, got (1, -1)",
            ),
        ],
    )
)


def dynamic_slice(x: Node, starts: Node, shape: Sequence[int]) -> Node:
    """Return the piece of ``shape`` that begins at ``starts``.

    ``starts`` is an integer array with one element for each axis of x.  A piece that
    would reach over an end of x is moved until it fits.
    """
    return apply(DYNAMIC_SLICE, x, starts, shape=as_shape("dynamic_slice", shape))


# --- dynamic_update_slice ------------------------------------------------------------


def _infer_update(inputs: Sequence[Node], _attrs: Attrs) -> tuple[Shape, DType]:
    name = "dynamic_update_slice"
    x, update, _ = inputs
    _check_piece(name, update.shape, inputs, UPDATE_NAMES)
    return x.shape, same_dtype(name, (x, update), ("x", "update"))


def _reference_update(
    node: Node, x: NDArray, update: NDArray, starts: NDArray
) -> NDArray:
    result = np.array(x)
    result[_piece(node, starts, update.shape)] = update
    return result


def _update_gradient(node: Node, g: Node) -> tuple[Node, Node, None]:
    _, update, starts = node.inputs
    to_x = dynamic_update_slice(g, full_like(update, 0), starts)
    return to_x, dynamic_slice(g, starts, update.shape), None


def _update_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    x = sample_values(dtype, random, 4, 5)
    update = sample_values(dtype, random, 2, 3)
    one = _STARTS[0]
    return [
        *(Sample((x, update, starts)) for starts in _STARTS),
        Sample((x, x, one)),
        Sample((x, update[:0], one)),
        Sample((x[:0], update[:0], one)),
        Sample((x[0, 0], update[0, 0], one[:0])),
    ]


DYNAMIC_UPDATE_SLICE = register(
    Primitive(
        "dynamic_update_slice",
        UPDATE_NAMES,
        _infer_update,
        _reference_update,
        _update_gradient,
        Fusion.OPAQUE,
        dtypes.ALL,
        _update_samples,
        [
            WrongUse(
                lambda: dynamic_update_slice(_MATRIX, _MATRIX, const(0)),
                ShapeError,
                "dynamic_update_slice: expected starts of shape [2], got []",
            ),
            WrongUse(
                lambda: dynamic_update_slice(_MATRIX, const([[1]]), const([0, 0])),
                DTypeError,
                "dynamic_update_slice: operands must have equal data types, "
                "got float32 and int64",
            ),
            WrongUse(
                lambda: dynamic_update_slice(
                    _MATRIX, full((3, 1), 0, dtypes.float32), const([0, 0])
                ),
                ShapeError,
                "dynamic_update_slice: "
                "a piece of shape [3, 1] does not fit into [2, 3]",
            ),
        ],
    )
)


def dynamic_update_slice(x: Node, update: Node, starts: Node) -> Node:
    """Return x with the piece that begins at ``starts`` replaced by ``update``.

    ``starts`` is an integer array with one element for each axis of x.  A piece that
    would reach over an end of x is moved until it fits.
    """
    return apply(DYNAMIC_UPDATE_SLICE, x, update, starts)
