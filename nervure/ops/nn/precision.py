"""The precision in which the formulas of networks are computed."""

from __future__ import annotations

from collections.abc import Sequence

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.operands import as_node
from nervure.prims.select import cast

Axes = int | Sequence[int]


def wide_floats(x: ArrayLike) -> tuple[Array, DType]:
    """Return x in the type in which formulas compute, and the type of the result."""
    node = as_float(as_node(x))
    wide = cast(node, dtypes.accumulator(node.dtype))
    return Array.of_node(wide), node.dtype
