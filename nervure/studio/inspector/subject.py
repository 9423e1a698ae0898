"""The model that is looked at; by default a small CNN that reads digits."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np

from nervure import layers, models, pretrained, utils
from nervure._version import __version__
from nervure.callbacks import LambdaCallback
from nervure.config import cache_directory
from nervure.datasets import mnist
from nervure.errors import NervureError

DEFAULT_NAME: Final = "digits (CNN)"
_BATCH: Final = 64
_SEED: Final = 7


def lecture_network() -> Any:
    """Return the lecture's small CNN for digits, compiled and untrained.

    >>> from nervure.studio.inspector.subject import lecture_network
    >>> lecture_network().output_shape
    (None, 10)
    """
    model = models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", name="first_convolution"),
            layers.MaxPooling2D(name="first_pooling"),
            layers.Conv2D(32, 3, activation="relu", name="second_convolution"),
            layers.MaxPooling2D(name="second_pooling"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense"),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class DefaultModel:
    """The lecture's CNN, trained on MNIST when first needed and kept on disk.

    Parameters
    ----------
    folder
        Where the trained model is kept; by default Nervure's cache folder.
    rows
        How many digits to train on.
    """

    def __init__(self, folder: Path | None = None, rows: int = 60_000) -> None:
        self._path = (folder or cache_directory()) / f"digits-{__version__}.nv"
        self._rows = rows
        self._model: Any = None
        self._progress = 0.0
        self._error = ""
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """Return how far training is; the first call begins it."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._prepare, daemon=True)
                self._thread.start()
        ready = self._model is not None
        return {"ready": ready, "progress": self._progress, "error": self._error}

    def model(self) -> Any:
        """Return the trained model; waits for it."""
        self.state()
        assert self._thread is not None
        self._thread.join()
        if self._model is None:
            raise NervureError(self._error)
        return self._model

    def _prepare(self) -> None:
        try:
            self._model = self._kept() or self._trained()
        except (NervureError, OSError) as error:
            self._error = f"The digits network could not be trained: {error}"

    def _kept(self) -> Any:
        # A file that is damaged, or of another version, is written anew.
        with contextlib.suppress(NervureError, OSError):
            return models.load_model(self._path)
        return None

    def _trained(self) -> Any:
        (images, y), _ = mnist.load_data()
        x = (images[: self._rows, ..., None] / np.float32(255)).astype(np.float32)
        utils.set_random_seed(_SEED)
        model = lecture_network()
        steps = max(1, len(x) // _BATCH)

        def tell(batch: int, logs: Any) -> None:
            del logs
            self._progress = min(1.0, (batch + 1) / steps)

        model.fit(
            *(x, y[: self._rows]),
            batch_size=_BATCH,
            epochs=1,
            verbose=0,
            callbacks=[LambdaCallback(on_train_batch_end=tell)],
        )
        self._keep(model)
        return model

    def _keep(self, model: Any) -> None:
        # Another process may do the same: the finished file takes its place at once.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._path.parent) as folder:
                made = Path(folder) / self._path.name
                model.save(made)
                os.replace(made, self._path)


class PretrainedModel:
    """A network whose weights are in the package, read when first needed.

    Parameters
    ----------
    name
        Its constructor in :mod:`nervure.pretrained`.

    >>> PretrainedModel("efficientnet_lite0").model().output_shape
    (None, 1000)
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._model: Any = None

    def state(self) -> dict[str, Any]:
        """Return that it is there."""
        return {"ready": True, "progress": 1.0, "error": ""}

    def model(self) -> Any:
        """Return it."""
        with self._lock:
            if self._model is None:
                self._model = getattr(pretrained, self._name)()
            return self._model


class GivenModel:
    """A model that the studio was opened for.

    >>> GivenModel(lecture_network()).state()["ready"]
    True
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def state(self) -> dict[str, Any]:
        """Return that it is there."""
        return {"ready": True, "progress": 1.0, "error": ""}

    def model(self) -> Any:
        """Return it."""
        return self._model
