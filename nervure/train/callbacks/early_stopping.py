"""Ending training when it does not help any more."""

from __future__ import annotations

import math
from typing import Any

from nervure.errors import explain
from nervure.ir.attrs import NDArray
from nervure.train.callbacks.base import Callback, Logs
from nervure.train.callbacks.monitor import Mode, Monitor, finite_number
from nervure.train.checks import whole_number


class EarlyStopping(Monitor):
    """Ends training when a number of the logs has stopped improving.

    Parameters
    ----------
    monitor, min_delta, mode
        What is watched, which changes count, and what is better; ``"auto"`` knows it
        from the name.
    patience
        How many epochs without an improvement are borne.
    verbose
        1 says when training is ended and which weights are restored.
    baseline
        Only a value better than this counts as an improvement.
    restore_best_weights
        Put the weights of the best epoch back at the end, whatever ended training:
        this callback, the last epoch, Ctrl-C or an error.
    start_from_epoch
        Begin to watch after this many epochs.

    Attributes
    ----------
    best, best_epoch
        The best value so far, and its epoch from 0.
    stopped_epoch
        The epoch after which this callback ended training, 0 if it did not.

    Raises
    ------
    ArgumentError
        For arguments out of range.

    >>> import nervure as nv
    >>> stop = nv.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = whole_number(patience, "patience", 0, 3)
        self.verbose = verbose
        self.baseline = (
            None if baseline is None else finite_number(baseline, "baseline")
        )
        self.restore_best_weights = bool(restore_best_weights)
        self.start_from_epoch = whole_number(start_from_epoch, "start_from_epoch", 0, 5)
        self._start()

    def _start(self) -> None:
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[NDArray] | None = None
        self.wait = 0
        self.stopped_epoch = 0
        self.stop_reason = ""
        self._has_warned = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training."""
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, remember the weights, and end training if it does not help."""
        value = self.monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        improves = self.improves(value, self.best)
        if improves or (self.restore_best_weights and self.best_weights is None):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.require_model().get_weights()
        if improves:
            self.best = value
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.stop_reason = (
                f"{self.monitor} has not become better for {self.wait} epochs; the "
                f"best was {self.best} in epoch {self.best_epoch + 1}"
            )
            self.require_model().stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Restore the best weights, if that was wanted."""
        if self.stopped_epoch and self.verbose:
            print(
                f"nervure: training ended early, after epoch {self.stopped_epoch + 1}"
            )
        if self.best_weights is None:
            return
        if self.verbose:
            print(f"nervure: weights restored from epoch {self.best_epoch + 1}")
        self.require_model().set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "wait": self.wait,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        self.best = state["best"]
        self.best_epoch = state["best_epoch"]
        self.best_weights = state["best_weights"]
        self.wait = state["wait"]


class TerminateOnNaN(Callback):
    """Ends training when the loss is no number any more.

    It looks at the loss after every batch, so the steps run one at a time.

    Parameters
    ----------
    raise_error
        Raise an error instead of ending quietly.

    Raises
    ------
    FloatingPointError
        During training, with ``raise_error``.

    >>> import nervure as nv
    >>> watch = nv.callbacks.TerminateOnNaN()
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = bool(raise_error)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        headline = f"batch {batch}: the loss is {loss}, so training ends"
        if self.raise_error:
            raise FloatingPointError(
                explain(headline, fix="use a smaller learning rate, or clipnorm")
            )
        print(f"nervure: {headline}")
        self.stop_reason = f"the loss became {loss} in batch {batch}"
        self.require_model().stop_training = True
