"""Arrays in an HDF5 file, of which nothing is believed.

Links to other files, data kept elsewhere, Python objects and data sets that claim more
than the file holds are errors.
"""

from __future__ import annotations

import contextlib
import io
import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from nervure.errors import NervureError, explain
from nervure.importers.keras.hdf5_heaps import fault_in_heaps
from nervure.importers.keras.hdf5_layout import FREE_BYTES, fault_in_layout
from nervure.ir.attrs import NDArray
from nervure.train.saving.container import damaged

# What the numbers of a data set may be: no strings, objects or records.
_KINDS: Final = "biuf"
_MOST_MEMBERS: Final = 1_000_000
_MOST_LEVELS: Final = 40


class Numbers:
    """The groups and arrays of a file."""

    def __init__(self, path: Path, file: Any, size: int) -> None:
        self._path = path
        self._file = file
        self._size = size
        self._read = 0  # bytes; a name may lead to the same array as another

    def members(self, group: str) -> list[str]:
        """Return the names in a group, none where there is no such group."""
        found = self._find(group)
        if found is None:
            return []
        if not hasattr(found, "keys"):
            raise damaged(self._path, f"{group!r} is no group")
        return list(found.keys())

    def is_group(self, name: str) -> bool:
        """Tell whether there is a group of a name."""
        found = self._find(name)
        return found is not None and hasattr(found, "keys")

    def array(self, name: str) -> NDArray:
        """Return an array."""
        found = self._find(name)
        if found is None:
            raise damaged(self._path, f"it has no array {name!r}")
        self._check(name, found)
        self._read += self._bytes(found)
        self._check_total(self._read)
        return np.asarray(found[()])

    def attribute(self, group: str, name: str) -> Any:
        """Return an attribute, None where there is none."""
        found = self._find(group)
        return None if found is None else found.attrs.get(name)

    def numbers_size(self) -> int:
        """Return the bytes of all arrays together; each is checked.

        Packed numbers may take a little more than the file, not a hundred times more.
        """
        total = 0
        waiting = [""]
        seen = 0
        while waiting:
            group = waiting.pop()
            for name in self.members(group):
                full = f"{group}/{name}" if group else name
                seen += 1
                if seen > _MOST_MEMBERS or full.count("/") > _MOST_LEVELS:
                    raise damaged(self._path, "its groups do not end")
                if self.is_group(full):
                    waiting.append(full)
                else:
                    found = self._find(full)
                    if getattr(found, "dtype", None) and found.dtype.kind in _KINDS:
                        self._check(full, found)
                        total += self._bytes(found)
        self._check_total(total)
        return total

    def _check_total(self, total: int) -> None:
        if total > self._size + FREE_BYTES:
            raise damaged(
                self._path,
                f"its arrays claim {total:,} bytes together, it has {self._size:,}",
            )

    def _bytes(self, found: Any) -> int:
        return int(math.prod(found.shape) * found.dtype.itemsize)

    def _check(self, name: str, found: Any) -> None:
        import h5py

        if not isinstance(found, h5py.Dataset):  # but a named type
            raise damaged(self._path, f"{name!r} is no array")
        if found.dtype.kind not in _KINDS:
            raise damaged(self._path, f"{name!r} holds {found.dtype}, not numbers")
        if found.external or found.is_virtual:
            raise damaged(self._path, f"the numbers of {name!r} are in another file")
        if found.id.get_storage_size() * 100 < self._bytes(found):
            raise damaged(
                self._path,
                f"{name!r} claims the shape {list(found.shape)}, but the file does not "
                "hold so many numbers",
            )

    def _find(self, name: str) -> Any:
        """Return a group or data set that is in this file itself."""
        import h5py

        found = self._file
        for part in name.split("/") if name else ():
            if part not in found:
                return None
            if not isinstance(found.get(part, getlink=True), h5py.HardLink):
                raise damaged(self._path, f"{name!r} is a link to another place")
            found = found[part]
            if not hasattr(found, "keys"):
                break
        return found


def _checked(path: Path, source: Path | io.BytesIO) -> int:
    """Return the bytes of a file that the HDF5 library may read."""
    if isinstance(source, io.BytesIO):
        fault = _fault(source.getvalue())
        size = source.getbuffer().nbytes
    else:
        size = source.stat().st_size
        if not size:
            raise damaged(path, "it is empty")
        with (
            source.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            fault = _fault(content)
    if fault is not None:
        raise damaged(path, fault)
    return size


def _fault(content: bytes | mmap.mmap) -> str | None:
    return fault_in_heaps(content) or fault_in_layout(content)


@contextlib.contextmanager
def opened(path: Path, source: Path | io.BytesIO) -> Iterator[Numbers]:
    """Open an HDF5 file; what HDF5 complains about becomes an explained error."""
    try:
        import h5py
    except ImportError:
        raise ImportError(
            explain(
                f"reading {str(path)!r} needs h5py",
                fix="pip install 'nervure[keras-files]'",
            )
        ) from None
    size = _checked(path, source)
    try:
        file = h5py.File(source, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise damaged(path, f"it is no HDF5 that can be read ({error})") from None
    try:
        with file:
            yield Numbers(path, file, size)
    except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, NervureError):
            raise
        raise damaged(path, f"HDF5 says: {error}") from None
