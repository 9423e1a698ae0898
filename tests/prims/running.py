"""Running single nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.prims.leaf import input_leaf

NDArray = npt.NDArray[Any]


def run(build: Callable[..., Node], *arrays: NDArray) -> NDArray:
    """Build a node of inputs of the arrays' types and evaluate it."""
    leaves = [input_leaf(array.shape, array.dtype) for array in arrays]
    program = ReferenceExecutor().compile(Graph([build(*leaves)], leaves))
    return program(arrays)[0]
