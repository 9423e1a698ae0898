"""What a callback is: methods that training calls at its turning points."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nervure.errors import ArgumentError, explain
from nervure.nn.functions import require_parameters

if TYPE_CHECKING:
    from nervure.train.model import Model

Logs = dict[str, Any]


class Callback:
    """Base class of everything that wants to be told how training goes.

    Subclass it and override what is of interest; every method does nothing here.
    ``logs`` is a dict of Python numbers such as ``{"accuracy": 0.9, "loss": 0.31}``; at
    the end of an epoch with validation it also holds ``val_loss`` and so on.  An entry
    that a callback adds to the logs of ``on_epoch_end`` becomes a column of the
    history.

    A callback that overrides none of the batch methods costs nothing per batch: whole
    runs of steps then happen in one call.

    Attributes
    ----------
    model
        The model in training.
    params
        ``{"verbose": ..., "epochs": ..., "steps": ...}``.

    >>> import nervure as nv
    >>> class Patience(nv.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         if logs["loss"] < 0.1:
    ...             self.model.stop_training = True
    """

    params: dict[str, Any] | None = None
    model: Model | None = None
    # Why it ended training, for nervure.why; empty if it did not.
    stop_reason: str = ""
    # Whether it is called after all others, wherever it stands in the list.
    comes_last: bool = False

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the number of epochs and steps; called before training."""
        self.params = params

    def set_model(self, model: Model) -> None:
        """Take the model; called before training."""
        self.model = model

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed training needs: plain data and lists of NumPy arrays.

        :class:`~nervure.callbacks.BackupAndRestore` stores it.  A callback that
        remembers nothing from epoch to epoch returns an empty dict, as here.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""

    def require_model(self) -> Model:
        """Return the model in training; raises outside of one."""
        if self.model is None:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} has no model: it is not in a training",
                    fix="pass it to fit in the list of callbacks",
                )
            )
        return self.model

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called at the start of ``fit``."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called at the end of ``fit``, also when Ctrl-C or an error ends it."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch; ``epoch`` counts from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch, and after its validation."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of :meth:`on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of :meth:`on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each training step; ``batch`` counts from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each training step, with means over the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called at the start of ``evaluate`` and of each validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called at the end of ``evaluate`` and of each validation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of an evaluation, with means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called at the start of ``predict``."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called at the end of ``predict``."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of a prediction, with ``logs["outputs"]``."""


class LambdaCallback(Callback):
    """A callback made of functions.

    Each argument is called with the arguments of the method of the same name.

    Raises
    ------
    ArgumentError
        For what cannot be called.

    >>> import nervure as nv
    >>> shout = nv.callbacks.LambdaCallback(
    ...     on_epoch_end=lambda epoch, logs: print(epoch, logs))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
        *,
        on_test_begin: Callable[[Logs], Any] | None = None,
        on_test_end: Callable[[Logs], Any] | None = None,
        on_test_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_test_batch_end: Callable[[int, Logs], Any] | None = None,
        on_predict_begin: Callable[[Logs], Any] | None = None,
        on_predict_end: Callable[[Logs], Any] | None = None,
        on_predict_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_predict_batch_end: Callable[[int, Logs], Any] | None = None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            "on_test_begin": on_test_begin,
            "on_test_end": on_test_end,
            "on_test_batch_begin": on_test_batch_begin,
            "on_test_batch_end": on_test_batch_end,
            "on_predict_begin": on_predict_begin,
            "on_predict_end": on_predict_end,
            "on_predict_batch_begin": on_predict_batch_begin,
            "on_predict_batch_end": on_predict_batch_end,
        }
        for name, function in given.items():
            if function is None:
                continue
            if not callable(function):
                raise ArgumentError(
                    explain(
                        f"{name} must be a function, got {function!r}",
                        fix="pass the function itself, without calling it",
                    )
                )
            names = tuple(inspect.signature(getattr(self, name)).parameters)
            require_parameters(
                name,
                function,
                *names,
                fix=f"write {name}=lambda {', '.join(names)}: ...",
            )
            setattr(self, name, function)
