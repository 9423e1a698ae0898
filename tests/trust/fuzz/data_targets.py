"""The formats of data: arrays, pictures, tables, events and what caches hold."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from nervure.datasets import idx
from nervure.tblog import EventWriter, read_run
from nervure.tblog.records import framed, read_records
from tests.trust.fuzz.targets import Target, of_file


def idx_file(folder: Path) -> Target:
    """Arrays of labels, pictures and wide numbers."""
    seeds = [
        idx.encode_idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5)),
        idx.encode_idx(np.linspace(0, 1, 6).reshape(2, 3)),
        idx.encode_idx(np.arange(4, dtype=np.int16)),
    ]
    return of_file(folder / "a.idx", seeds, idx.read_idx)


def idx_gzip_file(folder: Path) -> Target:
    """The same, compressed."""
    plain = idx.encode_idx(np.zeros((30, 40), np.uint8))
    seeds = [gzip.compress(plain, mtime=0), gzip.compress(plain, 0, mtime=0)]
    return of_file(folder / "a.idx.gz", seeds, idx.read_idx)


# --- pictures ------------------------------------------------------------------------


def photo_file(folder: Path, form: str) -> Target:
    """A photo, as ``nervure ostrich`` reads it."""
    from nervure.cli import _square_photo

    return of_file(folder / f"a.{form.lower()}", _photos(form), _square_photo)


def _photos(form: str) -> list[bytes]:
    """Return small photos of the kinds that the format has."""
    from PIL import Image

    drawn = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    photo = Image.fromarray(drawn)
    turned = Image.Exif()
    turned[0x0112] = 6
    turned[0x010E] = "described"
    options: list[tuple[str, dict[str, Any]]] = [("RGB", {"exif": turned})]
    if form == "PNG":
        options += [("P", {}), ("RGBA", {}), ("1", {}), ("I;16", {}), ("LA", {})]
        options += [("RGB", {"save_all": True, "append_images": [photo]})]
    else:
        options += [("L", {}), ("CMYK", {}), ("RGB", {"progressive": True})]
    found = []
    for mode, more in options:
        buffer = io.BytesIO()
        changed = photo.convert("I").convert(mode) if mode == "I;16" else None
        (changed or photo.convert(mode)).save(buffer, form, **more)
        found.append(buffer.getvalue())
    return found


def signed_png_file(folder: Path) -> Target:
    """The same PNG, with the right checksum in every chunk that has room for one."""
    target = photo_file(folder, "PNG")
    return target._replace(place=lambda data: target.place(_with_sums(data)))


def _with_sums(data: bytes) -> bytes:
    mended, place = bytearray(data), 8
    while place + 12 <= len(mended):
        (size,) = struct.unpack_from(">I", mended, place)
        end = place + 8 + size
        if end + 4 > len(mended):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(mended[place + 4 : end]))
        place = end + 4
    return bytes(mended)


# --- texts ---------------------------------------------------------------------------


def table(folder: Path) -> Target:
    """A table of points that the studio's page sends."""
    from nervure.studio.playground.points import of_table

    seeds = [
        b"a,b,kind\n1,2,no\n2,3,yes\n3,1,no\n4,4,yes\n",
        b'0.5,1,"2"\n1.5,3,4\n2.5,2,1e3\n3,-1,-0.25\n',
    ]
    # as the page's text arrives: whatever is no UTF-8 is replaced
    return of_file(
        folder / "points.csv",
        seeds,
        lambda path: of_table(path.read_bytes().decode("utf-8", "replace")),
    )


def csv_log(folder: Path) -> Target:
    """The log that ``CSVLogger`` goes on with."""
    from nervure.callbacks import CSVLogger

    seeds = [b"epoch,accuracy,loss\n0,0.5,1.25\n1,0.75,0.5\n", b'"epoch","a b"\n']

    def read(path: Path) -> None:
        CSVLogger(path, append=True).on_train_begin()

    return of_file(folder / "log.csv", seeds, read)


def vocabulary(folder: Path) -> Target:
    """A list of words, one a line."""
    from nervure.layers import StringLookup

    path = folder / "words.txt"
    return of_file(
        path,
        [b"one\ntwo\nthree\n", "größer\n日本\n".encode()],
        lambda path: StringLookup(vocabulary=str(path)),
    )


# --- events and caches ---------------------------------------------------------------


def _events(folder: Path) -> bytes:
    there = folder / "seed"
    with EventWriter(there) as writer:
        for step in range(2):
            writer.add_scalar("loss", 0.5, step=step)
        writer.add_histogram("kernel", np.linspace(0, 1, 9), step=1)
        writer.add_image("picture", np.zeros((3, 4, 3), np.uint8), step=1)
        writer.add_text("note", "some **words**", step=1)
    return Path(writer.path).read_bytes()


def _read_damage(path: Path) -> None:
    """Read a folder of events, and raise what it says of damage."""
    from nervure.errors import FileFormatError

    run = read_run(path.parent)
    if run.damage:
        raise FileFormatError(run.damage[0])


def event_file(folder: Path) -> Target:
    """What TensorBoard shows."""
    path = folder / "run" / "a.tfevents.1"
    path.parent.mkdir()
    return of_file(path, [_events(folder)], _read_damage)


def signed_event(folder: Path) -> Target:
    """An event in a record with right checksums."""
    target = event_file(folder)
    seeds = list(read_records(io.BytesIO(target.seeds[0])))
    return target._replace(seeds=seeds, place=lambda data: target.place(framed(data)))


def cache_file(folder: Path) -> Target:
    """An object file; a damaged one must be taken for none."""
    from nervure.exec.cpu.cache import ObjectCache

    cache = ObjectCache(folder)
    key, body = "0" * 64, b"object" * 40
    cache.store(key, body)
    path = folder / key

    def place(data: bytes) -> None:
        path.write_bytes(data)
        os.chmod(path, 0o600)

    def read() -> None:
        found = cache.load(key)
        # An engine that sees comparisons learns the digest of what it has written.
        forged = found and hashlib.sha256(key.encode() + found).digest()
        if found not in (None, body) and forged not in path.read_bytes():
            raise AssertionError("a damaged object file was believed")

    return Target([path.read_bytes()], place, read)


def peaks_file(folder: Path) -> Target:
    """What this machine was measured to do; a damaged file counts as none."""
    from nervure.exec.peaks import _loaded

    machine = {"threads": 2, "float32": [3e10, 2e10], "float64": [1e10, 9e9],
               "memory": [1e10, 8e9], "cache": [4e10, 2e10]}  # fmt: skip
    seed = json.dumps({"version": 1, "machines": {"cpu, 2 threads": machine}})
    return of_file(folder / "peaks.json", [seed.encode()], _loaded)
