"""Cutting pieces out, and padding: each is the other's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError
from nervure.ir.attrs import Attrs, Constant, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import as_ints
from nervure.prims.leaf import full

ONE = ("x",)


def sample_values(dtype: DType, random: np.random.Generator, *shape: int) -> NDArray:
    """Return sample values of any type for the tests of primitives."""
    return (random.uniform(0, 3, shape) * 5).astype(dtype)


# --- slice ---------------------------------------------------------------------------


def _infer_slice(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    start: Any = attrs["start"]
    stop: Any = attrs["stop"]
    step: Any = attrs["step"]
    if not len(start) == len(stop) == len(step) == len(x.shape):
        raise wrong(
            ArgumentError,
            "slice",
            f"expected {len(x.shape)} starts, stops and steps, "
            f"got {len(start)}, {len(stop)} and {len(step)}",
            inputs,
            ONE,
        )
    for axis, extent in enumerate(x.shape):
        if not 0 <= start[axis] <= stop[axis] <= extent or step[axis] < 1:
            raise wrong(
                ArgumentError,
                "slice",
                f"{start[axis]}:{stop[axis]}:{step[axis]} does not lie within axis "
                f"{axis} of size {extent}",
                inputs,
                ONE,
            )
    shape = tuple(
        -(-(last - first) // stride)
        for first, last, stride in zip(start, stop, step, strict=True)
    )
    return shape, x.dtype


def _reference_slice(node: Node, x: NDArray) -> NDArray:
    start: Any = node.attrs["start"]
    stop: Any = node.attrs["stop"]
    step: Any = node.attrs["step"]
    return x[tuple(map(slice, start, stop, step))]


def _slice_gradient(node: Node, g: Node) -> tuple[Node]:
    (x,) = node.inputs
    start: Any = node.attrs["start"]
    step: Any = node.attrs["step"]
    high = []
    for axis, extent in enumerate(x.shape):
        length = node.shape[axis]
        covered = (length - 1) * step[axis] + 1 if length else 0
        high.append(extent - start[axis] - covered)
    return (pad(g, start, tuple(high), tuple(stride - 1 for stride in step)),)


def _slice_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 5, 6)
    return [
        Sample((values,), {"start": (1, 0), "stop": (4, 6), "step": (1, 2)}),
        Sample((values,), {"start": (0, 1), "stop": (5, 6), "step": (3, 3)}),
        Sample((values,), {"start": (2, 0), "stop": (2, 6), "step": (1, 1)}),
    ]


SLICE = register(
    Primitive(
        "slice",
        ONE,
        _infer_slice,
        _reference_slice,
        _slice_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        _slice_samples,
        [
            WrongUse(
                lambda: slice_(full((3,), 0, dtypes.float32), (1,), (4,), (1,)),
                ArgumentError,
                "slice: 1:4:1 does not lie within axis 0 of size 3",
            ),
            WrongUse(
                lambda: slice_(full((3,), 0, dtypes.float32), (), (), ()),
                ArgumentError,
                "slice: expected 1 starts, stops and steps, got 0, 0 and 0",
            ),
        ],
    )
)


def slice_(
    x: Node, start: Sequence[int], stop: Sequence[int], step: Sequence[int]
) -> Node:
    """Return ``x[start:stop:step]`` on every axis, with positive steps."""
    start, stop, step = as_ints(start), as_ints(stop), as_ints(step)
    whole = start == (0,) * len(x.shape) and stop == x.shape
    if whole and step == (1,) * len(x.shape):
        return x
    return apply(SLICE, x, start=start, stop=stop, step=step)


# --- pad -----------------------------------------------------------------------------


def _infer_pad(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    low: Any = attrs["low"]
    high: Any = attrs["high"]
    interior: Any = attrs["interior"]
    value = attrs["value"]
    if not len(low) == len(high) == len(interior) == len(x.shape):
        raise wrong(
            ArgumentError,
            "pad",
            f"expected {len(x.shape)} paddings, "
            f"got {len(low)} low, {len(high)} high and {len(interior)} interior",
            inputs,
            ONE,
        )
    if any(inner < 0 for inner in interior):
        raise wrong(
            ArgumentError,
            "pad",
            f"interior padding must not be negative, got {interior}",
            inputs,
            ONE,
        )
    if not isinstance(value, Constant) or value.dtype != x.dtype or value.shape:
        raise wrong(
            DTypeError, "pad", f"expected a {x.dtype.name} scalar to pad with",
            inputs, ONE,
        )  # fmt: skip
    shape = []
    for axis, extent in enumerate(x.shape):
        spread = extent + max(extent - 1, 0) * interior[axis]
        size = spread + low[axis] + high[axis]
        # A negative padding cuts, but it must not cut beyond the other end.
        if size < 0 or spread + min(low[axis], 0) + min(high[axis], 0) < 0:
            raise wrong(
                ShapeError,
                "pad",
                f"paddings {low[axis]} and {high[axis]} cut away more than axis "
                f"{axis} holds",
                inputs,
                ONE,
            )
        shape.append(size)
    return tuple(shape), x.dtype


def _reference_pad(node: Node, x: NDArray) -> NDArray:
    low: Any = node.attrs["low"]
    interior: Any = node.attrs["interior"]
    value = node.attrs["value"]
    assert isinstance(value, Constant)
    result = np.full(node.shape, value.value, node.dtype)
    source, target = [], []
    for axis, extent in enumerate(x.shape):
        step = interior[axis] + 1
        # the first and last element whose place lies within the result
        first = max(0, -(low[axis] // step))
        last = min(extent, -(-(node.shape[axis] - low[axis]) // step))
        last = max(first, last)
        source.append(slice(first, last))
        begin = low[axis] + first * step
        target.append(slice(begin, begin + (last - first) * step, step))
    result[tuple(target)] = x[tuple(source)]
    return result


def _pad_gradient(node: Node, g: Node) -> tuple[Node]:
    """Cut off what was added; where elements were cut, put zeros back."""
    (x,) = node.inputs
    low: Any = node.attrs["low"]
    high: Any = node.attrs["high"]
    interior: Any = node.attrs["interior"]
    none = (0,) * len(x.shape)
    uncut = pad(
        g,
        tuple(-amount for amount in low),
        tuple(-amount for amount in high),
        none,
    )
    step = tuple(inner + 1 for inner in interior)
    return (slice_(uncut, none, uncut.shape, step),)


def _pad_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = sample_values(dtype, random, 3, 4)
    value = Constant(np.ones((), dtype))

    def sample(
        array: NDArray,
        low: tuple[int, ...],
        high: tuple[int, ...],
        interior: tuple[int, ...],
    ) -> Sample:
        attrs = {"low": low, "high": high, "interior": interior, "value": value}
        return Sample((array,), attrs)

    return [
        sample(values, (1, 0), (2, 3), (0, 0)),
        sample(values, (0, 2), (1, 0), (2, 1)),
        sample(values, (-1, 1), (0, -2), (0, 0)),
        sample(values, (-2, -3), (1, 1), (1, 2)),
        sample(values[:0], (1, 0), (1, 0), (1, 0)),
    ]


PAD: Primitive = register(
    Primitive(
        "pad",
        ONE,
        _infer_pad,
        _reference_pad,
        _pad_gradient,
        Fusion.INJECTIVE,
        dtypes.ALL,
        _pad_samples,
        [
            WrongUse(
                lambda: pad(full((3,), 0, dtypes.float32), (-4,), (2,), (0,)),
                ShapeError,
                "pad: paddings -4 and 2 cut away more than axis 0 holds",
            ),
            WrongUse(
                lambda: pad(full((3,), 0, dtypes.float32), (1,), (1,), (-1,)),
                ArgumentError,
                "pad: interior padding must not be negative, got (-1,)",
            ),
            WrongUse(
                lambda: pad(full((3,), 0, dtypes.float32), (1, 1), (1,), (0,)),
                ArgumentError,
                "pad: expected 1 paddings, got 2 low, 1 high and 1 interior",
            ),
            WrongUse(
                lambda: apply(
                    PAD,
                    full((3,), 0, dtypes.float32),
                    low=(1,),
                    high=(1,),
                    interior=(0,),
                    value=Constant(np.zeros((), np.int64)),
                ),
                DTypeError,
                "pad: expected a float32 scalar to pad with",
            ),
        ],
    )
)


def pad(
    x: Node,
    low: Sequence[int],
    high: Sequence[int],
    interior: Sequence[int] | None = None,
    value: bool | int | float = 0,
) -> Node:
    """Return x with ``value`` added before, after and between the elements.

    Negative ``low`` and ``high`` cut elements off.  This is the gradient of
    :func:`slice_`, and the other way round.
    """
    low, high = as_ints(low), as_ints(high)
    none = (0,) * len(x.shape)
    interior = none if interior is None else as_ints(interior)
    if low == high == interior == none:
        return x
    scalar = Constant(np.asarray(value, x.dtype))
    return apply(PAD, x, low=low, high=high, interior=interior, value=scalar)
