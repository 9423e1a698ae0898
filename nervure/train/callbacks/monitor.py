"""What callbacks that watch one number of the logs have in common."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final, Literal

from nervure.errors import ArgumentError, explain, nearest_names
from nervure.train.callbacks.base import Callback, Logs

Mode = Literal["auto", "min", "max"]

# What the names of metrics say about the direction in which they get better.
_LARGER_IS_BETTER: Final = (
    *("acc", "auc", "precision", "recall", "sensitivity", "specificity"),
    *("f1", "fbeta", "iou", "r2", "similarity", "correlation"),
    *("true_positives", "true_negatives"),
)
_SMALLER_IS_BETTER: Final = (
    *("loss", "error", "crossentropy", "divergence", "hinge", "poisson", "logcosh"),
    *("mse", "mae", "mape", "msle", "rmse", "kld"),
    *("false_positives", "false_negatives"),
)


class Monitor(Callback):
    """Base class of callbacks that compare one number of the logs with its best.

    Parameters
    ----------
    monitor
        The name in the logs: ``"val_loss"``, ``"accuracy"``, ...
    mode
        ``"min"`` if smaller is better, ``"max"`` if larger is; ``"auto"`` knows it from
        the name.
    best
        The value that the first one must improve on; None for any.
    min_delta
        Changes smaller than this are no improvement.

    Raises
    ------
    ArgumentError
        For another mode or a negative or infinite ``min_delta``; and at the first
        comparison, when ``"auto"`` does not know the direction.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: Mode = "auto",
        best: float | None = None,
        min_delta: float = 0.0,
    ) -> None:
        if not isinstance(monitor, str):
            raise ArgumentError(
                explain(
                    f"monitor must be a name of the logs, got {monitor!r}",
                    fix="write monitor='val_loss', for example",
                )
            )
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(
                explain(
                    f"mode must be 'auto', 'min' or 'max', got {mode!r}",
                    fix="use 'min' for losses, 'max' for accuracies, 'auto' to let "
                    "the name decide",
                )
            )
        self.monitor = monitor
        self.mode = mode
        self.best = best
        # Keras takes the absolute value, so people write -0.001 for "min" as well.
        self.min_delta = abs(finite_number(min_delta, "min_delta"))
        self._has_warned = False

    def monitored(self, logs: Logs | None) -> float | None:
        """Return the number to watch; warns once when the logs do not have it."""
        value = (logs or {}).get(self.monitor)
        if value is not None:
            return float(value)
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                explain(
                    f"{type(self).__name__} watches {self.monitor!r}, which the logs "
                    f"do not have; they have {', '.join(map(repr, logs or {}))}",
                    fix=self._advice(logs or {}),
                ),
                stacklevel=2,
            )
        return None

    def _advice(self, logs: Logs) -> str:
        if self.monitor.startswith("val_") and self.monitor[4:] in logs:
            return "pass validation_data or validation_split to fit"
        near = nearest_names(self.monitor, logs)
        return f"write monitor={near[0]!r}" if near else "watch one of these"

    def improves(self, value: float, on: float | None) -> bool:
        """Tell whether a value is better than another by more than ``min_delta``."""
        if math.isnan(value):
            return False
        if on is None or math.isnan(on):
            return True
        if self._larger_is_better():
            return value - self.min_delta > on
        return value + self.min_delta < on

    def _larger_is_better(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_").removeprefix("weighted_").lower()
        # Errors first: "mean_absolute_percentage_error" holds no word of the others,
        # but a metric of a user's own such as "accuracy_loss" may.
        if any(word in name for word in _SMALLER_IS_BETTER):
            return False
        if any(word in name for word in _LARGER_IS_BETTER):
            return True
        raise ArgumentError(
            explain(
                f"{type(self).__name__} does not know whether a larger or a smaller "
                f"{self.monitor!r} is better",
                fix="pass mode='max' or mode='min'",
            )
        )


def finite_number(value: Any, name: str) -> float:
    """Return an argument that must be a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(
            explain(
                f"{name} must be a finite number, got {value!r}",
                fix=f"pass {name}=0.001, for example",
            )
        )
    return number
