"""A trained network inside an estimator, as arrays when it is pickled or copied.

A pickled estimator holds parameters and arrays, no programs and no code other than the
names of classes and functions; the network is made from the parameters when it is asked
for first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import random
from nervure.ir.attrs import NDArray
from nervure.models import Model
from nervure.train.inputs import read_inputs
from nervure.train.prediction import predictions_of

if TYPE_CHECKING:
    from nervure.nn.variable import Variable
    from nervure.sklearn.base import Facts


class NetworkState:
    """A network, and what it was made of.

    Parameters
    ----------
    model
        The compiled network.
    owner, parameters, facts
        The estimator's class and parameters when it made the network, and the facts
        for which it did.
    """

    def __init__(
        self, model: Model, owner: type, parameters: dict[str, Any], facts: Facts
    ) -> None:
        self._model: Model | None = model
        self._arrays: list[NDArray] = []
        self._owner = owner
        self._parameters = parameters
        self._facts = facts
        self._programs: dict[Any, Any] = {}

    def program(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what was made for a key, making it at first; copies make it anew."""
        if key not in self._programs:
            self._programs[key] = make()
        return self._programs[key]

    @property
    def model(self) -> Model:
        """The network."""
        if self._model is None:
            self._model = self._made_again()
        return self._model

    def _made_again(self) -> Model:
        with random.seeded(0):  # the numbers drawn here are overwritten
            model: Model = self._owner(**self._parameters)._make_network(self._facts)
        built_for(model, self._facts.X_shape_)
        variables = _variables(model)
        for variable, value in zip(variables, self._arrays, strict=True):
            variable.assign(value)
        return model

    def __getstate__(self) -> dict[str, Any]:
        model = self._model
        arrays = (
            self._arrays
            if model is None
            else [one.numpy() for one in _variables(model)]
        )
        return {**vars(self), "_model": None, "_arrays": arrays, "_programs": {}}


def built_for(model: Model, features: tuple[int, ...]) -> int:
    """Build a model for features and return the number of units of its output.

    Raises :class:`~nervure.errors.ShapeError` for features that it does not take.
    """
    row = np.zeros((1, *features), np.float32)
    (output,) = predictions_of(model, *read_inputs(model, row)).each
    return output.classes


def _variables(model: Model) -> list[Variable]:
    """Return all that training changes: weights, random state, the optimizer's."""
    optimizer = model.optimizer
    assert optimizer is not None  # _make_network compiles
    optimizer.build(model.trainable_variables)
    return [*model.variables, *optimizer.variables]
