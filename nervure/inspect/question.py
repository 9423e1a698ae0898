"""What maps of importance are asked: which model, which samples, which classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nervure import tree
from nervure.inspect.seen import (
    ListedLayer,
    listed_layers,
    named_layer,
    takes_channels_first,
)
from nervure.ir.attrs import NDArray
from nervure.nn.layers import Flatten, Reshape
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import class_count, read_labels, read_samples, score_program

if TYPE_CHECKING:
    from nervure.train.model import Model


class Question(NamedTuple):
    """Samples ``float[rows, ...]``, and the class of interest of each, ``int32``."""

    model: Model
    x: NDArray
    labels: NDArray
    batch_size: int


def read_question(model: Model, x: Any, y: Any, batch_size: int) -> Question:
    """Return the checked arguments; ``y`` None means the classes that the model sees.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        For samples and classes that do not fit the model, see
        :func:`~nervure.train.scores.read_samples` and
        :func:`~nervure.train.scores.read_labels`.
    """
    samples = read_samples(model, x)
    size = whole_number(batch_size, "batch_size", 1, 32)
    classes = class_count(model, samples)
    if y is None:
        scores = by_batches(score_program(model), [samples], size)
        labels = scores.argmax(axis=1).astype(np.int32)
    else:
        labels = read_labels(y, len(samples), classes)
    return Question(model, samples, labels, size)


def layer_for(model: Model, x: NDArray, layer: Any) -> ListedLayer:
    """Return the entry of a layer of a model with one input."""
    return named_layer(model, listed_layers(model, [x], tree.LEAF), layer)


def pictured(model: Model, values: NDArray) -> NDArray:
    """Return samples, or maps of their shape, with the channels as the last axis."""
    if values.ndim < 3 or not takes_channels_first(model, values):
        return values
    return np.moveaxis(values, 1, -1)


def strongest(model: Model, values: NDArray) -> NDArray:
    """Return the largest absolute value over the channels of each pixel.

    ``[rows, height, width, channels]`` becomes ``[rows, height, width]``; samples of a
    single axis of features keep it, and so do pictures without channels.
    """
    size: NDArray = np.abs(pictured(model, values))
    return size.max(axis=-1) if has_channels(model, values) else size


def has_channels(model: Model, values: NDArray) -> bool:
    """Tell whether samples have channels: all but those of one axis, and grey pictures.

    Grey pictures ``[rows, height, width]`` are told from sequences ``[rows, steps,
    channels]`` by the first layer, which flattens them or adds the channel.
    """
    if values.ndim != 3:
        return values.ndim > 3
    layers = listed_layers(model, [values], tree.LEAF)
    return not layers or not isinstance(layers[0].layer, Flatten | Reshape)
