"""Training a network of the playground between two pictures."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.studio.playground import named_sets, points
from nervure.studio.playground.choices import Choices
from nervure.studio.playground.network import Network
from nervure.studio.playground.points import REGRESSION, Points

# Sides of the decision map and of the small map of a neuron, and what they cover.
MAP_SIDE: Final = 60
SMALL_SIDE: Final = 20
REACH: Final = 6.0


def chosen_points(choices: Choices, table: str | None) -> Points:
    """Return the points that the choices ask for; ``table`` is the text of "csv".

    Raises :class:`~nervure.errors.NervureError` for data that cannot be had.

    >>> chosen_points(Choices(data="xor"), None).problem
    'classification'
    """
    if choices.data == "csv":
        return points.of_table(table or "", choices.seed)
    if choices.data.startswith("sklearn:"):
        name = choices.data.removeprefix("sklearn:")
        return named_sets.named_set(name, noise=choices.noise, seed=choices.seed)
    return points.dataset(choices.data, noise=choices.noise, seed=choices.seed)


class Trainer:
    """A network, its points, and the map of the plane that is drawn.

    >>> trainer = Trainer(Choices(data="gauss"))
    >>> before = trainer.look().test_loss
    >>> trainer.train(5)
    >>> trainer.epoch, trainer.look().test_loss < before
    (5, True)
    """

    def __init__(self, choices: Choices, table: str | None = None) -> None:
        self.choices = choices
        self.points = chosen_points(choices, table)
        self.network = Network(choices, self.points.outputs)
        self.epoch = 0
        self.samples = 0
        self.seconds = 0.0
        count = max(1, round(len(self.points.x) * choices.train_part))
        self.train_count = min(count, len(self.points.x) - 1)
        self._x = points.features(self.points.x, choices.features)
        is_classes = self.points.outputs > 1
        self._y = self.points.y.astype(np.int32) if is_classes else self.points.y
        self._looked_at = np.concatenate([_plane(choices), self._x])

    def train(self, epochs: int) -> None:
        """Train for some passes over the training points."""
        began = time.perf_counter()
        rows = slice(0, self.train_count)
        self.network.model.fit(
            *(self._x[rows], self._y[rows]),
            batch_size=min(self.choices.batch, self.train_count),
            epochs=epochs,
            verbose=0,
        )
        self.epoch += epochs
        self.samples += epochs * self.train_count
        self.seconds += time.perf_counter() - began

    def look(self) -> View:
        """Return what there is to see now."""
        answers = self.network.answers(self._looked_at)
        plane = MAP_SIDE * MAP_SIDE
        errors, right = self._judged(answers[-1][plane:])
        step = MAP_SIDE // SMALL_SIDE
        small = [
            one[:plane].reshape(MAP_SIDE, MAP_SIDE, -1)[::step, ::step]
            for one in answers[:-1]
        ]
        output = answers[-1][:plane].reshape(MAP_SIDE, MAP_SIDE, -1)
        if self.points.outputs > 1:  # probabilities
            output = 2 * output - 1
        count = self.train_count
        return View(
            output,
            small,
            float(errors[:count].mean()),
            float(errors[count:].mean()),
            float(right[:count].mean()),
            float(right[count:].mean()),
        )

    def _judged(self, answers: NDArray) -> tuple[NDArray, NDArray]:
        """Return the loss of each point, and 1 where its class is right."""
        y = self.points.y
        if self.points.outputs > 1:
            chosen = np.take_along_axis(answers, self._y, axis=1)
            right = answers.argmax(axis=1) == self._y[:, 0]
            return -np.log(np.maximum(chosen, 1e-7)), right
        if self.points.problem == REGRESSION:
            return (answers - y) ** 2 / 2, np.full(len(y), np.nan)
        return (answers - y) ** 2 / 2, (answers >= 0) == (y >= 0)


class View:
    """What is drawn: the output on the plane, each neuron on it, and both losses.

    Attributes
    ----------
    output
        ``float32[MAP_SIDE, MAP_SIDE, outputs]`` from -1 to 1; row 0 is the top, the
        largest x₂.
    neurons
        For each hidden layer ``float32[SMALL_SIDE, SMALL_SIDE, neurons]``.
    train_loss, test_loss
        Means of half of the squared error; of the cross-entropy for several classes.
    train_right, test_right
        Parts of the points whose class is right; NaN for regressions.
    """

    def __init__(
        self,
        output: NDArray,
        neurons: list[NDArray],
        train_loss: float,
        test_loss: float,
        train_right: float,
        test_right: float,
    ) -> None:
        self.output = output
        self.neurons = neurons
        self.train_loss = train_loss
        self.test_loss = test_loss
        self.train_right = train_right
        self.test_right = test_right


def _plane(choices: Choices) -> NDArray:
    """Return the features of the middles of all cells of the map, from the top left."""
    ends = np.linspace(-REACH, REACH, MAP_SIDE + 1)
    middles = (ends[:-1] + ends[1:]) / 2
    across, down = np.meshgrid(middles, middles[::-1])
    plane = np.stack([across.ravel(), down.ravel()], axis=1)
    return points.features(plane, choices.features)
