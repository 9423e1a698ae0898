"""Callbacks that change the learning rate between epochs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import non_negative_number
from nervure.nn.functions import require_parameters
from nervure.train.callbacks.base import Callback, Logs
from nervure.train.callbacks.monitor import Mode, Monitor, finite_number
from nervure.train.checks import whole_number


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch by a function.

    The rate becomes the column ``learning_rate`` of the history.

    Parameters
    ----------
    schedule
        A function ``schedule(epoch, rate)`` or ``schedule(epoch)`` that returns the new
        rate; ``epoch`` counts from 0, ``rate`` is that of the epoch before.
    verbose
        1 prints each rate.

    Raises
    ------
    ArgumentError
        For what is no function, and during training for a rate that is no number.

    >>> import nervure as nv
    >>> halve = nv.callbacks.LearningRateScheduler(
    ...     lambda epoch, rate: rate / 2 if epoch else rate)
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        if not callable(schedule):
            raise ArgumentError(
                explain(
                    f"schedule must be a function of epoch and rate, got {schedule!r}",
                    fix="write LearningRateScheduler(lambda epoch, rate: 0.9 * rate)",
                )
            )
        if not _takes_two(schedule):
            require_parameters(
                "schedule",
                schedule,
                "epoch",
                fix="write LearningRateScheduler(lambda epoch, rate: 0.9 * rate)",
            )
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate.

        Raises
        ------
        ArgumentError
            When the schedule returns something else than one number.
        """
        if _takes_two(self.schedule):
            rate = self.schedule(epoch, current_rate(self))
        else:
            rate = self.schedule(epoch)
        set_rate(self, _returned_rate(rate))
        if self.verbose:
            print(f"nervure: epoch {epoch + 1}: learning rate {current_rate(self):.6g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = current_rate(self)


class ReduceLROnPlateau(Monitor):
    """Makes the learning rate smaller when a number of the logs stops improving.

    The rate becomes the column ``learning_rate`` of the history.

    Parameters
    ----------
    monitor, mode, min_delta
        What is watched, what is better, and which changes count.
    factor
        The rate is multiplied by it; between 0 and 1.
    patience
        How many epochs without an improvement are borne.
    verbose
        1 prints each new rate.
    cooldown
        The epochs to wait after a change before counting again.
    min_lr
        The rate does not get smaller than this.

    Raises
    ------
    ArgumentError
        For arguments out of range.

    >>> import nervure as nv
    >>> slower = nv.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.factor = finite_number(factor, "factor")
        if not 0 < self.factor < 1:
            raise ArgumentError(
                explain(
                    f"factor must lie between 0 and 1, got {factor!r}",
                    fix="factor=0.5 halves the learning rate",
                )
            )
        self.patience = whole_number(patience, "patience", 0, 3)
        self.verbose = verbose
        self.cooldown = whole_number(cooldown, "cooldown", 0, 2)
        self.min_lr = non_negative_number("min_lr", min_lr)
        self._start()

    def _start(self) -> None:
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0
        self._has_warned = False

    def in_cooldown(self) -> bool:
        """Tell whether the last change is too recent to count."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training."""
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and change the rate if nothing improves."""
        logs = {} if logs is None else logs
        logs["learning_rate"] = current_rate(self)
        value = self.monitored(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        rate = current_rate(self)
        # The rate is kept in float32, so the limit is rounded before comparing.
        if rate <= np.float32(self.min_lr):
            return
        set_rate(self, max(rate * self.factor, self.min_lr))
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose:
            new = current_rate(self)
            print(
                f"nervure: epoch {epoch + 1}: {self.monitor} has stopped improving, "
                f"the learning rate becomes {new:.6g}"
            )

    def get_state(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {
            "best": self.best,
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        self.best = state["best"]
        self.wait = state["wait"]
        self.cooldown_counter = state["cooldown_counter"]


def current_rate(callback: Callback) -> float:
    """Return the learning rate of a callback's model."""
    return float(_optimizer(callback).learning_rate.numpy())


def set_rate(callback: Callback, rate: float) -> None:
    """Set the learning rate of a callback's model."""
    _optimizer(callback).learning_rate = rate


def _optimizer(callback: Callback) -> Any:
    wanted = type(callback).__name__
    return callback.require_model().require_compiled(wanted).optimizer


def _returned_rate(rate: Any) -> float:
    """Return the rate that a schedule has given; raises for anything else."""
    try:
        number = math.nan if isinstance(rate, str) or np.ndim(rate) else float(rate)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentError(
            explain(
                f"schedule must return one finite number of 0 or more, got {rate!r}",
                fix="return a float: schedule(epoch, rate) -> rate",
            )
        )
    return number


def _takes_two(schedule: Callable[..., Any]) -> bool:
    """Tell whether a schedule wants the current rate besides the epoch."""
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
