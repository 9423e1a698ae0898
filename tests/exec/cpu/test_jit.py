"""Compiling by several threads at once, past llvmlite's lock, and forks meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

from nervure import dtypes
from nervure.exec.cpu.entry import Layout, program_texts
from nervure.exec.cpu.jit import Code, object_file
from nervure.exec.cpu.plan import Plan
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import Target, target
from nervure.ir import Graph
from nervure.prims.leaf import input_leaf
from nervure.prims.unary import exp
from tests.exec.cpu.growth import deep_graph
from tests.exec.cpu.test_primitives_cpu import levels
from tests.exec.cpu.test_runtime import check_process

TYPES = (dtypes.bool_, dtypes.int32, dtypes.float32, dtypes.float64)


def texts_of(seed: int, machine: Target) -> list[str]:
    """Return the modules of a random program."""
    plan = Plan(deep_graph(seed, TYPES, 10), machine)
    return program_texts(plan, Layout(plan)) if plan.calls else []


def machines(monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    found = []
    for level in levels():
        monkeypatch.setenv("NERVURE_CPU_LEVEL", level)
        found.append(target())
    monkeypatch.delenv("NERVURE_CPU_LEVEL")
    return found


def at_once(work: Callable[[int], None], count: int) -> list[BaseException]:
    """Call a function from several threads; returns what they raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def guarded(number: int) -> None:
        start.wait(60)
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()
    return errors


def stress(monkeypatch: pytest.MonkeyPatch, seeds: int, turns: int) -> None:
    """Compile the same modules again and again, all threads at once.

    Meanwhile they use LLVM in llvmlite's ordinary way too.  The code must be the same,
    byte for byte, as when one thread compiles alone.
    """
    cases = [
        (text, machine)
        for machine in machines(monkeypatch)
        for seed in range(seeds)
        for text in texts_of(seed, machine)
    ]
    wanted = [object_file(*case) for case in cases]

    def work(number: int) -> None:
        random = np.random.default_rng(number)
        for turn in range(turns):
            for place in random.permutation(len(cases)).tolist():
                assert object_file(*cases[place]) == wanted[place]
                if place % 5 == turn % 5:
                    llvm.parse_assembly("define i32 @f() { ret i32 1 }").verify()
                if place % 7 == turn % 7:
                    Code([], cases[place][1])  # an engine, dropped at once

    assert not at_once(work, 4)


def test_threads_that_compile_do_not_disturb_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stress(monkeypatch, 5, 1)


@pytest.mark.slow
def test_threads_that_compile_a_lot(monkeypatch: pytest.MonkeyPatch) -> None:
    stress(monkeypatch, 40, 5)


def test_wrong_text_fails_in_its_own_thread() -> None:
    good = "define i64 @f() { ret i64 7 }"
    wanted = object_file(good, target())
    refused = []

    def work(number: int) -> None:
        for _ in range(20):
            if number % 2:
                with pytest.raises(RuntimeError, match="the text is not correct"):
                    object_file(good.replace("ret", "rot"), target())
                refused.append(number)
            else:
                assert object_file(good, target()) == wanted

    assert not at_once(work, 4)
    assert len(refused) == 40


def test_programs_made_by_several_threads() -> None:
    """Also where they compile the same graph at the same time."""
    results: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        found = []
        for size in range(50, 60):
            x = input_leaf((size,), dtypes.float32, "x")
            program = CpuProgram(Graph([exp(x)], [x]), target())
            (result,) = program([np.linspace(0, 1, size, dtype=np.float32)])
            found.append(result.tobytes())
        results[number] = found

    assert not at_once(work, 4)
    assert all(results[number] == results[0] for number in range(4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("forks", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_fork_while_other_threads_compile(forks: int) -> None:
    """The child compiles as well: no lock may have been left to it locked."""
    script = """
        import itertools, warnings, tempfile
        warnings.simplefilter("ignore", DeprecationWarning)
        config.cache_dir = tempfile.mkdtemp()
        stop, sizes = False, itertools.count(1000)
        def work():
            while not stop:
                parallel_program(next(sizes))
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(FORKS):
            time.sleep(0.003 * (turn % 5))
            process = os.fork()
            if process == 0:
                signal.alarm(60)
                mine = parallel_program(500_000 + turn)
                os._exit(0 if mine([values(500_000 + turn)]) and right() else 1)
            status = os.waitpid(process, 0)[1]
            assert status == 0, status
        stop = True
        for thread in threads:
            thread.join()
    """
    check_process(script.replace("FORKS", str(forks)), timeout=300)
