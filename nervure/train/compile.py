"""What ``compile`` was given, looked up and checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, explain, nearest_names
from nervure.exec.base import executor_named
from nervure.nn import losses, metrics, optimizers
from nervure.nn.losses import Loss
from nervure.nn.losses.base import LossFunctionWrapper
from nervure.nn.metrics import Mean, Metric
from nervure.nn.optimizers import Optimizer

# precision -> the type of products
PRECISIONS: Final[dict[str, DType | None]] = {
    "float32": None,
    "mixed_bfloat16": dtypes.bfloat16,
    "mixed_float16": dtypes.float16,
    "tf32": None,  # a matter of the GPU: see settings below
}


def checked_precision(given: Any) -> str:
    """Return the argument ``precision`` of ``compile``; raises for an unknown one."""
    if isinstance(given, str) and given in PRECISIONS:
        return given
    raise ArgumentError(
        explain(
            f"precision must be one of {', '.join(map(repr, PRECISIONS))}, got "
            f"{given!r}",
            fix="leave it out to compute in float32",
        )
    )


def checked_executor(given: Any) -> str | None:
    """Return the argument ``executor`` of ``compile``, ready to work.

    Raises :class:`~nervure.errors.UnknownNameError` for an unknown one, and
    :class:`~nervure.errors.MachineError` for one that cannot work here.
    """
    if given is None or given == "auto":
        return given
    return executor_named(given).name


class Compiled:
    """How a model learns.

    Parameters
    ----------
    optimizer, loss, loss_weights, metrics_given, weighted_given
        The arguments of :meth:`~nervure.models.Model.compile`.
    names
        The names of the model's outputs, as far as they are known already.

    Raises
    ------
    UnknownNameError
        For an unknown name, or for a class where an object is expected.
    ArgumentError
        For losses, weights and metrics that do not correspond to the outputs.
    """

    optimizer: Optimizer
    run_eagerly: bool = False
    precision: str = "float32"
    executor: str | None = None
    memory_budget: int | None = None  # bytes
    offload: bool = False
    check_numerics: bool | None = None

    def __init__(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics_given: Any = None,
        weighted_given: Any = None,
        loss_weights: Any = None,
        names: Sequence[str] = (),
    ) -> None:
        self.given_loss = loss
        self.given_loss_weights = loss_weights
        self.given_metrics = metrics_given
        self.given_weighted = weighted_given
        self.optimizer = optimizers.get(optimizer)
        self.loss_tracker = Mean(name="loss")
        self._loss = _looked_up(loss)
        _check_weights(loss_weights)
        for given, what in (
            (metrics_given, "metrics"),
            (weighted_given, "weighted_metrics"),
        ):
            _check_metrics(given, what)
        if names:
            self.losses(names)
            self.loss_weights(names)
            self.metrics(names)
            self.metrics(names, weighted=True)

    @property
    def product_type(self) -> DType | None:
        """The type in which products are computed, None for that of the operands."""
        return PRECISIONS[self.precision]

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of ``config.override`` that hold for this model's programs."""
        found: dict[str, Any] = {}
        if self.executor is not None:
            found["executor"] = self.executor
        if self.precision == "tf32":
            found["tf32"] = True
        return found

    def scale_loss_if_needed(self) -> None:
        """Let the optimizer scale the loss where small gradients would vanish."""
        optimizer = self.optimizer
        if self.precision == "mixed_float16" and not isinstance(
            optimizer, optimizers.LossScaleOptimizer
        ):
            self.optimizer = optimizers.LossScaleOptimizer(optimizer)

    @property
    def has_loss(self) -> bool:
        """Whether there is a loss at all."""
        return self.given_loss is not None

    @property
    def loss(self) -> Loss:
        """The loss of a model with one output.

        Raises :class:`~nervure.errors.ArgumentError` when there is none or several.
        """
        found = self._loss
        if isinstance(found, dict | list) and len(found) == 1:
            found = next(iter(found.values() if isinstance(found, dict) else found))
        if not isinstance(found, Loss):
            raise ArgumentError(
                explain(
                    f"expected one loss, got {self.given_loss!r}",
                    fix="compile the model with one loss, such as loss='mse'",
                )
            )
        return found

    @property
    def has_metrics(self) -> bool:
        """Whether there are metrics."""
        return bool(self.given_metrics or self.given_weighted)

    def losses(self, names: Sequence[str]) -> list[Loss | None]:
        """Return the loss of each output, None where it has none."""
        given = self._loss
        if given is None or isinstance(given, Loss):
            return [given] * len(names)
        return _for_outputs(given, names, "loss", "mse")

    def loss_names(self, names: Sequence[str]) -> list[str]:
        """Return how the loss of each output is called, as it was given if by name."""
        given = self.given_loss
        if isinstance(given, list | tuple) or (
            isinstance(given, dict) and not _is_config(given)
        ):
            parts = _for_outputs(given, names, "loss", "mse")
        else:
            parts = [given] * len(names)
        found = zip(parts, self.losses(names), strict=True)
        return [
            one if isinstance(one, str) else getattr(loss, "name", "loss")
            for one, loss in found
        ]

    def loss_weights(self, names: Sequence[str]) -> list[float | None]:
        """Return the factor of each output's loss, None for 1."""
        given = self.given_loss_weights
        if given is None:
            return [None] * len(names)
        if not isinstance(given, list | tuple | dict):
            given = [given] * len(names)
        return [
            None if one is None else float(one)
            for one in _for_outputs(given, names, "loss_weights", 0.5)
        ]

    def metrics(
        self, names: Sequence[str], *, weighted: bool = False
    ) -> list[list[Any]]:
        """Return the metrics of each output as they were given."""
        given = self.given_weighted if weighted else self.given_metrics
        what = "weighted_metrics" if weighted else "metrics"
        if not given:
            return [[] for _ in names]
        if len(names) == 1:
            parts = list(given.values()) if isinstance(given, dict) else list(given)
            if isinstance(given, dict):
                _for_outputs(given, names, what, ["accuracy"])
            return [_flat(parts)]
        found = _for_outputs(given, names, what, ["accuracy"])
        return [_flat([one]) for one in found]


