"""Moving values out of the arena and back: into a temporary file.

A value that waits for the backward pass is copied to a file that is mapped into memory,
and copied back before it is needed.  The operating system writes the file's pages out
when memory gets scarce.  On this executor it is slow, and here so that the plan of
moving values is tested; where an accelerator has memory of its own, the same plan moves
them to the host.

The file has no name (or, where every file needs one, is deleted when it is closed): it
disappears with the run that uses it, however that ends.  ``TMPDIR`` says where it lies.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from typing import Final

import numpy as np

from nervure.exec.cpu.kernel import KernelBuilder, KernelCall, Slot
from nervure.exec.cpu.llvm import Value
from nervure.exec.cpu.runs import least, minus, times
from nervure.exec.cpu.target import Target
from nervure.ir.attrs import NDArray

# Bytes of a work unit.
_UNIT: Final = 2**16
# What it costs to move a byte out and back, in elementary operations: pages of a file
# that is new have to be made, and written out some day.
MOVE_COST: Final = 16.0


def move(source: Slot, to: Slot, target: Target) -> KernelCall:
    """Return the kernel that copies the bytes of one slot to another."""
    b = KernelBuilder("move", target, 2)
    read, written = b.operands
    start = times(b, b.begin, _UNIT)
    stop = least(b, times(b, b.end, _UNIT), source.nbytes)
    pointers = [b.address(one, "i8", start) for one in (written, read)]
    b.call(
        "llvm.memcpy.p0.p0.i64",
        "void",
        [*pointers, minus(b, stop, start), Value("i1", "false")],
    )
    units = -(-source.nbytes // _UNIT)
    kernel = b.finish(units, MOVE_COST / 2 * source.nbytes)
    return KernelCall(kernel, (source,), (to,))


def spill_file(nbytes: int) -> NDArray:
    """Return the bytes of a new temporary file, ``uint8[nbytes]``.

    Raises :class:`OSError` if there is no room for it on the disk.
    """
    with tempfile.TemporaryFile(prefix="nervure-spill-") as file:
        file.truncate(nbytes)
        with contextlib.suppress(AttributeError):  # not everywhere
            # now, because a full disk could not be told from a crash later
            os.posix_fallocate(file.fileno(), 0, nbytes)
        # the mapping outlives the file object, and goes with the array
        return np.frombuffer(mmap.mmap(file.fileno(), nbytes), np.uint8)
