"""Whether a pass keeps every bit: graphs run by the definitions of their operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nervure import dtypes
from nervure.ir import Graph, Node
from nervure.ir.attrs import NDArray
from nervure.ir.bodies import bodies_of
from nervure.ir.primitive import Fusion
from nervure.ir.verify import verify
from nervure.passes import PASSES, Pass, optimized
from nervure.passes.merge import check_unique
from tests.exec.cpu.stability import judge


def defined(graph: Graph, inputs: Sequence[NDArray]) -> list[NDArray]:
    """Return the outputs of a graph by definition; no pass has seen it."""
    values = dict(zip(graph.inputs, inputs, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node not in values:
                operands = [values[operand] for operand in node.inputs]
                if node.op.fusion in (Fusion.ELEMENTWISE, Fusion.REDUCTION):
                    # NumPy has other bits for other strides.
                    operands = [np.array(one, order="C") for one in operands]
                values[node] = node.op.reference(node, *operands)
    return [np.asarray(values[node]) for node in graph.outputs]


def reads_bits(graph: Graph) -> bool:
    """Tell whether the bits of a floating-point number are looked at.

    Those of a NaN mean nothing, so such a graph has no certain value.
    """
    return any(
        (node.op.name == "bitcast" and dtypes.is_float(node.inputs[0].dtype))
        or any(reads_bits(body) for _, body in bodies_of(node))
        for node in graph.nodes
    )


def multiplies(graph: Graph) -> bool:
    """Tell whether a graph has products of floating-point matrices."""
    return any(
        node.op.name == "dot" and dtypes.is_float(node.dtype) for node in graph.nodes
    )


def bits(value: NDArray) -> bytes:
    """Return the bytes of an array; all NaN are one."""
    if dtypes.is_float(value.dtype):
        value = np.where(np.isnan(value), np.array(np.nan, value.dtype), value)
    return np.ascontiguousarray(value).tobytes()


def check(graph: Graph, inputs: Sequence[NDArray]) -> None:
    """Run every pass by itself and all together; nothing may change the results."""
    wanted = defined(graph, inputs)
    for one in PASSES:
        _check(one.name, graph, one.run(graph), inputs, wanted)
        check_idempotent(one, graph)
    whole = optimized(graph)
    _check("all", graph, whole, inputs, wanted)
    assert optimized(whole) is whole


def check_idempotent(one: Pass, graph: Graph) -> None:
    """Run a pass until it finds nothing, which must come soon."""
    for _ in range(6):
        before, graph = graph, one.run(graph)
        if graph is before:
            return
    raise AssertionError(f"{one.name} goes on and on:\n{graph}")


def _check(
    name: str,
    before: Graph,
    after: Graph,
    inputs: Sequence[NDArray],
    wanted: Sequence[NDArray],
) -> None:
    verify(after)
    check_unique(after)
    assert after.inputs == before.inputs
    assert types(after) == types(before)
    found = defined(after, inputs)
    if multiplies(before):
        # A BLAS adds in another order where rows and columns lie otherwise.
        faults = judge(before, inputs, found)
        assert not faults, "\n".join([name, *faults, str(before), str(after)])
        return
    for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert bits(one) == bits(other), (
            f"{name} changes output {place}: {other} became {one}\n{before}\n{after}"
        )


def types(graph: Graph) -> list[str]:
    """Return the types of a graph's outputs."""
    return [node.type_text for node in graph.outputs]


def text(graph: Graph) -> str:
    """Return a graph without lines and names of files."""
    return graph.to_text(sites=False)


def graph_of(*outputs: Node) -> Graph:
    """Return a graph of outputs."""
    return Graph(outputs)
