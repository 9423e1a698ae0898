"""How many steps to run in one call.

Many, since between the steps of one call nothing is done in Python; but never so many
that a bar stands still or Ctrl-C waits.  The number has no influence on the result.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from nervure.exec import base

# The time that one call should take: short for a person, long for a program.
_SECONDS_PER_CALL: Final = 0.05
# A first guess from one or two steps may be far off, so calls grow by this at most.
_GROWTH: Final = 8
# Processes that train together run this many steps in a call.
_STEPS_TOGETHER: Final = 16


class Pace:
    """Chooses the number of steps of the next call from how long the last ones took."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._limit = 1
        self._known_sizes: set[int] = set()

    def next_count(self, remaining: int) -> int:
        """Return how many of the remaining steps to run now."""
        if base.process_count > 1:  # they must agree, and their clocks do not
            return min(_STEPS_TOGETHER, remaining)
        return min(self._limit, remaining)

    @contextlib.contextmanager
    def timed(self, steps: int, batch_size: int) -> Iterator[None]:
        """Measure a call; the first for a batch size compiles, so it is not counted."""
        began = self._clock()
        yield
        seconds = max(self._clock() - began, 1e-9)
        if batch_size not in self._known_sizes:
            self._known_sizes.add(batch_size)
            return
        affordable = int(_SECONDS_PER_CALL * steps / seconds)
        self._limit = max(1, min(affordable, self._limit * _GROWTH))


@contextlib.contextmanager
def finishing_first() -> Iterator[None]:
    """Let Ctrl-C wait until the block is finished; pressed twice, it does not wait.

    A program that is interrupted in the middle would leave weights that belong to no
    step.  Only the main thread is ever interrupted; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous):  # ignored, or ends the process at once
        yield
        return
    pressed: list[tuple[int, FrameType | None]] = []

    def remember(number: int, frame: FrameType | None) -> Any:
        if pressed:
            return previous(number, frame)
        pressed.append((number, frame))
        return None

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pressed:
        previous(*pressed[0])
