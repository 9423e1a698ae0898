"""A fork waits until nobody compiles.

A child has only the thread that forked.  If another thread was inside LLVM just then,
the child would inherit LLVM's locks, and llvmlite's, locked for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite.binding import ffi


class _Gate:
    """Many compile at a time, unless a fork is waiting or going on."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside: set[int] = set()  # threads that compile
        # where llvmlite has another lock one day, only our own threads are waited for
        self._foreign: Any = getattr(ffi.lib, "_lock", None)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Hold off forks of other threads within a ``with`` block."""
        me = threading.get_ident()
        with self._changed:
            self._inside.add(me)
        try:
            yield
        finally:
            with self._changed:
                self._inside.discard(me)
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until no other thread compiles, and let none begin."""
        self._changed.acquire()
        me = threading.get_ident()  # a signal handler may fork while we compile
        self._changed.wait_for(lambda: not self._inside - {me})
        if self._foreign is not None:
            self._foreign.__enter__()

    def open(self) -> None:
        """Let threads compile again, in the parent and in the child."""
        if self._foreign is not None:
            self._foreign.__exit__()
        self._changed.release()


_gate = _Gate()
compiling = _gate.compiling

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_gate.close, after_in_parent=_gate.open, after_in_child=_gate.open
    )
