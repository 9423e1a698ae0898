"""Saving after every epoch, or after every so many batches."""

from __future__ import annotations

from nervure.train.callbacks.base import Logs
from nervure.train.checks import whole_number


class SavesAtTimes:
    """A part of callbacks that have the argument ``save_freq``."""

    save_freq: int | str
    _unsaved: int  # batches since the last saving

    def _set_frequency(self, save_freq: int | str) -> None:
        self.save_freq = save_freq
        self._unsaved = 0
        if save_freq != "epoch":
            self.save_freq = whole_number(save_freq, "save_freq", 1, 100)
            # Only now does it look at batches, which costs time.
            vars(self)["on_train_batch_end"] = self._count_batch

    def _count_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._unsaved += 1
        if self._unsaved >= int(self.save_freq):
            self._unsaved = 0
            self._save_after_batch(batch, logs or {})

    def _save_after_batch(self, batch: int, logs: Logs) -> None:
        """Save after a batch, whose number counts from 0."""
        raise NotImplementedError
