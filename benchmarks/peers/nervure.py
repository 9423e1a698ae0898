"""Nervure: ``fit`` and ``predict`` as the manual shows them."""

from __future__ import annotations

from typing import Any

import nervure as nv
from benchmarks.peers.keras_like import KerasLike
from benchmarks.peers.server import NDArray, Task, serve
from benchmarks.workloads import SEARCH


class Nervure(KerasLike):
    """Keras' names; precision is an option of ``compile``."""

    def __init__(self, task: Task) -> None:
        options = {"precision": "mixed_bfloat16"} if task.workload.mixed else {}
        super().__init__(nv, task, {}, options)

    def targets(self) -> NDArray:
        """Return one column a class, as the lecture does."""
        result: NDArray = nv.utils.to_categorical(self.task.y, 10)
        return result

    def classifier_and_grid(self) -> tuple[Any, dict[str, list[Any]]]:
        """Return the lecture's wrapper and grid."""
        from nervure.wrappers.scikit_learn import KerasClassifier

        grid = {"epochs": list(SEARCH["epochs"]), "hidden_size": list(SEARCH["hidden"])}

        def build(hidden_size: int) -> Any:  # scikit-learn copies what is no function
            return self.lecture_model(hidden_size)

        return KerasClassifier(build, verbose=0), grid


if __name__ == "__main__":
    serve(Nervure, "numpy", "llvmlite")
