"""The record of a training run."""

from __future__ import annotations

from typing import Any

from nervure.train.callbacks.base import Callback, Logs
from nervure.train.run_facts import RunFacts


class History(Callback):
    """What :meth:`Model.fit <nervure.models.Model.fit>` returns.

    Attributes
    ----------
    history
        A list of one number an epoch for each of ``loss``, the metrics by their names,
        and ``val_loss`` and so on where there is validation.
    epoch
        The epochs that were trained, counted from 0.
    facts
        What else happened in the last run; ``nervure.why(history)`` puts it into words.

    ``pandas.DataFrame(history.history)`` makes a table of it.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> list(model.fit(nv.ones((4, 1)), nv.ones(4), verbose=0).history)
    ['loss']
    """

    history: dict[str, list[float]]
    epoch: list[int]
    facts: RunFacts

    def __init__(self) -> None:
        self.facts = RunFacts()
        self.history = {}
        self.epoch = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start a new list of epochs; a history that is passed again continues."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append this epoch's numbers."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if self.model is not None:
            self.model.history = self

    def get_state(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {"history": self.history, "epoch": self.epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        self.history = state["history"]
        self.epoch = state["epoch"]

    def __repr__(self) -> str:
        columns = ", ".join(self.history) or "nothing"
        return f"<History of {len(self.epoch)} epochs: {columns}>"
