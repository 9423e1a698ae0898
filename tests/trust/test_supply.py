"""What is shipped: the same bytes each time it is built, and it works by itself."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
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


VERSIONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build twice, compare, and return the wheel."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("dist")
    digests = []
    for name in ("one", "two"):
        done = subprocess.run(
            [sys.executable, "tools/build_distributions.py", str(folder / name)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "random", "TZ": f"{name}+5"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        made = sorted((folder / name).iterdir())
        assert [one.suffix for one in made] == [".whl", ".gz"]
        digests.append([hashlib.sha256(one.read_bytes()).hexdigest() for one in made])
    assert digests[0] == digests[1]
    return made[0]


def interpreter(version: str) -> str | None:
    """Return a Python of this version, if there is one."""
    known = Path.home() / ".pyenv" / "versions"
    found = [shutil.which(f"python{version}")]
    found += map(str, sorted(known.glob(f"{version}.*/bin/python")))
    for one in filter(None, found):
        done = subprocess.run([one, "--version"], capture_output=True, check=False)
        if done.stdout.decode().startswith(f"Python {version}."):
            return one
    return None


def alone(python: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess:
    """Run the smoke test where nothing of the repository is on the path."""
    folder.mkdir(exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [str(python), "-W", "error", "-c", SMOKE],
        cwd=folder,
        env={**environment, "NERVURE_CACHE_DIR": str(folder / "cache"), **more},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_wheel_and_sdist_are_built_the_same_twice_and_work_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]
    assert [name for name in names if name.endswith("LICENSE")]
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        members = archive.getmembers()
    assert len({one.mtime for one in members}) == 1
    assert {(one.uid, one.uname) for one in members} == {(0, "")}
    site = tmp_path / "site"
    done = alone(sys.executable, tmp_path / "work", PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(site))


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_wheel_is_installed_and_works_in_an_empty_environment(wheel, tmp_path, version):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    place = tmp_path / "venv"
    made = subprocess.run([python, "-m", "venv", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"Python {version} makes no environments: {made.stderr[-200:]}")
    done = subprocess.run(
        [place / "bin" / "python", "-m", "pip", "install", "--quiet", wheel],
        capture_output=True,
        text=True,
    )
    if "NewConnectionError" in done.stderr or "No matching dist" in done.stderr:
        pytest.skip("no package registry answers")
    assert done.returncode == 0, done.stderr[-2000:]
    done = alone(place / "bin" / "python", tmp_path / "work")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(place))


def requirements(extra: str) -> list[str]:
    return PROJECT["optional-dependencies"][extra]


def locked() -> dict[str, str]:
    """Return the versions of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [one.split("==") for one in lines if one and not one.startswith("#")]
    return {plain(name): version for name, version in pairs}


def plain(name: str) -> str:
    """Return a name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


@pytest.mark.parametrize("extra", ["dev", "docs"])
def test_versions_for_development_are_exact(extra):
    exact = r"[\w.-]+(\[\w+\])?==[\w.]+"
    assert [one for one in requirements(extra) if not re.fullmatch(exact, one)] == []
    for one in requirements(extra):
        assert locked()[plain(one)] == one.partition("==")[2]


def test_what_they_need_is_locked_too():
    """Follow the requirements of what is installed here, down to the last."""
    known, missing = {("pip", frozenset())}, set()
    ahead = [one for extra in ("dev", "docs") for one in requirements(extra)]
    ahead += PROJECT["dependencies"]
    while ahead:
        one = Requirement(ahead.pop())
        key = (plain(one.name), frozenset(one.extras))
        if key in known:
            continue
        known.add(key)
        if key[0] not in locked():
            missing.add(key[0])
        with contextlib.suppress(metadata.PackageNotFoundError):
            further = map(Requirement, metadata.requires(one.name) or ())
            ahead += [str(each) for each in further if _holds(each, one.extras)]
    assert not missing, "run tools/lock.py in an environment with all extras"


def _holds(one: Requirement, extras: set[str]) -> bool:
    if one.marker is None:
        return True
    return any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def test_every_dependency_is_explained_with_its_licence():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    licences = page.partition("## Licences")[2]
    wanted = [*PROJECT["dependencies"]]
    wanted += [
        one for group in PROJECT["optional-dependencies"].values() for one in group
    ]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted}
    assert not [one for one in names if f"`{one}`" not in licences]
