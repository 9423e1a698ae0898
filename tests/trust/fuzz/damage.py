"""Changes at random that turn a good file into a hostile one.

The same changes serve both engines: blind ones draw them alone, libFuzzer draws them
beside its own and keeps what reaches new lines.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

NUMBERS = [
    struct.pack(form, value)
    for form in ("<B", "<H", "<I", "<Q", ">I", ">Q")
    for value in (0, 1, 127, 255, 2 ** (8 * struct.calcsize(form)) - 1)
] + [
    *(struct.pack("<Q", 2**63), struct.pack("<I", 2**31), struct.pack("<I", 10**9)),
    *(struct.pack("<d", float("nan")), struct.pack("<q", -(2**31))),
]
WORDS = [
    *(b"[" * 3000, b"{" * 50, b'"', b"null", b"-1", b"NaN", b"1e999", b"true", b"[]"),
    *(b"9" * 5000, b"../../etc/passwd", b"/etc/passwd", b"__import__('os')"),
    *(b"\0" * 99, b"PK\x01\x02", b"PK\x05\x06", b"\x89HDF\r\n\x1a\n", b"\x1f\x8b"),
    *(b"os.system", b"Infinity", b"1" + b"0" * 18, b"IHDR", b"\xff\xd8\xff\xe1"),
]
# How far an input may grow; the readers' own limits are met by other tests.
MOST_BYTES = 1 << 18


def damaged(good: bytes, chance: random.Random) -> bytes:
    """Return a file with one to six random changes."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        _change(data, chance)
    return bytes(data[:MOST_BYTES])


def _change(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    kind = chance.randrange(8)
    if kind == 0:
        data[place : place + 1] = bytes([chance.randrange(256)])
    elif kind == 1 and place < len(data):
        data[place] ^= 1 << chance.randrange(8)
    elif kind == 2:
        number = chance.choice(NUMBERS)
        data[place : place + len(number)] = number
    elif kind == 3:
        data[place:place] = chance.choice(WORDS)
    elif kind == 4:
        del data[place : place + chance.choice((1, 4, 64, len(data)))]
    elif kind == 5:
        begin = chance.randrange(len(data) + 1)
        data[place:place] = data[begin : begin + chance.choice((1, 8, 256))]
    elif kind == 6:
        word = chance.choice(WORDS)
        data[place : place + len(word)] = word
    else:
        data[place : place + 4] = data[place : place + 4][::-1]


def crossed(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Return the front of one seed with the end of another, or one as it is."""
    one = chance.choice(seeds)
    if len(seeds) == 1 or chance.random() < 0.8:
        return one
    other = chance.choice(seeds)
    return (
        one[: chance.randrange(len(one) + 1)]
        + other[chance.randrange(len(other) + 1) :]
    )
