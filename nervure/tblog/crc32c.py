"""The check sum CRC-32C, which guards the records of event files.

The polynomial is Castagnoli's, 0x1EDC6F41, reflected (RFC 3720, appendix B.4). Short
data take one table look-up a byte. Long data are cut into lanes that NumPy treats
together; the sums of the lanes are joined by the rule that the sum of two pieces is the
first one's, moved on by as many zero bytes as the second has, XOR the second one's.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import numpy.typing as npt

_POLYNOMIAL: Final = 0x82F63B78  # reflected
_MASK_DELTA: Final = 0xA282EAD8
_ALL: Final = 0xFFFFFFFF
_SHORT: Final = 2048
_LANES: Final = 1024

Words = npt.NDArray[np.uint32]


@functools.cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


@functools.cache
def _table_array() -> Words:
    return np.array(_table(), np.uint32)


def crc32c(data: bytes) -> int:
    """Return the check sum of bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) < _SHORT:
        return _serial(data, _ALL) ^ _ALL
    length = len(data) // _LANES
    lanes = np.frombuffer(data, np.uint8, _LANES * length).reshape(_LANES, length)
    table = _table_array()
    sums = np.zeros(_LANES, np.uint32)
    sums[0] = _ALL
    for column in np.ascontiguousarray(lanes.T):
        sums = table[(sums ^ column) & 0xFF] ^ sums >> np.uint32(8)
    while len(sums) > 1:  # neighbours become one
        sums = _moved_on(sums[::2], length) ^ sums[1::2]
        length *= 2
    return _serial(data[length:], int(sums[0])) ^ _ALL


def masked_crc32c(data: bytes) -> int:
    """Return the check sum as event files store it, rotated and shifted.

    A sum of data that hold sums is not a sum that can be relied on.
    """
    value = crc32c(data)
    return ((value >> 15 | value << 17) + _MASK_DELTA) & _ALL


def _serial(data: bytes, value: int) -> int:
    table = _table()
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value


def _moved_on(sums: Words, count: int) -> Words:
    """Return sums after ``count`` zero bytes more."""
    tables = _zeros(count)
    result = tables[0][sums & 0xFF]
    for place in range(1, 4):
        result = result ^ tables[place][sums >> np.uint32(8 * place) & 0xFF]
    found: Words = result
    return found


@functools.lru_cache(maxsize=64)
def _zeros(count: int) -> Words:
    """Return what ``count`` zero bytes make of each byte of a sum, ``[4, 256]``."""
    images = [1 << bit for bit in range(32)]  # of the single bits
    step = [_serial(b"\0", image) for image in images]
    while count:
        if count & 1:
            images = [_applied(step, image) for image in images]
        step = [_applied(step, image) for image in step]
        count >>= 1
    tables = np.zeros((4, 256), np.uint32)
    for place in range(4):
        for byte in range(256):
            tables[place, byte] = _applied(images, byte << 8 * place)
    return tables


def _applied(images: list[int], value: int) -> int:
    """Return a linear map of a word, given what it makes of each bit."""
    result = 0
    for bit, image in enumerate(images):
        if value >> bit & 1:
            result ^= image
    return result
