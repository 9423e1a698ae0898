"""Memory between guards: whether a program writes beside what it was given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nervure.dtypes import DType
from nervure.exec.cpu import memory, program
from nervure.ir.attrs import NDArray
from nervure.ir.node import Shape

GUARD = 256  # bytes on each side
MARK = 0xA5


class Guards:
    """What lies beside the results and arenas of the programs that ran."""

    def __init__(self) -> None:
        self._areas: list[tuple[str, NDArray, int, int]] = []

    def area(self, name: str, nbytes: int) -> NDArray:
        """Return aligned bytes between guards."""
        whole = np.full(nbytes + 2 * GUARD + 64, MARK, np.uint8)
        begin = GUARD + -(whole.ctypes.data + GUARD) % 64
        self._areas.append((name, whole, begin, begin + nbytes))
        return whole[begin : begin + nbytes]

    def result(self, shape: Shape, dtype: DType) -> NDArray:
        """Take the place of ``memory.aligned_empty``."""
        size = int(np.prod(shape, dtype=np.int64))
        area = self.area(f"result {dtype.name}{list(shape)}", size * dtype.itemsize)
        return area.view(dtype).reshape(shape)

    def workspace(self, nbytes: int) -> memory.Workspace:
        """Take the place of ``memory.locked_workspace``."""
        made: Any = memory.Workspace(1)
        made.bytes = self.area(f"arena of {nbytes}", nbytes)
        made.address, made.nbytes = made.bytes.ctypes.data, nbytes
        made.buffer = made.bytes.data
        made.lock.acquire()
        return made  # type: ignore[no-any-return]

    def check(self) -> None:
        """Assert that nobody wrote there."""
        for name, whole, begin, end in self._areas:
            for what, guard in (("before", whole[:begin]), ("behind", whole[end:])):
                wrong = np.flatnonzero(guard != MARK)
                assert not wrong.size, f"written {what} {name}: places {wrong}"
        self._areas.clear()


@contextlib.contextmanager
def guarded() -> Iterator[Guards]:
    """Within the block, programs that run for the first time get guarded memory."""
    guards = Guards()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "aligned_empty", guards.result)
        patch.setattr(program, "locked_workspace", guards.workspace)
        yield guards
    guards.check()
