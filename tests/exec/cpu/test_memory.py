"""Placing values in the arena, lending workspaces, and memory that does not grow."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure import dtypes
from nervure.exec.cpu import memory
from nervure.exec.cpu.executor import KEPT_PROGRAMS, CpuExecutor
from nervure.exec.cpu.memory import ALIGNMENT, Lifetime, place, rounded
from nervure.exec.cpu.program import CpuProgram, CpuStepProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph
from nervure.ir.node import interned_count
from nervure.prims import binary, movement, reduce, unary
from nervure.prims.leaf import buffer_leaf, full_like, input_leaf
from tests.exec.cpu.effort import examples


@st.composite
def lifetimes(draw: st.DrawFn) -> dict[int, Lifetime]:
    count = draw(st.integers(0, 40))
    result = {}
    for name in range(count):
        birth = draw(st.integers(0, 12))
        death = draw(st.integers(birth, 14))
        nbytes = draw(st.sampled_from([0, 1, 64, 65, 4096]) | st.integers(0, 10_000))
        result[name] = Lifetime(birth, death, nbytes)
    return result


@given(values=lifetimes(), tight=st.booleans(), scale=st.sampled_from([1, 100]))
@examples(200, 500)
def test_values_alive_together_never_overlap(
    values: dict[int, Lifetime], tight: bool, scale: int
) -> None:
    values = {
        name: one._replace(nbytes=scale * one.nbytes) for name, one in values.items()
    }
    placement = place(values, tight=tight)
    for name, one in values.items():
        begin = placement.offsets[name]
        assert begin % ALIGNMENT == 0
        assert begin + one.nbytes <= placement.nbytes
        for other_name, other in values.items():
            apart = one.death < other.birth or other.death < one.birth
            other_begin = placement.offsets[other_name]
            disjoint = (
                begin + rounded(one.nbytes) <= other_begin
                or other_begin + rounded(other.nbytes) <= begin
            )
            assert name == other_name or apart or disjoint


@given(values=lifetimes())
@examples(100, 200)
def test_the_arena_is_not_much_larger_than_needed(values: dict[int, Lifetime]) -> None:
    busiest = max(
        (sum(rounded(one.nbytes) for one in values.values()
             if one.birth <= phase <= one.death) for phase in range(15)),
        default=0,
    )  # fmt: skip
    total = place(values).nbytes
    assert busiest <= total <= 2 * busiest


@given(values=lifetimes())
@examples(100, 200)
def test_keeping_sizes_apart_costs_an_eighth_at_most(
    values: dict[int, Lifetime],
) -> None:
    values = {
        name: one._replace(nbytes=99 * one.nbytes) for name, one in values.items()
    }
    assert place(values, tight=False).nbytes <= 9 / 8 * place(values).nbytes


def test_large_values_take_the_place_of_their_like() -> None:
    large, small = 4 * 65_536, 65_536
    values = {
        "weights": Lifetime(0, 9, 10 * large),
        "x": Lifetime(0, 1, large),
        "y": Lifetime(2, 3, small),
        "z": Lifetime(4, 5, large),
    }
    loose = place(values, tight=False).offsets
    assert place(values).offsets["y"] == place(values).offsets["x"]
    assert loose["x"] == loose["z"] != loose["y"]


# --- workspaces ----------------------------------------------------------------------


@pytest.fixture
def no_workspaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the memory of programs that other tests have left alive."""
    monkeypatch.setattr(memory, "_workspaces", [])


@pytest.mark.usefixtures("no_workspaces")
def test_a_workspace_is_aligned_and_lent_to_one_at_a_time() -> None:
    one = memory.locked_workspace(100_000)
    other = memory.locked_workspace(100_000)
    assert one is not other
    for workspace in (one, other):
        assert workspace.address % ALIGNMENT == 0
        assert workspace.nbytes >= 100_000
    one.lock.release()
    assert memory.locked_workspace(90_000) is one
    assert memory.locked_workspace(1000) is not one  # far too large for it
    other.lock.release()


