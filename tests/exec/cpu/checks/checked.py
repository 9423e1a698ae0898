"""Running graphs with and without checks, and comparing the bits.

Only memory is looked at: an index out of range, which the primitives clamp, is no fault
here (``test_indices.py`` says what happens to one).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu import target as target_module
from nervure.exec.cpu.checks.watch import Watch
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph
from nervure.ir.attrs import NDArray


@contextlib.contextmanager
def memory_alone() -> Iterator[None]:
    """Within the block, checked runs let indices out of range pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "index_fault", lambda _: None)
        yield


def check_everything() -> None:
    """Let every program that this process compiles from now on check its accesses."""
    module: Any = target_module
    module.config = SimpleNamespace(check=True)
    Watch.index_fault = lambda _: None  # type: ignore[method-assign]


def checked_program(graph: Graph) -> CpuProgram:
    """Compile a graph with checks, whatever the setting."""
    return CpuProgram(graph, replace(target(), check=True))


def assert_clean(
    graph: Graph, arrays: Sequence[NDArray], threads: Sequence[int] = (1, 2)
) -> None:
    """Assert that no access is outside its buffer, and that no bit changes."""
    wanted = CpuProgram(graph, target())(arrays)
    program = checked_program(graph)
    for count in threads:
        with config.override(num_threads=count), memory_alone():
            results = program(arrays)
        for mine, theirs in zip(results, wanted, strict=True):
            assert same_bits(mine, theirs), f"checks change bits: {graph}"


def same_bits(first: NDArray, second: NDArray) -> bool:
    """Tell whether all bits are equal but those of NaN, which mean nothing."""
    if dtypes.is_float(first.dtype):
        nan = first != first
        if not np.array_equal(nan, second != second):
            return False
        first, second = first[~nan], second[~nan]
    return first.tobytes() == second.tobytes()
