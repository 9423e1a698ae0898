"""The weights of the first layer, which look like what they detect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nervure.errors import ArgumentError, NotBuiltError, explain
from nervure.inspect.pictures import gallery
from nervure.ir.attrs import NDArray
from nervure.nn.layer import Layer
from nervure.nn.layers import Dense
from nervure.nn.layers.convolution.base import SlidingLayer
from nervure.nn.variable import Variable
from nervure.train.checks import whole_number
from nervure.train.network import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nervure.train.model import Model


def first_layer_filters(model: Model, layer: Any = None) -> NDArray:
    """Return the filters of the first convolution, or the weights of the first units.

    Parameters
    ----------
    model
        Any model whose first layer with weights is a convolution or a dense layer.
    layer
        The name of another layer, or the layer itself.

    Returns
    -------
    ``float32[filters, height, width, channels]`` of a convolution over pictures;
    ``float32[units, height, width, channels]`` of a dense layer that gets a flattened
    picture; else ``float32[units, features]``.

    Raises
    ------
    ArgumentError
        For a model without such a layer.
    UnknownNameError
        For an unknown layer.
    NotBuiltError
        Before the layer has weights.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(16, 3, input_shape=(28, 28, 1))])
    >>> nv.inspect.first_layer_filters(model).shape
    (16, 3, 3, 1)
    """
    chosen = _chosen(model, layer)
    if not chosen.built:
        raise NotBuiltError(
            explain(
                f"the layer {chosen.name!r} has no weights yet",
                fix="call the model on data first, or give it an input_shape",
            )
        )
    # A separable convolution looks at its input with the first of its two kernels.
    name = "kernel" if hasattr(chosen, "kernel") else "depthwise_kernel"
    kernel: Variable = getattr(chosen, name)
    values = np.array(kernel.numpy())
    if isinstance(chosen, Dense):
        shape = _picture_before(model, chosen)
        units = values.T
        return units if shape is None else units.reshape(len(units), *shape)
    return np.moveaxis(values, -1, 0)


def _chosen(model: Model, layer: Any) -> Layer:
    if isinstance(layer, str):
        layer = model.get_layer(layer)
    elif layer is None:
        layer = next((one for one in _plain_layers(model) if _has_filters(one)), None)
    if layer is None or not _has_filters(layer):
        raise ArgumentError(
            explain(
                f"the model {model.name!r} has no convolution and no dense layer whose "
                "filters could be shown"
                if layer is None
                else f"the layer {getattr(layer, 'name', layer)!r} has no filters",
                fix="pass a Conv2D or Dense layer of the model",
            )
        )
    chosen: Layer = layer
    return chosen


def _has_filters(layer: Any) -> bool:
    return isinstance(layer, Dense | SlidingLayer)


def _plain_layers(network: Network) -> Iterator[Layer]:
    """Yield the layers of a network in their order, those inside of others too."""
    for layer in network.layers:
        if isinstance(layer, Network):
            yield from _plain_layers(layer)
        else:
            inner = [one for one in layer.flattened() if one is not layer]
            yield layer
            yield from inner


def _picture_before(model: Model, dense: Dense) -> tuple[int, ...] | None:
    """Return the shape of a picture that a dense layer gets flattened, or None."""
    shape = model.inputs[0].shape[1:] if model.inputs else ()
    is_picture = len(shape) in (2, 3) and None not in shape
    layers = list(_plain_layers(model))
    before = layers[: layers.index(dense)] if dense in layers else []
    if not is_picture or any(one.weights for one in before):
        return None
    known = tuple(int(one) for one in shape if one is not None)
    height_width_channels = known if len(known) == 3 else (*known, 1)
    fits = math.prod(known) == dense.kernel.shape[0]
    return height_width_channels if fits else None


def plot_first_layer_filters(
    model: Model, layer: Any = None, *, most: int = 64
) -> Figure:
    """Draw :func:`first_layer_filters`, one picture for each; ``most`` limits them.

    Dense weights without a picture are drawn as a square where that is possible.

    Returns
    -------
    A figure of matplotlib.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Conv2D(16, 3, input_shape=(28, 28, 1))])
    >>> len(nv.inspect.plot_first_layer_filters(model).axes)
    16
    """
    filters = first_layer_filters(model, layer)
    return gallery(list(filters[: whole_number(most, "most", 1, 64)]))
