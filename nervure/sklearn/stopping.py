"""Ending a training when it does not get better, and going back to its best moment."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from nervure.errors import DataError, explain
from nervure.ir.attrs import NDArray
from nervure.sklearn.base import NetworkEstimator, TrainingRows
from nervure.sklearn.targets import ClassTargets
from nervure.train.callbacks import Callback, as_callbacks


class Patience(Callback):
    """Stops when a score has not grown for some epochs.

    Parameters
    ----------
    score
        Returns the score after an epoch, given its logs; more is better.
    tolerance
        A score that is not better than the best by this much is none.
    epochs
        How many such epochs in a row are borne.
    keep_best
        Whether the network gets the weights of its best epoch in the end.
    instead
        Tried instead of stopping; returns whether it did anything.
    """

    def __init__(
        self,
        score: Callable[[dict[str, Any]], float],
        *,
        tolerance: float,
        epochs: float,
        keep_best: bool,
        instead: Callable[[], bool] = lambda: False,
    ) -> None:
        self._score = score
        self._tolerance = tolerance
        self._patience = epochs
        self._keep_best = keep_best
        self._instead = instead
        self._waited = 0
        self._weights: list[NDArray] = []
        self.scores: list[float] = []
        self.best = -math.inf
        self.stopped = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compare this epoch with the best one."""
        assert self.model is not None  # training has told it
        score = self._score(logs or {})
        self.scores.append(score)
        enough = score > self.best + self._tolerance or len(self.scores) == 1
        self._waited = 0 if enough else self._waited + 1
        if score > self.best:
            self.best = score
            if self._keep_best:
                self._weights = [one.numpy() for one in self.model.variables]
        if self._waited > self._patience:
            self._waited = 0
            if not self._instead():
                self.stopped = self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Go back to the best epoch."""
        assert self.model is not None
        for variable, value in zip(self.model.variables, self._weights, strict=False):
            variable.assign(value)


class StoppingEstimator(NetworkEstimator):
    """An estimator that can hold out rows, and stop when these are not learnt better.

    A subclass has the parameters ``early_stopping``, ``validation_fraction``,
    ``n_iter_no_change`` and ``tol``.
    """

    def _fit_network(self, data: TrainingRows, arguments: dict[str, Any]) -> None:
        """Train, and watch the score of the rows that were held out."""
        if not self.early_stopping:
            super()._fit_network(data, arguments)
            return
        kept, held_out = self._divided(data)
        watch = Patience(
            lambda logs: self._held_out_score(held_out),
            tolerance=self.tol,
            epochs=self.n_iter_no_change,
            keep_best=True,
        )
        self._watched(watch, kept, arguments)
        self.validation_scores_ = watch.scores
        self.best_validation_score_ = watch.best

    def _watched(
        self, watch: Callback, data: TrainingRows, arguments: dict[str, Any]
    ) -> None:
        """Train with one more callback."""
        listed = [*as_callbacks(arguments.get("callbacks")), watch]
        size = min(arguments["batch_size"], len(data.x))
        changed = {**arguments, "callbacks": listed, "batch_size": size}
        super()._fit_network(data, changed)

    def _divided(self, data: TrainingRows) -> tuple[TrainingRows, TrainingRows]:
        """Return the rows to train on, and those held out, alike in their classes."""
        is_single = isinstance(self._targets, ClassTargets) and (
            self._targets.form != "multilabel"
        )
        places = train_test_split(
            np.arange(len(data.x)),
            test_size=self.validation_fraction,
            random_state=self._generator,
            stratify=self._targets.codes(data.y) if is_single else None,
        )
        kept, held_out = (data.chosen(np.sort(part)) for part in places)
        if len(held_out.x) < 2:
            raise DataError(
                explain(
                    f"early stopping holds out {len(held_out.x)} of {len(data.x)} "
                    "rows, which says nothing",
                    fix="choose a larger validation_fraction, or do without "
                    "early_stopping",
                )
            )
        return kept, held_out

    def _held_out_score(self, data: TrainingRows) -> float:
        """Return accuracy or R^2."""
        output = self._predicted(data.x)
        if not isinstance(self._targets, ClassTargets):
            decoded = self._targets.decoded(output)
            true, found = (one.reshape(len(one), -1) for one in (data.y, decoded))
            return float(r2_score(true, found, sample_weight=data.weights))
        decoded = self._targets.decoded(self._targets.probabilities(output))
        right = decoded == data.y
        if right.ndim == 2:
            right = right.all(axis=1)
        return float(np.average(right, weights=data.weights))
