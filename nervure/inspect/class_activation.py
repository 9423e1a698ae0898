"""Where in a picture the evidence for a class is, from the last feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nervure import autodiff, ops, step, tree
from nervure.array import Array
from nervure.errors import ArgumentError, GradientError, ShapeError, explain
from nervure.inspect.pictures import over
from nervure.inspect.question import Question, layer_for, pictured, read_question
from nervure.inspect.seen import (
    ListedLayer,
    array_of,
    channels_last,
    listed_layers,
    slides,
    takes_channels_first,
    traced_layers,
)
from nervure.ir.attrs import NDArray
from nervure.ops import nn
from nervure.prims.leaf import full_like
from nervure.train.batched import by_batches
from nervure.train.scores import at_labels, read_samples, scores_of_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nervure.train.model import Model


def grad_cam(
    model: Model, x: Any, y: Any = None, *, layer: Any = None, batch_size: int = 32
) -> NDArray:
    """Return how much each region of a picture speaks for a class.

    The feature maps of a layer are weighted by the mean gradient of the class's score
    over each map, added up, rectified, and stretched to the size of the picture.
    (Selvaraju et al., "Grad-CAM", 2017.)

    Parameters
    ----------
    model
        A classifier with convolutions; the score before a softmax is differentiated.
    x
        Pictures ``[rows, height, width, channels]``, or sequences ``[rows, steps,
        channels]`` for one-dimensional convolutions.
    y
        The class of interest of each, ``[rows]`` or one-hot rows, or one for all; None
        takes those that the model sees.
    layer
        A layer, or its name; by default the last one whose maps are as large as those
        of the last convolution, so that its normalisation and activation are included.
    batch_size
        How many samples are computed at a time.

    Returns
    -------
    ``float32[rows, height, width]`` (``[rows, steps]``), from 0.

    Raises
    ------
    ArgumentError, GradientError
        For a model without convolutions, and a layer that the score does not depend on.
    UnknownNameError
        For an unknown layer.
    DataError, ShapeError
        For samples and classes that do not fit the model, and a layer without maps.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Conv2D(3, 3, activation="relu", input_shape=(8, 8, 1)),
    ...     nv.layers.GlobalAveragePooling2D(), nv.layers.Dense(2)])
    >>> nv.inspect.grad_cam(model, np.ones((2, 8, 8, 1), "float32"), [0, 1]).shape
    (2, 8, 8)
    """
    asked = read_question(model, x, y, batch_size)
    return _stretched(asked, layer, "grad_cam", _mean_weights)


def grad_cam_plus_plus(
    model: Model, x: Any, y: Any = None, *, layer: Any = None, batch_size: int = 32
) -> NDArray:
    """Return what :func:`grad_cam` does, with places weighted so that several count.

    Each place of a map counts by ``g^2 / (2 g^2 + sum(map) g^3)`` times its rectified
    gradient g, so that several objects of a class are covered.  The common factor
    ``exp(score)`` of the formula is left out.  (Chattopadhay et al., "Grad-CAM++",
    2018.)

    Parameters, result and errors are those of :func:`grad_cam`.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Conv2D(3, 3, activation="relu", input_shape=(8, 8, 1)),
    ...     nv.layers.GlobalAveragePooling2D(), nv.layers.Dense(2)])
    >>> x = np.ones((2, 8, 8, 1), "float32")
    >>> nv.inspect.grad_cam_plus_plus(model, x).shape
    (2, 8, 8)
    """
    asked = read_question(model, x, y, batch_size)
    return _stretched(asked, layer, "grad_cam_plus_plus", _counted_weights)


def _mean_weights(maps: Array, slopes: Array) -> Array:
    axes = tuple(range(1, maps.ndim - 1))
    return ops.mean(slopes, axis=axes, keepdims=True)


def _counted_weights(maps: Array, slopes: Array) -> Array:
    axes = tuple(range(1, maps.ndim - 1))
    total = ops.sum(maps, axis=axes, keepdims=True)
    # The formula divided by g^2: squares of small slopes would be 0.
    divisor = 2 + total * slopes
    share = ops.where(divisor == 0, 0.0, 1 / ops.where(divisor == 0, 1.0, divisor))
    return ops.sum(share * nn.relu(slopes), axis=axes, keepdims=True)


def _stretched(asked: Question, layer: Any, method: str, weights: Any) -> NDArray:
    """Return the weighted maps of a layer in the size of the samples."""
    model = asked.model
    entry = _layer_of_maps(model, asked.x, layer)
    first = takes_channels_first(model, asked.x)
    sizes = asked.x.shape[2:] if first else asked.x.shape[1:-1]

    def program(rows: Array, labels: Array) -> Array:
        seen, outputs = traced_layers(model, rows)
        output = array_of(seen, entry.name)
        scores = scores_of_output(model, tree.flatten(outputs)[0][0])
        score = ops.sum(at_labels(scores, labels)).node
        (back,) = autodiff.reverse([score], [full_like(score, 1)], [output.node])
        if back is None:
            raise GradientError(
                explain(
                    f"the score of {model.name!r} does not depend on the layer "
                    f"{entry.name!r}",
                    fix="name a layer that lies between the input and the output",
                )
            )
        maps = channels_last(output, entry.layer)
        slopes = channels_last(Array.of_node(back), entry.layer)
        found = nn.relu(ops.sum(weights(maps, slopes) * maps, axis=-1))
        return resized(found, sizes)

    compiled = model.kept((method, entry.name), lambda: step.compile(program))
    found: NDArray = by_batches(compiled, [asked.x, asked.labels], asked.batch_size)
    return found


def resized(maps: Array, sizes: tuple[int, ...]) -> Array:
    """Return maps ``[rows, *places]`` stretched to one or two other sizes."""
    flat = maps.ndim == 2
    images = maps[..., None, None] if flat else maps[..., None]
    size = (sizes[0], 1) if flat else (sizes[0], sizes[1])
    stretched = nn.resize(images, size)[..., 0]
    return stretched[..., 0] if flat else stretched


def _layer_of_maps(model: Model, x: NDArray, layer: Any) -> ListedLayer:
    """Return the layer whose maps are used: the given one, or the last that fits."""
    if layer is not None:
        entry = layer_for(model, x, layer)
    else:
        layers = listed_layers(model, [x], tree.LEAF)
        sliding = [one for one in layers if slides(one)]
        if not sliding:
            raise ArgumentError(
                explain(
                    f"the model {model.name!r} has no convolution, so there are no "
                    "maps of features",
                    fix="use saliency or occlusion, which need none, or pass the layer "
                    "that gives maps [rows, height, width, channels]",
                )
            )
        entry = [one for one in layers if one.shape == sliding[-1].shape][-1]
    if len(entry.shape) not in (3, 4) or len(entry.shape) != x.ndim:
        raise ShapeError(
            explain(
                f"the layer {entry.name!r} gives [rows, "
                f"{', '.join(map(str, entry.shape[1:]))}], which are no maps of the "
                "samples",
                fix="pass a layer that gives maps [rows, height, width, channels]",
            )
        )
    return entry


def plot_grad_cam(
    model: Model, x: Any, y: Any = None, *, layer: Any = None, batch_size: int = 32
) -> Figure:
    """Draw pictures, and below with :func:`grad_cam` laid over them in colour.

    Parameters and errors are those of :func:`grad_cam`.

    Returns
    -------
    A figure of matplotlib.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Conv2D(3, 3, input_shape=(8, 8, 1)), nv.layers.Flatten(),
    ...     nv.layers.Dense(2)])
    >>> len(nv.inspect.plot_grad_cam(model, np.ones((2, 8, 8, 1), "float32")).axes)
    4
    """
    found = grad_cam(model, x, y, layer=layer, batch_size=batch_size)
    return over(pictured(model, read_samples(model, x)), found, "Grad-CAM")


def plot_grad_cam_plus_plus(
    model: Model, x: Any, y: Any = None, *, layer: Any = None, batch_size: int = 32
) -> Figure:
    """Draw pictures, and below with :func:`grad_cam_plus_plus` laid over them.

    Parameters and errors are those of :func:`grad_cam`.

    Returns
    -------
    A figure of matplotlib.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.models.Sequential([
    ...     nv.layers.Conv2D(3, 3, input_shape=(8, 8, 1)), nv.layers.Flatten(),
    ...     nv.layers.Dense(2)])
    >>> x = np.ones((2, 8, 8, 1), "float32")
    >>> len(nv.inspect.plot_grad_cam_plus_plus(model, x).axes)
    4
    """
    found = grad_cam_plus_plus(model, x, y, layer=layer, batch_size=batch_size)
    return over(pictured(model, read_samples(model, x)), found, "Grad-CAM++")
