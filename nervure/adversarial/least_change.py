"""The first attack: the smallest change, found by L-BFGS in a box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import ops, step
from nervure.adversarial.constants import ConstantSearch, Smallest
from nervure.adversarial.descent import minimized
from nervure.adversarial.problem import Problem, read_problem, read_size
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray
from nervure.ops import nn
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import class_scores, score_program
from nervure.transforms import value_and_grad

if TYPE_CHECKING:
    from nervure.train.model import Model


def lbfgs(
    model: Model,
    x: Any,
    target: Any = None,
    *,
    confidence: float = 0.0,
    steps: int = 100,
    search_steps: int = 8,
    first_constant: float = 1.0,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    batch_size: int = 32,
) -> NDArray:
    """Find the smallest change that turns a sample into another class.

    Minimises ``|r|^2 + c * crossentropy(x + r, target)`` for samples ``x + r`` within
    the limits, and searches for the smallest ``c`` with which the model sees the
    target.  (Szegedy et al., "Intriguing properties of neural networks", 2013; the
    weight is on the loss, as Carlini and Wagner write it.)

    Parameters
    ----------
    model, x, clip_min, clip_max, batch_size
        As for :func:`~nervure.adversarial.fgsm`.
    target
        The class that the model shall see, one for all or ``[rows]``; None: the class
        that it holds second likely.
    confidence
        How likely the target shall be at least, from 0 to less than 1; it is the
        likeliest class in any case.
    steps
        The most steps of L-BFGS for one constant.
    search_steps
        How many constants are tried.
    first_constant
        The first of them.

    Returns
    -------
    ``float32[rows, *features]``, a NumPy array.  A sample for which no change was found
    comes back as it was.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        As :func:`~nervure.adversarial.fgsm`.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> x = nv.adversarial.lbfgs(model, [[0.6, 0.5]], target=1)
    >>> np.round(x, 2).tolist()
    [[0.550000011920929, 0.550000011920929]]
    """
    problem = read_problem(model, x, None, target, clip_min, clip_max, batch_size)
    if target is None:
        problem = problem._replace(labels=_runners_up(problem), targeted=True)
    most = whole_number(steps, "steps", 1, 100)
    tries = whole_number(search_steps, "search_steps", 1, 8)
    first = read_size(first_constant, "first_constant", 1.0, least=1e-12)
    sure = _read_probability(confidence)
    return by_batches(
        lambda rows, labels: _smallest(problem, rows, labels, most, tries, first, sure),
        [problem.x, problem.labels],
        problem.batch_size,
    )


def _read_probability(value: Any) -> float:
    if isinstance(value, int | float) and 0 <= value < 1:
        return float(value)
    raise ArgumentError(
        explain(
            f"confidence must be a number from 0 to less than 1, got {value!r}",
            fix="0.9 asks for a model that is 90 % sure of the target",
        )
    )


def _runners_up(problem: Problem) -> NDArray:
    program = score_program(problem.model)
    scores = by_batches(program, [problem.x], problem.batch_size)
    return scores.argsort(axis=1)[:, -2].astype(np.int32)


def _smallest(
    problem: Problem,
    x: NDArray,
    labels: NDArray,
    steps: int,
    tries: int,
    first: float,
    confidence: float,
) -> NDArray:
    """Return the smallest changes that were found for one batch."""
    program = problem.model.kept("lbfgs", lambda: step.compile(_losses(problem.model)))
    rows = len(x)
    origin = x.reshape(rows, -1).astype(np.float64)
    search, best = ConstantSearch(rows, first), Smallest(x)

    def evaluated(points: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        samples = points.astype(x.dtype).reshape(x.shape)
        found = [one.numpy() for one in program(samples, labels)]
        losses, gradients, scores = found
        return losses.astype(np.float64), gradients.reshape(rows, -1), scores

    def reaches(points: NDArray) -> NDArray:
        losses, _, scores = evaluated(points)
        return problem.succeeds(scores, labels) & (np.exp(-losses) >= confidence)

    def objective(points: NDArray) -> tuple[NDArray, NDArray]:
        losses, gradients, _ = evaluated(points)
        change = points - origin
        weights = search.constants
        return (
            (change**2).sum(axis=1) + weights * losses,
            2 * change + weights[:, None] * gradients,
        )

    for _ in range(tries):
        points = minimized(objective, origin, problem.low, problem.high, steps=steps)
        reached = reaches(points)
        best.take(
            points.astype(x.dtype).reshape(x.shape),
            ((points - origin) ** 2).sum(axis=1),
            reached,
        )
        search.learn(reached)
    return best.samples


def _losses(model: Model) -> Any:
    def losses(x: Array, labels: Array) -> tuple[Array, Array, Array]:
        def total(one: Array) -> tuple[Array, tuple[Array, Array]]:
            scores = class_scores(model, one)
            each = nn.sparse_categorical_crossentropy_with_logits(labels, scores)
            return ops.sum(each), (each, scores)

        (_, (each, scores)), gradient = value_and_grad(total, has_aux=True)(x)
        return each, gradient, scores

    return losses
