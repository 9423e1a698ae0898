"""Constants, counters and random bits; inputs and data are arguments of the program."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.rule import Context, Rule, converted, like
from nervure.ir.attrs import Constant
from nervure.ir.node import Node
from nervure.prims.threefry import LANES, PARITY, ROTATIONS


def _const(_context: Context, node: Node) -> Any:
    value = node.attrs["value"]
    assert isinstance(value, Constant)
    # A scalar as a NumPy value: JAX's own array type would double the time of tracing.
    if value.value.size == 1:
        return lax.full(node.shape, value.value.reshape(()), node.dtype)
    return value.value


def _iota(_context: Context, node: Node) -> Any:
    axis: Any = node.attrs["axis"]
    if node.dtype.itemsize >= 4:
        return lax.broadcasted_iota(node.dtype, node.shape, axis)
    return converted(lax.broadcasted_iota(dtypes.int32, node.shape, axis), node.dtype)


def _random_bits(_context: Context, node: Node, key: Any) -> Any:
    """Threefry in the layout of ``prims/threefry.py``."""
    blocks = -(-node.size // (2 * LANES))
    if blocks == 0:
        return lax.full(node.shape, 0, dtypes.uint32)
    counter = lax.iota(dtypes.uint64, blocks * LANES)
    if blocks * LANES < 2**32:
        low = converted(counter, dtypes.uint32)
        high = like(low, 0)
    else:
        high = converted(
            lax.shift_right_logical(counter, like(counter, 32)), dtypes.uint32
        )
        low = converted(counter, dtypes.uint32)
    first, second = _threefry(
        lax.index_in_dim(key, 0, keepdims=False),
        lax.index_in_dim(key, 1, keepdims=False),
        high,
        low,
    )
    shape = (blocks, LANES)
    pairs = [lax.reshape(first, shape), lax.reshape(second, shape)]
    words = lax.reshape(lax.concatenate(pairs, 1), (blocks * 2 * LANES,))
    return lax.reshape(lax.slice(words, (0,), (node.size,)), node.shape)


def _threefry(first: Any, second: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """Encrypt counters with a key of two words."""
    third = lax.bitwise_xor(lax.bitwise_xor(first, second), np.uint32(PARITY))
    schedule = [lax.broadcast(word, low.shape) for word in (first, second, third)]
    x, y = lax.add(high, schedule[0]), lax.add(low, schedule[1])
    for group in range(5):
        for distance in ROTATIONS[group % 2]:
            x = lax.add(x, y)
            left = lax.shift_left(y, like(y, distance))
            right = lax.shift_right_logical(y, like(y, 32 - distance))
            y = lax.bitwise_xor(lax.bitwise_or(left, right), x)
        x = lax.add(x, schedule[(group + 1) % 3])
        y = lax.add(y, lax.add(schedule[(group + 2) % 3], like(y, group + 1)))
    return x, y


RULES: Final[dict[str, Rule]] = {
    "const": _const,
    "iota": _iota,
    "random_bits": _random_bits,
}
