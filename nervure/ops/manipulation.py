"""Moving elements: shapes, axes, joining, repeating.  Nothing is computed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.build import wrong
from nervure.ir.node import Node, Shape
from nervure.ops.creation import data_leaf, shape_tuple
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import (
    as_node,
    axes_tuple,
    axis_index,
    broadcast_node,
    common_shape,
    promoted,
    whole_index,
)
from nervure.prims import movement, slicing
from nervure.prims.indexed import gather
from nervure.prims.movement import reverse
from nervure.prims.movement import transpose as permute

# --- shapes --------------------------------------------------------------------------


def reshape(
    x: ArrayLike, /, shape: int | Sequence[int], *, copy: bool | None = None
) -> Array:
    """Return the elements, in row-major order, in another shape.

    One size may be -1: it is what is left.  ``copy`` changes nothing.

    >>> import nervure as nv
    >>> nv.reshape(nv.arange(6), (2, -1)).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    del copy
    node = as_node(x)
    return Array.of_node(movement.reshape(node, _completed_shape(node, shape)))


def _completed_shape(node: Node, shape: int | Sequence[int]) -> Shape:
    """Return a shape with the size -1 replaced by what is left."""
    given = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    sizes = [
        whole_index("reshape", "each size", one, "pass sizes, such as (2, 3) or -1")
        for one in given
    ]
    if sizes.count(-1) > 1 or any(extent < -1 for extent in sizes):
        raise ArgumentError(
            explain(
                "reshape: expected sizes of at least 0 and one -1 at most, "
                f"got {given}",
                fix="leave one size only to be computed",
            )
        )
    if -1 in sizes:
        place = sizes.index(-1)
        rest = 1
        for extent in sizes[:place] + sizes[place + 1 :]:
            rest *= extent
        if rest == 0 or node.size % rest:
            raise wrong(
                ShapeError,
                "reshape",
                f"{node.size} elements do not fill the shape {sizes}",
                [node],
                ["x"],
                fix=f"choose sizes with the product {node.size}; -1 stands for what "
                "is left",
            )
        sizes[place] = node.size // rest
    return tuple(sizes)


def ravel(x: ArrayLike, /) -> Array:
    """Return the elements, in row-major order, in one axis.

    >>> import nervure as nv
    >>> nv.ravel(nv.asarray([[1, 2], [3, 4]])).tolist()
    [1, 2, 3, 4]
    """
    return reshape(x, -1) if as_node(x).size else reshape(x, 0)


def expand_dims(x: ArrayLike, /, axis: int | Sequence[int] = 0) -> Array:
    """Return the array with axes of size one put in.

    ``axis`` says where they are in the result.

    >>> import nervure as nv
    >>> nv.expand_dims(nv.zeros((2, 3)), axis=1).shape
    (2, 1, 3)
    """
    node = as_node(x)
    count = 1 if isinstance(axis, int | np.integer) else len(tuple(axis))
    rank = len(node.shape) + count
    new = axes_tuple("expand_dims", axis, rank)
    rest = iter(node.shape)
    shape = [1 if place in new else next(rest) for place in range(rank)]
    return Array.of_node(movement.reshape(node, shape))


def squeeze(x: ArrayLike, /, axis: int | Sequence[int] | None = None) -> Array:
    """Return the array without the given axes, whose size must be one.

    Without ``axis``, an addition to the standard, all axes of size one go.

    Raises
    ------
    ShapeError
        For an axis whose size is not 1.

    >>> import nervure as nv
    >>> nv.squeeze(nv.zeros((2, 1, 3)), axis=1).shape
    (2, 3)
    """
    node = as_node(x)
    if axis is None:
        axis = [place for place, extent in enumerate(node.shape) if extent == 1]
    gone = axes_tuple("squeeze", axis, len(node.shape))
    for place in gone:
        if node.shape[place] != 1:
            raise wrong(
                ShapeError,
                "squeeze",
                f"expected axis {place} to have size 1, it has {node.shape[place]}",
                [node],
                ["x"],
                fix="name axes of size 1 only; nervure.reshape changes the others",
            )
    shape = [n for place, n in enumerate(node.shape) if place not in gone]
    return Array.of_node(movement.reshape(node, shape))


