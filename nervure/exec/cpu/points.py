"""Convolutions whose window is a single place: they are matrix products.

Without padding, every place of an image that is looked at meets the same ``C x O``
matrix.  The kernels of products pack their operands and divide long sums, so they are
faster here than those of convolutions, which look for windows.  With strides the
forward convolution is the product of a slice, its gradients remain what they are.
"""

from __future__ import annotations

from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.passes.rewriting import made, rewritten
from nervure.prims.contract import DOT
from nervure.prims.convolution import (
    CONV,
    CONV_INPUT_GRAD,
    CONV_KERNEL_GRAD,
    ConvSettings,
)
from nervure.prims.movement import RESHAPE
from nervure.prims.slicing import SLICE


def with_products_of_points(graph: Graph) -> Graph:
    """Return the graph with such convolutions as products; itself if it has none."""
    return rewritten(graph, _product)


def _product(node: Node) -> Node | None:
    rule = _RULES.get(node.op)
    return rule(node) if rule is not None and _is_at_points(node) else None


def _is_at_points(node: Node) -> bool:
    """Tell whether each result of a convolution sees one place, none of it padding."""
    settings = ConvSettings.of(node.attrs)
    kernel = node if node.op is CONV_KERNEL_GRAD else node.inputs[1]
    return (
        settings.groups == 1
        and all(extent == 1 for extent in kernel.shape[:-2])
        and (node.op is CONV or all(stride == 1 for stride in settings.strides))
        and all(pads == (0, 0) for pads in settings.padding)
    )


def _forward(node: Node) -> Node:
    x, kernel = node.inputs
    strides = (1, *ConvSettings.of(node.attrs).strides, 1)
    if max(strides) > 1:
        start = (0,) * len(strides)
        x = made(node, SLICE, x, start=start, stop=x.shape, step=strides)
    return _times_matrix(node, x, kernel, summed=0)


def _input_gradient(node: Node) -> Node:
    g, kernel = node.inputs
    return _times_matrix(node, g, kernel, summed=1)


def _times_matrix(node: Node, x: Node, kernel: Node, summed: int) -> Node:
    """Multiply the channels of x with the matrix of a kernel, along one of its axes."""
    matrix = made(node, RESHAPE, kernel, shape=kernel.shape[-2:])
    contract = ((len(x.shape) - 1,), (summed,))
    return made(node, DOT, x, matrix, batch=((), ()), contract=contract)


def _kernel_gradient(node: Node) -> Node:
    x, g = node.inputs
    places = tuple(range(len(x.shape) - 1))
    contract = (places, places)
    matrix = made(node, DOT, x, g, batch=((), ()), contract=contract)
    return made(node, RESHAPE, matrix, shape=node.shape)


_RULES = {
    CONV: _forward,
    CONV_INPUT_GRAD: _input_gradient,
    CONV_KERNEL_GRAD: _kernel_gradient,
}
