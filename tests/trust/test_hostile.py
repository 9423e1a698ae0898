"""Files of every format that is read, damaged at random, under an audit hook.

No reader may crash, hang, take memory without bound, touch another file, start a
process or import what a file names.  Attacks that are known by name are in
``test_attacks.py`` and in ``tests/train/saving/test_hostile.py``,
``tests/importers/*/test_hostile.py``, ``tests/datasets/test_idx.py``, ``tests/tblog``
and ``tests/exec/cpu/test_cache.py``; here is what they leave out.

``make test`` changes good files blindly, and so that inputs which ``make fuzz`` (led by
coverage) found worth keeping are changed further: those of ``fuzz/corpus``.
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
from tests.trust.fuzz.targets import FORMATS, model, nv_entry
from tests.trust.fuzz.watch import MIB

ROOT = Path(__file__).resolve().parents[2]
# What an input costs differs by a factor of a hundred: those that build a model, and
# HDF5, get fewer inputs in ``make test``.
FEWER = {
    **dict.fromkeys(("nv", "safetensors", "png", "png-signed", "jpeg"), 5000),
    **dict.fromkeys(("nv-tensors", "onnx", "keras", "keras-json"), 1000),
    **dict.fromkeys(("nv-json", "nv-json-rich", "h5", "keras-hdf5"), 500),
    "backup": 100,
}
# A damaged object file, or one of peaks, is no error: it is made anew.
NEVER_REFUSED = ("cache", "peaks")


def fuzz(folder: Path, names: list[str], inputs: int, seed: int = 1) -> None:
    """Assert that readers withstand many damaged files."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.fuzz", *names, "--folder", str(folder),
         "--inputs", str(inputs), "--seed", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    found = [json.loads(one) for one in done.stdout.splitlines()]
    assert [one["format"] for one in found] == names, done.stderr[-3000:]
    for one in found:
        assert one["faults"] == [], one
        assert one["inputs"] == inputs
        assert one["refused"] > inputs // 3 or one["format"] in NEVER_REFUSED, one
        assert one["slowest"] < 1, one
        assert one["grown"] <= 64 * MIB, one
    assert done.returncode == 0, done.stderr[-3000:]


BAD_READERS = {
    "open /etc/passwd": "open('/etc/passwd').close()",
    "write ": "open(folder / 'new', 'w').close()",
    "import colorsys": "import colorsys",
    "compile": "compile('1', 'file', 'eval')",
    "exec": "exec(CODE)",
    "subprocess.Popen": "subprocess.run(['true'])",
    "os.remove": "(folder / 'old').unlink()",
    "ZeroDivisionError": "1 / 0",
    "MiB for 3 bytes": "bytearray(90_000_000)",
    "took 1": "spin()",
}


WATCHED = """
import json, subprocess, sys, time
from pathlib import Path
from tests.trust.fuzz.watch import Trials
folder = Path(sys.argv[1])
CODE = compile("1", "file", "eval")
def spin():
    end = time.process_time() + 1.2
    while time.process_time() < end: pass
found = {}
for seen, source in json.loads(sys.argv[2]).items():
    (folder / "old").write_text("")
    space = dict(globals())
    exec("def read():\\n    " + source, space)
    trials = Trials(folder, lambda data: None, space["read"])
    trials.trial(b"abc")
    found[seen] = trials.faults
(folder / "old").write_text("")
good = Trials(folder, lambda data: None, (folder / "old").read_text)
good.trial(b"abc")
print(json.dumps([found, good.faults]))
"""


def test_the_watch_sees(tmp_path):
    """The watch itself: each bad reader is found out, and a good one is not."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path), json.dumps(BAD_READERS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, good = json.loads(done.stdout)
    assert good == []
    for seen, faults in found.items():
        assert len(faults) == 1 and seen in faults[0], (seen, faults)


COUNTS = sorted({*FEWER.values(), 20_000})


@pytest.mark.parametrize("inputs", COUNTS)
def test_damaged_files(tmp_path, inputs):
    names = [one for one in FORMATS if FEWER.get(one, 20_000) == inputs]
    fuzz(tmp_path, names, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_twenty_thousand_damaged_files(tmp_path, name):
    fuzz(tmp_path, [name], 20_000, seed=2)


def test_a_heap_in_a_circle_does_not_hang(tmp_path):
    target = FORMATS["h5"](tmp_path)
    good = target.seeds[0]
    place = good.find(b"GCOL")
    assert place > 0
    assert fault_in_heaps(good) is None
    # the first object claims so much that adding it up comes round to the start
    for size in (2**64 - 16, 2**63, 10**9):
        wrong = bytearray(good)
        struct.pack_into("<Q", wrong, place + 24, size)
        target.place(wrong)
        with pytest.raises(FileFormatError, match="global heap"):
            target.read()


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
    target = nv_entry(tmp_path, "model.json")
    target.place(target.seeds[0].decode().encode(encoding))
    with pytest.raises(FileFormatError, match="is not JSON"):
        target.read()


def test_offsets_before_the_beginning_of_a_zip(tmp_path):
    target = FORMATS["nv"](tmp_path)
    good = target.seeds[0]
    end = good.rindex(b"PK\x05\x06")
    first = good.index(b"PK\x01\x02")
    for place in (end + 16, first + 42):  # of the directory, of the first entry
        for value in (2**32 - 2, 2**31, len(good) - 3, len(good) * 2):
            wrong = bytearray(good)
            struct.pack_into("<I", wrong, place, value)
            target.place(wrong)
            with pytest.raises(FileFormatError, match="damaged"):
                target.read()
