"""Worker threads that enter one native function together, and wait cheaply otherwise.

A *job* is a native function ``void job(ptr context, i64 thread, i64 threads, ptr
control)`` which every thread calls with its number.  Inside, threads meet at barriers.
The workers are Python threads inside one foreign call, so they hold no interpreter
lock.

Results never depend on the number of threads, so a second Python thread that calls
while the workers are busy simply runs its job alone.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import weakref
from typing import Any, Final

import numpy as np

from nervure.config import thread_count
from nervure.exec.cpu.jit import Code, compile_modules, define_symbol
from nervure.exec.cpu.target import target
from nervure.exec.cpu.waiting import (
    CONTROL_BYTES,
    LINE,
    QUIT,
    THREADS,
    futex_number,
    runtime_text,
)

# Pools of different sizes that are kept, for programs that change the number.
KEPT_POOLS: Final = 4


def _define_system_functions() -> None:
    """Give native code the system calls it needs, by name."""
    if sys.platform == "win32":
        kernel: Any = ctypes.WinDLL("kernel32")
        define_symbol("nervure_yield", kernel.SwitchToThread)
        define_symbol("nervure_nap", kernel.Sleep)
        return
    library = ctypes.CDLL(None)
    define_symbol("nervure_yield", library.sched_yield)
    if futex_number() is None:
        define_symbol("nervure_nap", library.usleep)
    else:
        define_symbol("nervure_syscall", library.syscall)


class _Native:
    """The compiled functions of this module, made once in a process, never freed."""

    def __init__(self) -> None:
        _define_system_functions()
        self._code: Code = compile_modules([runtime_text()], target())
        address = self._code.address
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        define_symbol("nervure_barrier", pointer(address("nervure_barrier")))
        self.worker = ctypes.CFUNCTYPE(None, pointer, number)(address("nervure_worker"))
        self.run = ctypes.CFUNCTYPE(None, pointer, pointer, pointer)(
            address("nervure_run")
        )
        alone = address("nervure_run_alone")
        self.run_alone = ctypes.CFUNCTYPE(None, pointer, pointer)(alone)
        # the same without letting other Python threads run meanwhile
        self.run_briefly = ctypes.PYFUNCTYPE(None, pointer, pointer)(alone)
        self.post = ctypes.CFUNCTYPE(None, pointer)(address("nervure_post"))


_native: _Native | None = None
_native_lock = threading.Lock()


def native() -> _Native:
    """Return the compiled runtime."""
    global _native
    if _native is None:
        with _native_lock:
            if _native is None:
                _native = _Native()
    return _native


def run_alone(function: int, context: int, briefly: bool) -> None:
    """Run a job on this thread.

    A job of microseconds is run *briefly*: giving up the interpreter's lock for it
    would cost more, much more if other Python threads want it.
    """
    if briefly:
        native().run_briefly(function, context)
    else:
        native().run_alone(function, context)


class Pool:
    """The calling thread and ``threads - 1`` workers."""

    def __init__(self, threads: int) -> None:
        self._native = native()
        memory = np.zeros(CONTROL_BYTES + LINE, np.uint8)
        self._control = memory.ctypes.data + -memory.ctypes.data % LINE
        self._memory = memory
        self._busy = threading.Lock()
        self.workers: list[threading.Thread] = []
        self.threads = threads
        _word(self._control, THREADS).value = threads
        if threads > 1:
            # the workers keep the control block alive, not the pool
            arguments = self._native, memory, self._control
            self._dropped = weakref.finalize(self, _quit, *arguments, self.workers)
            self._dropped.atexit = False  # see _before_exit
            self._start(arguments)

    def _start(self, arguments: tuple[_Native, Any, int]) -> None:
        """Start the workers; without the means for all of them there will be none."""
        try:
            for number in range(1, self.threads):
                worker = threading.Thread(
                    target=_work,
                    args=(*arguments, number),
                    name=f"nervure-{number}",
                    daemon=True,
                )
                worker.start()
                self.workers.append(worker)
        except RuntimeError:  # the system has no more threads for us
            self._stop()
            self.threads = 1

    def _stop(self) -> None:
        """Let the workers end; at the exit a finalizer that is called does nothing."""
        if self._dropped.detach() is not None:
            _quit(self._native, self._memory, self._control, self.workers)

    def run(self, function: int, context: int) -> None:
        """Run a job with all threads; alone when they are busy."""
        if self.threads > 1 and self._busy.acquire(False):
            try:
                self._native.run(self._control, function, context)
            finally:
                self._busy.release()
        else:
            self._native.run_alone(function, context)

    def close(self) -> None:
        """Let the workers end, and wait for them."""
        if self.threads > 1 and self._busy.acquire(timeout=1):
            self.threads = 1  # for those who call after the end
            self._stop()
            self._busy.release()
            for worker in self.workers:
                worker.join(timeout=1)


def _word(control: int, offset: int) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(control + offset)


def _work(native_: _Native, memory: Any, control: int, number: int) -> None:
    """What a worker does; ``memory`` holds the control block."""
    del memory  # the thread object has it as well, until this function returns
    native_.worker(control, number)


def _quit(
    native_: _Native, memory: Any, control: int, workers: list[threading.Thread]
) -> None:
    """Let the workers of a pool end."""
    del memory, workers
    _word(control, QUIT).value = 1
    native_.post(control)


_pools: dict[int, Pool] = {}
_pools_lock = threading.Lock()
_ended = False  # the interpreter is about to exit


def pool() -> Pool:
    """Return the pool for the current number of threads."""
    threads = 1 if _ended else thread_count()
    found = _pools.get(threads)
    if found is None:
        with _pools_lock:
            found = _pools.get(threads)
            if found is None:
                while len(_pools) >= KEPT_POOLS:
                    del _pools[next(iter(_pools))]
                found = _pools[threads] = Pool(threads)
    return found


def _before_exit() -> None:
    """End all workers before the interpreter takes their code and memory away.

    Threads that are still computing go on alone.
    """
    global _ended
    _ended = True
    with _pools_lock:
        pools = list(_pools.values())
        _pools.clear()
    for one in pools:
        one.close()


atexit.register(_before_exit)


def _after_fork() -> None:
    """Forget pools whose threads did not come along into the child."""
    global _pools_lock, _native_lock
    _pools_lock, _native_lock = threading.Lock(), threading.Lock()
    for one in _pools.values():
        one.threads = 1  # for whoever holds the pool just now
        if one.workers:
            one._dropped.detach()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
