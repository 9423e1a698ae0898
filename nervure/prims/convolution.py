"""Convolution, channels last, and its two gradients.

Shapes, for any number of spatial axes ``S``::

    x       float[N, *S, C]
    kernel  float[*K, C / groups, O]
    result  float[N, *S', O]
    S' = (S + low + high - (K - 1) dilation - 1) / stride + 1, rounded down

As in all deep-learning frameworks the kernel is *not* flipped (a cross-correlation).
The three primitives are bilinear and are each other's gradients, so derivatives of any
order stay within this file.  A transposed convolution is ``conv_input_grad``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, NervureError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import as_ints, as_shape, dtype_among, same_dtype
from nervure.prims.leaf import full

Padding = tuple[tuple[int, int], ...]


class ConvSettings(NamedTuple):
    """How a kernel slides: one entry per spatial axis, and the number of groups."""

    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, attrs: Attrs) -> ConvSettings:
        """Read the settings from a node's attributes."""
        values: Any = tuple(attrs[name] for name in cls._fields)
        return cls(*values)

    def result_sizes(self, sizes: Shape, window: Shape) -> tuple[int, ...]:
        """Return the spatial sizes of the result; may be below 1 if nothing fits."""
        return tuple(
            (size + sum(pads) - (extent - 1) * spread - 1) // stride + 1
            for size, pads, extent, spread, stride in zip(
                sizes, self.padding, window, self.dilation, self.strides, strict=True
            )
        )


def _check(
    op: str,
    nodes: Sequence[Node],
    names: Sequence[str],
    x_shape: Shape,
    kernel_shape: Shape,
    settings: ConvSettings,
) -> Shape:
    """Check the three shapes' agreement and return the result's shape."""

    def refuse(error: type[NervureError], text: str, fix: str | None = None) -> None:
        raise wrong(error, op, text, nodes, names, fix)

    rank = len(x_shape) - 2
    if rank < 0 or len(kernel_shape) != len(x_shape):
        refuse(
            ShapeError,
            f"expected x with axes [batch, *spatial, channels] and a kernel with one "
            f"axis per axis of x, got {len(x_shape)} and {len(kernel_shape)} axes",
        )
    if not len(settings.strides) == len(settings.padding) == rank or rank != len(
        settings.dilation
    ):
        refuse(
            ArgumentError,
            f"expected strides, padding and dilation for {rank} spatial axes, got "
            f"{settings.strides}, {settings.padding} and {settings.dilation}",
        )
    if min((*settings.strides, *settings.dilation, settings.groups), default=1) < 1:
        refuse(ArgumentError, "strides, dilation and groups must be at least 1")
    if any(amount < 0 for pads in settings.padding for amount in pads):
        refuse(ArgumentError, f"padding must not be negative: {settings.padding}")
    channels, filters = kernel_shape[-2] * settings.groups, kernel_shape[-1]
    if x_shape[-1] != channels:
        refuse(
            ShapeError,
            f"kernel expects {channels} input channels, x has {x_shape[-1]}",
            "channels are the last axis of x; a kernel is [*window, channels, filters]",
        )
    if filters % settings.groups:
        refuse(
            ShapeError,
            f"{filters} filters cannot be divided into {settings.groups} groups",
        )
    sizes = settings.result_sizes(x_shape[1:-1], kernel_shape[:-2])
    if any(size < 1 for size in sizes):
        pairs = zip(x_shape[1:-1], settings.padding, strict=True)
        refuse(
            ShapeError,
            f"the window {list(kernel_shape[:-2])} does not fit into the padded x of "
            f"{[size + sum(pads) for size, pads in pairs]}",
            "use a smaller kernel, less dilation, or padding='same'",
        )
    return (x_shape[0], *sizes, filters)


