"""Walks an HDF5 file before the HDF5 library does, and refuses what Keras never writes.

The library believes what it reads: a text that claims four gigabytes gets room for
them, a tree that leads to itself is followed, a filter that it does not know is looked
for in folders of the system.  Keras' files are simple, so every structure that the
library will follow from the root can be looked at first: groups in symbol tables,
attributes of numbers and texts, arrays in one piece or in chunks.

Source: HDF5 File Format Specification 3.0, sections II.A (superblock 0), III.A.1
(B-trees 1), III.B to III.D (symbol tables, local heaps), III.E (global heaps) and IV.A
(object headers 1 and their messages).
"""

from __future__ import annotations

import math
import mmap
import struct
from typing import Final, NamedTuple

from nervure.importers.keras.hdf5_heaps import objects_in_heap

Content = bytes | mmap.mmap

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_UNDEFINED: Final = 2**64 - 1
_MOST_OBJECTS: Final = 1_000_000
# What a header may hold; NIL, fill values, comments, times and counts do no harm.
_SPACE, _TYPE, _LAYOUT, _FILTERS, _ATTRIBUTE = 0x01, 0x03, 0x08, 0x0B, 0x0C
_CONTINUED, _TABLE = 0x10, 0x11
_LINKS: Final = (0x02, 0x06, 0x0A)
_ELSEWHERE: Final = 0x07
_HARMLESS: Final = (0x00, 0x04, 0x05, 0x0D, 0x0E, 0x12, 0x16)
# Whole numbers, floats, texts, enumerations (truth values) and texts in a heap.
_CLASSES: Final = (0, 1, 3, 8, 9)
_TEXT_IN_HEAP: Final = 9
# Deflate, shuffle and a checksum: those that the library has itself.
_KNOWN_FILTERS: Final = (1, 2, 3)
_MOST_CHUNK_BYTES: Final = 1 << 24
# What packed numbers may take beside the size of the file.
FREE_BYTES: Final = 12 << 20


class _Fault(Exception):  # noqa: N818 - never seen outside
    """What is wrong, in a few words."""


class _Type(NamedTuple):
    kind: int
    size: int


def fault_in_layout(content: Content) -> str | None:
    """Return what is wrong with a file, None if the library may read it.

    >>> fault_in_layout(b"no HDF5")
    'it does not begin as HDF5 does'
    """
    try:
        _Walk(content).whole()
    except _Fault as fault:
        return str(fault)
    except (struct.error, RecursionError):
        return "one of its structures leads beyond its end"
    return None


