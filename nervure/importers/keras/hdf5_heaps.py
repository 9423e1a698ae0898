"""Walks the global heaps of an HDF5 file before the HDF5 library does.

Texts such as a model's configuration lie in *global heap collections*.  In a damaged
one the library (2.0.0) goes round in a circle for ever: it adds up the sizes of the
objects without looking whether they get anywhere.  Source of the layout: HDF5 File
Format Specification 3.0, section III.E, "Disk Format: Level 1E - Global Heap".
"""

from __future__ import annotations

import mmap
import struct
from typing import Final

# Signature, version 1 and three reserved bytes.
_START: Final = b"GCOL\x01\x00\x00\x00"
_HEADER: Final = 16  # of a collection, and of each object in it


def fault_in_heaps(content: bytes | mmap.mmap) -> str | None:
    """Return what is wrong with a file's global heaps, None if nothing is.

    >>> fault_in_heaps(b"no heap at all")
    >>> fault_in_heaps(_START + (64).to_bytes(8, "little") + bytes(48))
    'the global heap at byte 0 has an object of 0 bytes'
    """
    place = content.find(_START)
    while place >= 0:
        fault = _fault_of_one(content, place)
        if fault is not None:
            return f"the global heap at byte {place} has {fault}"
        place = content.find(_START, place + len(_START))
    return None


def _fault_of_one(content: bytes | mmap.mmap, start: int) -> str | None:
    """Walk the objects of a collection; index 0 is the room that is left."""
    if start + _HEADER > len(content):
        return "no length"
    (length,) = struct.unpack_from("<Q", content, start + 8)
    if start + length > len(content):
        return f"a length of {length}, beyond the end of the file"
    place, end = start + _HEADER, start + length
    while end - place >= _HEADER:
        index, size = struct.unpack_from("<H6xQ", content, place)
        if index:
            size = _HEADER + -(-size // 8) * 8
        if not _HEADER <= size <= end - place:
            return f"an object of {size} bytes"
        place += size
    return None


def objects_in_heap(content: bytes | mmap.mmap, start: int) -> dict[int, int]:
    """Return the sizes of a heap's objects by their numbers; {} for what is no heap.

    >>> objects_in_heap(b"no heap at all", 0)
    {}
    """
    found: dict[int, int] = {}
    if content[start : start + len(_START)] != _START or _fault_of_one(content, start):
        return found
    (length,) = struct.unpack_from("<Q", content, start + 8)
    place, end = start + _HEADER, start + length
    while end - place >= _HEADER:
        index, size = struct.unpack_from("<H6xQ", content, place)
        if index:
            found[index] = size
            size = _HEADER + -(-size // 8) * 8
        place += size
    return found
