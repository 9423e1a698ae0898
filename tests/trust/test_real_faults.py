"""Faults that the system itself brings about, in a process of their own.

A disk that is really full (a small one, in memory), a folder that an ordinary user may
not write to, and memory that CPython's allocators do not have at the n-th request.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from nervure.callbacks import BackupAndRestore, CSVLogger, ModelCheckpoint
from nervure.datasets import idx
from nervure.models import load_model
from tests.train.builders import same, state_of, three_classes
from tests.trust.test_faults import trained

AS_ROOT = hasattr(os, "getuid") and os.getuid() == 0

# JAX, once any test before has started it, warns of every fork; the children here
# never call it.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork")


def in_a_child(work: Callable[[], object]) -> None:
    """Run ``work`` in a forked process; raise what it says of a failure."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        failure = ""
        try:
            work()
        except BaseException:  # noqa: BLE001 - the parent must hear of it
            failure = traceback.format_exc()
        os.write(writing, json.dumps(failure[-3000:]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the process died with status {status}"
    failure = json.loads(text)
    if failure:
        pytest.fail(failure)


# --- a full disk ---------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of a few bytes."""
    place = folder / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def writers(model, folder):
    """Return what writes a file, by the file's name."""
    array = np.zeros(20_000, np.uint8)
    return {
        "m.nv": model.save,
        "m.weights.nv": model.save_weights,
        "m.safetensors": model.save_weights,
        "m.onnx": model.export,
        "a.idx": lambda path: idx.write_idx(path, array),
    }


@pytest.mark.skipif(not AS_ROOT or not shutil.which("mount"), reason="needs root")
def test_a_disk_that_is_really_full(tmp_path):
    model = trained()
    before = state_of(model)
    with small_disk(tmp_path, 128 * 1024) as disk:
        for name, write in writers(model, disk).items():
            path = disk / name
            write(path)
            old = path.read_bytes()
            filler = disk / "filler"
            room = shutil.disk_usage(disk).free
            # Where the file is larger a page is left, so that a part can be written.
            filler.write_bytes(bytes(room - 4096 * (len(old) > 4096)))
            with pytest.raises(
                OSError, match=r"could not be written.*\n  fix: make"
            ) as e:
                write(path)
            assert e.value.errno == errno.ENOSPC
            assert path.read_bytes() == old
            assert sorted(os.listdir(disk)) == sorted(["filler", name])
            filler.unlink()
            write(path)
            path.unlink()
    assert same(before, state_of(model))


@pytest.mark.skipif(not AS_ROOT or not shutil.which("mount"), reason="needs root")
def test_a_log_on_a_full_disk_keeps_whole_lines(tmp_path):
    x, y = three_classes()
    with small_disk(tmp_path, 64 * 1024) as disk:
        model = trained()
        path = disk / "log.csv"
        callback = CSVLogger(path)
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[callback])
        old = path.read_bytes()
        # the line would need a page more than there is
        path.write_bytes(old + b"," * (4096 - len(old) - 10) + b"\n")
        old = path.read_bytes()
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))
        again = CSVLogger(path, append=True)
        with pytest.raises(OSError, match=r"log\.csv.*could not be written"):
            model.fit(x, y, batch_size=8, verbose=0, callbacks=[again])
        assert path.read_bytes() == old
        events = nv.callbacks.TensorBoard(disk / "events")
        with pytest.raises(OSError, match=r"No space left on device"):
            model.fit(x, y, batch_size=8, verbose=0, callbacks=[events])
    history = model.fit(x, y, batch_size=8, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


# --- a folder that may only be read --------------------------------------------------


@pytest.mark.skipif(not AS_ROOT, reason="needs root, to become somebody else")
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_of_somebody_else(tmp_path, mode):
    """An ordinary user may read the folder and what is in it, or not even that."""
    model = trained()
    x, y = three_classes()
    for name, write in writers(model, tmp_path).items():
        write(tmp_path / name)  # while modules can still be imported
    folder = Path("/tmp") / f"nervure-faults-{os.getpid()}-{mode}"
    folder.mkdir()

    def work() -> None:
        os.setgid(65534)
        os.setuid(65534)
        before = state_of(model)
        for name, write in writers(model, folder).items():
            # where not even looking is allowed the system's own words name the file
            with pytest.raises(PermissionError, match=rf"fix: choose|: '.*{name}'"):
                write(folder / name)
        for callback in (
            BackupAndRestore(folder / "backup"),
            ModelCheckpoint(folder / "c.nv"),
            CSVLogger(folder / "log.csv"),
        ):
            with pytest.raises(PermissionError):
                model.fit(x, y, batch_size=8, verbose=0, callbacks=[callback])
        with pytest.raises((PermissionError, FileNotFoundError)):
            load_model(folder / "other.nv")
        assert len(before) == len(state_of(model))
        assert np.isfinite(model.predict(x, verbose=0)).all()

    try:
        (folder / "m.nv").write_bytes(b"old")
        folder.chmod(mode)
        in_a_child(work)
        folder.chmod(0o755)
        assert sorted(os.listdir(folder)) == ["m.nv"]
        assert (folder / "m.nv").read_bytes() == b"old"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


# --- no memory -----------------------------------------------------------------------


OUT_OF_MEMORY = ("MemoryError", "_ArrayMemoryError", "SystemError", "PanicException")


def saves(model, x, path):
    model.save(path)


def predicts(model, x, path):
    model.predict(x, verbose=0)


def loads(model, x, path):
    load_model(path)


@pytest.mark.parametrize("use", [predicts, saves, loads])
@pytest.mark.parametrize("executor", ["cpu", "reference"])
def test_the_nth_allocation_of_python_fails(tmp_path, use, executor):
    """Each call either fails with ``MemoryError`` or does what it should.

    NumPy forgets to say why in some places, which CPython makes a ``SystemError``, and
    safetensors' Rust panics.
    """
    testing = pytest.importorskip("_testcapi")
    path = tmp_path / "m.nv"
    x, _ = three_classes()

    def work() -> None:
        with nv.config.override(executor=executor):
            model = trained()
            model.save(path)
            right = model.predict(x, verbose=0)
            before, old = state_of(model), path.read_bytes()
            failed = 0
            for number in range(0, 2000, 61):
                testing.set_nomemory(number, number + 1)
                try:
                    use(model, x, path)
                except BaseException as error:
                    testing.remove_mem_hooks()
                    if type(error).__name__ not in OUT_OF_MEMORY:
                        raise
                    failed += isinstance(error, MemoryError)
                finally:
                    testing.remove_mem_hooks()
                assert path.read_bytes() == old
                assert os.listdir(tmp_path) == ["m.nv"]
            assert failed > 3
            assert same(before, state_of(model))
            np.testing.assert_array_equal(model.predict(x, verbose=0), right)

    in_a_child(work)
