"""Reads damaged and hostile files under watch; prints one line of JSON.

``python -m tests.trust.hostile_job FOLDER FORMAT INPUTS SEED``.  An audit hook notes
every file that is opened for writing or outside FOLDER, every process that is started,
every socket, and every module that a reader brings in once it has been warmed up.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nervure as nv
from nervure.datasets import idx
from nervure.errors import NervureError
from nervure.exec.cpu.cache import ObjectCache
from nervure.layers import Dense
from nervure.models import Sequential, load_model
from nervure.tblog import EventWriter, read_events
from nervure.train.saving.container import write_container

Reader = Callable[[Path], Any]
# What a reader may raise; everything else is a fault.
ALLOWED = (NervureError,)
MIB = 2**20


def model() -> Sequential:
    """Return a small model with all kinds of entries."""
    made = Sequential([Dense(3, "relu", input_shape=(2,)), Dense(1)])
    made.compile("adam", "mse")
    return made


def model_file(folder: Path) -> tuple[Path, Reader]:
    """A model of ours."""
    path = folder / "m.nv"
    model().save(path)
    return path, load_model


def backup_file(folder: Path) -> tuple[Path, Reader]:
    """The backup of a training: what ``BackupAndRestore`` goes on from."""
    from nervure.callbacks import BackupAndRestore, LambdaCallback

    x, y = np.ones((8, 2), "float32"), np.ones(8, "float32")

    def stop(epoch: int, logs: Any) -> None:
        if epoch:
            raise KeyboardInterrupt

    callbacks = [BackupAndRestore(folder), LambdaCallback(on_epoch_begin=stop)]
    with contextlib.suppress(KeyboardInterrupt):
        model().fit(x, y, epochs=2, verbose=0, callbacks=callbacks)

    def read(path: Path) -> None:
        backup = BackupAndRestore(path.parent, delete_checkpoint=False)
        more = [backup, LambdaCallback(on_epoch_begin=lambda epoch, logs: None)]
        with nv.config.override(executor="reference"):
            model().fit(x, y, epochs=1, verbose=0, callbacks=more)

    return folder / "training.backup", read


def entry_file(folder: Path, entry: str) -> tuple[Path, Reader]:
    """An entry of a model of ours; its damage is signed with right checksums."""
    packed = folder / "packed.nv"
    model().save(packed)
    with zipfile.ZipFile(packed) as archive:
        entries = {one: archive.read(one) for one in archive.namelist()}
    del entries["manifest.json"]
    path = folder / entry
    path.write_bytes(entries[entry])

    def read(path: Path) -> None:
        write_container(packed, "model", {**entries, entry: path.read_bytes()})
        load_model(packed)

    return path, read


def keras_file(folder: Path) -> tuple[Path, Reader]:
    """A model that Keras has saved, as a zip."""
    return golden(folder, ".keras")


def hdf5_file(folder: Path) -> tuple[Path, Reader]:
    """A model that Keras has saved in its older format."""
    return golden(folder, ".h5")


def golden(folder: Path, ending: str) -> tuple[Path, Reader]:
    """Copy the smallest file of Keras that the importer's tests have."""
    there = Path(__file__).parents[1] / "importers" / "keras" / "golden"
    files = [
        one for one in there.rglob(f"*{ending}") if not one.name.endswith("weights.h5")
    ]
    path = folder / f"m{ending}"
    smallest = min(files, key=lambda one: (one.stat().st_size, one.name))
    path.write_bytes(smallest.read_bytes())
    return path, load_model


def idx_file(folder: Path) -> tuple[Path, Reader]:
    """An array of labels or pictures."""
    path = folder / "a.idx"
    path.write_bytes(idx.encode_idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5)))
    return path, lambda path: idx.read_idx(path, max_bytes=MIB)


def idx_gzip_file(folder: Path) -> tuple[Path, Reader]:
    """The same, compressed."""
    import gzip

    path = folder / "a.idx.gz"
    plain = idx.encode_idx(np.zeros((30, 40), np.uint8))
    path.write_bytes(gzip.compress(plain, mtime=0))
    return path, lambda path: idx.read_idx(path, max_bytes=MIB)


def event_file(folder: Path) -> tuple[Path, Reader]:
    """What TensorBoard shows."""
    with EventWriter(folder) as writer:
        for step in range(3):
            writer.add_scalar("loss", 0.5, step=step)
        writer.add_histogram("kernel", np.linspace(0, 1, 9), step=1)
        writer.add_image("picture", np.zeros((3, 4, 3), np.uint8), step=1)
    return Path(writer.path), lambda path: list(read_events(path))


def cache_file(folder: Path) -> tuple[Path, Reader]:
    """An object file; a damaged one must be taken for none."""
    cache = ObjectCache(folder)
    key, body = "0" * 64, b"object" * 40
    cache.store(key, body)

    def read(path: Path) -> None:
        os.chmod(path, 0o600)
        if cache.load(key) not in (None, body):
            raise AssertionError("a damaged object file was believed")

    return folder / key, read


