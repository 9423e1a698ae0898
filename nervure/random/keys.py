"""Keys, and generators that give them out."""

from __future__ import annotations

import contextlib
import hashlib
import operator
import os
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.node import Node
from nervure.ops.kinds import ArrayLike
from nervure.ops.operands import as_node
from nervure.prims import binary, leaf
from nervure.prims.leaf import full_like, random_bits
from nervure.prims.movement import concatenate, reshape
from nervure.prims.select import cast
from nervure.prims.slicing import slice_
from nervure.prims.threefry import threefry_bits
from nervure.state import Cell

# Numbers, children, and data folded in are drawn under different keys, so that none of
# them is ever a part of another.  The masks are the hexadecimal digits of pi.
_SPLIT_MASK: Final = (0x243F6A88, 0x85A308D3)
_FOLD_MASK: Final = (0x13198A2E, 0x03707344)
_DRAW_MASK: Final = (0xA4093822, 0x299F31D0)

_WORD: Final = 2**32


# --- keys ----------------------------------------------------------------------------


def _words(number: int) -> tuple[int, int]:
    """Return the two words of a number of 64 bits, or of the hash of another one."""
    if not 0 <= number < 2**64:
        number = int.from_bytes(
            hashlib.sha256(str(number).encode()).digest()[:8], "big"
        )
    return number // _WORD, number % _WORD


def whole_number(op: str, number: Any, name: str) -> int:
    """Return a whole number that a user gave."""
    try:
        return operator.index(number)
    except TypeError:
        raise DTypeError(
            explain(
                f"{op}: expected {name} to be a whole number, got {number!r}",
                fix="convert it with int(...)",
            )
        ) from None


def key(seed: int) -> Array:
    """Return the key of a seed, an array ``uint32[2]``.

    Parameters
    ----------
    seed
        Any whole number.  From 0 to 2^64 - 1, different seeds give different keys: the
        key holds the number's high and low word.  Other numbers, negative or larger,
        are hashed to 64 bits (SHA-256 of the decimal digits), so that two seeds have
        the same key only by a chance of 1 in 2^64.

    Raises
    ------
    DTypeError
        For a seed that is not a whole number.

    >>> import nervure as nv
    >>> nv.random.key(2**32 + 7)
    Array([1, 7], uint32[2])
    """
    return Array.of_value(
        np.array(_words(whole_number("key", seed, "the seed")), np.uint32)
    )


def key_node(op: str, given: Any) -> Node:
    """Return the node of a key; the process's generator draws one for None."""
    if given is None:
        return default_generator().next_key().node
    node = as_node(given)
    if node.dtype == dtypes.uint32 and node.shape == (2,):
        return node
    if node.dtype == dtypes.uint32 and node.shape[1:] == (2,):
        fix = "these are several keys: use one of them, for example keys[0]"
    else:
        fix = "make a key with nervure.random.key(seed)"
    raise ShapeError(
        explain(
            f"{op}: expected a key of type uint32[2], got {node.type_text}", fix=fix
        )
    )


def _masked(node: Node, mask: tuple[int, int]) -> Node:
    """Return a key for another purpose."""
    return binary.xor(node, leaf.const(mask, dtypes.uint32))


def split(key: ArrayLike, n: int = 2) -> Array:
    """Return ``n`` new keys, ``uint32[n, 2]``, independent of ``key`` and each other.

    Raises :class:`~nervure.errors.ShapeError` for something that is not a key and
    :class:`~nervure.errors.ArgumentError` for a negative ``n``.

    >>> import nervure as nv
    >>> weights, noise = nv.random.split(nv.random.key(0))
    >>> nv.random.split(weights, 5).shape
    (5, 2)
    """
    node = _masked(key_node("split", key), _SPLIT_MASK)
    count = whole_number("split", n, "n")
    if count < 0:
        raise ArgumentError(
            explain(
                f"split: expected at least 0 keys, got n={count}",
                fix="split(key, 2) gives two keys",
            )
        )
    return Array.of_node(random_bits(node, (count, 2)))


def fold_in(key: ArrayLike, number: int | Array) -> Array:
    """Return the key of a number under ``key``: one stream a step, layer or sample.

    Parameters
    ----------
    key
        ``uint32[2]``
    number
        A whole number, or an integer array of shape ``[]`` (the counter of a compiled
        loop, say).  Numbers from -2^63 to 2^64 - 1 count modulo 2^64, as arrays do;
        others are hashed, see :func:`key`.

    Raises
    ------
    ShapeError, DTypeError
        For something that is not a key, or not one whole number.

    >>> import nervure as nv
    >>> key = nv.random.key(0)
    >>> bool(nv.all(nv.random.fold_in(key, 1) == nv.random.fold_in(key, 2)))
    False
    """
    node = _masked(key_node("fold_in", key), _FOLD_MASK)
    inner = random_bits(node, (2,))
    return Array.of_node(random_bits(binary.xor(inner, _number_node(number)), (2,)))


