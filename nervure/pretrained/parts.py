"""The layers of which architectures are put together, and where their weights are.

A network is written once.  Each layer with weights gets a name, under which
``get_layer`` finds it, and ``source``: the name of the corresponding module in the
state dict that torchvision publishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nervure.initializers import RandomNormal
from nervure.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    Input,
    Layer,
    ReLU,
    ZeroPadding2D,
)
from nervure.nn.first_values import values_from_a_file
from nervure.pretrained.options import Settings
from nervure.pretrained.weights import load
from nervure.train.model import Model

# Weights that are about to be read need no random values; a file has the last word on
# how many there are, so nothing limits them here.
_NO_LIMIT: Final = 1 << 62
# By kind and number of axes: maps, and sequences of patches.
_POOLINGS: Final[dict[tuple[str | None, int], type[Layer]]] = {
    ("avg", 4): GlobalAveragePooling2D,
    ("max", 4): GlobalMaxPooling2D,
    ("avg", 3): GlobalAveragePooling1D,
    ("max", 3): GlobalMaxPooling1D,
}


@dataclass(frozen=True)
class Source:
    """Where the weights of a layer stand in a state dict.

    Attributes
    ----------
    layer
        The layer.
    module
        The name of the module, without ``.weight``.
    unflattened
        For a dense layer after a flattening: the shape ``(height, width, channels)`` of
        what was flattened, since torch flattens the channels first.
    """

    layer: Layer
    module: str
    unflattened: tuple[int, int, int] | None = None


class Parts:
    """Adds layers to a network that is being made.

    Parameters
    ----------
    settings
        The arguments of the network.
    epsilon, momentum
        Of all batch normalizations.
    """

    def __init__(
        self, settings: Settings, epsilon: float = 1e-5, momentum: float = 0.9
    ) -> None:
        self.settings = settings
        self.sources: list[Source] = []
        self._epsilon = epsilon
        self._momentum = momentum

    def add(self, layer: Layer, x: Any, source: str | None) -> Any:
        """Call a layer and note where its weights are."""
        if source is not None:
            self.note(layer, source)
        return layer(x)

    def note(self, layer: Layer, source: str) -> None:
        """Note where the weights of a layer are."""
        self.sources.append(Source(layer, source))

    def conv(
        self,
        x: Any,
        filters: int,
        size: int | tuple[int, int],
        *,
        name: str,
        source: str | None,
        strides: int = 1,
        padding: str | int = "same",
        use_bias: bool = False,
        activation: Any = None,
    ) -> Any:
        """Convolve; a number as padding puts so many zeros on each side."""
        x, padding = self._bordered(x, name, padding)
        layer = Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=use_bias,
            activation=activation,
            kernel_initializer="he_normal",
            name=name,
        )
        return self.add(layer, x, source)

    def depthwise(
        self,
        x: Any,
        size: int,
        *,
        name: str,
        source: str | None,
        strides: int = 1,
        padding: str | int = "same",
    ) -> Any:
        """Convolve each channel by itself."""
        x, padding = self._bordered(x, name, padding)
        layer = DepthwiseConv2D(
            size,
            strides=strides,
            padding=padding,
            use_bias=False,
            # He's rule, for the few numbers that each output depends on.
            depthwise_initializer=RandomNormal(stddev=math.sqrt(2) / size),
            name=name,
        )
        return self.add(layer, x, source)

    def _bordered(self, x: Any, name: str, padding: str | int) -> tuple[Any, str]:
        if isinstance(padding, str):
            return x, padding
        return ZeroPadding2D(padding, name=f"{name}_pad")(x), "valid"

    def norm(self, x: Any, *, name: str, source: str | None, scale: bool = True) -> Any:
        """Normalize by the moments of the batch."""
        layer = BatchNormalization(
            epsilon=self._epsilon, momentum=self._momentum, scale=scale, name=name
        )
        return self.add(layer, x, source)

    def activation(self, x: Any, function: str, *, name: str) -> Any:
        """Apply a function; ``relu6`` is cut off at 6."""
        if function == "relu6":
            return ReLU(6.0, name=name)(x)
        return Activation(function, name=name)(x)

    def dense(
        self,
        x: Any,
        units: int,
        *,
        name: str,
        source: str | None,
        activation: Any = None,
        unflattened: tuple[int, int, int] | None = None,
    ) -> Any:
        """Connect everything with everything."""
        layer = Dense(units, activation=activation, name=name)
        if source is not None:
            self.sources.append(Source(layer, source, unflattened))
        return layer(x)

    def classifier(
        self,
        x: Any,
        source: str,
        dropout: float = 0.0,
        name: str = "predictions",
        pool: str = "avg_pool",
    ) -> Any:
        """Average over all places and classify."""
        x = GlobalAveragePooling2D(name=pool)(x)
        if dropout:
            x = Dropout(dropout, name="top_dropout")(x)
        return self.predictions(x, source, name)

    def predictions(self, x: Any, source: str, name: str = "predictions") -> Any:
        """Classify with the number of classes and the activation of the settings."""
        return self.dense(
            x,
            self.settings.classes,
            name=name,
            source=source,
            activation=self.settings.classifier_activation,
        )

    def pooled(self, x: Any) -> Any:
        """Return the output without a top; features that have no places stay."""
        pooling = self.settings.pooling
        layers = _POOLINGS.get((pooling, len(x.shape)))
        return x if layers is None else layers(name=f"{pooling}_pool")(x)


Body = Callable[[Parts, Any], Any]


def assembled(
    settings: Settings,
    body: Body,
    top: Body,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
) -> Model:
    """Return the model of an architecture, with its weights.

    Parameters
    ----------
    settings
        The arguments of the constructor.
    body, top
        Functions of a :class:`Parts` and a symbolic tensor: the layers that find
        features, and those that classify.
    epsilon, momentum
        Of batch normalizations.
    """
    if settings.weights is None:
        model, _ = _connected(settings, body, top, epsilon, momentum)
        return model
    with values_from_a_file(_NO_LIMIT):
        model, parts = _connected(settings, body, top, epsilon, momentum)
    load(model, parts.sources, settings)
    return model


def _connected(
    settings: Settings, body: Body, top: Body, epsilon: float, momentum: float
) -> tuple[Model, Parts]:
    parts = Parts(settings, epsilon, momentum)
    inputs = Input(settings.input_shape)
    x = body(parts, inputs)
    x = top(parts, x) if settings.include_top else parts.pooled(x)
    return Model(inputs, x, name=settings.name), parts
