"""Filters along one axis, and what they find beyond the edges."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from nervure.errors import ShapeError, unknown_name
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops.creation import data_leaf
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.operands import as_node
from nervure.prims.convolution import conv
from nervure.prims.indexed import gather
from nervure.prims.movement import reshape, transpose

# NumPy's name for each way to go on beyond the edge; the names here are SciPy's.
_BEYOND: Final = {
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
}
BOUNDARIES: Final = ("constant", *_BEYOND)


def filtered(x: Node, weights: Node, axis: int, boundary: str) -> Node:
    """Return the correlation with 2 r + 1 weights along an axis, in the shape of x."""
    radius = weights.size // 2
    if x.size == 0:
        return x
    padding = (radius, radius) if boundary == "constant" else (0, 0)
    if boundary != "constant":
        x = _extended(x, axis, radius, boundary)
    order = [*(place for place in range(len(x.shape)) if place != axis), axis]
    last = transpose(x, order)
    rows = reshape(last, (math.prod(last.shape[:-1]), last.shape[-1], 1))
    kernel = reshape(weights, (weights.size, 1, 1))
    result = conv(rows, kernel, (1,), (padding,), (1,), 1)
    restored = reshape(result, (*last.shape[:-1], result.shape[1]))
    return transpose(restored, [int(place) for place in np.argsort(order)])


def _extended(x: Node, axis: int, radius: int, boundary: str) -> Node:
    """Return x gone on beyond both ends of an axis."""
    places = np.arange(x.shape[axis])
    mode: Any = _BEYOND[boundary]
    return gather(x, data_leaf(np.pad(places, radius, mode=mode)), axis)


def filterable(op: str, x: ArrayLike, boundary: str) -> Node:
    """Return the argument of a filter in a floating-point type."""
    if boundary not in BOUNDARIES:
        raise unknown_name("boundary", boundary, BOUNDARIES)
    node = as_float(as_node(x))
    if not node.shape:
        raise wrong(
            ShapeError, op, "expected an array of at least one axis", [node], ["x"]
        )
    return node