def _number_node(number: int | Array) -> Node:
    """Return the two words of a number as ``uint32[2]``."""
    if not isinstance(number, Array | Cell):
        value = whole_number("fold_in", number, "the number")
        value = value % 2**64 if -(2**63) <= value < 0 else value
        return leaf.const(_words(value), dtypes.uint32)
    node = as_node(number)
    if node.shape != () or not dtypes.is_integer(node.dtype):
        raise DTypeError(
            explain(
                f"fold_in: expected one whole number, got {node.type_text}",
                fix="pass an int, or an integer array without axes",
            )
        )
    wide = cast(node, dtypes.uint64)
    high = binary.shift_right(wide, full_like(wide, 32))
    parts = (cast(one, dtypes.uint32) for one in (high, wide))
    return concatenate([reshape(one, (1,)) for one in parts], 0)


# --- the generator -------------------------------------------------------------------


class Generator:
    """A source of keys that remembers how many it has given.

    Its state is a :class:`~nervure.state.Cell` of four words, ``uint32[4]``: a key and
    a counter.  So a compiled function that draws from a generator advances it, and
    storing the cell with a model makes a resumed training go on with the same numbers.
    Threads may draw at the same time and never get the same key; a compiled function
    that draws is to be called by one thread at a time.

    Parameters
    ----------
    seed
        Any whole number, see :func:`key`; None takes one from the operating system.

    >>> import nervure as nv
    >>> generator = nv.random.Generator(7)
    >>> nv.random.normal((2,), key=generator.next_key()).shape
    (2,)
    """

    def __init__(self, seed: int | None = None, name: str = "random/generator") -> None:
        self._lock = threading.Lock()
        _generators.add(self)
        self.cell = Cell(_first_state(seed), name)

    def seed(self, seed: int | None = None) -> None:
        """Start afresh from a seed; None takes one from the operating system."""
        with self._lock:
            self.cell.value = _first_state(seed)

    def next_key(self) -> Array:
        """Return a key ``uint32[2]`` that has not been given before."""
        with self._lock:
            state = self.cell.value
            if state.result is self.cell.stored.result:
                self.cell.store(_counted(state.numpy()))
            else:  # inside a function that is being traced
                self.cell.value = Array.of_node(_counted_node(state.node))
        return Array.of_node(_drawn(state.node))


# All there are, for the locks of a child process.
_generators: weakref.WeakSet[Generator] = weakref.WeakSet()


def _first_state(seed: int | None) -> Array:
    """Return the state of a generator that has given no key."""
    number = int.from_bytes(os.urandom(8), "big") if seed is None else seed
    words = _words(whole_number("seed", number, "the seed"))
    masked = np.array(words, np.uint32) ^ np.array(_DRAW_MASK, np.uint32)
    return _state(np.concatenate([threefry_bits(masked, 2), np.zeros(2, np.uint32)]))


def _state(words: npt.NDArray[np.uint32]) -> Array:
    words.flags.writeable = False
    return Array.of_value(words)


def _counted(words: npt.NDArray[np.uint32]) -> Array:
    """Return the state after one key."""
    high, low = _words((int(words[2]) * _WORD + int(words[3]) + 1) % 2**64)
    return _state(np.array([words[0], words[1], high, low], np.uint32))


def _counted_node(state: Node) -> Node:
    """Return the state after one key, as a node."""
    start, high, low = (
        slice_(state, (begin,), (end,), (1,)) for begin, end in ((0, 2), (2, 3), (3, 4))
    )
    low = binary.add(low, full_like(low, 1))
    carry = cast(binary.eq(low, full_like(low, 0)), dtypes.uint32)
    return concatenate([start, binary.add(high, carry), low], 0)


def _drawn(state: Node) -> Node:
    """Return the key that belongs to a state."""
    start = slice_(state, (0,), (2,), (1,))
    counter = slice_(state, (2,), (4,), (1,))
    return random_bits(binary.xor(start, counter), (2,))


_default: Generator | None = None
_default_lock = threading.Lock()
# The generator of a `with seeded(...)` block, for this thread or task only.
_local: ContextVar[Generator | None] = ContextVar("nervure_generator", default=None)


def _after_fork() -> None:
    """Forget locks that a thread which is not here may hold."""
    global _default_lock
    _default_lock = threading.Lock()
    for one in _generators:
        one._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def default_generator() -> Generator:
    """Return the process's generator, from which calls without a key draw.

    Inside ``with seeded(...)`` it is that block's.

    >>> import nervure as nv
    >>> nv.random.default_generator().cell.shape
    (4,)
    """
    local = _local.get()
    if local is not None:
        return local
    global _default
    with _default_lock:
        if _default is None:
            _default = Generator()
        return _default


def seed(seed: int | None = None) -> None:
    """Start the process's generator afresh, so that what follows can be repeated.

    ``seed`` is any whole number, see :func:`key`; None takes one from the operating
    system, as it is when the process starts.

    >>> import nervure as nv
    >>> nv.random.seed(1); x = nv.random.normal((3,))
    >>> nv.random.seed(1); y = nv.random.normal((3,))
    >>> bool(nv.all(x == y))
    True
    """
    default_generator().seed(seed)


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from a generator of its own inside a ``with`` block.

    It holds for this thread or task only, and leaves the process's generator alone.

    >>> import nervure as nv
    >>> with nv.random.seeded(1):
    ...     x = nv.random.normal((3,))
    >>> with nv.random.seeded(1):
    ...     y = nv.random.normal((3,))
    >>> bool(nv.all(x == y))
    True
    """
    token = _local.set(Generator(seed))
    try:
        yield
    finally:
        _local.reset(token)
