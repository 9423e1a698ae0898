"""Convolutions as networks use them: the kernel is slid, not flipped."""

from __future__ import annotations

from collections.abc import Sequence

from nervure.array import Array
from nervure.errors import ShapeError
from nervure.ir.build import wrong
from nervure.ir.node import Node
from nervure.ops import mixed
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.nn.sliding import (
    CAUSAL_PADDINGS,
    channels_last,
    channels_restored,
    check_axes,
    check_fit,
    data_format_name,
    group_count,
    one_per_axis,
    pad_pairs,
    padding_name,
    reach_of,
)
from nervure.ops.operands import promoted
from nervure.prims.movement import reshape
from nervure.prims.slicing import pad


def _operands(op: str, inputs: ArrayLike, kernel: ArrayLike) -> tuple[Node, Node]:
    """Return input and kernel in one floating-point type, after checking their axes."""
    x, weights = map(as_float, promoted(inputs, kernel))
    check_axes(op, x)
    if len(weights.shape) != len(x.shape):
        raise wrong(
            ShapeError,
            op,
            f"expected a kernel with {len(x.shape)} axes, as many as the input has, "
            f"got {len(weights.shape)}",
            [x, weights],
            ["inputs", "kernel"],
            fix="a kernel is [*window, channels, filters]",
        )
    return x, weights


def conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Return the sums of the elements under a sliding kernel, weighted by it.

    As in all libraries for neural networks the kernel is not flipped: this is a
    cross-correlation.

    Parameters
    ----------
    inputs
        ``float[batch, *spatial, channels]``, or with "channels_first"
        ``float[batch, channels, *spatial]``; one to any number of spatial axes.
    kernel
        ``float[*window, channels / groups, filters]``.  Where it has fewer channels
        than the input, channels and filters fall into groups: each group of filters
        sees its own group of channels.
    strides
        The step from window to window: one number for all spatial axes or one for each.
    padding
        "valid" for whole windows only; "same" for ``size / strides`` windows along an
        axis, rounded up, with zeros around the input; "causal", for one spatial axis,
        for zeros before it only, so that no result depends on what comes later.
    data_format
        "channels_last", also None, or "channels_first".
    dilation_rate
        The step from element to element of a window.

    Returns
    -------
    Array
        ``[batch, *places, filters]`` or ``[batch, filters, *places]``.

    Raises
    ------
    ShapeError
        When the kernel's channels do not fit the input's or a window is larger than the
        input.
    ArgumentError, UnknownNameError
        For sizes or names that do not exist.

    Source: "A guide to convolution arithmetic for deep learning", Dumoulin and Visin
    (2016).

    >>> import nervure as nv
    >>> x = nv.reshape(nv.arange(1.0, 6.0), (1, 5, 1))
    >>> kernel = nv.reshape(nv.asarray([1.0, 0.0, -1.0]), (3, 1, 1))
    >>> nv.nn.conv(x, kernel).ravel().tolist()
    [-2.0, -2.0, -2.0]
    >>> nv.nn.conv(x, kernel, strides=2, padding="same").ravel().tolist()
    [-2.0, -2.0, 4.0]
    """
    x, weights = _operands("conv", inputs, kernel)
    channel_axis = -1 if data_format_name(data_format) == "channels_last" else 1
    groups = group_count("conv", x.shape[channel_axis], weights.shape[-2])
    return _slid(
        "conv", x, weights, strides, padding, data_format, dilation_rate, groups
    )


def _slid(
    op: str,
    x: Node,
    kernel: Node,
    strides: int | Sequence[int],
    padding: str,
    data_format: str | None,
    dilation_rate: int | Sequence[int],
    groups: int,
) -> Array:
    """Slide a kernel whose axes are right, with the settings as users give them."""
    rank = len(x.shape) - 2
    name = padding_name(padding, CAUSAL_PADDINGS if rank == 1 else CAUSAL_PADDINGS[:2])
    steps = one_per_axis("strides", strides, rank)
    dilation = one_per_axis("dilation_rate", dilation_rate, rank)
    layout = data_format_name(data_format)
    moved = channels_last(x, layout)
    sizes, reach = moved.shape[1:-1], reach_of(kernel.shape[:-2], dilation)
    pads = pad_pairs(sizes, reach, steps, name)
    check_fit(op, x, sizes, reach, pads)
    result = mixed.conv(moved, kernel, steps, pads, dilation, groups)
    return Array.of_node(channels_restored(result, layout))


def depthwise_conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Convolve each channel by itself, with filters of its own.

    Parameters
    ----------
    inputs
        ``float[batch, *spatial, channels]``, or with "channels_first"
        ``float[batch, channels, *spatial]``.
    kernel
        ``float[*window, channels, multiplier]``; the results are ``channels *
        multiplier`` channels, those of one channel beside each other.
    strides, padding, data_format, dilation_rate
        As for :func:`conv`, and so are the errors.

    Raises
    ------
    ShapeError
        For a kernel whose channels are not those of x.

    >>> import nervure as nv
    >>> x = nv.asarray([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])
    >>> nv.nn.depthwise_conv(x, nv.ones((2, 2, 1))).tolist()
    [[[3.0, 30.0], [5.0, 50.0]]]
    """
    op = "depthwise_conv"
    x, weights = _operands(op, inputs, kernel)
    channel_axis = -1 if data_format_name(data_format) == "channels_last" else 1
    *window, channels, multiplier = weights.shape
    if x.shape[channel_axis] != channels:
        raise wrong(
            ShapeError,
            op,
            f"the kernel has filters for {channels} channels, the input has "
            f"{x.shape[channel_axis]}",
            [x, weights],
            ["inputs", "kernel"],
            fix="a depthwise kernel is [*window, channels, multiplier]",
        )
    flat = reshape(weights, (*window, 1, channels * multiplier))
    return _slid(op, x, flat, strides, padding, data_format, dilation_rate, channels)


