"""The cache of object files: what is trusted, what is made anew, how it is bounded."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import llvmlite
import numpy as np
import pytest

from nervure import dtypes
from nervure.config import config
from nervure.exec.cpu import jit
from nervure.exec.cpu.cache import ObjectCache
from nervure.exec.cpu.program import CpuProgram
from nervure.exec.cpu.target import Target, target
from nervure.ir import Graph
from nervure.prims import binary
from nervure.prims.leaf import full_like, input_leaf
from tests.exec.cpu.test_runtime import environment

KEY = "0123456789abcdef" * 4
BODY = b"machine code" * 100

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")


@pytest.fixture
def cache(tmp_path: Path) -> ObjectCache:
    return ObjectCache(tmp_path / "objects")


@pytest.fixture
def entry(cache: ObjectCache, tmp_path: Path) -> Path:
    cache.store(KEY, BODY)
    return tmp_path / "objects" / KEY


def test_what_was_stored_is_loaded(cache: ObjectCache, entry: Path) -> None:
    assert cache.load(KEY) == BODY
    assert ObjectCache(entry.parent).load(KEY) == BODY
    assert os.listdir(entry.parent) == [KEY]


def test_what_was_not_stored_is_not_there(cache: ObjectCache) -> None:
    assert cache.load(KEY) is None


@pytest.mark.parametrize("place", [0, 20, 60, -1])
def test_a_changed_byte_is_noticed(cache: ObjectCache, entry: Path, place: int) -> None:
    content = bytearray(entry.read_bytes())
    content[place] ^= 1
    entry.write_bytes(content)
    assert cache.load(KEY) is None
    cache.store(KEY, BODY)
    assert cache.load(KEY) == BODY


@pytest.mark.parametrize("length", [0, 1, 17, 48, 49, 50, 500])
def test_a_truncated_entry_is_noticed(
    cache: ObjectCache, entry: Path, length: int
) -> None:
    entry.write_bytes(entry.read_bytes()[:length])
    assert cache.load(KEY) is None


def test_an_entry_under_another_name_is_noticed(
    cache: ObjectCache, entry: Path
) -> None:
    other = KEY[::-1]
    entry.rename(entry.parent / other)
    assert cache.load(other) is None


def test_an_entry_that_is_no_file_is_ignored(cache: ObjectCache, entry: Path) -> None:
    entry.unlink()
    entry.mkdir()
    assert cache.load(KEY) is None
    cache.store(KEY, BODY)  # cannot be stored, which is no error
    assert cache.load(KEY) is None
    assert os.listdir(entry.parent) == [KEY]


@posix
@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_can_write_is_ignored(
    cache: ObjectCache, entry: Path, mode: int
) -> None:
    entry.chmod(mode)
    assert cache.load(KEY) is None


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_can_write_is_ignored(
    cache: ObjectCache, entry: Path, mode: int
) -> None:
    entry.parent.chmod(mode)
    assert cache.load(KEY) is None
    cache.store(KEY[::-1], BODY)
    assert os.listdir(entry.parent) == [KEY]


@posix
def test_what_another_user_owns_is_ignored(
    cache: ObjectCache, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    assert cache.load(KEY) is None
    cache.store(KEY[::-1], BODY)
    assert os.listdir(entry.parent) == [KEY]


@posix
def test_nobody_else_can_read_or_write_the_folder(entry: Path) -> None:
    assert stat.S_IMODE(entry.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    cache = ObjectCache(file / "objects")
    cache.store(KEY, BODY)
    assert cache.load(KEY) is None


def test_a_full_disk_is_no_error(
    cache: ObjectCache, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", no_space)
    cache.store(KEY[::-1], BODY)
    assert os.listdir(entry.parent) == [KEY]  # and nothing is left behind


def test_the_entries_used_longest_ago_go_first(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, limit=100_000)
    keys = [f"{number:064x}" for number in range(60)]
    for number, key in enumerate(keys):
        cache.store(key, bytes(5000))
        os.utime(tmp_path / key, (number, number))
        assert cache.load(keys[0]) is not None  # this one is used all the time
    left = set(os.listdir(tmp_path))
    assert sum((tmp_path / name).stat().st_size for name in left) <= 110_000
    assert keys[0] in left
    assert keys[1] not in left
    assert keys[-1] in left


def test_many_writers_and_readers_at_once(tmp_path: Path) -> None:
    bodies = [bytes([number]) * (1000 + number) for number in range(8)]
    faults = []
    until = time.monotonic() + 0.5

    def work(seed: int) -> None:
        cache = ObjectCache(tmp_path, limit=20_000)
        random = np.random.default_rng(seed)
        while time.monotonic() < until:
            number = int(random.integers(8))
            if random.random() < 0.5:
                cache.store(f"{number:064x}", bodies[number])
            found = cache.load(f"{number:064x}")
            if found not in (None, bodies[number]):
                faults.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".new-")]


PROCESS = """
import sys
from pathlib import Path
from nervure.config import config
from tests.exec.cpu.test_cache import compile_and_run
config.cache_dir = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(3):
    for size in range(40, 60):
        compile_and_run(size)
    if turn == 1:
        for path in (config.cache_dir / "objects").iterdir():
            path.unlink(missing_ok=True)  # while the others read and write
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    processes = [
        subprocess.Popen(
            command, env=environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, complaints = process.communicate(timeout=120)
        assert (process.returncode, complaints) == (0, "")
    left = os.listdir(tmp_path / "objects")
    assert not [name for name in left if name.startswith(".new-")]


# --- keys ----------------------------------------------------------------------------


def test_a_key_depends_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    here = target()
    keys = [jit.cache_key("text", here), jit.cache_key("other", here)]
    keys.append(jit.cache_key("text", replace(here, features="+avx")))
    keys.append(jit.cache_key("text", replace(here, cpu="other")))
    with monkeypatch.context() as patch:
        patch.setattr(llvmlite, "__version__", "0.99")
        keys.append(jit.cache_key("text", here))
    with monkeypatch.context() as patch:
        patch.setattr(jit.llvm, "llvm_version_info", (99, 0, 0))
        keys.append(jit.cache_key("text", here))
    with monkeypatch.context() as patch:
        patch.setattr(jit.llvm, "get_process_triple", lambda: "riscv64-linux")
        keys.append(jit.cache_key("text", here))
    assert len(set(keys)) == len(keys)
    assert jit.cache_key("text", here) == keys[0]


# --- programs ------------------------------------------------------------------------


def compile_and_run(size: int) -> None:
    x = input_leaf((size,), dtypes.float32, "x")
    program = CpuProgram(Graph([binary.add(x, full_like(x, 1))], [x]), target())
    (result,) = program([np.ones(size, np.float32)])
    assert np.all(result == 2)


def count_compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    compiled: list[str] = []
    make = jit.object_file

    def counting(text: str, target: Target) -> bytes:
        compiled.append(text)
        return make(text, target)

    monkeypatch.setattr(jit, "object_file", counting)
    return compiled


def test_a_program_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_and_run(5)  # the runtime itself
    compiled = count_compilations(monkeypatch)
    with config.override(cache_dir=tmp_path):
        compile_and_run(123)
        assert len(compiled) == 1
        compile_and_run(123)
        assert len(compiled) == 1
        for path in (tmp_path / "objects").iterdir():
            path.write_bytes(b"nonsense")
        compile_and_run(123)
        assert len(compiled) == 2
        compile_and_run(123)
        assert len(compiled) == 2


def test_code_for_another_machine_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder on a network is shared by machines with different CPUs."""
    compile_and_run(5)
    compiled = count_compilations(monkeypatch)
    with config.override(cache_dir=tmp_path):
        monkeypatch.setenv("NERVURE_CPU_LEVEL", "baseline")
        compile_and_run(321)
        assert len(compiled) == 1
        monkeypatch.delenv("NERVURE_CPU_LEVEL")
        compile_and_run(321)
        assert len(compiled) == (1 if target().level == "baseline" else 2)


@posix
@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everything")
def test_a_folder_that_is_read_only_is_no_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with config.override(cache_dir=tmp_path):
        compile_and_run(77)
    tmp_path.chmod(0o700)
