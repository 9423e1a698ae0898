"""From an activation back to the pixels, through rectified signals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure import autodiff, ops, step
from nervure.array import Array
from nervure.errors import ArgumentError, GradientError, explain
from nervure.inspect.pictures import beside
from nervure.inspect.question import layer_for, pictured, read_question
from nervure.inspect.rectifiers import deconvolution, guided
from nervure.inspect.seen import (
    ListedLayer,
    array_of,
    channels_last,
    traced_layers,
)
from nervure.ir.attrs import NDArray
from nervure.prims.leaf import full_like
from nervure.train.batched import by_batches
from nervure.train.checks import whole_number
from nervure.train.scores import at_labels, class_scores, read_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nervure.train.model import Model


def deconvnet(
    model: Model,
    x: Any,
    *,
    layer: Any,
    filter: int,
    place: str | tuple[int, ...] = "strongest",
    batch_size: int = 32,
) -> NDArray:
    """Show what in the samples a filter responds to, by a deconvolutional network.

    All activations of the layer but those of interest are set to 0.  The rest goes back
    through the layers before it: through the transposed filters, through rectifiers
    that keep what is positive (those of ReLU6 too), and out of max pooling to the
    places that won when the samples went through (the switches).  (Zeiler and Fergus,
    "Visualizing and understanding convolutional networks", 2014.)

    Parameters
    ----------
    model
        Any model with one input.
    x
        Samples ``[rows, height, width, channels]`` (or others).
    layer
        A layer, or its name; see :func:`~nervure.inspect.activations`.
    filter
        Which of its channels, from 0; of a dense layer, which unit.
    place
        "strongest": the largest activation of each sample; "all" of them; or a row and
        a column, ``(3, 5)``.
    batch_size
        How many samples are computed at a time.

    Returns
    -------
    ``float32[rows, *features]``, of the shape of x.

    Raises
    ------
    UnknownNameError, ArgumentError
        For a layer, filter or place that does not exist, and a layer that does not
        depend on the samples.
    DataError, ShapeError
        For samples that the model does not take.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(
    ...     1, 2, kernel_initializer="ones", activation="relu", input_shape=(3, 3, 1))])
    >>> x = np.zeros((1, 3, 3, 1), "float32")
    >>> x[0, 2, 2] = 1.0
    >>> nv.inspect.deconvnet(model, x, layer="conv2d", filter=0)[0, ..., 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    samples = read_samples(model, x)
    entry = layer_for(model, samples, layer)
    channel, where = _read_target(entry, filter, place)
    size = whole_number(batch_size, "batch_size", 1, 32)

    def program(rows: Array) -> Array:
        seen, _ = traced_layers(model, rows)
        output = array_of(seen, entry.name)
        kept = _only(channels_last(output, entry.layer), channel, where)
        if getattr(entry.layer, "data_format", "") == "channels_first":
            kept = ops.moveaxis(kept, -1, 1) if kept.ndim > 2 else kept
        (back,) = autodiff.reverse(
            [output.node], [kept.node], [rows.node], deconvolution
        )
        if back is None:
            raise GradientError(
                explain(
                    f"the layer {entry.name!r} does not depend on the samples",
                    fix="name a layer that the model's input reaches",
                )
            )
        return Array.of_node(back)

    key = ("deconvnet", entry.name, channel, where)
    found: NDArray = by_batches(
        model.kept(key, lambda: step.compile(program)), [samples], size
    )
    return found


def _read_target(
    entry: ListedLayer, filter: Any, place: Any
) -> tuple[int, str | tuple[int, ...]]:
    """Return the checked number of a filter, and which activations of it count."""
    shape = channels_last(np.empty(entry.shape, bool), entry.layer).shape
    count = shape[-1]
    number = whole_number(filter, "filter", 0, 0)
    if number >= count:
        raise ArgumentError(
            explain(
                f"the layer {entry.name!r} has {count} filters, there is none with "
                f"number {number}",
                fix=f"pass filter=0 to {count - 1}",
            )
        )
    if isinstance(place, str) and place in ("strongest", "all"):
        return number, place
    sizes = shape[1:-1]
    fits = isinstance(place, tuple | list) and len(place) == len(sizes)
    if not fits or not all(
        isinstance(one, int | np.integer) and 0 <= one < size
        for one, size in zip(place, sizes, strict=True)
    ):
        raise ArgumentError(
            explain(
                "place must be 'strongest', 'all' or a position within "
                f"{list(sizes)}, got {place!r}",
                fix="place='strongest' takes the largest response",
            )
        )
    return number, tuple(int(one) for one in place)


def _only(output: Array, channel: int, where: str | tuple[int, ...]) -> Array:
    """Return ``output[rows, ..., channels]`` with 0 wherever it is of no interest."""
    shape = output.shape
    chosen = ops.one_hot(ops.asarray(channel), shape[-1], dtype=output.dtype)
    if where != "all" and len(shape) > 2:
        places = math.prod(shape[1:-1])
        if isinstance(where, str):
            values = ops.reshape(output[..., channel], (shape[0], places))
            index = ops.argmax(values, axis=1)
        else:
            index = ops.asarray([int(np.ravel_multi_index(where, shape[1:-1]))])
        spot = ops.one_hot(index, places, dtype=output.dtype)
        spot = ops.reshape(spot, (spot.shape[0], *shape[1:-1], 1))
        chosen = spot * chosen
    return ops.where(chosen > 0, output, 0.0)


def plot_deconvnet(
    model: Model,
    x: Any,
    *,
    layer: Any,
    filter: int,
    place: str | tuple[int, ...] = "strongest",
    batch_size: int = 32,
) -> Figure:
    """Draw samples, and below what :func:`deconvnet` shows of each.

    Parameters and errors are those of :func:`deconvnet`.

    Returns
    -------
    A figure of matplotlib.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(4, 3, input_shape=(8, 8, 1))])
    >>> x = np.ones((2, 8, 8, 1), "float32")
    >>> len(nv.inspect.plot_deconvnet(model, x, layer="conv2d", filter=1).axes)
    4
    """
    found = deconvnet(
        model, x, layer=layer, filter=filter, place=place, batch_size=batch_size
    )
    return _beside(model, x, found, f"filter {filter}")


def guided_backpropagation(
    model: Model, x: Any, y: Any = None, *, batch_size: int = 32
) -> NDArray:
    """Show which pixels speak for a class: the gradient without negative signals.

    A rectifier passes back what is positive, where its input was positive.
    (Springenberg et al., "Striving for simplicity", 2015.)

    Parameters
    ----------
    model
        A classifier; the score before a softmax or sigmoid is what goes back.
    x
        Samples ``[rows, *features]``.
    y
        The class of interest of each, ``[rows]`` or one-hot rows, or one for all; None
        takes those that the model sees.
    batch_size
        How many samples are computed at a time.

    Returns
    -------
    ``float32[rows, *features]``, of the shape of x.

    Raises
    ------
    DataError, ShapeError, ArgumentError
        For samples and classes that do not fit the model.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Dense(4, activation="relu", input_shape=(3,)),
    ...     nv.layers.Dense(2)])
    >>> nv.inspect.guided_backpropagation(model, [[1.0, 2.0, 3.0]], [0]).shape
    (1, 3)
    """
    asked = read_question(model, x, y, batch_size)

    def program(rows: Array, labels: Array) -> Array:
        score = ops.sum(at_labels(class_scores(model, rows), labels)).node
        (back,) = autodiff.reverse([score], [full_like(score, 1)], [rows.node], guided)
        return ops.zeros_like(rows) if back is None else Array.of_node(back)

    compiled = model.kept("guided", lambda: step.compile(program))
    found: NDArray = by_batches(compiled, [asked.x, asked.labels], asked.batch_size)
    return found


def plot_guided_backpropagation(
    model: Model, x: Any, y: Any = None, *, batch_size: int = 32
) -> Figure:
    """Draw samples, and below what :func:`guided_backpropagation` shows of each.

    Parameters and errors are those of :func:`guided_backpropagation`.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Flatten(input_shape=(2, 2)), nv.layers.Dense(2)])
    >>> x = [[[0.0, 1.0], [1.0, 0.0]]]
    >>> len(nv.inspect.plot_guided_backpropagation(model, x).axes)
    2
    """
    found = guided_backpropagation(model, x, y, batch_size=batch_size)
    return _beside(model, x, found, "guided backpropagation")


def _beside(model: Model, x: Any, found: NDArray, what: str) -> Figure:
    samples = pictured(model, read_samples(model, x))
    return beside(samples, pictured(model, found), what)
