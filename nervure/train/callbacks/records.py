"""Callbacks that write down how training went."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from nervure.errors import ArgumentError, FileFormatError, as_path, explain
from nervure.exec import base
from nervure.train.callbacks.base import Callback, Logs
from nervure.train.saving.atomic import append_whole, unwritable


class CSVLogger(Callback):
    """Writes one line of comma-separated values for each epoch.

    The columns are ``epoch``, from 0, and the logs by name; the file is up to date
    after every epoch.  What an epoch does not have is written as NA.

    Parameters
    ----------
    filename
        The file; its folder must exist.
    separator
        What stands between values.
    append
        Add to the file that is there instead of replacing it.  Its columns are kept.

    Raises
    ------
    ArgumentError
        For a separator that is not one character.
    FileFormatError
        When training begins, for a file to go on with that is no such table.

    >>> import nervure as nv
    >>> log = nv.callbacks.CSVLogger("training.csv", append=True)
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        separator: str = ",",
        append: bool = False,
    ) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ArgumentError(
                explain(
                    f"separator must be one character, got {separator!r}",
                    fix="separator=',' is what most programs read",
                )
            )
        self.filename = str(as_path(filename))
        self.sep = separator
        self.append = bool(append)
        self._columns: list[str] = []
        self._has_header = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Make the file, or look at the columns of the one that is there."""
        path = Path(self.filename)
        self._columns = []
        if base.process_index > 0:
            return
        if not self.append:
            # Not by a new file that takes the name: the path may be a device.
            try:
                path.write_text("", encoding="utf-8")
            except OSError as error:
                raise unwritable(path, 0, error) from error
        elif path.exists():
            self._columns = self._columns_of(path)
        self._has_header = bool(self._columns)

    def _columns_of(self, path: Path) -> list[str]:
        """Return the names in the first line of a file."""
        try:
            with path.open(newline="", encoding="utf-8") as file:
                columns = next(csv.reader(file, delimiter=self.sep), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileFormatError(
                explain(
                    f"{str(path)!r} is no log that can be gone on with: {error}",
                    fix="use another name, or append=False to write it anew",
                )
            ) from None
        return columns

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the line of this epoch; of several processes, the first one does."""
        logs = logs or {}
        if base.process_index > 0:
            return
        if not self._columns:
            names = sorted(logs)
            # With validation_freq the first epochs have no validation.
            if not any(name.startswith("val_") for name in names):
                names += [f"val_{name}" for name in names]
            self._columns = ["epoch", *names]
        row = {name: _cell(logs[name]) for name in self._columns if name in logs}
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="NA", delimiter=self.sep)
        if not self._has_header:
            writer.writeheader()
        writer.writerow(row | {"epoch": epoch})
        append_whole(Path(self.filename), text.getvalue().encode())
        self._has_header = True


def _cell(value: Any) -> Any:
    """Return a value as one cell: text and single numbers as they are."""
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return "[" + ", ".join(str(one) for one in np.asarray(value).tolist()) + "]"


class ProgbarLogger(Callback):
    """Shows the bar that ``fit(verbose=1)`` shows, whatever ``verbose`` says.

    The bar is drawn between runs of steps, so it costs nothing per batch.

    >>> import nervure as nv
    >>> bar = nv.callbacks.ProgbarLogger()
    """
