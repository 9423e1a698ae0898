"""Writing a file in one move: whatever happens, the old one or the new one is there."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from nervure.exec import base


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it never exists in part, not even after a crash.

    The content goes to a new file beside it, reaches the disk and takes the name in one
    step.  Raises :class:`OSError` as ``open`` does; the old file is unchanged then.

    Of several processes that train together the first one writes.
    """
    if base.process_index > 0:
        return
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
