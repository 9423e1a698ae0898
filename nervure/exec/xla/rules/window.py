"""Primitives that combine the elements under a sliding window."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from jax import lax

from nervure import dtypes
from nervure.exec.xla.rules.reduce import lowest
from nervure.exec.xla.rules.rule import Context, Rule, converted, filled, like
from nervure.ir.node import Node
from nervure.prims.window import Windows, windows_of

# A window of more elements is visited in a loop, not written out element by element.
MOST_WRITTEN_OUT: Final = 64


def _combined(node: Node, x: Any, neutral: Any, combine: Any) -> Any:
    windows = windows_of(node.attrs)
    if node.size == 0 or not node.shape:
        return converted(x, node.dtype) if not node.shape else filled(node)
    if x.size == 0:
        return filled(node)
    result = lax.reduce_window(
        converted(x, dtypes.accumulator(node.dtype)),
        neutral,
        combine,
        windows.window,
        windows.strides,
        windows.padding,
        window_dilation=windows.dilation,
    )
    return converted(result, node.dtype)


def _window_sum(_context: Context, node: Node, x: Any) -> Any:
    neutral = np.zeros((), dtypes.accumulator(node.dtype))
    return _combined(node, x, neutral, lax.add)


def _window_max(_context: Context, node: Node, x: Any) -> Any:
    neutral = lowest(dtypes.accumulator(node.dtype))
    return _combined(node, x, neutral, lax.max)


def _window_max_grad(_context: Context, node: Node, x: Any, g: Any) -> Any:
    """Find each window's first maximum, then put the cotangents there.

    Written with slices, comparisons and padding: XLA's own operation for it
    (``select_and_scatter``) is slow on CPUs and takes no care of NaN.
    """
    if node.size == 0 or g.size == 0:
        return filled(node)
    if not node.shape:
        return g
    wide = dtypes.accumulator(node.dtype)
    grad = _MaxGrad(windows_of(node.attrs), converted(x, wide), converted(g, wide))
    result = grad.written_out() if grad.count <= MOST_WRITTEN_OUT else grad.looped()
    return converted(result, node.dtype)


class _MaxGrad:
    """The gradient of a maximum over windows, element by element of the window."""

    def __init__(self, windows: Windows, x: Any, g: Any) -> None:
        self.windows, self.x, self.g = windows, x, g
        self.count = math.prod(windows.window)
        pads = [(low, high, 0) for low, high in windows.padding]
        self.padded = lax.pad(x, lowest(x.dtype), pads)
        inside = lax.full(x.shape, True, dtypes.bool_)
        self.inside = lax.pad(inside, np.asarray(False), pads)

    def better(self, value: Any, inside: Any, best: Any, winner: Any) -> Any:
        """Tell where an element wins: padding loses against every element of x."""
        nan = lax.bitwise_and(lax.ne(value, value), lax.eq(best, best))
        above = lax.bitwise_or(lax.gt(value, best), nan)
        first = lax.lt(winner, like(winner, 0))
        return lax.bitwise_and(inside, lax.bitwise_or(above, first))

    def start(self) -> tuple[Any, Any]:
        """Return the best values and the numbers of the winners, before any element."""
        best = lax.full(self.g.shape, lowest(self.x.dtype))
        return best, lax.full(self.g.shape, -1, dtypes.int32)

    def unpadded(self, spread: Any) -> Any:
        """Return what lies in x of an array in the shape of padded x."""
        low = self.windows.low
        high = [one + size for one, size in zip(low, self.x.shape, strict=True)]
        return lax.slice(spread, low, high)

    def written_out(self) -> Any:
        """Visit the elements one after the other."""
        strides, shape = self.windows.strides, self.padded.shape
        best, winner = self.start()
        bounds = [
            self.windows.bounds(offset, self.g.shape)
            for offset in self.windows.offsets()
        ]
        for number, (start, stop) in enumerate(bounds):
            value = lax.slice(self.padded, start, stop, strides)
            inside = lax.slice(self.inside, start, stop, strides)
            wins = self.better(value, inside, best, winner)
            best = lax.select(wins, value, best)
            winner = lax.select(wins, like(winner, number), winner)
        total = like(self.padded, 0)
        for number, (start, stop) in enumerate(bounds):
            chosen = lax.eq(winner, like(winner, number))
            share = lax.select(chosen, self.g, like(self.g, 0))
            pads = [
                (first, size - last, stride - 1)
                for first, last, size, stride in zip(
                    start, stop, shape, strides, strict=True
                )
            ]
            total = lax.add(total, lax.pad(share, np.zeros((), share.dtype), pads))
        return self.unpadded(total)

    def looped(self) -> Any:
        """Visit the elements in a loop."""
        strides = self.windows.strides
        offsets = np.array(list(self.windows.offsets()), np.int32)
        places = offsets * np.array(self.windows.dilation, np.int32)
        first, last = self.windows.bounds(tuple(offsets[0].tolist()), self.g.shape)
        span = [stop - start for start, stop in zip(first, last, strict=True)]

        def piece(array: Any, number: Any) -> Any:
            return lax.dynamic_slice(array, self._at(places, number), span)

        def find(number: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
            best, winner = state
            none = (0,) * len(span)
            value = lax.slice(piece(self.padded, number), none, span, strides)
            inside = lax.slice(piece(self.inside, number), none, span, strides)
            wins = self.better(value, inside, best, winner)
            chosen = lax.broadcast(converted(number, dtypes.int32), winner.shape)
            return lax.select(wins, value, best), lax.select(wins, chosen, winner)

        _, winner = lax.fori_loop(0, self.count, find, self.start())
        pads = [(0, 0, stride - 1) for stride in strides]

        def put(number: Any, total: Any) -> Any:
            mine = lax.broadcast(converted(number, dtypes.int32), winner.shape)
            share = lax.select(lax.eq(winner, mine), self.g, like(self.g, 0))
            spread = lax.pad(share, np.zeros((), share.dtype), pads)
            sum_ = lax.add(piece(total, number), spread)
            return lax.dynamic_update_slice(total, sum_, self._at(places, number))

        total = lax.fori_loop(0, self.count, put, like(self.padded, 0))
        return self.unpadded(total)

    @staticmethod
    def _at(places: Any, number: Any) -> list[Any]:
        """Return where an element of all windows starts in padded x."""
        rows, rank = places.shape
        table = lax.reshape(places, (rows * rank,))
        begin = lax.mul(converted(number, dtypes.int32), np.int32(rank))
        row = lax.dynamic_slice(table, (begin,), (rank,))
        return [lax.index_in_dim(row, axis, keepdims=False) for axis in range(rank)]


RULES: Final[dict[str, Rule]] = {
    "window_sum": _window_sum,
    "window_max": _window_max,
    "window_max_grad": _window_max_grad,
}