def _windows(
    sizes: Shape, window: Shape, settings: ConvSettings
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Yield each place of the window with the elements of padded x that it meets."""
    for place in itertools.product(*map(range, window)):
        meets = tuple(
            slice(k * spread, k * spread + (size - 1) * stride + 1, stride)
            for k, spread, size, stride in zip(
                place, settings.dilation, sizes, settings.strides, strict=True
            )
        )
        yield place, (slice(None), *meets)


def _grouped(array: NDArray, groups: int) -> NDArray:
    """Split the last axis into groups and move them first: [groups, rows, columns]."""
    *rows, channels = array.shape  # their number is not -1: there may be no channels
    parts = array.reshape(math.prod(rows), groups, channels // groups)
    return parts.transpose(1, 0, 2)


def _ungrouped(array: NDArray, shape: Shape) -> NDArray:
    return array.transpose(1, 0, 2).reshape(shape)


def _padded(x: NDArray, settings: ConvSettings) -> NDArray:
    """Add zeros around x, in the type in which sums are accumulated."""
    wide = x.astype(dtypes.accumulator(x.dtype), copy=False)
    return np.pad(wide, ((0, 0), *settings.padding, (0, 0)))


# --- conv ----------------------------------------------------------------------------


def _infer_conv(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    names = ("x", "kernel")
    dtype = same_dtype("conv", inputs, names)
    dtype_among("conv", inputs, names, dtypes.FLOATS)
    x, kernel = inputs
    settings = ConvSettings.of(attrs)
    return _check("conv", inputs, names, x.shape, kernel.shape, settings), dtype


def _reference_conv(node: Node, x: NDArray, kernel: NDArray) -> NDArray:
    settings = ConvSettings.of(node.attrs)
    padded = _padded(x, settings)
    total = np.zeros(node.shape, padded.dtype)
    for place, meets in _windows(node.shape[1:-1], kernel.shape[:-2], settings):
        rows = _grouped(padded[meets], settings.groups)
        weights = _grouped(kernel[place].astype(padded.dtype), settings.groups)
        total += _ungrouped(rows @ weights, node.shape)
    return total.astype(node.dtype, copy=False)


def _conv_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    x, kernel = node.inputs
    settings = ConvSettings.of(node.attrs)
    to_x = conv_input_grad(g, kernel, x.shape[1:-1], *settings)
    return to_x, conv_kernel_grad(x, g, kernel.shape[:-2], *settings)


def _check_cotangent(
    op: str, inputs: Sequence[Node], names: Sequence[str], g: Node, expected: Shape
) -> None:
    if g.shape != expected:
        raise wrong(
            ShapeError,
            op,
            f"expected g of shape {list(expected)}, got {list(g.shape)}",
            inputs,
            names,
        )


# --- conv_input_grad -----------------------------------------------------------------


def _infer_input_grad(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    op, names = "conv_input_grad", ("g", "kernel")
    dtype = same_dtype(op, inputs, names)
    dtype_among(op, inputs, names, dtypes.FLOATS)
    g, kernel = inputs
    settings = ConvSettings.of(attrs)
    sizes: Any = attrs["sizes"]
    x_shape = (*g.shape[:1], *sizes, kernel.shape[-2] * settings.groups)
    expected = _check(op, inputs, names, x_shape, kernel.shape, settings)
    _check_cotangent(op, inputs, names, g, expected)
    return x_shape, dtype


def _reference_input_grad(node: Node, g: NDArray, kernel: NDArray) -> NDArray:
    settings = ConvSettings.of(node.attrs)
    padded = _padded(np.zeros(node.shape, node.dtype), settings)
    wide = g.astype(padded.dtype, copy=False)
    rows = _grouped(wide, settings.groups)
    for place, meets in _windows(g.shape[1:-1], kernel.shape[:-2], settings):
        weights = _grouped(kernel[place].astype(padded.dtype), settings.groups)
        shape = padded[meets].shape
        padded[meets] += _ungrouped(rows @ weights.transpose(0, 2, 1), shape)
    inner = tuple(
        slice(low, low + size)
        for (low, _), size in zip(settings.padding, node.shape[1:-1], strict=True)
    )
    return padded[(slice(None), *inner)].astype(node.dtype, copy=False)


def _input_grad_gradient(node: Node, h: Node) -> tuple[Node, Node]:
    g, kernel = node.inputs
    settings = ConvSettings.of(node.attrs)
    to_kernel = conv_kernel_grad(h, g, kernel.shape[:-2], *settings)
    return conv(h, kernel, *settings), to_kernel


# --- conv_kernel_grad ----------------------------------------------------------------


def _infer_kernel_grad(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    op, names = "conv_kernel_grad", ("x", "g")
    dtype = same_dtype(op, inputs, names)
    dtype_among(op, inputs, names, dtypes.FLOATS)
    x, g = inputs
    settings = ConvSettings.of(attrs)
    window: Any = attrs["window"]
    # A bad group count is refused by the check below, not by this division.
    channels = x.shape[-1] // max(settings.groups, 1) if x.shape else 0
    kernel_shape = (*window, channels, *g.shape[-1:])
    expected = _check(op, inputs, names, x.shape, kernel_shape, settings)
    _check_cotangent(op, inputs, names, g, expected)
    return kernel_shape, dtype


def _reference_kernel_grad(node: Node, x: NDArray, g: NDArray) -> NDArray:
    settings = ConvSettings.of(node.attrs)
    padded = _padded(x, settings)
    rows = _grouped(g.astype(padded.dtype, copy=False), settings.groups)
    result = np.zeros(node.shape, padded.dtype)
    for place, meets in _windows(g.shape[1:-1], node.shape[:-2], settings):
        columns = _grouped(padded[meets], settings.groups).transpose(0, 2, 1)
        result[place] = _ungrouped(columns @ rows, node.shape[-2:])
    return result.astype(node.dtype, copy=False)


def _kernel_grad_gradient(node: Node, h: Node) -> tuple[Node, Node]:
    x, g = node.inputs
    settings = ConvSettings.of(node.attrs)
    return conv_input_grad(g, h, x.shape[1:-1], *settings), conv(x, h, *settings)


# --- samples -------------------------------------------------------------------------

# (spatial sizes, window, strides, padding, dilation, groups, channels, filters)
_CASES: tuple[tuple[Any, ...], ...] = (
    ((5, 6), (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 2, 3),
    ((7, 6), (3, 3), (2, 3), ((1, 2), (0, 1)), (1, 1), 1, 3, 2),
    ((7, 8), (2, 3), (1, 2), ((1, 0), (2, 2)), (2, 2), 2, 4, 6),
    ((6,), (3,), (1,), ((1, 1),), (1,), 4, 4, 4),
    ((3, 4, 4), (2, 2, 2), (1, 2, 1), ((0, 1), (0, 0), (1, 1)), (1, 1, 1), 1, 2, 2),
)


def _samples(role: str) -> Any:
    """Return the sample function of one of the three primitives."""

    def samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
        result = []
        for batch in (2, 0):
            for sizes, window, *options, channels, filters in _CASES:
                settings = ConvSettings(*options)
                x = random.normal(size=(batch, *sizes, channels)).astype(dtype)
                kernel = random.normal(
                    size=(*window, channels // settings.groups, filters)
                ).astype(dtype)
                places = settings.result_sizes(sizes, window)
                g = random.normal(size=(batch, *places, filters)).astype(dtype)
                attrs: dict[str, Any] = settings._asdict()
                if role == "conv":
                    operands = (x, kernel)
                elif role == "conv_input_grad":
                    operands, attrs = (g, kernel), {**attrs, "sizes": sizes}
                else:
                    operands, attrs = (x, g), {**attrs, "window": window}
                result.append(Sample(operands, attrs))
        return result

    return samples


def _zeros(*shape: int) -> Node:
    return full(shape, 0, dtypes.float32)


_ONE = ((1,), ((0, 0),), (1,), 1)

CONV = register(
    Primitive(
        "conv",
        ("x", "kernel"),
        _infer_conv,
        _reference_conv,
        _conv_gradient,
        Fusion.CONTRACTION,
        dtypes.FLOATS,
        _samples("conv"),
        [
            WrongUse(
                lambda: conv(_zeros(2, 9, 8), _zeros(3, 16, 32), *_ONE),
                ShapeError,
                "conv: kernel expects 16 input channels, x has 8",
            ),
            WrongUse(
                lambda: conv(_zeros(2, 2, 8), _zeros(3, 8, 32), *_ONE),
                ShapeError,
                "conv: the window [3] does not fit into the padded x of [2]",
            ),
            WrongUse(
                lambda: conv(_zeros(2, 9, 8), _zeros(3, 3, 8, 32), *_ONE),
                ShapeError,
                "conv: expected x with axes [batch, *spatial, channels] and a kernel "
                "with one axis per axis of x, got 3 and 4 axes",
            ),
            WrongUse(
                lambda: conv(
                    _zeros(2, 9, 8), _zeros(3, 4, 3), (1,), ((0, 0),), (1,), 2
                ),
                ShapeError,
                "conv: 3 filters cannot be divided into 2 groups",
            ),
            WrongUse(
                lambda: conv(
                    _zeros(2, 9, 8), _zeros(3, 8, 3), (1, 1), ((0, 0),), (1,), 1
                ),
                ArgumentError,
                "conv: expected strides, padding and dilation for 1 spatial axes, got "
                "(1, 1), ((0, 0),) and (1,)",
            ),
            WrongUse(
                lambda: conv(
                    _zeros(2, 9, 8), _zeros(3, 8, 3), (0,), ((0, 0),), (1,), 1
                ),
                ArgumentError,
                "conv: strides, dilation and groups must be at least 1",
            ),
            WrongUse(
                lambda: conv(
                    _zeros(2, 9, 8), _zeros(3, 8, 3), (1,), ((-1, 0),), (1,), 1
                ),
                ArgumentError,
                "conv: padding must not be negative: ((-1, 0),)",
            ),
            WrongUse(
                lambda: conv(
                    full((2, 9, 8), 0, dtypes.int32),
                    full((3, 8, 3), 0, dtypes.int32),
                    *_ONE,
                ),
                DTypeError,
                "conv: expected floating-point numbers, got int32",
            ),
        ],
    )
)

CONV_INPUT_GRAD = register(
    Primitive(
        "conv_input_grad",
        ("g", "kernel"),
        _infer_input_grad,
        _reference_input_grad,
        _input_grad_gradient,
        Fusion.CONTRACTION,
        dtypes.FLOATS,
        _samples("conv_input_grad"),
        [
            WrongUse(
                lambda: conv_input_grad(_zeros(2, 5, 4), _zeros(3, 8, 4), (9,), *_ONE),
                ShapeError,
                "conv_input_grad: expected g of shape [2, 7, 4], got [2, 5, 4]",
            )
        ],
    )
)

CONV_KERNEL_GRAD = register(
    Primitive(
        "conv_kernel_grad",
        ("x", "g"),
        _infer_kernel_grad,
        _reference_kernel_grad,
        _kernel_grad_gradient,
        Fusion.CONTRACTION,
        dtypes.FLOATS,
        _samples("conv_kernel_grad"),
        [
            WrongUse(
                lambda: conv_kernel_grad(_zeros(2, 9, 8), _zeros(2, 5, 4), (3,), *_ONE),
                ShapeError,
                "conv_kernel_grad: expected g of shape [2, 7, 4], got [2, 5, 4]",
            )
        ],
    )
)


def _attrs(
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> dict[str, Any]:
    return {
        "strides": as_ints(strides),
        "padding": tuple((int(low), int(high)) for low, high in padding),
        "dilation": as_ints(dilation),
        "groups": int(groups),
    }


def conv(
    x: Node,
    kernel: Node,
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    """Slide ``kernel`` over the spatial axes of x; shapes as at the top of this file.

    With ``groups`` > 1, channels and filters are split into that many groups and each
    group of filters sees its own channels only; depthwise convolution has one group
    for each channel.
    """
    return apply(CONV, x, kernel, **_attrs(strides, padding, dilation, groups))


def conv_input_grad(
    g: Node,
    kernel: Node,
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    """Return the gradient of :func:`conv` in x, whose spatial sizes are ``sizes``."""
    attrs = _attrs(strides, padding, dilation, groups)
    sizes = as_shape("conv_input_grad", sizes)
    return apply(CONV_INPUT_GRAD, g, kernel, sizes=sizes, **attrs)


def conv_kernel_grad(
    x: Node,
    g: Node,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    """Return the gradient of :func:`conv` in a kernel of spatial sizes ``window``."""
    attrs = _attrs(strides, padding, dilation, groups)
    window = as_shape("conv_kernel_grad", window)
    return apply(CONV_KERNEL_GRAD, x, g, window=window, **attrs)