def broadcast_to(x: ArrayLike, /, shape: int | Sequence[int]) -> Array:
    """Return the array repeated to a shape.

    Raises
    ------
    ShapeError
        For a shape to which x does not broadcast.

    >>> import nervure as nv
    >>> nv.broadcast_to(nv.asarray([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    node, sizes = as_node(x), shape_tuple("broadcast_to", shape)
    offset = len(sizes) - len(node.shape)
    fits = offset >= 0 and all(
        extent in (1, sizes[offset + axis]) for axis, extent in enumerate(node.shape)
    )
    if not fits:
        raise wrong(
            ShapeError,
            "broadcast_to",
            f"shape {list(node.shape)} does not broadcast to {list(sizes)}",
            [node],
            ["x"],
            fix="counted from the last axis, sizes must be equal or 1",
        )
    return Array.of_node(broadcast_node(node, sizes))


def broadcast_arrays(*arrays: ArrayLike) -> list[Array]:
    """Return the arrays repeated to their common shape.

    >>> import nervure as nv
    >>> rows, columns = nv.broadcast_arrays([[1], [2]], [5, 6])
    >>> rows.tolist(), columns.tolist()
    ([[1, 1], [2, 2]], [[5, 6], [5, 6]])
    """
    nodes = [as_node(array) for array in arrays]
    shape = common_shape("broadcast_arrays", nodes) if nodes else ()
    return [Array.of_node(broadcast_node(node, shape)) for node in nodes]


# --- axes ----------------------------------------------------------------------------


def permute_dims(x: ArrayLike, /, axes: Sequence[int]) -> Array:
    """Return the array with its axes in another order: axis i was ``axes[i]``.

    Raises
    ------
    ArgumentError
        For axes that are not each axis once.

    >>> import nervure as nv
    >>> nv.permute_dims(nv.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    node = as_node(x)
    rank = len(node.shape)
    order = [axis_index("permute_dims", axis, rank) for axis in axes]
    if sorted(order) != list(range(rank)):
        raise wrong(
            ArgumentError,
            "permute_dims",
            f"expected every axis once, got {tuple(axes)}",
            [node],
            ["x"],
            fix=f"name each of the {rank} axes once, as in {tuple(range(rank))[::-1]}",
        )
    return Array.of_node(permute(node, order))


def transpose(x: ArrayLike, /, axes: Sequence[int] | None = None) -> Array:
    """Return the array with its axes in another order, reversed by default.

    >>> import nervure as nv
    >>> nv.transpose(nv.zeros((2, 3, 4))).shape
    (4, 3, 2)
    """
    if axes is None:
        axes = tuple(reversed(range(len(as_node(x).shape))))
    return permute_dims(x, axes)


def swapaxes(x: ArrayLike, axis1: int, axis2: int, /) -> Array:
    """Return the array with two axes exchanged.

    >>> import nervure as nv
    >>> nv.swapaxes(nv.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    rank = len(as_node(x).shape)
    first, second = (axis_index("swapaxes", axis, rank) for axis in (axis1, axis2))
    order = list(range(rank))
    order[first], order[second] = second, first
    return permute_dims(x, order)


def moveaxis(
    x: ArrayLike,
    source: int | Sequence[int],
    destination: int | Sequence[int],
    /,
) -> Array:
    """Return the array with some axes moved; the others keep their order.

    Raises
    ------
    ArgumentError
        For as many sources as there are not destinations.

    >>> import nervure as nv
    >>> nv.moveaxis(nv.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    node = as_node(x)
    rank = len(node.shape)
    pairs = []
    for given in (source, destination):
        axes = (given,) if isinstance(given, int | np.integer) else tuple(given)
        axes_tuple("moveaxis", axes, rank)  # none twice
        pairs.append([axis_index("moveaxis", axis, rank) for axis in axes])
    if len(pairs[0]) != len(pairs[1]):
        raise ArgumentError(
            explain(
                f"moveaxis: expected as many destinations as sources, got {source} and "
                f"{destination}",
                fix="give one destination for each source",
            )
        )
    order = [axis for axis in range(rank) if axis not in pairs[0]]
    for target, origin in sorted(zip(pairs[1], pairs[0], strict=True)):
        order.insert(target, origin)
    return Array.of_node(permute(node, order))


def flip(x: ArrayLike, /, axis: int | Sequence[int] | None = None) -> Array:
    """Return the array with the order of elements turned round on axes, or on all.

    >>> import nervure as nv
    >>> nv.flip(nv.asarray([1, 2, 3])).tolist()
    [3, 2, 1]
    """
    node = as_node(x)
    return Array.of_node(reverse(node, axes_tuple("flip", axis, len(node.shape))))


def roll(
    x: ArrayLike,
    /,
    shift: int | Sequence[int],
    axis: int | Sequence[int] | None = None,
) -> Array:
    """Return the array with elements moved on by ``shift``; the last come first.

    Without ``axis`` the elements are moved as one row and put back into shape.

    Raises
    ------
    ArgumentError, DTypeError
        For as many shifts as there are not axes, and for shifts that are not whole.

    >>> import nervure as nv
    >>> nv.roll(nv.asarray([1, 2, 3, 4]), 1).tolist()
    [4, 1, 2, 3]
    """
    node = as_node(x)
    try:
        shifts = (shift,) if isinstance(shift, int | np.integer) else tuple(shift)
    except TypeError:
        raise DTypeError(
            explain(
                f"roll: expected shift to be a whole number or several, got {shift!r}",
                fix="pass shift=1, for example",
            )
        ) from None
    if axis is None:
        flat = movement.reshape(node, (node.size,))
        turned = _rolled(flat, sum(map(operator.index, shifts)), 0)
        return Array.of_node(movement.reshape(turned, node.shape))
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(axes) != len(shifts):
        raise ArgumentError(
            explain(
                f"roll: expected one shift for each axis, got {shift} and {axis}",
                fix="give one shift for all axes, or one for each",
            )
        )
    for amount, one in zip(shifts, axes, strict=True):
        place = axis_index("roll", one, len(node.shape))
        node = _rolled(node, operator.index(amount), place)
    return Array.of_node(node)


def _piece(node: Node, axis: int, start: int, stop: int) -> Node:
    """Return the elements from ``start`` to ``stop`` on one axis."""
    low, high = [0] * len(node.shape), list(node.shape)
    low[axis], high[axis] = start, stop
    return slicing.slice_(node, low, high, (1,) * len(low))


def _rolled(node: Node, shift: int, axis: int) -> Node:
    extent = node.shape[axis]
    cut = -shift % extent if extent else 0
    if cut == 0:
        return node
    parts = [_piece(node, axis, cut, extent), _piece(node, axis, 0, cut)]
    return movement.concatenate(parts, axis)


# --- joining and splitting -----------------------------------------------------------


def concat(arrays: Sequence[ArrayLike], /, axis: int | None = 0) -> Array:
    """Return the arrays one after the other along an axis; None flattens them first.

    >>> import nervure as nv
    >>> nv.concat([nv.asarray([1, 2]), nv.asarray([3])]).tolist()
    [1, 2, 3]
    """
    nodes = _several("concat", arrays)
    if axis is None:
        nodes = [movement.reshape(node, (node.size,)) for node in nodes]
        axis = 0
    place = axis_index("concat", axis, len(nodes[0].shape))
    _check_rest("concat", nodes, place)
    return Array.of_node(movement.concatenate(nodes, place))


concatenate = concat


def stack(arrays: Sequence[ArrayLike], /, axis: int = 0) -> Array:
    """Return the arrays, which have one shape, joined along a new axis.

    >>> import nervure as nv
    >>> nv.stack([nv.asarray([1, 2]), nv.asarray([3, 4])], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    nodes = _several("stack", arrays)
    _check_rest("stack", nodes, None)
    place = axis_index("stack", axis, len(nodes[0].shape) + 1)
    shape = (*nodes[0].shape[:place], 1, *nodes[0].shape[place:])
    rows = [movement.reshape(node, shape) for node in nodes]
    return Array.of_node(movement.concatenate(rows, place))


def _several(op: str, arrays: Sequence[ArrayLike]) -> list[Node]:
    """Return the arrays as nodes of one type; there must be at least one."""
    if not hasattr(arrays, "__iter__"):
        raise ShapeError(
            explain(
                f"{op}: expected a list of arrays, got {arrays!r}",
                fix=f"write {op}([x, y])",
            )
        )
    given = [Array.of_node(as_node(array)) for array in arrays]
    if not given:
        raise ShapeError(
            explain(
                f"{op}: expected at least one array, got none",
                fix="pass a list of arrays; is it empty by mistake?",
            )
        )
    return promoted(*given)


def _check_rest(op: str, nodes: Sequence[Node], axis: int | None) -> None:
    """Raise unless shapes agree on every axis but one."""
    shapes = {
        (len(node.shape), *(n for i, n in enumerate(node.shape) if i != axis))
        for node in nodes
    }
    if len(shapes) > 1:
        but = "" if axis is None else f" on every axis but axis {axis}"
        names = [f"x{place}" for place in range(len(nodes))]
        shapes_text = ", ".join(str(list(node.shape)) for node in nodes)
        headline = f"expected equal shapes{but}, got {shapes_text}"
        fix = "bring them to one shape first, with reshape, broadcast_to or pad"
        raise wrong(ShapeError, op, headline, nodes, names, fix=fix)


def unstack(x: ArrayLike, /, axis: int = 0) -> tuple[Array, ...]:
    """Return the slices along an axis, without that axis.

    >>> import nervure as nv
    >>> [row.tolist() for row in nv.unstack(nv.asarray([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    node = as_node(x)
    place = axis_index("unstack", axis, len(node.shape))
    shape = node.shape[:place] + node.shape[place + 1 :]
    return tuple(
        Array.of_node(movement.reshape(_piece(node, place, i, i + 1), shape))
        for i in range(node.shape[place])
    )


# --- repeating and padding -----------------------------------------------------------


def repeat(x: ArrayLike, repeats: int | ArrayLike, /, axis: int | None = None) -> Array:
    """Return the array with each element repeated in place.

    ``repeats`` is one number, or one for each place along the axis; an array of them is
    evaluated, because the shape of the result depends on it.  Without ``axis`` the
    elements are repeated as one row.

    Raises
    ------
    ArgumentError, ShapeError
        For negative counts, and for counts that are not one for each element.

    >>> import nervure as nv
    >>> nv.repeat(nv.asarray([1, 2]), 2).tolist()
    [1, 1, 2, 2]
    """
    node = as_node(x)
    if axis is None:
        node, axis = movement.reshape(node, (node.size,)), 0
    place = axis_index("repeat", axis, len(node.shape))
    before, extent, after = (
        node.shape[:place],
        node.shape[place],
        node.shape[place + 1 :],
    )
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ArgumentError(
            explain(
                f"repeat: expected whole numbers of at least 0, got {repeats}",
                fix="repeat 0 times to leave an element out",
            )
        )
    if counts.size == 1:
        count = int(counts.reshape(()))
        axes = [axis for axis in range(len(node.shape) + 1) if axis != place + 1]
        wide = movement.broadcast(node, (*before, extent, count, *after), axes)
        shape = (*before, extent * count, *after)
        return Array.of_node(movement.reshape(wide, shape))
    if counts.shape != (extent,):
        raise wrong(
            ShapeError,
            "repeat",
            f"expected one number or {extent} of them, got {list(counts.shape)}",
            [node],
            ["x"],
        )
    places = np.repeat(np.arange(extent), counts)
    return Array.of_node(gather(node, data_leaf(places), place))


def tile(x: ArrayLike, repetitions: int | Sequence[int], /) -> Array:
    """Return the whole array repeated along its axes, new ones in front if necessary.

    >>> import nervure as nv
    >>> nv.tile(nv.asarray([1, 2]), (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    node = as_node(x)
    counts = shape_tuple("tile", repetitions)
    rank = max(len(counts), len(node.shape))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - len(node.shape)) + node.shape
    wide = [size for pair in zip(counts, shape, strict=True) for size in pair]
    axes = range(1, 2 * rank, 2)
    result = movement.broadcast(movement.reshape(node, shape), wide, axes)
    final = [count * size for count, size in zip(counts, shape, strict=True)]
    return Array.of_node(movement.reshape(result, final))


def pad(
    x: ArrayLike,
    /,
    pad_width: int | Sequence[Any],
    mode: str = "constant",
    *,
    constant_values: bool | int | float = 0,
) -> Array:
    """Return the array with a value put before and after the elements of each axis.

    ``pad_width`` is a number, a pair ``(before, after)``, or one pair for each axis.

    Raises
    ------
    ArgumentError
        For widths that are negative or not one pair for each axis.

    >>> import nervure as nv
    >>> nv.pad(nv.asarray([1, 2]), (1, 2), constant_values=9).tolist()
    [9, 1, 2, 9, 9]
    """
    node = as_node(x)
    if mode != "constant":
        raise ArgumentError(
            explain(
                f"pad: expected the mode 'constant', got {mode!r}",
                fix="build other paddings from nervure.flip and nervure.concat",
            )
        )
    rank = len(node.shape)
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (rank, 2))
    except ValueError:
        widths = np.empty((0, 2))
    if len(widths) != rank or (rank and widths.dtype.kind not in "iu"):
        raise ArgumentError(
            explain(
                f"pad: expected a number, a pair or {rank} pairs of them, got "
                f"{pad_width}",
                fix="write ((before, after), ...) with one pair for each axis",
            )
        )
    if (widths < 0).any():
        raise ArgumentError(
            explain(
                f"pad: widths must not be negative, got {pad_width}",
                fix="index the array to cut something off, as in x[1:]",
            )
        )
    low, high = widths[:, 0].tolist(), widths[:, 1].tolist()
    return Array.of_node(slicing.pad(node, low, high, value=constant_values))
