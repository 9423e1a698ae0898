"""Every gradient again, on the cpu executor: against the reference and differences."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from nervure import dtypes
from nervure.autodiff import reverse
from nervure.dtypes import DType
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph, Node, apply
from nervure.ir.attrs import NDArray
from nervure.ir.primitive import Primitive, Sample, primitives
from nervure.prims.binary import add, mul
from nervure.prims.leaf import full_like, input_leaf
from nervure.prims.reduce import reduce_sum
from tests.exec.cpu.stability import judge

CASES = [
    pytest.param(
        primitive,
        dtype,
        id=f"{primitive.name}-{dtype.name}",
        marks=() if dtype == dtypes.float32 else pytest.mark.slow,
    )
    for primitive in primitives()
    if primitive.name not in ("input", "buffer")
    for dtype in primitive.dtypes
    if dtypes.is_float(dtype)
]
# The gradient of custom_gradient is what its user says, not the derivative.
SMOOTH = [
    pytest.param(*case.values, id=case.id)
    for case in CASES
    if case.values[1] == dtypes.float64 and case.values[0].name != "custom_gradient"
]


class Derivative:
    """A sample with its gradient, and the gradient's own gradient."""

    def __init__(
        self, primitive: Primitive, sample: Sample, random: np.random.Generator
    ) -> None:
        self.random = random
        arrays = [np.asarray(one) for one in sample.inputs]
        leaves = [input_leaf(one.shape, one.dtype, "x") for one in arrays]
        self.values: dict[Node, NDArray] = dict(zip(leaves, arrays, strict=True))
        self.node = apply(primitive, *leaves, **sample.attrs)
        places = sample.differentiate
        if places is None:
            places = tuple(
                k for k, one in enumerate(leaves) if dtypes.is_float(one.dtype)
            )
        self.wrt = list(dict.fromkeys(leaves[place] for place in places))
        self.first = self._gradients([self.node], self.wrt)

    def weight(self, node: Node) -> Node:
        """Return an input of random values for the cotangent of a node."""
        leaf = input_leaf(node.shape, node.dtype, "weight")
        self.values[leaf] = self.random.normal(size=node.shape).astype(node.dtype)
        return leaf

    def _gradients(self, nodes: Sequence[Node], wrt: Sequence[Node]) -> list[Node]:
        if not wrt or not all(dtypes.is_float(node.dtype) for node in nodes):
            return []
        found = reverse(nodes, [self.weight(node) for node in nodes], wrt)
        return [one for one in found if one is not None]

    def second(self) -> list[Node]:
        """Return the gradients of the gradients."""
        return self._gradients(self.first, self.wrt) if self.first else []

    def graph(self, outputs: Sequence[Node]) -> Graph:
        return Graph(outputs, list(self.values))


def derivatives(primitive: Primitive, dtype: DType) -> list[Derivative]:
    samples = primitive.samples(dtype, np.random.default_rng(0))
    random = np.random.default_rng(zlib.crc32(primitive.name.encode()))
    return [Derivative(primitive, sample, random) for sample in samples]


def run(graphs: Sequence[Graph], values: dict[Node, NDArray]) -> list[list[NDArray]]:
    """Run many graphs as one program."""
    leaves = [leaf for graph in graphs for leaf in graph.inputs]
    whole = Graph([node for graph in graphs for node in graph.outputs], leaves)
    results = iter(CpuProgram(whole, target())([values[leaf] for leaf in leaves]))
    return [[next(results) for _ in graph.outputs] for graph in graphs]


@pytest.mark.parametrize("primitive, dtype", CASES)
def test_gradients_are_those_of_the_reference(
    primitive: Primitive, dtype: DType
) -> None:
    cases = derivatives(primitive, dtype)
    outputs = [[*case.first, *case.second()] for case in cases]
    graphs = [case.graph(nodes) for case, nodes in zip(cases, outputs, strict=True)]
    values = {leaf: value for case in cases for leaf, value in case.values.items()}
    for graph, results in zip(graphs, run(graphs, values), strict=True):
        given = [values[leaf] for leaf in graph.inputs]
        faults = judge(graph, given, results)
        assert not faults, "\n".join([*faults, str(graph)])


@pytest.mark.slow
@pytest.mark.parametrize("primitive, dtype", SMOOTH)
def test_gradients_are_central_differences(primitive: Primitive, dtype: DType) -> None:
    """Values and gradients both come from compiled code here."""
    samples = primitive.samples(dtype, np.random.default_rng(0))
    cases = [
        case
        for case, sample in zip(derivatives(primitive, dtype), samples, strict=True)
        if sample.smooth and case.first and case.node.dtype == dtypes.float64
    ]
    random = np.random.default_rng(0)
    graphs, values, directions = [], {}, {}
    for case in cases:
        (cotangent,) = list(case.values)[len(case.values) - 1 :]
        product = mul(case.node, cotangent)
        scalar = reduce_sum(product, range(len(product.shape)))
        found = reverse([scalar], [full_like(scalar, 1)], case.wrt)
        slope = full_like(scalar, 0)
        for leaf, gradient in zip(case.wrt, found, strict=True):
            direction = random.normal(size=leaf.shape)
            if gradient is None:
                continue
            directions[leaf] = direction
            where = input_leaf(leaf.shape, leaf.dtype, "direction")
            case.values[where] = direction
            along = reduce_sum(mul(gradient, where), range(len(leaf.shape)))
            slope = add(slope, along)
        graphs.append(case.graph([scalar, slope]))
        values |= case.values

    def moved(step: float) -> list[list[NDArray]]:
        return run(graphs, {
            leaf: np.asarray(value + step * directions[leaf])
            if leaf in directions else value
            for leaf, value in values.items()
        })  # fmt: skip

    step = 1e-4  # five points: the error is of the order of the step's fourth power
    at = {k: moved(k * step) for k in (-2, -1, 0, 1, 2)}
    for place in range(len(graphs)):
        near = at[1][place][0] - at[-1][place][0]
        far = at[2][place][0] - at[-2][place][0]
        expected = (8 * near - far) / (12 * step)
        assert abs(at[0][place][1] - expected) <= 1e-7 * (1 + abs(expected))
