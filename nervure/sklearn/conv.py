"""A convolutional network for images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from nervure.errors import ArgumentError, explain
from nervure.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D, Reshape
from nervure.sklearn.base import NetworkClassifier
from nervure.sklearn.neural import LOSSES, NeuralEstimator
from nervure.sklearn.parameters import unknown_parameter

__all__ = ["ConvClassifier"]

Shape = tuple[int, ...]


class ConvClassifier(NetworkClassifier, NeuralEstimator):
    """A classifier of images: convolutions and pooling, then hidden layers.

    ``X`` is ``[rows, height, width, channels]``, ``[rows, height, width]``, or
    ``[rows, pixels]`` as scikit-learn's tools want it.

    Parameters
    ----------
    filters
        The number of filters of each convolution.  After each follows max pooling.
    kernel_size, pool_size
        The size of the windows, in pixels of each direction.
    hidden_layer_sizes
        The number of units of each hidden layer after the convolutions.
    activation
        Of convolutions and hidden layers; a name or a function.
    dropout
        The share of the last hidden layer that is dropped in training.
    input_shape
        The shape of an image, ``(height, width)`` or ``(height, width, channels)``, for
        ``X`` of two axes.  None takes a square if the number of pixels is one, and one
        line of pixels otherwise.
    optimizer
        A name, a class or an optimizer.
    epochs, batch_size, shuffle, callbacks, verbose
        As for :meth:`nervure.models.Model.fit`.
    early_stopping, validation_fraction, n_iter_no_change, tol
        Whether a share of the rows is held out, so that training ends when for more
        than so many epochs their score has not grown by ``tol``, and goes back to the
        weights of its best epoch.
    class_weight
        A dict from label to weight, or "balanced".
    random_state
        A whole number makes each fit the same; None draws from NumPy's generator.
    warm_start
        Whether ``fit`` goes on with what was learnt before.
    part_parameters
        Parameters of the optimizer: ``optimizer__learning_rate=0.01``.

    Attributes
    ----------
    classes_
        The labels, sorted.
    model_, history_, n_iter_
        The trained model, the numbers of each epoch by name, and how many there were.

    Raises
    ------
    TypeError
        For parameters that do not exist.

    >>> from nervure.datasets import digits
    >>> from nervure.sklearn import ConvClassifier
    >>> X, y = digits.load_data()
    >>> classifier = ConvClassifier((8,), epochs=2, random_state=0)
    >>> classifier.fit(X[:200], y[:200]).predict(X[:3]).shape
    (3,)
    """

    # A network of its own, so these are no parameters.
    model = None
    loss = "auto"
    metrics = None

    def __init__(
        self,
        filters: Iterable[int] = (32, 64),
        *,
        kernel_size: int = 3,
        pool_size: int = 2,
        hidden_layer_sizes: Iterable[int] = (128,),
        activation: Any = "relu",
        dropout: float = 0.0,
        input_shape: Shape | None = None,
        optimizer: Any = "adam",
        epochs: int = 30,
        batch_size: int = 64,
        shuffle: bool = True,
        callbacks: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int | str = 0,
        **part_parameters: Any,
    ) -> None:
        self.filters = filters
        self.kernel_size = kernel_size
        self.pool_size = pool_size
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.input_shape = input_shape
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        for name in part_parameters:
            if not name.startswith("optimizer__"):
                known = [*self._get_param_names(), *self._routed_defaults()]
                raise TypeError(unknown_parameter(type(self).__name__, name, known))
        self._routed = part_parameters

    def _automatic_loss(self, facts: Any) -> str:
        return LOSSES[facts.target_type_]

    def _default_layers(
        self,
        X_shape_: Shape,
        n_classes_: int,
        n_outputs_: int,
        target_type_: str,
    ) -> list[Layer]:
        height, width, channels = self._image_shape(X_shape_)
        layers: list[Layer] = [Reshape((height, width, channels))]
        for filters in self.filters:
            layers.append(
                Conv2D(
                    filters,
                    self.kernel_size,
                    padding="same",
                    activation=self.activation,
                )
            )
            # A line of pixels is not pooled across.
            pool = (min(self.pool_size, height), min(self.pool_size, width))
            layers.append(MaxPooling2D(pool))
            height, width = height // pool[0], width // pool[1]
        layers.append(Flatten())
        layers += [
            Dense(units, activation=self.activation)
            for units in self.hidden_layer_sizes
        ]
        layers.append(Dropout(self.dropout))
        activation = "sigmoid" if target_type_ == "multilabel" else "softmax"
        return [*layers, Dense(n_classes_, activation=activation)]

    def _image_shape(self, features: Shape) -> tuple[int, int, int]:
        """Return height, width and channels for features of a shape."""
        shape = features if self.input_shape is None else tuple(self.input_shape)
        if self.input_shape is None and len(features) == 1:
            side = math.isqrt(features[0])
            square = side * side == features[0]
            shape = (side, side) if square else (1, features[0])
        if len(shape) == 2:
            shape = (*shape, 1)
        if len(shape) != 3 or math.prod(shape) != math.prod(features):
            raise ArgumentError(
                explain(
                    f"rows of the shape {list(features)} are no images of the shape "
                    f"{list(shape)}",
                    fix="pass input_shape=(height, width, channels), whose product is "
                    "the number of pixels",
                )
            )
        height, width, channels = shape
        return height, width, channels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.three_d_array = True
        return tags
