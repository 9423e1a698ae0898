"""What is shipped: the same bytes each time it is built, and it works by itself."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, sys.argv[1])(sys.argv[2])
"""
SMOKE = """
import numpy as np, nervure as nv
from nervure.datasets import digits
x, y = digits.load_data()
model = nv.models.Sequential([nv.layers.Flatten(), nv.layers.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
history = model.fit(x[:200] / 16.0, y[:200], epochs=2, verbose=0).history
assert history["loss"][1] < history["loss"][0]
model.save("m.nv")
assert np.array_equal(nv.models.load_model("m.nv").predict(x[:3] / 16.0, verbose=0),
                      model.predict(x[:3] / 16.0, verbose=0))
print(nv.__file__)
"""


def copy_of_sources(folder: Path) -> Path:
    """Copy what git tracks, so that nothing else gets into what is built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in listed.decode().split("\0"):
        source = ROOT / name
        if not name or name.startswith(("tests/", "benchmarks/")) or source.is_dir():
            continue
        if source.exists():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return folder


def built(folder: Path) -> dict[str, Path]:
    """Return the sdist and the wheel that are built from the sources."""
    sources, results = copy_of_sources(folder / "src"), folder / "dist"
    results.mkdir()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
    for kind in ("build_sdist", "build_wheel"):
        done = subprocess.run(
            [sys.executable, "-c", BUILD, kind, str(results)],
            cwd=sources,
            env={**environment, "PYTHONHASHSEED": "random"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    return {one.suffix: one for one in results.iterdir()}


def without_times(path: Path) -> str:
    """Return the SHA-256 of names and contents of an sdist."""
    digest = hashlib.sha256()
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            file = archive.extractfile(member) if member.isfile() else None
            content = file.read() if file else b""
            digest.update(f"{member.name}\0{member.mode}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


@pytest.mark.slow
def test_wheel_and_sdist_are_built_the_same_twice_and_work_alone(tmp_path):
    pytest.importorskip("setuptools", "77")
    first, second = built(tmp_path / "one"), built(tmp_path / "two")
    one, two = (group[".whl"].read_bytes() for group in (first, second))
    assert hashlib.sha256(one).hexdigest() == hashlib.sha256(two).hexdigest()
    assert without_times(first[".gz"]) == without_times(second[".gz"])
    with zipfile.ZipFile(first[".whl"]) as wheel:
        names = wheel.namelist()
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]
    assert [name for name in names if name.endswith("LICENSE")]
    # alone: nothing of the repository and no installed copy is on the path
    with zipfile.ZipFile(first[".whl"]) as wheel:
        wheel.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", SMOKE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(tmp_path / "site"))


def test_versions_for_development_are_exact():
    inexact = [
        one
        for one in PROJECT["optional-dependencies"]["dev"]
        if not re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", one)
    ]
    assert inexact == []


def test_every_dependency_is_explained_with_its_licence():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    licences = page.partition("## Licences")[2]
    wanted = [*PROJECT["dependencies"]]
    wanted += [
        one for group in PROJECT["optional-dependencies"].values() for one in group
    ]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted}
    assert not [one for one in names if f"`{one}`" not in licences]
