"""What a checked run is given, and what is read from its records afterwards."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from nervure.exec.cpu.checks.native import (
    ACCESS_FAULT,
    CHECKED,
    COUNT,
    DEPTH,
    INDEX_FAULT,
    NUMBERS,
    PATH,
    STRIDE,
)
from nervure.exec.cpu.memory import ALIGNMENT, address
from nervure.ir.attrs import NDArray

_FAULT_NUMBERS: Final = 5


class Fault(NamedTuple):
    """The first fault of a kind.

    Attributes
    ----------
    total
        How many there were in all.
    numbers
        What ``native.py`` says about it.
    path
        The numbers of the calls that lead there, the outermost first: a call of the
        program, then perhaps a step of its block, a call of that, and so on.
    """

    total: int
    numbers: tuple[int, ...]
    path: tuple[int, ...]


class Watch:
    """The memory of one run in which native code finds bounds and leaves records."""

    def __init__(
        self, context: tuple[int, int], arrays: Sequence[NDArray], threads: int
    ) -> None:
        self._records = np.zeros(threads * STRIDE + ALIGNMENT, np.uint8)
        self._first = -address(self._records) % ALIGNMENT
        self._threads = threads
        begin, nbytes = context
        bounds = [begin, begin + nbytes]
        for array in arrays:
            where = address(array)
            bounds += [where, where + array.nbytes]
        where = address(self._records) + self._first
        self._given = np.array([where, *bounds], np.uint64)

    @property
    def address(self) -> int:
        """Where native code finds everything."""
        return address(self._given)

    def _words(self) -> NDArray:
        """Return the records, ``uint64[threads, words]``."""
        nbytes = self._threads * STRIDE
        records = self._records[self._first : self._first + nbytes]
        return records.view(np.uint64).reshape(self._threads, -1)

    @property
    def checked(self) -> int:
        """How many loads, stores and copies were checked."""
        return int(self._words()[:, CHECKED].sum())

    def access_fault(self) -> Fault | None:
        """Return the first access outside its buffer, of the first thread with one."""
        found = self._faults(ACCESS_FAULT)
        return found[0] if found else None

    def index_fault(self) -> Fault | None:
        """Return the first index outside its axis; threads may find several."""
        found = self._faults(INDEX_FAULT)
        return min(found, key=lambda one: (one.path, one.numbers[2]), default=None)

    def _faults(self, kind: int) -> list[Fault]:
        words = self._words()
        total = int(words[:, kind + COUNT].sum())
        found = []
        for row in words:
            if row[kind + COUNT]:
                first = kind + NUMBERS
                numbers = row[first : first + _FAULT_NUMBERS].tolist()
                depth = int(row[kind + DEPTH])
                path = row[kind + PATH : kind + PATH + depth].tolist()
                found.append(Fault(total, tuple(numbers), tuple(path[-2::-1])))
        return found


class Totals:
    """What checked runs of this process have looked at, for tests and reports."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.accesses = 0
        self.runs = 0

    def add(self, accesses: int) -> None:
        """Count a run."""
        with self._lock:
            self.accesses += accesses
            self.runs += 1


totals: Final = Totals()
