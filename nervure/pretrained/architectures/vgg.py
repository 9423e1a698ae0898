"""VGG: small kernels, many layers.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
recognition", 2014, configurations D and E.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nervure.layers import AdaptiveAveragePooling2D, Dropout, Flatten, MaxPooling2D
from nervure.pretrained.options import Facts, NetworkOptions, settings_of
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["vgg16", "vgg19"]


def vgg16(**options: Unpack[NetworkOptions]) -> Model:
    """Return VGG-16: 138.4 million weights, most of them in the top.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`.  torchvision's style drops half of the units of the
        top in training, and takes images of any size to the top; Keras' does not.

    >>> import nervure as nv
    >>> model = nv.pretrained.vgg16(include_top=False)
    >>> model.count_params(), model.get_layer("block5_conv3").output_shape
    (14714688, (None, 14, 14, 512))
    """
    return _vgg("vgg16", (2, 2, 3, 3, 3), options)


def vgg19(**options: Unpack[NetworkOptions]) -> Model:
    """Return VGG-19: 143.7 million weights, most of them in the top.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`vgg16`.

    >>> import nervure as nv
    >>> nv.pretrained.vgg19(include_top=False).count_params()
    20024384
    """
    return _vgg("vgg19", (2, 2, 4, 4, 4), options)


def _vgg(name: str, repeats: Sequence[int], options: NetworkOptions) -> Model:
    settings = settings_of(Facts(name, needs_sizes=True), options)

    def body(parts: Parts, x: Any) -> Any:
        place = 0  # in torchvision's list of layers
        for block, count in enumerate(repeats, 1):
            for number in range(1, count + 1):
                x = parts.conv(
                    x,
                    min(32 << block, 512),
                    3,
                    use_bias=True,
                    activation="relu",
                    name=f"block{block}_conv{number}",
                    source=f"features.{place}",
                )
                place += 2  # a convolution and its ReLU
            x = MaxPooling2D(2, name=f"block{block}_pool")(x)
            place += 1
        return x

    return assembled(settings, body, _top)


def _top(parts: Parts, x: Any) -> Any:
    if not parts.settings.is_keras and x.shape[1:3] != (7, 7):
        x = AdaptiveAveragePooling2D(7, name="avg_pool")(x)
    flattened = x.shape[1:]
    x = Flatten(name="flatten")(x)
    for number, place in ((1, 0), (2, 3)):
        x = parts.dense(
            x,
            4096,
            activation="relu",
            name=f"fc{number}",
            source=f"classifier.{place}",
            unflattened=flattened if number == 1 else None,
        )
        if not parts.settings.is_keras:
            x = Dropout(0.5, name=f"dropout{number}")(x)
    return parts.predictions(x, "classifier.6")
