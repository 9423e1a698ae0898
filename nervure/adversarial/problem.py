"""What all attacks are given, read and checked in one place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, DataError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.ops import nn
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import (
    class_count,
    class_scores,
    read_labels,
    read_samples,
    score_program,
)
from nervure.transforms import value_and_grad

if TYPE_CHECKING:
    from nervure.train.model import Model


class Problem(NamedTuple):
    """A model, samples, and what shall become of them.

    Attributes
    ----------
    model
        The network under attack.
    x
        ``float[rows, *features]``: the samples, all within the box.
    labels
        ``int32[rows]``: the classes to leave; with ``targeted`` those to reach.
    targeted
        Which of both.
    classes
        How many classes the model tells apart.
    low, high
        The box in which every number of an adversarial sample lies.
    batch_size
        How many samples are attacked at a time.
    """

    model: Model
    x: NDArray
    labels: NDArray
    targeted: bool
    classes: int
    low: float
    high: float
    batch_size: int

    def succeeds(self, scores: NDArray, labels: NDArray) -> NDArray:
        """Tell for each row of scores whether the attack has reached its aim."""
        hit: NDArray = scores.argmax(axis=1) == labels
        return hit if self.targeted else ~hit


def read_problem(
    model: Model,
    x: Any,
    y: Any,
    target: Any,
    clip_min: float,
    clip_max: float,
    batch_size: int,
) -> Problem:
    """Return the checked arguments of an attack.

    ``y`` None means the classes that the model sees now, so that no label leaks.
    ``target`` makes the attack a targeted one; ``y`` is not needed then.

    Raises
    ------
    DataError, ShapeError
        For samples, labels and targets that do not fit the model, and samples outside
        the box.
    ArgumentError
        For a box without room, a batch size below 1, and models without a score for
        each of two classes at least.
    """
    samples = read_samples(model, x)
    low, high = read_box(samples, clip_min, clip_max)
    size = whole_number(batch_size, "batch_size", 1, 32)
    classes = class_count(model, samples)
    if classes < 2:
        raise ArgumentError(
            explain(
                f"the model {model.name!r} gives one score, so there is no other class",
                fix="attack a classifier: Dense(classes, activation='softmax'), or "
                "Dense(1, activation='sigmoid')",
            )
        )
    rows = len(samples)
    if target is not None:
        labels = read_labels(target, rows, classes, "target")
    elif y is not None:
        labels = read_labels(y, rows, classes)
    else:
        scores = by_batches(score_program(model), [samples], size)
        labels = scores.argmax(axis=1).astype(np.int32)
    return Problem(model, samples, labels, target is not None, classes, low, high, size)


def read_box(x: NDArray, clip_min: float, clip_max: float) -> tuple[float, float]:
    """Return the limits of every number; raises where samples lie outside."""
    low, high = float(clip_min), float(clip_max)
    if not low < high:
        raise ArgumentError(
            explain(
                f"clip_min must be less than clip_max, got {clip_min!r} and "
                f"{clip_max!r}",
                fix="pass the range of the data, such as clip_min=0.0, clip_max=1.0",
            )
        )
    least, most = float(x.min()), float(x.max())
    slack = 1e-6 * (high - low)
    if least < low - slack or most > high + slack:
        raise DataError(
            explain(
                f"x goes from {least:g} to {most:g}, but clip_min and clip_max allow "
                f"{low:g} to {high:g}",
                fix="scale x as the model was trained on it (x / 255 for pictures), or "
                "pass the limits of its numbers as clip_min and clip_max",
            )
        )
    np.clip(x, low, high, out=x)
    return low, high


def read_size(value: Any, name: str, example: float, *, least: float = 0.0) -> float:
    """Return an argument that is a finite number of at least ``least``."""
    is_number = isinstance(value, int | float | np.number)
    if isinstance(value, bool) or not is_number or not least <= value < math.inf:
        raise ArgumentError(
            explain(
                f"{name} must be a number of at least {least:g}, got {value!r}",
                fix=f"pass {name}={example:g}, for example",
            )
        )
    return float(value)


def read_norm(norm: Any) -> str:
    """Return "inf" or "2" for ``"linf"``, ``numpy.inf``, ``2``, ``"L2"`` and so on."""
    name = str(norm).lower().removeprefix("l_").removeprefix("l").removesuffix(".0")
    if name not in ("inf", "2"):
        raise unknown_name("norm", norm, ("inf", "2"))
    return name


# --- programs -----------------------------------------------------------------------


def leads(model: Model, x: Array, labels: Array) -> Array:
    """Return by how much all other classes together are ahead of the label.

    ``logsumexp(other scores) - score of the label``, ``float[rows]``.  The
    cross-entropy is ``log(1 + exp(lead))``, so both grow in the same direction; but its
    own gradient vanishes where the network is sure.
    """
    scores = class_scores(model, x)
    chosen = ops.one_hot(labels, scores.shape[1]) > 0
    others = nn.logsumexp(ops.where(chosen, -math.inf, scores), axis=1)
    return others - ops.sum(ops.where(chosen, scores, 0.0), axis=1)


def loss_direction(model: Model, x: Array, labels: Array) -> Array:
    """Return where each sample's cross-entropy grows, in the shape of x.

    It is the gradient but for a positive factor of each row; see :func:`leads`.
    """
    _, gradient = value_and_grad(lambda one: ops.sum(leads(model, one, labels)))(x)
    found: Array = gradient
    return found


def row_norms(values: NDArray) -> NDArray:
    """Return the Euclidean length of each row, whatever its shape: ``float[rows]``.

    >>> import numpy as np
    >>> row_norms(np.array([[[3.0], [4.0]]])).tolist()
    [5.0]
    """
    return np.linalg.norm(values.reshape(len(values), -1), axis=1)


def as_column(values: NDArray, like: NDArray) -> NDArray:
    """Return one number a row, shaped so that it broadcasts against rows of ``like``.

    >>> import numpy as np
    >>> as_column(np.zeros(2), np.zeros((2, 3, 4))).shape
    (2, 1, 1)
    """
    return values.reshape(-1, *(1,) * (like.ndim - 1))
