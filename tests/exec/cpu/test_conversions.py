"""Conversions from and to the narrow types, at every level of the machine."""

from __future__ import annotations

import numpy as np
import pytest

from nervure import dtypes
from nervure.dtypes import DType
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.prims.leaf import input_leaf
from nervure.prims.select import cast
from tests.exec.cpu.guarded import guarded
from tests.exec.cpu.test_primitives_cpu import levels

WIDE = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.uint64)


def convert(values: NDArray, dtype: DType) -> tuple[NDArray, NDArray]:
    x = input_leaf(values.shape, values.dtype, "x")
    graph = Graph([cast(x, dtype)], [x])
    (result,) = CpuProgram(graph, target())([values])
    (want,) = ReferenceExecutor().compile(graph)([values])
    return result, want


def assert_same(result: NDArray, want: NDArray) -> None:
    """Equal, signs of zeros too; what is not a number may be any."""
    with np.errstate(invalid="ignore"):
        wide, wanted = result.astype(np.float64), want.astype(np.float64)
    np.testing.assert_array_equal(wide, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(
        np.signbit(wide[numbers]), np.signbit(wanted[numbers])
    )


def around_halfway(dtype: DType) -> NDArray:
    """Return float64 numbers at and beside the middle between narrow neighbours."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**16, 4000).astype(np.uint16)
    with np.errstate(all="ignore"):
        low = bits.view(dtype).astype(np.float64)
        high = (bits + np.uint16(1)).view(dtype).astype(np.float64)
        middle = low / 2 + high / 2
        values = [low, middle]
        for factor in (1 + 2.0**-25, 1 - 2.0**-25, 1 + 2.0**-50, 1 - 2.0**-50):
            values.append(middle * factor)
    return np.concatenate(values)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
def test_every_narrow_number_is_widened(
    level: str, dtype: DType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    values = np.arange(2**16, dtype=np.uint16).view(dtype)
    assert_same(*convert(values, dtypes.float32))


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("source", WIDE, ids=str)
@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
def test_wide_numbers_are_rounded_once(
    level: str, source: DType, dtype: DType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    if dtypes.is_float(source):
        special = np.array(
            [0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519, 65520, 3e38]
        )
        with np.errstate(all="ignore"):
            values = np.concatenate([special, around_halfway(dtype)]).astype(source)
    else:
        random = np.random.default_rng(0)
        limits = np.iinfo(source)
        bits = random.integers(0, 8 * source.itemsize, 4000).astype(source)
        values = random.integers(limits.min, limits.max, 4000, source) >> bits
        near = (np.arange(256, 512).astype(source) * 2 + 1) << np.array(12, source)
        values = np.concatenate([values, near, near + np.array(1, source),
                                 near - np.array(1, source)])  # fmt: skip
    assert_same(*convert(values, dtype))


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("size", [1, 2, 3, 9, 17, 33, 65])
def test_nothing_is_written_beside_a_result(
    level: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by random graphs: LLVM stored one truncated element as a wide one."""
    monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
    leaves = [input_leaf((size,), dtype, "x") for dtype in dtypes.ALL]
    outputs = [
        cast(x, dtype) for x in leaves for dtype in dtypes.ALL if dtype != x.dtype
    ]
    values = [np.arange(size).astype(x.dtype) for x in leaves]
    graph = Graph(outputs, leaves)
    with guarded():
        results = CpuProgram(graph, target())(values)
    for result, node in zip(results, outputs, strict=True):
        (x,) = node.inputs
        want = values[leaves.index(x)].astype(node.dtype)
        np.testing.assert_array_equal(result, want)
