"""Where values live: one arena, planned from their lifetimes.

A value is alive from the phase that writes it to the last phase that reads it.  Values
are placed in the order of their size, largest first, at the lowest offset where nothing
alive at the same time lies.

Where it costs little memory, large values take the place of others of the same size
only.  A thread then mostly writes where it has written before: lines that another core
has changed take several times as long to reach as those in the own cache.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from nervure.dtypes import DType
from nervure.ir.attrs import NDArray
from nervure.ir.node import Shape

ALIGNMENT: Final = 64
# Bytes of the large pages of x86-64, for which NumPy asks where an array is large.
HUGE_PAGE: Final = 2**21


class Lifetime(NamedTuple):
    """The first and last phase in which a value must exist, and its bytes."""

    birth: int
    death: int
    nbytes: int


class Placement(NamedTuple):
    """Offsets within the arena, and its size."""

    offsets: dict[Hashable, int]
    nbytes: int


def rounded(nbytes: int) -> int:
    """Return the bytes that a value takes up, a multiple of the alignment."""
    return max(-(-nbytes // ALIGNMENT), 1) * ALIGNMENT


# Values of fewer bytes are not kept apart: they stay in caches that cores share.
_APART: Final = 65_536
# The share of the arena that keeping sizes apart may add.
_WORTH_APART: Final = 1 / 8


def place(lifetimes: Mapping[Hashable, Lifetime], *, tight: bool = True) -> Placement:
    """Return an offset for every value so that values alive together never overlap.

    ``tight`` asks for the smallest arena that is known; without it, the arena may be an
    eighth larger for the sake of speed.
    """
    smallest = _placed_tightly(lifetimes)
    if tight or all(rounded(one.nbytes) < _APART for one in lifetimes.values()):
        return smallest
    apart = _placed_by_size(lifetimes)
    affordable = apart.nbytes <= smallest.nbytes * (1 + _WORTH_APART)
    return apart if affordable else smallest


def _placed_by_size(lifetimes: Mapping[Hashable, Lifetime]) -> Placement:
    """Place large values only where others of the same size have been."""
    small = {
        name: one for name, one in lifetimes.items() if rounded(one.nbytes) < _APART
    }
    placement = _placed_tightly(small)
    offsets, total = dict(placement.offsets), rounded(placement.nbytes)
    places: dict[int, list[_Place]] = {}  # by size
    large = (item for item in lifetimes.items() if item[0] not in small)
    for name, one in sorted(large, key=lambda item: item[1].birth):
        size = rounded(one.nbytes)
        known = places.setdefault(size, [])
        free = [place for place in known if place.death < one.birth]
        if free:
            # the one that was used last is the most likely to be in a cache
            chosen = max(free, key=lambda place: place.death)
            chosen.death = one.death
        else:
            chosen = _Place(total, one.death)
            known.append(chosen)
            total += size
        offsets[name] = chosen.offset
    return Placement(offsets, total)


@dataclass
class _Place:
    """Where values of one size lie, one after the other, and when the last one dies."""

    offset: int
    death: int


def _placed_tightly(lifetimes: Mapping[Hashable, Lifetime]) -> Placement:
    """Place the largest values first, each as low as possible."""
    ordered = sorted(
        enumerate(lifetimes.items()),
        key=lambda item: (-item[1][1].nbytes, item[1][1].birth, item[0]),
    )
    offsets: dict[Hashable, int] = {}
    placed: list[tuple[int, int, Lifetime]] = []  # (begin, end, lifetime), by begin
    total = 0
    for _, (name, lifetime) in ordered:
        size = rounded(lifetime.nbytes)
        offset = 0
        for begin, end, other in placed:
            together = other.birth <= lifetime.death and lifetime.birth <= other.death
            if not together:
                continue
            if begin - offset >= size:
                break
            offset = max(offset, end)
        offsets[name] = offset
        total = max(total, offset + size)
        position = 0
        while position < len(placed) and placed[position][0] <= offset:
            position += 1
        placed.insert(position, (offset, offset + size, lifetime))
    return Placement(offsets, total)


# --- memory of running programs ------------------------------------------------------

# Where an array object keeps the address of its elements: behind the object's head, as
# NumPy's binary interface lays down.  Native code looks there, because asking for an
# address from Python takes a microsecond.
DATA_OFFSET: Final = object.__basicsize__


def _address(array: NDArray) -> int:
    return int(array.ctypes.data)


def _is_direct() -> bool:
    """Tell whether arrays keep their address where we expect it."""
    if sys.implementation.name != "cpython":
        return False
    array = np.empty(1, np.uint8)
    found = ctypes.c_void_p.from_address(id(array) + DATA_OFFSET).value
    return found == _address(array)


# Whether native code is given array objects, or the addresses of their elements.
DIRECT: Final = _is_direct()
handle: Final[Callable[[NDArray], int]] = id if DIRECT else _address


def address(array: NDArray) -> int:
    """Return where the elements of an array begin."""
    if not DIRECT:
        return _address(array)
    found = ctypes.c_void_p.from_address(id(array) + DATA_OFFSET).value
    return found or 0


# For tests: fill the arena with NaN before every run.
poison = False


class Workspace:
    """Aligned memory that one run at a time uses."""

    __slots__ = ("__weakref__", "address", "buffer", "bytes", "lock", "nbytes")

    def __init__(self, nbytes: int) -> None:
        alignment = HUGE_PAGE if nbytes >= 2 * HUGE_PAGE else ALIGNMENT
        memory = np.empty(nbytes + alignment, np.uint8)
        skip = -address(memory) % alignment
        self.bytes = memory[skip : skip + nbytes]
        self.buffer = self.bytes.data
        self.address = address(self.bytes)
        self.nbytes = nbytes
        self.lock = threading.Lock()


_workspaces: list[weakref.ref[Workspace]] = []
_lending = threading.Lock()
# A program takes no more than this many times what it needs, so that a small one does
# not keep a large one's memory alive.
_TOO_LARGE: Final = 4


def locked_workspace(nbytes: int) -> Workspace:
    """Return memory that nobody uses now, locked; programs share what they can."""
    with _lending:
        alive = [(one, one()) for one in _workspaces]
        _workspaces[:] = [reference for reference, one in alive if one is not None]
        for _, one in alive:
            if one is None or not nbytes <= one.nbytes <= _TOO_LARGE * nbytes:
                continue
            if one.lock.acquire(blocking=False):
                return one
        made = Workspace(nbytes)
        made.lock.acquire()
        _workspaces.append(weakref.ref(made))
        return made


def _after_fork() -> None:
    """Forget memory that a thread which is not here may hold locked."""
    global _lending
    _lending = threading.Lock()
    _workspaces.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def aligned_empty(shape: Shape, dtype: DType) -> NDArray:
    """Return an array for a result; a large one begins on a cache line."""
    size = math.prod(shape) * dtype.itemsize
    if size < _WORTH_ALIGNING:
        return np.empty(shape, dtype)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    return np.ndarray(shape, dtype, memory, -address(memory) % ALIGNMENT)


# Finding the place takes a microsecond, in which a core writes tens of kilobytes.
_WORTH_ALIGNING: Final = 32_768
