"""Computing the narrow floating-point types in a wider one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nervure import dtypes
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node


def compute_widened(function: Callable[..., NDArray]) -> Callable[..., NDArray]:
    """Let a NumPy function compute float16 and bfloat16 in float32, rounding once."""

    def reference(node: Node, *arrays: NDArray) -> NDArray:
        wide = dtypes.accumulator(arrays[0].dtype)
        result = function(*(array.astype(wide, copy=False) for array in arrays))
        return np.asarray(result).astype(node.dtype, copy=False)

    return reference
