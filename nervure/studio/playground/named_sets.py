"""Data sets of scikit-learn that make sense on a plane."""

from __future__ import annotations

import importlib.util
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
    "iris": "iris: versicolor or virginica, by petals",
    "wine": "wine: first kind or another, by alcohol and flavanoids",
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
    (100, 2)
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
    inputs, targets, problem, axes = _drawn(name, noise, seed)
    return of_columns(inputs, targets, problem, axes, seed)


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
    if name == "iris":
        x, y = datasets.load_iris(return_X_y=True)
        rows = y > 0
        return x[rows, 2:], y[rows], CLASSIFICATION, ("petal length", "petal width")
    if name == "wine":
        x, y = datasets.load_wine(return_X_y=True)
        return x[:, [0, 6]], y == 0, CLASSIFICATION, ("alcohol", "flavanoids")
    if name == "breast_cancer":
        x, y = datasets.load_breast_cancer(return_X_y=True)
        return x[:, :2], y, CLASSIFICATION, ("mean radius", "mean texture")
    x, y = datasets.load_diabetes(return_X_y=True)
    return np.asarray(x)[:, [2, 9]], y, REGRESSION, ("body mass", "blood sugar")
