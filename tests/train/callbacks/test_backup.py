"""A training that was killed and started again ends with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    ReduceLROnPlateau,
)
from nervure.errors import ArgumentError, FileFormatError
from nervure.layers import Dense, Dropout
from nervure.models import Sequential
from tests.train.builders import line, regressor, same, state_of, three_classes

ROOT = Path(__file__).resolve().parents[3]


class Crash(Callback):
    """Ends training in the middle, as an error elsewhere would."""

    def __init__(self, epoch, batch=None, error=ZeroDivisionError):
        self.place = epoch, batch
        self.error = error
        self.epoch = 0
        if batch is not None:
            self.on_train_batch_end = self._after_batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if self.place == (epoch, None):
            raise self.error

    def _after_batch(self, batch, logs=None):
        if self.place == (self.epoch, batch):
            raise self.error


class Sleep(Callback):
    """Stands where the crash stood, and does nothing."""


Sleep.__name__ = "Crash"


def train(folder, crash=None, executor="reference", save_freq=3):
    """Train from nothing, or from a backup; all that is random is in it."""
    with nv.config.override(executor=executor):
        nv.utils.set_random_seed(11 if crash else 12)
        x, y = three_classes(50)
        layers = [
            Dense(6, activation="relu", input_shape=(4,)),
            Dropout(0.5),
            Dense(3, activation="softmax"),
        ]
        model = Sequential(layers)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        callbacks = [
            BackupAndRestore(folder, save_freq, delete_checkpoint=False),
            ReduceLROnPlateau("loss", patience=0, min_delta=1.0),
            EarlyStopping("loss", patience=9, restore_best_weights=True),
            crash or Sleep(),
        ]
        history = None
        try:
            history = model.fit(
                x, y, batch_size=4, epochs=4, validation_split=0.2, verbose=0,
                callbacks=callbacks,
            )  # fmt: skip
        except (ZeroDivisionError, KeyboardInterrupt):
            assert crash is not None
        return model, history


@pytest.mark.parametrize("executor", ["reference", "cpu"])
@pytest.mark.parametrize(
    "save_freq, place", [(3, (2, 7)), ("epoch", (1, None)), (1, (0, 4)), (7, (3, 1))]
)
def test_resuming_gives_the_same_bits(tmp_path, executor, save_freq, place):
    model, history = train(tmp_path / "a", Crash(99), executor)
    train(tmp_path / "b", Crash(*place), executor, save_freq)
    assert (tmp_path / "b" / "training.backup").exists()
    resumed, again = train(tmp_path / "b", None, executor, save_freq)
    assert same(state_of(model), state_of(resumed))
    assert again.history == history.history
    assert again.epoch == history.epoch


def test_ctrl_c_keeps_the_backup_and_the_end_deletes_it(tmp_path):
    x, y = line(40)
    folder = tmp_path / "backups" / "run"
    crash = Crash(1, error=KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        regressor().fit(
            x, y, epochs=3, verbose=0, callbacks=[BackupAndRestore(folder), crash]
        )
    assert os.listdir(folder) == ["training.backup"]
    model = regressor()
    callbacks = [BackupAndRestore(folder), Sleep()]
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
    assert history.epoch == [0, 1, 2]
    assert not folder.exists()
    assert int(model.optimizer.iterations.numpy()) == 6


def test_the_backup_before_the_last_one(tmp_path):
    train(tmp_path, Crash(2, 7))
    double = BackupAndRestore(tmp_path, 2, double_checkpoint=True)
    x, y = line(40)
    other = tmp_path / "other"
    double.backup_dir = other
    with pytest.raises(ZeroDivisionError):
        regressor().fit(
            x, y, batch_size=4, epochs=3, verbose=0, callbacks=[double, Crash(1, 5)]
        )
    newest = other / "training.backup"
    newest.write_bytes(newest.read_bytes()[:-100])
    model = regressor()
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append((epoch, self.model.training_run.batch))

    Look.__name__ = "Crash"
    model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[double, Look()])
    assert seen[0] == (1, 2)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "text"])
def test_a_damaged_backup_is_an_error(tmp_path, damage):
    train(tmp_path, Crash(1, 7))
    path = tmp_path / "training.backup"
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "changed":
        data[len(data) // 2] ^= 1
    else:
        data = b"" if damage == "empty" else b"no zip at all"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="damaged"):
        train(tmp_path)


def test_a_backup_of_another_training_is_an_error(tmp_path):
    train(tmp_path, Crash(1, 7))
    x, y = line(40)
    with pytest.raises(FileFormatError, match="another training"):
        regressor().fit(x, y, verbose=0, callbacks=[BackupAndRestore(tmp_path)])


@pytest.mark.parametrize("value", ["batch", 0, 1.5, None, True])
def test_save_freq_is_checked(value):
    with pytest.raises(ArgumentError, match="save_freq"):
        BackupAndRestore("folder", save_freq=value)


def test_it_looks_at_batches_only_when_asked():
    from nervure.callbacks import CallbackList

    model = regressor()
    plain = CallbackList([BackupAndRestore("f")], model, {})
    often = CallbackList([BackupAndRestore("f", 5)], model, {})
    assert not plain.watches_batches("train")
    assert often.watches_batches("train")


SCRIPT = """
import os, signal, sys
import numpy as np
import nervure as nv
from nervure.callbacks import BackupAndRestore, Callback
from nervure.layers import Dense, Dropout
from nervure.models import Sequential

class Kill(Callback):
    def on_train_batch_end(self, batch, logs=None):
        at = int(sys.argv[2])
        if at and int(self.model.optimizer.iterations.numpy()) >= at:
            os.kill(os.getpid(), signal.SIGKILL)

nv.utils.set_random_seed(3)
x = np.random.default_rng(0).normal(size=(90, 8)).astype("float32")
y = (x.sum(axis=1) > 0).astype(int)
model = Sequential(
    [Dense(8, "relu", input_shape=(8,)), Dropout(0.3), Dense(2, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
history = model.fit(x, y, batch_size=8, epochs=3, verbose=0,
    callbacks=[BackupAndRestore(sys.argv[1], save_freq=5), Kill()])
print([w.tobytes().hex() for w in model.get_weights()], history.history)
"""


@pytest.mark.parametrize(
    "executor", ["cpu", pytest.param("reference", marks=pytest.mark.slow)]
)
def test_killed_with_signal_9_and_started_again(tmp_path, executor):
    def run(folder, at):
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / folder), str(at)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "NERVURE_EXECUTOR": executor, "PYTHONPATH": str(ROOT)},
            check=False,
        )

    expected = run("whole", 0)
    assert expected.returncode == 0, expected.stderr
    for at in (17, 29):
        assert run("killed", at).returncode == -signal.SIGKILL
        assert (tmp_path / "killed" / "training.backup").exists()
    found = run("killed", 0)
    assert found.stdout == expected.stdout


def test_numbers_of_a_resumed_epoch_are_means_over_all_of_it(tmp_path):
    _, history = train(tmp_path / "a", Crash(99))
    train(tmp_path / "b", Crash(0, 5), save_freq=2)
    _, again = train(tmp_path / "b", save_freq=2)
    np.testing.assert_array_equal(history.history["loss"], again.history["loss"])
