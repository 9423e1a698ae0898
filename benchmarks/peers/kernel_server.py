"""The protocol for kernels: requests name a place in the list of kernels.

- ``{"do": "prepare", "place": n}`` -> ``{"versions": {...}, "result": x}``, where x
  stands for the result: the sum of its numbers, each times another
- ``{"do": "run"}`` -> ``{"seconds": x}``, the median of calls
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.kernel_shapes import KERNELS, Kernel
from benchmarks.peers.server import Answer, NDArray, answer_requests, versions

# How long a kernel is called again and again in a round.
ROUND_SECONDS = 0.1

Call = Callable[[], Any]
# Returns the call that is timed, and one that returns its result channels-last.
Make = Callable[[Kernel, NDArray, NDArray], tuple[Call, Callable[[], NDArray]]]


def serve_kernels(make: Make, *packages: str, **more: Callable[[], Answer]) -> None:
    """Answer requests until standard input ends.

    Parameters
    ----------
    make
        Makes the calls for a kernel and two operands, ``float32``.
    packages
        Those whose versions are told.
    more
        Handlers for other requests.
    """
    ready: list[Call] = []

    def prepare(place: int) -> Answer:
        kernel = KERNELS[place]
        random = np.random.default_rng(place)
        left, right = (
            random.standard_normal(shape, dtype="float32") for shape in kernel.operands
        )
        call, result = make(kernel, left, right)
        ready[:] = [call]
        numbers = result().astype("float64").ravel()
        stamp = float(numbers @ np.random.default_rng(0).uniform(-1, 1, numbers.size))
        size = float(np.linalg.norm(numbers))
        return {"versions": versions(*packages), "result": stamp / size}

    def run() -> Answer:
        (call,) = ready
        call()
        seconds: list[float] = []
        while sum(seconds) < ROUND_SECONDS:
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return {"seconds": statistics.median(seconds)}

    answer_requests({"prepare": prepare, "run": run, **more})
