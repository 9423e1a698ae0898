"""Images changed at random while a network is trained, each in its own way.

Outside of training the layers return their input, in their own type.  Random numbers
come from threefry keys, so a seed gives the same images on every executor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

from nervure import ops, random
from nervure.array import Array
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.nn.arguments import finite_number
from nervure.nn.layer_options import LayerOptions
from nervure.nn.layers.preprocessing.images import ImageLayer
from nervure.nn.seed import SeedGenerator
from nervure.ops import nn
from nervure.ops.nn.imaging import FILL_MODES
from nervure.ops.nn.sliding import data_format_name

Factor = float | Sequence[float]


class RandomImageLayer(ImageLayer):
    """A layer that changes images in training.  A subclass defines ``transform``."""

    seed: int | None
    seed_generator: SeedGenerator

    def _keep_common(self, seed: int | None, data_format: str | None) -> None:
        self.seed = seed
        self.data_format = data_format_name(data_format)
        self.seed_generator = SeedGenerator(seed)

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Compute the output."""
        images = self._as_batch(inputs).astype(self.dtype)
        return self._like(inputs, self.transform(images) if training else images)

    def transform(self, images: Array) -> Array:
        """Return changed images ``[batch, height, width, channels]``."""
        raise NotImplementedError

    def _drawn(self, images: Array, limits: tuple[float, float]) -> Array:
        """Return a number for each image, evenly from between two limits."""
        key = self.seed_generator.next()
        low, high = limits
        count = images.shape[:1]
        return low + (high - low) * random.uniform(count, dtype=images.dtype, key=key)


def limits_of(name: str, factor: Any, least: float, largest: float) -> tuple[Any, Any]:
    """Return the limits that a factor names: a number f means from -f to f.

    Raises :class:`~nervure.errors.ArgumentError` for limits out of a range.
    """
    if isinstance(factor, list | tuple):
        if len(factor) != 2:
            raise ArgumentError(
                explain(
                    f"expected {name} to be one or two numbers: {factor!r}",
                    fix=f"write {name}=0.2, or {name}=(0.1, 0.2)",
                )
            )
        low, high = (finite_number(name, one) for one in factor)
    else:
        high = abs(finite_number(name, factor))
        low = -high
    if not least <= low <= high <= largest:
        raise ArgumentError(
            explain(
                f"expected {name} to be rising and from {least} to {largest}, got "
                f"{factor!r}",
                fix="pass one number, or two of which the first is smaller, as in "
                f"{name}=(0.1, 0.2)",
            )
        )
    return low, high


class RandomFlip(RandomImageLayer):
    """In training, mirrors each image or not, with equal chances.

    Parameters
    ----------
    mode
        "horizontal" exchanges left and right, "vertical" top and bottom,
        "horizontal_and_vertical" does each by chance.
    seed
        A whole number; None draws one from the process's generator.
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    UnknownNameError
        For another mode.

    >>> import nervure as nv
    >>> layer = nv.layers.RandomFlip("horizontal", seed=0)
    >>> x = nv.reshape(nv.arange(2.0), (1, 1, 2, 1))
    >>> layer(x)[0, 0, :, 0].tolist()
    [0.0, 1.0]
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        modes = ("horizontal", "vertical", "horizontal_and_vertical")
        if mode not in modes:
            raise unknown_name("mode of RandomFlip", mode, modes)
        self.mode = mode
        self._keep_common(seed, data_format)

    def transform(self, images: Array) -> Array:
        """Return the images, some of them mirrored."""
        for name, axis in (("horizontal", 2), ("vertical", 1)):
            if name in self.mode:
                flipped = random.bernoulli(
                    images.shape[:1], key=self.seed_generator.next()
                )
                images = ops.where(
                    flipped[:, None, None, None], ops.flip(images, axis=axis), images
                )
        return images


class RandomBrightness(RandomImageLayer):
    """In training, adds a number to all pixels of an image.

    Parameters
    ----------
    factor
        The number as a share of the range of values: f for anything from -f to f, or
        two limits, from -1 to 1.
    value_range
        The smallest and the largest value of a pixel; results are cut off there.
    seed
        A whole number; None draws one from the process's generator.
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.RandomBrightness((0.5, 0.5), value_range=(0.0, 1.0), seed=0)
    >>> layer(nv.full((1, 1, 1, 1), 0.25), training=True).tolist()
    [[[[0.75]]]]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.factor = factor
        self._limits = limits_of("the factor of RandomBrightness", factor, -1.0, 1.0)
        self.value_range = _range(value_range)
        self._keep_common(seed, data_format)

    def transform(self, images: Array) -> Array:
        """Return brighter and darker images."""
        low, high = self.value_range
        change = self._drawn(images, self._limits) * (high - low)
        return ops.clip(images + change[:, None, None, None], low, high)


