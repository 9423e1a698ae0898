"""The protocol for networks that predict; requests name a file and a batch.

- ``{"do": "prepare", "path": name, "batch": n}`` -> ``{"versions": {...}, "outputs":
  [...]}``, the outputs for the first row
- ``{"do": "run"}`` -> ``{"seconds": x}``, the median of calls

The file's suffix is the peer's: each knows under which the network lies for it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.peers.server import Answer, NDArray, answer_requests, versions

# How long a network is called again and again in a round.
ROUND_SECONDS = 0.25

Predict = Callable[[NDArray], NDArray]


def images(batch: int) -> NDArray:
    """Return ``float32[batch, 224, 224, 3]``, the same in every process."""
    shape = (batch, 224, 224, 3)
    return np.random.default_rng(batch).uniform(size=shape).astype(np.float32)


def serve_networks(make: Callable[[Path], Predict], *packages: str) -> None:
    """Answer requests until standard input ends.

    Parameters
    ----------
    make
        Returns what predicts with the network of a file.
    packages
        Those whose versions are told.
    """
    ready: list[tuple[Predict, NDArray]] = []
    made = cache(make)

    def prepare(path: str, batch: int) -> Answer:
        predict, x = made(Path(path)), images(batch)
        ready[:] = [(predict, x)]
        predict(x)
        outputs = np.asarray(predict(x))[0].tolist()
        return {"versions": versions(*packages), "outputs": outputs}

    def run() -> Answer:
        ((predict, x),) = ready
        predict(x)
        seconds: list[float] = []
        while sum(seconds) < ROUND_SECONDS:
            start = time.perf_counter()
            predict(x)
            seconds.append(time.perf_counter() - start)
        return {"seconds": statistics.median(seconds)}

    answer_requests({"prepare": prepare, "run": run})
