"""A script for ``nervure launch``: trains, stores backups, and fails when told to.

    train.py FOLDER [kill|freeze|raise]

Process 1 fails once, at the beginning of epoch 3.  The first process writes the final
weights to ``FOLDER/final.npz``.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import nervure as nv
from nervure.layers import BatchNormalization, Dense, Dropout

FOLDER = Path(sys.argv[1])
FAILURE = sys.argv[2] if len(sys.argv) > 2 else ""


class Fail(nv.callbacks.Callback):
    """Fails once, in the middle."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        marker = FOLDER / "failed"
        last = nv.distribute.process_count() - 1
        mine = nv.distribute.process_index() == last
        if not (FAILURE and epoch == 3 and mine) or marker.exists():
            return
        marker.touch()
        if FAILURE == "raise":
            raise RuntimeError("as I was told")
        os.kill(os.getpid(), signal.SIGKILL if FAILURE == "kill" else signal.SIGSTOP)


def main() -> None:
    with nv.distribute.DataParallel():
        random = np.random.default_rng(0)
        x = random.normal(size=(320, 20)).astype("float32")
        y = x[:, :5].argmax(axis=1)
        nv.utils.set_random_seed(3)
        model = nv.models.Sequential(
            [
                Dense(32, activation="relu", input_shape=(20,)),
                BatchNormalization(),
                Dropout(0.3),
                Dense(5, activation="softmax"),
            ]
        )
        optimizer = nv.optimizers.SGD(0.1, momentum=0.9)
        model.compile(optimizer, "sparse_categorical_crossentropy", executor="xla")
        backup = nv.callbacks.BackupAndRestore(
            FOLDER / "backup", delete_checkpoint=False
        )
        log = nv.callbacks.CSVLogger(FOLDER / "log.csv", append=True)
        epochs = int(os.environ.get("EPOCHS", "5"))
        model.fit(
            x, y, batch_size=64, epochs=epochs, verbose=0,
            callbacks=[log, backup, Fail()],
        )  # fmt: skip
        weights = model.get_weights()
    if nv.distribute.process_index() == 0:
        np.savez(FOLDER / "final.npz", *weights)
    print(f"process {nv.distribute.process_index()} of {nv.distribute.process_count()}")


if __name__ == "__main__":
    main()
