"""Indexing with NumPy's meaning: ``x[key]`` for every kind of key.

A key is taken apart into one :class:`_Entry` for each axis, which are applied in three
steps:

1. slices and known numbers cut the array (``slice`` and ``reverse``);
2. numbers that are computed pick one place of their axis each (``gather``);
3. index arrays are broadcast together and turned into one linear index into the axes
   that they index, laid together (one ``gather``).

Truth masks are evaluated and become index arrays, because the shape of the result
depends on them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.errors import IndexingError, NervureError, TraceError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.build import origin_of, wrong
from nervure.ir.node import Node, Shape
from nervure.ops.creation import data_leaf
from nervure.ops.operands import broadcast_node
from nervure.prims import binary
from nervure.prims.indexed import gather
from nervure.prims.leaf import full_like
from nervure.prims.movement import reshape, reverse, transpose
from nervure.prims.select import cast, select
from nervure.prims.slicing import slice_


def _wrong(x: Node, headline: str, fix: str | None = None) -> NervureError:
    return wrong(IndexingError, "indexing", headline, [x], ["x"], fix=fix)


# --- index values --------------------------------------------------------------------

# Known integers, without negative ones, or integers that a node computes.
Index = NDArray | Node


def wrapped_index(x: Node, axis: int, index: int | NDArray | Array) -> Index:
    """Return an index in which negative numbers have been counted from the end.

    Raises an ``IndexError`` where the numbers are known and one is out of range.
    """
    extent = x.shape[axis]
    known = index.value_or_none if isinstance(index, Array) else np.asarray(index)
    if known is not None:
        _check_range(x, axis, known)
    if not isinstance(index, Array):
        places = np.asarray(known).astype(np.int64)
        return np.where(places < 0, places + extent, places)
    node = cast(index.node, dtypes.int64)
    if dtypes.is_unsigned(index.dtype):
        return node
    negative = binary.lt(node, full_like(node, 0))
    return select(negative, binary.add(node, full_like(node, extent)), node)


def _check_range(x: Node, axis: int, places: NDArray) -> None:
    """Raise :class:`IndexingError` unless all numbers are places of an axis."""
    extent = x.shape[axis]
    if places.size == 0 or -extent <= places.min() <= places.max() < extent:
        return
    outside = places[(places < -extent) | (places >= extent)].reshape(-1)[0]
    fix = f"use numbers from {-extent} to {extent - 1}" if extent else None
    headline = f"index {outside} is out of range for axis {axis} of size {extent}"
    raise _wrong(x, headline, fix)


def index_node(index: Index) -> Node:
    """Return an index as a node."""
    return index if isinstance(index, Node) else data_leaf(index)


def clamped(index: Index, extent: int) -> Node:
    """Return an index whose computed numbers have been moved into an axis."""
    if not isinstance(index, Node):
        return data_leaf(index)
    above = binary.maximum(index, full_like(index, 0))
    return binary.minimum(above, full_like(index, max(extent - 1, 0)))


# --- taking a key apart --------------------------------------------------------------

# "gap" is an Ellipsis that stands for no axis: it still separates index arrays.
_Kind = Literal["slice", "number", "array", "gap"]


class _Entry(NamedTuple):
    """What a key says about one axis.

    ``value`` is a slice for the kind "slice", else an index; ``new`` says that the axis
    is put in, with size one.
    """

    kind: _Kind
    value: Any = None
    new: bool = False


_WHOLE = _Entry("slice", slice(None))
_NEW = _Entry("slice", slice(None), new=True)
_GAP = _Entry("gap")


def _plain(x: Node, item: Any) -> Any:
    """Return an item of a key as None, ``...``, a slice, or what NumPy indexes with.

    The latter is an int, a NumPy array of whole numbers or truth values, or a lazy
    array of whole numbers.
    """
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return _plain_slice(x, item)
    if isinstance(item, Array):
        if dtypes.is_bool(item.dtype):
            return _mask_value(item)
        if dtypes.is_integer(item.dtype):
            return item
        kind = item.dtype.name
    else:
        try:
            value = np.asarray(item)
        except ValueError:
            raise _wrong(x, f"expected index lists of equal lengths: {item}") from None
        if value.size == 0 and not hasattr(item, "dtype"):
            value = value.astype(np.int64)
        if value.dtype.kind in "biu":
            known = value.ndim > 0 or value.dtype.kind == "b"
            return value if known else int(value)
        kind = type(item).__name__ if value.ndim == 0 else value.dtype.name
    raise _wrong(
        x,
        f"expected whole numbers, slices, truth masks, None or '...', got {kind}",
        fix="convert indices with .astype('int64')",
    )


def _plain_slice(x: Node, item: slice) -> slice:
    """Return a slice of Python ints; its bounds are evaluated if they are arrays."""
    parts = (item.start, item.stop, item.step)
    try:
        bounds = [None if part is None else operator.index(part) for part in parts]
    except TypeError:
        text = ":".join("" if part is None else str(part) for part in parts)
        raise _wrong(
            x,
            f"expected whole numbers in a slice, got {text}",
            fix="convert the bounds with int(...)",
        ) from None
    if bounds[2] == 0:
        raise _wrong(
            x,
            "the step of a slice must not be 0",
            fix="x[::-1] turns the order around, x[::2] takes every second element",
        )
    return slice(*bounds)


def _mask_value(mask: Array) -> NDArray:
    """Return the value of a truth mask, or explain why there is none."""
    try:
        return mask.numpy()
    except TraceError:
        raise TraceError(
            explain(
                "a truth mask was used as an index while a function is being traced: "
                "the shape of the result depends on values that are not there yet",
                operands=[("mask", mask.node.type_text, origin_of(mask.node))],
                fix="keep the shape: nervure.where(mask, x, 0), or weight the elements "
                "with the mask",
            )
        ) from None


def _axes_used(item: Any) -> int:
    """Return how many axes an item of a key stands for, leaving aside ``...``."""
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, np.ndarray) and item.dtype == np.bool_:
        return item.ndim
    return 1


def _entries(x: Node, key: Any) -> list[_Entry]:
    """Return what a key says about every axis."""
    items = [_plain(x, one) for one in (key if isinstance(key, tuple) else (key,))]
    dots = sum(item is Ellipsis for item in items)
    used = sum(map(_axes_used, items))
    rank = len(x.shape)
    if dots > 1:
        raise _wrong(
            x,
            "expected one '...' at most in an index",
            fix="write the axes between them as ':'",
        )
    if used > rank:
        raise _wrong(
            x,
            f"{used} indices are too many for an array of {rank} axes",
            fix=f"give at most {rank}",
        )
    if not dots:
        items.append(Ellipsis)
    entries: list[_Entry] = []
    axis = 0
    for item in items:
        if item is Ellipsis:
            entries.extend([_WHOLE] * (rank - used) or [_GAP])
            axis += rank - used
        else:
            entries.extend(_entries_of(x, axis, item))
            axis += _axes_used(item)
    return entries


def _entries_of(x: Node, axis: int, item: Any) -> list[_Entry]:
    """Return what one item says about the axes from ``axis`` on."""
    if item is None:
        return [_NEW]
    if isinstance(item, slice):
        return [_Entry("slice", item)]
    if isinstance(item, np.ndarray) and item.dtype == np.bool_:
        return _mask_entries(x, axis, item)
    index = wrapped_index(x, axis, item)
    kind: _Kind = "number" if isinstance(item, int) or not item.shape else "array"
    return [_Entry(kind, index)]


def _mask_entries(x: Node, axis: int, mask: NDArray) -> list[_Entry]:
    """Return a truth mask as index arrays."""
    if mask.ndim == 0:  # a new axis, of which one place or none is taken
        return [_Entry("array", np.arange(int(mask)), new=True)]
    shape = x.shape[axis : axis + mask.ndim]
    if mask.shape != shape:
        raise _wrong(
            x,
            f"expected a mask of shape {list(shape)}, got {list(mask.shape)}",
            fix="compare the array that is indexed, for example x[x > 0]",
        )
    return [_Entry("array", places) for places in np.nonzero(mask)]


def known_piece(x: Node, key: Any) -> tuple[list[int], list[int], Shape] | None:
    """Return the piece that a key of known numbers and plain slices cuts out.

    That is where it begins on each axis, its sizes there, and the shape of ``x[key]``;
    None for other keys.
    """
    axed = [entry for entry in _entries(x, key) if entry.kind != "gap"]
    if any(entry.new or entry.kind == "array" for entry in axed):
        return None
    starts, sizes, shape = [], [], []
    for entry, extent in zip(axed, x.shape, strict=True):
        if isinstance(entry.value, Node):
            return None
        if entry.kind == "number":
            starts.append(int(entry.value))
            sizes.append(1)
            continue
        places = range(extent)[entry.value]
        if places.step != 1 and len(places) > 1:
            return None
        starts.append(places[0] if places else 0)
        sizes.append(len(places))
        shape.append(len(places))
    return starts, sizes, tuple(shape)


# --- applying it ---------------------------------------------------------------------


def getitem(x: Array, key: Any, /) -> Array:
    """Return ``x[key]``.

    A key holds whole numbers, slices, None (a new axis), ``...``, lists and arrays of
    whole numbers, truth masks, and arrays without axes, whose value need not be known.

    Raises an ``IndexError`` for known numbers out of range; computed ones are moved
    into the range.  A mask is evaluated: inside a traced function that is a
    :class:`~nervure.errors.TraceError`.

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(6), (2, 3))
    >>> x[1, ::-1].tolist(), x[[0, 1], [2, 0]].tolist(), x[x > 3].tolist()
    ([5, 4, 3], [2, 3], [4, 5])
    """
    entries = _entries(x.node, key)
    axed = [entry for entry in entries if entry.kind != "gap"]
    node = _numbers_picked(_cut(_widened(x.node, axed), axed), axed)
    slim = [entry for entry in axed if entry.kind != "number"]
    shape = [
        extent
        for entry, extent in zip(axed, node.shape, strict=True)
        if entry.kind != "number"
    ]
    node = reshape(node, shape)
    axes = [axis for axis, entry in enumerate(slim) if entry.kind == "array"]
    if not axes:
        return Array.of_node(node)
    indices = [slim[axis].value for axis in axes]
    # NumPy: the axes of the index arrays stand where the arrays stood, unless
    # something stood between them (numbers count as arrays here); then they go first.
    target = axes[0] if _adjacent(entries) else 0
    return Array.of_node(_arrays_picked(node, axes, indices, target))


def _adjacent(entries: Sequence[_Entry]) -> bool:
    """Tell whether no slice, new axis or ``...`` stands between index arrays."""
    places = [
        place
        for place, entry in enumerate(entries)
        if entry.kind in ("number", "array")
    ]
    return places[-1] - places[0] == len(places) - 1


def _widened(node: Node, entries: Sequence[_Entry]) -> Node:
    """Put the new axes in."""
    extents = iter(node.shape)
    return reshape(node, [1 if entry.new else next(extents) for entry in entries])


def _cut(node: Node, entries: Sequence[_Entry]) -> Node:
    """Apply slices, and known numbers as slices of one element."""
    starts, stops, steps, turned = [], [], [], []
    for axis, (entry, extent) in enumerate(zip(entries, node.shape, strict=True)):
        places = range(extent)
        if entry.kind == "slice":
            places = places[entry.value]
        elif entry.kind == "number" and not isinstance(entry.value, Node):
            number = int(entry.value)
            places = range(number, number + 1)
        if places.step < 0:
            places = places[::-1]
            turned.append(axis)
        starts.append(places.start if places else 0)
        stops.append(places[-1] + 1 if places else 0)
        steps.append(places.step if len(places) > 1 else 1)
    return reverse(slice_(node, starts, stops, steps), turned)


def _numbers_picked(node: Node, entries: Sequence[_Entry]) -> Node:
    """Apply computed numbers; their axes get size one."""
    for axis, entry in enumerate(entries):
        if entry.kind == "number" and isinstance(entry.value, Node):
            node = gather(node, reshape(entry.value, (1,)), axis)
    return node


def _arrays_picked(
    node: Node, axes: list[int], indices: list[Index], target: int
) -> Node:
    """Apply index arrays; the axes of their common shape begin at ``target``."""
    shapes = [index.shape for index in indices]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        texts = " and ".join(str(list(one)) for one in shapes)
        raise _wrong(node, f"index arrays of shapes {texts} do not broadcast") from None
    count = len(axes)
    if axes != list(range(axes[0], axes[0] + count)):
        others = [axis for axis in range(len(node.shape)) if axis not in axes]
        node = transpose(node, axes + others)
        axes = list(range(count))
    first = axes[0]
    extents = node.shape[first : first + count]
    if count > 1:
        before, after = node.shape[:first], node.shape[first + count :]
        node = reshape(node, (*before, math.prod(extents), *after))
    node = gather(node, _linear_index(indices, extents, shape), first)
    return _axes_moved(node, first, len(shape), target)


def _linear_index(indices: list[Index], extents: Shape, shape: Shape) -> Node:
    """Return one index for several axes laid together, in row-major order."""
    if len(indices) == 1:
        return index_node(indices[0])
    strides = [math.prod(extents[place + 1 :]) for place in range(len(extents))]
    known = [index for index in indices if not isinstance(index, Node)]
    if len(known) == len(indices):
        parts = [n * stride for n, stride in zip(known, strides, strict=True)]
        return data_leaf(np.broadcast_to(sum(parts), shape))
    total: Node | None = None
    for index, extent, stride in zip(indices, extents, strides, strict=True):
        part = broadcast_node(clamped(index, extent), shape)
        part = binary.mul(part, full_like(part, stride))
        total = part if total is None else binary.add(total, part)
    assert total is not None
    return total


def _axes_moved(node: Node, first: int, count: int, target: int) -> Node:
    """Move ``count`` axes that begin at ``first`` to where they are to begin."""
    if first == target:
        return node
    moved = list(range(first, first + count))
    order = [axis for axis in range(len(node.shape)) if axis not in moved]
    order[target:target] = moved
    return transpose(node, order)
