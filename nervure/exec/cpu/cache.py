"""Object files on disk: a program compiled once is not compiled again.

An entry's name is the digest of everything that its code depends on; its content begins
with a digest of the rest.  A damaged entry, or one that another user could have
written, is ignored and made anew.  Entries are written beside their place and moved
into it, so a reader never sees half of one.  When the folder grows past a limit, the
entries used longest ago go.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

import llvmlite

from nervure._version import __version__
from nervure.config import cache_directory

LIMIT_BYTES: Final = 256 * 2**20
_MAGIC: Final = b"nervure-object-1\n"
_DIGEST: Final = 32


class ObjectCache:
    """A folder of object files."""

    def __init__(self, folder: Path, limit: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit
        self._stored = 0

    @staticmethod
    def default() -> ObjectCache:
        """Return the cache in the user's cache folder."""
        version = f"{__version__}-llvmlite-{llvmlite.__version__}"
        return _cache_in(cache_directory() / "objects" / version)

    def load(self, key: str) -> bytes | None:
        """Return the object file of ``key``, or None."""
        path = self._folder / key
        try:
            with path.open("rb") as file:
                if not _is_ours(os.fstat(file.fileno())):
                    return None
                content = file.read(self._limit)
        except OSError:
            return None
        begin = len(_MAGIC) + _DIGEST
        body = content[begin:]
        if content[:begin] != _MAGIC + hashlib.sha256(body).digest() or not body:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return body

    def store(self, key: str, body: bytes) -> None:
        """Keep an object file; a folder that cannot be written is no error."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + hashlib.sha256(body).digest() + body)
                os.replace(temporary, self._folder / key)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                return
        except OSError:
            return
        self._stored += len(body)
        if self._stored > self._limit // 16 or self._stored == len(body):
            self._stored = 1
            self._shrink()

    def _shrink(self) -> None:
        """Delete the entries used longest ago until the folder is within its limit."""
        entries = []
        try:
            with os.scandir(self._folder) as found:
                for entry in found:
                    with contextlib.suppress(OSError):
                        status = entry.stat()
                        entries.append((status.st_mtime, status.st_size, entry.path))
        except OSError:
            return
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._limit:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
                total -= size


@functools.cache
def _cache_in(folder: Path) -> ObjectCache:
    return ObjectCache(folder)


def _is_ours(status: os.stat_result) -> bool:
    """Tell whether only this user can have written a file."""
    if not stat.S_ISREG(status.st_mode):
        return False
    if not hasattr(os, "getuid"):
        return True
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not writable_by_others
