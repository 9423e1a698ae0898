"""The model that the choices describe, and what its neurons answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure import layers, models, ops, optimizers, regularizers, utils
from nervure.errors import ArgumentError, explain
from nervure.ir.attrs import NDArray
from nervure.studio.playground.choices import Choices
from nervure.studio.playground.points import REGRESSION


def half_square(y_true: Any, y_pred: Any) -> Any:
    """Return half of the squared error, the original's loss.

    >>> import nervure as nv
    >>> from nervure.studio.playground.network import half_square
    >>> half_square(nv.asarray([1.0]), nv.asarray([-1.0])).tolist()
    [2.0]
    """
    return ops.square(y_true - y_pred) / 2


class Network:
    """A model with hidden layers, and a second one that shows what its neurons answer.

    Parameters
    ----------
    choices
        What to build.
    outputs
        How many neurons answer; more than one are classes, whose answers are
        probabilities.

    >>> from nervure.studio.playground.choices import Choices
    >>> Network(Choices(hidden=(3,))).sizes
    [2, 3, 1]
    """

    def __init__(self, choices: Choices, outputs: int = 1) -> None:
        utils.set_random_seed(choices.seed)
        self.choices = choices
        self.sizes = [len(choices.features), *choices.hidden, outputs]
        self.dense: list[Any] = []
        x = inputs = layers.Input((len(choices.features),))
        answers = []
        for size in choices.hidden:
            x = self._dense(size)(x)
            if choices.batch_norm:
                x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.Activation(choices.activation)(x)
            answers.append(x)
            if choices.dropout:
                x = layers.Dropout(choices.dropout)(x)
        output = self._dense(outputs)(x)
        if outputs > 1:
            output = layers.Activation("softmax")(output)
        elif choices.problem != REGRESSION:
            output = layers.Activation("tanh")(output)
        loss = "sparse_categorical_crossentropy" if outputs > 1 else half_square
        self.model = models.Model(inputs, output)
        self.model.compile(_optimizer(choices), loss)
        self._shown = models.Model(inputs, [*answers, output])

    def _dense(self, size: int) -> Any:
        layer = layers.Dense(size, kernel_regularizer=_penalty(self.choices))
        self.dense.append(layer)
        return layer

    def answers(self, x: NDArray) -> list[NDArray]:
        """Return each layer's answers, ``float32[n, neurons]``; the last is the output.

        ``x`` holds features, ``float32[n, features]``.
        """
        found = self._shown.predict(x, batch_size=len(x), verbose=0)
        return list(found) if isinstance(found, list) else [found]

    def weights(self) -> NDArray:
        """Return all kernels and biases in one row: kernel, bias, kernel, bias, ..."""
        parts = [one.numpy().ravel() for layer in self.dense for one in layer.weights]
        return np.concatenate(parts).astype(np.float32)

    def set_weight(self, layer: int, source: int, target: int, value: float) -> None:
        """Change one weight; ``source`` -1 means the bias of ``target``.

        Raises :class:`~nervure.errors.ArgumentError` for a weight that is not there.
        """
        sizes = self.sizes
        fits = 0 <= layer < len(self.dense) and -1 <= source < sizes[layer]
        if not fits or not 0 <= target < sizes[layer + 1]:
            raise ArgumentError(
                explain(
                    f"there is no weight {source}, {target} in layer {layer}",
                    fix="take the numbers of units that the picture shows",
                )
            )
        kernel, bias = self.dense[layer].weights
        weight = bias if source < 0 else kernel
        values = weight.numpy().copy()
        values[target if source < 0 else (source, target)] = value
        weight.assign(values)

    def set_rate(self, rate: float) -> None:
        """Change the learning rate without starting again."""
        self.model.optimizer.learning_rate = rate


def _penalty(choices: Choices) -> Any:
    if choices.penalty == "none" or not choices.penalty_rate:
        return None
    kind = regularizers.L1 if choices.penalty == "l1" else regularizers.L2
    return kind(choices.penalty_rate)


def _optimizer(choices: Choices) -> Any:
    rate = choices.rate
    if choices.optimizer == "momentum":
        return optimizers.SGD(rate, momentum=0.9)
    kinds = {
        "sgd": optimizers.SGD,
        "adam": optimizers.Adam,
        "adamw": optimizers.AdamW,
        "rmsprop": optimizers.RMSprop,
        "adagrad": optimizers.Adagrad,
        "lion": optimizers.Lion,
    }
    return kinds[choices.optimizer](rate)
