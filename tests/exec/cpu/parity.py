"""Comparing the cpu executor with the reference, and with itself on other threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.dtypes import DType
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node, apply
from nervure.ir.attrs import NDArray
from nervure.ir.primitive import primitive_named
from nervure.prims.leaf import input_leaf

# Relative and absolute error that sums in another order may have.
TOLERANCE = {
    dtypes.float64: 1e-12,
    dtypes.float32: 2e-5,
    dtypes.float16: 2e-3,
    dtypes.bfloat16: 2e-2,
}


def leaves(arrays: Sequence[NDArray]) -> list[Node]:
    """Return an input for each array."""
    return [
        input_leaf(array.shape, array.dtype, f"x{place}")
        for place, array in enumerate(arrays)
    ]


def assert_like_reference(
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    arrays: Sequence[NDArray],
    *,
    exact: bool = False,
    tolerance: float | None = None,
    threads: Sequence[int] = (2,),
) -> None:
    """Assert that a graph computes what the reference does, whatever the threads."""
    graph = Graph(outputs, inputs)
    wanted = ReferenceExecutor().compile(graph)(arrays)
    program = CpuProgram(graph, target())
    first: list[NDArray] | None = None
    for count in threads:
        with config.override(num_threads=count):
            results = program(arrays)
        if first is None:
            first = results
        for result, before in zip(results, first, strict=True):
            assert result.tobytes() == before.tobytes(), f"{count} threads differ"
    assert first is not None
    for result, want in zip(first, wanted, strict=True):
        assert_close(result, want, exact=exact, tolerance=tolerance)


def assert_close(
    result: NDArray,
    want: NDArray,
    *,
    exact: bool = False,
    tolerance: float | None = None,
) -> None:
    """Assert equal types and shapes, and values equal or close."""
    assert result.dtype == want.dtype
    assert result.shape == want.shape
    if not dtypes.is_float(result.dtype):
        np.testing.assert_array_equal(result, want)
        return
    # NumPy does not know that the NaN of bfloat16 are NaN
    wide, wide_want = result.astype(np.float64), want.astype(np.float64)
    if exact:
        np.testing.assert_array_equal(wide, wide_want)
        return
    limit = TOLERANCE[result.dtype] if tolerance is None else tolerance
    np.testing.assert_allclose(wide, wide_want, rtol=limit, atol=limit)


def samples_of(*names: str) -> list[Any]:
    """Return a test parameter for each primitive, type and sample."""
    parameters = []
    for name in names:
        primitive = primitive_named(name)
        for dtype in primitive.dtypes:
            count = len(list(primitive.samples(dtype, np.random.default_rng(0))))
            for number in range(count):
                label = f"{name}-{dtype.name}-{number}"
                parameters.append(pytest.param(name, dtype, number, id=label))
    return parameters


def check_sample(name: str, dtype: DType, number: int, *, exact: bool) -> None:
    """Compare one of a primitive's samples with the reference."""
    primitive = primitive_named(name)
    sample = list(primitive.samples(dtype, np.random.default_rng(0)))[number]
    arrays = [np.asarray(array) for array in sample.inputs]
    inputs = leaves(arrays)
    node = apply(primitive, *inputs, **sample.attrs)
    assert_like_reference([node], inputs, arrays, exact=exact, threads=(1, 2, 3))
