"""Where the windows of convolutions and poolings lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nervure.array import Array
from nervure.importers.onnx.running import Operation
from nervure.ir.node import Node
from nervure.prims.movement import transpose

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Windows:
    """Window sizes, steps and borders of the spatial axes.

    ``pads`` are those that the file says (or ``auto_pad`` means); ``room`` has at the
    end what else the last window needs when their number is rounded up.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pairs
    room: Pairs


def windows_of(
    operation: Operation, places: Sequence[int], size: Sequence[int]
) -> Windows:
    """Return where windows of a size lie over the spatial places of an input."""
    rank = len(places)
    strides = tuple(operation.attribute("strides") or (1,) * rank)
    dilation = tuple(operation.attribute("dilations") or (1,) * rank)
    reach = [(one - 1) * step + 1 for one, step in zip(size, dilation, strict=True)]
    pads = _pads(operation, places, reach, strides)
    room = pads
    if operation.attribute("ceil_mode", 0):
        room = tuple(
            _rounded_up(place, extent, stride, pair)
            for place, extent, stride, pair in zip(
                places, reach, strides, pads, strict=True
            )
        )
    return Windows(tuple(size), strides, dilation, pads, room)


def _pads(
    operation: Operation,
    places: Sequence[int],
    reach: Sequence[int],
    strides: Sequence[int],
) -> Pairs:
    rank = len(places)
    kind = operation.attribute("auto_pad", "NOTSET")
    if kind in ("NOTSET", ""):
        given = operation.attribute("pads") or (0,) * (2 * rank)
        return tuple((given[k], given[k + rank]) for k in range(rank))
    if kind == "VALID":
        return ((0, 0),) * rank
    pairs = []
    for place, extent, stride in zip(places, reach, strides, strict=True):
        count = math.ceil(place / stride)
        total = max((count - 1) * stride + extent - place, 0)
        less, more = total // 2, total - total // 2
        pairs.append((more, less) if kind == "SAME_LOWER" else (less, more))
    return tuple(pairs)


def _rounded_up(
    place: int, reach: int, stride: int, pair: tuple[int, int]
) -> tuple[int, int]:
    """Return the border that makes room for the last window, if it begins inside."""
    low, high = pair
    count = math.ceil((place + low + high - reach) / stride) + 1
    if (count - 1) * stride >= place + low:
        count -= 1
    return low, max((count - 1) * stride + reach - place - low, high)


def channels_last(x: Array) -> Node:
    """Return an array ``[N, C, *places]`` as ``[N, *places, C]``."""
    return transpose(x.node, (0, *range(2, x.ndim), 1))


def channels_first(x: Node) -> Array:
    """Return a node ``[N, *places, C]`` as an array ``[N, C, *places]``."""
    rank = len(x.shape)
    return Array.of_node(transpose(x, (0, rank - 1, *range(1, rank - 1))))
