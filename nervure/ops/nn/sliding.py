"""What convolution and pooling share: data formats, windows and padding.

Below this layer everything is channels last and has its padding in numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.prims.movement import transpose

DATA_FORMATS: Final = ("channels_last", "channels_first")
PADDINGS: Final = ("valid", "same")
CAUSAL_PADDINGS: Final = (*PADDINGS, "causal")

Sizes = tuple[int, ...]
PadPairs = tuple[tuple[int, int], ...]


def data_format_name(given: str | None) -> str:
    """Return the name of a data format; None means channels last."""
    if given is None:
        return "channels_last"
    return _known("data_format", given, DATA_FORMATS)


def padding_name(given: str, allowed: Sequence[str] = PADDINGS) -> str:
    """Return the name of a padding in small letters."""
    return _known("padding", given, allowed)


def _known(kind: str, given: Any, allowed: Sequence[str]) -> str:
    name = given.lower() if isinstance(given, str) else given
    if name not in allowed:
        raise unknown_name(kind, given, allowed)
    return str(name)


def one_per_axis(name: str, given: Any, rank: int, least: int = 1) -> Sizes:
    """Return one whole number for each spatial axis; a single one is for all.

    Raises :class:`~nervure.errors.ArgumentError` for anything else.
    """
    values = given if isinstance(given, Sequence | np.ndarray) else [given] * rank
    try:
        numbers = tuple(
            least - 1 if _is_truth(v) else operator.index(v) for v in values
        )
    except TypeError:
        numbers = ()
    if len(numbers) != rank or min(numbers, default=least) < least:
        several = "" if rank == 1 else f", or {rank} of them"
        raise ArgumentError(
            explain(
                f"expected {name} to be a whole number from {least}{several}, "
                f"got {given!r}",
                fix="pass one number for all axes, or a tuple of one for each",
            )
        )
    return numbers


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def check_axes(op: str, x: Node) -> int:
    """Return the number of spatial axes of x; raises where there is none."""
    rank = len(x.shape) - 2
    if rank < 1:
        raise wrong(
            ShapeError,
            op,
            "expected an input with a batch, spatial axes and channels, got "
            f"{len(x.shape)} axes",
            [x],
            ["inputs"],
            fix="add the missing axes: x[None] for one sample, x[..., None] for images "
            "of one channel",
        )
    return rank


def channels_last(x: Node, data_format: str) -> Node:
    """Return x with its channels as the last axis."""
    if data_format == "channels_last":
        return x
    rank = len(x.shape)
    return transpose(x, (0, *range(2, rank), 1))


def channels_restored(x: Node, data_format: str) -> Node:
    """Return x, whose channels are last, in the given data format."""
    if data_format == "channels_last":
        return x
    rank = len(x.shape)
    return transpose(x, (0, rank - 1, *range(1, rank - 1)))


def reach_of(window: Sizes, dilation: Sizes) -> Sizes:
    """Return how far windows extend, from their first to their last element."""
    pairs = zip(window, dilation, strict=True)
    return tuple((extent - 1) * step + 1 for extent, step in pairs)


def pad_pairs(sizes: Sizes, reach: Sizes, strides: Sizes, padding: str) -> PadPairs:
    """Return how many places a padding adds before and after each spatial axis.

    "same" gives ``size / stride`` windows, rounded up, and where the number of places
    is odd one more of them at the end; "causal" adds places before only, so that no
    window sees what comes after it.
    """
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "causal":
        return tuple((extent - 1, 0) for extent in reach)
    pairs = []
    for size, extent, stride in zip(sizes, reach, strides, strict=True):
        count = -(-size // stride)
        total = max((count - 1) * stride + extent - size, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def check_fit(op: str, x: Node, sizes: Sizes, reach: Sizes, pads: PadPairs) -> None:
    """Raise :class:`~nervure.errors.ShapeError` where windows are larger than x."""
    places = [size + sum(pair) for size, pair in zip(sizes, pads, strict=True)]
    if any(extent > place for extent, place in zip(reach, places, strict=True)):
        raise wrong(
            ShapeError,
            op,
            f"a window that reaches over {list(reach)} does not fit into the "
            f"{places} places of the input, padding included",
            [x],
            ["inputs"],
            fix="use a smaller window, less dilation or padding='same', or give the "
            "network larger inputs or fewer layers that shrink them",
        )


def group_count(op: str, channels: int, of_kernel: int) -> int:
    """Return into how many groups channels fall, given those that a kernel sees."""
    if of_kernel < 1 or channels % of_kernel:
        raise ShapeError(
            explain(
                f"{op}: the input has {channels} channels, which a kernel for "
                f"{of_kernel} channels does not divide",
                fix="the kernel is [*window, channels / groups, filters]; tell with "
                "data_format whether the channels of the input are first or last",
            )
        )
    return channels // of_kernel
