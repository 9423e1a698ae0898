"""Oracles of the operations with bodies: their sample bodies, written out in Python.

The bodies are those that ``nervure/prims/control.py`` and its neighbours give as
samples; an oracle is also told which result is looked at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nervure import dtypes
from tests.prims.truth import Attrs, NDArray, Truth, oracle

# The bodies compute a handful of operations, each with errors of some units, and the
# steps of a loop make them grow.
UNITS = 1000


def _wide(array: NDArray) -> Any:
    return array.astype(np.float64)


def _each(function: Any, *arrays: Any) -> NDArray:
    values = zip(*(np.ravel(array).tolist() for array in arrays), strict=True)
    shape = np.shape(arrays[0])
    return np.array([function(*row) for row in values], np.float64).reshape(shape)


def _chosen(results: list[NDArray], attrs: Attrs, like: NDArray) -> Truth:
    value = results[attrs["result"]]
    if value.dtype != np.float64:
        return Truth(value, value.dtype)
    return Truth(value, like.dtype, UNITS, np.maximum(np.abs(value), 1))


def _first_body(x: NDArray, y: NDArray) -> list[NDArray]:
    wide = _wide(x), _wide(y)
    return [
        _each(lambda a, b: math.tanh(a) * b, *wide),
        _each(lambda a, b: a + math.sin(b), *wide),
    ]


@oracle("call")
def _call(attrs: Attrs, x: NDArray, *others: NDArray) -> Truth:
    results = _first_body(x, others[0]) if others else [_wide(x) * _wide(x)]
    return _chosen(results, attrs, x)


@oracle("cond")
def _cond(attrs: Attrs, index: NDArray, x: NDArray, *others: NDArray) -> Truth:
    if not others:
        return _chosen([_wide(x) * _wide(x)], attrs, x)
    (y,) = others
    choice = min(max(int(index), 0), len(attrs["branches"]) - 1)
    results = (
        _first_body(x, y),
        [_wide(x) + _wide(y), _wide(x) * _wide(x) * _wide(y)],
        [_wide(y), np.full(x.shape, 2.0)],
    )[choice]
    return _chosen(results, attrs, x)


@oracle("scan")
def _scan(attrs: Attrs, h: NDArray, n: NDArray, w: NDArray, x: NDArray) -> Truth:
    count = len(x)
    state, sums = _wide(h).tolist(), np.zeros((count, len(h)))
    counts = np.zeros(count, np.int32)
    steps = list(range(count))
    done = int(n)
    for step in steps[::-1] if attrs["reverse"] else steps:
        done += 1
        counts[step] = done
        for row, entries in enumerate(state):
            products = []
            for place, old in enumerate(entries):
                scale = float(w[place]) * float(x[step, row])
                entries[place] = math.tanh(old * scale + math.sin(old))
                products.append(entries[place] * old)
            sums[step, row] = math.fsum(products)
    results = [np.array(state), np.array(done, np.int32), sums, counts]
    return _chosen(results, attrs, h)


@oracle("while_loop")
def _while_loop(attrs: Attrs, *operands: NDArray) -> Truth:
    if len(operands) == 2:  # the loop that never runs
        return _chosen([_wide(operands[0])], attrs, operands[0])
    n, x, w = operands
    steps = min(max(int(n), 0), attrs["bound"])
    state = _wide(x)
    for _ in range(steps):
        state = _each(lambda a, b: math.tanh(a + math.sin(b)), state, _wide(w))
    left = np.array(int(n) - steps, np.int32)
    return _chosen([left, state], attrs, x)


@oracle("part")
def _part(attrs: Attrs, record: Any) -> Truth:
    value = record[attrs["index"]]
    assert dtypes.is_supported(value.dtype)
    return Truth(value, value.dtype)
