"""Images as networks take them, and what networks say about them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nervure.errors import ArgumentError, DataError, ShapeError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.pretrained.options import KERAS, TORCHVISION
from nervure.train import checks
from nervure.train.model import Model

_NAMES: Final = Path(__file__).parent / "data" / "imagenet_classes.txt"


class _Scaling(NamedTuple):
    """``(pixel - mean) / deviation``, for colours in the order red, green, blue."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    is_reversed: bool = False  # the network wants blue first


# The moments of ImageNet, for pixels from 0 to 255.
_MOMENTS: Final = _Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
# As the Caffe models of the first years had it.
_CENTRED: Final = _Scaling((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), True)
_UNIT: Final = _Scaling((127.5,), (127.5,))
_AS_THEY_ARE: Final = _Scaling((0.0,), (1.0,))

_SCALINGS: Final[Mapping[str, Mapping[str, _Scaling]]] = {
    "alexnet": {TORCHVISION: _MOMENTS},
    "densenet121": {TORCHVISION: _MOMENTS, KERAS: _MOMENTS},
    "efficientnet_b0": {TORCHVISION: _MOMENTS, KERAS: _AS_THEY_ARE},
    "efficientnet_lite0": {"lite": _Scaling((127.0,), (128.0,))},
    "inception_v3": {TORCHVISION: _UNIT, KERAS: _UNIT},
    "lenet5": {"common": _Scaling((0.0,), (255.0,)), "paper": _UNIT},
    "mobilenet_v2": {TORCHVISION: _MOMENTS, KERAS: _UNIT},
    "resnet18": {TORCHVISION: _MOMENTS},
    "resnet34": {TORCHVISION: _MOMENTS},
    "resnet50": {TORCHVISION: _MOMENTS, KERAS: _CENTRED},
    "resnet101": {TORCHVISION: _MOMENTS, KERAS: _CENTRED},
    "vgg16": {TORCHVISION: _MOMENTS, KERAS: _CENTRED},
    "vgg19": {TORCHVISION: _MOMENTS, KERAS: _CENTRED},
    "vit_b_16": {TORCHVISION: _MOMENTS},
}


def preprocess_input(
    images: npt.ArrayLike,
    network: str | Callable[..., Model] = "efficientnet_lite0",
    style: str | None = None,
) -> NDArray:
    """Scale pixels as a network was trained with them.

    Parameters
    ----------
    images
        ``[..., height, width, channels]``, pixels from 0 to 255 of any type; colours
        in the order red, green, blue.  Sizes are left as they are.
    network
        The constructor of a network, or its name.
    style
        "torchvision" or "keras", as it was given to the constructor.

    Returns
    -------
    ``float32`` of the same shape; for VGG and ResNet in Keras' style blue comes first.

    Raises
    ------
    UnknownNameError
        For a network or style that there is not.
    ShapeError
        For images without channels, or with one that the network does not expect.
    DataError
        For pixels below 0 or above 255: they have been scaled already.

    >>> import numpy as np
    >>> import nervure as nv
    >>> pixels = np.full((1, 1, 3), 255, np.uint8)
    >>> nv.pretrained.preprocess_input(pixels, nv.pretrained.efficientnet_lite0)
    array([[[1., 1., 1.]]], dtype=float32)
    """
    scaling = _scaling(network, style)
    pixels = np.asarray(images)
    channels = 1 if _name_of(network) == "lenet5" else 3
    if pixels.ndim < 3 or pixels.shape[-1] != channels:
        raise ShapeError(
            explain(
                f"expected images of the shape [..., height, width, {channels}], got "
                f"{list(pixels.shape)}",
                fix="pass colour pictures with the channels last",
            )
        )
    if pixels.dtype != np.uint8 and pixels.size:
        least, most = pixels.min(), pixels.max()
        if not (least >= 0 and most <= 255):
            raise DataError(
                explain(
                    f"expected pixels from 0 to 255, got {least} to {most}",
                    fix="pass the pixels as they come from the file",
                )
            )
    mean, deviation = (
        np.asarray(one, np.float32) for one in (scaling.mean, scaling.deviation)
    )
    scaled = (pixels.astype(np.float32) - mean) / deviation
    return scaled[..., ::-1].copy() if scaling.is_reversed else scaled


def _name_of(network: str | Callable[..., Model]) -> str:
    return network if isinstance(network, str) else getattr(network, "__name__", "")


def _scaling(network: str | Callable[..., Model], style: str | None) -> _Scaling:
    name = _name_of(network)
    if name not in _SCALINGS:
        raise unknown_name("network", name, list(_SCALINGS))
    styles = _SCALINGS[name]
    if style is None:
        return next(iter(styles.values()))
    if style not in styles:
        raise unknown_name(f"style of {name}", style, list(styles))
    return styles[style]


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the short names of the 1000 classes of ImageNet, in their order.

    >>> import nervure as nv
    >>> nv.pretrained.imagenet_classes()[9]
    'ostrich'
    """
    return tuple(_NAMES.read_text(encoding="utf-8").splitlines())


def decode_predictions(
    predictions: npt.ArrayLike, top: int = 5
) -> list[list[tuple[int, str, float]]]:
    """Return the likeliest classes of ImageNet for each image.

    Parameters
    ----------
    predictions
        ``[images, 1000]``: probabilities or logits.
    top
        How many classes.

    Returns
    -------
    For each image a list of ``(number, name, score)``, the best first.  Where Keras has
    the identifier of a WordNet synset there stands the number of the class.

    Raises
    ------
    ShapeError
        For predictions of another shape.
    DataError
        For predictions that are not numbers.

    >>> import numpy as np
    >>> import nervure as nv
    >>> scores = np.zeros((1, 1000))
    >>> scores[0, 9] = 0.75
    >>> nv.pretrained.decode_predictions(scores, top=1)
    [[(9, 'ostrich', 0.75)]]
    """
    names = imagenet_classes()
    scores = np.asarray(predictions)
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ShapeError(
            explain(
                f"expected predictions of the shape [images, {len(names)}], got "
                f"{list(scores.shape)}",
                fix="only networks with the classes of ImageNet have these names",
            )
        )
    if np.isnan(scores).any():
        raise DataError(
            explain(
                "expected predictions that are numbers, got NaN",
                fix="look for the cause in the input: nervure.isnan(x).any()",
            )
        )
    if top > len(names):
        raise ArgumentError(
            explain(
                f"expected top to be at most {len(names)}, got {top!r}",
                fix=f"pass top={len(names)} or less",
            )
        )
    count = checks.whole_number(top, "top", 1, 5)
    # Equal scores in the order of the classes.
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return [
        [(int(one), names[one], float(row[one])) for one in places]
        for row, places in zip(scores, best, strict=True)
    ]
