"""Protobuf's wire format, as much as event files need.

A message is a sequence of fields; a field is a tag (number and wire type) and a value.
Source: https://protobuf.dev/programming-guides/encoding/. The decoder looks at bytes
only: it is bounded by the length of what it is given, and runs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nervure.errors import FileFormatError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_ONES: Final = (1 << 64) - 1
_MOST_VARINT_BYTES: Final = 10

# --- encoding ------------------------------------------------------------------------


def varint(number: int) -> bytes:
    r"""Return a whole number, seven bits a byte; negative ones as 64 bits.

    >>> varint(300)
    b'\xac\x02'
    """
    number &= _ONES
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def tag(number: int, kind: int) -> bytes:
    """Return the tag of a field."""
    return varint(number << 3 | kind)


def int_field(number: int, value: int) -> bytes:
    """Return a field with a whole number or a truth value."""
    return tag(number, VARINT) + varint(int(value))


def double_field(number: int, value: float) -> bytes:
    """Return a field with a number of 64 bits."""
    return tag(number, FIXED64) + struct.pack("<d", value)


def float_field(number: int, value: float) -> bytes:
    """Return a field with a number of 32 bits; too large ones become infinite."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return tag(number, FIXED32) + packed


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a field with bytes, or with a message."""
    return tag(number, BYTES) + varint(len(value)) + value


def text_field(number: int, value: str) -> bytes:
    """Return a field with text."""
    return bytes_field(number, value.encode("utf-8", "replace"))


def doubles_field(number: int, values: Iterable[float]) -> bytes:
    """Return a packed field with numbers of 64 bits."""
    listed = list(values)
    return bytes_field(number, struct.pack(f"<{len(listed)}d", *listed))


# --- decoding ------------------------------------------------------------------------


class Field(NamedTuple):
    """A field of a message: a number for varints, raw bytes for the others."""

    number: int
    kind: int
    value: int | bytes


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it.

    Raises :class:`~nervure.errors.FileFormatError` for one that does not end.
    """
    result = 0
    for shift in range(_MOST_VARINT_BYTES):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << 7 * shift
        if not byte & 0x80:
            return result & _ONES, at
    raise FileFormatError("a number in a message does not end")


def fields(data: bytes) -> Iterator[Field]:
    """Yield the fields of a message.

    Raises :class:`~nervure.errors.FileFormatError` for what is no message.
    """
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise FileFormatError(f"a message has no field {number}")
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield Field(number, kind, value)
            continue
        if kind == BYTES:
            size, at = read_varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise FileFormatError(f"a message has a field of the unknown kind {kind}")
        if size > len(data) - at:
            raise FileFormatError("a message ends within a field")
        yield Field(number, kind, data[at : at + size])
        at += size


def as_bytes(field: Field) -> bytes:
    """Return the bytes of a field; raises for another kind."""
    if field.kind != BYTES or not isinstance(field.value, bytes):
        raise FileFormatError(f"field {field.number} should hold bytes")
    return field.value


def as_text(field: Field) -> str:
    """Return the text of a field; what is not UTF-8 is replaced."""
    return as_bytes(field).decode("utf-8", "replace")


def as_int(field: Field) -> int:
    """Return the whole number of a field, with its sign; raises for another kind."""
    if field.kind != VARINT or not isinstance(field.value, int):
        raise FileFormatError(f"field {field.number} should hold a whole number")
    return field.value - (1 << 64) if field.value >> 63 else field.value


def as_number(field: Field) -> float:
    """Return the number of a field of 32 or 64 bits; raises for another kind."""
    if field.kind == FIXED32 and isinstance(field.value, bytes):
        return float(struct.unpack("<f", field.value)[0])
    if field.kind == FIXED64 and isinstance(field.value, bytes):
        return float(struct.unpack("<d", field.value)[0])
    raise FileFormatError(f"field {field.number} should hold a number")


def as_doubles(field: Field) -> list[float]:
    """Return the numbers of a field of 64 bits, packed or single."""
    if field.kind == FIXED64:
        return [as_number(field)]
    data = as_bytes(field)
    if len(data) % 8:
        raise FileFormatError(f"field {field.number} should hold numbers of 8 bytes")
    return list(struct.unpack(f"<{len(data) // 8}d", data))
