"""The callback that feeds the studio's page of training."""

from __future__ import annotations

import os
import time
from typing import Any, Literal

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, NervureError, explain
from nervure.studio.runs import WARNINGS
from nervure.tblog import TensorBoard
from nervure.train.callbacks.base import Logs
from nervure.train.feed import RowsFeed
from nervure.train.gradient_flow import gradient_flow
from nervure.transforms import gradients

# Rows that say enough about gradients.
_MOST_ROWS = 256


class Studio(TensorBoard):
    """Writes a run for the studio: ``nervure studio logs`` shows it while it trains.

    The files are event files in a folder of their own, so TensorBoard shows them too.

    Parameters
    ----------
    log_dir
        The folder of all runs.
    name
        The name of this one; by default the time when training begins.
    samples
        ``(x, y)``, a few hundred rows by which gradients are measured after each epoch:
        histograms, norms, and warnings where they vanish, explode, or units are never
        active.  By default the first 256 rows of the training data, if these are arrays
        in memory, one of inputs and one of targets; False measures no gradients.
    histogram_freq
        After every how many epochs histograms are written; 0 never.
    write_images
        Whether weights are written as pictures too.
    update_freq
        "epoch", "batch", or after every how many batches to write.

    Raises
    ------
    ArgumentError
        For arguments out of range.

    >>> import tempfile
    >>> import numpy as np
    >>> import nervure as nv
    >>> x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    >>> model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> board = nv.callbacks.Studio(tempfile.mkdtemp(), name="first")
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[board])
    >>> sorted(nv.tblog.read_run(board.log_dir + "/train").scalars)[-1]
    'gradient_norm/dense'
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        name: str | None = None,
        samples: tuple[Any, Any] | Literal[False] | None = None,
        histogram_freq: int = 1,
        write_images: bool = False,
        update_freq: str | int = "epoch",
    ) -> None:
        super().__init__(
            os.path.join(log_dir, name or time.strftime("%Y-%m-%d %H.%M.%S")),
            histogram_freq=histogram_freq,
            write_images=write_images,
            update_freq=update_freq,
        )
        is_pair = isinstance(samples, tuple | list) and len(samples) == 2
        if samples is not None and samples is not False and not is_pair:
            raise ArgumentError(
                explain(
                    "Studio: samples must be (x, y), None for the first rows of the "
                    f"training data, or False, got {type(samples).__name__}",
                    fix="write Studio(samples=(x_val[:100], y_val[:100])), for example",
                )
            )
        self.samples = samples

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the numbers of the epoch, and how gradients flow."""
        samples = self._samples()
        if samples is not None:
            try:
                self._write_gradients(epoch, *samples)
            except NervureError as error:
                if self.samples is not None:
                    raise
                # Training of its own, such as that of two networks against each other.
                self.samples = False
                reason = str(error).partition("\n")[0]
                remark = f"gradients are not measured: {reason}"
                self._writer("train").add_text(WARNINGS, remark, epoch)
        super().on_epoch_end(epoch, logs)

    def _samples(self) -> tuple[Any, Any] | None:
        """Return the rows to measure with, if there are any."""
        if self.samples is False:
            return None
        if self.samples is not None:
            x, y = (np.asarray(one)[:_MOST_ROWS] for one in self.samples)
            return x, y
        run = self.require_model().training_run
        if run is None or not isinstance(run.feed, RowsFeed):
            return None
        rows = run.feed.first_rows(_MOST_ROWS)
        return (rows.x[0], rows.y[0]) if len(rows.x) == len(rows.y) == 1 else None

    def _write_gradients(self, epoch: int, x: Any, y: Any) -> None:
        model, writer = self.require_model(), self._writer("train")
        flow = gradient_flow(model, x, y)
        norms = {
            f"gradient_norm/{one.layer.rpartition('/')[2]}": one.gradient
            for one in flow.layers
        }
        writer.add_scalars(norms, epoch)
        writer.add_text(WARNINGS, "\n".join(flow.problems), epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, values in _weight_gradients(model, x, y):
                if np.isfinite(values).all():
                    writer.add_histogram(f"{name}/gradient", values, epoch)


def _weight_gradients(model: Any, x: Any, y: Any) -> list[tuple[str, Any]]:
    """Return the gradient of the loss with respect to each trainable weight."""
    variables = model.trainable_variables
    is_number = np.issubdtype(x.dtype, np.floating)
    inputs = ops.asarray(x.astype(np.float32) if is_number else x)
    answers: Array = model(inputs, training=False)
    loss = model.compute_loss(inputs, ops.asarray(y), answers)
    model.clear_losses()
    slopes = gradients(loss, [one.value for one in variables])
    names = [one.path.replace(":", "_") for one in variables]
    return list(zip(names, map(np.asarray, slopes), strict=True))
