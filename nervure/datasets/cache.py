"""Files that the data sets keep in the user's cache folder.

Nothing here may fail loudly: a cache that cannot be written only costs time.  And
nothing read from it is believed: readers compare the content with a SHA-256 that is
part of the source code.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from nervure.config import cache_directory


def dataset_folder() -> Path | None:
    """Return the folder of cached data sets (it may not exist), or None without one."""
    try:
        return cache_directory() / "datasets"
    except RuntimeError:  # Path.home() has no answer in a bare container
        return None


def store(path: Path, parts: Iterable[bytes | memoryview]) -> bool:
    """Write ``parts`` one after the other to ``path`` and say whether that worked.

    The bytes go to a temporary file beside ``path`` that takes its name at the end, so
    another process sees the whole file or none.
    """
    import tempfile

    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False
    return True
