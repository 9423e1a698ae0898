"""One change for all samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.adversarial.nearest_boundary import pushed
from nervure.adversarial.problem import (
    Problem,
    read_norm,
    read_problem,
    read_size,
)
from nervure.ir.attrs import NDArray
from nervure.nn.arguments import within_unit
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import score_program
from nervure.train.session import numpy_generator

if TYPE_CHECKING:
    from nervure.train.model import Model


def universal(
    model: Model,
    x: Any,
    *,
    eps: float = 0.1,
    norm: str | float = "inf",
    fooling_rate: float = 0.8,
    passes: int = 10,
    steps: int = 10,
    candidates: int = 10,
    overshoot: float = 0.02,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    batch_size: int = 32,
    seed: int | None = None,
) -> NDArray:
    """Find one change that turns the answers to most samples.

    The samples are visited in random order.  Where the change does not yet fool the
    model, DeepFool's way over the nearest boundary is added to it, and the sum is put
    back into the ball of radius ``eps``.  (Moosavi-Dezfooli et al., "Universal
    adversarial perturbations", 2017.)

    Parameters
    ----------
    model, x, clip_min, clip_max, batch_size
        As for :func:`~nervure.adversarial.fgsm`.
    eps, norm
        The radius of the ball, and its norm: "inf" or 2.
    fooling_rate
        End as soon as this share of the samples is seen as another class.
    passes
        End after so many passes over the samples.
    steps, candidates, overshoot
        As for :func:`~nervure.adversarial.deepfool`, for each sample.
    seed
        Of the order; None draws one from the process's generator.

    Returns
    -------
    ``float32[*features]``, a NumPy array: the change.  Add it to samples and clip them;
    it often fools the model on samples that it was not made from, and other models.

    Raises
    ------
    DataError, ShapeError, ArgumentError, UnknownNameError
        As :func:`~nervure.adversarial.fgsm`, and for an unknown norm.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> x = np.array([[0.5, 0.4], [0.6, 0.5]], "float32")
    >>> change = nv.adversarial.universal(model, x, eps=0.1, seed=0)
    >>> model.predict(x + change).argmax(axis=1).tolist()
    [1, 1]
    """
    problem = read_problem(model, x, None, None, clip_min, clip_max, batch_size)
    radius = read_size(eps, "eps", 0.1)
    name = read_norm(norm)
    wanted = within_unit("fooling_rate", fooling_rate)
    most = whole_number(passes, "passes", 1, 10)
    each = (
        whole_number(steps, "steps", 1, 10),
        whole_number(candidates, "candidates", 2, 10),
        read_size(overshoot, "overshoot", 0.02),
    )
    generator = numpy_generator(seed)
    change = np.zeros_like(problem.x[0])
    for _ in range(most):
        if _fooled(problem, change) >= wanted:
            break
        for row in generator.permutation(len(problem.x)):
            sample, label = problem.x[row][None], problem.labels[row][None]
            moved = _clipped(problem, sample + change)
            behind = pushed(problem, moved, label, *each, "2")
            change = _put_back(change + (behind - moved)[0], radius, name)
    return change


def _fooled(problem: Problem, change: NDArray) -> float:
    """Return the share of the samples that are seen as another class."""
    moved = _clipped(problem, problem.x + change)
    scores = by_batches(score_program(problem.model), [moved], problem.batch_size)
    return float(problem.succeeds(scores, problem.labels).mean())


def _clipped(problem: Problem, samples: NDArray) -> NDArray:
    return np.clip(samples, problem.low, problem.high).astype(problem.x.dtype)


def _put_back(change: NDArray, radius: float, norm: str) -> NDArray:
    if norm == "inf":
        return np.clip(change, -radius, radius).astype(change.dtype)
    length = float(np.linalg.norm(change))
    return change if length <= radius else (change * (radius / length))
