"""Residual networks.

He et al., "Deep residual learning for image recognition", 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Unpack

from nervure.layers import Add, MaxPooling2D, ZeroPadding2D
from nervure.pretrained.options import (
    TORCHVISION,
    Facts,
    NetworkOptions,
    settings_of,
)
from nervure.pretrained.parts import Body, Parts, assembled
from nervure.train.model import Model

__all__ = ["resnet18", "resnet34", "resnet50", "resnet101"]

# What a block with a bottleneck widens its output by.
_WIDENING: Final = 4


def resnet18(**options: Unpack[NetworkOptions]) -> Model:
    """Return ResNet-18: 11.7 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`; torchvision's style only.

    >>> import nervure as nv
    >>> model = nv.pretrained.resnet18()
    >>> sum(one.size for one in model.trainable_weights)
    11689512
    """
    facts = Facts("resnet18", styles=(TORCHVISION,))
    return _resnet(facts, (2, 2, 2, 2), _plain_block, options)


def resnet34(**options: Unpack[NetworkOptions]) -> Model:
    """Return ResNet-34: 21.8 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`; torchvision's style only.

    >>> import nervure as nv
    >>> model = nv.pretrained.resnet34(include_top=False, pooling="avg")
    >>> model.output_shape
    (None, 512)
    """
    facts = Facts("resnet34", styles=(TORCHVISION,))
    return _resnet(facts, (3, 4, 6, 3), _plain_block, options)


def resnet50(**options: Unpack[NetworkOptions]) -> Model:
    """Return ResNet-50: 25.6 million weights.

    ``float32[batch, 224, 224, 3]``, prepared by
    :func:`~nervure.pretrained.preprocess_input`, becomes ``float32[batch, 1000]``.

    ================  ===============================  ==============================
    style             "torchvision" (default)          "keras"
    ================  ===============================  ==============================
    strides           of the 3 x 3 convolution         of the first 1 x 1 convolution
    biases            none before normalizations       in all convolutions
    weights           ``.safetensors`` of a state      ``.h5``, ``.weights.h5``
                      dict
    ================  ===============================  ==============================

    Parameters
    ----------
    weights
        None for random ones.  The path of a file: a ``.safetensors`` file with the
        state dict of torchvision's model, Keras' ``.h5``, or Nervure's
        ``.weights.nv``.  Or arrays by the names of a state dict.
    include_top
        Whether the layers that classify are there.
    input_shape
        The height, width and channels of an image; height and width may be None.
    pooling
        Without the top: "avg" or "max" over all places, or None for a feature map.
    classes
        The number of classes of the top.
    classifier_activation
        A name or function; None for logits.
    style
        "torchvision" or "keras": whose network it is, where they differ.  By default
        that of the file of weights, otherwise torchvision's.
    name
        Of the model.

    Raises
    ------
    ArgumentError, ShapeError, UnknownNameError
        For arguments that cannot be used.
    FileFormatError
        For a damaged file, or one with other weights than this network has.

    >>> import nervure as nv
    >>> model = nv.pretrained.resnet50(include_top=False)
    >>> model.output_shape
    (None, 7, 7, 2048)
    """
    return _resnet(Facts("resnet50"), (3, 4, 6, 3), _bottleneck, options)


def resnet101(**options: Unpack[NetworkOptions]) -> Model:
    """Return ResNet-101: 44.5 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`.

    >>> import nervure as nv
    >>> model = nv.pretrained.resnet101(include_top=False, pooling="max")
    >>> model.output_shape
    (None, 2048)
    """
    return _resnet(Facts("resnet101"), (3, 4, 23, 3), _bottleneck, options)


def _resnet(
    facts: Facts, repeats: Sequence[int], block: Any, options: NetworkOptions
) -> Model:
    settings = settings_of(facts, options)

    def body(parts: Parts, x: Any) -> Any:
        x = _stem(parts, x)
        for stage, count in enumerate(repeats, 1):
            for number in range(count):
                strides = 2 if stage > 1 and number == 0 else 1
                name = f"conv{stage + 1}_block{number + 1}"
                source = f"layer{stage}.{number}"
                x = block(parts, x, 32 << stage, strides, number == 0, name, source)
        return x

    return assembled(
        settings,
        body,
        _TOP,
        epsilon=1.001e-5 if settings.is_keras else 1e-5,
        momentum=0.99 if settings.is_keras else 0.9,
    )


def _top(parts: Parts, x: Any) -> Any:
    return parts.classifier(x, "fc")


_TOP: Final[Body] = _top


def _stem(parts: Parts, x: Any) -> Any:
    x = parts.conv(
        x,
        64,
        7,
        strides=2,
        padding=3,
        use_bias=parts.settings.is_keras,
        name="conv1_conv",
        source="conv1",
    )
    x = parts.norm(x, name="conv1_bn", source="bn1")
    x = parts.activation(x, "relu", name="conv1_relu")
    # Zeros at the border never win: what comes out of a ReLU is not below them.
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    return MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _shortcut(
    parts: Parts, x: Any, filters: int, strides: int, name: str, source: str
) -> Any:
    x = parts.conv(
        x,
        filters,
        1,
        strides=strides,
        padding="valid",
        use_bias=parts.settings.is_keras,
        name=f"{name}_0_conv",
        source=f"{source}.downsample.0",
    )
    return parts.norm(x, name=f"{name}_0_bn", source=f"{source}.downsample.1")


def _bottleneck(
    parts: Parts,
    inputs: Any,
    filters: int,
    strides: int,
    is_first: bool,
    name: str,
    source: str,
) -> Any:
    """Narrow, convolve, widen, and add what came in."""
    keras = parts.settings.is_keras
    wide = filters * _WIDENING
    shortcut = inputs
    if is_first:
        shortcut = _shortcut(parts, inputs, wide, strides, name, source)
    x = inputs
    for number, (size, width) in enumerate(((1, filters), (3, filters), (1, wide)), 1):
        step = strides if number == (1 if keras else 2) else 1
        padding: str | int = "same" if step == 1 else size // 2
        x = parts.conv(
            x,
            width,
            size,
            strides=step,
            padding=padding or "valid",
            use_bias=keras,
            name=f"{name}_{number}_conv",
            source=f"{source}.conv{number}",
        )
        x = parts.norm(x, name=f"{name}_{number}_bn", source=f"{source}.bn{number}")
        if number < 3:
            x = parts.activation(x, "relu", name=f"{name}_{number}_relu")
    x = Add(name=f"{name}_add")([shortcut, x])
    return parts.activation(x, "relu", name=f"{name}_out")


def _plain_block(
    parts: Parts,
    inputs: Any,
    filters: int,
    strides: int,
    is_first: bool,
    name: str,
    source: str,
) -> Any:
    """Convolve twice and add what came in."""
    shortcut = inputs
    if is_first and (strides > 1 or inputs.shape[-1] != filters):
        shortcut = _shortcut(parts, inputs, filters, strides, name, source)
    x = inputs
    for number in (1, 2):
        step = strides if number == 1 else 1
        x = parts.conv(
            x,
            filters,
            3,
            strides=step,
            padding="same" if step == 1 else 1,
            name=f"{name}_{number}_conv",
            source=f"{source}.conv{number}",
        )
        x = parts.norm(x, name=f"{name}_{number}_bn", source=f"{source}.bn{number}")
        if number == 1:
            x = parts.activation(x, "relu", name=f"{name}_{number}_relu")
    x = Add(name=f"{name}_add")([shortcut, x])
    return parts.activation(x, "relu", name=f"{name}_out")