@pytest.mark.usefixtures("no_workspaces")
def test_programs_share_a_workspace_and_give_it_back() -> None:
    def program(factor: float) -> CpuProgram:
        x = input_leaf((1000, 7), dtypes.float32, "x")
        y = unary.exp(binary.mul(x, full_like(x, factor)))
        total = reduce.reduce_sum(binary.mul(y, y), (0,))
        return CpuProgram(Graph([total, reduce.reduce_max(y, (1,))], [x]), target())

    programs = [program(factor) for factor in (1.0, 2.0, 3.0)]
    for one in programs:
        one([np.ones((1000, 7), np.float32)])
    spaces = {id(one._compiled._workspace) for one in programs}
    assert len(spaces) == 1
    del programs, one
    gc.collect()
    assert id(None) not in spaces
    alive = [reference() for reference in memory._workspaces]
    assert not any(id(workspace) in spaces for workspace in alive if workspace)


@pytest.mark.parametrize(
    "dtype", [dtypes.bool_, dtypes.float32, dtypes.float64], ids=str
)
@pytest.mark.parametrize("shape", [(), (3,), (1000,), (64, 64), (0, 5), (5000, 3)])
def test_large_results_begin_on_a_cache_line(
    shape: tuple[int, ...], dtype: np.dtype
) -> None:
    array = memory.aligned_empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    if array.nbytes >= 32_768:
        assert array.ctypes.data % ALIGNMENT == 0
        assert array.base is None or array.base.nbytes <= array.nbytes + ALIGNMENT


def test_arrays_are_found_behind_their_head() -> None:
    is_cpython = sys.implementation.name == "cpython"
    assert is_cpython == memory.DIRECT
    for array in (np.empty(3), np.empty((5, 7))[2:, 1:], np.empty(0)):
        assert memory.address(array) == array.ctypes.data


# --- growth --------------------------------------------------------------------------


def resident() -> int:
    """Return the bytes of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def compile_run_drop(size: int) -> None:
    x = input_leaf((size, 7), dtypes.float32, "x")
    w = input_leaf((7,), dtypes.float32, "w")
    product = binary.mul(x, movement.broadcast(w, (size, 7), (1,)))
    y = reduce.reduce_sum(unary.exp(product), (0,))
    program = CpuProgram(Graph([y], [x, w]), target())
    program([np.ones((size, 7), np.float32), np.ones(7, np.float32)])
    batch = input_leaf((7,), dtypes.float32, "batch")
    new = binary.sub(w, binary.mul(batch, full_like(w, 0.1)))
    steps = CpuStepProgram(Graph([new], [w, batch]), target(), 1, 0)
    steps.run([np.ones(7, np.float32)], [], [np.ones((size, 7), np.float32)])


def growth(cycles: int, warm: int = 200) -> float:
    """Return the bytes that a cycle leaves behind, on average."""
    for size in range(400 - warm, 400):
        compile_run_drop(size)
    gc.collect()
    nodes, threads, before = interned_count(), threading.active_count(), resident()
    for size in range(400, 400 + cycles):
        compile_run_drop(size)
    gc.collect()
    assert interned_count() == nodes
    assert threading.active_count() == threads
    return (resident() - before) / cycles


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="needs /proc"
)


@needs_proc
def test_dropped_programs_leave_nothing_behind() -> None:
    assert growth(100, warm=100) < 4000


@needs_proc
@pytest.mark.slow
def test_a_thousand_dropped_programs_leave_nothing_behind() -> None:
    assert growth(1000) < 1000


def test_implicit_evaluations_keep_a_limited_number_of_programs() -> None:
    executor = CpuExecutor()
    for size in range(1, KEPT_PROGRAMS + 20):
        value = buffer_leaf(np.ones(size, np.float32))
        (result,) = executor.evaluate([binary.add(value, value)], {})
        assert result.tolist() == [2.0] * size
    assert len(executor._programs) == KEPT_PROGRAMS
    nodes = interned_count()
    again = buffer_leaf(np.full(size, 3, np.float32))
    (result,) = executor.evaluate([binary.add(again, again)], {})
    assert result.tolist() == [6.0] * size
    del again
    assert interned_count() == nodes
