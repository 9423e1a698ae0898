"""Setting elements with NumPy's meaning: what ``x[key] = value`` makes of ``x``.

Nothing is overwritten: a new array is built in the graph, so derivatives flow to what
was kept and to what was put in.  Pieces cut by whole numbers and plain slices are one
``dynamic_update_slice``, a truth mask with a single value is one ``select``; every
other key is applied to the numbers of the elements, which says where ``scatter`` puts
the values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import DTypeError, GradientError, ShapeError, explain
from nervure.ir.build import origin_of, wrong
from nervure.ir.node import PARAMETRIC, Node, Shape
from nervure.ops.creation import arange, data_leaf
from nervure.ops.indexing import getitem, known_piece
from nervure.ops.operands import as_node, broadcast_node, is_weak, promoted
from nervure.prims.indexed import dynamic_update_slice, scatter
from nervure.prims.movement import reshape
from nervure.prims.select import cast, select


def with_items(x: Array, key: Any, value: Any, /) -> Array:
    """Return ``x`` with ``x[key]`` replaced by ``value``.

    Parameters
    ----------
    x
        An array that is no :func:`nervure.parameter`.
    key
        What ``x[key]`` takes.  Where an element is named twice, the last value counts.
        A truth mask in a traced function must be the only key, with one value for all.
    value
        Broadcasts to ``x[key]``; converted to the type of ``x``, unless that would turn
        floating-point numbers into integers or numbers into truth values.

    Raises
    ------
    IndexingError, ShapeError, DTypeError, GradientError
        For a key, a shape, a type or an array that this cannot be done with.
    """
    if x.tracking == PARAMETRIC and x.node.op.name == "buffer":
        raise GradientError(
            explain(
                "the elements of a parameter cannot be set: gradients are taken with "
                "respect to it as a whole",
                operands=[("x", x.node.type_text, origin_of(x.node))],
                fix="set them in a copy: v = nervure.stop_gradient(x) (or x * 1, which "
                "keeps the gradient); v[...] = ...",
            )
        )
    new = _converted(x, value)
    if _is_mask(key) and _same_everywhere(key.shape, new.shape, x.shape):
        mask = reshape(as_node(key), key.shape + (1,) * (x.ndim - key.ndim))
        condition = broadcast_node(mask, x.shape)
        return Array.of_node(select(condition, broadcast_node(new, x.shape), x.node))
    piece = known_piece(x.node, key)
    if piece is not None:
        starts, sizes, shape = piece
        update = reshape(_spread(x, new, shape), sizes)
        return Array.of_node(_replaced(x.node, update, starts))
    places = getitem(arange(x.size).reshape(x.shape), key)
    update = _spread(x, new, places.shape)
    flat = scatter(
        reshape(x.node, (x.size,)),
        reshape(places.node, (places.size,)),
        reshape(update, (places.size,)),
        0,
        "set",
    )
    return Array.of_node(reshape(flat, x.shape))


def _is_mask(key: Any) -> bool:
    return isinstance(key, Array | np.ndarray) and dtypes.is_bool(key.dtype)


def _same_everywhere(mask: Shape, value: Shape, x: Shape) -> bool:
    """Tell whether a value is the same for all places that a mask names."""
    below = x[len(mask) :]
    return mask == x[: len(mask)] and value == below[len(below) - len(value) :]


def _replaced(x: Node, update: Node, starts: list[int]) -> Node:
    if update.shape == x.shape:
        return update
    if not update.size:
        return x
    return dynamic_update_slice(x, update, data_leaf(np.asarray(starts, np.int64)))


def _converted(x: Array, value: Any) -> Node:
    """Return a value in the type of ``x``; raises where that would lose its kind."""
    node = promoted(x, value)[1] if is_weak(value) else as_node(value)
    if _rank(node.dtype) > _rank(x.dtype):
        raise wrong(
            DTypeError,
            "setting elements",
            f"{node.dtype.name} values do not fit into an array of {x.dtype.name}",
            [x.node, node],
            ["x", "value"],
            fix=f"convert x with x.astype('{node.dtype.name}') first, or the value "
            f"with .astype('{x.dtype.name}')",
        )
    return cast(node, x.dtype)


def _rank(dtype: DType) -> int:
    """Return the place of a type's kind: truth values, integers, floating point."""
    if dtypes.is_bool(dtype):
        return 0
    return 1 if dtypes.is_integer(dtype) else 2


def _spread(x: Array, value: Node, shape: Shape) -> Node:
    """Return a value broadcast to ``shape``; leading axes of size 1 may be too many."""
    extra = len(value.shape) - len(shape)
    slim = value
    if extra > 0 and all(extent == 1 for extent in value.shape[:extra]):
        slim = reshape(value, value.shape[extra:])
    try:
        fits = np.broadcast_shapes(slim.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise wrong(
            ShapeError,
            "setting elements",
            f"a value of shape {list(value.shape)} does not broadcast to the shape "
            f"{list(shape)} of x[key]",
            [x.node, value],
            ["x", "value"],
            fix="counted from the last axis, sizes must be equal or 1",
        )
    return broadcast_node(slim, shape)
