"""Functions as bodies of loops and branches.

The function is called once, on fresh leaves.  What it closes over (arrays, weights,
values of an outer function that is being traced) is handed to the body as further
operands, so loop-invariant work happens once, outside.  A cell that it writes becomes a
value that goes from step to step, so a random generator or a running mean inside a loop
behaves as in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nervure import tree
from nervure.array import Array
from nervure.ir.graph import topological
from nervure.ir.node import Node
from nervure.ops.operands import as_node
from nervure.prims.leaf import input_leaf
from nervure.state import Cell, tracing_cells


@dataclass
class TracedBody:
    """A function that was called once.

    Attributes
    ----------
    leaves
        The inputs that stand for its arguments.
    results
        The leaves of what it returned: arrays, or Python numbers.
    structure
        The structure of what it returned.
    cell_leaves
        For each cell that it used, the input that stands for its value.
    cell_results
        For each cell that it wrote, the new value.
    """

    leaves: list[Node]
    results: list[Any]
    structure: tree.Structure
    cell_leaves: dict[Cell, Node] = field(default_factory=dict)
    cell_results: dict[Cell, Node] = field(default_factory=dict)

    def nodes(self) -> list[Node]:
        """Return the results as nodes."""
        return [as_node(result) for result in self.results]


def fresh_leaves(nodes: Sequence[Node], name: str) -> list[Node]:
    """Return a new input of the type of each node."""
    return [input_leaf(node.shape, node.dtype, name) for node in nodes]


def arrays_of(nodes: Sequence[Node]) -> list[Array]:
    """Return the arrays of nodes."""
    return [Array.of_node(node) for node in nodes]


def traced(
    function: Callable[..., Any], leaves: Sequence[Node], arguments: Sequence[Any]
) -> TracedBody:
    """Call ``function(*arguments)``, where the arguments are made of ``leaves``."""
    with tracing_cells() as cells:
        results, structure = tree.flatten(function(*arguments))
        results = [
            Array.of_node(as_node(one)) if isinstance(one, Cell) else one
            for one in results
        ]
    written = {cell: cells.current[cell].node for cell in cells.written}
    return TracedBody(list(leaves), results, structure, dict(cells.leaves), written)


# What is as cheap inside a body as outside.
_INSIDE = frozenset({"const", "iota"})
_SHOWS = frozenset({"broadcast", "reshape"})


def captured(outputs: Sequence[Node], leaves: Sequence[Node]) -> list[Node]:
    """Return what the outputs read besides the leaves, in order of first use.

    These are the largest parts of the graph that do not depend on the leaves.
    """
    order = topological(outputs)
    own = set(leaves)
    inside: set[Node] = set()
    plain: set[Node] = set()  # constants, however shown
    for node in order:
        if node in own or any(operand in inside for operand in node.inputs):
            inside.add(node)
        elif node.op.name in _INSIDE or (
            node.op.name in _SHOWS and node.inputs[0] in plain
        ):
            plain.add(node)
    free: dict[Node, None] = {}
    for node in order:
        if node in inside:
            for operand in node.inputs:
                if operand not in inside and operand not in plain:
                    free[operand] = None
    for output in outputs:
        if output not in inside and output not in plain:
            free[output] = None
    return list(free)
