"""Writing event files."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, BinaryIO, Final

import numpy as np

from nervure.errors import ArgumentError, as_path, explain
from nervure.ir.graph import Graph
from nervure.tblog import graphs, summaries, wire
from nervure.tblog.hparams import HyperParameter, hparams
from nervure.tblog.records import framed
from nervure.train.saving.atomic import unmade_folder, unwritable

_VERSION: Final = "brain.Event:2"
_FLUSH_SECONDS: Final = 120.0
_numbers = itertools.count()


class EventWriter:
    """Appends to an event file in a folder, which TensorBoard shows as one run.

    Events are collected and written every two minutes, by :meth:`flush` and at the
    end.  Threads may share a writer.

    Parameters
    ----------
    log_dir
        The folder; it is made if it is not there.
    filename_suffix
        Ends the file's name.

    Raises
    ------
    OSError
        When the file cannot be written.

    >>> import tempfile
    >>> from nervure.tblog import EventWriter
    >>> with EventWriter(tempfile.mkdtemp()) as writer:
    ...     writer.add_scalar("loss", 0.5, step=1)
    ...     writer.add_text("note", "a **first** try", step=1)
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], filename_suffix: str = ""
    ) -> None:
        self.log_dir = as_path(log_dir)
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unmade_folder(self.log_dir, error) from error
        host = "".join(
            one if one.isalnum() or one in ".-" else "_" for one in socket.gethostname()
        )
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{host}.{os.getpid()}."
            f"{next(_numbers)}{filename_suffix}"
        )
        self.path = self.log_dir / name
        self._lock = threading.Lock()
        self._file: BinaryIO | None = self.path.open("xb")
        self._written = time.monotonic()
        self._event(wire.text_field(3, _VERSION), None)
        self.flush()

    # --- what may be written ---------------------------------------------------------

    def add_scalar(self, tag: str, value: Any, step: int) -> None:
        """Write a number."""
        self.add_summary(summaries.summary(summaries.scalar(tag, value)), step)

    def add_scalars(self, values: Mapping[str, Any], step: int) -> None:
        """Write several numbers, by their tags."""
        listed = [summaries.scalar(tag, value) for tag, value in values.items()]
        if listed:
            self.add_summary(summaries.summary(*listed), step)

    def add_histogram(self, tag: str, values: Any, step: int) -> None:
        """Write how numbers are distributed; raises for NaN and infinite ones."""
        self.add_summary(summaries.summary(summaries.histogram(tag, values)), step)

    def add_image(self, tag: str, picture: Any, step: int) -> None:
        """Write a picture ``[height, width, channels]``."""
        given = np.asarray(picture)
        self.add_summary(summaries.summary(summaries.image(tag, given)), step)

    def add_text(self, tag: str, text: str | Iterable[str], step: int) -> None:
        """Write text, which is shown as Markdown."""
        self.add_summary(summaries.summary(summaries.text(tag, text)), step)

    def add_hparams(
        self,
        parameters: Mapping[str, HyperParameter],
        metrics: Iterable[str] = (),
        group: str = "",
    ) -> None:
        """Write the hyperparameters of the run, and which scalars belong to them."""
        values = hparams(parameters, metrics, time.time(), group)
        self.add_summary(summaries.summary(*values), None)

    def add_graph(self, graph: Graph | Iterable[graphs.GraphNode]) -> None:
        """Write a graph: one of Nervure's, or nodes of a picture."""
        nodes = graphs.nodes_of(graph) if isinstance(graph, Graph) else graph
        self._event(wire.bytes_field(4, graphs.graph_def(nodes)), None)

    def add_summary(self, message: bytes, step: int | None) -> None:
        """Write a message ``Summary`` that has been encoded already."""
        self._event(wire.bytes_field(5, message), step)

    # --- the file --------------------------------------------------------------------

    def _event(self, content: bytes, step: int | None) -> None:
        event = wire.double_field(1, time.time())
        if step is not None:
            event += wire.int_field(2, int(step))
        record = framed(event + content)
        with self._lock, self._explained(len(record)):
            self._open_file().write(record)
            if time.monotonic() - self._written > _FLUSH_SECONDS:
                self._flush()

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ArgumentError(
                explain(
                    f"the event file {self.path} is closed", fix="make a new writer"
                )
            )
        return self._file

    @contextlib.contextmanager
    def _explained(self, nbytes: int = 0) -> Iterator[None]:
        """Say what could not be written; the file is closed then, up to its damage."""
        try:
            yield
        except OSError as error:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                if file is not None:
                    file.close()
            raise unwritable(self.path, nbytes, error) from error

    def _flush(self) -> None:
        self._open_file().flush()
        self._written = time.monotonic()

    def flush(self) -> None:
        """Write what has been collected, so that TensorBoard sees it."""
        with self._lock, self._explained():
            self._flush()

    def close(self) -> None:
        """Write what has been collected and close the file; twice does no harm."""
        with self._lock, self._explained():
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
