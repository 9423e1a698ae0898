"""Read and write files in the IDX format, in which MNIST and its kin are published.

An IDX file is a header and the elements of one array in C order, all big-endian: two
zero bytes, a byte for the element type, a byte for the number of axes, the length of
each axis as uint32, the elements.  Source: http://yann.lecun.com/exdb/mnist/, section
"The IDX file format".

A header is only a claim.  It is held against the size of the file before memory is
taken, and a compressed file is never unpacked further than one byte beyond it.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nervure.errors import (
    DataError,
    DTypeError,
    FileFormatError,
    as_path,
    explain,
    require_file,
)

# element type in the file -> how NumPy calls it
_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES: Final = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}

_GZIP_MAGIC: Final = b"\x1f\x8b"
# Deflate cannot do better than 258 bytes for two bits; with headers 1,032 to one.
_DEFLATE_LIMIT: Final = 1032
# What an array may take unless the caller says more.
_MOST_BYTES: Final = 1 << 32
_FREE_BYTES: Final = 48 << 20
_MOST_AXES: Final = 64  # more than NumPy can hold
_CHUNK: Final = 1 << 20


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def byte_count(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.newbyteorder('=').name}[{', '.join(map(str, self.shape))}]"


def read_idx(
    source: str | os.PathLike[str] | bytes, *, max_bytes: int | None = None
) -> npt.NDArray[Any]:
    """Read one array from an IDX file, compressed with gzip or not.

    Parameters
    ----------
    source
        The path of the file, or its content as ``bytes``.  gzip is recognised by the
        content, not by the name.
    max_bytes
        The largest array to accept; by default 4 GiB, and for a compressed file four
        times its size and 48 MiB.

    Returns
    -------
    numpy.ndarray
        A new, writable array of uint8, int8, int16, int32, float32 or float64 in the
        byte order of this machine, with the shape that the file states.

    Raises
    ------
    FileFormatError
        The file is no IDX file, is damaged, truncated or too long, or its header claims
        another size than the file has.
    OSError
        The file cannot be opened or read.

    Examples
    --------
    >>> from nervure.datasets import idx
    >>> idx.read_idx(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    if isinstance(source, bytes):
        return _Reader("<bytes>", io.BytesIO(source), len(source)).read(max_bytes)
    name = str(as_path(source))
    require_file(Path(name))
    with open(name, "rb") as file:
        status = os.fstat(file.fileno())
        # The checks below need a size, which a pipe or a device does not have.
        if not stat.S_ISREG(status.st_mode):
            raise _rejected(name, "a regular file", "a device, a pipe or a socket")
        return _Reader(name, file, status.st_size).read(max_bytes)


class _Reader:
    """Reads one file; keeps its name for the error messages."""

    def __init__(self, name: str, file: BinaryIO, size: int) -> None:
        self.name = name
        self.size = size
        self.compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        self.file: BinaryIO = file
        if self.compressed:
            self.file = gzip.GzipFile(fileobj=file, mode="rb")  # type: ignore[assignment]

    def read(self, max_bytes: int | None) -> npt.NDArray[Any]:
        with self._gzip_errors():
            header = self._read_header()
            self._check_size(header, self._most() if max_bytes is None else max_bytes)
            array = self._allocate(header)
            view = array.reshape(-1).view(np.uint8).data
            count = self._fill(view)
            if count < len(view):
                raise self._wrong_size(header, f"{count:,}")
            if self.file.read(1):
                raise self._wrong_size(header, "more")
        native = header.dtype.newbyteorder("=")
        if native != header.dtype:
            array.byteswap(inplace=True)
        return array.view(native)

    def _most(self) -> int:
        return _FREE_BYTES + 4 * self.size if self.compressed else _MOST_BYTES

    def _read_header(self) -> _Header:
        magic = self._take(4, "the 4 bytes of the magic number")
        zeros, code, axes = struct.unpack(">HBB", magic)
        if zeros or code not in _DTYPES:
            types = ", ".join(f"{known:02x}" for known in _DTYPES)
            raise _rejected(
                self.name,
                f"the magic number of an IDX file (00 00, one of {types}, axes)",
                magic.hex(" "),
            )
        if axes > _MOST_AXES:
            raise _rejected(self.name, f"at most {_MOST_AXES} axes", f"{axes} axes")
        lengths = self._take(4 * axes, f"the lengths of {axes} axes ({4 * axes} bytes)")
        return _Header(_DTYPES[code], struct.unpack(f">{axes}I", lengths))

    def _take(self, count: int, what: str) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            raise _rejected(self.name, what, f"the end of the file after {len(data)}")
        return data

    def _check_size(self, header: _Header, max_bytes: int) -> None:
        """Hold what the header claims against the size of the file."""
        claimed = header.byte_count
        if self.compressed:
            if claimed > self.size * _DEFLATE_LIMIT:
                raise _rejected(
                    self.name,
                    f"{claimed:,} bytes for {header}",
                    f"a gzip file of {self.size:,} bytes, which cannot hold so many",
                )
        else:
            rest = self.size - 4 - 4 * len(header.shape)
            if claimed != rest:
                raise self._wrong_size(header, f"{rest:,}")
        if claimed > max_bytes:
            raise _rejected(
                self.name,
                f"at most {max_bytes:,} bytes",
                f"{claimed:,} bytes for {header}",
                fix="if the file is to be trusted, pass a larger max_bytes",
            )

    def _allocate(self, header: _Header) -> npt.NDArray[Any]:
        try:
            return np.empty(header.shape, header.dtype)
        except ValueError:  # an empty array, but the other axes overflow
            raise _rejected(
                self.name, "a shape that NumPy can hold", str(header)
            ) from None

    def _fill(self, view: memoryview) -> int:
        count = 0
        while count < len(view):
            # In pieces, since gzip would take as much memory again for one large read.
            data = self.file.read(min(_CHUNK, len(view) - count))
            if not data:
                break
            view[count : count + len(data)] = data
            count += len(data)
        return count

    def _wrong_size(self, header: _Header, found: str) -> FileFormatError:
        expected = f"{header.byte_count:,} bytes of elements for {header}"
        return _rejected(self.name, expected, found)

    @contextlib.contextmanager
    def _gzip_errors(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _rejected(
                self.name, "a whole gzip file", f"damage ({error})"
            ) from error


def _rejected(
    name: str, expected: str, found: str, fix: str = "fetch the file again"
) -> FileFormatError:
    return FileFormatError(
        explain(f"IDX file {name!r}: expected {expected}, found {found}", fix=fix)
    )


def encode_idx(array: npt.ArrayLike) -> bytes:
    """Return the content of an IDX file that holds ``array``.

    Raises :class:`~nervure.errors.DTypeError` for a type other than uint8, int8, int16,
    int32, float32 and float64, and :class:`~nervure.errors.DataError` for an axis
    longer than the format can say.

    Examples
    --------
    >>> import numpy as np
    >>> from nervure.datasets import idx
    >>> idx.encode_idx(np.array([7, 9], np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 02 07 09'
    """
    values = np.asarray(array)
    code = _CODES.get(values.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(dtype.name for dtype in _CODES)
        raise DTypeError(
            explain(
                f"IDX holds one of {known}, got {values.dtype}",
                fix="convert the array with .astype first",
            )
        )
    if any(length > 0xFFFFFFFF for length in values.shape):
        raise DataError(
            explain(
                f"IDX has axes up to 4,294,967,295 long, got {values.shape}",
                fix="split the array over several files",
            )
        )
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return header + values.astype(_DTYPES[code], copy=False).tobytes()


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write ``array`` as an IDX file, compressed when the name ends in ``.gz``.

    ``array`` has any shape, and one of the types of the format: bytes, integers up
    to 32 bits, float32, float64.

    Raises what :func:`encode_idx` raises, and ``OSError`` if writing fails; the file
    that was there before is unchanged then.

    >>> import numpy as np, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "ones.idx.gz")
    ...     write_idx(path, np.ones((2, 3), "uint8"))
    ...     read_idx(path).shape
    (2, 3)
    """
    from nervure.train.saving.atomic import write_atomically

    content = encode_idx(array)
    name = str(as_path(path))
    if name.endswith(".gz"):
        content = gzip.compress(content, mtime=0)  # the same input, the same bytes
    write_atomically(Path(name), content)
