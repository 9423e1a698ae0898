"""Does one thing many times and prints how the memory grew, in bytes an iteration.

``python -m tests.trust.soak_job KIND ITERATIONS``.  The slope is that of a line through
the second half of the measurements; the first half is the warm-up.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Callable

import numpy as np

import nervure as nv
from tests.train.builders import classifier, three_classes


def cycles() -> Callable[[int], None]:
    """Build, train and drop a model."""
    x, y = three_classes(32)

    def once(number: int) -> None:
        nv.utils.clear_session()
        classifier().fit(x, y, batch_size=8, verbose=0)

    return once


def predictions() -> Callable[[int], None]:
    """Predict batches of random sizes."""
    x, y = three_classes(64)
    model = classifier()
    model.fit(x, y, verbose=0)
    random = np.random.default_rng(1)

    def once(number: int) -> None:
        model.predict(x[: random.integers(1, 65)], verbose=0)

    return once


def programs() -> Callable[[int], None]:
    """Compile another program each time."""

    def once(number: int) -> None:
        nv.compile(lambda x: nv.sum(x * float(number + 2)))(nv.ones((3,)))

    return once


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(kind: str, iterations: int) -> dict[str, float]:
    """Return the slope, and what is left of threads and descriptors."""
    kinds = {"cycles": cycles, "predictions": predictions, "programs": programs}
    once = kinds[kind]()
    sizes = []
    every = max(1, iterations // 40)
    threads = files = 0
    for number in range(iterations):
        once(number)
        if number % every == 0:
            gc.collect()
            sizes.append(resident())
        if number == iterations // 2:
            threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    half = sizes[len(sizes) // 2 :]
    slope = np.polyfit(np.arange(len(half)) * every, half, 1)[0]
    return {
        "slope": float(slope),
        "threads": threading.active_count() - threads,
        "descriptors": len(os.listdir("/proc/self/fd")) - files,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
