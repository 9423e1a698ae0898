"""Worker threads: barriers, sleep, several callers, fork, interrupts and exit."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.errors import GraphError
from nervure.exec.cpu import runtime, waiting
from nervure.exec.cpu.jit import Code, compile_modules
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import target
from nervure.ir import Graph
from nervure.ir.attrs import NDArray
from nervure.prims import binary, reduce
from nervure.prims.leaf import full_like, input_leaf

# Every thread adds one to its own counter between barriers, and after each barrier
# counts it as a fault if another thread's counter is not the same.
CHECKER = """
declare void @nervure_barrier(ptr, i64)
define void @check(ptr %context, i64 %thread, i64 %threads, ptr %control) {
entry:
  %rounds.at = getelementptr i64, ptr %context, i64 2
  %rounds = load i64, ptr %rounds.at
  %faults = getelementptr i64, ptr %context, i64 3
  %counters = getelementptr i64, ptr %context, i64 8
  %skip = mul i64 %thread, 8
  %mine = getelementptr i64, ptr %counters, i64 %skip
  br label %round
round:
  %k = phi i64 [ 0, %entry ], [ %k2, %after ]
  %old = load i64, ptr %mine
  %new = add i64 %old, 1
  store i64 %new, ptr %mine
  call void @nervure_barrier(ptr %control, i64 %threads)
  br label %other
other:
  %t = phi i64 [ 0, %round ], [ %t2, %other ]
  %far = mul i64 %t, 8
  %theirs.at = getelementptr i64, ptr %counters, i64 %far
  %theirs = load i64, ptr %theirs.at
  %wrong = icmp ne i64 %theirs, %new
  %fault = zext i1 %wrong to i64
  %ignored = atomicrmw add ptr %faults, i64 %fault monotonic
  %t2 = add i64 %t, 1
  %more = icmp slt i64 %t2, %threads
  br i1 %more, label %other, label %after
after:
  call void @nervure_barrier(ptr %control, i64 %threads)
  %k2 = add i64 %k, 1
  %again = icmp slt i64 %k2, %rounds
  br i1 %again, label %round, label %done
done:
  ret void
}
"""


class Checker:
    """A job that checks the barrier; words 0 and 1 are the head of a context."""

    def __init__(self) -> None:
        runtime.native()
        self._code: Code = compile_modules([CHECKER], target())
        self.function = self._code.address("check")
        self.words = (ctypes.c_int64 * 256)()

    def run(self, pool: runtime.Pool, rounds: int) -> None:
        self.words[2] = rounds
        pool.run(self.function, ctypes.addressof(self.words))

    @property
    def faults(self) -> int:
        return self.words[3]

    def counts(self, threads: int) -> list[int]:
        return [self.words[8 + 8 * thread] for thread in range(threads)]


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_nobody_passes_a_barrier_too_early(threads: int) -> None:
    checker, pool = Checker(), runtime.Pool(threads)
    for _ in range(20):
        checker.run(pool, 200)
    assert checker.faults == 0
    assert checker.counts(threads) == [4000] * threads
    pool.close()


def wake_often(jobs: int) -> None:
    """Run tiny jobs with pauses around the time after which workers fall asleep."""
    random = np.random.default_rng(0)
    pauses = random.choice([0, 0, 0, 1e-5, 1e-4, 2e-4, 4e-4], jobs)
    checker, pool = Checker(), runtime.Pool(2)
    for pause in pauses.tolist():
        checker.run(pool, 1)
        until = time.perf_counter() + pause
        while time.perf_counter() < until:
            pass
    assert checker.faults == 0
    assert checker.counts(2) == [jobs, jobs]
    pool.close()


def test_no_wake_up_is_lost() -> None:
    wake_often(3000)


@pytest.mark.slow
def test_no_wake_up_is_lost_in_many_jobs() -> None:
    wake_often(100_000)


# --- programs ------------------------------------------------------------------------


def parallel_program(size: int = 200_000, factor: float = 2.0) -> CpuProgram:
    x = input_leaf((size,), dtypes.float32, "x")
    y = binary.mul(x, full_like(x, factor))
    total = reduce.reduce_sum(binary.mul(y, y), (0,))
    return CpuProgram(Graph([y, total], [x]), target())


def values(size: int = 200_000, seed: int = 0) -> NDArray:
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def run_in_threads(work: list[threading.Thread], errors: list[BaseException]) -> None:
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(60)
        assert not thread.is_alive()
    assert not errors


def test_several_callers_at_once() -> None:
    programs = [
        parallel_program(),
        parallel_program(factor=3.0),
        parallel_program(1000),
    ]
    inputs = [values(seed=1), values(seed=2), values(1000)]
    wanted = [program([x]) for program, x in zip(programs, inputs, strict=True)]
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(60):
                place = (number + turn) % 3
                with config.override(num_threads=1 + turn % 3):
                    results = programs[place]([inputs[place]])
                for result, want in zip(results, wanted[place], strict=True):
                    assert result.tobytes() == want.tobytes()
        except BaseException as error:
            errors.append(error)
            raise

    run_in_threads([threading.Thread(target=work, args=(k,)) for k in range(4)], errors)


def test_a_wrong_call_leaves_everything_usable() -> None:
    program, x = parallel_program(), values()
    want = program([x])
    for wrong in ([], [x, x], [x[:5]], [x.astype(np.float64)]):
        with pytest.raises(GraphError, match="expected"):
            program(wrong)
    assert program([x])[0].tobytes() == want[0].tobytes()


def test_inputs_of_any_layout() -> None:
    program, x = parallel_program(1000), values(1000)
    want = program([x])
    wide = np.zeros(2000, np.float32)
    wide[::2] = x
    bytes_ = np.zeros(4001, np.uint8)
    crooked = bytes_[1:].view(np.float32)
    crooked[...] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    for same in (wide[::2], x[::-1][::-1], crooked, frozen):
        for result, wanted in zip(program([same]), want, strict=True):
            assert result.tobytes() == wanted.tobytes()


def test_the_number_of_threads_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    program, x = parallel_program(), values()
    want = program([x])
    before = threading.active_count()
    for turn in range(50):
        monkeypatch.setenv("NERVURE_NUM_THREADS", str(1 + turn % 6))
        results = program([x])
        assert results[1].tobytes() == want[1].tobytes()
    gc.collect()
    time.sleep(0.05)
    most = sum(sorted(range(6))[-runtime.KEPT_POOLS :])
    assert threading.active_count() <= before + most


def test_a_dropped_pool_ends_its_workers() -> None:
    before = threading.active_count()
    pools = [runtime.Pool(3) for _ in range(5)]
    assert threading.active_count() == before + 10
    del pools
    gc.collect()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_without_the_means_for_threads_one_does_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = []
    start = threading.Thread.start

    def fail_later(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_later)
    pool, checker = runtime.Pool(4), Checker()
    checker.run(pool, 5)
    assert pool.threads == 1
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


def test_an_idle_program_burns_nothing() -> None:
    program, x = parallel_program(), values()
    with config.override(num_threads=4):
        program([x])
        time.sleep(0.05)
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.02


# --- whole processes -----------------------------------------------------------------

PRELUDE = """
import os, sys, threading, time, signal
import numpy as np
from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu import runtime, waiting
from tests.exec.cpu.test_runtime import parallel_program, values
config.num_threads = 3
program, x = parallel_program(), values()
want = program([x])
def right():
    return all(a.tobytes() == b.tobytes() for a, b in zip(program([x]), want))
