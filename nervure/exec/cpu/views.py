"""Reading an operand in place: movement operations as offsets and strides.

A chain of ``broadcast``, ``transpose``, ``slice``, ``reverse`` and most ``reshape``
nodes needs no memory of its own: whoever uses the result reads the chain's *root*
through a :class:`View`.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from typing import Any, Final, NamedTuple

from nervure.ir.node import Node, Shape

# Annotations move nothing: they show their first operand as it is.
ANNOTATIONS = frozenset({"stop_gradient", "custom_gradient", "checkpoint"})
MOVEMENTS = ANNOTATIONS | {"broadcast", "transpose", "slice", "reverse", "reshape"}


class View(NamedTuple):
    """How the elements of a logical array lie in the memory of ``root``.

    Element ``(i, j, ...)`` is at ``offset + i * strides[0] + j * strides[1] + ...``,
    counted in elements; a stride of 0 repeats, a negative one runs backwards.
    """

    root: Node
    offset: int
    shape: Shape
    strides: tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def contiguous_strides(shape: Shape) -> tuple[int, ...]:
    """Return the strides of a row-major array; those of single elements count too."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def whole(node: Node) -> View:
    """Return the view of a node that has memory of its own."""
    return View(node, 0, node.shape, contiguous_strides(node.shape))


# Views of movements, so that long chains are not walked again and again.  A view keeps
# its root alive; it is kept only for nodes that have their root below them anyway.
_known: Final[weakref.WeakKeyDictionary[Node, View]] = weakref.WeakKeyDictionary()


def view_of(node: Node) -> View:
    """Return the view through which ``node`` can be read.

    A reshape that would have to move elements is its own root.
    """
    if node.op.name not in MOVEMENTS:
        return whole(node)
    chain = []
    view = None
    below = node
    while view is None and below.op.name in MOVEMENTS:
        chain.append(below)
        below = below.inputs[0]
        view = _known.get(below)
    if view is None:
        view = whole(below)
    for step in reversed(chain):
        view = _after(step, view)
        if view.root is not step:
            _known[step] = view
    return view


def _after(node: Node, view: View) -> View:
    """Apply one movement to a view."""
    if node.op.name in ANNOTATIONS:
        return view
    attrs: dict[str, Any] = node.attrs
    strides = view.strides
    if node.op.name == "broadcast":
        spread = [0] * len(node.shape)
        for axis, stride in zip(attrs["axes"], strides, strict=True):
            spread[axis] = stride
        return View(view.root, view.offset, node.shape, tuple(spread))
    if node.op.name == "transpose":
        order = tuple(strides[axis] for axis in attrs["axes"])
        return View(view.root, view.offset, node.shape, order)
    if node.op.name == "slice":
        start = sum(a * b for a, b in zip(attrs["start"], strides, strict=True))
        scaled = tuple(a * b for a, b in zip(attrs["step"], strides, strict=True))
        return View(view.root, view.offset + start, node.shape, scaled)
    if node.op.name == "reverse":
        offset, turned = view.offset, list(strides)
        for axis in attrs["axes"]:
            offset += (view.shape[axis] - 1) * strides[axis]
            turned[axis] = -strides[axis]
        return View(view.root, offset, node.shape, tuple(turned))
    reshaped = _reshaped_strides(view.shape, strides, node.shape)
    if reshaped is None:
        return whole(node)
    return View(view.root, view.offset, node.shape, reshaped)


def _reshaped_strides(
    shape: Shape, strides: tuple[int, ...], target: Shape
) -> tuple[int, ...] | None:
    """Return the strides of a reshape that moves nothing, None if there are none.

    Both shapes are cut into the shortest runs of axes of equal size; within a run the
    old axes must follow each other without gaps.
    """
    if 0 in shape:
        return contiguous_strides(target)
    old = [(extent, stride) for extent, stride in zip(shape, strides, strict=True)
           if extent != 1]  # fmt: skip
    result: list[int] = []
    position = 0
    axis = 0
    while axis < len(target):
        if target[axis] == 1:
            result.append(0)
            axis += 1
            continue
        run_new = [target[axis]]
        axis += 1
        run_old = [old[position]]
        position += 1
        size_new, size_old = run_new[0], run_old[0][0]
        while size_new != size_old:
            if size_new < size_old:
                run_new.append(target[axis])
                size_new *= target[axis]
                axis += 1
            else:
                run_old.append(old[position])
                size_old *= old[position][0]
                position += 1
        for (_, outer), (extent, inner) in itertools.pairwise(run_old):
            if outer != extent * inner:
                return None
        stride = run_old[-1][1]
        scaled = [inner * stride for inner in contiguous_strides(tuple(run_new))]
        result.extend(scaled)
    return tuple(result)


def collapse(
    shape: Shape, strides: list[tuple[int, ...]]
) -> tuple[Shape, list[tuple[int, ...]]]:
    """Join neighbouring axes that every operand walks through without a gap.

    Fewer, longer axes make longer inner loops.  Axes of size one disappear.
    """
    axes: list[tuple[int, tuple[int, ...]]] = []
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        steps = tuple(one[axis] for one in strides)
        if axes:
            outer_extent, outer = axes[-1]
            if all(a == b * extent for a, b in zip(outer, steps, strict=True)):
                axes[-1] = (outer_extent * extent, steps)
                continue
        axes.append((extent, steps))
    columns = [
        tuple(steps[place] for _, steps in axes) for place in range(len(strides))
    ]
    return tuple(extent for extent, _ in axes), columns
