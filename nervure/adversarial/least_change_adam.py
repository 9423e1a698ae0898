"""The attack of Carlini and Wagner: the smallest change, found by Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure import ops, step
from nervure.adversarial.constants import ConstantSearch, Smallest
from nervure.adversarial.problem import Problem, read_problem, read_size
from nervure.array import Array
from nervure.ir.attrs import NDArray
from nervure.nn.optimizers.adam import adam_step
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import at_labels, class_scores
from nervure.transforms import value_and_grad

if TYPE_CHECKING:
    from nervure.train.model import Model

# Limits of the box would be infinitely far away: they are approached this closely.
_NEAR_LIMIT: Final = 0.999999
# How often a search looks whether it still gains something.
_LOOKS: Final = 10


def carlini_wagner(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    target: Any = None,
    confidence: float = 0.0,
    steps: int = 1000,
    search_steps: int = 9,
    learning_rate: float = 0.01,
    first_constant: float = 1e-3,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    batch_size: int = 32,
) -> NDArray:
    """Find the change of least Euclidean length that makes the model see another class.

    Minimises ``|r|^2 + c * max(margin + confidence, 0)``, where the margin says by how
    much the right class is ahead of all others (with a target: all others of the
    target).  Limits are kept by writing a sample as the tanh of free numbers.  A binary
    search finds the smallest ``c`` that suffices.  (Carlini and Wagner, "Towards
    evaluating the robustness of neural networks", 2017.)

    Parameters
    ----------
    model, x, y, target, clip_min, clip_max, batch_size
        As for :func:`~nervure.adversarial.fgsm`.
    confidence
        By how much the wrong class shall be ahead, in logits.
    steps
        The most steps of Adam for one constant; a search that gains nothing for any
        sample ends early.
    search_steps
        How many constants are tried.
    learning_rate
        Of Adam.
    first_constant
        The first constant.

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
    >>> x = nv.adversarial.carlini_wagner(model, [[0.6, 0.4]], steps=200)
    >>> np.round(x, 1).tolist()
    [[0.5, 0.5]]
    """
    problem = read_problem(model, x, y, target, clip_min, clip_max, batch_size)
    ahead = read_size(confidence, "confidence", 0.0)
    most = whole_number(steps, "steps", 1, 1000)
    tries = whole_number(search_steps, "search_steps", 1, 9)
    rate = read_size(learning_rate, "learning_rate", 0.01, least=1e-12)
    first = read_size(first_constant, "first_constant", 1e-3, least=1e-12)
    return by_batches(
        lambda rows, labels: _Search(problem, rows, labels, ahead, rate).smallest(
            most, tries, first
        ),
        [problem.x, problem.labels],
        problem.batch_size,
    )


class _Search:
    """The search for the samples of one batch."""

    def __init__(
        self,
        problem: Problem,
        x: NDArray,
        labels: NDArray,
        confidence: float,
        rate: float,
    ) -> None:
        self._x, self._labels = x, labels
        self._numbers = (confidence, rate, problem.low, problem.high)
        targeted = problem.targeted
        self._step = problem.model.kept(
            ("carlini_wagner", targeted),
            lambda: step.compile(_step(problem.model, targeted)),
        )
        middle, half = _box(problem.low, problem.high)
        self._start = np.arctanh((x - middle) / half * _NEAR_LIMIT).astype(x.dtype)

    def smallest(self, steps: int, tries: int, first: float) -> NDArray:
        """Return the smallest changes that were found."""
        rows = len(self._x)
        search, best = ConstantSearch(rows, first), Smallest(self._x)
        for _ in range(tries):
            search.learn(self._descended(best, search.constants, steps))
        return best.samples

    def _descended(self, best: Smallest, constants: NDArray, steps: int) -> NDArray:
        """Take Adam's steps and tell which rows ever reached their aim."""
        weights = constants.astype(self._x.dtype)
        ever = np.zeros(len(self._x), bool)
        free, mean, square = self._start, *(np.zeros_like(self._x) for _ in range(2))
        look, before = max(1, steps // _LOOKS), np.full(len(self._x), np.inf)
        for number in range(1, steps + 1):
            free, mean, square, sample, size, excess = self._step(
                *(free, mean, square, self._x, self._labels, weights),
                *(float(number), *self._numbers),
            )
            sizes, excesses = size.numpy(), excess.numpy()
            reached = excesses <= 0
            ever |= reached
            best.take(sample.numpy(), sizes, reached)
            if number % look == 0:
                totals = sizes + weights * np.maximum(excesses, 0)
                # One row on its way up must not end the search of the others.
                if (totals > 0.9999 * before).all():
                    break
                before = totals
        return ever


def _box(low: Any, high: Any) -> tuple[Any, Any]:
    """Return the middle of the box, and how far its limits are from there."""
    return (low + high) / 2, (high - low) / 2


def _step(model: Model, targeted: bool) -> Any:
    def stepped(
        free: Array,
        mean: Array,
        square: Array,
        x: Array,
        labels: Array,
        weights: Array,
        *given: Array,
    ) -> tuple[Array, ...]:
        numbers = [one.astype(x.dtype) for one in given]
        number, confidence, rate, low, high = numbers
        middle, half = _box(low, high)

        def loss(point: Array) -> tuple[Array, tuple[Array, Array, Array]]:
            sample = middle + half * ops.tanh(point)
            axes = tuple(range(1, x.ndim))
            size = ops.sum(ops.square(sample - x), axis=axes)
            excess = _margin(class_scores(model, sample), labels, targeted) + confidence
            total = ops.sum(size + weights * ops.maximum(excess, 0.0))
            return total, (sample, size, excess)

        (_, aux), gradient = value_and_grad(loss, has_aux=True)(free)
        change, mean, square = adam_step(gradient, mean, square, number, rate)
        return free - change, mean, square, *aux

    return stepped


def _margin(scores: Array, labels: Array, targeted: bool) -> Array:
    """Return by how much a class is ahead that shall not be, ``float[rows]``."""
    own = at_labels(scores, labels)
    chosen = ops.one_hot(labels, scores.shape[1], dtype=scores.dtype)
    others = ops.max(ops.where(chosen > 0, -1e30, scores), axis=1)
    return others - own if targeted else own - others
