"""The zip of a ``.keras`` file: a configuration, and weights in HDF5."""

from __future__ import annotations

import errno
import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

from nervure.train.saving.container import UNREADABLE_ZIP, damaged, parse_json

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.weights.h5"
# What else Keras writes; nobody here needs it.
_IGNORED: Final = ("metadata.json", "assets/")
# Keras packs nothing, but others may: numbers get a little smaller, and of small files
# much does not matter.
_FREE_BYTES: Final = 8 << 20


def read(path: Path) -> tuple[dict[str, Any], io.BytesIO]:
    """Return the configuration and the bytes of the weights.

    Nothing is written to a disk, so names that lead out of a folder lead nowhere.
    Raises :class:`~nervure.errors.FileFormatError` for what Keras would not write.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = _checked(path, archive)
            config = parse_json(path, archive.read(infos[_CONFIG]), _CONFIG)
            data = archive.read(infos[_WEIGHTS])
    except (*UNREADABLE_ZIP, zlib.error) as error:
        raise damaged(path, f"it is not a readable zip ({error})") from None
    except OSError as error:
        # a place before the file's beginning, to which zipfile lets the system seek
        if error.errno != errno.EINVAL:
            raise
        raise damaged(path, "it is not a readable zip (wrong offsets)") from None
    if not isinstance(config, dict):
        raise damaged(path, f"its {_CONFIG} describes no model")
    return config, io.BytesIO(data)


def _checked(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    size = os.stat(path).st_size
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name in infos:
            raise damaged(path, f"it has two entries named {name!r}")
        if name not in (_CONFIG, _WEIGHTS) and not name.startswith(_IGNORED):
            raise damaged(path, f"it has an unexpected entry {name!r}")
        infos[name] = info
    for name in (_CONFIG, _WEIGHTS):
        if name not in infos:
            raise damaged(path, f"it has no entry {name!r}")
        unpacked = infos[name].file_size
        if unpacked > size + _FREE_BYTES:
            raise damaged(path, f"its entry {name!r} claims {unpacked} bytes")
    return infos