def separable_conv(
    inputs: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Convolve each channel by itself, then mix the channels at each place.

    Parameters
    ----------
    inputs
        ``float[batch, *spatial, channels]``, or with "channels_first"
        ``float[batch, channels, *spatial]``.
    depthwise_kernel
        ``float[*window, channels, multiplier]``, see :func:`depthwise_conv`.
    pointwise_kernel
        ``float[*ones, channels * multiplier, filters]``, with windows of 1.
    strides, padding, data_format, dilation_rate
        As for :func:`conv`, of the first of the two; so are the errors.

    >>> import nervure as nv
    >>> x = nv.asarray([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])
    >>> nv.nn.separable_conv(x, nv.ones((2, 2, 1)), nv.ones((1, 2, 1))).tolist()
    [[[33.0], [55.0]]]
    """
    inner = depthwise_conv(
        inputs, depthwise_kernel, strides, padding, data_format, dilation_rate
    )
    return conv(inner, pointwise_kernel, data_format=data_format)


def conv_transpose(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Array:
    """Return what :func:`conv` would have made the input of: its gradient.

    Every element is multiplied with the kernel, and the products are added up where
    they overlap, ``strides`` apart.

    Parameters
    ----------
    inputs
        ``float[batch, *spatial, channels]``, or with "channels_first"
        ``float[batch, channels, *spatial]``.
    kernel
        ``float[*window, filters, channels]``: the filters come before the channels.
    strides
        The step from element to element of the input in the result.
    padding
        "valid" for all of the result, with at least ``strides`` places an element;
        "same" for a result of ``size * strides`` places along an axis.
    output_padding
        How many places more the result has at its end, instead of those that
        ``padding`` says: after ``(size - 1) * strides + reach`` places with "valid", or
        ``(size - 1) * strides + reach % 2`` with "same", where a window reaches over
        ``reach`` places.
    data_format
        "channels_last", also None, or "channels_first".
    dilation_rate
        The step from element to element of a window.

    Returns
    -------
    Array
        ``[batch, *places, filters]`` or ``[batch, filters, *places]``.

    Raises
    ------
    ShapeError
        When the kernel's channels are not the input's.
    ArgumentError, UnknownNameError
        For sizes or names that do not exist.

    Source: the sizes are those of Keras 3.

    >>> import nervure as nv
    >>> x = nv.asarray([[[1.0], [2.0]]])
    >>> nv.nn.conv_transpose(x, nv.ones((3, 1, 1)), strides=2).ravel().tolist()
    [1.0, 1.0, 3.0, 2.0, 2.0]
    """
    op = "conv_transpose"
    x, weights = _operands(op, inputs, kernel)
    rank = len(x.shape) - 2
    steps = one_per_axis("strides", strides, rank)
    dilation = one_per_axis("dilation_rate", dilation_rate, rank)
    layout, name = data_format_name(data_format), padding_name(padding)
    moved = channels_last(x, layout)
    if moved.shape[-1] != weights.shape[-1]:
        raise wrong(
            ShapeError,
            op,
            f"the kernel has filters for {weights.shape[-1]} channels, the input has "
            f"{moved.shape[-1]}",
            [x, weights],
            ["inputs", "kernel"],
            fix="here a kernel is [*window, filters, channels]",
        )
    given: Sequence[int | None] = (None,) * rank
    if output_padding is not None:
        given = one_per_axis("output_padding", output_padding, rank, least=0)
    borders = [
        _transposed_border(reach, stride, name, more)
        for reach, stride, more in zip(
            reach_of(weights.shape[:-2], dilation), steps, given, strict=True
        )
    ]
    result = _spread(moved, weights, steps, dilation, borders)
    return Array.of_node(channels_restored(result, layout))


def _transposed_border(
    reach: int, stride: int, padding: str, more: int | None
) -> tuple[int, int]:
    """Return how many places of all are cut off before and after; negative: added.

    All the places that some element reaches are ``(size - 1) * stride + reach``.
    """
    if padding == "valid":
        return 0, -(max(stride - reach, 0) if more is None else more)
    # `kept` is how many of them stay, besides the (size - 1) * stride.
    kept = stride if more is None else reach % 2 + more
    # Where the number of cut places is odd, the end loses one more of them.
    before = min(-(-(kept + reach - 2) // 2), reach - 1)
    low = reach - 1 - before
    return low, reach - low - kept


def _spread(
    x: Node,
    kernel: Node,
    strides: Sequence[int],
    dilation: Sequence[int],
    borders: Sequence[tuple[int, int]],
) -> Node:
    """Return the gradient of a convolution in its input, with the given borders."""
    reach = reach_of(kernel.shape[:-2], tuple(dilation))
    sizes, pads, further = [], [], []
    for size, extent, stride, (low, high) in zip(
        x.shape[1:-1], reach, strides, borders, strict=True
    ):
        # A convolution may leave up to stride - 1 places at the end unused.
        unused = min(max(-high, 0), stride - 1)
        further.append(max(-high, 0) - unused)
        pads.append((low, max(high, 0)))
        sizes.append((size - 1) * stride + extent - low - max(high, 0) + unused)
    result = mixed.conv_input_grad(x, kernel, sizes, strides, pads, dilation, 1)
    none = (0,) * len(result.shape)
    return pad(result, none, (0, *further, 0))
