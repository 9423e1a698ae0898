"""Paddings that an operation can do itself, without a copy of the image.

Networks that were written for other frameworks pad an image first and let a convolution
or a pooling look at all of it.  Both can leave out places beyond the image, which costs
less than to write zeros and to read them::

    conv(pad(x, zeros), kernel)      ->  conv(x, kernel), padded
    max over windows of pad(relu(x)) ->  the same over windows of relu(x), padded

The second is right because no result of ``relu`` is below the zeros, and every window
has some place of the image.  A padding that others read, such as the gradient in a
kernel, is needed anyway and stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure.ir.build import rebuild
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes.rewriting import made
from nervure.passes.rules import uniform
from nervure.prims.binary import MAXIMUM
from nervure.prims.convolution import CONV
from nervure.prims.slicing import PAD
from nervure.prims.window import WINDOW_MAX, windows_of

Padding = tuple[tuple[int, int], ...]


def with_padding_inside(graph: Graph) -> Graph:
    """Return the graph with such paddings in their readers; itself if it has none."""
    results = set(graph.outputs)
    removed = {
        node for node in graph.nodes
        if node.op is PAD and node not in results
        and all(_can_pad(user, node) for user in graph.users[node])
    }  # fmt: skip
    if not removed:
        return graph
    changed: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = tuple(changed.get(one, one) for one in node.inputs)
        if node.inputs and node.inputs[0] in removed:
            changed[node] = _padded(node, changed.get(node.inputs[0], node.inputs[0]),
                                    inputs[1:])  # fmt: skip
        elif inputs != node.inputs:
            changed[node] = rebuild(node, inputs)
    return Graph([changed.get(one, one) for one in graph.outputs], graph.inputs)


def _padded(node: Node, pad: Node, others: tuple[Node, ...]) -> Node:
    """Return what reads the image itself, and pads."""
    attrs: dict[str, Any] = dict(node.attrs.items())
    begin = 1 if node.op is CONV else 0
    low: Any = pad.attrs["low"]
    high: Any = pad.attrs["high"]
    attrs["padding"] = tuple(
        (before + more, after + less)
        for (before, after), more, less in zip(
            attrs["padding"], low[begin:], high[begin:], strict=False
        )
    )
    return made(node, node.op, pad.inputs[0], *others, **attrs)


def _can_pad(node: Node, pad: Node) -> bool:
    """Tell whether an operation can pad an image as a node does."""
    value: Any = pad.attrs["value"]
    low: Any = pad.attrs["low"]
    high: Any = pad.attrs["high"]
    interior: Any = pad.attrs["interior"]
    plain = (
        not np.any(value.value)
        and not any(interior)
        and min((*low, *high), default=0) >= 0
        and node.inputs[0] is pad
        and pad not in node.inputs[1:]
    )
    if node.op is CONV:
        return plain and low[0] == high[0] == low[-1] == high[-1] == 0
    if node.op is not WINDOW_MAX or not plain or not _is_not_negative(pad.inputs[0]):
        return False
    windows = windows_of(node.attrs)
    slides = zip(windows.window, windows.dilation, windows.padding, strict=True)
    return all(
        low[axis] == high[axis] == 0
        or (step == 1 and before + low[axis] < extent and after + high[axis] < extent)
        for axis, (extent, step, (before, after)) in enumerate(slides)
    )


def _is_not_negative(x: Node) -> bool:
    """Tell whether no element can be below zero: it is a maximum with such a number."""
    if x.op is not MAXIMUM:
        return False
    numbers = (uniform(operand) for operand in x.inputs)
    return any(number is not None and number >= 0 for number in numbers)