class RandomContrast(RandomImageLayer):
    """In training, changes how far pixels are from the mean of their channel.

    Parameters
    ----------
    factor
        Distances are multiplied by a number from 1 - f to 1 + f; two numbers are those
        for below and above 1, each from 0 to 1.
    value_range
        The smallest and the largest value of a pixel; results are cut off there.
    seed
        A whole number; None draws one from the process's generator.
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ArgumentError
        For a factor outside of 0 to 1.

    >>> import nervure as nv
    >>> layer = nv.layers.RandomContrast(0.2, seed=0)
    >>> x = nv.ones((1, 2, 2, 1))
    >>> bool(nv.all(layer(x, training=True) == x))
    True
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.factor = factor
        pair = factor if isinstance(factor, list | tuple) else (factor, factor)
        if len(pair) != 2 or not all(
            0 <= finite_number("factor", one) <= 1 for one in pair
        ):
            raise ArgumentError(
                explain(
                    "expected the factor of RandomContrast to be one or two numbers "
                    "from 0 "
                    f"to 1, got {factor!r}",
                    fix="RandomContrast(0.2) changes the contrast by up to a fifth",
                )
            )
        self._limits = (1.0 - pair[0], 1.0 + pair[1])
        self.value_range = _range(value_range)
        self._keep_common(seed, data_format)

    def transform(self, images: Array) -> Array:
        """Return images with more and less contrast."""
        factor = self._drawn(images, self._limits)[:, None, None, None]
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        return ops.clip((images - mean) * factor + mean, *self.value_range)


def _range(given: Any) -> tuple[float, float]:
    pair = tuple(given)
    if len(pair) != 2 or not pair[0] < pair[1]:
        raise ArgumentError(
            explain(
                f"expected value_range to be two rising numbers: {given!r}",
                fix="value_range=(0, 255) for bytes, (0, 1) for pictures that are "
                "scaled",
            )
        )
    return float(pair[0]), float(pair[1])


class AffineImageLayer(RandomImageLayer):
    """A layer that moves, turns or stretches images.

    A subclass says with :meth:`numbers` from where pixels are taken.
    """

    interpolation: str
    fill_mode: str
    fill_value: float

    def _keep_filling(
        self, fill_mode: str, interpolation: str, fill_value: float
    ) -> None:
        if fill_mode not in FILL_MODES:
            raise unknown_name("fill_mode", fill_mode, FILL_MODES)
        if interpolation not in ("nearest", "bilinear"):
            raise unknown_name("interpolation", interpolation, ("nearest", "bilinear"))
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = finite_number("fill_value", fill_value)

    def numbers(self, images: Array) -> list[Array | float]:
        """Return a to f of ``affine_transform``, each for all images or for each."""
        raise NotImplementedError

    def transform(self, images: Array) -> Array:
        """Return the images, their pixels taken from other places."""
        count = images.shape[:1]
        numbers = [
            ops.broadcast_to(ops.asarray(one).astype(images.dtype), count)
            for one in self.numbers(images)
        ]
        return nn.affine_transform(
            images,
            ops.stack(numbers, axis=1),
            self.interpolation,
            self.fill_mode,
            self.fill_value,
        )


class RandomTranslation(AffineImageLayer):
    """In training, moves images up or down, left or right.

    Parameters
    ----------
    height_factor, width_factor
        By how much, as a share of the size: f for anything from -f to f, or two limits,
        from -1 to 1.  Positive numbers move down and right.
    fill_mode
        What comes in: "reflect", "wrap", "nearest" or "constant" (``fill_value``).
    interpolation
        "bilinear" or "nearest".
    seed
        A whole number; None draws one from the process's generator.
    fill_value
        The value that fills in the mode "constant".
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.RandomTranslation(0.0, (0.5, 0.5), "constant", seed=0)
    >>> x = nv.reshape(nv.asarray([1.0, 2.0]), (1, 1, 2, 1))
    >>> layer(x, training=True)[0, 0, :, 0].tolist()
    [0.0, 1.0]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._rows = limits_of("height_factor", height_factor, -1.0, 1.0)
        self._columns = limits_of("width_factor", width_factor, -1.0, 1.0)
        self._keep_filling(fill_mode, interpolation, fill_value)
        self._keep_common(seed, data_format)

    def numbers(self, images: Array) -> list[Array | float]:
        """Return what moves the images."""
        _, height, width, _ = images.shape
        down = self._drawn(images, self._rows) * height
        right = self._drawn(images, self._columns) * width
        return [1.0, 0.0, -right, 0.0, 1.0, -down]


