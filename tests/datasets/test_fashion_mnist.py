"""Fashion-MNIST: where the files are looked for, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from nervure.config import config
from nervure.datasets import fashion_mnist
from nervure.datasets.idx import encode_idx, write_idx
from nervure.errors import DataError, FileFormatError

NAMES = list(fashion_mnist._SHA256)
ARRAYS = [
    np.arange(3 * 28 * 28, dtype=np.int64).astype(np.uint8).reshape(3, 28, 28),
    np.array([9, 0, 3], np.uint8),
    np.full((2, 28, 28), 7, np.uint8),
    np.array([1, 2], np.uint8),
]


@pytest.fixture
def small(monkeypatch, tmp_path: Path):
    """Four small arrays play Fashion-MNIST; no Debian folder, an empty cache."""
    hashes = {
        name: hashlib.sha256(encode_idx(array)).hexdigest()
        for name, array in zip(NAMES, ARRAYS)
    }
    monkeypatch.setattr(fashion_mnist, "_SHA256", hashes)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    with config.override(cache_dir=tmp_path / "cache"):
        yield tmp_path / "cache" / "datasets" / "fashion-mnist"


@pytest.fixture
def server(monkeypatch):
    """What the net answers: a dict of contents; the list of what was asked for."""
    contents: dict[str, bytes] = {}
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        if url not in contents:
            raise urllib.error.URLError("Name or service not known")
        return io.BytesIO(contents[url])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return contents, asked


def publish(contents: dict[str, bytes]) -> None:
    for name, array in zip(NAMES, ARRAYS):
        url = f"{fashion_mnist.DOWNLOAD_FOLDER}{name}.gz"
        contents[url] = gzip.compress(encode_idx(array))


def fill(folder: Path, ending: str = ".gz") -> None:
    folder.mkdir(parents=True)
    for name, array in zip(NAMES, ARRAYS):
        write_idx(folder / f"{name}{ending}", array)


def assert_small(data) -> None:
    found = [array for part in data for array in part]
    for ours, expected in zip(found, ARRAYS, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_given_path(small, server, tmp_path, ending) -> None:
    fill(tmp_path / "mine", ending)
    assert_small(fashion_mnist.load_data(tmp_path / "mine"))
    assert_small(fashion_mnist.load_data(str(tmp_path / "mine")))
    assert server[1] == []


def test_given_path_lacks_a_file(small, server, tmp_path) -> None:
    fill(tmp_path / "mine")
    (tmp_path / "mine" / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(DataError, match=f"{NAMES[3]}.gz in '.*mine', found neither"):
        fashion_mnist.load_data(tmp_path / "mine")
    assert server[1] == [], "a path that is given is never replaced by a download"


def test_given_path_has_another_data_set(small, tmp_path) -> None:
    fill(tmp_path / "mine")
    write_idx(tmp_path / "mine" / f"{NAMES[1]}.gz", np.zeros(3, np.uint8))
    with pytest.raises(FileFormatError, match="expected SHA-256 .* found") as caught:
        fashion_mnist.load_data(tmp_path / "mine")
    assert f"{NAMES[1]}.gz" in str(caught.value)
    assert "nervure.datasets.idx.read_idx" in str(caught.value)


def test_given_path_has_a_damaged_file(small, tmp_path) -> None:
    fill(tmp_path / "mine")
    (tmp_path / "mine" / f"{NAMES[1]}.gz").write_bytes(b"noise")
    with pytest.raises(FileFormatError, match="magic number"):
        fashion_mnist.load_data(tmp_path / "mine")


def test_debian_folder_comes_before_the_cache(small, server, tmp_path) -> None:
    fill(tmp_path / "debian")
    assert_small(fashion_mnist.load_data())
    assert not small.exists()
    assert server[1] == []


def test_download_and_cache(small, server, capsys) -> None:
    contents, asked = server
    publish(contents)
    assert_small(fashion_mnist.load_data())
    assert asked == list(contents)
    assert "downloading Fashion-MNIST" in capsys.readouterr().err
    assert sorted(file.name for file in small.iterdir()) == sorted(
        f"{name}.gz" for name in NAMES
    )
    contents.clear()
    assert_small(fashion_mnist.load_data())
    assert len(asked) == 4


def test_damaged_cache_is_fetched_again(small, server) -> None:
    fill(small)
    (small / f"{NAMES[2]}.gz").write_bytes(b"\x1f\x8b and nothing")
    publish(server[0])
    assert_small(fashion_mnist.load_data())
    assert len(server[1]) == 4
    assert_small(fashion_mnist.load_data())
    assert len(server[1]) == 4


def test_damaged_debian_file_is_passed_over(small, server, tmp_path) -> None:
    fill(tmp_path / "debian")
    (tmp_path / "debian" / f"{NAMES[0]}.gz").write_bytes(b"")
    fill(small)
    assert_small(fashion_mnist.load_data())
    assert server[1] == []


def test_offline(small, server) -> None:
    with pytest.raises(DataError) as caught:
        fashion_mnist.load_data()
    message = str(caught.value)
    assert "cannot be downloaded" in message
    assert "Name or service not known" in message
    assert "dataset-fashion-mnist" in message
    assert str(small) in message
    assert "load_data(path=" in message


def test_connection_that_breaks(small, monkeypatch) -> None:
    def urlopen(url: str, timeout: float) -> io.BytesIO:
        raise http.client.IncompleteRead(b"half")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    with pytest.raises(DataError, match="IncompleteRead"):
        fashion_mnist.load_data()


def test_wrong_download_is_neither_used_nor_kept(small, server) -> None:
    contents, _ = server
    publish(contents)
    url = f"{fashion_mnist.DOWNLOAD_FOLDER}{NAMES[0]}.gz"
    contents[url] = gzip.compress(encode_idx(np.zeros((3, 28, 28), np.uint8)))
    with pytest.raises(FileFormatError, match="expected SHA-256") as caught:
        fashion_mnist.load_data()
    assert url in str(caught.value)
    assert not small.exists()


def test_endless_download(small, server, monkeypatch) -> None:
    contents, _ = server
    publish(contents)
    monkeypatch.setattr(fashion_mnist, "_MOST_BYTES", 100)
    with pytest.raises(FileFormatError):
        fashion_mnist.load_data()


def test_cache_that_cannot_be_written(small, server, tmp_path) -> None:
    publish(server[0])
    (tmp_path / "file").write_text("in the way")
    with config.override(cache_dir=tmp_path / "file"):
        assert_small(fashion_mnist.load_data())


def test_class_names() -> None:
    assert len(set(fashion_mnist.CLASS_NAMES)) == 10


@pytest.mark.skipif(
    not fashion_mnist.DEBIAN_FOLDER.exists(),
    reason="the Debian package dataset-fashion-mnist is not installed",
)
def test_debian_package() -> None:
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert (x_train.shape, x_train.dtype) == ((60000, 28, 28), np.uint8)
    assert (x_test.shape, x_test.dtype) == ((10000, 28, 28), np.uint8)
    assert np.bincount(y_train).tolist() == [6000] * 10
    assert np.bincount(y_test).tolist() == [1000] * 10
    assert fashion_mnist.CLASS_NAMES[y_train[0]] == "Ankle boot"