FORMATS: dict[str, Callable[[Path], tuple[Path, Reader]]] = {
    "nv": model_file,
    "nv-json": lambda folder: entry_file(folder, "model.json"),
    "nv-tensors": lambda folder: entry_file(folder, "variables.safetensors"),
    "backup": backup_file,
    "keras": keras_file,
    "h5": hdf5_file,
    "idx": idx_file,
    "idx.gz": idx_gzip_file,
    "events": event_file,
    "cache": cache_file,
}

# --- damage --------------------------------------------------------------------------

NUMBERS = [
    struct.pack(form, value)
    for form in ("<B", "<H", "<I", "<Q", ">I", ">Q")
    for value in (0, 1, 127, 255, 2 ** (8 * struct.calcsize(form)) - 1)
] + [struct.pack("<Q", 2**63), struct.pack("<I", 2**31), struct.pack("<d", np.nan)]
WORDS = [
    *(b"[" * 3000, b"{" * 50, b'"', b"null", b"-1", b"NaN", b"1e999", b"true", b"[]"),
    *(
        b"9" * 5000,
        b"../../etc/passwd",
        b"/etc/passwd",
        b"__import__('os')",
        b"\0" * 99,
    ),
    *(b"PK\x01\x02", b"PK\x05\x06", b"\x89HDF\r\n\x1a\n", b"\x1f\x8b", b"os.system"),
]


def damaged(good: bytes, chance: random.Random) -> bytes:
    """Return a file with one to six random changes."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(8)
        if kind == 0:
            data[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 1 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            number = chance.choice(NUMBERS)
            data[place : place + len(number)] = number
        elif kind == 3:
            data[place:place] = chance.choice(WORDS)
        elif kind == 4:
            del data[place : place + chance.choice((1, 4, 64, len(data)))]
        elif kind == 5:
            begin = chance.randrange(len(data) + 1)
            data[place:place] = data[begin : begin + chance.choice((1, 8, 256))]
        elif kind == 6:
            word = chance.choice(WORDS)
            data[place : place + len(word)] = word
        else:
            data[place : place + 4] = data[place : place + 4][::-1]
    return bytes(data)


# --- watching ------------------------------------------------------------------------


class Watch:
    """Notes what a reader does besides reading its file."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.on = False
        self.seen: dict[str, None] = {}

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take part in every audited event of this process."""
        if not self.on:
            return
        started = ("os.system", "os.exec", "os.posix_spawn", "subprocess", "socket.")
        if event.startswith((*started, "os.fork", "ctypes.dlopen", "exec", "pickle.")):
            self.seen[f"{event} {str(arguments)[:80]}"] = None
        elif event == "import":
            self.seen[f"import {arguments[0]}"] = None
        elif event == "open" and isinstance(arguments[0], str | bytes):
            self._opened(os.fsdecode(arguments[0]), arguments[2])

    def _opened(self, path: str, flags: int) -> None:
        inside = os.path.realpath(path).startswith(os.path.realpath(self.folder))
        source = path.endswith((".py", ".pyc"))  # lines for tracebacks
        if not inside and not source:
            self.seen[f"open {path}"] = None
        elif "packed.nv" in path:
            return  # by the reader of a signed entry
        elif flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.seen[f"write {path}"] = None


def main(folder: Path, name: str, inputs: int, seed: int) -> dict[str, Any]:
    """Damage a file many times and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, read = FORMATS[name](folder)
    good = path.read_bytes()
    read(path)  # a good one, before anything is watched
    chance, faults, slowest = random.Random(seed), [], 0.0
    watch = Watch(folder)
    sys.addaudithook(watch.hook)
    warm = min(50, inputs)
    start_kib = 0
    refused = 0
    for number in range(inputs):
        data = damaged(good, chance)
        path.write_bytes(data)
        watch.on = number >= warm
        faulthandler.dump_traceback_later(20, exit=True)
        begun = time.process_time()
        try:
            read(path)
        except ALLOWED:
            refused += 1
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            faults.append(f"{number}: {type(error).__name__}: {error}"[:300])
            (folder / f"fault-{number}").write_bytes(data)
        finally:
            watch.on = False
            faulthandler.cancel_dump_traceback_later()
        if number >= warm:
            slowest = max(slowest, time.process_time() - begun)
        else:
            start_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start_kib
    return {
        "refused": refused,
        "faults": faults[:20],
        "seen": list(watch.seen)[:20],
        "slowest": round(slowest, 3),
        "grown": grown * 1024,
        "size": len(good),
    }


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    _folder, _name, _inputs, _seed = sys.argv[1:]
    print(json.dumps(main(Path(_folder), _name, int(_inputs), int(_seed))))
