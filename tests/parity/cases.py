"""The cases of the parity table, and the data that both frameworks compute with.

Read by the tests and by the process that runs Keras, so only NumPy is used here.
"""

from __future__ import annotations

import json
import pathlib
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = pathlib.Path(__file__).parent

# The key of a case that says what it is about, and the module that has the name.
KINDS = {
    "layer": "layers",
    "loss": "losses",
    "metric": "metrics",
    "optimizer": "optimizers",
    "schedule": "optimizers.schedules",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "activation": "activations",
    "function": "",
}

Case = dict[str, Any]
Arrays = dict[str, npt.NDArray[Any]]


def read_cases(folder: pathlib.Path = FOLDER) -> dict[str, Case]:
    """Return all cases by their identity: ``<file>/<name>``."""
    cases: dict[str, Case] = {}
    for path in sorted(folder.rglob("*.json")):
        listed = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(listed, list):  # other data of the tests
            continue
        for case in listed:
            identity = f"{path.relative_to(folder).with_suffix('')}/{case['name']}"
            if identity in cases:
                raise ValueError(f"the case {identity!r} occurs twice")
            cases[identity] = case
    return cases


def kind_of(case: Case) -> str:
    """Return what a case is about: one of the keys of :data:`KINDS`."""
    (kind,) = (key for key in KINDS if key in case)
    return kind


def seed_of(case: Case, place: str) -> int:
    """Return the seed of one array of a case."""
    return zlib.crc32(f"{case['name']}/{place}".encode())


def is_array(description: Any) -> bool:
    """Tell whether a part of a case describes an array."""
    return isinstance(description, dict) and not description.keys().isdisjoint(
        ("shape", "values")
    )


def array(case: Case, place: str, description: dict[str, Any]) -> npt.NDArray[Any]:
    """Return the array that a case describes.

    ``values`` lists it.  Otherwise it is drawn, with the ``shape``: standard normal,
    uniform from ``low`` to ``high`` (whole numbers below ``high`` for a dtype of them),
    with ``"of": "probabilities"`` rows that add up to 1, with ``"of": "classes"``
    one-hot rows, with ``"of": "unit"`` rows of length 1, with ``"of": "signs"`` -1 and
    1.  ``dtype`` is float32 if not said.
    """
    dtype = np.dtype(description.get("dtype", "float32"))
    if "values" in description:
        return np.array(description["values"], dtype)
    shape = tuple(description["shape"])
    random = np.random.default_rng(seed_of(case, place))
    low, high = description.get("low"), description.get("high")
    of = description.get("of")
    if of == "probabilities":
        drawn = random.uniform(0.05, 1.0, shape)
        drawn /= drawn.sum(axis=-1, keepdims=True)
    elif of == "classes":
        drawn = np.eye(shape[-1])[random.integers(0, shape[-1], shape[:-1])]
    elif of == "unit":
        drawn = random.standard_normal(shape)
        drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    elif of == "signs":
        drawn = random.choice([-1.0, 1.0], shape)
    elif dtype.kind == "b":
        drawn = random.random(shape) < 0.6
    elif dtype.kind in "iu":
        drawn = random.integers(low or 0, 10 if high is None else high, shape)
    elif low is not None or high is not None:
        drawn = random.uniform(low or 0.0, 1.0 if high is None else high, shape)
    else:
        drawn = random.standard_normal(shape)
    return np.asarray(drawn, dtype)


def nested_kind(value: Any) -> str | None:
    """Return the kind of an object that an argument describes, or None."""
    if isinstance(value, dict) and set(value) <= {*KINDS, "config"}:
        kinds = [key for key in value if key in KINDS and isinstance(value[key], str)]
        if len(kinds) == 1:
            return kinds[0]
    return None
