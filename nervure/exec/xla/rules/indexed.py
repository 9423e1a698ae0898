"""Reading and writing at places that are known only when the program runs.

As everywhere, a place outside is taken to the nearest one inside.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.rule import Context, Rule, converted, filled, like
from nervure.ir.node import Node


def clamped(places: Any, limit: int) -> Any:
    """Return places as a signed type, moved into 0 ... limit."""
    most = min(limit, int(np.iinfo(places.dtype).max))
    inside = lax.clamp(
        np.asarray(0, places.dtype), places, np.asarray(most, places.dtype)
    )
    return converted(inside, dtypes.int32 if limit < 2**31 else dtypes.int64)


def _axis(node: Node) -> int:
    axis: Any = node.attrs["axis"]
    return int(axis)


def taken(x: Any, places: Any, axis: int) -> Any:
    """Return the slices of an axis at places that are inside."""
    rank = places.ndim
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(*range(axis), *range(axis + rank, x.ndim - 1 + rank)),
        collapsed_slice_dims=(axis,),
        start_index_map=(axis,),
    )
    return lax.gather(
        x,
        lax.expand_dims(places, (rank,)),
        numbers,
        slice_sizes=(*x.shape[:axis], 1, *x.shape[axis + 1 :]),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )


def _gather(_context: Context, node: Node, x: Any, indices: Any) -> Any:
    if node.size == 0:
        return filled(node)
    axis = _axis(node)
    # The operand may have fewer rows than the node says: those of a few steps.
    return taken(x, clamped(indices, x.shape[axis] - 1), axis)


def _scatter(_context: Context, node: Node, x: Any, indices: Any, updates: Any) -> Any:
    if 0 in (x.size, updates.size):
        return x
    axis, mode = _axis(node), str(node.attrs["mode"])
    places = clamped(indices, x.shape[axis] - 1)
    if mode == "set":
        return _last_ones(x, places, updates, axis)
    dtype = node.dtype
    if mode == "add":
        wide = dtypes.accumulator(dtype)
    else:  # truth values are compared as numbers
        wide = dtypes.uint8 if dtypes.is_bool(dtype) else dtype
    combine = {"add": lax.scatter_add, "max": lax.scatter_max, "min": lax.scatter_min}
    result = combine[mode](
        converted(x, wide),
        lax.expand_dims(places, (places.ndim,)),
        converted(updates, wide),
        _scatter_numbers(x.ndim, places.ndim, axis),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    return converted(result, dtype)


def _scatter_numbers(
    rank: int, index_rank: int, axis: int
) -> lax.ScatterDimensionNumbers:
    return lax.ScatterDimensionNumbers(
        update_window_dims=(*range(axis), *range(axis + index_rank,
                                                 rank - 1 + index_rank)),
        inserted_window_dims=(axis,),
        scatter_dims_to_operand_dims=(axis,),
    )  # fmt: skip


def _last_ones(x: Any, places: Any, updates: Any, axis: int) -> Any:
    """Write the last update for each place.

    XLA leaves open which of several assignments stays, so the number of the last one is
    found first: the largest, which does not depend on the order.
    """
    count = places.size
    flat = lax.reshape(places, (count,))
    last = lax.scatter_max(
        lax.full((x.shape[axis],), -1, dtypes.int32),
        lax.expand_dims(flat, (1,)),
        lax.iota(dtypes.int32, count),
        _scatter_numbers(1, 1, 0),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    rows = lax.reshape(updates, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
    written = taken(rows, lax.max(last, like(last, 0)), axis)
    there = lax.ge(last, like(last, 0))
    return lax.select(lax.broadcast_in_dim(there, x.shape, (axis,)), written, x)


def _starts(starts: Any, shape: Any, whole: Any) -> list[Any]:
    """Return where a piece begins on each axis, moved so that it fits."""
    return [
        clamped(lax.index_in_dim(starts, axis, keepdims=False), extent - size)
        for axis, (size, extent) in enumerate(zip(shape, whole, strict=True))
    ]


def _dynamic_slice(_context: Context, node: Node, x: Any, starts: Any) -> Any:
    if node.size == 0:
        return filled(node)
    return lax.dynamic_slice(x, _starts(starts, node.shape, x.shape), node.shape)


def _dynamic_update_slice(
    _context: Context, node: Node, x: Any, update: Any, starts: Any
) -> Any:
    if 0 in (x.size, update.size):
        return x
    places = _starts(starts, update.shape, x.shape)
    return lax.dynamic_update_slice(x, update, places)


RULES: Final[dict[str, Rule]] = {
    "gather": _gather,
    "scatter": _scatter,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
}
