"""The container of every file that Nervure writes: a zip with a list of checksums.

The first entry, ``manifest.json``, is ``{"format": "nervure", "kind": "model",
"version": 1, "made_by": "nervure 0.1", "entries": {name: {"bytes", "sha256"}}}``.
The others are JSON or safetensors.  Nothing is compressed and times are left out, so
equal models give equal files, and a file cannot unfold to more than its size.

Reading verifies before it believes: the names, sizes, checksums and the version.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nervure._version import __version__
from nervure.errors import FileFormatError, NervureError, explain
from nervure.train.saving.atomic import write_atomically

MANIFEST: Final = "manifest.json"
# The newest version of the format that this code writes, and the oldest that it reads.
VERSION: Final = 1
# A manifest lists a handful of entries.
_MOST_MANIFEST_BYTES: Final = 1 << 16
# How many values JSON may have, beside what grows with the file: no more in memory than
# a few times the file.
_FREE_PARTS: Final = 400_000
# What constructors raise for arguments that make no sense; a file may hold any.
UNUSABLE: Final = (
    *(NervureError, TypeError, ValueError, LookupError, AttributeError),
    *(ArithmeticError, RecursionError, NotImplementedError, MemoryError),
)
# What zipfile raises for damage; NotImplementedError stands for a newer version of zip,
# RuntimeError for encryption, UnicodeDecodeError for names.
UNREADABLE_ZIP: Final = (
    *(zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError),
    *(UnicodeDecodeError, OverflowError, struct.error),
)
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)


def write_container(path: Path, kind: str, entries: Mapping[str, bytes]) -> None:
    """Write a container in one move.

    ``kind`` says what it holds: ``"model"``, ``"weights"`` or ``"backup"``.
    """
    manifest = {
        "format": "nervure",
        "kind": kind,
        "version": VERSION,
        "made_by": f"nervure {__version__}",
        "entries": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in entries.items()
        },
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_info(MANIFEST), json.dumps(manifest, indent=1))
        for name, data in entries.items():
            archive.writestr(_info(name), data)
    write_atomically(path, buffer.getvalue())


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.external_attr = 0o644 << 16
    return info


def read_container(
    path: Path, kinds: tuple[str, ...], names: frozenset[str]
) -> tuple[str, dict[str, bytes]]:
    """Return the kind and the verified entries of a container.

    Parameters
    ----------
    path
        The file.
    kinds, names
        The kinds that will do, and the entries that such files may have.

    Raises
    ------
    FileFormatError
        For anything that is not as it should be: no zip, truncated, a wrong checksum, a
        newer version, unknown, missing or repeated entries, compressed ones.
    OSError
        When the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = _checked_infos(path, archive, names | {MANIFEST})
            manifest = _checked_manifest(path, archive, infos, kinds)
            listed = manifest["entries"]
            return manifest["kind"], {
                name: _verified(path, archive.read(infos[name]), name, listed[name])
                for name in listed
            }
    except UNREADABLE_ZIP as error:
        raise damaged(path, f"it is not a readable zip ({error})") from None
    except OSError as error:
        # a place before the file's beginning, to which zipfile lets the system seek
        if error.errno != errno.EINVAL:
            raise
        raise damaged(path, "it is not a readable zip (wrong offsets)") from None


def _checked_infos(
    path: Path, archive: zipfile.ZipFile, names: frozenset[str]
) -> dict[str, zipfile.ZipInfo]:
    size = os.stat(path).st_size
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in infos:
            raise damaged(path, f"it has two entries named {info.filename!r}")
        if info.filename not in names:
            raise damaged(path, f"it has an unexpected entry {info.filename!r}")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise damaged(path, f"its entry {info.filename!r} is packed or encrypted")
        if info.file_size != info.compress_size or info.file_size > size:
            raise damaged(
                path,
                f"its entry {info.filename!r} claims {info.file_size} bytes, more than "
                "the file has",
            )
        infos[info.filename] = info
    return infos


def _checked_manifest(
    path: Path,
    archive: zipfile.ZipFile,
    infos: Mapping[str, zipfile.ZipInfo],
    kinds: tuple[str, ...],
) -> dict[str, Any]:
    info = infos.get(MANIFEST)
    if info is None or info.file_size > _MOST_MANIFEST_BYTES:
        raise damaged(path, f"it has no {MANIFEST} of a sensible size")
    manifest = parse_json(path, archive.read(info), MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != "nervure":
        raise damaged(path, f"its {MANIFEST} does not name the format nervure")
    version = manifest.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise damaged(path, f"its version is {version!r}")
    if version > VERSION:
        raise FileFormatError(
            explain(
                f"{str(path)!r} has the format version {version} of "
                f"{manifest.get('made_by')!r}; this is nervure {__version__}, which "
                f"reads versions up to {VERSION}",
                fix="use a newer nervure: pip install --upgrade nervure",
            )
        )
    if manifest.get("kind") not in kinds:
        raise FileFormatError(
            explain(
                f"{str(path)!r} holds a {manifest.get('kind')!r}, expected "
                + " or ".join(map(repr, kinds)),
                fix="models are read with load_model, weights with load_weights",
            )
        )
    entries = manifest.get("entries")
    if not isinstance(entries, dict) or {MANIFEST, *entries} != set(infos):
        raise damaged(path, f"its {MANIFEST} does not list the entries that it has")
    return manifest


def _verified(path: Path, data: bytes, name: str, listed: Any) -> bytes:
    found = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if listed != found:
        raise damaged(path, f"the checksum of its entry {name!r} is wrong")
    return data


def parse_json(path: Path, data: bytes, name: str) -> Any:
    """Return plain data from the JSON entry ``name`` of a file."""
    # "[]," takes three bytes in the file and thirty times that in memory.
    parts = sum(map(data.count, (b",", b"[", b"{")))
    if parts > _FREE_PARTS + len(data) // 32:
        raise damaged(path, f"its entry {name!r} has {parts:,} parts, too many")
    try:
        # As UTF-8 and nothing else: given bytes, json would guess among five encodings.
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its entry {name!r} is not JSON ({error})") from None


def is_no_fault_of_a_file(error: Exception) -> bool:
    """Tell whether memory has run out, rather than that a file asks for too much.

    NumPy raises a kind of its own for an array of a size that cannot be had.

    >>> is_no_fault_of_a_file(MemoryError()), is_no_fault_of_a_file(TypeError())
    (True, False)
    """
    return type(error) is MemoryError


def damaged(path: Path, reason: str) -> FileFormatError:
    """Return the error for a file that is not what it claims to be."""
    return FileFormatError(
        explain(
            f"{str(path)!r} is damaged or was not written by nervure: {reason}",
            fix="copy it again, or write it again with model.save",
        )
    )
