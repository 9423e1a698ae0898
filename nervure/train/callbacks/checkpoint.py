"""Writing the model to a file while it is trained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nervure.errors import ArgumentError, explain
from nervure.train.callbacks.base import Logs
from nervure.train.callbacks.frequency import SavesAtTimes
from nervure.train.callbacks.monitor import Mode, Monitor, finite_number


class ModelCheckpoint(SavesAtTimes, Monitor):
    """Writes the model, or its weights, after epochs or batches.

    Each file is written in one move: a crash leaves the old one or the new one.

    Parameters
    ----------
    filepath
        A path that ends in ``.nv``, or ``.weights.nv`` with ``save_weights_only``.  It
        may hold ``{epoch}`` (from 1), ``{batch}`` (from 1, with a number for
        ``save_freq``) and names of the logs: ``"m-{epoch:02d}-{val_loss:.3f}.nv"``.
        Folders are made.
    monitor, mode
        What decides with ``save_best_only``, and what is better.
    verbose
        1 says when something is written.
    save_best_only
        Write only when ``monitor`` is better than ever before.
    save_weights_only
        Write the weights alone.
    save_freq
        ``"epoch"``, or a number of batches; then steps run one at a time.
    initial_value_threshold
        With ``save_best_only``: the value that the first file must improve on.

    Raises
    ------
    ArgumentError
        For arguments out of range, another ending, and during training for a name in
        ``filepath`` that the logs do not have.

    >>> import nervure as nv
    >>> best = nv.callbacks.ModelCheckpoint("best.nv", save_best_only=True)
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Mode = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        threshold = initial_value_threshold
        if threshold is not None:
            threshold = finite_number(threshold, "initial_value_threshold")
        super().__init__(monitor, mode, best=threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = bool(save_best_only)
        self.save_weights_only = bool(save_weights_only)
        self._check_ending()
        self._epoch = 0
        self._set_frequency(save_freq)

    def _check_ending(self) -> None:
        ending = ".weights.nv" if self.save_weights_only else ".nv"
        if self.filepath.endswith(ending):
            return
        raise ArgumentError(
            explain(
                f"filepath must end in {ending!r}, got {self.filepath!r}",
                fix="Nervure writes its own format; it also reads Keras' .keras and .h5"
                if self.filepath.endswith((".keras", ".h5"))
                else f"use {Path(self.filepath).stem + ending!r}",
            )
        )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the file of this epoch."""
        if self.save_freq == "epoch":
            self._save(logs or {}, {"epoch": epoch + 1})

    def _save_after_batch(self, batch: int, logs: Logs) -> None:
        self._save(logs, {"epoch": self._epoch + 1, "batch": batch + 1})

    def _save(self, logs: Logs, place: dict[str, Any]) -> None:
        where = " ".join(f"{name} {number}" for name, number in place.items())
        if self.save_best_only:
            value = self.monitored(logs)
            # Without the number, Keras writes every time; so does this.
            if value is not None:
                if not self.improves(value, self.best):
                    if self.verbose:
                        print(
                            f"nervure: {where}: {self.monitor} {value:.5f} is no "
                            f"better than {self.best}"
                        )
                    return
                self.best = value
        path = self._path(place | logs)
        path.parent.mkdir(parents=True, exist_ok=True)
        model = self.require_model()
        if self.save_weights_only:
            model.save_weights(path)
        else:
            model.save(path)
        if self.verbose:
            print(f"nervure: {where}: written to {path}")

    def _path(self, values: dict[str, Any]) -> Path:
        try:
            return Path(self.filepath.format(**values))
        except (KeyError, IndexError, ValueError) as error:
            raise ArgumentError(
                explain(
                    f"filepath {self.filepath!r} cannot be filled in: {error}",
                    fix="it may use " + ", ".join(f"{{{name}}}" for name in values),
                )
            ) from None

    def get_state(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {"best": self.best, "unsaved": self._unsaved}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        self.best = state["best"]
        self._unsaved = state["unsaved"]
