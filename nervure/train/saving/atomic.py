"""Writing a file in one move: whatever happens, the old one or the new one is there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Final

from nervure.errors import explain
from nervure.exec import base

_ELSEWHERE: Final = "look at the disk, or write to another place"
_FIXES: Final = {
    errno.ENOSPC: "make room on the disk, or write to another one",
    errno.EDQUOT: "make room within your quota, or write to another disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a disk that is not read-only",
    errno.ENOENT: "make the folder first: path.parent.mkdir(parents=True)",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it never exists in part, not even after a crash.

    The content goes to a new file beside it, reaches the disk and takes the name in one
    step.  Raises :class:`OSError` of the kind that the system names, with the path and
    what to do; the old file is unchanged then.

    Of several processes that train together the first one writes.
    """
    if base.process_index > 0:
        return
    try:
        _write(path, content)
    except OSError as error:
        raise unwritable(path, len(content), error) from error


def append_whole(path: Path, content: bytes) -> None:
    """Add to a file all that is given, or nothing of it.

    Raises :class:`OSError` as :func:`write_atomically` does; the file is then as long
    as it was.
    """
    size = path.stat().st_size if path.exists() else 0
    try:
        # Unbuffered: nothing is left that Python would write when the file is closed.
        with path.open("ab", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        raise unwritable(path, len(content), error) from error


def unwritable(path: Path, nbytes: int, error: OSError) -> OSError:
    """Return an error of the same kind and number that says what was being written."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOENT:
        reason = f"there is no folder {str(path.parent)!r}"
    fix = _FIXES.get(error.errno or 0, _ELSEWHERE)
    if error.errno == errno.ENOENT and path.parent.is_dir():
        # a folder in which the system makes no files, such as /proc
        reason, fix = f"{str(path.parent)!r} takes no files", _ELSEWHERE
    # The kind follows from the number, as in open(): PermissionError, and so on.
    return OSError(
        error.errno,
        explain(
            f"{str(path)!r} of {nbytes:,} bytes could not be written: {reason}; what "
            "was there before is unchanged",
            fix=fix,
        ),
    )


def unmade_folder(path: Path, error: OSError) -> OSError:
    """Return an error of the same kind and number for a folder that was to be made."""
    reason = error.strerror or str(error)
    fix = _ELSEWHERE
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        reason, fix = "a file is in its place", "choose another name"
    elif error.errno == errno.ENOENT:
        reason = "the system takes no folders there"
    else:
        fix = _FIXES.get(error.errno or 0, fix)
    text = explain(f"the folder {str(path)!r} could not be made: {reason}", fix=fix)
    return OSError(error.errno, text)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
