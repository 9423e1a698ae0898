"""Records of a file: a length, its check sum, the data, their check sum.

The format is TensorFlow's TFRecord: ``uint64`` length, ``uint32`` masked CRC-32C of the
length's bytes, the data, ``uint32`` masked CRC-32C of the data, all little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from nervure.errors import FileFormatError, explain
from nervure.tblog.crc32c import masked_crc32c

_HEAD: Final = struct.Struct("<QI")
_SUM: Final = struct.Struct("<I")
# A record that claims to be longer is taken to be damage, not read into memory.
MOST_BYTES: Final = 1 << 28


def framed(data: bytes) -> bytes:
    """Return data as a record.

    >>> len(framed(b"abc"))
    19
    """
    length = struct.pack("<Q", len(data))
    return b"".join(
        [
            length,
            _SUM.pack(masked_crc32c(length)),
            data,
            _SUM.pack(masked_crc32c(data)),
        ]
    )


def read_records(file: BinaryIO, name: str = "the file") -> Iterator[bytes]:
    """Yield the data of the records of a file.

    A record that is not complete at the end of the file ends it: whoever writes the
    file may just be at it.

    Raises
    ------
    FileFormatError
        For a wrong check sum, and for a record of more than ``MOST_BYTES``.
    """
    place = 0
    while True:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        length, expected = _HEAD.unpack(head)
        if masked_crc32c(head[:8]) != expected:
            raise FileFormatError(
                explain(
                    f"{name} is damaged at byte {place}: the length of a record is "
                    "wrong",
                    fix="the run before this place is whole; write the log again for "
                    "the rest",
                )
            )
        if length > MOST_BYTES:
            raise FileFormatError(
                explain(
                    f"{name} has a record of {length} bytes at byte {place}; at most "
                    f"{MOST_BYTES} are read",
                    fix="log smaller pictures or fewer at a time",
                )
            )
        rest = file.read(length + _SUM.size)
        if len(rest) < length + _SUM.size:
            return
        data = rest[:length]
        (expected,) = _SUM.unpack(rest[length:])
        if masked_crc32c(data) != expected:
            raise FileFormatError(
                explain(
                    f"{name} is damaged at byte {place}: the content of a record is "
                    "wrong",
                    fix="the run before this place is whole; write the log again for "
                    "the rest",
                )
            )
        yield data
        place += _HEAD.size + len(rest)