class RandomRotation(AffineImageLayer):
    """In training, turns images around their centre.

    Parameters
    ----------
    factor
        By how much, as a share of a whole turn: f for anything from -f to f, or two
        limits.  Positive numbers turn against the clock.
    fill_mode
        What comes in: "reflect", "wrap", "nearest" or "constant" (``fill_value``).
    interpolation
        "bilinear" or "nearest".
    seed
        A whole number; None draws one from the process's generator.
    fill_value
        The value that fills in the mode "constant".
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.RandomRotation((0.5, 0.5), interpolation="nearest", seed=0)
    >>> x = nv.reshape(nv.asarray([1.0, 2.0, 3.0]), (1, 1, 3, 1))
    >>> layer(x, training=True)[0, 0, :, 0].tolist()
    [3.0, 2.0, 1.0]
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.factor = factor
        self._limits = limits_of("the factor of RandomRotation", factor, -1.0, 1.0)
        self._keep_filling(fill_mode, interpolation, fill_value)
        self._keep_common(seed, data_format)

    def numbers(self, images: Array) -> list[Array | float]:
        """Return what turns the images."""
        _, height, width, _ = images.shape
        angle = self._drawn(images, self._limits) * (2 * math.pi)
        sine, cosine = ops.sin(angle), ops.cos(angle)
        x, y = (width - 1) / 2, (height - 1) / 2  # the centre stays where it is
        return [
            cosine,
            -sine,
            x - cosine * x + sine * y,
            sine,
            cosine,
            y - sine * x - cosine * y,
        ]


class RandomZoom(AffineImageLayer):
    """In training, makes images larger or smaller, around their centre.

    Parameters
    ----------
    height_factor
        By how much: f for anything from -f to f, or two limits, from -1.  Positive
        numbers make images smaller (0.5: half as much again of the scene is seen),
        negative ones larger.
    width_factor
        The same for the width; None keeps the ratio of the sides.
    fill_mode
        What comes in: "reflect", "wrap", "nearest" or "constant" (``fill_value``).
    interpolation
        "bilinear" or "nearest".
    seed
        A whole number; None draws one from the process's generator.
    fill_value
        The value that fills in the mode "constant".
    data_format
        "channels_last" (also None) or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> layer = nv.layers.RandomZoom((1.0, 1.0), fill_mode="constant", seed=0)
    >>> layer(nv.ones((1, 5, 5, 1)), training=True).sum().item()
    9.0
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._rows = limits_of("height_factor", height_factor, -1.0, math.inf)
        self._columns = (
            None
            if width_factor is None
            else limits_of("width_factor", width_factor, -1.0, math.inf)
        )
        self._keep_filling(fill_mode, interpolation, fill_value)
        self._keep_common(seed, data_format)

    def numbers(self, images: Array) -> list[Array | float]:
        """Return what stretches the images."""
        _, height, width, _ = images.shape
        rows = 1.0 + self._drawn(images, self._rows)
        columns = rows
        if self._columns is not None:
            columns = 1.0 + self._drawn(images, self._columns)
        x, y = (width - 1) / 2, (height - 1) / 2
        return [columns, 0.0, x * (1.0 - columns), 0.0, rows, y * (1.0 - rows)]
