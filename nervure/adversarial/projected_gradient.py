"""Projected gradient descent on the sample, within a ball around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import ops, step
from nervure.adversarial.problem import (
    Problem,
    as_column,
    loss_direction,
    read_norm,
    read_problem,
    read_size,
    row_norms,
)
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.session import numpy_generator

if TYPE_CHECKING:
    from nervure.train.model import Model


def pgd(
    model: Model,
    x: Any,
    y: Any = None,
    eps: float = 0.1,
    steps: int = 40,
    *,
    step_size: float | None = None,
    norm: str | float = "inf",
    random_start: bool = True,
    target: Any = None,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    batch_size: int = 32,
    seed: int | None = None,
) -> NDArray:
    """Climb the loss in small steps, never further than ``eps`` from the sample.

    After each step the sample is put back into the ball of radius ``eps`` and between
    ``clip_min`` and ``clip_max``.  In the norm "inf" a step goes along the sign of the
    gradient, in the norm 2 along the gradient of unit length.  (Madry et al., "Towards
    deep learning models resistant to adversarial attacks", 2018.)  Without a random
    start this is the basic iterative method of Kurakin et al., 2017.

    Parameters
    ----------
    model, x, y, target, clip_min, clip_max, batch_size
        As for :func:`~nervure.adversarial.fgsm`.
    eps
        The radius of the ball.
    steps
        How many steps.
    step_size
        The length of a step; by default ``2.5 * eps / steps``, with which every point
        of the ball can be reached.
    norm
        "inf": no number moves by more than ``eps``; 2: the Euclidean length of the
        change is at most ``eps``.
    random_start
        Begin at a random point of the ball, drawn evenly.
    seed
        Of the random start; None draws one from the process's generator
        (``nervure.utils.set_random_seed``).

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
    >>> x = nv.adversarial.pgd(model, [[0.6, 0.5]], [0], eps=0.1, norm=2, seed=0)
    >>> np.round(x, 2).tolist()
    [[0.5299999713897705, 0.5699999928474426]]
    """
    problem = read_problem(model, x, y, target, clip_min, clip_max, batch_size)
    radius = read_size(eps, "eps", 0.1)
    count = whole_number(steps, "steps", 1, 20)
    length = (
        2.5 * radius / count
        if step_size is None
        else read_size(step_size, "step_size", 0.01)
    )
    name = read_norm(norm)
    start = problem.x
    if random_start:
        generator = numpy_generator(seed)
        noise = _inside_ball(generator, start, radius, name)
        start = np.clip(start + noise, problem.low, problem.high)
    return climb(problem, start, radius, count, length, name)


def climb(
    problem: Problem,
    start: NDArray,
    radius: float,
    steps: int,
    length: float,
    norm: str,
) -> NDArray:
    """Return the samples after all steps, from ``start`` on."""
    model = problem.model
    program = model.kept(("pgd", norm), lambda: step.compile(_step(model, norm)))
    signed = -length if problem.targeted else length

    def attacked(rows: NDArray, origin: NDArray, labels: NDArray) -> Any:
        for _ in range(steps):
            rows = program(
                rows, origin, labels, signed, radius, problem.low, problem.high
            )
        return rows

    return by_batches(attacked, [start, problem.x, problem.labels], problem.batch_size)


def _step(model: Model, norm: str) -> Any:
    def stepped(x: Array, origin: Array, labels: Array, *numbers: Array) -> Array:
        length, radius, low, high = (one.astype(x.dtype) for one in numbers)
        gradient = loss_direction(model, x, labels)
        moved = x + length * direction(gradient, norm)
        return ops.clip(origin + within_ball(moved - origin, radius, norm), low, high)

    return stepped


def direction(gradient: Array, norm: str) -> Array:
    """Return the step of length 1 along which a linear loss grows most, row by row."""
    if norm == "inf":
        return ops.sign(gradient)
    # No gradient, no direction: such a row stays where it is.
    return gradient / ops.maximum(lengths(gradient), 1e-30)


def within_ball(change: Array, radius: Array | float, norm: str) -> Array:
    """Return the nearest changes, row by row, that are no longer than ``radius``."""
    if norm == "inf":
        return ops.clip(change, -radius, radius)
    return change * ops.minimum(1.0, radius / ops.maximum(lengths(change), 1e-30))


def lengths(values: Array) -> Array:
    """Return the Euclidean length of each row, which broadcasts against the rows."""
    axes = tuple(range(1, values.ndim))
    # Scaled first: squares of small gradients vanish in float32.
    largest = ops.max(ops.abs(values), axis=axes, keepdims=True)
    scale = ops.where(largest > 0, largest, 1.0)
    return scale * ops.sqrt(
        ops.sum(ops.square(values / scale), axis=axes, keepdims=True)
    )


def _inside_ball(
    generator: np.random.Generator, like: NDArray, radius: float, norm: str
) -> NDArray:
    """Return a random change for each row, even over the ball."""
    if norm == "inf":
        drawn = generator.uniform(-radius, radius, like.shape)
        return drawn.astype(like.dtype)
    drawn = generator.standard_normal(like.shape)
    features = like[0].size
    reach = radius * generator.uniform(size=len(like)) ** (1 / features)
    scale = reach / np.maximum(row_norms(drawn), 1e-30)
    return (drawn * as_column(scale, drawn)).astype(like.dtype)
