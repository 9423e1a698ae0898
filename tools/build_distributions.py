"""Build the wheel and the sdist so that the same sources give the same bytes.

    python tools/build_distributions.py FOLDER

Only what git tracks goes in.  Every time inside is that of the last commit, or what
SOURCE_DATE_EPOCH says; owners and permissions are the same everywhere.  setuptools sees
to that in wheels; sdists are packed again here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Tests and benchmarks need the repository beside them.
LEFT_OUT = ("tests/", "benchmarks/")
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, sys.argv[1])(sys.argv[2])
"""


def epoch() -> int:
    """Return the time that all files get, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or _git("log", "-1", "--format=%ct"))


def copy_of_sources(folder: Path) -> Path:
    """Copy what git tracks, so that nothing else gets into what is built."""
    for name in _git("ls-files", "-z").split("\0"):
        source = ROOT / name
        if not name or name.startswith(LEFT_OUT) or not source.is_file():
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return folder


def packed_again(path: Path, seconds: int) -> None:
    """Write a ``.tar.gz`` anew: in order, with one time, and nobody as owner."""
    packed = io.BytesIO()
    with (
        tarfile.open(path) as old,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.size, entry.mtime = member.type, member.size, seconds
            entry.mode = 0o755 if member.isdir() else 0o644
            new.addfile(entry, old.extractfile(member) if member.isfile() else None)
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=seconds) as z:
        z.write(packed.getvalue())


def build(folder: Path) -> list[Path]:
    """Build both into a folder, and return them."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    seconds = epoch()
    with tempfile.TemporaryDirectory() as work:
        sources = copy_of_sources(Path(work) / "sources")
        for kind in ("build_sdist", "build_wheel"):
            target = Path(work) / kind
            target.mkdir()
            subprocess.run(
                [sys.executable, "-c", BUILD, kind, str(target)],
                cwd=sources,
                env={**os.environ, "SOURCE_DATE_EPOCH": str(seconds)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        results = []
        for made in sorted(Path(work).glob("build_*/nervure*")):
            if made.suffix == ".gz":
                packed_again(made, seconds)
            results.append(folder / made.name)
            results[-1].write_bytes(made.read_bytes())
    return results


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    for _one in build(Path(sys.argv[1])):
        print(hashlib.sha256(_one.read_bytes()).hexdigest(), _one)
