"""Values as TensorFlow's message ``Summary``: what one tag has at one step.

Source: tensorflow/core/framework/summary.proto and tensor.proto. Scalars, histograms
and images take the fields of TensorFlow 1, which every TensorBoard reads; text takes a
tensor with the mark of TensorBoard's text plugin.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure.errors import DataError, ShapeError, explain
from nervure.tblog import wire
from nervure.tblog.png import as_bytes_of_image, encode_png

DT_STRING: Final = 7
NDArray = npt.NDArray[Any]


def summary(*values: bytes) -> bytes:
    """Return a message of several values."""
    return b"".join(wire.bytes_field(1, value) for value in values)


def _value(tag: str, content: bytes, metadata: bytes = b"") -> bytes:
    marked = wire.bytes_field(9, metadata) if metadata else b""
    return wire.text_field(1, tag) + content + marked


def scalar(tag: str, value: Any) -> bytes:
    """Return a number as a value of a summary.

    Raises :class:`~nervure.errors.ShapeError` for more than one number.
    """
    array = np.asarray(value)
    if array.size != 1:
        raise ShapeError(
            explain(
                f"the scalar {tag!r} must be one number, got shape {list(array.shape)}",
                fix="reduce it, or write a histogram",
            )
        )
    number = float(array.reshape(()).astype(np.float64))
    return _value(tag, wire.float_field(2, number))


# --- histograms ----------------------------------------------------------------------


@functools.cache
def _limits() -> NDArray:
    """Return the upper ends of the buckets: powers of 1.1 on both sides of zero.

    These are TensorFlow's (tensorflow/core/lib/histogram/histogram.cc).
    """
    positive = []
    number = 1e-12
    while number < 1e20:
        positive.append(number)
        number *= 1.1
    positive.append(np.finfo(np.float64).max)
    return np.array([-one for one in reversed(positive)] + [0.0] + positive)


def histogram(tag: str, values: Any) -> bytes:
    """Return how numbers are distributed as a value of a summary.

    Raises
    ------
    DataError
        For NaN or infinite numbers, which belong into no bucket.
    """
    return _value(tag, wire.bytes_field(5, histogram_message(tag, values)))


def histogram_message(tag: str, values: Any) -> bytes:
    """Return the message ``HistogramProto`` of numbers."""
    flat = np.asarray(values).astype(np.float64).ravel()
    bad = flat.size - int(np.isfinite(flat).sum())
    if bad:
        raise DataError(
            explain(
                f"the histogram {tag!r} has {bad} of {flat.size} numbers that are NaN "
                "or infinite",
                fix="look for the first such number with check_numerics",
            )
        )
    limits = _limits()
    places = np.searchsorted(limits, flat, side="right")
    counts = np.bincount(np.minimum(places, len(limits) - 1), minlength=len(limits))
    ends, sums = _without_empty(limits, counts)
    low, high = (flat.min(), flat.max()) if flat.size else (0.0, 0.0)
    return b"".join(
        [
            wire.double_field(1, low),
            wire.double_field(2, high),
            wire.double_field(3, flat.size),
            wire.double_field(4, flat.sum()),
            wire.double_field(5, np.square(flat).sum()),
            wire.doubles_field(6, ends),
            wire.doubles_field(7, sums),
        ]
    )


def _without_empty(limits: NDArray, counts: NDArray) -> tuple[list[float], list[float]]:
    """Return the buckets with runs of empty ones made into one."""
    kept = [
        place
        for place in range(len(counts))
        if counts[place] or place + 1 == len(counts) or counts[place + 1]
    ]
    if kept and not counts.any():
        kept = kept[-1:]
    last = np.flatnonzero(counts)
    if last.size:
        kept = [place for place in kept if place <= last[-1]]
    return [float(limits[one]) for one in kept], [float(counts[one]) for one in kept]


# --- images, text --------------------------------------------------------------------


def image(tag: str, picture: NDArray) -> bytes:
    """Return a picture ``[height, width, channels]`` as a value of a summary.

    Numbers are scaled as :func:`nervure.tblog.png.as_bytes_of_image` says.
    """
    pixels = as_bytes_of_image(np.asarray(picture))
    data = encode_png(pixels)
    height, width, channels = pixels.shape
    message = b"".join(
        [
            wire.int_field(1, height),
            wire.int_field(2, width),
            wire.int_field(3, channels),
            wire.bytes_field(4, data),
        ]
    )
    return _value(tag, wire.bytes_field(4, message))


def images(tag: str, pictures: NDArray, most: int = 3) -> list[bytes]:
    """Return pictures ``[n, height, width, channels]``, the first ``most`` of them.

    Several are named ``tag/image/0`` and so on, a single one ``tag/image``, as
    TensorFlow 1 does.
    """
    given = np.asarray(pictures)
    if given.ndim != 4:
        raise ShapeError(
            explain(
                f"the images {tag!r} must be [n, height, width, channels], got "
                f"{list(given.shape)}",
                fix="for one picture pass x[None], for grey ones x[..., None]",
            )
        )
    chosen = given[:most]
    names = (
        [f"{tag}/image"]
        if most == 1
        else [f"{tag}/image/{place}" for place in range(len(chosen))]
    )
    return [image(name, one) for name, one in zip(names, chosen, strict=False)]


def plugin(name: str, content: bytes = b"", data_class: int = 0) -> bytes:
    """Return the message ``SummaryMetadata`` of a plugin of TensorBoard."""
    data = wire.text_field(1, name)
    if content:
        data += wire.bytes_field(2, content)
    marked = wire.int_field(4, data_class) if data_class else b""
    return wire.bytes_field(1, data) + marked


def text(tag: str, lines: str | Iterable[str]) -> bytes:
    """Return text, which TensorBoard shows as Markdown, as a value of a summary."""
    listed = [lines] if isinstance(lines, str) else list(lines)
    shape = (
        b""
        if isinstance(lines, str)
        else wire.bytes_field(2, wire.bytes_field(2, wire.int_field(1, len(listed))))
    )
    tensor = wire.int_field(1, DT_STRING) + shape
    tensor += b"".join(wire.text_field(8, one) for one in listed)
    return _value(tag, wire.bytes_field(8, tensor), plugin("text", data_class=2))


def marked(tag: str, plugin_name: str, content: bytes) -> bytes:
    """Return a value that is nothing but data for a plugin."""
    # An empty tensor: TensorBoard wants one.
    tensor = (
        wire.int_field(1, 1)
        + wire.bytes_field(2, b"")
        + wire.bytes_field(5, b"\0\0\0\0")
    )
    return _value(tag, wire.bytes_field(8, tensor), plugin(plugin_name, content))
