"""Hashes of texts that are the same in every process and in Keras.

:func:`fingerprint` is FarmHash's ``Fingerprint64`` (Pike and Alakuijala, 2014, the
variant "na"); :func:`keyed_hash` is SipHash-2-4 (Aumasson and Bernstein, 2012), for
which nobody without the key can find collisions.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1
_K0: Final = 0xC3A5C85C97CB3127
_K1: Final = 0xB492B66FBE98F273
_K2: Final = 0x9AE16A3B2F90404F


def _word(data: bytes, start: int, size: int = 8) -> int:
    return int.from_bytes(data[start : start + size], "little")


def _right(x: int, count: int) -> int:
    """Rotate 64 bits to the right."""
    x &= _MASK
    return (x >> count) | (x << (64 - count)) & _MASK


def _left(x: int, count: int) -> int:
    return _right(x, 64 - count)


def _mixed(x: int) -> int:
    x &= _MASK
    return x ^ (x >> 47)


def _pair(u: int, v: int, factor: int) -> int:
    """Hash 16 bytes."""
    a = _mixed((u ^ v) * factor)
    b = _mixed(((v & _MASK) ^ a) * factor)
    return b * factor & _MASK


def fingerprint(data: bytes) -> int:
    """Return the 64 bits that FarmHash makes of data.

    >>> hex(fingerprint(b""))
    '0x9ae16a3b2f90404f'
    """
    size = len(data)
    if size <= 16:
        return _of_16(data)
    if size <= 32:
        return _of_32(data)
    return _of_64(data) if size <= 64 else _of_many(data)


def _of_16(data: bytes) -> int:
    size = len(data)
    factor = _K2 + 2 * size
    if size >= 8:
        a, b = _word(data, 0) + _K2, _word(data, size - 8)
        c = _right(b, 37) * factor + a
        d = (_right(a, 25) + b) * factor
        return _pair(c & _MASK, d & _MASK, factor)
    if size >= 4:
        first, last = _word(data, 0, 4), _word(data, size - 4, 4)
        return _pair(size + (first << 3), last, factor)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _mixed((y * _K2 & _MASK) ^ (z * _K0 & _MASK)) * _K2 & _MASK
    return _K2


def _of_32(data: bytes) -> int:
    size = len(data)
    factor = _K2 + 2 * size
    a, b = _word(data, 0) * _K1, _word(data, 8)
    c, d = _word(data, size - 8) * factor, _word(data, size - 16) * _K2
    u = _right(a + b, 43) + _right(c, 30) + d
    v = a + _right(b + _K2, 18) + c
    return _pair(u & _MASK, v & _MASK, factor)


def _of_64(data: bytes) -> int:
    size = len(data)
    factor = _K2 + 2 * size
    a, b = _word(data, 0) * _K2, _word(data, 8)
    c, d = _word(data, size - 8) * factor, _word(data, size - 16) * _K2
    y = _right(a + b, 43) + _right(c, 30) + d & _MASK
    z = _pair(y, a + _right(b + _K2, 18) + c & _MASK, factor)
    e, f = _word(data, 16) * factor, _word(data, 24)
    g = (y + _word(data, size - 32)) * factor
    h = (z + _word(data, size - 24)) * factor
    u = _right(e + f, 43) + _right(g, 30) + h
    v = e + _right(f + a, 18) + g
    return _pair(u & _MASK, v & _MASK, factor)


def _weak(data: bytes, start: int, a: int, b: int) -> tuple[int, int]:
    """Hash 32 bytes and 16 more, quickly."""
    w, x, y, z = (_word(data, start + place) for place in (0, 8, 16, 24))
    a += w
    b = _right(b + a + z, 21)
    c = a
    a += x + y
    b += _right(a, 44)
    return a + z & _MASK, b + c & _MASK


def _of_many(data: bytes) -> int:
    size = len(data)
    x, y = 81, 81 * _K1 + 113 & _MASK
    z = _mixed(y * _K2 + 113) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = x * _K2 + _word(data, 0)
    end = (size - 1) // 64 * 64
    for start in range(0, end, 64):
        x, y, z, v, w = _round(data, start, x, y, z, v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    last = (size - 1) & 63
    w = (w[0] + last, w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    x, y, z, v, w = _round(data, end + last - 63, x, y, z, v, w, factor, 9)
    first = _pair(v[0], w[0], factor) + _mixed(y) * _K0 + z
    second = _pair(v[1], w[1], factor) + x
    return _pair(first & _MASK, second & _MASK, factor)


def _round(
    data: bytes,
    start: int,
    x: int,
    y: int,
    z: int,
    v: tuple[int, int],
    w: tuple[int, int],
    factor: int,
    times: int,
) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    """Take in 64 bytes."""
    x = _right(x + y + v[0] + _word(data, start + 8), 37) * factor
    y = _right(y + v[1] + _word(data, start + 48), 42) * factor
    x = (x & _MASK) ^ (w[1] * times & _MASK)
    y += v[0] * times + _word(data, start + 40)
    z = _right(z + w[0], 33) * factor & _MASK
    v = _weak(data, start, v[1] * factor, x + w[0])
    w = _weak(data, start + 32, z + w[1], y + _word(data, start + 16))
    return z, y & _MASK, x, v, w


def keyed_hash(data: bytes, key: tuple[int, int]) -> int:
    """Return the 64 bits that SipHash-2-4 makes of data and a key of two numbers.

    >>> hex(keyed_hash(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))
    '0xa129ca6149be45e5'
    """
    k0, k1 = (one & _MASK for one in key)
    state = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]
    whole = len(data) // 8 * 8
    words = [_word(data, start) for start in range(0, whole, 8)]
    words.append(_word(data, whole) | (len(data) & 0xFF) << 56)
    for word in words:
        state[3] ^= word
        _sip_rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a = a + b & _MASK
        b = _left(b, 13) ^ a
        a = _left(a, 32)
        c = c + d & _MASK
        d = _left(d, 16) ^ c
        a = a + d & _MASK
        d = _left(d, 21) ^ a
        c = c + b & _MASK
        b = _left(b, 17) ^ c
        c = _left(c, 32)
    state[:] = [a, b, c, d]
