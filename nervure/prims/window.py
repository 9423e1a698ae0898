"""Primitives that combine the elements under a sliding window.

Every attribute has one entry for each axis of x: ``window`` (how many elements),
``strides`` (the step from one window to the next), ``padding`` (``(low, high)``: places
added before and after) and ``dilation`` (the step from one element of a window to the
next).  An axis that nothing slides along has a window, a stride and a dilation of 1.

With ``reach = (window - 1) * dilation + 1`` there are
``(low + size + high - reach) // strides + 1`` windows along an axis: a rest at the end
that no whole window covers is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims import binary, unary
from nervure.prims.check import as_ints, dtype_among, same_dtype
from nervure.prims.leaf import full, full_like
from nervure.prims.select import select
from nervure.prims.slicing import pad, sample_values, slice_

ONE = ("x",)
GRAD_NAMES = ("x", "g")
NUMBERS = (*dtypes.INTEGERS, *dtypes.FLOATS)


class Windows(NamedTuple):
    """The attributes of a window primitive."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @property
    def low(self) -> tuple[int, ...]:
        """The places added before each axis."""
        return tuple(low for low, _ in self.padding)

    @property
    def high(self) -> tuple[int, ...]:
        """The places added after each axis."""
        return tuple(high for _, high in self.padding)

    @property
    def reach(self) -> tuple[int, ...]:
        """How far each window extends, from its first to its last element."""
        return tuple(
            (extent - 1) * step + 1
            for extent, step in zip(self.window, self.dilation, strict=True)
        )

    def counts(self, shape: Shape) -> Shape:
        """Return how many windows there are along each axis."""
        return tuple(
            max(0, (low + size + high - reach) // stride + 1)
            for size, (low, high), reach, stride in zip(
                shape, self.padding, self.reach, self.strides, strict=True
            )
        )

    def offsets(self) -> Iterator[tuple[int, ...]]:
        """Iterate over the elements of a window in row-major order."""
        return itertools.product(*map(range, self.window))

    def bounds(
        self, offset: tuple[int, ...], count: Shape
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return where this element of all windows starts and stops in padded x."""
        start = tuple(
            place * step for place, step in zip(offset, self.dilation, strict=True)
        )
        covered = (
            max(0, (number - 1) * stride + 1)
            for number, stride in zip(count, self.strides, strict=True)
        )
        stop = tuple(one + span for one, span in zip(start, covered, strict=True))
        return start, stop


def windows_of(attrs: Attrs) -> Windows:
    """Return the attributes of a window primitive with their types."""
    window: Any = attrs["window"]
    strides: Any = attrs["strides"]
    padding: Any = attrs["padding"]
    dilation: Any = attrs["dilation"]
    return Windows(window, strides, padding, dilation)


# --- shape rules ---------------------------------------------------------------------


def _check_attributes(
    op: str, windows: Windows, inputs: Sequence[Node], names: Sequence[str]
) -> None:
    """Raise unless every attribute has a sensible entry for every axis."""
    rank = len(inputs[0].shape)
    lengths = [len(values) for values in windows]
    if lengths != [rank] * 4:
        raise wrong(
            ArgumentError,
            op,
            f"expected {rank} windows, strides, paddings and dilations, got "
            f"{lengths[0]}, {lengths[1]}, {lengths[2]} and {lengths[3]}",
            inputs,
            names,
            fix="give one of each for every axis, the batch and the channels too",
        )
    for name in ("window", "strides", "dilation"):
        values = getattr(windows, name)
        if any(value < 1 for value in values):
            raise wrong(
                ArgumentError,
                op,
                f"{name} must be at least 1 on every axis, got {values}",
                inputs,
                names,
            )
    if any(len(pair) != 2 or min(pair) < 0 for pair in windows.padding):
        raise wrong(
            ArgumentError,
            op,
            f"padding must be a pair from (0, 0) on for every axis, "
            f"got {windows.padding}",
            inputs,
            names,
        )


def _counted(
    op: str, windows: Windows, inputs: Sequence[Node], names: Sequence[str]
) -> Shape:
    """Return how many windows there are; raises where none fits."""
    _check_attributes(op, windows, inputs, names)
    shape = inputs[0].shape
    count = windows.counts(shape)
    for axis, number in enumerate(count):
        # No windows over no elements are fine: an empty batch has an empty result.
        if number == 0 and shape[axis] > 0:
            padded = shape[axis] + sum(windows.padding[axis])
            raise wrong(
                ShapeError,
                op,
                f"a window that reaches over {windows.reach[axis]} does not fit axis "
                f"{axis} of {padded} places, padding included",
                inputs,
                names,
                fix="use a smaller window or less dilation, or pad x",
            )
    return count


def _only_padding(windows: Windows, axis: int, size: int, count: int) -> bool:
    """Tell whether some window has nothing but padding along this axis."""
    low, high = windows.padding[axis]
    if low == high == 0:
        return False
    step = windows.dilation[axis]
    begin = np.arange(count) * windows.strides[axis] - low
    # the first element of each window that is not before x
    first = np.maximum(0, -(begin // step))
    inside = (first < windows.window[axis]) & (begin + first * step < size)
    return not inside.all()


def _counted_without_empty(
    op: str, windows: Windows, inputs: Sequence[Node], names: Sequence[str]
) -> Shape:
    """Like :func:`_counted`; raises too where a window has no element of x."""
    count = _counted(op, windows, inputs, names)
    for axis, (size, number) in enumerate(zip(inputs[0].shape, count, strict=True)):
        if _only_padding(windows, axis, size, number):
            raise wrong(
                ShapeError,
                op,
                f"a window would lie wholly in the padding of axis {axis}, "
                "where there is no maximum",
                inputs,
                names,
                fix=f"pad axis {axis} by less than the window reaches over",
            )
    return count


def _infer_sum(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    dtype_among("window_sum", inputs, ONE, NUMBERS)
    return _counted("window_sum", windows_of(attrs), inputs, ONE), inputs[0].dtype


def _infer_max(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    dtype_among("window_max", inputs, ONE, NUMBERS)
    shape = _counted_without_empty("window_max", windows_of(attrs), inputs, ONE)
    return shape, inputs[0].dtype


def _infer_max_grad(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    x, g = inputs
    name = "window_max_grad"
    dtype_among(name, inputs, GRAD_NAMES, NUMBERS)
    dtype = same_dtype(name, inputs, GRAD_NAMES)
    shape = _counted_without_empty(name, windows_of(attrs), inputs, GRAD_NAMES)
    if g.shape != shape:
        raise wrong(
            ShapeError,
            name,
            f"expected one cotangent for each window, {list(shape)}, "
            f"got {list(g.shape)}",
            inputs,
            GRAD_NAMES,
        )
    return x.shape, dtype


# --- references ----------------------------------------------------------------------


def _lowest(dtype: DType) -> int | float:
    """Return the value that is above no other."""
    return int(np.iinfo(dtype).min) if dtypes.is_integer(dtype) else -np.inf


def _elements(windows: Windows, x: NDArray, filling: int | float) -> Iterator[NDArray]:
    """Yield the first element of all windows, then the second, and so on."""
    count = windows.counts(x.shape)
    sizes = list(zip(windows.low, x.shape, windows.high, strict=True))
    padded = np.full([low + size + high for low, size, high in sizes], filling, x.dtype)
    padded[tuple(slice(low, low + size) for low, size, _ in sizes)] = x
    for offset in windows.offsets():
        start, stop = windows.bounds(offset, count)
        yield padded[tuple(map(slice, start, stop, windows.strides))]


def _combined(
    node: Node, x: NDArray, filling: int | float, combine: Callable[..., NDArray]
) -> NDArray:
    """Combine the elements of each window in row-major order."""
    wide = dtypes.accumulator(x.dtype)
    elements = _elements(windows_of(node.attrs), x.astype(wide, copy=False), filling)
    result = np.array(next(elements))
    for element in elements:
        combine(result, element, out=result)
    return result.astype(node.dtype, copy=False)


def _reference_sum(node: Node, x: NDArray) -> NDArray:
    return _combined(node, x, 0, np.add)


def _reference_max(node: Node, x: NDArray) -> NDArray:
    return _combined(node, x, _lowest(x.dtype), np.maximum)


def _reference_max_grad(node: Node, x: NDArray, g: NDArray) -> NDArray:
    """Find the place of every window's first maximum, then add the cotangents there."""
    windows = windows_of(node.attrs)
    wide = dtypes.accumulator(x.dtype)
    numbers = np.arange(x.size).reshape(x.shape)
    values = _elements(windows, x.astype(wide, copy=False), _lowest(x.dtype))
    places = _elements(windows, numbers, -1)
    best, winner = np.array(next(values)), np.array(next(places))
    for value, place in zip(values, places, strict=True):
        above = (value > best) | ((value != value) & (best == best))
        # Padding, which has no place in x, loses against every element of x.
        better = (place >= 0) & (above | (winner < 0))
        best, winner = np.where(better, value, best), np.where(better, place, winner)
    result = np.zeros(x.size, wide)
    np.add.at(result, winner.reshape(-1), g.astype(wide, copy=False).reshape(-1))
    return result.reshape(x.shape).astype(node.dtype, copy=False)


# --- gradients -----------------------------------------------------------------------


def _sum_gradient(node: Node, g: Node) -> tuple[Node]:
    """Every element collects the cotangents of the windows it lies in.

    That is again a sum over windows: of the cotangents, spread apart by the strides,
    with the window read backwards.  The spread cotangents are padded, or cut, so that
    there is one such window for every element of x.
    """
    (x,) = node.inputs
    windows = windows_of(node.attrs)
    if x.size == 0:
        return (full_like(x, 0),)
    low, high, ones = [], [], (1,) * len(x.shape)
    for axis, size in enumerate(x.shape):
        number, reach = node.shape[axis], windows.reach[axis]
        spread = (number - 1) * windows.strides[axis] + 1 if number else 0
        low.append(reach - 1 - windows.padding[axis][0])
        high.append(size + reach - 1 - low[axis] - spread)
    # Add first and cut afterwards: with wide padding and strides more is cut than the
    # cotangents take, which the negative padding of ``pad`` does not allow.
    padded = pad(
        g,
        [max(amount, 0) for amount in low],
        [max(amount, 0) for amount in high],
        [stride - 1 for stride in windows.strides],
    )
    start = [max(-amount, 0) for amount in low]
    stop = [
        extent - max(-amount, 0)
        for extent, amount in zip(padded.shape, high, strict=True)
    ]
    spread_out = slice_(padded, start, stop, ones)
    return (window_sum(spread_out, windows.window, dilation=windows.dilation),)


def _max_gradient(node: Node, g: Node) -> tuple[Node]:
    (x,) = node.inputs
    return (window_max_grad(x, g, *windows_of(node.attrs)),)


def _max_grad_gradient(node: Node, cotangent: Node) -> tuple[None, Node]:
    """Each window reads the cotangent of its first maximum.

    The elements are visited from the last to the first, so the first one that equals
    the maximum has the final word.
    """
    x, g = node.inputs
    windows = windows_of(node.attrs)
    if x.size == 0:
        return None, full_like(g, 0)
    maximum = window_max(x, *windows)
    padded_x = pad(x, windows.low, windows.high, value=_lowest(x.dtype))
    padded = pad(cotangent, windows.low, windows.high)
    # An element of x may equal the filling, so padding is told apart by a mask.
    inside = pad(full(x.shape, True, dtypes.bool_), windows.low, windows.high)
    result = full_like(g, 0)
    for offset in reversed(list(windows.offsets())):
        start, stop = windows.bounds(offset, g.shape)
        value = slice_(padded_x, start, stop, windows.strides)
        wins = binary.or_(binary.eq(value, maximum), _are_nan(value, maximum))
        wins = binary.and_(wins, slice_(inside, start, stop, windows.strides))
        result = select(wins, slice_(padded, start, stop, windows.strides), result)
    return None, result


def _are_nan(x: Node, y: Node) -> Node:
    """Tell where x and y are NaN, the only value that does not equal itself."""
    return binary.and_(unary.not_(binary.eq(x, x)), unary.not_(binary.eq(y, y)))


# --- samples and wrong uses ----------------------------------------------------------


def _attrs(
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Sequence[Sequence[int]] | None = None,
    dilation: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the attributes as tuples of Python ints; None means ones or zeros."""
    ones, none = (1,) * len(window), ((0, 0),) * len(window)
    return {
        "window": as_ints(window),
        "strides": ones if strides is None else as_ints(strides),
        "padding": none if padding is None else tuple(map(as_ints, padding)),
        "dilation": ones if dilation is None else as_ints(dilation),
    }


_SAMPLES = [
    ((2, 4, 4, 2), _attrs((1, 2, 2, 1), (1, 2, 2, 1))),
    # the windows do not cover the last row and column
    ((1, 5, 5, 1), _attrs((1, 2, 2, 1), (1, 2, 2, 1))),
    # overlapping, uneven padding
    ((4, 5), _attrs((3, 2), (2, 1), ((1, 2), (0, 1)))),
    ((9,), _attrs((3,), (1,), ((2, 0),), (2,))),
    # windows further apart than they reach
    ((12, 2), _attrs((2, 1), (5, 1), ((1, 1), (0, 0)), (3, 1))),
    ((3, 4), _attrs((3, 4))),
    ((), _attrs(())),
    ((0, 4), _attrs((1, 2), (1, 2))),
    ((0,), _attrs((2,))),
]
# Only sums may have windows of nothing but padding.
_SUM_SAMPLES = [
    *_SAMPLES,
    ((3,), _attrs((2,), (2,), ((3, 4),))),
    ((1,), _attrs((1,), (12,), ((10, 0),))),
    ((0, 2), _attrs((2, 1), None, ((1, 2), (0, 0)))),
]


def _sum_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    return [
        Sample((sample_values(dtype, random, *shape),), attrs)
        for shape, attrs in _SUM_SAMPLES
    ]


def _max_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    samples = []
    for shape, attrs in _SAMPLES:
        # all different and apart, so that the maxima are smooth
        values = random.permutation(int(np.prod(shape))).reshape(shape)
        samples.append(Sample((values.astype(dtype),), attrs))
    tied = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 2]], dtype)
    attrs = _attrs((2, 2), None, ((1, 0), (0, 1)))
    samples.append(Sample((tied,), attrs, smooth=False))
    lowest, nan = _lowest(dtype), 2 if dtypes.is_integer(dtype) else np.nan
    special = np.array([lowest, lowest, 1, nan, nan, 3, lowest], dtype)
    samples.append(Sample((special,), _attrs((2,), None, ((1, 1),)), smooth=False))
    return samples


def _max_grad_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    samples = []
    for sample in _max_samples(dtype, random):
        (x,) = sample.inputs
        count = windows_of(Attrs(sample.attrs)).counts(x.shape)
        g = sample_values(dtype, random, *count)
        samples.append(Sample((x, g), sample.attrs, sample.smooth))
    return samples


_ATTRIBUTE_ERRORS = {
    "expected 2 windows, strides, paddings and dilations, got 1, 1, 1 and 1": (
        _attrs((2,))
    ),
    "window must be at least 1 on every axis, got (0, 2)": _attrs((0, 2)),
    "strides must be at least 1 on every axis, got (1, 0)": _attrs((2, 2), (1, 0)),
    "dilation must be at least 1 on every axis, got (-1, 1)": (
        _attrs((2, 2), dilation=(-1, 1))
    ),
    "padding must be a pair from (0, 0) on for every axis, got ((0, 0), (0, -1))": (
        _attrs((2, 2), padding=((0, 0), (0, -1)))
    ),
    "padding must be a pair from (0, 0) on for every axis, got ((1,), (0, 0))": (
        _attrs((2, 2), padding=((1,), (0, 0)))
    ),
}
_SHAPE_ERRORS = {
    "a window that reaches over 5 does not fit axis 1 of 4 places, padding included": (
        _attrs((2, 3), None, ((0, 0), (1, 0)), (1, 2))
    ),
}
_EMPTY_ERRORS = {
    "a window would lie wholly in the padding of axis 1, where there is no maximum": (
        _attrs((1, 2), padding=((0, 0), (0, 2)))
    ),
}


def _wrong_uses(op: str, build: Callable[..., Node]) -> list[WrongUse]:
    """Return the wrong uses that the primitives share, of x = float32[4, 3]."""

    def use(attrs: dict[str, Any], dtype: DType = dtypes.float32) -> Any:
        return lambda: build(full((4, 3), 0, dtype), **attrs)

    not_numbers = f"{op}: expected integers or floating-point numbers, got bool"
    shape_errors = _SHAPE_ERRORS | ({} if op == "window_sum" else _EMPTY_ERRORS)
    return [
        WrongUse(use(_attrs((1, 1)), dtypes.bool_), DTypeError, not_numbers),
        *(
            WrongUse(use(attrs), ArgumentError, f"{op}: {message}")
            for message, attrs in _ATTRIBUTE_ERRORS.items()
        ),
        *(
            WrongUse(use(attrs), ShapeError, f"{op}: {message}")
            for message, attrs in shape_errors.items()
        ),
    ]


# --- the primitives ------------------------------------------------------------------

WINDOW_SUM = register(
    Primitive(
        "window_sum",
        ONE,
        _infer_sum,
        _reference_sum,
        _sum_gradient,
        Fusion.WINDOW,
        NUMBERS,
        _sum_samples,
        _wrong_uses("window_sum", lambda x, **attrs: window_sum(x, **attrs)),
    )
)

WINDOW_MAX = register(
    Primitive(
        "window_max",
        ONE,
        _infer_max,
        _reference_max,
        _max_gradient,
        Fusion.WINDOW,
        NUMBERS,
        _max_samples,
        _wrong_uses("window_max", lambda x, **attrs: window_max(x, **attrs)),
    )
)

WINDOW_MAX_GRAD = register(
    Primitive(
        "window_max_grad",
        GRAD_NAMES,
        _infer_max_grad,
        _reference_max_grad,
        _max_grad_gradient,
        Fusion.WINDOW,
        NUMBERS,
        _max_grad_samples,
        [
            *_wrong_uses(
                "window_max_grad", lambda x, **attrs: window_max_grad(x, x, **attrs)
            ),
            WrongUse(
                lambda: window_max_grad(
                    full((4,), 0, dtypes.float32), full((3,), 0, dtypes.float64), (2,)
                ),
                DTypeError,
                "window_max_grad: operands must have equal data types, "
                "got float32 and float64",
            ),
            WrongUse(
                lambda: window_max_grad(
                    full((4,), 0, dtypes.float32), full((4,), 0, dtypes.float32), (2,)
                ),
                ShapeError,
                "window_max_grad: expected one cotangent for each window, [3], got [4]",
            ),
        ],
    )
)


def window_sum(
    x: Node,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Sequence[Sequence[int]] | None = None,
    dilation: Sequence[int] | None = None,
) -> Node:
    """Return the sum of each window of x; padding counts as zeros.

    The attributes are described at the top of this file; without them windows are one
    step apart, and there is no padding and no dilation.  float16 and bfloat16 are added
    up in float32 and rounded once.
    """
    return apply(WINDOW_SUM, x, **_attrs(window, strides, padding, dilation))


def window_max(
    x: Node,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Sequence[Sequence[int]] | None = None,
    dilation: Sequence[int] | None = None,
) -> Node:
    """Return the largest element of each window of x; NaN if one is NaN.

    Padding is never the largest, so a window of nothing but padding is an error.  The
    cotangent of a window goes to its first largest element in row-major order.
    """
    return apply(WINDOW_MAX, x, **_attrs(window, strides, padding, dilation))


def window_max_grad(
    x: Node,
    g: Node,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Sequence[Sequence[int]] | None = None,
    dilation: Sequence[int] | None = None,
) -> Node:
    """Return the gradient of :func:`window_max` with respect to x.

    ``g`` has the shape and type of the windows' maxima.  Each of its elements is added
    to the place of the first largest element of its window: the first NaN, if there is
    one.  float16 and bfloat16 are added up in float32 and rounded once.
    """
    return apply(WINDOW_MAX_GRAD, x, g, **_attrs(window, strides, padding, dilation))
