"""The fast gradient sign method: one step along the sign of the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nervure import ops, step
from nervure.adversarial.problem import loss_direction, read_problem, read_size
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.train.batched import by_batches

if TYPE_CHECKING:
    from nervure.train.model import Model


def fgsm(
    model: Model,
    x: Any,
    y: Any = None,
    eps: float = 0.1,
    *,
    target: Any = None,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    batch_size: int = 32,
) -> NDArray:
    """Move every number of a sample by ``eps`` in the direction that raises the loss.

    ``x + eps * sign(d loss / d x)``, clipped; with a target, minus its loss.
    (Goodfellow, Shlens, Szegedy, "Explaining and harnessing adversarial examples",
    2015.)

    Parameters
    ----------
    model
        A classifier; layers behave as in ``predict``.
    x
        Samples ``[rows, *features]`` between ``clip_min`` and ``clip_max``.
    y
        Their classes: ``[rows]``, ``[rows, 1]`` or one-hot rows.  None takes those that
        the model sees.
    eps
        How far each number moves, in its unit.
    target
        The class that the model shall see, one for all or ``[rows]``; None: any other.
    clip_min, clip_max
        The limits of every number.
    batch_size
        How many samples are attacked at a time.

    Returns
    -------
    ``float32[rows, *features]``, a NumPy array.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        For samples outside the limits, and classes that do not fit.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> x = nv.adversarial.fgsm(model, [[0.6, 0.5]], [0], eps=0.1)
    >>> np.round(x, 3).tolist()
    [[0.5, 0.6000000238418579]]
    """
    problem = read_problem(model, x, y, target, clip_min, clip_max, batch_size)
    distance = read_size(eps, "eps", 0.1)
    signed = -distance if problem.targeted else distance
    program = model.kept("fgsm", lambda: step.compile(_moved_by(model)))
    return by_batches(
        lambda rows, labels: program(rows, labels, signed, problem.low, problem.high),
        [problem.x, problem.labels],
        problem.batch_size,
    )


def _moved_by(model: Model) -> Any:
    def moved(
        x: Array, labels: Array, distance: Array, low: Array, high: Array
    ) -> Array:
        gradient = loss_direction(model, x, labels)
        numbers = (one.astype(x.dtype) for one in (distance, low, high))
        distance, low, high = numbers
        return ops.clip(x + distance * ops.sign(gradient), low, high)

    return moved
