"""Pictures that a filter responds to most, found by climbing its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nervure import ops, step
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.inspect.pictures import gallery
from nervure.inspect.question import layer_for, pictured
from nervure.inspect.seen import array_of, channels_last, traced_layers
from nervure.ir.attrs import NDArray
from nervure.nn.losses.logits import logits_of_sigmoid, logits_of_softmax
from nervure.nn.optimizers.adam import adam_step
from nervure.ops import nn
from nervure.train.checks import whole_number
from nervure.train.session import numpy_generator
from nervure.transforms import value_and_grad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from nervure.train.model import Model

# How much the numbers behind the first picture differ from 0.
_FIRST_SPREAD: Final = 0.01


def feature_visualization(
    model: Model,
    layer: Any,
    filters: int | Sequence[int] = 0,
    *,
    steps: int = 256,
    learning_rate: float = 0.05,
    jitter: float = 0.05,
    rotation: float = 5.0,
    scaling: float = 0.05,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    seed: int = 0,
) -> NDArray:
    """Make pictures that filters respond to as much as possible.

    A picture is made of cosines, the slow ones with more weight, so that large shapes
    come before dots; a sigmoid keeps it within limits.  Before each step of Adam it is
    moved, turned and scaled a little at random, so that only what survives that counts.
    (Olah, Mordvintsev, Schubert, "Feature visualization", 2017; the idea is Erhan et
    al., "Visualizing higher-layer features of a deep network", 2009.)

    Parameters
    ----------
    model
        A model whose input is pictures of known size, channels last.
    layer
        A layer, or its name.  Of a last layer with a softmax or sigmoid the score
        before it is climbed.
    filters
        Which of its channels or units: one, or several.
    steps
        How many steps.
    learning_rate
        Of Adam.
    jitter
        How far pictures are moved at most, as a part of their size.
    rotation
        By how many degrees they are turned at most.
    scaling
        By which part they are made larger or smaller at most.
    clip_min, clip_max
        The limits of a pixel, as the model was trained on.
    seed
        Of the first pictures and the moves.

    Returns
    -------
    ``float32[height, width, channels]`` for one filter, ``float32[filters, height,
    width, channels]`` for several.

    Raises
    ------
    ArgumentError, UnknownNameError
        For a layer or filter that does not exist, and other arguments out of range.
    ShapeError
        For a model whose input is no picture of known size.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(4, 3, input_shape=(12, 12, 1))])
    >>> nv.inspect.feature_visualization(model, "conv2d", [0, 2], steps=2).shape
    (2, 12, 12, 1)
    """
    count = whole_number(steps, "steps", 1, 256)
    shape = _picture_shape(model)
    entry = layer_for(model, np.zeros((1, *shape), np.float32), layer)
    output = channels_last(np.empty(entry.shape, bool), entry.layer)
    several = not isinstance(filters, int | np.integer)
    wanted = _read_filters(filters, output.shape[-1], entry.name)
    limits = _Moves(jitter, rotation, scaling)
    generator = numpy_generator(seed)

    program = model.kept(
        ("feature_visualization", entry.name),
        lambda: step.compile(_ascent(model, entry.name)),
    )
    drawn = generator.standard_normal((len(wanted), *shape))
    free = (_FIRST_SPREAD * drawn).astype(np.float32)
    mean, square = np.zeros_like(free), np.zeros_like(free)
    numbers = (float(learning_rate), float(clip_min), float(clip_max))
    for number in range(1, count + 1):
        moves = limits.drawn(generator, len(wanted), shape)
        free, mean, square = program(
            *(free, mean, square, wanted, moves, float(number), *numbers)
        )
    # Python numbers are float32 in the program; so they are here.
    made = _picture(ops.asarray(free), *(ops.asarray(one) for one in numbers[1:]))
    pictures = np.array(made.numpy())
    return pictures if several else pictures[0]


def _picture_shape(model: Model) -> tuple[int, ...]:
    shape = model.inputs[0].shape[1:] if len(model.inputs) == 1 else ()
    known = tuple(int(one) for one in shape if one is not None)
    if len(shape) != 3 or len(known) != 3:
        raise ShapeError(
            explain(
                f"expected the model {model.name!r} to take pictures [height, width, "
                f"channels] of known size, got {list(shape)}",
                fix="make the model with Input((height, width, channels))",
            )
        )
    return known


def _read_filters(filters: Any, count: int, name: str) -> NDArray:
    listed = [filters] if isinstance(filters, int | np.integer) else list(filters)
    numbers = [whole_number(one, "filters", 0, 0) for one in listed]
    if not numbers or max(numbers) >= count:
        raise ArgumentError(
            explain(
                f"the layer {name!r} has {count} filters, got filters={filters!r}",
                fix=f"pass numbers from 0 to {count - 1}",
            )
        )
    return np.array(numbers, np.int32)


class _Moves:
    """How far pictures are moved, turned and scaled."""

    def __init__(self, jitter: float, rotation: float, scaling: float) -> None:
        for name, value, most in (
            ("jitter", jitter, 1.0),
            ("rotation", rotation, 180.0),
            ("scaling", scaling, 0.9),
        ):
            if not isinstance(value, int | float) or not 0 <= value <= most:
                raise ArgumentError(
                    explain(
                        f"{name} must be a number from 0 to {most:g}, got {value!r}",
                        fix=f"pass {name}=0.0 to leave it out",
                    )
                )
        self._jitter, self._scaling = float(jitter), float(scaling)
        self._angle = float(np.deg2rad(rotation))

    def drawn(
        self, generator: np.random.Generator, count: int, shape: tuple[int, ...]
    ) -> NDArray:
        """Return a move for each picture, ``float32[count, 6]``.

        The six numbers are those of :func:`nervure.nn.affine_transform`; pictures turn
        about their middle.
        """
        height, width, _ = shape
        angle = generator.uniform(-self._angle, self._angle, count)
        factor = 1 + generator.uniform(-self._scaling, self._scaling, count)
        right = generator.uniform(-self._jitter, self._jitter, count) * width
        down = generator.uniform(-self._jitter, self._jitter, count) * height
        cosine, sine = factor * np.cos(angle), factor * np.sin(angle)
        x, y = (width - 1) / 2, (height - 1) / 2
        columns = (
            *(cosine, -sine, x - cosine * x + sine * y + right),
            *(sine, cosine, y - sine * x - cosine * y + down),
        )
        return np.stack(columns, axis=1).astype(np.float32)


def _ascent(model: Model, name: str) -> Any:
    """Return the function of one step of Adam up the response."""

    def ascended(
        free: Array,
        mean: Array,
        square: Array,
        filters: Array,
        moves: Array,
        *numbers: Array,
    ) -> tuple[Array, ...]:
        number, rate, low, high = numbers

        def response(point: Array) -> Array:
            moved = nn.affine_transform(_picture(point, low, high), moves)
            seen, _ = traced_layers(model, moved)
            entry = next(one for one in seen if one.name == name)
            output = channels_last(_unlimited(array_of(seen, name)), entry.layer)
            chosen = ops.one_hot(filters, output.shape[-1], dtype=output.dtype)
            middle = (1,) * (output.ndim - 2)
            chosen = ops.reshape(chosen, (chosen.shape[0], *middle, chosen.shape[1]))
            places = output.size // (output.shape[0] * output.shape[-1])
            return ops.sum(output * chosen) / places

        _, gradient = value_and_grad(response)(free)
        change, mean, square = adam_step(gradient, mean, square, number, rate)
        return free + change, mean, square

    return ascended


def _unlimited(output: Array) -> Array:
    """Return the scores behind a softmax or sigmoid, which would flatten the climb."""
    for behind in (logits_of_softmax(output), logits_of_sigmoid(output)):
        if behind is not None:
            return behind
    return output


def _picture(free: Array, low: Array, high: Array) -> Array:
    """Return pictures ``[n, height, width, channels]`` made of cosines."""
    _, height, width, _ = free.shape
    weighted = free * _weights(height, width)[None, :, :, None]
    rows = ops.tensordot(weighted, _cosines(height), ([1], [0]))  # n w c h
    whole = ops.tensordot(rows, _cosines(width), ([1], [0]))  # n c h w
    return low + (high - low) * ops.sigmoid(ops.permute_dims(whole, (0, 2, 3, 1)))


def _cosines(size: int) -> NDArray:
    """Return the orthonormal cosines of the DCT-II, ``float32[frequency, place]``."""
    frequency, place = np.arange(size)[:, None], np.arange(size)[None]
    waves = np.cos(np.pi * (place + 0.5) * frequency / size) * np.sqrt(2 / size)
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


def _weights(height: int, width: int) -> NDArray:
    """Return the weight of each pair of frequencies: 1 over its length."""
    rows, columns = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    length = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
    scale = np.sqrt(height * width) / max(height, width)
    return (scale / length).astype(np.float32)


def plot_feature_visualization(
    model: Model,
    layer: Any,
    filters: int | Sequence[int] = 0,
    *,
    steps: int = 256,
    learning_rate: float = 0.05,
    jitter: float = 0.05,
    rotation: float = 5.0,
    scaling: float = 0.05,
    clip_min: float = 0.0,
    clip_max: float = 1.0,
    seed: int = 0,
) -> Figure:
    """Draw :func:`feature_visualization`, a picture for each filter.

    Parameters and errors are those of :func:`feature_visualization`.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(4, 3, input_shape=(8, 8, 1))])
    >>> len(nv.inspect.plot_feature_visualization(model, "conv2d", steps=2).axes)
    1
    """
    listed = [filters] if isinstance(filters, int | np.integer) else list(filters)
    found = feature_visualization(
        *(model, layer, listed),
        steps=steps,
        learning_rate=learning_rate,
        jitter=jitter,
        rotation=rotation,
        scaling=scaling,
        clip_min=clip_min,
        clip_max=clip_max,
        seed=seed,
    )
    return gallery(list(pictured(model, found)), [f"filter {one}" for one in listed])
