"""Going on after a crash as if nothing had happened."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

from nervure import random
from nervure.errors import ArgumentError, FileFormatError, explain
from nervure.exec import base
from nervure.ir.attrs import NDArray
from nervure.state import Cell
from nervure.train.callbacks.base import Callback, Logs
from nervure.train.callbacks.frequency import SavesAtTimes
from nervure.train.saving import state, tensors
from nervure.train.saving.container import (
    damaged,
    parse_json,
    read_container,
    write_container,
)

_FILE: Final = "training.backup"
_PREVIOUS: Final = "training.previous"
_PROGRESS: Final = "progress.json"
_TENSORS: Final = "state.safetensors"


class BackupAndRestore(SavesAtTimes, Callback):
    """Stores the training now and then, and goes on from there after a crash.

    Run the same program again: ``fit`` continues where the last backup was made, in the
    middle of an epoch too, and ends with the same bits as without the crash.  Stored
    are the weights, the optimizer, the running metrics, all random counters, the order
    of the rows, the place in it, and what the other callbacks remember.  A backup is
    written in one move, so ``kill -9`` or a full disk never leaves half of one.

    A generator cannot be turned back: the batches that were used are drawn and thrown
    away, so it must give the same ones again.

    Parameters
    ----------
    backup_dir
        The folder for the backups, for this training alone; made if need be.
    save_freq
        ``"epoch"``, or a number of batches; then steps run one at a time.
    double_checkpoint
        Keep the backup before the last one too, for disks that lose files.
    delete_checkpoint
        Delete the folder when training has come to its end.

    Raises
    ------
    ArgumentError
        For another ``save_freq``, or an empty ``backup_dir``.
    FileFormatError
        When training begins, for a backup that is damaged or of another model.

    >>> import nervure as nv
    >>> backup = nv.callbacks.BackupAndRestore("backups/run-1", save_freq=500)
    """

    # The other callbacks have done their part when the run is stored or restored.
    comes_last = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: int | str = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not os.fspath(backup_dir):
            raise ArgumentError(
                explain("backup_dir is empty", fix="name a folder for the backups")
            )
        self.backup_dir = Path(backup_dir)
        self.double_checkpoint = bool(double_checkpoint)
        self.delete_checkpoint = bool(delete_checkpoint)
        self._set_frequency(save_freq)

    # --- when ------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Go on from a backup, if there is one."""
        self._unsaved = 0
        newest, previous = self.backup_dir / _FILE, self.backup_dir / _PREVIOUS
        if newest.exists():
            try:
                self._restore(newest)
            except FileFormatError:
                if not previous.exists():
                    raise
                self._restore(previous)
        elif previous.exists():
            self._restore(previous)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Store the beginning of the next epoch."""
        if self.save_freq == "epoch":
            self._save()

    def _save_after_batch(self, batch: int, logs: Logs) -> None:
        self._save()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Delete the backups, unless training was interrupted."""
        run = self.require_model().training_run
        interrupted = run is not None and run.interrupted
        if not self.delete_checkpoint or interrupted or base.process_index > 0:
            return
        if self.backup_dir.exists():
            shutil.rmtree(self.backup_dir)

    # --- how -------------------------------------------------------------------------

    def _cells(self) -> dict[str, Cell]:
        model = self.require_model()
        generator = random.default_generator().cell
        return {
            **state.model_cells(model),
            **state.optimizer_cells(model),
            **state.metric_cells(model),
            "process/0000/random": generator,
        }

    def _save(self) -> None:
        run = self.require_model().training_run
        assert run is not None
        arrays: dict[str, NDArray] = {}
        remembered = [
            [type(one).__name__, one.get_state()]
            for one in run.callbacks
            if one is not self
        ]
        progress = {
            "epoch": run.epoch,
            "batch": run.batch,
            "seed": run.feed.seed,
            "batches": run.feed.batches,
            "callbacks": tensors.split_arrays(remembered, "callbacks", arrays),
            "unsaved": self._unsaved,
        }
        content = {
            _PROGRESS: tensors.json_bytes(progress),
            _TENSORS: tensors.to_bytes(arrays | state.values_of(self._cells())),
        }
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        newest = self.backup_dir / _FILE
        again = self.double_checkpoint and base.process_index == 0
        if again and newest.exists():
            newest.replace(self.backup_dir / _PREVIOUS)
        write_container(newest, "backup", content)

    def _restore(self, path: Path) -> None:
        _, content = read_container(path, ("backup",), frozenset({_PROGRESS, _TENSORS}))
        arrays = tensors.from_bytes(path, content[_TENSORS], _TENSORS)
        progress = parse_json(path, content[_PROGRESS], _PROGRESS)
        run = self.require_model().training_run
        assert run is not None
        try:
            remembered = tensors.join_arrays(progress["callbacks"], arrays)
            epoch, batch = int(progress["epoch"]), int(progress["batch"])
            seed, batches = progress["seed"], progress["batches"]
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"its {_PROGRESS} lacks {error}") from None
        self._check_same(path, remembered, batches)
        cells = self._cells()
        for group in ("weights", "random", "optimizer", "metrics", "process"):
            state.store(path, cells, arrays, group)
        run.feed.seed = seed
        run.epoch, run.batch = epoch, batch
        others = [one for one in run.callbacks if one is not self]
        for callback, (_, remembered_state) in zip(others, remembered, strict=True):
            callback.set_state(remembered_state)

    def _check_same(self, path: Path, remembered: Any, batches: Any) -> None:
        """Raise when the training that was stored is another one."""
        run = self.require_model().training_run
        assert run is not None
        mine = [type(one).__name__ for one in run.callbacks if one is not self]
        theirs = [name for name, _ in remembered]
        for what, now, then in (
            ("callbacks", mine, theirs),
            ("number of batches of a pass", run.feed.batches, batches),
        ):
            if now != then and then is not None:
                raise FileFormatError(
                    explain(
                        f"the backup {str(path)!r} is of another training: its {what} "
                        f"was {then}, now it is {now}",
                        fix="delete the folder to start afresh, or call fit as before",
                    )
                )
