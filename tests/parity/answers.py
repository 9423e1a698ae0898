"""Asks real Keras, in a process and an environment of its own, and keeps its answers.

Nothing but arrays comes back: one ``.npz`` file a case, read without pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
from collections.abc import Mapping

import numpy as np

from tests.parity.cases import FOLDER, Arrays, Case

ROOT = FOLDER.parent.parent
# What the answers depend on besides the case itself.
_SOURCES = ("cases.py", "computing.py", "keras_side.py", "environment.txt")


class NoKerasError(Exception):
    """There is no environment with Keras."""


def keras_python() -> pathlib.Path:
    """Return the Python that has Keras; raises :class:`NoKerasError` without one.

    The environment variable ``NERVURE_KERAS_PYTHON`` names it, else it is the one that
    ``make keras-env`` makes.
    """
    given = os.environ.get("NERVURE_KERAS_PYTHON")
    path = pathlib.Path(given) if given else ROOT / ".venv-keras/bin/python"
    if path.exists():
        return path
    if given:
        raise FileNotFoundError(
            f"NERVURE_KERAS_PYTHON names {given}, which is not there"
        )
    raise NoKerasError("there is no .venv-keras; make it with `make keras-env`")


class Answers:
    """The answers of Keras, asked for all at once and kept in a folder.

    Parameters
    ----------
    folder
        Where the answers lie from one run of the tests to the next.
    wanted
        The cases by identity; all that lack an answer are asked at the first look.
    """

    def __init__(self, folder: pathlib.Path, wanted: Mapping[str, Case]) -> None:
        self._folder = folder
        self._wanted = dict(wanted)
        self._asked: set[str] = set()
        self._sources = b"".join((FOLDER / one).read_bytes() for one in _SOURCES)

    def of(self, case: Case) -> Arrays:
        """Return the answers for a case; raises :class:`RuntimeError` if Keras did."""
        name = self._name(case)
        if not (self._folder / f"{name}.npz").exists() and name not in self._asked:
            self._wanted[name] = case  # it may not be among those that were chosen
            self._ask()
        error = self._folder / f"{name}.error"
        if error.exists():
            raise RuntimeError(f"Keras failed:\n{error.read_text(encoding='utf-8')}")
        with np.load(self._folder / f"{name}.npz", allow_pickle=False) as file:
            return dict(file)

    def _ask(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        names = {self._name(case): case for case in self._wanted.values()}
        missing = {
            name: case
            for name, case in names.items()
            if not (self._folder / f"{name}.npz").exists() and name not in self._asked
        }
        self._asked |= names.keys()
        for name in missing:
            (self._folder / f"{name}.error").unlink(missing_ok=True)
        request = self._folder / "request.json"
        request.write_text(json.dumps(missing), encoding="utf-8")
        command = [
            *(str(keras_python()), "-m", "tests.parity.keras_side"),
            *(str(request), str(self._folder)),
        ]
        # Each small computation is compiled once and hardly run: compile it fast.
        flags = "--xla_backend_optimization_level=0"
        environment = {**os.environ, "XLA_FLAGS": flags}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"the process with Keras failed:\n{done.stderr[-4000:]}")

    def _name(self, case: Case) -> str:
        text = json.dumps(case, sort_keys=True).encode()
        return hashlib.sha256(self._sources + text).hexdigest()[:24]
