"""Files of every format that is read, damaged at random, under an audit hook.

No reader may crash, hang, take memory without bound, touch another file, start a
process or import what a file names.  Attacks that are known by name are in
``tests/train/saving/test_hostile.py``, ``tests/importers/keras/test_hostile.py``,
``tests/datasets/test_idx.py``, ``tests/tblog`` and ``tests/exec/cpu/test_cache.py``;
here is what they leave out.  The changes are random, not guided by coverage.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from nervure.errors import FileFormatError
from nervure.importers.keras.hdf5_heaps import fault_in_heaps
from nervure.models import load_model
from tests.trust.hostile_job import FORMATS, MIB

ROOT = Path(__file__).resolve().parents[2]
# HDF5 reserves what a text claims to take before it looks, so its memory has no bound.
UNBOUNDED = ("h5",)


def fuzz(folder: Path, name: str, inputs: int, seed: int = 1) -> None:
    """Assert that a reader withstands many damaged files."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.hostile_job", str(folder), name,
         str(inputs), str(seed)],
        cwd=ROOT,
        env={**os.environ, "NERVURE_EXECUTOR": "reference", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["seen"] == []
    # a damaged object file is no error: it is made anew
    assert found["refused"] > inputs // 2 or name == "cache"
    assert found["slowest"] < 1
    assert found["grown"] <= 4 * found["size"] + 64 * MIB or name in UNBOUNDED


@pytest.mark.parametrize("name", FORMATS)
def test_some_damaged_files(tmp_path, name):
    fuzz(tmp_path, name, 300)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_twenty_thousand_damaged_files(tmp_path, name):
    fuzz(tmp_path, name, 20_000, seed=2)


def test_a_heap_in_a_circle_does_not_hang(tmp_path):
    path, read = FORMATS["h5"](tmp_path)
    good = path.read_bytes()
    place = good.find(b"GCOL")
    assert place > 0
    assert fault_in_heaps(path) is None
    # the first object claims so much that adding it up comes round to the start
    for size in (2**64 - 16, 2**63, 10**9):
        wrong = bytearray(good)
        struct.pack_into("<Q", wrong, place + 24, size)
        path.write_bytes(wrong)
        with pytest.raises(FileFormatError, match="global heap"):
            read(path)


@pytest.mark.parametrize("ending", ["nv", "keras", "h5"])
def test_links_and_folders_in_place_of_files(tmp_path, ending):
    folder = tmp_path / f"folder.{ending}"
    folder.mkdir()
    with pytest.raises((OSError, FileFormatError)):
        load_model(folder)
    loop = tmp_path / f"loop.{ending}"
    loop.symlink_to(loop)
    with pytest.raises((OSError, FileFormatError)):
        load_model(loop)


def test_saving_over_a_link_keeps_what_it_points_to(tmp_path):
    from tests.trust.hostile_job import model

    other = tmp_path / "other.txt"
    other.write_text("mine")
    link = tmp_path / "m.nv"
    link.symlink_to(other)
    model().save(link)
    assert other.read_text() == "mine"
    assert not link.is_symlink()
    assert load_model(link).count_params() == 13
    hard = tmp_path / "hard.nv"
    os.link(other, hard)
    model().save(hard)
    assert other.read_text() == "mine"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-be", "utf-32-le", "utf-8-sig"])
def test_a_file_does_not_choose_how_it_is_decoded(tmp_path, encoding):
    from tests.trust.hostile_job import entry_file

    path, read = entry_file(tmp_path, "model.json")
    path.write_bytes(path.read_text().encode(encoding))
    with pytest.raises(FileFormatError, match="is not JSON"):
        read(path)


def test_offsets_before_the_beginning_of_a_zip(tmp_path):
    path, read = FORMATS["nv"](tmp_path)
    good = path.read_bytes()
    end = good.rindex(b"PK\x05\x06")
    first = good.index(b"PK\x01\x02")
    for place in (end + 16, first + 42):  # of the directory, of the first entry
        for value in (2**32 - 2, 2**31, len(good) - 3, len(good) * 2):
            wrong = bytearray(good)
            struct.pack_into("<I", wrong, place, value)
            path.write_bytes(wrong)
            with pytest.raises(FileFormatError, match="damaged"):
                read(path)
