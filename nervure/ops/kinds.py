"""Applying formulas of nodes to what users pass: the frame of most functions here.

Functions differ in the numbers that they accept and in the precision in which they
compute; both are said in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.ir.node import Node
from nervure.ops.operands import aligned
from nervure.prims.check import dtype_among
from nervure.prims.select import cast

ArrayLike: TypeAlias = Array | npt.ArrayLike
Formula: TypeAlias = Callable[..., Node]

# The last of each is the type that an error message proposes.
NUMBERS: Sequence[DType] = (*dtypes.INTEGERS, *dtypes.FLOATS, dtypes.DEFAULT_FLOAT)
INTEGERS: Sequence[DType] = (*dtypes.INTEGERS, dtypes.DEFAULT_INT)
BITS: Sequence[DType] = (dtypes.bool_, *INTEGERS)


def operand_names(count: int) -> list[str]:
    """Return the names that the standard gives to operands."""
    return ["x"] if count == 1 else [f"x{place + 1}" for place in range(count)]


def accepted(op: str, nodes: Sequence[Node], allowed: Sequence[DType]) -> None:
    """Raise :class:`~nervure.errors.DTypeError` for operands of another type."""
    dtype_among(op, nodes, operand_names(len(nodes)), allowed)


def on_numbers(
    op: str,
    formula: Formula,
    *values: ArrayLike,
    allowed: Sequence[DType] = NUMBERS,
) -> Array:
    """Apply a formula to operands of one type and shape, numbers unless said."""
    nodes = aligned(op, *values)
    accepted(op, nodes, allowed)
    return Array.of_node(formula(*nodes))


def on_floats(op: str, formula: Formula, *values: ArrayLike) -> Array:
    """Apply a formula to floating-point operands; others become the default float."""
    return Array.of_node(formula(*map(as_float, aligned(op, *values))))


def on_wide_floats(op: str, formula: Formula, *values: ArrayLike) -> Array:
    """Like :func:`on_floats`, with float16 and bfloat16 computed in float32.

    Primitives widen by themselves; formulas of several steps would round at each.
    """
    return on_floats(op, widened(formula), *values)


def as_float(node: Node) -> Node:
    """Return floating-point nodes as they are, others in the default float."""
    return node if dtypes.is_float(node.dtype) else cast(node, dtypes.DEFAULT_FLOAT)


def widened(formula: Formula) -> Formula:
    """Let a formula compute float16 and bfloat16 in float32, rounding once."""

    def compute(*nodes: Node) -> Node:
        dtype = nodes[0].dtype
        wide = dtypes.accumulator(dtype)
        return cast(formula(*(cast(node, wide) for node in nodes)), dtype)

    return compute
