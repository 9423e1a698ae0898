"""MNIST and the digits: content, cache, damage."""

from __future__ import annotations

import dataclasses
import hashlib
import lzma
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nervure.config import config
from nervure.datasets import cache, digits, mnist, packed
from nervure.datasets.packed import PackedDataset, pack, unpack
from nervure.errors import DataError, FileFormatError

ROOT = Path(__file__).resolve().parent.parent.parent
ORIGINAL = ROOT.parent / "shared" / "data" / "mnist.npz"


@pytest.fixture
def folder(tmp_path: Path):
    """A cache folder of its own for one test."""
    with config.override(cache_dir=tmp_path / "cache"):
        yield tmp_path / "cache" / "datasets"


def test_mnist(folder: Path) -> None:
    first, second = mnist.load_data(), mnist.load_data()
    (x_train, y_train), (x_test, y_test) = first
    assert x_train.shape == (60000, 28, 28)
    assert y_train.shape == (60000,)
    assert x_test.shape == (10000, 28, 28)
    assert y_test.shape == (10000,)
    assert y_train[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert np.bincount(y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
    for ours, again in zip(flat(first), flat(second)):
        assert ours.dtype == np.uint8
        assert ours.flags.writeable
        assert ours.flags.c_contiguous
        np.testing.assert_array_equal(ours, again)
    (file,) = folder.iterdir()
    assert file.stat().st_size == 70000 * 785


def flat(data):
    return [array for part in data for array in part]


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original is not on this machine")
def test_mnist_equals_the_original(folder: Path) -> None:
    with np.load(ORIGINAL) as original:
        for key, ours in zip(
            ["x_train", "y_train", "x_test", "y_test"], flat(mnist.load_data())
        ):
            np.testing.assert_array_equal(ours, original[key])


def test_digits(folder: Path) -> None:
    x, y = digits.load_data()
    assert (x.shape, x.dtype) == ((1797, 8, 8), np.uint8)
    assert (y.shape, y.dtype) == ((1797,), np.uint8)
    assert (x.min(), x.max()) == (0, 16)
    assert np.unique(y).tolist() == list(range(10))
    assert x.flags.writeable
    assert not folder.exists(), "unpacking the digits is faster than a cache"


def test_digits_equal_those_of_scikit_learn() -> None:
    source = pytest.importorskip("sklearn.datasets").load_digits()
    x, y = digits.load_data()
    np.testing.assert_array_equal(x, source.images)
    np.testing.assert_array_equal(y, source.target)


def test_loading_leaves_no_optional_package_behind() -> None:
    command = (
        "import sys; from nervure.datasets import digits; digits.load_data();"
        "sys.exit('sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True)


# The rest needs no 55 MB: a small data set goes through the same code.


@pytest.fixture
def arrays() -> list[np.ndarray]:
    numbers = np.arange(5 * 4 * 6, dtype=np.uint8).reshape(5, 4, 6)
    return [numbers, np.arange(5, dtype=np.uint8)]


@pytest.fixture
def small(tmp_path, monkeypatch, arrays) -> PackedDataset:
    """A data set in a package folder of its own."""
    content = b"".join(array.tobytes() for array in arrays)
    dataset = PackedDataset(
        name="small",
        shapes=tuple(array.shape for array in arrays),
        sha256=hashlib.sha256(content).hexdigest(),
        cached=True,
    )
    package = tmp_path / "package" / "data"
    package.mkdir(parents=True)
    (package / "small.xz").write_bytes(lzma.compress(pack(arrays)))
    monkeypatch.setattr("importlib.resources.files", lambda name: package.parent)
    return dataset


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        np.testing.assert_array_equal(ours, theirs)


def test_pack_and_unpack(arrays) -> None:
    shapes = [array.shape for array in arrays]
    assert_same(list(unpack(pack(arrays), shapes)), arrays)


def test_second_load_does_not_unpack(small, arrays, folder, monkeypatch) -> None:
    assert_same(small.load(), arrays)
    monkeypatch.setattr(PackedDataset, "_read_package", None)
    assert_same(small.load(), arrays)


def test_loads_are_independent(small, arrays, folder) -> None:
    for _ in range(3):
        found = small.load()
        assert_same(found, arrays)
        for array in found:
            array[...] = 99


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:7] + bytes([content[7] ^ 1]) + content[8:],
        lambda content: bytes(len(content)),
        lambda content: b"something else",
    ],
)
def test_damaged_cache_is_replaced(small, arrays, folder, damage) -> None:
    small.load()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert_same(small.load(), arrays)
    assert file.read_bytes() == whole
    assert list(folder.iterdir()) == [file], "no temporary file is left"


def test_folder_in_place_of_the_cache_file(small, arrays, folder) -> None:
    small.load()
    (file,) = folder.iterdir()
    file.unlink()
    (file / "inside").mkdir(parents=True)
    assert_same(small.load(), arrays)
    assert list(folder.iterdir()) == [file]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_in_place_of_the_cache_file(small, arrays, folder) -> None:
    """Opening a pipe to read would wait for ever."""
    small.load()
    (file,) = folder.iterdir()
    file.unlink()
    os.mkfifo(file)
    assert_same(small.load(), arrays)
    assert file.is_file()


def test_cache_folder_that_cannot_be_made(small, arrays, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with config.override(cache_dir=tmp_path / "file" / "cache"):
        assert_same(small.load(), arrays)
        assert_same(small.load(), arrays)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_cache_folder(small, arrays, folder) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    assert_same(small.load(), arrays)
    assert list(folder.iterdir()) == []


def test_full_disk(small, arrays, folder, monkeypatch) -> None:
    def replace(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    assert_same(small.load(), arrays)
    assert list(folder.iterdir()) == [], "no temporary file is left"


def test_no_home(small, arrays, monkeypatch) -> None:
    def cache_directory() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache, "cache_directory", cache_directory)
    assert_same(small.load(), arrays)


def test_early_end_while_reading(small, arrays, folder, monkeypatch) -> None:
    """The file had the right size a moment ago."""
    small.load()
    (file,) = folder.iterdir()
    size = file.stat().st_size
    file.write_bytes(b"short")

    def stat(_: object) -> os.stat_result:
        return os.stat_result((0o100600, 0, 0, 1, 0, 0, size, 0, 0, 0))

    monkeypatch.setattr(packed.os, "stat", stat)
    assert small._read_cache(file) is None


@pytest.mark.parametrize(
    "content, message",
    [
        (b"not xz", "cannot be unpacked"),
        (lzma.compress(bytes(125))[:-4], "cannot be unpacked"),
        (lzma.compress(bytes(99)), "expected 125 bytes, found 99"),
        (lzma.compress(bytes(125)), "expected SHA-256 [0-9a-f]{64}, got"),
    ],
)
def test_damaged_package(small, folder, tmp_path, content, message) -> None:
    (tmp_path / "package" / "data" / "small.xz").write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        small.load()
    assert "fix: install nervure again" in str(caught.value)
    assert not folder.exists()


def test_missing_in_the_package(small, folder, tmp_path) -> None:
    (tmp_path / "package" / "data" / "small.xz").unlink()
    with pytest.raises(FileFormatError, match="cannot be unpacked .*No such file"):
        small.load()


def test_python_without_lzma(small, folder, monkeypatch) -> None:
    """A Python that was built where liblzma-dev was missing."""
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(DataError, match="compressed with xz, which this Python lacks"):
        small.load()


def test_versions_do_not_share_a_cache_file(small, folder) -> None:
    other = dataclasses.replace(small, sha256="0" * 64)
    assert small._cache_file() != other._cache_file()
