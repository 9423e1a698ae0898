"""A disk that is full or broken, a clock that jumps, memory that is not there.

Each time: a clear error, the old file as it was, no rest of the new one, and a model
that goes on as if nothing had been tried.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.callbacks import BackupAndRestore, CSVLogger, ModelCheckpoint
from nervure.exec.cpu import program
from nervure.models import load_model
from tests.train.builders import classifier, same, state_of, three_classes

FAULTS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT]


def trained():
    nv.utils.set_random_seed(5)
    model = classifier(metrics=["accuracy"])
    x, y = three_classes()
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    return model


def failing(code):
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    return fail


class BadFile:
    """A file that takes half of what is written, then fails."""

    def __init__(self, file, code):
        self._file, self._code = file, code

    def write(self, content):
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        raise OSError(self._code, os.strerror(self._code))

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


def break_step(patch, step, code):
    """Let one step of writing a file fail."""
    if step in ("fsync", "replace"):
        patch.setattr(os, step, failing(code))
        return
    opened = Path.open

    def bad(path, mode="r", *rest, **options):
        if "x" not in mode:
            return opened(path, mode, *rest, **options)
        if step == "open":
            raise OSError(code, os.strerror(code), str(path))
        return BadFile(opened(path, mode, *rest, **options), code)

    patch.setattr(Path, "open", bad)


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("code", FAULTS, ids=lambda code: errno.errorcode[code])
def test_a_save_that_fails(tmp_path, step, code):
    model = trained()
    path = tmp_path / "m.nv"
    model.save(path)
    old = path.read_bytes()
    x, y = three_classes()
    model.fit(x, y, batch_size=8, verbose=0)
    before = state_of(model)
    with pytest.MonkeyPatch.context() as patch:
        break_step(patch, step, code)
        with pytest.raises(OSError, match=r"m\.nv.*\n  fix: ") as caught:
            model.save(path)
    assert caught.value.errno == code
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["m.nv"]
    assert same(before, state_of(model))
    model.save(path)
    assert same(before, state_of(load_model(path)))


def test_a_limit_of_the_system_on_the_size_of_files(tmp_path):
    model = trained()
    path = tmp_path / "m.nv"
    model.save(path)
    old = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(old) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written") as caught:
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["m.nv"]


@pytest.mark.parametrize("kind", ["backup", "checkpoint"])
def test_a_training_whose_disk_is_full_can_go_on(tmp_path, kind):
    x, y = three_classes()
    model = trained()
    callback = (
        BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
        if kind == "backup"
        else ModelCheckpoint(tmp_path / "c.nv")
    )
    with pytest.MonkeyPatch.context() as patch:
        break_step(patch, "write", errno.ENOSPC)
        with pytest.raises(OSError, match="No space left"):
            model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    again = trained()
    again.fit(x, y, batch_size=8, epochs=1, verbose=0)
    assert same([one.numpy() for one in model.weights],
                [one.numpy() for one in again.weights])  # fmt: skip
    history = model.fit(x, y, batch_size=8, verbose=0, callbacks=[callback])
    assert np.isfinite(history.history["loss"]).all()


def test_a_folder_that_is_not_there(tmp_path):
    model = trained()
    with pytest.raises(FileNotFoundError, match="no folder"):
        model.save(tmp_path / "none" / "m.nv")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read(tmp_path):
    model = trained()
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="could not be written"):
        model.save(tmp_path / "m.nv")


@pytest.mark.parametrize("jump", [-1e9, 1e9, -3600.0])
def test_a_clock_that_jumps(tmp_path, jump):
    x, y = three_classes()
    plain = trained()
    expected = plain.fit(x, y, batch_size=8, epochs=3, verbose=0).history
    model = trained()
    now, calls = time.time, iter(range(10**9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + (jump if next(calls) % 2 else 0))
        callbacks = [
            BackupAndRestore(tmp_path / "b"),
            CSVLogger(tmp_path / "log.csv"),
            nv.callbacks.TensorBoard(tmp_path / "events"),
        ]
        history = model.fit(
            x, y, batch_size=8, epochs=3, verbose=2, callbacks=callbacks
        )
    assert history.history == expected
    assert same(state_of(plain), state_of(model))


def use(model, x, y):
    """Train and predict by turns."""
    for _ in range(6):
        model.fit(x, y, batch_size=8, verbose=0)
        model.predict(x, verbose=0)


@pytest.mark.parametrize("number", range(0, 12, 2))
def test_the_nth_array_does_not_fit_into_memory(number):
    x, y = three_classes()
    with nv.config.override(executor="cpu"):
        model = trained()
        real, calls = program.aligned_empty, iter(range(10**9))

        def scarce(*arguments):
            if next(calls) == number:
                raise MemoryError("no memory for the array")
            return real(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program, "aligned_empty", scarce)
            with pytest.raises(MemoryError, match="no memory"):
                use(model, x, y)
        # what was computed is whole, and it goes on
        assert all(np.isfinite(one).all() for one in state_of(model))
        first = model.predict(x, verbose=0)
        np.testing.assert_array_equal(first, model.predict(x, verbose=0))
        model.fit(x, y, batch_size=8, verbose=0)
