"""Training a network of the playground between two pictures."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from nervure.ir.attrs import NDArray
from nervure.studio.playground import named_sets, points
from nervure.studio.playground.choices import Choices
from nervure.studio.playground.network import Network
from nervure.studio.playground.points import Points

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
        self.network = Network(choices)
        self.epoch = 0
        self.samples = 0
        self.seconds = 0.0
        count = max(1, round(len(self.points.x) * choices.train_part))
        self.train_count = min(count, len(self.points.x) - 1)
        self._x = points.features(self.points.x, choices.features)
        self._looked_at = np.concatenate([_plane(choices), self._x])

    def train(self, epochs: int) -> None:
        """Train for some passes over the training points."""
        began = time.perf_counter()
        rows = slice(0, self.train_count)
        self.network.model.fit(
            *(self._x[rows], self.points.y[rows]),
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
        errors = (answers[-1][plane:] - self.points.y) ** 2 / 2
        step = MAP_SIDE // SMALL_SIDE
        small = [
            one[:plane].reshape(MAP_SIDE, MAP_SIDE, -1)[::step, ::step]
            for one in answers[:-1]
        ]
        return View(
            answers[-1][:plane].reshape(MAP_SIDE, MAP_SIDE),
            small,
            float(errors[: self.train_count].mean()),
            float(errors[self.train_count :].mean()),
        )


class View:
    """What is drawn: the output on the plane, each neuron on it, and both losses.

    Attributes
    ----------
    output
        ``float32[MAP_SIDE, MAP_SIDE]``; row 0 is the top, the largest x₂.
    neurons
        For each hidden layer ``float32[SMALL_SIDE, SMALL_SIDE, neurons]``.
    train_loss, test_loss
        Means of half of the squared error.
    """

    def __init__(
        self,
        output: NDArray,
        neurons: list[NDArray],
        train_loss: float,
        test_loss: float,
    ) -> None:
        self.output = output
        self.neurons = neurons
        self.train_loss = train_loss
        self.test_loss = test_loss


def _plane(choices: Choices) -> NDArray:
    """Return the features of the middles of all cells of the map, from the top left."""
    ends = np.linspace(-REACH, REACH, MAP_SIDE + 1)
    middles = (ends[:-1] + ends[1:]) / 2
    across, down = np.meshgrid(middles, middles[::-1])
    plane = np.stack([across.ravel(), down.ravel()], axis=1)
    return points.features(plane, choices.features)
