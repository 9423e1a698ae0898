"""Data sets of scikit-learn that make sense on a plane."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from nervure.errors import ArgumentError, explain
from nervure.studio.playground.points import (
    CLASSIFICATION,
    REGRESSION,
    Points,
    of_columns,
)

# name -> its title; each is one branch of `_drawn`.
TITLES: Final = {
    "moons": "two moons",
    "blobs": "two blobs",
    "iris": "iris: three kinds, by petals",
    "wine": "wine: three cultivars, by alcohol and flavanoids",
    "digits": "digits: ten classes, by two principal components",
    "breast_cancer": "breast cancer: radius and texture",
    "diabetes": "diabetes: progress by body mass and blood sugar",
}


def available() -> dict[str, str]:
    """Return titles by name, none where scikit-learn is not installed.

    >>> from nervure.studio.playground.named_sets import available
    >>> sorted(available())[:2]
    ['blobs', 'breast_cancer']
    """
    return dict(TITLES) if importlib.util.find_spec("sklearn") else {}


def named_set(name: str, *, noise: float, seed: int) -> Points:
    """Return a data set of scikit-learn as points of the plane.

    Raises :class:`~nervure.errors.ArgumentError` for an unknown name, or where
    scikit-learn is missing.

    >>> from nervure.studio.playground.named_sets import named_set
    >>> named_set("iris", noise=0.0, seed=0).x.shape
    (150, 2)
    """
    if not available():
        raise ArgumentError(
            explain(
                "scikit-learn is not installed",
                fix="pip install nervure[sklearn], then reload the page",
            )
        )
    if name not in TITLES:
        raise ArgumentError(
            explain(
                f"there is no data set {name!r} of scikit-learn here",
                fix=f"take {', '.join(TITLES)}",
            )
        )
    if name in _KINDS:
        inputs, numbers, axes, classes = _KINDS[name]()
        return of_columns(inputs, numbers, CLASSIFICATION, axes, seed, classes)
    inputs, targets, problem, axes = _drawn(name, noise, seed)
    return of_columns(inputs, targets, problem, axes, seed)


# --- more than two classes ------------------------------------------------------------

_Kinds = tuple[Any, Any, tuple[str, str], tuple[str, ...]]


def _iris() -> _Kinds:
    from sklearn import datasets

    found = datasets.load_iris()
    names = tuple(map(str, found.target_names))
    return found.data[:, 2:], found.target, ("petal length", "petal width"), names


def _wine() -> _Kinds:
    from sklearn import datasets

    found = datasets.load_wine()
    names = ("cultivar 1", "cultivar 2", "cultivar 3")
    return found.data[:, [0, 6]], found.target, ("alcohol", "flavanoids"), names


def _digits() -> _Kinds:
    from sklearn import datasets

    found = datasets.load_digits()
    centred = found.data - found.data.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    axes = ("first component", "second component")
    return centred @ directions[:2].T, found.target, axes, tuple("0123456789")


_KINDS: Final[dict[str, Callable[[], _Kinds]]] = {
    "iris": _iris,
    "wine": _wine,
    "digits": _digits,
}


# --- two classes, and numbers ---------------------------------------------------------


def _drawn(name: str, noise: float, seed: int) -> tuple[Any, Any, str, tuple[str, str]]:
    from sklearn import datasets

    if name == "moons":
        x, y = datasets.make_moons(500, noise=noise, random_state=seed)
        return x, y, CLASSIFICATION, ("x₁", "x₂")
    if name == "blobs":
        spread = 0.5 + 4 * noise
        x, y = datasets.make_blobs(
            500, centers=2, cluster_std=spread, random_state=seed
        )
        return x, y, CLASSIFICATION, ("x₁", "x₂")
    if name == "breast_cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
        return x[:, :2], y, CLASSIFICATION, ("mean radius", "mean texture")
    x, y = datasets.load_diabetes(return_X_y=True)
    return np.asarray(x)[:, [2, 9]], y, REGRESSION, ("body mass", "blood sugar")
