"""Keras on TensorFlow, and what Keras does on any backend."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras

from benchmarks.peers.keras_like import KerasLike
from benchmarks.peers.server import Task, serve
from benchmarks.workloads import SEARCH


class Keras(KerasLike):
    """Keras with the backend of this process."""

    def __init__(self, task: Task) -> None:
        options = {"dtype": "mixed_bfloat16"} if task.workload.mixed else {}
        super().__init__(keras, task, options, {})

    def classifier_and_grid(self) -> tuple[Any, dict[str, list[Any]]]:
        """Return Keras' own wrapper and a grid of the arguments for it."""

        def make(X: Any, y: Any, hidden_size: int) -> Any:
            return self.lecture_model(hidden_size)

        grid = {
            "model_kwargs": [{"hidden_size": size} for size in SEARCH["hidden"]],
            "fit_kwargs": [{"epochs": n, "verbose": 0} for n in SEARCH["epochs"]],
        }
        return keras.wrappers.SKLearnClassifier(make), grid


if __name__ == "__main__":
    serve(Keras, "keras", keras.backend.backend())
