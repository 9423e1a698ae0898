"""Comparing the xla executor, on XLA's CPU device, with the reference.

What may differ is said in ``tests/exec/cpu/stability.py``; that page of rules is about
rounding in general, not about one compiler.
"""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np

from nervure import dtypes
from nervure.exec.base import Executor, executor_named
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from tests.exec.cpu.stability import Perturbed, judge


class Flushed(Perturbed):
    """What else XLA's CPU device may do.

    Numbers too small for full precision count as zero at times.
    """

    def __init__(self, graph: Graph, random: np.random.Generator) -> None:
        super().__init__(graph, random)
        self.flushes = bool(random.random() < 0.5)

    def _without_infinities(
        self, node: Node, x: NDArray, operands: Sequence[NDArray]
    ) -> NDArray:
        """XLA multiplies the zeros of the padding with infinities, which makes NaN."""
        tame = super()._without_infinities(node, x, operands)
        return np.full_like(x, np.nan) if tame is not x else x

    def _any_nan(self, x: NDArray) -> NDArray:
        x = super()._any_nan(x)
        if not self.flushes or not dtypes.is_float(x.dtype):
            return x
        least = float(ml_dtypes.finfo(x.dtype).smallest_normal)
        return np.where(np.abs(x) < least, np.zeros((), x.dtype), x)


def xla() -> Executor:
    return executor_named("xla")


def run(graph: Graph, inputs: Sequence[NDArray]) -> list[NDArray]:
    """Run a graph with XLA and return NumPy arrays."""
    return [np.asarray(one) for one in xla().compile(graph)(inputs)]


def check(graphs: Sequence[Graph], values: dict[Node, NDArray]) -> None:
    """Compile many graphs as one program, which is much faster, and judge each."""
    leaves = list(dict.fromkeys(leaf for graph in graphs for leaf in graph.inputs))
    whole = Graph([node for graph in graphs for node in graph.outputs], leaves)
    given = [np.asarray(values[leaf]) for leaf in leaves]
    before = [value.tobytes() for value in given]
    results = iter(run(whole, given))
    assert [value.tobytes() for value in given] == before, "an input was changed"
    for graph in graphs:
        found = [next(results) for _ in graph.outputs]
        faults = judge(graph, [values[leaf] for leaf in graph.inputs], found, Flushed)
        assert not faults, "\n".join([*faults, str(graph)])