assert right()
"""


def environment() -> dict[str, str]:
    """Return the environment of a process that finds the same modules."""
    root = Path(__file__).resolve().parents[3]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}


def python(script: str) -> subprocess.Popen[str]:
    """Start a Python process with the prelude and a script."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_process(script: str, timeout: float = 120) -> str:
    """Run a script; it must end by itself, without a complaint."""
    with python(script) as process:
        try:
            output, complaints = process.communicate(timeout=timeout)
        finally:
            process.kill()
    assert process.returncode == 0, complaints
    assert "Error" not in complaints
    return output


@pytest.mark.parametrize("pause", [0, 0.001, 0.1])
def test_exit_with_workers_awake_and_asleep(pause: float) -> None:
    check_process(f"time.sleep({pause})")


def test_workers_have_ended_before_the_exit() -> None:
    """The exit of ``weakref.finalize``, which comes first, must not keep them."""
    output = check_process("""
        import atexit, weakref
        workers = runtime.pool().workers
        report = lambda: print(any(worker.is_alive() for worker in workers))
        atexit.unregister(runtime._before_exit)
        atexit.register(report)
        atexit.register(runtime._before_exit)
        weakref.finalize._registered_with_atexit = False
        weakref.finalize(program, len, ())  # registers the exit of all finalizers anew
    """)
    assert output == "False\n"