def _for_outputs(
    given: Any, names: Sequence[str], what: str, example: Any
) -> list[Any]:
    """Return one entry for each output, given a list in order or a dict by name."""
    if isinstance(given, dict):
        for key in given:
            if str(key) not in names:
                near = nearest_names(str(key), list(names))
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ArgumentError(
                    explain(
                        f"{what} has the key {key!r}, but the model has no such output",
                        fix=f"{hint}{'The' if hint else 'the'} outputs are "
                        f"{', '.join(names)}",
                    )
                )
        by_name = {str(key): one for key, one in given.items()}
        return [by_name.get(name) for name in names]
    if len(given) == len(names):
        return list(given)
    if len(names) == 1:
        thing = "loss" if what == "loss" else f"entry in {what}"
        raise ArgumentError(
            explain(
                f"expected one {thing}, got a {type(given).__name__} of {len(given)}",
                fix=f"a model with one output has one {thing}, such as "
                f"{what}={example!r}",
            )
        )
    raise ArgumentError(
        explain(
            f"{what} must have an entry for each of the {len(names)} outputs "
            f"({', '.join(names)}), got {len(given)}",
            fix=f"write {what}={{{names[0]!r}: {example!r}, ...}}; outputs that are "
            "left out have none",
        )
    )


# --- losses -------------------------------------------------------------------------


def _looked_up(given: Any) -> Any:
    """Return losses in the structure in which they were given."""
    if given is None:
        return None
    if isinstance(given, dict) and not _is_config(given):
        return {key: _looked_up(one) for key, one in given.items()}
    if isinstance(given, list | tuple):
        return [_looked_up(one) for one in given]
    found = losses.get(given)
    loss = found if isinstance(found, Loss) else LossFunctionWrapper(found)
    if loss.reduction is None:
        raise ArgumentError(
            explain(
                f"the loss {loss.name!r} has the reduction None, so a batch has no "
                "single loss to make smaller",
                fix="use the reduction 'sum_over_batch_size' or 'sum'",
            )
        )
    return loss


def _is_config(given: dict[Any, Any]) -> bool:
    return set(given) == {"class_name", "config"}


def _check_weights(given: Any) -> None:
    """Raise for loss weights that are no numbers."""
    parts = given.values() if isinstance(given, dict) else given
    for one in _each(parts):
        if one is not None and (
            isinstance(one, bool) or not isinstance(one, int | float)
        ):
            raise ArgumentError(
                explain(
                    f"loss_weights must be numbers, got {one!r}",
                    fix="write loss_weights=[1.0, 0.5], one for each output",
                )
            )
        if one is not None and not math.isfinite(one):
            raise ArgumentError(
                explain(
                    f"loss_weights must be finite numbers, got {one!r}",
                    fix="write loss_weights=[1.0, 0.5], one for each output",
                )
            )
    # One of several may be negative on purpose, as in adversarial training.
    numbers = [one for one in _each(parts) if one is not None]
    if numbers and max(numbers) < 0:
        raise ArgumentError(
            explain(
                f"loss_weights must not all be negative, got {given!r}: training would "
                "make the loss larger",
                fix="write loss_weights=[1.0, 0.5], one for each output",
            )
        )


def _each(parts: Any) -> list[Any]:
    return list(parts) if isinstance(parts, Iterable) else [parts]


# --- metrics ------------------------------------------------------------------------


def _check_metrics(given: Any, what: str) -> None:
    """Raise for metrics that are in no list or dict, and for unknown ones."""
    if given is None:
        return
    if isinstance(given, str | Metric) or not isinstance(given, Iterable):
        raise ArgumentError(
            explain(
                f"{what} must be a list, got {given!r}",
                fix=f"write {what}=[{given!r}]"
                if isinstance(given, str)
                else f"write {what}=[...]",
            )
        )
    parts = list(given.values()) if isinstance(given, dict) else list(given)
    for one in _flat(parts):
        metrics.get(one)  # raises for what is unknown


def _flat(parts: Any) -> list[Any]:
    """Return nested lists as one list, without None."""
    found: list[Any] = []
    for one in parts:
        if isinstance(one, list | tuple):
            found += _flat(one)
        elif one is not None:
            found.append(one)
    return found
