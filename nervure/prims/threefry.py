"""Threefry-2x32: random bits as a pure function of a key and a counter.

The generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3" (SC 2011), with 20 rounds.  It keeps no state, so any element can be computed
by any thread on any device, and again when it is cheaper than keeping it.

Layout
------
Counter ``c`` yields two 32-bit words.  Elements are grouped in blocks of 32: block
``b`` holds the first words of counters ``16 b`` to ``16 b + 15``, followed by their
second words.  A vector unit of up to 16 lanes thus makes two contiguous vectors from
one evaluation and throws nothing away.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

LANES: Final = 16
ROTATIONS: Final = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY: Final = np.uint32(0x1BD11BDA)


def _rotate_left(x: Words, distance: int) -> Words:
    return (x << np.uint32(distance)) | (x >> np.uint32(32 - distance))


def threefry2x32(key: Words, high: Words, low: Words) -> tuple[Words, Words]:
    """Encrypt counters with a key.

    Parameters
    ----------
    key
        ``uint32[2]``
    high, low
        ``uint32[...]`` counter words.

    Returns
    -------
    Two ``uint32[...]`` arrays of random words.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    x = high + schedule[0]
    y = low + schedule[1]
    for group in range(5):
        for distance in ROTATIONS[group % 2]:
            x = x + y
            y = _rotate_left(y, distance) ^ x
        x = x + schedule[(group + 1) % 3]
        y = y + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def threefry_bits(key: Words, count: int) -> Words:
    """Return ``uint32[count]`` random words in the layout described above."""
    blocks = -(-count // (2 * LANES))
    counter = np.arange(blocks * LANES, dtype=np.uint64)
    high = (counter >> np.uint64(32)).astype(np.uint32)
    low = counter.astype(np.uint32)
    with np.errstate(over="ignore"):
        first, second = threefry2x32(key, high, low)
    pairs = (first.reshape(blocks, LANES), second.reshape(blocks, LANES))
    return np.concatenate(pairs, axis=1).reshape(-1)[:count]