def test_exit_while_another_thread_runs() -> None:
    check_process("""
        def forever():
            while True:
                program([x])
        for _ in range(2):
            threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.05)
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_and_ends() -> None:
    output = check_process("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def child():
            assert right()
            with config.override(num_threads=2):
                assert right()
        for generation in range(3):
            process = os.fork()
            if process == 0:
                child()
                grandchild = os.fork()
                if grandchild == 0:
                    child()
                    sys.exit(0)
                assert os.waitpid(grandchild, 0)[1] == 0
                sys.exit(0)
            assert os.waitpid(process, 0)[1] == 0
            assert right()
        print("done")
    """)
    assert output == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_other_threads_compute() -> None:
    check_process("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        stop = False
        def work():
            while not stop:
                program([x])
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            process = os.fork()
            if process == 0:
                os._exit(0 if right() else 1)
            assert os.waitpid(process, 0)[1] == 0
        stop = True
        for thread in threads:
            thread.join()
    """)


def computed_bytes(seed: int) -> bytes:
    """What a spawned process is asked for."""
    return parallel_program()([values(seed=seed)])[0].tobytes()


def test_a_spawned_process_computes(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    lines = """
    import multiprocessing
    from tests.exec.cpu.test_runtime import computed_bytes
    if __name__ == "__main__":
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            results = pool.map(computed_bytes, range(4))
        assert results == [computed_bytes(seed) for seed in range(4)]
    """
    script.write_text(textwrap.dedent(lines))
    done = subprocess.run(
        [sys.executable, str(script)], env=environment(), timeout=120, check=False
    )
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interrupt_ends_a_long_run_of_steps() -> None:
    with python("""
        from nervure.exec.cpu.program import CpuStepProgram
        from nervure.exec.cpu.target import target
        from nervure.ir import Graph
        from nervure.prims import binary, unary
        from nervure.prims.leaf import full_like, input_leaf
        w = input_leaf((200_000,), dtypes.float32, "w")
        v = input_leaf((), dtypes.float32, "v")
        new = unary.tanh(binary.mul(w, full_like(w, 0.5)))
        steps = CpuStepProgram(Graph([new], [w, v]), target(), 1, 0)
        state = [values()]
        print("ready", flush=True)
        try:
            while True:
                state = steps.run(state, [], [np.zeros(100, np.float32)])
        except KeyboardInterrupt:
            assert right()
            print("interrupted", flush=True)
    """) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.3)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < 1.0  # fit: 0.2, see test_interrupt
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_waiting_without_a_futex() -> None:
    check_process("""
        runtime._before_exit()
        waiting.futex_number = runtime.futex_number = lambda: None
        runtime._native, runtime._ended = None, False
        program = parallel_program()  # the other one calls the barrier that has gone
        for pause in (0, 0.001, 0.05, 0.2):
            assert right()
            time.sleep(pause)
        time.sleep(0.3)
        began = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - began < 0.05
    """)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_text_of_other_systems_is_correct(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import llvmlite.binding as llvm

    monkeypatch.setattr(sys, "platform", platform)
    llvm.parse_assembly(waiting.runtime_text()).verify()
