"""DeepFool: step by step over the nearest boundary of a linearised network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.adversarial.problem import (
    Problem,
    as_column,
    read_norm,
    read_problem,
    read_size,
)
from nervure.ir.attrs import NDArray
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import score_gradient_program

if TYPE_CHECKING:
    from nervure.train.model import Model


def deepfool(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    steps: int = 50,
    candidates: int = 10,
    overshoot: float = 0.02,
    norm: str | float = 2,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    batch_size: int = 32,
) -> NDArray:
    """Push samples over the nearest boundary of their class, by almost no more.

    In every step the scores are taken for linear, so the nearest boundary to another
    class is known; the sample goes there, until the model sees another class.
    (Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool", 2016.)

    Parameters
    ----------
    model, x, y, clip_min, clip_max, batch_size
        As for :func:`~nervure.adversarial.fgsm`.
    steps
        The most steps.
    candidates
        How many classes are regarded: those with the highest scores at the sample.
    overshoot
        By which part of the way the sample goes beyond the boundary.
    norm
        In which length the boundary is near: 2 or "inf".

    Returns
    -------
    ``float32[rows, *features]``, a NumPy array.

    Raises
    ------
    DataError, ShapeError, ArgumentError, UnknownNameError
        As :func:`~nervure.adversarial.fgsm`, and for an unknown norm.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> x = nv.adversarial.deepfool(model, [[0.6, 0.4]])
    >>> np.round(x, 2).tolist()
    [[0.5, 0.5]]
    """
    problem = read_problem(model, x, y, None, clip_min, clip_max, batch_size)
    most = whole_number(steps, "steps", 1, 50)
    count = whole_number(candidates, "candidates", 2, 10)
    beyond = read_size(overshoot, "overshoot", 0.02)
    name = read_norm(norm)
    return by_batches(
        lambda rows, labels: pushed(problem, rows, labels, most, count, beyond, name),
        [problem.x, problem.labels],
        problem.batch_size,
    )


def pushed(
    problem: Problem,
    x: NDArray,
    labels: NDArray,
    steps: int,
    candidates: int,
    overshoot: float,
    norm: str,
) -> NDArray:
    """Return the samples of one batch behind a boundary."""
    program = score_gradient_program(problem.model)
    change = np.zeros_like(x)
    current = x
    others: NDArray | None = None
    for _ in range(steps):
        scores, own = (one.numpy() for one in program(current, labels))
        inside = ~problem.succeeds(scores, labels)
        if not inside.any():
            break
        if others is None:
            others = _most_likely(scores, labels, candidates)
        nearest = np.full(len(x), np.inf, x.dtype)
        best = np.zeros_like(x)
        rows = np.arange(len(x))
        for other in others.T:
            slope = program(current, other)[1].numpy() - own
            gap = np.abs(scores[rows, other] - scores[rows, labels])
            distance, way = _to_boundary(slope, gap, norm)
            nearer = distance < nearest
            nearest[nearer], best[nearer] = distance[nearer], way[nearer]
        change[inside] += best[inside]
        moved = x + (1 + overshoot) * change
        moved = np.clip(moved, problem.low, problem.high).astype(x.dtype)
        current = np.where(as_column(inside, x), moved, current)
    return current


def _most_likely(scores: NDArray, labels: NDArray, count: int) -> NDArray:
    """Return the classes with the highest scores besides the labels, ``[rows, k]``."""
    others = scores.astype(np.float64)
    others[np.arange(len(labels)), labels] = -np.inf
    kept = min(count, scores.shape[1]) - 1
    return np.argsort(-others, axis=1, kind="stable")[:, :kept].astype(np.int32)


def _to_boundary(slope: NDArray, gap: NDArray, norm: str) -> tuple[NDArray, NDArray]:
    """Return how far a boundary is, and the way there, for each row."""
    flat = slope.reshape(len(slope), -1)
    if norm == "inf":
        distance = gap / (np.abs(flat).sum(axis=1) + 1e-8)
        return distance, as_column(distance + 1e-4, slope) * np.sign(slope)
    length = np.linalg.norm(flat, axis=1) + 1e-8
    distance = gap / length
    return distance, as_column((distance + 1e-4) / length, slope) * slope
