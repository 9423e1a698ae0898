"""Object files on disk: a program compiled once is not compiled again.

An entry's name is the digest of everything that its code depends on.  Its content
begins with a digest of that name and of the rest, so an entry that is damaged, or has
been given another's name, is ignored and made anew.  So is everything in a folder, or a
file, that another user could have written.  Entries are written beside their place and
moved into it: a reader never sees half of one.  When the folder grows past a limit, the
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

from nervure.config import cache_directory

LIMIT_BYTES: Final = 256 * 2**20
_MAGIC: Final = b"nervure-object-2\n"
_HEAD: Final = len(_MAGIC) + hashlib.sha256().digest_size
# How often the folder is looked through: whenever this part of the limit was written.
_PART: Final = 16


class ObjectCache:
    """A folder of object files."""

    def __init__(self, folder: Path, limit: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit
        self._since_shrinking: int | None = None  # bytes; None: never shrunk

    @staticmethod
    def default() -> ObjectCache:
        """Return the cache in the user's cache folder."""
        return _cache_in(cache_directory() / "objects")

    def load(self, key: str) -> bytes | None:
        """Return the object file of ``key``, or None."""
        path = self._folder / key
        try:
            if not _is_ours(os.stat(self._folder)):
                return None
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if not (stat.S_ISREG(status.st_mode) and _is_ours(status)):
                    return None
                # Not read(limit): Python would first make room for all of it.
                content = file.read(min(status.st_size, self._limit))
        except OSError:
            return None
        body = content[_HEAD:]
        if not body or content[:_HEAD] != _head(key, body):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return body

    def store(self, key: str, body: bytes) -> None:
        """Keep an object file; a folder that cannot be written is no error."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(os.stat(self._folder)):
                return
            self._write(key, _head(key, body) + body)
            written = (self._since_shrinking or 0) + len(body)
            first = self._since_shrinking is None
            self._since_shrinking = written
            if first or written > self._limit // _PART:
                self._since_shrinking = 0
                self._shrink()

    def _write(self, key: str, content: bytes) -> None:
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, self._folder / key)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _shrink(self) -> None:
        """Delete the entries used longest ago until the folder is within its limit."""
        entries = []
        with os.scandir(self._folder) as found:
            for entry in found:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._limit:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
                total -= size


@functools.lru_cache(maxsize=8)
def _cache_in(folder: Path) -> ObjectCache:
    return ObjectCache(folder)


def _head(key: str, body: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(key.encode() + body).digest()


def _is_ours(status: os.stat_result) -> bool:
    """Tell whether only this user can have written a file or folder."""
    if not hasattr(os, "getuid"):
        return True
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not writable_by_others
