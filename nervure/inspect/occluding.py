"""Which regions of a picture a class needs: it is predicted with regions covered."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.errors import ArgumentError, ShapeError, explain
from nervure.inspect.pictures import over
from nervure.inspect.question import Question, has_channels, pictured, read_question
from nervure.inspect.seen import takes_channels_first
from nervure.ir.attrs import NDArray
from nervure.ops.nn.sliding import one_per_axis
from nervure.train.batched import by_batches
from nervure.train.scores import read_samples, score_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from nervure.train.model import Model


def occlusion(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    size: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    value: float = 0.0,
    batch_size: int = 32,
) -> NDArray:
    """Return by how much the probability of a class falls when a region is covered.

    A square slides over the picture.  Each pixel has the mean of the falls of the
    squares that cover it.  (Zeiler and Fergus, "Visualizing and understanding
    convolutional networks", 2014.)

    Parameters
    ----------
    model
        A classifier.
    x
        Pictures ``[rows, height, width, channels]``, sequences ``[rows, steps,
        channels]``, or samples ``[rows, features]``.
    y
        The class of interest of each, ``[rows]`` or one-hot rows, or one for all; None
        takes those that the model sees.
    size
        The size of the square: one number, or one for each axis; by default a seventh
        of the axis.
    stride
        The step from square to square, by default half the size.  The last square ends
        with the picture.
    value
        What covers the pixels.
    batch_size
        How many pictures are predicted at a time.

    Returns
    -------
    ``float32[rows, height, width]`` (``[rows, steps]``, ``[rows, features]``); negative
    where the class becomes likelier.

    Raises
    ------
    ArgumentError, ShapeError
        For sizes and strides that are no whole numbers from 1, and larger squares than
        pictures.
    DataError
        For samples and classes that do not fit the model.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(
    ...     2, kernel_initializer="identity", input_shape=(2,), activation="softmax")])
    >>> nv.inspect.occlusion(model, [[0.0, 2.0]], [1], size=1).round(2).tolist()
    [[0.0, 0.3799999952316284]]
    """
    asked = read_question(model, x, y, batch_size)
    axes = _places(model, asked.x)
    sizes = tuple(asked.x.shape[axis] for axis in axes)
    squares = (
        tuple(max(1, one // 7) for one in sizes)
        if size is None
        else one_per_axis("size", size, len(axes))
    )
    steps = (
        tuple(max(1, one // 2) for one in squares)
        if stride is None
        else one_per_axis("stride", stride, len(axes))
    )
    if any(one > most for one, most in zip(squares, sizes, strict=True)):
        raise ShapeError(
            explain(
                f"a region of {list(squares)} is larger than samples of {list(sizes)}",
                fix="pass a smaller size",
            )
        )
    starts = [
        _starts(most, one, step)
        for most, one, step in zip(sizes, squares, steps, strict=True)
    ]
    corners = np.array(list(itertools.product(*starts)))
    covering = _Covering(axes, squares, _number(value))
    return np.stack(
        [_one_map(asked, row, corners, covering) for row in range(len(asked.x))]
    )


class _Covering:
    """How a region of a sample is covered."""

    def __init__(
        self, axes: tuple[int, ...], squares: tuple[int, ...], value: float
    ) -> None:
        self.axes, self.squares, self.value = axes, squares, value

    def region(self, corner: NDArray, rank: int) -> tuple[slice, ...]:
        """Return the region of a sample (without the axis of rows) at a corner."""
        region = [slice(None)] * rank
        for axis, first, size in zip(self.axes, corner, self.squares, strict=True):
            region[axis - 1] = slice(int(first), int(first) + size)
        return tuple(region)


def _one_map(
    asked: Question, row: int, corners: NDArray, covering: _Covering
) -> NDArray:
    """Return the map of one sample."""
    sample, label = asked.x[row], int(asked.labels[row])

    def probabilities(batch: NDArray) -> NDArray:
        program = score_program(asked.model)
        scores = program(batch).numpy().astype(np.float64)
        if scores.shape[1] == 1:  # no classes: the output itself
            return scores[:, 0]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers[:, label] / powers.sum(axis=1)

    def covered(batch: NDArray) -> NDArray:
        copies = np.repeat(sample[None], len(batch), axis=0)
        for copy, corner in zip(copies, batch, strict=True):
            copy[covering.region(corner, copy.ndim)] = covering.value
        return probabilities(copies)

    whole = float(probabilities(sample[None])[0])
    falls = whole - by_batches(covered, [corners], asked.batch_size)
    sizes = tuple(sample.shape[axis - 1] for axis in covering.axes)
    total, count = np.zeros(sizes), np.zeros(sizes)
    for corner, fall in zip(corners, falls, strict=True):
        region = tuple(
            slice(first, first + size)
            for first, size in zip(corner, covering.squares, strict=True)
        )
        total[region] += fall
        count[region] += 1
    return (total / np.maximum(count, 1)).astype(asked.x.dtype)


def _places(model: Model, x: NDArray) -> tuple[int, ...]:
    """Return the axes along which regions lie: all but rows and channels."""
    if x.ndim > 2 and takes_channels_first(model, x):
        return tuple(range(2, x.ndim))
    return tuple(range(1, x.ndim - has_channels(model, x)))


def _starts(most: int, size: int, step: int) -> list[int]:
    """Return where regions begin along an axis; the last one ends with it."""
    starts = list(range(0, most - size + 1, step))
    return starts if starts[-1] == most - size else [*starts, most - size]


def _number(value: Any) -> float:
    if isinstance(value, int | float | np.number) and np.isfinite(value):
        return float(value)
    raise ArgumentError(
        explain(
            f"value must be a number, got {value!r}",
            fix="it is what the hidden part is filled with: value=0.0",
        )
    )


def plot_occlusion(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    size: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    value: float = 0.0,
    batch_size: int = 32,
) -> Figure:
    """Draw pictures, and below with :func:`occlusion` laid over them in colour.

    Parameters and errors are those of :func:`occlusion`.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Flatten(input_shape=(2, 2)), nv.layers.Dense(2)])
    >>> len(nv.inspect.plot_occlusion(model, [[[0.0, 1.0], [1.0, 0.0]]]).axes)
    2
    """
    found = occlusion(
        *(model, x, y), size=size, stride=stride, value=value, batch_size=batch_size
    )
    return over(pictured(model, read_samples(model, x)), found, "occlusion")
