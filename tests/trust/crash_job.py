"""A training that is killed at every place where it touches the disk.

``python -m tests.trust.crash_job FOLDER KIND EVERY RANDOM`` prints one line of JSON.
The process forks for every training, so that none pays for imports; a killed child
ends by SIGKILL, as ``kill -9`` or the kernel's out-of-memory killer end it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nervure as nv
from nervure.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    ModelCheckpoint,
)
from nervure.layers import BatchNormalization, Dense, Dropout
from nervure.models import Sequential, load_model

ROWS, BATCH, EPOCHS, SAVE_EVERY = 72, 8, 3, 5


class Batches(nv.utils.PyDataset):
    """A generator that can be positioned: batch ``i`` depends on ``i`` alone."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x) // BATCH

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return self.x[rows], self.y[rows]


def stream(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the same batches again and again, as a generator of Python does."""
    batches = Batches(x, y)
    while True:
        for number in range(len(batches)):
            yield batches[number]


class Slow(Callback):
    """Stretches the training, so that random moments meet all of it."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        time.sleep(0.002)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return features ``float32[72, 6]`` and labels 0, 1, 2."""
    x = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
    return x, np.argmax(x[:, :3], axis=1)


def train(folder: Path, kind: str) -> str:
    """Train, or go on from a backup; return the SHA-256 of all that came of it."""
    nv.utils.set_random_seed(3)
    x, y = data()
    layers = [
        Dense(8, "relu", input_shape=(6,)),
        BatchNormalization(),
        Dropout(0.3),
        Dense(3, "softmax"),
    ]
    model = Sequential(layers)
    schedule = nv.optimizers.schedules.ExponentialDecay(0.02, 5, 0.8)
    model.compile(
        nv.optimizers.Adam(schedule),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    callbacks = [
        ModelCheckpoint(folder / "best.nv", "loss", save_best_only=True),
        ModelCheckpoint(folder / "last.weights.nv", save_weights_only=True),
        EarlyStopping("loss", patience=1, min_delta=0.01, restore_best_weights=True),
        Slow(),
        BackupAndRestore(folder / "backup", SAVE_EVERY, double_checkpoint=True),
    ]
    options: dict[str, Any] = {"epochs": EPOCHS, "verbose": 0, "callbacks": callbacks}
    if kind == "generator":
        history = model.fit(Batches(x, y), validation_data=(x, y), **options)
    elif kind == "stream":
        history = model.fit(stream(x, y), steps_per_epoch=ROWS // BATCH, **options)
    else:
        history = model.fit(x, y, BATCH, validation_split=0.2, **options)
    digest = hashlib.sha256()
    for one in [*model.variables, *model.optimizer.variables]:
        digest.update(np.ascontiguousarray(one.numpy()).tobytes())
    for name in ("best.nv", "last.weights.nv"):
        digest.update((folder / name).read_bytes())
    digest.update(json.dumps([history.epoch, history.history]).encode())
    return digest.hexdigest()


# --- dying ---------------------------------------------------------------------------


class Steps:
    """Counts the steps that change the disk, and dies before or after one."""

    def __init__(self, deadly: int | None = None, after: bool = False) -> None:
        self.count = 0
        self._deadly, self._after = deadly, after

    def around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return a step that counts itself."""

        def counted(*arguments: Any, **options: Any) -> Any:
            number = self.count
            self.count += 1
            if number == self._deadly and not self._after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = step(*arguments, **options)
            if number == self._deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

    def watch(self) -> None:
        """Replace what changes the disk, in this process, for good."""
        for name in ("replace", "fsync", "unlink", "rmdir", "mkdir"):
            setattr(os, name, self.around(getattr(os, name)))
        opened = Path.open

        def watched(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
            file = opened(path, mode, *rest, **options)
            return File(file, self) if "x" in mode or "w" in mode else file

        Path.open = watched  # type: ignore[method-assign, assignment]


class File:
    """A file whose writes are steps, each in two halves."""

    def __init__(self, file: Any, steps: Steps) -> None:
        self._file, self._steps = file, steps

    def write(self, content: bytes) -> int:
        """Write one half, then the other, each through to the system."""
        middle = len(content) // 2
        for part in (content[:middle], content[middle:]):
            self._steps.around(self._write)(part)
        return len(content)

    def _write(self, part: bytes) -> None:
        self._file.write(part)
        self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


# --- children ------------------------------------------------------------------------


def child(folder: Path, kind: str, steps: Steps | None, delay: float = 0) -> Any:
    """Train in a child; return what it reports, or None if it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if steps is not None:
                steps.watch()
            digest = train(folder, kind)
            report = {"digest": digest, "steps": steps.count if steps else 0}
            os.write(writing, json.dumps(report).encode())
        except BaseException as error:  # noqa: BLE001 - the parent must hear of it
            os.write(writing, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(writing)
    if delay:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return None
    return json.loads(text)


def files_are_whole(folder: Path) -> None:
    """Assert that every file with a name of ours can be read."""
    if (folder / "best.nv").exists():
        model = load_model(folder / "best.nv")
        if (folder / "last.weights.nv").exists():
            model.load_weights(folder / "last.weights.nv")


def main(folder: Path, kind: str, every: int, moments: int) -> dict[str, Any]:
    """Kill trainings and let them go on; return what was found."""
    started = time.monotonic()
    whole = child(folder / "whole", kind, Steps())
    seconds = time.monotonic() - started
    if "digest" not in whole:
        raise RuntimeError(f"the training itself fails: {whole}")
    found: dict[str, Any] = {"whole": whole, "killed": 0, "wrong": []}

    def judge(place: str, own: Path) -> None:
        files_are_whole(own)
        again = child(own, kind, None)
        if again.get("digest") != whole["digest"]:
            found["wrong"].append([place, again])

    for number in range(0, whole["steps"], every):
        for after in (False, True):
            own = folder / f"{number}-{after}"
            if child(own, kind, Steps(number, after)) is None:
                found["killed"] += 1
            judge(f"step {number} after={after}", own)
    chance = random.Random(7)
    for number in range(moments):
        own = folder / f"moment-{number}"
        for _ in range(chance.randint(1, 3)):
            if child(own, kind, None, chance.uniform(0.02, seconds)) is None:
                found["killed"] += 1
            files_are_whole(own) if own.exists() else None
        judge(f"moment {number}", own)
    return found


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    place = Path(sys.argv[1])
    print(json.dumps(main(place, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
