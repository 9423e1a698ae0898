"""Every primitive, type and sample on the cpu executor, at every level of the machine.

The operands are inputs, so nothing can be folded; what may differ from the reference is
said in ``stability.py``.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph, apply
from nervure.ir.primitive import Fusion, Primitive, Sample, primitives
from nervure.prims.leaf import input_leaf
from tests.exec.cpu.lowered import is_lowered
from tests.exec.cpu.stability import judge

CASES = [
    pytest.param(primitive, dtype, id=f"{primitive.name}-{dtype.name}")
    for primitive in primitives()
    if primitive.name not in ("input", "buffer")
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


def check(primitive: Primitive, sample: Sample) -> None:
    inputs = [
        input_leaf(array.shape, array.dtype, f"x{place}")
        for place, array in enumerate(sample.inputs)
    ]
    node = apply(primitive, *inputs, **sample.attrs)
    if not is_lowered(node):
        pytest.skip("not lowered yet")
    graph = Graph([node], inputs)
    arrays = [np.asarray(array) for array in sample.inputs]
    results = CpuProgram(graph, target())(arrays)
    with config.override(num_threads=1):
        alone = CpuProgram(graph, target())(arrays)
    assert results[0].tobytes() == alone[0].tobytes()
    faults = judge(graph, arrays, results)
    assert not faults, faults


@pytest.mark.parametrize("primitive, dtype", CASES)
def test_samples(
    primitive: Primitive, dtype: DType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for level in levels():
        monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
        for sample in primitive.samples(dtype, np.random.default_rng(0)):
            check(primitive, sample)


@pytest.mark.parametrize("size", [1, 3, 7, 15, 16, 17, 31, 33, 64, 100])
def test_elementwise_tails(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths around those of vectors, for a few types of every width."""
    types = (dtypes.bool_, dtypes.int8, dtypes.uint16, dtypes.float32, dtypes.float64)
    random = np.random.default_rng(size)
    for level in levels():
        monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
        for primitive in primitives():
            if primitive.fusion is not Fusion.ELEMENTWISE:
                continue
            for dtype in types:
                if dtype not in primitive.dtypes:
                    continue
                sample = primitive.samples(dtype, random)[0]
                if not sample.inputs or "shape" in sample.attrs:
                    continue
                longer = tuple(np.resize(array, size) for array in sample.inputs)
                check(primitive, Sample(longer, sample.attrs))
