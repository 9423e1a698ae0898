"""What Nervure and Keras share: the same names, so the same code trains both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import networks as w
from benchmarks.peers.server import NDArray, Scores, Task
from benchmarks.workloads import FOLDS


class KerasLike:
    """Trains with ``compile`` and ``fit``, with the defaults of both.

    Parameters
    ----------
    framework
        A module with ``layers``, ``models`` and ``optimizers`` as in Keras.
    task
        What to train.
    hidden_options, compile_options
        More arguments for all layers but the last, and for ``compile``.
    """

    def __init__(
        self,
        framework: Any,
        task: Task,
        hidden_options: dict[str, Any],
        compile_options: dict[str, Any],
    ) -> None:
        self.framework = framework
        self.task = task
        self._beginning: list[NDArray] = []
        if task.workload.unit != "search":
            builder = _Builder(framework, hidden_options)
            self.model = builder.build(task.workload.network, task.x.shape[1:])
            builder.set_weights(task.weights)
            self.model.compile(
                framework.optimizers.Adam(epsilon=1e-7),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
                **compile_options,
            )

    def reset(self) -> None:
        """Assign the values that all variables had at the beginning."""
        if not self._beginning:
            self.model.optimizer.build(self.model.trainable_variables)
            self._beginning = [np.array(one) for one in self._variables()]
        for variable, value in zip(self._variables(), self._beginning, strict=True):
            variable.assign(value)

    def _variables(self) -> list[Any]:
        return [*self.model.weights, *self.model.optimizer.variables]

    def train(self) -> Scores:
        """Fit."""
        history = self.model.fit(
            self.task.x,
            self.task.y,
            batch_size=self.task.workload.batch,
            epochs=self.task.workload.epochs,
            steps_per_epoch=self.task.workload.steps or None,
            verbose=0,
        ).history
        return history["loss"][-1], history["accuracy"][-1]

    def predict(self, row: NDArray) -> NDArray:
        """Predict."""
        result: NDArray = self.model.predict(row, verbose=0)
        return result

    def lecture_model(self, hidden_size: int) -> Any:
        """Return the compiled model of the lecture's grid search."""
        layers = self.framework.layers
        model = self.framework.models.Sequential(
            [
                layers.Input(shape=(784,)),
                layers.Dense(hidden_size, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model

    def search(self) -> float:
        """Search with scikit-learn."""
        from sklearn.model_selection import GridSearchCV

        classifier, grid = self.classifier_and_grid()
        found = GridSearchCV(classifier, grid, cv=FOLDS, return_train_score=True)
        found.fit(self.task.x, self.targets())
        return float(found.best_score_)

    def targets(self) -> NDArray:
        """Return the targets of the grid search."""
        return self.task.y

    def classifier_and_grid(self) -> tuple[Any, dict[str, list[Any]]]:
        """Return the classifier of the framework's wrapper, and the grid for it."""
        raise NotImplementedError


class _Builder:
    """Builds networks and remembers the layers that have kernels."""

    def __init__(self, framework: Any, hidden_options: dict[str, Any]) -> None:
        self._layers = framework.layers
        self._models = framework.models
        self._options = hidden_options
        self._with_kernels: list[Any] = []

    def build(self, network: w.Network, shape: tuple[int, ...]) -> Any:
        """Return the model, Sequential where that is enough."""
        simple = (w.Dense, w.Dropout, w.Conv, w.MaxPool, w.Flatten)
        inputs = self._layers.Input(shape=shape)
        if all(isinstance(layer, simple) for layer in network):
            chain = [self._simple(layer) for layer in network]
            return self._models.Sequential([inputs, *chain])
        x = inputs
        for layer in network:
            one = isinstance(layer, simple)
            x = self._simple(layer)(x) if one else self._on(x, layer)
        return self._models.Model(inputs, x)

    def set_weights(self, weights: tuple[NDArray, ...]) -> None:
        """Give each kernel and bias its initial value."""
        values: Iterator[NDArray] = iter(weights)
        for layer in self._with_kernels:
            now = layer.get_weights()
            # Attention splits its kernels by heads; the numbers are in the same order.
            layer.set_weights([next(values).reshape(one.shape) for one in now])

    def _noted(self, layer: Any) -> Any:
        self._with_kernels.append(layer)
        return layer

    def _simple(self, layer: w.Layer) -> Any:
        """Return the layer for one that stands alone."""
        layers, options = self._layers, self._options
        match layer:
            case w.Dense(units, "softmax"):
                return self._noted(layers.Dense(units, activation="softmax"))
            case w.Dense(units, activation):
                dense = layers.Dense(units, activation=activation, **options)
                return self._noted(dense)
            case w.Dropout(rate):
                return layers.Dropout(rate, **options)
            case w.Conv(filters):
                return self._noted(layers.Conv2D(filters, 3, activation="relu"))
            case w.MaxPool():
                return layers.MaxPooling2D()
            case w.Flatten():
                return layers.Flatten()
        raise TypeError(layer)

    def _on(self, x: Any, layer: w.Layer) -> Any:
        """Return the output of a layer that is made of others."""
        layers = self._layers
        match layer:
            case w.ConvNorm(filters):
                return layers.Activation("relu")(self._normed(x, filters, 3, 1))
            case w.Residual(filters, stride):
                y = layers.Activation("relu")(self._normed(x, filters, 3, stride))
                y = self._normed(y, filters, 3, 1)
                if stride != 1 or x.shape[-1] != filters:
                    x = self._normed(x, filters, 1, stride)
                return layers.Activation("relu")(layers.Add()([x, y]))
            case w.Encoder(heads, hidden):
                width = x.shape[-1]
                attend = self._noted(layers.MultiHeadAttention(heads, width // heads))
                x = self._layer_normed(x, attend(x, x))
                y = self._noted(layers.Dense(hidden, activation="gelu"))(x)
                return self._layer_normed(x, self._noted(layers.Dense(width))(y))
            case w.Mean() if len(x.shape) == 4:
                return layers.GlobalAveragePooling2D()(x)
            case w.Mean():
                return layers.GlobalAveragePooling1D()(x)
        raise TypeError(layer)

    def _normed(self, x: Any, filters: int, size: int, stride: int) -> Any:
        layers = self._layers
        convolve = layers.Conv2D(
            filters, size, strides=stride, padding="same", use_bias=False
        )
        x = self._noted(convolve)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def _layer_normed(self, x: Any, y: Any) -> Any:
        layers = self._layers
        return layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
