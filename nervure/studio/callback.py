"""The callback that feeds the studio's page of training."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.studio.runs import WARNINGS
from nervure.tblog import TensorBoard
from nervure.train.callbacks.base import Logs
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
        ``(x, y)``, a few hundred rows of the training data.  With them gradients are
        measured after each epoch: histograms, norms, and warnings where they vanish,
        explode, or units are never active.
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
    >>> x, y = np.ones((8, 2)), np.ones((8, 1))
    >>> model = nv.models.Sequential([nv.layers.Dense(1, input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> board = nv.callbacks.Studio(tempfile.mkdtemp(), name="first", samples=(x, y))
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[board])
    >>> sorted(nv.tblog.read_run(board.log_dir + "/train").scalars)[-1]
    'gradient_norm/dense'
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        name: str | None = None,
        samples: tuple[Any, Any] | None = None,
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
        if samples is not None and len(samples) != 2:
            raise ArgumentError(
                explain(f"Studio: samples must be (x, y), got {len(samples)} values")
            )
        self.samples = samples

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the numbers of the epoch, and how gradients flow."""
        if self.samples is not None:
            self._write_gradients(epoch)
        super().on_epoch_end(epoch, logs)

    def _write_gradients(self, epoch: int) -> None:
        assert self.samples is not None
        model, writer = self.require_model(), self._writer("train")
        x, y = (np.asarray(one)[:_MOST_ROWS] for one in self.samples)
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
    inputs = ops.asarray(x.astype(np.float32))
    answers: Array = model(inputs, training=False)
    loss = model.compute_loss(inputs, ops.asarray(y), answers)
    model.clear_losses()
    slopes = gradients(loss, [one.value for one in variables])
    names = [one.path.replace(":", "_") for one in variables]
    return list(zip(names, map(np.asarray, slopes), strict=True))
