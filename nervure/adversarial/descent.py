"""L-BFGS in a box, for many functions at the same time.

Each row is a problem of its own, with its own step lengths and its own end, but all are
evaluated together, so a network sees a whole batch.  SciPy's ``fmin_l_bfgs_b`` treats
one vector at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from nervure.ir.attrs import NDArray

Function = Callable[[NDArray], tuple[NDArray, NDArray]]

# How much of what the slope promises a step must gain (Armijo's rule).
_GAIN: Final = 1e-4
_MOST_HALVINGS: Final = 20


def minimized(
    function: Function,
    start: NDArray,
    low: float,
    high: float,
    *,
    steps: int = 100,
    memory: int = 10,
    tolerance: float = 1e-5,
) -> NDArray:
    """Return a local minimum for each row, with all numbers between two limits.

    The quasi-Newton matrix of L-BFGS (Nocedal, 1980) acts on the numbers that are free
    to move; those at a limit that want to go beyond it stay (two-metric projection,
    Bertsekas, 1982).  A step is halved until the function falls by enough.

    Parameters
    ----------
    function
        From points ``float64[rows, n]`` to values ``[rows]`` and gradients
        ``[rows, n]``; a row of the result depends on the same row of the points.
    start
        Where to begin.
    low, high
        The limits.
    steps
        The most steps of a row.
    memory
        From how many of the last steps the curvature is estimated.
    tolerance
        A row ends when no number of its projected gradient is larger.

    >>> import numpy as np
    >>> goal = np.array([[0.2, 3.0], [-1.0, 0.5]])
    >>> square = lambda x: (((x - goal) ** 2).sum(1), 2 * (x - goal))
    >>> minimized(square, np.zeros((2, 2)), 0.0, 1.0).round(3).tolist()
    [[0.2, 1.0], [0.0, 0.5]]
    """
    x = np.clip(start.astype(np.float64), low, high)
    value, gradient = function(x)
    curvature = _Curvature(memory)
    ended = np.zeros(len(x), bool)
    for _ in range(steps):
        free = ~((x <= low) & (gradient > 0) | (x >= high) & (gradient < 0))
        slope = np.where(free, gradient, 0.0)
        ended |= np.abs(slope).max(axis=1) <= tolerance
        if ended.all():
            break
        step = -curvature.solved(slope, free)
        uphill = _dot(step, slope) >= 0
        step[uphill] = -slope[uphill]
        before = x, gradient
        x, value, gradient, moved = _shortened(
            function, x, value, gradient, step, ended, (low, high)
        )
        ended |= ~moved
        curvature.learn(x - before[0], gradient - before[1])
    return x


def _shortened(
    function: Function,
    x: NDArray,
    value: NDArray,
    gradient: NDArray,
    step: NDArray,
    ended: NDArray,
    limits: tuple[float, float],
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Halve each row's step until it gains enough; return where that leads."""
    length = np.ones(len(x))
    moved = np.zeros(len(x), bool)
    x, value, gradient = x.copy(), value.copy(), gradient.copy()
    origin, first, slope = x.copy(), value.copy(), gradient.copy()
    for _ in range(_MOST_HALVINGS):
        waiting = ~(moved | ended)
        if not waiting.any():
            break
        tried = np.where(waiting[:, None], origin + length[:, None] * step, x)
        tried = np.clip(tried, *limits)
        values, gradients = function(tried)
        promised = _dot(slope, tried - origin)
        good = waiting & (values <= first + _GAIN * promised) & (promised < 0)
        x[good], value[good], gradient[good] = (
            tried[good],
            values[good],
            gradients[good],
        )
        moved |= good
        length[waiting & ~good] /= 2
    return x, value, gradient, moved


class _Curvature:
    """What the last steps tell about second derivatives, row by row."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._pairs: list[tuple[NDArray, NDArray]] = []

    def learn(self, moved: NDArray, turned: NDArray) -> None:
        """Take in a step and the change of the gradient along it."""
        self._pairs = [*self._pairs, (moved, turned)][-self._memory :]

    def solved(self, slope: NDArray, free: NDArray) -> NDArray:
        """Return the inverse of the matrix times ``slope``, within what is free."""
        direction = slope.copy()
        shares = []
        known = np.zeros(len(slope), bool)
        scale = np.ones(len(slope))
        for moved, turned in reversed(self._pairs):
            moved, turned = np.where(free, moved, 0.0), np.where(free, turned, 0.0)
            product = _dot(moved, turned)
            length = _dot(turned, turned)
            # Nothing is learned where nothing moved or the function bends down.
            use = product > 1e-12 * np.sqrt(_dot(moved, moved) * length) + 1e-300
            inverse = np.divide(1.0, product, out=np.zeros_like(product), where=use)
            scale = np.where(use & ~known, product / np.where(use, length, 1.0), scale)
            known |= use
            share = inverse * _dot(moved, direction)
            direction -= share[:, None] * turned
            shares.append((moved, turned, inverse, share))
        # Nothing is known at first: then a step of length 1 at most.
        size = np.sqrt(_dot(slope, slope))
        scale = np.where(known, scale, 1.0 / np.maximum(size, 1.0))
        direction *= scale[:, None]
        for moved, turned, inverse, share in reversed(shares):
            other = inverse * _dot(turned, direction)
            direction += (share - other)[:, None] * moved
        return np.where(free, direction, 0.0)


def _dot(x: NDArray, y: NDArray) -> NDArray:
    return np.einsum("ij,ij->i", x, y)
