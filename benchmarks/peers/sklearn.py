"""scikit-learn's MLPClassifier."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.server import NDArray, Scores, Task, serve
from benchmarks.workloads import FOLDS, SEARCH

# It warns that so few epochs have not converged.
warnings.simplefilter("ignore")


class Sklearn:
    """An MLPClassifier that begins with given weights, thanks to ``warm_start``."""

    def __init__(self, task: Task) -> None:
        self.task = task
        hidden = [layer.units for layer in task.workload.network[:-1]]  # type: ignore[union-attr]
        self.model = self._classifier(hidden, task.workload.epochs)
        # The first fit makes what the later ones, and predict, need.
        self.model.fit(task.x, task.y)
        self.reset()

    def _classifier(self, hidden: list[int], epochs: int) -> Any:
        return MLPClassifier(
            hidden,
            batch_size=self.task.workload.batch,
            alpha=0,
            epsilon=1e-7,
            max_iter=epochs,
            n_iter_no_change=10**6,
            warm_start=True,
        )

    def reset(self) -> None:
        """Assign the weights; each fit makes a new optimizer."""
        self.model.coefs_ = [np.copy(one) for one in self.task.weights[::2]]
        self.model.intercepts_ = [np.copy(one) for one in self.task.weights[1::2]]

    def train(self) -> Scores:
        """Fit; the accuracy while training is not told."""
        self.model.loss_curve_ = []
        self.model.fit(self.task.x, self.task.y)
        return self.model.loss_curve_[-1], None

    def predict(self, row: NDArray) -> NDArray:
        """Return the probabilities."""
        result: NDArray = self.model.predict_proba(row)
        return result

    def search(self) -> float:
        """Search the same grid in its own terms."""
        classifier = self._classifier([32], 1).set_params(warm_start=False)
        grid = {
            "max_iter": list(SEARCH["epochs"]),
            "hidden_layer_sizes": [(size,) for size in SEARCH["hidden"]],
        }
        found = GridSearchCV(classifier, grid, cv=FOLDS, return_train_score=True)
        found.fit(self.task.x, self.task.y)
        return float(found.best_score_)


if __name__ == "__main__":
    serve(Sklearn, "scikit-learn", "numpy")
