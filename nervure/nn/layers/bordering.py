"""Layers that add places around their input, or cut places off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.input_spec import InputSpec
from nervure.nn.layer import Layer
from nervure.nn.layer_options import LayerOptions
from nervure.ops.nn.sliding import PadPairs, data_format_name, one_per_axis

# What both kinds take: a number, one for each axis, or a pair for each axis.
Borders = int | Sequence[int] | Sequence[Sequence[int]]


def _pairs(name: str, given: Any, rank: int) -> PadPairs:
    """Return how many places to treat before and after each spatial axis."""
    if not isinstance(given, Sequence):
        amounts = one_per_axis(name, given, rank, least=0)
        return tuple((amount, amount) for amount in amounts)
    if rank == 1:  # a pair, not one number for each axis
        return (_pair(name, given),)
    if len(given) != rank:
        raise ArgumentError(
            explain(
                f"expected {name} to be a whole number from 0, {rank} of them "
                f"or {rank} "
                f"pairs of them, got {given!r}",
                fix="pass how many to add on each side, such as 1",
            )
        )
    return tuple(_pair(name, one) for one in given)


def _pair(name: str, given: Any) -> tuple[int, int]:
    before, after = one_per_axis(f"each entry of {name}", given, 2, least=0)
    return before, after


class ZeroPadding(Layer):
    """The part that is the same for any number of spatial axes."""

    rank: ClassVar[int]

    def __init__(
        self,
        padding: Borders = 1,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        pairs = _pairs("padding", padding, self.rank)
        self.padding: Any = pairs[0] if self.rank == 1 else pairs
        self.data_format = data_format_name(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        pairs = _pairs("padding", self.padding, self.rank)
        return ops.pad(inputs, _for_all_axes(pairs, self.data_format))


class Cropping(Layer):
    """The part that is the same for any number of spatial axes."""

    rank: ClassVar[int]

    cropping: Any
    data_format: str

    def _keep(self, cropping: Borders, data_format: str | None) -> None:
        """Check and store the arguments."""
        pairs = _pairs("cropping", cropping, self.rank)
        self.cropping = pairs[0] if self.rank == 1 else pairs
        self.data_format = data_format_name(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Array) -> Array:
        """Compute the output."""
        pairs = _pairs("cropping", self.cropping, self.rank)
        cuts = _for_all_axes(pairs, self.data_format)
        sizes = zip(inputs.shape, cuts, strict=True)
        if any(before + after >= size for size, (before, after) in sizes if size):
            first = 1 if self.data_format == "channels_last" else 2
            places = list(inputs.shape[first : first + self.rank])
            raise ShapeError(
                explain(
                    f"cropping (layer {self.name!r}): nothing is left of the {places} "
                    f"places of the input when {self.cropping} are cut off",
                    fix="cut off fewer, or give the network larger inputs",
                )
            )
        sizes = zip(inputs.shape, cuts, strict=True)
        return inputs[
            tuple(slice(before, size - after) for size, (before, after) in sizes)
        ]


def _for_all_axes(pairs: PadPairs, data_format: str) -> PadPairs:
    """Return pairs for all axes: none for the batch and the channels."""
    none = (0, 0)
    if data_format == "channels_last":
        return (none, *pairs, none)
    return (none, none, *pairs)


class ZeroPadding1D(ZeroPadding):
    """Zeros before and after a sequence.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, before + steps + after,
    channels]``.

    Parameters
    ----------
    padding
        How many zeros: a number, or a pair ``(before, after)``.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.ZeroPadding1D((0, 2))([[[5.0], [6.0]]]).tolist()
    [[[5.0], [6.0], [0.0], [0.0]]]
    """

    rank = 1


class ZeroPadding2D(ZeroPadding):
    """Zeros around an image.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, top + height +
    bottom, left + width + right, channels]``.

    Parameters
    ----------
    padding
        How many zeros: a number, two for height and width, or two pairs ``((top,
        bottom), (left, right))``.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.ZeroPadding2D(((1, 0), (2, 2)))(nv.ones((1, 4, 4, 3))).shape
    (1, 5, 8, 3)
    """

    rank = 2


class ZeroPadding3D(ZeroPadding):
    """Zeros around a volume.

    ``float32[batch, depth, height, width, channels]`` becomes larger on its three
    spatial axes.

    Parameters
    ----------
    padding
        How many zeros: a number, three for the axes, or three pairs ``(before,
        after)``.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    >>> import nervure as nv
    >>> nv.layers.ZeroPadding3D((0, 1, 2))(nv.ones((1, 4, 4, 4, 3))).shape
    (1, 4, 6, 8, 3)
    """

    rank = 3


class Cropping1D(Cropping):
    """A sequence without its ends.

    ``float32[batch, steps, channels]`` becomes ``float32[batch, steps - before - after,
    channels]``.

    Parameters
    ----------
    cropping
        How many steps go: a number, or a pair ``(before, after)``.

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        When nothing is left.

    >>> import nervure as nv
    >>> nv.layers.Cropping1D((1, 0))([[[5.0], [6.0], [7.0]]]).tolist()
    [[[6.0], [7.0]]]
    """

    rank = 1

    def __init__(
        self,
        cropping: Borders = (1, 1),
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self._keep(cropping, None)


class Cropping2D(Cropping):
    """An image without its borders.

    ``float32[batch, height, width, channels]`` becomes ``float32[batch, height - top -
    bottom, width - left - right, channels]``.

    Parameters
    ----------
    cropping
        How many places go: a number, two for height and width, or two pairs ``((top,
        bottom), (left, right))``.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        When nothing is left.

    >>> import nervure as nv
    >>> nv.layers.Cropping2D(((1, 0), (2, 2)))(nv.ones((1, 6, 6, 3))).shape
    (1, 5, 2, 3)
    """

    rank = 2

    def __init__(
        self,
        cropping: Borders = ((0, 0), (0, 0)),
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self._keep(cropping, data_format)


class Cropping3D(Cropping):
    """A volume without its borders.

    ``float32[batch, depth, height, width, channels]`` becomes smaller on its three
    spatial axes.

    Parameters
    ----------
    cropping
        How many places go: a number, three for the axes, or three pairs ``(before,
        after)``.
    data_format
        "channels_last", also None, or "channels_first".

    Other arguments: see :class:`~nervure.layers.Layer`.

    Raises
    ------
    ShapeError
        When nothing is left.

    >>> import nervure as nv
    >>> nv.layers.Cropping3D((0, 1, 2))(nv.ones((1, 6, 6, 6, 3))).shape
    (1, 6, 4, 2, 3)
    """

    rank = 3

    def __init__(
        self,
        cropping: Borders = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self._keep(cropping, data_format)