class _Walk:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._size = len(content)
        self._seen: set[int] = set()
        self._heaps: dict[int, dict[int, int]] = {}

    def whole(self) -> None:
        """Look at everything that the root leads to."""
        if self._content[:8] != _SIGNATURE:
            raise _Fault("it does not begin as HDF5 does")
        version, sizes = self._content[8:13], self._content[13:15]
        if any(version) or sizes != b"\x08\x08":
            raise _Fault("its layout is newer than the one that Keras writes")
        base, _, end, driver = self._unpack("<4Q", 24)
        if base or driver != _UNDEFINED or end > self._size:
            raise _Fault("it is cut off, or one part of several files")
        waiting = [self._entry(56)]
        while waiting:
            for header in waiting.pop():
                if header not in self._seen:
                    self._visit(header)
                    waiting.append(self._object(header))

    # --- reading ---------------------------------------------------------------------

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        # struct would count a negative place from the end
        if not 0 <= place <= self._size:
            raise _Fault(f"a structure lies at byte {place}, outside of the file")
        return struct.unpack_from(form, self._content, place)

    def _within(self, place: int, size: int, what: str) -> None:
        if place + size > self._size:
            raise _Fault(f"{what} at byte {place} claims {size} bytes")

    def _visit(self, place: int) -> None:
        """Note a structure; none is shared, so a second visit shows a circle."""
        if place in self._seen:
            raise _Fault(f"the structure at byte {place} is reached twice")
        self._seen.add(place)
        if len(self._seen) > _MOST_OBJECTS:
            raise _Fault("it has more objects than a model")

    # --- groups ----------------------------------------------------------------------

    def _entry(self, place: int) -> list[int]:
        """Return the object of an entry of a symbol table, as a list of addresses."""
        header, kind = self._unpack("<8xQI", place)
        if kind == 2:  # a link by name, which its reader refuses
            return []
        if kind == 1:
            self._same_group(header, *self._unpack("<2Q", place + 24))
        elif kind:
            raise _Fault(f"an entry of a group is of the kind {kind}")
        return [header]

    def _group(self, tree: int, heap: int) -> list[int]:
        """Return the objects of a group."""
        self._local_heap(heap)
        found = []
        for table in self._leaves(tree, kind=0, key=8):
            if self._content[table : table + 5] != b"SNOD\x01":
                raise _Fault(f"no table of a group lies at byte {table}")
            (count,) = self._unpack("<6xH", table)
            for number in range(count):
                found += self._entry(table + 8 + 40 * number)
        return found

    def _same_group(self, header: int, tree: int, heap: int) -> None:
        """Check that an entry's copy of a group's places is that of its header."""
        own = [
            self._unpack("<2Q", place)
            for kind, place, _ in self._messages(header)
            if kind == _TABLE
        ]
        # Without any it is a group of another kind, which is refused below.
        if own and own != [(tree, heap)]:
            raise _Fault(f"the group at byte {header} has two contents")

    def _leaves(self, node: int, kind: int, key: int) -> list[int]:
        """Return what the leaves of a B-tree point to."""
        found, waiting = [], [(node, -1)]
        while waiting:
            place, expected = waiting.pop()
            self._visit(place)
            self._within(place, 24, "a tree")
            if self._content[place : place + 4] != b"TREE":
                raise _Fault(f"no tree lies at byte {place}")
            which, level, count = self._unpack("<BBH", place + 4)
            if which != kind or expected not in (-1, level):
                raise _Fault(f"the tree at byte {place} is of another kind")
            places = range(place + 24 + key, place + 24 + (key + 8) * count, key + 8)
            children = [self._unpack("<Q", one)[0] for one in places]
            if level:
                waiting += [(one, level - 1) for one in children]
            else:
                found += children
        return found

    def _local_heap(self, place: int) -> None:
        self._within(place, 32, "a heap")
        if self._content[place : place + 5] != b"HEAP\0":
            raise _Fault(f"no heap lies at byte {place}")
        size, free, data = self._unpack("<3Q", place + 8)
        self._within(data, size, "a heap")
        # The library walks the list of free room; 1 and the undefined end it.
        last = -1
        while free not in (1, _UNDEFINED):
            if free <= last or free + 16 > size:
                raise _Fault(f"the free room of the heap at byte {place} is a circle")
            last, (free, _) = free, self._unpack("<2Q", data + free)

    # --- objects ---------------------------------------------------------------------

    def _messages(self, header: int) -> list[tuple[int, int, int]]:
        """Return the kind, the place and the size of each message of a header."""
        self._within(header, 16, "an object")
        version, total, length = self._unpack("<BxHxxxxI", header)
        if version != 1:
            raise _Fault(f"the object at byte {header} is not as Keras writes them")
        found: list[tuple[int, int, int]] = []
        parts, read = [(header + 16, length)], set()
        while parts:
            place, size = parts.pop(0)
            self._within(place, size, "an object")
            if place in read:
                raise _Fault(f"the object at byte {header} is a circle")
            read.add(place)
            end = place + size
            while end - place >= 8 and len(found) < total:
                kind, one, flags = self._unpack("<HHB", place)
                place += 8
                if place + one > end or flags & 2:  # 2: it lies elsewhere
                    raise _Fault(f"the object at byte {header} has a strange message")
                if kind == _CONTINUED:
                    following, length = self._unpack("<2Q", place)
                    parts.append((following, length))
                found.append((kind, place, one))
                place += one
        return found

    def _object(self, header: int) -> list[int]:
        """Look at a group or a data set; return the objects of a group."""
        inside: list[int] = []
        space, held, chunk = 1, _Type(0, 1), 0
        for kind, place, size in self._messages(header):
            if kind == _TABLE:
                inside += self._group(*self._unpack("<2Q", place))
            elif kind == _SPACE:
                space = self._count(place)
            elif kind == _TYPE:
                held = self._type(place)
            elif kind == _LAYOUT:
                chunk = self._layout(place, size)
            elif kind == _FILTERS:
                self._filters(place, size)
            elif kind == _ATTRIBUTE:
                self._attribute(place, size)
            elif kind == _ELSEWHERE:
                raise _Fault("the numbers of an array are in another file")
            elif kind not in (*_HARMLESS, _CONTINUED):
                what = "link" if kind in _LINKS else "structure"
                raise _Fault(f"it has a {what} that Keras does not write ({kind})")
        if chunk * held.size > _MOST_CHUNK_BYTES:
            raise _Fault(f"a chunk claims {chunk * held.size} bytes")
        if space * held.size > self._size + FREE_BYTES:
            raise _Fault(
                f"an array claims {space * held.size:,} bytes, but the file does not "
                "hold so many numbers"
            )
        return inside

    def _count(self, place: int) -> int:
        """Return how many elements there are."""
        version, rank, _, kind = self._unpack("<4B", place)
        if version not in (1, 2) or rank > 32:
            raise _Fault("the shape of an array is not as Keras writes them")
        if version == 2 and kind == 2:  # a place without a value
            return 0
        sizes = self._unpack(f"<{rank}Q", place + (8 if version == 1 else 4))
        return math.prod(sizes)

    def _type(self, place: int) -> _Type:
        first, bits, size = self._unpack("<BBxxI", place)
        kind = first & 15
        if kind not in _CLASSES or (kind == _TEXT_IN_HEAP and bits & 15 != 1):
            raise _Fault(f"it has data of the class {kind}, which Keras does not write")
        return _Type(kind, size)

    def _layout(self, place: int, size: int) -> int:
        """Check where numbers lie; return how many are in a chunk, 0 without chunks."""
        version, kind = self._unpack("<BB", place)
        if version != 3 or kind > 2:
            raise _Fault("the numbers of an array are in another file, or elsewhere")
        if kind == 0:
            (held,) = self._unpack("<H", place + 2)
            if held + 4 > size:
                raise _Fault(f"an array claims {held} bytes")
        elif kind == 1:
            address, held = self._unpack("<2Q", place + 2)
            if address != _UNDEFINED:
                self._within(address, held, "an array")
        else:
            rank, address = self._unpack("<BQ", place + 2)
            if not 2 <= rank <= 33:
                raise _Fault(f"the chunks of an array have {rank} axes")
            sizes = self._unpack(f"<{rank - 1}I", place + 11)
            if address != _UNDEFINED:
                self._leaves(address, kind=1, key=8 + 8 * rank)
            return math.prod(sizes)
        return 0

    def _filters(self, place: int, size: int) -> None:
        version, count = self._unpack("<BB", place)
        if version != 1:
            raise _Fault("its filters are not as Keras writes them")
        end = place + size
        place += 8
        for _ in range(count):
            number, name, _, values = self._unpack("<4H", place)
            if number not in _KNOWN_FILTERS:
                raise _Fault(f"its numbers went through the unknown filter {number}")
            place += 8 + -(-name // 8) * 8 + 4 * (values + values % 2)
        if place > end:
            raise _Fault("its filters do not end")

    def _attribute(self, place: int, size: int) -> None:
        version, flags, name, of_type, of_space = self._unpack("<BB3H", place)
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise _Fault("an attribute is not as Keras writes them")
        step = 8 if version == 1 else 1
        at = place + (9 if version == 3 else 8) + -(-name // step) * step
        held = self._type(at)
        at += -(-of_type // step) * step
        count = self._count(at)
        at += -(-of_space // step) * step
        if at + count * held.size > place + size:
            raise _Fault(f"an attribute claims {count} x {held.size} bytes")
        if held.kind == _TEXT_IN_HEAP:
            if held.size != 16:
                raise _Fault("a text in a heap has a strange place")
            for one in range(at, at + 16 * count, 16):
                self._text(*self._unpack("<IQI", one))

    def _text(self, length: int, heap: int, index: int) -> None:
        """Check that a text is as long in its heap as its attribute claims."""
        if length == 0 and heap == 0:
            return
        if heap not in self._heaps:
            self._within(heap, 16, "a text")
            self._heaps[heap] = objects_in_heap(self._content, heap)
        if length > self._heaps[heap].get(index, -1):
            raise _Fault(f"a text claims {length} bytes that its heap does not have")
