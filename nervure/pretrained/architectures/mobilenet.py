"""MobileNetV2: blocks that are narrow outside and wide inside.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.
"""

from __future__ import annotations

from typing import Any, Final, Unpack

from nervure.layers import Add, ZeroPadding2D
from nervure.pretrained.options import Facts, NetworkOptions, settings_of
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["mobilenet_v2"]

_FACTS: Final = Facts("mobilenet_v2")
# Table 2 of the paper: expansion, filters, repeats, strides of the first.
_STAGES: Final = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(**options: Unpack[NetworkOptions]) -> Model:
    """Return MobileNetV2 of width 1: 3.5 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`.  The styles differ in the border of strided
        convolutions and in constants of the normalization.

    >>> import nervure as nv
    >>> model = nv.pretrained.mobilenet_v2()
    >>> sum(one.size for one in model.trainable_weights)
    3504872
    """
    settings = settings_of(_FACTS, options)
    return assembled(
        settings,
        _body,
        _top,
        epsilon=1e-3 if settings.is_keras else 1e-5,
        momentum=0.999 if settings.is_keras else 0.9,
    )


def _body(parts: Parts, x: Any) -> Any:
    x = parts.conv(
        x,
        32,
        3,
        strides=2,
        padding="same" if parts.settings.is_keras else 1,
        name="Conv1",
        source="features.0.0",
    )
    x = parts.norm(x, name="bn_Conv1", source="features.0.1")
    x = parts.activation(x, "relu6", name="Conv1_relu")
    number = 0
    for expansion, filters, repeats, strides in _STAGES:
        for repeat in range(repeats):
            step = 1 if repeat else strides
            x = _block(parts, x, expansion, filters, step, number)
            number += 1
    x = parts.conv(x, 1280, 1, name="Conv_1", source="features.18.0")
    x = parts.norm(x, name="Conv_1_bn", source="features.18.1")
    return parts.activation(x, "relu6", name="out_relu")


def _top(parts: Parts, x: Any) -> Any:
    dropout = 0.0 if parts.settings.is_keras else 0.2
    return parts.classifier(x, "classifier.1", dropout=dropout)


def _block(
    parts: Parts, inputs: Any, expansion: int, filters: int, strides: int, number: int
) -> Any:
    """Widen, convolve each channel by itself, narrow, and add what came in."""
    name = f"block_{number}" if number else "expanded_conv"
    source = f"features.{number + 1}.conv"
    channels = inputs.shape[-1]
    x = inputs
    place = 0
    if expansion > 1:
        x = parts.conv(
            x,
            channels * expansion,
            1,
            name=f"{name}_expand",
            source=f"{source}.0.0",
        )
        x = parts.norm(x, name=f"{name}_expand_BN", source=f"{source}.0.1")
        x = parts.activation(x, "relu6", name=f"{name}_expand_relu")
        place = 1
    x = _depthwise(parts, x, strides, name, f"{source}.{place}")
    x = parts.conv(
        x, filters, 1, name=f"{name}_project", source=f"{source}.{place + 1}"
    )
    x = parts.norm(x, name=f"{name}_project_BN", source=f"{source}.{place + 2}")
    if strides == 1 and channels == filters:
        x = Add(name=f"{name}_add")([inputs, x])
    return x


def _depthwise(parts: Parts, x: Any, strides: int, name: str, source: str) -> Any:
    padding: str | int = "same" if strides == 1 else 1
    if strides > 1 and parts.settings.is_keras:
        # One zero less in front where the size is even.
        borders = tuple((1 - (1 - (size or 1) % 2), 1) for size in x.shape[1:3])
        x = ZeroPadding2D(borders, name=f"{name}_pad")(x)
        padding = "valid"
    x = parts.depthwise(
        x,
        3,
        strides=strides,
        padding=padding,
        name=f"{name}_depthwise",
        source=f"{source}.0",
    )
    x = parts.norm(x, name=f"{name}_depthwise_BN", source=f"{source}.1")
    return parts.activation(x, "relu6", name=f"{name}_depthwise_relu")
