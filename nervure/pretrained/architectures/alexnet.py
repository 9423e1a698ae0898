"""AlexNet: the network that began it.

Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
neural networks", 2012; without the split over two GPUs and with the number of filters
that Krizhevsky gives in "One weird trick for parallelizing convolutional neural
networks", 2014, as torchvision has it.
"""

from __future__ import annotations

from typing import Any, Final, Unpack

from nervure.layers import AdaptiveAveragePooling2D, Dropout, Flatten, MaxPooling2D
from nervure.pretrained.options import (
    TORCHVISION,
    Facts,
    NetworkOptions,
    settings_of,
)
from nervure.pretrained.parts import Parts, assembled
from nervure.train.model import Model

__all__ = ["alexnet"]

_FACTS: Final = Facts("alexnet", smallest=63, styles=(TORCHVISION,), needs_sizes=True)


def alexnet(**options: Unpack[NetworkOptions]) -> Model:
    """Return AlexNet: 61.1 million weights, most of them in the top.

    ``float32[batch, 224, 224, 3]`` becomes ``float32[batch, 1000]``.

    Parameters
    ----------
    options
        As for :func:`resnet50`; torchvision's style only.

    >>> import nervure as nv
    >>> model = nv.pretrained.alexnet(include_top=False)
    >>> model.count_params(), model.output_shape
    (2469696, (None, 6, 6, 256))
    """
    return assembled(settings_of(_FACTS, options), _body, _top)


def _body(parts: Parts, x: Any) -> Any:
    for number, (filters, size, place, is_pooled) in enumerate(
        (
            (64, 11, 0, True),
            (192, 5, 3, True),
            (384, 3, 6, False),
            (256, 3, 8, False),
            (256, 3, 10, True),
        ),
        1,
    ):
        x = parts.conv(
            x,
            filters,
            size,
            strides=4 if number == 1 else 1,
            padding=2 if number == 1 else "same",
            use_bias=True,
            activation="relu",
            name=f"conv{number}",
            source=f"features.{place}",
        )
        if is_pooled:
            x = MaxPooling2D(3, strides=2, name=f"pool{number}")(x)
    return x


def _top(parts: Parts, x: Any) -> Any:
    if x.shape[1:3] != (6, 6):
        x = AdaptiveAveragePooling2D(6, name="avg_pool")(x)
    flattened = x.shape[1:]
    x = Flatten(name="flatten")(x)
    for number, place in ((6, 1), (7, 4)):
        x = Dropout(0.5, name=f"dropout{number}")(x)
        x = parts.dense(
            x,
            4096,
            activation="relu",
            name=f"fc{number}",
            source=f"classifier.{place}",
            unflattened=flattened if number == 6 else None,
        )
    return parts.predictions(x, "classifier.6")
