"""The protocol that every peer speaks, and the only stopwatch.

A request is a line of JSON on standard input, the answer a line on standard output:

- ``{"do": "prepare", "workload": key, "rows": n, "folder": path}`` makes the model and,
  unless the first step is what counts, runs once -> ``{"versions": {...}}``
- ``{"do": "run"}`` -> ``{"seconds": [...], "loss": x, "accuracy": x}``; the last two
  are those of the last epoch, null where a framework does not say
- what the peer cannot do -> ``{"failed": why}``
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.workloads import WORKLOADS, Workload

NDArray = npt.NDArray[Any]
Answer = dict[str, Any]
Scores = tuple[float | None, float | None]

# Short runs are repeated within a round until this many seconds have passed.
ROUND_SECONDS = 0.5


class UnsupportedError(Exception):
    """Something that a framework does not have."""


@dataclass(frozen=True)
class Task:
    """A workload with its arrays.

    ``x`` is ``float32[rows, ...]``, ``y`` is ``int32[rows]``; the weights are in the
    order of :func:`benchmarks.data.initial_weights`.
    """

    workload: Workload
    x: NDArray
    y: NDArray
    weights: tuple[NDArray, ...]

    def batches(self) -> Iterator[NDArray]:
        """Yield the row numbers of the batches of one epoch, in a new random order."""
        order = np.random.permutation(len(self.x))
        size = self.workload.batch
        count = self.workload.steps or -(-len(order) // size)
        for step in range(count):
            yield order[step * size : (step + 1) * size]

    @property
    def seen(self) -> int:
        """How many rows an epoch takes in."""
        size = self.workload.batch
        return min(len(self.x), (self.workload.steps or len(self.x)) * size)


class Trainer(Protocol):
    """One framework at one workload."""

    def reset(self) -> None:
        """Go back to the initial weights and forget what the optimizer knows."""

    def train(self) -> Scores:
        """Train the epochs; return the mean loss and the accuracy of the last."""

    def predict(self, row: NDArray) -> NDArray:
        """Return the probabilities ``float32[1, 10]`` for one row."""

    def search(self) -> float:
        """Do the grid search and return the best mean accuracy."""


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of installed packages."""
    return {name: importlib.metadata.version(name) for name in packages}


def _load(key: str, rows: int, folder: str) -> Task:
    (found,) = (workload for workload in WORKLOADS if workload.key == key)
    paths = sorted(Path(folder).glob("weight-*.npy"))
    x, y = (np.load(Path(folder) / f"{name}.npy") for name in "xy")
    weights = tuple(np.load(path) for path in paths)
    return Task(replace(found, rows=rows), x, y, weights)


def _run(trainer: Trainer, task: Task) -> tuple[float, Scores]:
    """Run once; return the seconds and the scores."""
    workload = task.workload
    if workload.unit == "call":
        row = task.x[:1]
        start = time.perf_counter()
        for _ in range(workload.calls):
            output = trainer.predict(row)
        seconds = time.perf_counter() - start
        return seconds, (-math.log(output[0, task.y[0]]), None)
    if workload.unit == "search":
        start = time.perf_counter()
        accuracy = trainer.search()
        return time.perf_counter() - start, (None, accuracy)
    if not workload.cache:
        trainer.reset()
    start = time.perf_counter()
    scores = trainer.train()
    return time.perf_counter() - start, scores


def _round(trainer: Trainer, task: Task) -> Answer:
    """Run at least once, and short runs again; answer as the protocol says."""
    gc.collect()
    seconds: list[float] = []
    while not seconds or (not task.workload.cache and sum(seconds) < ROUND_SECONDS):
        passed, (loss, accuracy) = _run(trainer, task)
        seconds.append(passed)
    return {"seconds": seconds, "loss": loss, "accuracy": accuracy}


def answer_requests(handlers: Mapping[str, Callable[..., Answer]]) -> None:
    """Answer requests, each by the handler for what it asks, until the input ends."""
    # What frameworks print must not get into the protocol.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = handlers[request.pop("do")](**request)
        except Exception as error:  # noqa: BLE001 - the runner reports it
            traceback.print_exc()
            name = "" if isinstance(error, UnsupportedError) else type(error).__name__
            answer = {"failed": f"{name}: {error}".removeprefix(": ").split("\n")[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def serve(make: Callable[[Task], Trainer], *packages: str) -> None:
    """Answer requests until standard input ends.

    Parameters
    ----------
    make
        Returns the trainer for a task.
    packages
        Those whose versions are told.
    """
    ready: list[tuple[Trainer, Task]] = []

    def prepare(workload: str, rows: int, folder: str) -> Answer:
        ready.clear()  # lets the last model go before the next is made
        task = _load(workload, rows, folder)
        trainer = make(task)
        if not task.workload.cache and task.workload.unit != "search":
            _run(trainer, task)
        ready.append((trainer, task))
        return {"versions": versions(*packages)}

    answer_requests({"prepare": prepare, "run": lambda: _round(*ready[0])})
