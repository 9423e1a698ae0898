"""From tasks to kernels: which file makes the kernel of which operation."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

from nervure.errors import GraphError, explain
from nervure.exec.cpu.convolution import lower_convolution, lower_plainly
from nervure.exec.cpu.copies import lower_concatenate, lower_pad
from nervure.exec.cpu.fusion import (
    CONTRACTIONS,
    REDUCTIONS,
    needed_outside,
    shown_as,
)
from nervure.exec.cpu.gemm import lower_dot
from nervure.exec.cpu.indexed import (
    lower_dynamic_slice,
    lower_dynamic_update_slice,
    lower_gather,
    lower_scatter,
)
from nervure.exec.cpu.kernel import KernelCall, Scratch
from nervure.exec.cpu.maps import Group, copy_kernel, map_kernel
from nervure.exec.cpu.ordering import lower_argmax, lower_cumsum, lower_sort
from nervure.exec.cpu.reductions import lower_reduction
from nervure.exec.cpu.target import Target
from nervure.exec.cpu.window_gradients import lower_window_max_grad
from nervure.exec.cpu.windows import (
    lower_noted_max,
    lower_window_max,
    lower_window_sum,
)
from nervure.ir.node import Node

Materialise = Callable[[Node, Target], None]
# Makes the kernels of one operation; may ask for operands in memory of their own.
Lower = Callable[[Node, Target, Materialise], Sequence[KernelCall]]


def _reshape(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """A reshape that has to move elements."""
    return [copy_kernel(node, target)]


def _dot(node: Node, target: Target, materialise: Materialise) -> list[KernelCall]:
    """A matrix product that is stored as it is."""
    return lower_dot(node, node, [], [node], target, materialise)


def _window_max_grad(node: Node, target: Target, _: Materialise) -> list[KernelCall]:
    """A gradient of the maximum that is stored as it is."""
    return lower_window_max_grad(node, [], [node], target)


def _part(_node: Node, _target: Target, _materialise: Materialise) -> list[KernelCall]:
    """One of several results: the operation has written it already."""
    return []


LOWERINGS: dict[str, Lower] = {
    "part": _part,
    "reshape": _reshape,
    "dot": _dot,
    "pad": lower_pad,
    "concatenate": lower_concatenate,
    "gather": lower_gather,
    "scatter": lower_scatter,
    "dynamic_slice": lower_dynamic_slice,
    "dynamic_update_slice": lower_dynamic_update_slice,
    "cumsum": lower_cumsum,
    "sort": lower_sort,
    "argmax": lower_argmax,
    "conv": lower_plainly,
    "conv_input_grad": lower_plainly,
    "conv_kernel_grad": lower_plainly,
    "window_sum": lower_window_sum,
    "window_max": lower_window_max,
    "window_max_grad": _window_max_grad,
}


def lower_group(
    nodes: Sequence[Node],
    outputs: Sequence[Node],
    target: Target,
    over: Mapping[Node, Node],
) -> list[KernelCall]:
    """Return the kernel of a group of elementwise nodes.

    ``over`` names for outputs the operand over which they may be written.
    """
    return [map_kernel(Group(nodes, outputs), target, over)]


def lower_contraction(
    nodes: Sequence[Node],
    users: Mapping[Node, Sequence[Node]],
    results: Container[Node],
    target: Target,
    materialise: Materialise,
    over: Mapping[Node, Node],
    notes: Mapping[Node, Scratch],
) -> Sequence[KernelCall]:
    """Return the kernels of a contraction and the group that reads its result.

    ``notes`` holds the memory for what one operation notes for another.
    """
    (node,) = (one for one in nodes if one.op.name in CONTRACTIONS)
    rows = next((one for one in nodes if one.op.name == "gather"), None)
    group = [one for one in nodes if one not in (node, rows)]
    value = shown_as(node, users) if group else node
    outputs = [one for one in needed_outside(nodes, users, results) if one is not rows]
    if value is not node:
        outputs.remove(node)  # nobody but the group reads it
    if node.op.name == "window_max_grad":
        winners = notes.get(node)
        return lower_window_max_grad(node, group, outputs, target, over, winners)
    if node.op.name != "dot":
        return lower_convolution(node, group, outputs, target, over)
    return lower_dot(node, value, group, outputs, target, materialise, over, rows)


def lower_copy(node: Node, target: Target) -> list[KernelCall]:
    """Return the kernel that writes a view out into memory of its own."""
    return [copy_kernel(node, target)]


def lower_operation(
    nodes: Sequence[Node],
    target: Target,
    materialise: Materialise,
    notes: Mapping[Node, Scratch],
) -> Sequence[KernelCall]:
    """Return the kernels of any other operation; the last node is the operation.

    Nodes before it are an elementwise group that only a reduction reads.  ``notes``
    holds the memory for what one operation notes for another.
    """
    node = nodes[-1]
    if node in notes and node.op.name == "window_max":
        return lower_noted_max(node, target, notes[node])
    if node in notes:
        return lower_window_max_grad(node, [], [node], target, winners=notes[node])
    if node.op.name in REDUCTIONS and node.size:
        return lower_reduction(nodes, target)
    if node.size == 0:
        return []
    rule = LOWERINGS.get(node.op.name)
    if rule is None:
        raise GraphError(
            explain(
                f"the cpu executor cannot compile {node.op.name} yet",
                fix="give the primitive a lowering for it (see CONTRIBUTING.md), or "
                "use the executor 'reference'",
            )
        )
    return rule(node, target, materialise)
