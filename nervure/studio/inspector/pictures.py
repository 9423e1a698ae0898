"""Arrays as bytes for the page, and what the page sends as arrays."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

import numpy as np

from nervure import pretrained
from nervure.errors import ArgumentError, DataError, NervureError, explain
from nervure.ir.attrs import NDArray


class PictureShape(NamedTuple):
    """The picture that a model takes, and how its input is arranged.

    Attributes
    ----------
    height, width, channels
        Of the picture; channels are 1 or 3.
    input_shape
        Of one sample, such as ``(784,)``.
    low, high
        What the network is given for black and for white, ``float32[channels]``.
    """

    height: int
    width: int
    channels: int
    input_shape: tuple[int, ...]
    low: NDArray = np.zeros(1, np.float32)
    high: NDArray = np.ones(1, np.float32)

    @property
    def span(self) -> float:
        """How far black and white lie apart, on average over the channels."""
        return float((self.high - self.low).mean())


def picture_shape(model: Any) -> PictureShape:
    """Return the picture that a model takes.

    Raises :class:`~nervure.errors.ArgumentError` for a model whose input is none.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(10, input_shape=(784,))])
    >>> picture_shape(model)[:3]
    (28, 28, 1)
    """
    shape = getattr(model, "input_shape", None)
    sizes = shape[1:] if isinstance(shape, tuple) and shape else ()
    if all(isinstance(one, int) for one in sizes):
        if len(sizes) == 3 and sizes[2] in (1, 3):
            return PictureShape(*sizes, tuple(sizes), *_ends(model, sizes[2]))
        if len(sizes) == 2:
            return PictureShape(*sizes, 1, tuple(sizes))
        if len(sizes) == 1 and round(sizes[0] ** 0.5) ** 2 == sizes[0] > 16:
            side = round(sizes[0] ** 0.5)
            return PictureShape(side, side, 1, tuple(sizes))
    raise ArgumentError(
        explain(
            f"the inspector shows networks that take pictures; this one takes {shape}",
            fix="open one whose input is [rows, height, width, channels] with 1 or 3 "
            "channels, or [rows, height, width]",
        )
    )


def _ends(model: Any, channels: int) -> NDArray:
    """Return what stands for black and white: 0 and 1 for networks of the user.

    Networks of :mod:`nervure.pretrained` are known by their names.
    """
    ends = np.broadcast_to(np.float32([[0], [255]]), (2, channels))
    try:
        found = pretrained.preprocess_input(ends.reshape(2, 1, 1, channels), model.name)
    except NervureError:
        return ends / np.float32(255)
    return found.reshape(2, channels)


def read_picture(text: Any, shape: PictureShape) -> NDArray:
    """Return a picture sent as base64 of bytes as one sample.

    Raises :class:`~nervure.errors.DataError` for what has not the right length.

    >>> read_picture("AP8A/w==", PictureShape(2, 2, 1, (4,))).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    count = shape.height * shape.width * shape.channels
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        data = b""
    if len(data) != count:
        raise DataError(
            explain(
                f"the picture must have {count} bytes in base64, got {len(data)}",
                fix="send one byte for each channel of each pixel",
            )
        )
    values = np.frombuffer(data, np.uint8).astype(np.float32) / 255
    picture = values.reshape(shape.height, shape.width, shape.channels)
    scaled = shape.low + picture * (shape.high - shape.low)
    return scaled.astype(np.float32).reshape(1, *shape.input_shape)


def shown_picture(x: NDArray, shape: PictureShape) -> NDArray:
    """Return a sample as a picture from 0 to 1: what :func:`read_picture` undoes.

    >>> shape = PictureShape(2, 2, 1, (4,))
    >>> shown_picture(read_picture("AP8A/w==", shape), shape).shape
    (2, 2, 1)
    """
    picture = x.reshape(shape.height, shape.width, shape.channels)
    return np.clip((picture - shape.low) / (shape.high - shape.low), 0, 1)


def thumbnail(values: NDArray, most: int) -> NDArray:
    """Return a map ``[height, width]`` with sides of at most ``most``, by means.

    >>> import numpy as np
    >>> thumbnail(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    factor = -(-max(values.shape) // most)
    if factor < 2:
        return values
    height, width = (one // factor * factor for one in values.shape)
    if not height or not width:
        return values[::factor, ::factor]
    cells = values[:height, :width].reshape(height // factor, factor, -1, factor)
    return cells.mean(axis=(1, 3))


def as_bytes(values: NDArray) -> str:
    """Return numbers from 0 to 1 as base64 of bytes.

    >>> import numpy as np
    >>> as_bytes(np.array([0.0, 1.0]))
    'AP8='
    """
    limited = np.clip(np.nan_to_num(values), 0, 1)
    return base64.b64encode((limited * 255).round().astype(np.uint8).tobytes()).decode()


def one_map(values: NDArray, *, signed: bool = False) -> dict[str, Any]:
    """Return a map ``[height, width]`` or a picture ``[height, width, 1 or 3]``.

    It is stretched from its least to its largest number; with ``signed`` 0 is the
    middle.

    >>> import numpy as np
    >>> one_map(np.eye(2))["values"]
    '/wAA/w=='
    """
    numbers = np.nan_to_num(np.asarray(values, np.float64))
    if signed:
        most = max(float(np.abs(numbers).max(initial=0)), 1e-12)
        stretched = numbers / most / 2 + 0.5
    else:
        low = float(numbers.min(initial=0))
        stretched = (numbers - low) / max(float(numbers.max(initial=0)) - low, 1e-12)
    return {
        "height": numbers.shape[0],
        "width": numbers.shape[1],
        "channels": numbers.shape[2] if numbers.ndim == 3 else 1,
        "signed": signed,
        "values": as_bytes(stretched),
    }
