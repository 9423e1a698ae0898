"""Data sets that ship inside the package, each as one xz file.

A packed file holds the bytes of a few ``uint8`` arrays, one after the other.  In
pictures two rows are interleaved, pixel by pixel: LZMA predicts a byte from the one
before it, and the pixel above tells as much as the pixel to the left.  With one bit of
position as context (``lp=1``) MNIST takes 8.9 MB instead of 9.1 MB, at no cost in time.

Unpacking 55 MB of MNIST takes more than half a second, so the plain bytes are kept in
the user's cache folder.  Whatever is read, from the package or from the cache, must
have the SHA-256 that is written in the source code.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nervure.datasets.cache import dataset_folder, store
from nervure.errors import DataError, FileFormatError, explain

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PackedDataset:
    """What is known of a packed file before it is opened.

    Attributes
    ----------
    name
        The name of the file under ``nervure/datasets/data``, without ``.xz``.
    shapes
        The shapes of the arrays in the file, in order; all are ``uint8``.
    sha256
        Hash of the arrays' bytes in C order, one array after the other.
    cached
        Keep the plain bytes in the user's cache folder.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    sha256: str
    cached: bool = False

    def load(self) -> list[Bytes]:
        """Return the arrays, fresh and writable, from the cache or from the package.

        Raises :class:`~nervure.errors.FileFormatError` when the file in the package is
        damaged, and :class:`~nervure.errors.DataError` when this Python cannot read xz.
        """
        cache = self._cache_file()
        if cache is not None:
            arrays = self._read_cache(cache)
            if arrays is not None:
                return arrays
        arrays = self._read_package()
        if cache is not None:
            store(cache, [array.data for array in arrays])
        return arrays

    def _cache_file(self) -> Path | None:
        folder = dataset_folder() if self.cached else None
        # The hash in the name lets two versions of Nervure share the folder.
        return folder and folder / f"{self.name}-{self.sha256[:12]}.raw"

    def _read_cache(self, path: Path) -> list[Bytes] | None:
        """Return the arrays in a cache file, or None if it is not exactly what it was.

        The hash is taken of the bytes that are returned, so a file that changes while
        it is being read cannot slip through.
        """
        arrays = [np.empty(shape, np.uint8) for shape in self.shapes]
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode) or status.st_size != self._byte_count():
                return None
            with open(path, "rb", buffering=0) as file:
                for array in arrays:
                    if not _fill(array, file):
                        return None
        except OSError:
            return None
        return arrays if _hash(arrays) == self.sha256 else None

    def _read_package(self) -> list[Bytes]:
        try:
            import lzma
        except ImportError as error:  # built from source without the library
            raise DataError(
                explain(
                    f"the data set {self.name!r} is compressed with xz, which this "
                    f"Python lacks ({error})",
                    fix="use a Python with the module lzma; where Python is built from "
                    "source, install liblzma-dev (xz-devel) first",
                )
            ) from error
        from importlib.resources import files

        file = files("nervure.datasets") / "data" / f"{self.name}.xz"
        try:
            data = lzma.decompress(file.read_bytes(), format=lzma.FORMAT_XZ)
        except (OSError, lzma.LZMAError, EOFError) as error:
            raise self._damaged(f"{file} cannot be unpacked ({error})") from error
        if len(data) != self._byte_count():
            raise self._damaged(
                f"{file}: expected {self._byte_count()} bytes, found {len(data)}"
            )
        arrays = list(unpack(data, self.shapes))
        found = _hash(arrays)
        if found != self.sha256:
            raise self._damaged(f"{file}: expected SHA-256 {self.sha256}, got {found}")
        return arrays

    def _byte_count(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    def _damaged(self, what: str) -> FileFormatError:
        return FileFormatError(
            explain(
                f"the data set {self.name!r} inside the package is damaged: {what}",
                fix="install nervure again",
            )
        )


def pack(arrays: Iterable[Bytes]) -> bytes:
    """Return the bytes of ``arrays`` in the order in which xz takes least room."""
    return b"".join(_interleave(array).tobytes() for array in arrays)


def unpack(data: bytes, shapes: Iterable[tuple[int, ...]]) -> Iterable[Bytes]:
    """Yield the arrays that :func:`pack` was given."""
    start = 0
    for shape in shapes:
        part = np.frombuffer(data, np.uint8, math.prod(shape), start)
        yield _separate(part, shape)
        start += part.size


def _interleave(array: Bytes) -> Bytes:
    """Bring ``[n, height, width]`` to ``[n, height / 2, width, 2]``."""
    if array.ndim != 3:
        return array
    count, height, width = array.shape
    return array.reshape(count, height // 2, 2, width).transpose(0, 1, 3, 2)


def _separate(part: Bytes, shape: tuple[int, ...]) -> Bytes:
    """Undo :func:`_interleave` and return a new array of the given shape."""
    if len(shape) != 3:
        return part.reshape(shape).copy()
    count, height, width = shape
    pairs = part.reshape(count, height // 2, width, 2)
    array = np.empty(shape, np.uint8)
    # Two plain copies are several times faster than one copy of a transposed view.
    array[:, 0::2] = pairs[..., 0]
    array[:, 1::2] = pairs[..., 1]
    return array


def _fill(array: Bytes, file: FileIO) -> bool:
    """Read from an unbuffered file until ``array`` is full; False at an early end."""
    view = array.data.cast("B")
    while len(view):
        count = file.readinto(view)
        if not count:
            return False
        view = view[count:]
    return True


def _hash(arrays: Iterable[Bytes]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()
