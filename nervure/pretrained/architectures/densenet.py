"""DenseNet: each layer sees the outputs of all layers before it in its block.

Huang et al., "Densely connected convolutional networks", 2016.
"""

from __future__ import annotations

from typing import Any, Final, Unpack

from nervure.layers import AveragePooling2D, Concatenate, MaxPooling2D, ZeroPadding2D
from nervure.pretrained.options import Facts, NetworkOptions, settings_of
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["densenet121"]

_FACTS: Final = Facts("densenet121")
_GROWTH: Final = 32
_REPEATS: Final = (6, 12, 24, 16)


def densenet121(**options: Unpack[NetworkOptions]) -> Model:
    """Return DenseNet-121: 8 million weights.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`.  The styles differ in constants of the normalization.

    >>> import nervure as nv
    >>> model = nv.pretrained.densenet121()
    >>> sum(one.size for one in model.trainable_weights)
    7978856
    """
    settings = settings_of(_FACTS, options)
    return assembled(
        settings,
        _body,
        _top,
        epsilon=1.001e-5 if settings.is_keras else 1e-5,
        momentum=0.99 if settings.is_keras else 0.9,
    )


def _body(parts: Parts, x: Any) -> Any:
    x = parts.conv(
        x, 64, 7, strides=2, padding=3, name="conv1_conv", source="features.conv0"
    )
    x = parts.norm(x, name="conv1_bn", source="features.norm0")
    x = parts.activation(x, "relu", name="conv1_relu")
    x = ZeroPadding2D(1, name="pool1_pad")(x)  # zeros never win after a ReLU
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    for block, repeats in enumerate(_REPEATS, 1):
        for number in range(1, repeats + 1):
            name = f"conv{block + 1}_block{number}"
            x = _layer(parts, x, name, f"features.denseblock{block}.denselayer{number}")
        if block < len(_REPEATS):
            x = _transition(parts, x, block)
    x = parts.norm(x, name="bn", source="features.norm5")
    return parts.activation(x, "relu", name="relu")


def _top(parts: Parts, x: Any) -> Any:
    return parts.classifier(x, "classifier")


def _layer(parts: Parts, inputs: Any, name: str, source: str) -> Any:
    """Find a few more features and put them beside those that came in."""
    x = parts.norm(inputs, name=f"{name}_0_bn", source=f"{source}.norm1")
    x = parts.activation(x, "relu", name=f"{name}_0_relu")
    x = parts.conv(x, 4 * _GROWTH, 1, name=f"{name}_1_conv", source=f"{source}.conv1")
    x = parts.norm(x, name=f"{name}_1_bn", source=f"{source}.norm2")
    x = parts.activation(x, "relu", name=f"{name}_1_relu")
    x = parts.conv(x, _GROWTH, 3, name=f"{name}_2_conv", source=f"{source}.conv2")
    return Concatenate(name=f"{name}_concat")([inputs, x])


def _transition(parts: Parts, x: Any, block: int) -> Any:
    """Halve the features, and height and width."""
    name, source = f"pool{block + 1}", f"features.transition{block}"
    x = parts.norm(x, name=f"{name}_bn", source=f"{source}.norm")
    x = parts.activation(x, "relu", name=f"{name}_relu")
    x = parts.conv(x, x.shape[-1] // 2, 1, name=f"{name}_conv", source=f"{source}.conv")
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)
