"""How long every kernel takes, measured where it runs: within the step.

A variant of the program reads the system's clock before and after each call of a
kernel, in every thread, and adds up the difference.  So a kernel is measured with the
caches as the others leave them and with the threads that it really has.  Reading the
clock costs some 25 ns, twice a call; everything else is the program that trains.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from nervure.config import thread_count
from nervure.exec.cpu.entry import program_texts
from nervure.exec.cpu.jit import define_symbol
from nervure.exec.cpu.kernel import KernelCall
from nervure.exec.cpu.layout import Layout, contiguous
from nervure.exec.cpu.memory import aligned_empty
from nervure.exec.cpu.program import Compiled
from nervure.exec.cpu.report import grouped
from nervure.exec.cpu.target import Target
from nervure.exec.report import Timings
from nervure.ir.attrs import NDArray

# Measuring goes on for about so long, in seconds, but for no more steps.
_ENOUGH: Final = 0.3
_MOST_STEPS: Final = 256

_TEXT: Final = """
@nervure_times = internal global [{size} x i64] zeroinitializer
{clock}
define internal void @nervure_note(i64 %thread, i64 %number, i64 %begin) {{
  %end = call i64 @nervure_now()
  %spent = sub i64 %end, %begin
  %row = mul i64 %thread, {calls}
  %place = add i64 %row, %number
  %where = getelementptr i64, ptr @nervure_times, i64 %place
  %before = load i64, ptr %where, align 8
  %after = add i64 %before, %spent
  store i64 %after, ptr %where, align 8
  ret void
}}
define ptr @nervure_times_address() {{
  ret ptr @nervure_times
}}
"""
# POSIX: seconds and nanoseconds.
_POSIX: Final = """
declare i32 @nervure_clock(i32, ptr)
define internal i64 @nervure_now() {{
  %both = alloca [2 x i64], align 8
  %ignored = call i32 @nervure_clock(i32 {number}, ptr %both)
  %seconds = load i64, ptr %both, align 8
  %second = getelementptr i64, ptr %both, i64 1
  %rest = load i64, ptr %second, align 8
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %rest
  ret i64 %now
}}"""
# Windows: a counter with a frequency of its own.
_WINDOWS: Final = """
declare i32 @nervure_clock(ptr)
define internal i64 @nervure_now() {
  %both = alloca i64, align 8
  %ignored = call i32 @nervure_clock(ptr %both)
  %now = load i64, ptr %both, align 8
  ret i64 %now
}"""


def _clock() -> tuple[str, float]:
    """Let native code read the clock; return its text, and the ticks of a second."""
    if sys.platform == "win32":
        kernel: Any = ctypes.WinDLL("kernel32")
        define_symbol("nervure_clock", kernel.QueryPerformanceCounter)
        frequency = ctypes.c_int64()
        kernel.QueryPerformanceFrequency(ctypes.byref(frequency))
        return _WINDOWS, float(frequency.value)
    define_symbol("nervure_clock", ctypes.CDLL(None).clock_gettime)
    return _POSIX.format(number=time.CLOCK_MONOTONIC), 1e9


class _Timed(Compiled):
    """Machine code that measures itself."""

    def __init__(self, layout: Layout, target: Target) -> None:
        self._threads = thread_count()
        self._ticks = 1.0
        super().__init__(layout, target)

    def _texts(self) -> list[str]:
        calls = self.layout.plan.calls
        clock, self._ticks = _clock()
        size = self._threads * len(calls)
        text = _TEXT.format(size=size, calls=len(calls), clock=clock)
        return program_texts(self.layout.plan, self.layout, calls, text)

    @property
    def times(self) -> NDArray:
        """The ticks so far, ``int64[threads, calls]``, in the program's own memory."""
        assert self._code is not None
        address = self._code.address("nervure_times_address")
        pointer = ctypes.CFUNCTYPE(ctypes.c_void_p)(address)()
        count = len(self.layout.plan.calls)
        array = (ctypes.c_int64 * (self._threads * count)).from_address(pointer)
        flat: NDArray = np.frombuffer(memoryview(array).cast("B"), np.int64)
        return flat.reshape(self._threads, count)

    def seconds(self, steps: int) -> NDArray:
        """Return the seconds of a step, ``float64[calls, threads]``."""
        return self.times.T / (self._ticks * steps)


def timed(
    layout: Layout, target: Target, inputs: Sequence[NDArray], moving: int
) -> Timings:
    """Run a plan several times and return how long its tasks take.

    ``inputs`` are those of one step; from number ``moving`` on each step has its own.
    """
    if not layout.plan.calls:
        return Timings(0.0, (), 0)
    code = _Timed(layout, target)
    given = [contiguous(one) for one in inputs]
    results = _results(layout)
    steps = 1
    is_step = moving < len(given)

    def run(count: int) -> float:
        repeated = [np.repeat(one[None], count, axis=0) for one in given[moving:]]
        start = time.perf_counter()
        if is_step:
            code.run([*given[:moving], *repeated], results, count)
        else:
            for _ in range(count):
                code.run(given, results)
        return time.perf_counter() - start

    run(1)  # to load code and data
    once = run(1)
    moved = sum(one.nbytes for one in given[moving:])
    most = min(_MOST_STEPS, 2**26 // max(moved, 1))
    steps = max(1, min(most, int(_ENOUGH / max(once, 1e-9))))
    code.times[:] = 0
    total = run(steps) / steps
    found = code.seconds(steps)
    threads = 1 if layout.plan.phases.serial else thread_count()
    number = {call: place for place, call in enumerate(layout.plan.calls)}
    tasks = tuple(
        _together(found[:, :threads], calls, number) for calls in grouped(layout)
    )
    return Timings(total, tasks, steps)


def _together(
    found: NDArray, calls: Sequence[KernelCall], number: dict[KernelCall, int]
) -> tuple[float, ...]:
    """Return the seconds of each thread in the kernels of one task."""
    rows = found[[number[call] for call in calls]]
    return tuple(float(one) for one in rows.sum(axis=0))


def _results(layout: Layout) -> list[NDArray]:
    """Return new arrays for the results."""
    plan = layout.plan
    types = dict(zip(plan.outputs, plan.graph.outputs, strict=True))
    return [aligned_empty(types[one].shape, types[one].dtype) for one in layout.results]
