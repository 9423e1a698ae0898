"""Simpler movements: they compute nothing, so every element keeps its bits."""

from __future__ import annotations

import functools
from typing import Any, Final

from nervure.ir.attrs import Constant
from nervure.ir.node import Node
from nervure.passes.rewriting import made
from nervure.passes.rules import Rules, declare, filled, uniform
from nervure.prims.movement import BROADCAST, CONCATENATE, RESHAPE, REVERSE, TRANSPOSE
from nervure.prims.slicing import PAD, SLICE

MOVEMENT_RULES: Final[Rules] = {}
_rule = functools.partial(declare, MOVEMENT_RULES)


# --- movements that move nothing -----------------------------------------------------


@_rule("reshape", kind="reshape to the same shape", why="No element moves.")
def _same_shape(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.shape == node.shape else None


@_rule("transpose", kind="transpose in the same order", why="No element moves.")
def _same_order(node: Node) -> Node | None:
    axes: Any = node.attrs["axes"]
    return node.inputs[0] if axes == tuple(range(len(axes))) else None


@_rule("broadcast", kind="broadcast to the same shape", why="No element is repeated.")
def _no_new_axes(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.shape == node.shape else None


@_rule("slice", kind="slice of everything", why="No element is left out.")
def _whole_slice(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.shape == node.shape else None


@_rule("pad", kind="pad by nothing", why="No element is added.")
def _no_padding(node: Node) -> Node | None:
    (x,) = node.inputs
    amounts: Any = (*node.attrs["low"], *node.attrs["high"])  # type: ignore[misc]
    return x if x.shape == node.shape and not any(amounts) else None


@_rule("reverse", kind="reverse of short axes", why="One element has no order.")
def _short_axes(node: Node) -> Node | None:
    (x,) = node.inputs
    axes: Any = node.attrs["axes"]
    long = tuple(axis for axis in axes if x.shape[axis] > 1)
    if long == axes:
        return None
    return made(node, REVERSE, x, axes=long) if long else x


# --- one movement after another ------------------------------------------------------


@_rule("transpose", kind="transpose of a transpose", why="Two orders are one, or none.")
def _transposes(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not TRANSPOSE:
        return None
    outer_axes: Any = node.attrs["axes"]
    inner_axes: Any = inner.attrs["axes"]
    axes = tuple(inner_axes[axis] for axis in outer_axes)
    if axes == tuple(range(len(axes))):
        return inner.inputs[0]
    return made(node, TRANSPOSE, inner.inputs[0], axes=axes)


@_rule("reshape", kind="reshape of a reshape", why="Only the last shape counts.")
def _reshapes(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not RESHAPE:
        return None
    (x,) = inner.inputs
    return x if x.shape == node.shape else made(node, RESHAPE, x, shape=node.shape)


@_rule(
    "broadcast", kind="broadcast of a broadcast", why="Both repeat the same elements."
)
def _broadcasts(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not BROADCAST:
        return None
    outer_axes: Any = node.attrs["axes"]
    inner_axes: Any = inner.attrs["axes"]
    axes = tuple(outer_axes[axis] for axis in inner_axes)
    return made(node, BROADCAST, inner.inputs[0], shape=node.shape, axes=axes)


@_rule("reverse", kind="reverse of a reverse", why="Turned twice is not turned.")
def _reverses(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not REVERSE:
        return None
    outer_axes: Any = node.attrs["axes"]
    inner_axes: Any = inner.attrs["axes"]
    axes = tuple(sorted({*outer_axes} ^ {*inner_axes}))
    (x,) = inner.inputs
    return made(node, REVERSE, x, axes=axes) if axes else x


@_rule("slice", kind="slice of a slice", why="Both take elements at regular places.")
def _slices(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not SLICE:
        return None
    first, then = _bounds(inner), _bounds(node)
    start, stop, step = [], [], []
    for axis, extent in enumerate(node.shape):
        (begin, _, stride), (skipped, _, second) = first[axis], then[axis]
        step.append(stride * second)
        if extent:
            start.append(begin + skipped * stride)
            stop.append(start[-1] + (extent - 1) * step[-1] + 1)
        else:  # nothing, which may begin anywhere
            start.append(0)
            stop.append(0)
    return made(
        node, SLICE, inner.inputs[0], start=tuple(start), stop=tuple(stop),
        step=tuple(step),
    )  # fmt: skip


def _bounds(node: Node) -> list[tuple[int, int, int]]:
    """Return the start, stop and step of a slice on each axis."""
    attrs: dict[str, Any] = node.attrs
    return list(zip(attrs["start"], attrs["stop"], attrs["step"], strict=True))


@_rule("slice", kind="slice of a pad", why="Nothing that was added is taken.")
def _slice_of_pad(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not PAD or 0 in node.shape:
        return None
    low: Any = inner.attrs["low"]
    if any(inner.attrs["interior"]):  # type: ignore[arg-type]
        return None
    (x,) = inner.inputs
    start, stop, step = [], [], []
    for axis, (begin, _, stride) in enumerate(_bounds(node)):
        first = begin - low[axis]
        last = first + (node.shape[axis] - 1) * stride
        if first < 0 or last >= x.shape[axis]:
            return None
        start.append(first)
        stop.append(last + 1)
        step.append(stride)
    return made(node, SLICE, x, start=tuple(start), stop=tuple(stop), step=tuple(step))


@_rule("pad", kind="pad of a pad", why="Both add the same number.")
def _pads(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not PAD or inner.attrs["value"] != node.attrs["value"]:
        return None
    amounts: dict[str, tuple[int, ...]] = {}
    for side in ("low", "high"):
        one: Any = inner.attrs[side]
        other: Any = node.attrs[side]
        if min(*one, *other, 0, 0) < 0:
            return None  # what was cut off would come back
        amounts[side] = tuple(a + b for a, b in zip(one, other, strict=True))
    spread: Any = (*inner.attrs["interior"], *node.attrs["interior"])  # type: ignore[misc]
    if any(spread):
        return None
    interior = inner.attrs["interior"]
    return made(
        node, PAD, inner.inputs[0], **amounts, interior=interior,
        value=node.attrs["value"],
    )  # fmt: skip


@_rule(
    "transpose",
    kind="transpose of a broadcast",
    why="Elements can be repeated along other axes at once.",
)
def _transpose_of_broadcast(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not BROADCAST:
        return None
    order: Any = node.attrs["axes"]
    inner_axes: Any = inner.attrs["axes"]
    axes = tuple(order.index(axis) for axis in inner_axes)
    if list(axes) != sorted(axes):
        return None
    return made(node, BROADCAST, inner.inputs[0], shape=node.shape, axes=axes)


# --- one number everywhere -----------------------------------------------------------


@_rule(
    "reshape", "transpose", "slice", "reverse", "broadcast",
    kind="movement of one number", why="The elements are equal.",
)  # fmt: skip
def _moved_number(node: Node) -> Node | None:
    number = uniform(node.inputs[0])
    if number is None:
        return None
    simple = filled(node, number)
    return None if simple is node else simple


@_rule("pad", kind="pad with the number that is there", why="The elements are equal.")
def _padded_number(node: Node) -> Node | None:
    number = uniform(node.inputs[0])
    value = node.attrs["value"]
    if number is None or not isinstance(value, Constant):
        return None
    if number.tobytes() != value.value.tobytes():
        return None
    return filled(node, number)


# --- concatenation -------------------------------------------------------------------


@_rule("concatenate", kind="concatenation of one", why="There is nothing to add.")
def _concatenation_of_one(node: Node) -> Node | None:
    axis: Any = node.attrs["axis"]
    full = [one for one in node.inputs if one.shape[axis]]
    if len(full) == 1:
        return full[0]
    if 0 < len(full) < len(node.inputs):
        return made(node, CONCATENATE, *full, axis=axis)
    return None


@_rule(
    "concatenate",
    kind="concatenation of neighbours",
    why="The pieces lie next to each other already.",
)
def _neighbours(node: Node) -> Node | None:
    axis: Any = node.attrs["axis"]
    first = node.inputs[0]
    if len(node.inputs) < 2 or any(one.op is not SLICE for one in node.inputs):
        return None
    wanted = _bounds(first)
    end = wanted[axis][0]
    for one in node.inputs:
        found = _bounds(one)
        begin, stop, step = found[axis]
        others = found[:axis] + found[axis + 1 :]
        if one.inputs != first.inputs or (begin, step) != (end, 1):
            return None
        if others != wanted[:axis] + wanted[axis + 1 :]:
            return None
        end = stop
    bounds = [*wanted[:axis], (wanted[axis][0], end, 1), *wanted[axis + 1 :]]
    start, stops, steps = zip(*bounds, strict=True)
    return made(node, SLICE, first.inputs[0], start=start, stop=stops, step=steps)
