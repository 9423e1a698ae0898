"""LeNet-5: the network that read cheques.

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
recognition", 1998, section II.B.
"""

from __future__ import annotations

from typing import Any, Final, Unpack

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.layers import AveragePooling2D, DepthwiseConv2D, Flatten, Layer
from nervure.nn.layer_options import LayerOptions
from nervure.nn.registry import register_keras_serializable
from nervure.ops import nn
from nervure.pretrained.options import Facts, NetworkOptions, settings_of
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["PartlyConnectedConv2D", "ScaledTanh", "lenet5"]

_PAPER: Final = "paper"
_FACTS: Final = Facts(
    "lenet5",
    input_shape=(32, 32, 1),
    smallest=16,
    styles=("common", _PAPER),
    classes=10,
    needs_sizes=True,
)
# Table I: which of the 6 maps each of the 16 maps of the third layer sees.
_CONNECTIONS: Final = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5)),
    *((0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)


@register_keras_serializable("nervure")
class PartlyConnectedConv2D(Layer):
    """A convolution whose filters see only some of the channels: C3 of LeNet-5.

    ``float[batch, height, width, 6]`` becomes ``float[batch, height - 4, width - 4,
    16]``, with 60 kernels of 5 x 5 instead of 96.

    >>> import nervure as nv
    >>> from nervure.pretrained import PartlyConnectedConv2D
    >>> layer = PartlyConnectedConv2D()
    >>> layer(nv.ones((1, 14, 14, 6))).shape, layer.count_params()
    ((1, 10, 10, 16), 1516)
    """

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def build(self, input_shape: Any) -> None:
        """Create a kernel for each connection, and a bias for each filter."""
        count = sum(map(len, _CONNECTIONS))
        self.kernel = self.add_weight((5, 5, count), "lecun_uniform", name="kernel")
        self.bias = self.add_weight((len(_CONNECTIONS),), "zeros", name="bias")

    def call(self, inputs: Array) -> Array:
        """Convolve with kernels that are zero where there is no connection."""
        # As a product with zeros and ones, which differentiates itself.
        spread = self.kernel.value @ ops.asarray(_spreading(), dtype=self.dtype)
        kernel = ops.reshape(spread, (5, 5, 6, len(_CONNECTIONS)))
        sums: Array = nn.conv(inputs, kernel, padding="valid")
        return sums + self.bias.value


def _spreading() -> Any:
    """Return a matrix that puts each kernel at its places among all."""
    places = [
        channel * len(_CONNECTIONS) + filter_
        for filter_, channels in enumerate(_CONNECTIONS)
        for channel in channels
    ]
    matrix = np.zeros((len(places), 6 * len(_CONNECTIONS)), np.float32)
    matrix[np.arange(len(places)), places] = 1
    return matrix


def lenet5(**options: Unpack[NetworkOptions]) -> Model:
    """Return LeNet-5: 61,706 weights, or 60,850 as in the paper.

    ``float32[batch, 32, 32, 1]`` becomes the probabilities of 10 classes.

    Parameters
    ----------
    weights, include_top, input_shape, pooling, classes, classifier_activation, name
        As for :func:`resnet50`; a state dict has the names of PyTorch's tutorial:
        ``conv1``, ``conv2``, ``fc1``, ``fc2``, ``fc3``.
    style
        "common": as it is built today, with plain average pooling and all connections.
        "paper": pooling has a factor and a bias for each map, the third layer sees the
        maps of table I, and the function is ``1.7159 tanh(2 / 3 x)``; 60,000 weights as
        the paper counts.  In place of its fixed radial basis functions stands a dense
        layer with softmax.

    >>> import nervure as nv
    >>> nv.pretrained.lenet5().count_params()
    61706
    >>> nv.pretrained.lenet5(style="paper", include_top=False).count_params()
    60000
    """
    return assembled(settings_of(_FACTS, options), _body, _top)


def _body(parts: Parts, x: Any) -> Any:
    is_paper = parts.settings.style == _PAPER
    x = parts.conv(x, 6, 5, padding="valid", use_bias=True, name="c1", source="conv1")
    x = _pooled(parts, _squashed(parts, x, "c1"), "s2")
    if is_paper:
        x = PartlyConnectedConv2D(name="c3")(x)
    else:
        x = parts.conv(
            x, 16, 5, padding="valid", use_bias=True, name="c3", source="conv2"
        )
    x = _pooled(parts, _squashed(parts, x, "c3"), "s4")
    flattened = x.shape[1:]
    x = Flatten(name="flatten")(x)
    # C5 is a convolution as large as its input.
    x = parts.dense(x, 120, name="c5", source="fc1", unflattened=flattened)
    x = parts.dense(_squashed(parts, x, "c5"), 84, name="f6", source="fc2")
    return _squashed(parts, x, "f6")


def _top(parts: Parts, x: Any) -> Any:
    return parts.predictions(x, "fc3")


def _pooled(parts: Parts, x: Any, name: str) -> Any:
    x = AveragePooling2D(2, name=name)(x)
    if parts.settings.style != _PAPER:
        return x
    # A factor and a bias for each map.
    layer = DepthwiseConv2D(1, depthwise_initializer="ones", name=f"{name}_scale")
    return _squashed(parts, layer(x), name)


def _squashed(parts: Parts, x: Any, name: str) -> Any:
    if parts.settings.style == _PAPER:
        return ScaledTanh(name=f"{name}_activation")(x)
    return parts.activation(x, "tanh", name=f"{name}_activation")


@register_keras_serializable("nervure")
class ScaledTanh(Layer):
    """The function ``1.7159 tanh(2 / 3 x)``, which maps 1 to 1 and -1 to -1.

    >>> from nervure.pretrained import ScaledTanh
    >>> round(ScaledTanh()([1.0]).item(), 3)
    1.0
    """

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        return 1.7159 * ops.tanh(inputs * (2 / 3))
