"""The callback that writes event files while a model trains."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from nervure import dtypes, tree
from nervure.array import Array
from nervure.errors import ArgumentError, NervureError, as_path, explain
from nervure.ir.attrs import NDArray
from nervure.ir.graph import Graph
from nervure.nn.symbolic import map_shapes
from nervure.ops.operands import as_node
from nervure.prims.leaf import input_leaf
from nervure.state import tracing_cells
from nervure.tblog import summaries
from nervure.tblog.writer import EventWriter
from nervure.train.callbacks.base import Callback, Logs

# What stands for an unknown size, such as the batch, in the picture of a model.
_BATCH = 32


class TensorBoard(Callback):
    """Writes losses, metrics, weights and the model's graph for TensorBoard.

    ``tensorboard --logdir logs`` shows them, and so does Nervure's studio.  The layout
    is that of Keras: ``train/`` and ``validation/`` below ``log_dir``, the numbers of
    an epoch as ``epoch_loss`` and so on, with ``epoch_learning_rate``; those of a batch
    as ``batch_loss``, means over the epoch so far; at the end of an evaluation
    ``evaluation_loss_vs_iterations``.

    Parameters
    ----------
    log_dir
        The folder; runs that are to be told apart need folders of their own.
    histogram_freq
        After every how many epochs histograms of the weights are written; 0 never.
    write_graph
        Whether to write the graph: layers, which unfold into operations.
    write_images
        Whether weights are written as pictures too, when histograms are.
    write_steps_per_second
        Whether to write how fast training goes.
    update_freq
        "epoch", which costs nothing per batch; "batch"; or after every how many batches
        to write.
    profile_batch, embeddings_freq, embeddings_metadata
        Must be as they are by default: Nervure's profile is ``Program.profile()``.

    Raises
    ------
    ArgumentError
        For arguments out of range.

    >>> import nervure as nv
    >>> board = nv.callbacks.TensorBoard("logs/first", histogram_freq=1)
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: None = None,
    ) -> None:
        self.log_dir = str(as_path(log_dir))
        self.histogram_freq = _count("histogram_freq", histogram_freq, 0)
        self.write_graph = bool(write_graph)
        self.write_images = bool(write_images)
        self.write_steps_per_second = bool(write_steps_per_second)
        self.update_freq = update_freq
        if profile_batch or embeddings_freq or embeddings_metadata:
            raise ArgumentError(
                explain(
                    "TensorBoard: profile_batch and embeddings_freq are not there",
                    fix="leave them out; a program's profile() measures its kernels",
                )
            )
        every = 1 if update_freq == "batch" else update_freq
        if every != "epoch":
            self._every = _count("update_freq", every, 1)
            # Only now: a callback with this method looks at every batch.
            self.on_train_batch_end = self._batch_end  # type: ignore[method-assign]
        self._writers: dict[str, EventWriter] = {}
        self._batches = 0
        self._began = 0.0
        self._steps_before = 0

    # --- turning points --------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Write the graph."""
        self._batches = 0
        if self.write_graph:
            graph = model_graph(self.require_model())
            if graph is not None:
                self._writer("train").add_graph(graph)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the clock."""
        self._began = time.monotonic()
        self._steps_before = self._iterations()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the numbers of the epoch, and the weights if it is their turn."""
        parts: dict[str, dict[str, Any]] = {"train": {}, "validation": {}}
        for name, value in (logs or {}).items():
            part, key = (
                ("validation", name[4:]) if name.startswith("val_") else ("train", name)
            )
            if np.ndim(value) == 0:
                parts[part][f"epoch_{key}"] = value
        parts["train"] |= self._rates()
        if self.write_steps_per_second:
            seconds = max(time.monotonic() - self._began, 1e-9)
            steps = self._iterations() - self._steps_before
            parts["train"]["epoch_steps_per_second"] = steps / seconds
        for part, values in parts.items():
            if values:
                self._writer(part).add_scalars(values, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Write what was measured against the number of training steps."""
        model = self.require_model()
        if model.optimizer is None or not logs:
            return
        values = {
            f"evaluation_{name}_vs_iterations": value
            for name, value in logs.items()
            if np.ndim(value) == 0
        }
        writer = self._writer("validation")
        writer.add_scalars(values, self._iterations())
        writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Write the numbers of a batch if it is its turn."""
        if self._batches % self._every == 0:
            values = {f"batch_{name}": value for name, value in (logs or {}).items()}
            self._writer("train").add_scalars(values, self._batches)
        self._batches += 1

    # --- what is written -------------------------------------------------------------

    def _writer(self, part: str) -> EventWriter:
        if part not in self._writers:
            self._writers[part] = EventWriter(Path(self.log_dir) / part, ".v2")
        return self._writers[part]

    def _iterations(self) -> int:
        optimizer = self.require_model().optimizer
        return 0 if optimizer is None else int(np.asarray(optimizer.iterations))

    def _rates(self) -> dict[str, float]:
        rate = getattr(self.require_model().optimizer, "learning_rate", None)
        return {} if rate is None else {"epoch_learning_rate": float(np.asarray(rate))}

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for layer in self.require_model().layers:
            for weight in layer.weights:
                name = weight.path.replace(":", "_")
                values = weight.numpy()
                if not np.isfinite(values).all():
                    continue  # the loss shows it; a histogram has no place for it
                writer.add_histogram(f"{name}/histogram", values, epoch)
                pictures = weight_pictures(values) if self.write_images else None
                if pictures is not None:
                    listed = summaries.images(f"{name}/image", pictures)
                    writer.add_summary(summaries.summary(*listed), epoch)


def _count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ArgumentError(
            explain(
                f"TensorBoard: {name} must be a whole number of at least {least}, got "
                f"{value!r}",
                fix='update_freq also takes "epoch" and "batch"'
                if name == "update_freq"
                else None,
            )
        )
    return int(value)


def weight_pictures(values: NDArray) -> NDArray | None:
    """Return a weight as pictures ``[n, height, width, 1]``, or None if it is none.

    Vectors become a column, matrices lie on their longer side, and kernels of three
    axes give one picture for each entry of the last.
    """
    squeezed = values.squeeze()
    if squeezed.ndim == 1:
        return squeezed.reshape(1, -1, 1, 1)
    if squeezed.ndim == 2:
        wide = squeezed.T if squeezed.shape[0] > squeezed.shape[1] else squeezed
        return wide[None, :, :, None]
    if squeezed.ndim == 3:
        return np.moveaxis(squeezed, -1, 0)[..., None]
    fits = squeezed.ndim == 4 and squeezed.shape[-1] in (1, 3, 4)
    return squeezed if fits else None


def model_graph(model: Any) -> Graph | None:
    """Return the operations of a model's prediction, or None if its input is unknown.

    Every operation knows the layer that it was made for.
    """
    shapes = model.input_shape if model.graph is not None else model.built_for
    if shapes is None:
        return None
    dtype = model.input_dtype if model.graph is not None else dtypes.DEFAULT_FLOAT

    def stand_in(shape: Any) -> Array:
        sizes = [_BATCH if one is None else one for one in shape]
        return Array.of_node(input_leaf(sizes, dtype, "input"))

    try:
        with tracing_cells():
            outputs = model(map_shapes(stand_in, shapes))
            nodes = [as_node(one) for one in tree.flatten(outputs)[0]]
    except NervureError:
        return None  # such as inputs of several types; a picture is no reason to stop
    return Graph(nodes)
