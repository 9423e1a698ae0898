"""Pictures as PNG, without a library for images.

Source: https://www.w3.org/TR/png-3/. Eight bits a sample, no interlacing, every line
stored as it is.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure.errors import ShapeError, explain

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
# The number of channels and PNG's type of colour.
_COLOUR_TYPES: Final = {1: 0, 2: 4, 3: 2, 4: 6}


def encode_png(image: npt.NDArray[Any]) -> bytes:
    r"""Return a picture as the bytes of a PNG file.

    Parameters
    ----------
    image
        ``uint8[height, width, channels]`` with 1 (grey), 2 (grey and opacity), 3 (red,
        green, blue) or 4 channels (and opacity).

    Raises
    ------
    ShapeError
        For another shape or type.

    >>> encode_png(np.zeros((2, 2, 1), np.uint8))[:4]
    b'\x89PNG'
    """
    if (
        image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] not in _COLOUR_TYPES
        or 0 in image.shape
    ):
        raise ShapeError(
            explain(
                "expected a picture uint8[height, width, 1 to 4], got "
                f"{image.dtype.name}{list(image.shape)}",
                fix="scale it to 0 ... 255 and convert with .astype('uint8')",
            )
        )
    height, width, channels = image.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # 0: stored as it is
    lines[:, 1:] = image.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + name
        + data
        + struct.pack(">I", zlib.crc32(name + data))
    )


def as_bytes_of_image(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a picture of any numbers as ``uint8``, as TensorFlow's summaries do.

    ``uint8`` stays.  Numbers that are not negative are scaled so that the largest is
    255; others so that 0 is 127 and the largest magnitude reaches 0 or 255.  NaN and
    infinite numbers become 0.
    """
    if image.dtype == np.uint8:
        return image
    values = np.asarray(image, np.float64)
    finite = np.isfinite(values)
    sure = np.where(finite, values, 0.0)
    low, high = float(sure.min(initial=0.0)), float(sure.max(initial=0.0))
    if low < 0:
        scale, offset = 127.0 / max(-low, high), 128.0
    else:
        scale, offset = (255.0 / high if high > 0 else 0.0), 0.0
    scaled = np.clip(sure * scale + offset, 0, 255)
    return np.where(finite, scaled, 0.0).astype(np.uint8)
