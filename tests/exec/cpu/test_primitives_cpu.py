"""Every primitive, type and sample on the cpu executor, at every level of the machine.

The operands are inputs, so nothing can be folded; what may differ from the reference is
said in ``stability.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph, apply
from nervure.ir.primitive import (
    Fusion,
    Primitive,
    Sample,
    primitive_named,
    primitives,
)
from nervure.ir.record import result_types
from nervure.prims.control import part
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.stability import judge

CASES = [
    pytest.param(primitive, dtype, id=f"{primitive.name}-{dtype.name}")
    for primitive in primitives()
    if primitive.name not in ("input", "buffer", "part")  # no operands of their own
    for dtype in primitive.dtypes
]


@functools.cache
def levels() -> list[str]:
    """Return the levels that this machine can be forced to."""
    found = []
    for level in ("avx512", "avx2", "neon", "baseline"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NERVURE_CPU_LEVEL", level)
            try:
                target()
            except ValueError:
                continue
            found.append(level)
    return found


def applied(primitive: Primitive, sample: Sample) -> Graph:
    """Return a graph of one primitive whose operands are inputs."""
    inputs = [
        input_leaf(array.shape, array.dtype, f"x{place}")
        for place, array in enumerate(sample.inputs)
    ]
    node = apply(primitive, *inputs, **sample.attrs)
    if primitive.control is None:
        return Graph([node], inputs)
    # its value is a record: look at all of its parts
    count = len(result_types(node.dtype))
    return Graph([part(node, place) for place in range(count)], inputs)


def check(cases: Sequence[tuple[Primitive, Sample]]) -> None:
    """Compile all cases as one program and judge each."""
    graphs = [applied(*case) for case in cases]
    arrays = [[np.asarray(one) for one in sample.inputs] for _, sample in cases]
    whole = Graph(
        [output for graph in graphs for output in graph.outputs],
        [leaf for graph in graphs for leaf in graph.inputs],
    )
    program = CpuProgram(whole, target())
    given = [array for one in arrays for array in one]
    results = program(given)
    with config.override(num_threads=1):
        alone = program(given)
    assert [one.tobytes() for one in results] == [one.tobytes() for one in alone]
    remaining = iter(results)
    for graph, operands in zip(graphs, arrays):
        mine = [next(remaining) for _ in graph.outputs]
        faults = judge(graph, operands, mine)
        assert not faults, "\n".join([*faults, str(graph)])


def check_samples(primitive: Primitive, dtype: DType) -> None:
    samples = primitive.samples(dtype, np.random.default_rng(0))
    check([(primitive, sample) for sample in samples])


def test_every_primitive_has_samples() -> None:
    names = {case.values[0].name for case in CASES}
    for name in names:
        one = primitive_named(name)
        assert any(one.samples(dtype, np.random.default_rng(0)) for dtype in one.dtypes)


@pytest.mark.parametrize("primitive, dtype", CASES)
def test_samples(primitive: Primitive, dtype: DType) -> None:
    check_samples(primitive, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("level", levels()[1:])
@pytest.mark.parametrize("primitive, dtype", CASES)
def test_samples_on_lesser_machines(
    primitive: Primitive, dtype: DType, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    check_samples(primitive, dtype)


LENGTHS = (1, 3, 7, 15, 16, 17, 31, 33, 64, 100)
TAIL_TYPES = (
    dtypes.bool_, dtypes.int8, dtypes.uint16, dtypes.float32, dtypes.float64
)  # fmt: skip


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", TAIL_TYPES, ids=str)
def test_elementwise_tails(
    dtype: DType, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lengths around those of vectors, for a few types of every width."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    random = np.random.default_rng(0)
    cases = []
    for primitive in primitives():
        if primitive.fusion is not Fusion.ELEMENTWISE or dtype not in primitive.dtypes:
            continue
        sample = primitive.samples(dtype, random)[0]
        if not sample.inputs or "shape" in sample.attrs:
            continue
        # of the lengths, another few for each primitive
        for size in LENGTHS[len(cases) % 3 :: 3]:
            longer = tuple(np.resize(array, size) for array in sample.inputs)
            cases.append((primitive, Sample(longer, sample.attrs)))
    check(cases)
