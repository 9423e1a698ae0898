"""The keys of random operations: a function of their seeds and of how often they ran.

An operation with a seed, its own or the graph's, gives in every session the same
sequence of results. One without gets a seed of its own in each session.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.tf1.graph import DEFAULT_GRAPH_SEED, Graph, Operation

Seeds = tuple[int | None, int | None]


def seeds_for(graph: Graph, seed: int | None) -> Seeds:
    """Return the seeds of an operation that is made now, or two times None.

    As in TensorFlow, an operation without a seed in a graph with one takes its own from
    the number of operations before it.
    """
    if graph.seed is None:
        return (None, None) if seed is None else (DEFAULT_GRAPH_SEED, seed)
    return graph.seed, graph.version if seed is None else seed


class RandomKeys:
    """The keys of one session."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._entropy = os.urandom(16)
        self._state: dict[Operation, list[int]] = {}

    def next(self, operation: Operation) -> NDArray:
        """Return the key for one more run of an operation, ``uint32[2]``."""
        state = self._state.get(operation)
        if state is None:
            state = self._state[operation] = [self._first(operation), 0]
        first, count = state
        state[1] += 1
        key = first ^ count  # each count gives another key
        return np.array((key >> 32, key & 0xFFFFFFFF), np.uint32)

    def _first(self, operation: Operation) -> int:
        seeds = operation.attributes.get("seeds", (None, None))
        if seeds == (None, None):
            text = self._entropy + operation.name.encode()
        else:
            text = repr(seeds).encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
