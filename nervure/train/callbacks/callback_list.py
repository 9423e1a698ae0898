"""Several callbacks as one, which knows who looks at batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nervure.errors import ArgumentError, explain
from nervure.train.callbacks.base import Callback, Logs
from nervure.train.callbacks.records import ProgbarLogger
from nervure.train.history import History

if TYPE_CHECKING:
    from nervure.train.model import Model

# A callback looks at batches if it overrides one of the methods on the right.
_BATCH_METHODS = {
    "on_train_batch_begin": ("on_train_batch_begin", "on_batch_begin"),
    "on_train_batch_end": ("on_train_batch_end", "on_batch_end"),
    "on_test_batch_begin": ("on_test_batch_begin",),
    "on_test_batch_end": ("on_test_batch_end",),
    "on_predict_batch_begin": ("on_predict_batch_begin",),
    "on_predict_batch_end": ("on_predict_batch_end",),
}


class CallbackList:
    """The callbacks of one run, called in their order.

    Parameters
    ----------
    callbacks
        Those of :func:`as_callbacks`.
    model, params
        Given to each of them.
    with_history
        Append a :class:`~nervure.train.history.History`, unless there is one; it comes
        last, so it records what the others have added to the logs.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1)])
    >>> callbacks = nv.callbacks.CallbackList([nv.callbacks.History()], model, {})
    >>> [type(one).__name__ for one in callbacks.callbacks]
    ['History']
    """

    def __init__(
        self,
        callbacks: Iterable[Callback],
        model: Model,
        params: dict[str, Any],
        *,
        with_history: bool = False,
    ) -> None:
        self.callbacks = list(callbacks)
        if with_history and not any(isinstance(one, History) for one in self.callbacks):
            self.callbacks.append(History())
        self.callbacks.sort(key=lambda one: one.comes_last)
        self._watchers = {
            name: [one for one in self.callbacks if _overrides(one, names)]
            for name, names in _BATCH_METHODS.items()
        }
        for one in self.callbacks:
            one.set_params(params)
            one.set_model(model)

    @property
    def shows_bar(self) -> bool:
        """Whether a :class:`ProgbarLogger` asks for the bar."""
        return any(isinstance(one, ProgbarLogger) for one in self.callbacks)

    @property
    def history(self) -> History:
        """The callback that records the history."""
        return next(one for one in self.callbacks if isinstance(one, History))

    def watches_batches(self, phase: str) -> bool:
        """Tell whether any callback looks at batches of "train", "test", "predict"."""
        names = (f"on_{phase}_batch_begin", f"on_{phase}_batch_end")
        return any(self._watchers[name] for name in names)

    def wants_logs(self, phase: str) -> bool:
        """Tell whether any callback is to be given logs after each batch."""
        return bool(self._watchers[f"on_{phase}_batch_end"])

    def call(self, method: str, *args: Any) -> None:
        """Call ``on_epoch_end``, say, of every callback."""
        for one in self.callbacks:
            getattr(one, method)(*args)

    def call_batch(self, method: str, batch: int, logs: Logs | None) -> None:
        """Call a batch method of the callbacks that override it."""
        for one in self._watchers[method]:
            getattr(one, method)(batch, logs)


def _overrides(callback: Callback, names: Iterable[str]) -> bool:
    """Tell whether a callback, or its class, defines one of the methods anew."""
    return any(
        name in vars(callback)
        or getattr(type(callback), name) is not getattr(Callback, name)
        for name in names
    )


def as_callbacks(given: Any) -> list[Callback]:
    """Return the argument ``callbacks`` as a list.

    Raises :class:`~nervure.errors.ArgumentError` for anything that is not a
    callback, a list of them, or None.
    """
    if given is None:
        return []
    callbacks = list(given) if isinstance(given, list | tuple) else [given]
    for one in callbacks:
        if isinstance(one, Callback):
            continue
        if isinstance(one, type) and issubclass(one, Callback):
            came, fix = f"the class {one.__name__}", f"make one: {one.__name__}()"
        else:
            name = getattr(one, "__name__", repr(one))
            came = f"the function {name}" if callable(one) else repr(one)
            fix = "use LambdaCallback(on_epoch_end=...) or subclass Callback"
        raise ArgumentError(
            explain(f"callbacks must hold nervure callbacks, got {came}", fix=fix)
        )
    return callbacks
