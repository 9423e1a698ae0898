"""Choosing between values, and changing their type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import DTypeError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import same_dtype, same_shape
from nervure.prims.leaf import const, full, full_like

# --- select --------------------------------------------------------------------------

SELECT_NAMES = ("condition", "x", "y")


def _infer_select(inputs: Sequence[Node], _attrs: Attrs) -> tuple[Shape, DType]:
    if not dtypes.is_bool(inputs[0].dtype):
        raise wrong(
            DTypeError,
            "select",
            f"expected a condition of type bool, got {inputs[0].dtype.name}",
            inputs,
            SELECT_NAMES,
            fix="compare with something, for example x != 0",
        )
    shape = same_shape("select", inputs, SELECT_NAMES)
    return shape, same_dtype("select", inputs[1:], SELECT_NAMES[1:])


def _select_gradient(node: Node, g: Node) -> tuple[None, Node, Node]:
    condition = node.inputs[0]
    zero = full_like(g, 0)
    return None, select(condition, g, zero), select(condition, zero, g)


def _select_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    condition = random.random((3, 4)) < 0.5
    x = random.normal(size=(3, 4)).astype(dtype)
    y = random.normal(size=(3, 4)).astype(dtype)
    empty = np.zeros((0, 2), dtype)
    return [
        Sample((condition, x, y)),
        Sample((condition[0, 0], x[0, 0], y[0, 0])),
        Sample((empty.astype(bool), empty, empty)),
    ]


SELECT = register(
    Primitive(
        "select",
        SELECT_NAMES,
        _infer_select,
        lambda node, condition, x, y: np.where(condition, x, y),
        _select_gradient,
        Fusion.ELEMENTWISE,
        dtypes.ALL,
        _select_samples,
        [
            WrongUse(
                lambda: select(const(1), const(1), const(2)),
                DTypeError,
                "select: expected a condition of type bool, got int64",
            ),
            WrongUse(
                lambda: select(const([True]), const([1, 2]), const([1, 2])),
                ShapeError,
                "select: operands must have equal shapes, got [1] and [2] and [2]",
            ),
            WrongUse(
                lambda: select(const(True), const(1), const(1.0)),
                DTypeError,
                "select: operands must have equal data types, got int64 and float64",
            ),
        ],
    )
)


def select(condition: Node, x: Node, y: Node) -> Node:
    """Return x where the condition holds and y elsewhere."""
    return apply(SELECT, condition, x, y)


# --- cast ----------------------------------------------------------------------------


def _infer_cast(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    dtype = attrs["dtype"]
    assert isinstance(dtype, np.dtype)
    return inputs[0].shape, dtypes.as_dtype(dtype)


def saturating_cast(x: NDArray, dtype: DType) -> NDArray:
    """Convert floating-point numbers to integers: NaN becomes 0, the rest clips.

    C leaves the out-of-range case undefined, so every executor would do its own.
    """
    limits = np.iinfo(dtype)
    whole = np.trunc(x.astype(dtypes.accumulator(x.dtype), copy=False))
    # min and max + 1 are powers of two (or 0), hence exact in floating point
    too_low, too_high = whole < float(limits.min), whole >= float(limits.max + 1)
    usable = ~(too_low | too_high | np.isnan(whole))
    result = np.where(usable, whole, 0).astype(dtype)
    result = np.where(too_low, np.asarray(limits.min, dtype), result)
    return np.where(too_high, np.asarray(limits.max, dtype), result)


def _to_bfloat16(x: NDArray) -> NDArray:
    """Round once; by itself the conversion goes through float32 and rounds twice.

    Rounding to odd on the way keeps the trace of what was cut off: the neighbour with
    an odd last bit is never halfway between two bfloat16 numbers.
    """
    if dtypes.is_integer(x.dtype) and x.dtype.itemsize == 8:
        # float64 may round too: mark bits too low to matter by one that it can hold.
        low = x & 0xFFF
        large = np.abs(x.astype(np.float64)) > 2.0**40
        x = np.where(large & (low != 0), (x - low) | 0x800, x)
    exact = x.astype(np.float64)
    near = exact.astype(np.float32)
    beyond = np.where(exact > near, np.inf, -np.inf).astype(np.float32)
    other = np.nextafter(near, beyond)
    even = (near.view(np.uint32) & 1) == 0
    return np.where(even & (near != exact), other, near).astype(dtypes.bfloat16)


def _reference_cast(node: Node, x: NDArray) -> NDArray:
    if dtypes.is_float(x.dtype) and dtypes.is_integer(node.dtype):
        return saturating_cast(x, node.dtype)
    if dtypes.is_bool(node.dtype):
        return np.not_equal(x, np.zeros((), x.dtype))
    in_float32 = np.can_cast(x.dtype, np.float32) or x.dtype == dtypes.bfloat16
    if node.dtype == dtypes.bfloat16 and not in_float32:
        return _to_bfloat16(x)
    return x.astype(node.dtype)


def _cast_gradient(node: Node, g: Node) -> tuple[Node | None]:
    (x,) = node.inputs
    smooth = dtypes.is_float(x.dtype) and dtypes.is_float(node.dtype)
    return (cast(g, x.dtype) if smooth else None,)


def _cast_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = (random.uniform(0, 3, (3, 4)) * 5).astype(dtype)
    samples = [
        Sample((values,), {"dtype": target}, smooth=dtypes.is_float(target))
        for target in dtypes.ALL
    ]
    samples.append(Sample((np.zeros((0, 2), dtype),), {"dtype": dtypes.float64}))
    if dtypes.is_float(dtype):
        extreme = np.array([np.nan, np.inf, -np.inf, 3e4, -3e4, -0.9], dtype)
        samples.extend(
            Sample((extreme,), {"dtype": target}, smooth=False)
            for target in dtypes.INTEGERS
        )
    return samples


CAST = register(
    Primitive(
        "cast",
        ("x",),
        _infer_cast,
        _reference_cast,
        _cast_gradient,
        Fusion.ELEMENTWISE,
        dtypes.ALL,
        _cast_samples,
        [
            WrongUse(
                lambda: cast(const(0.0), np.dtype("complex64")),
                DTypeError,
                "expected a data type that Nervure computes with, "
                "got dtype('complex64')",
            )
        ],
    )
)


def cast(x: Node, dtype: DType) -> Node:
    """Return x converted to ``dtype``; x itself when it has that type.

    Floating-point numbers are cut off toward zero, clipped to the integer's range, and
    NaN becomes 0.  Integers wrap around.  Everything but zero is True.
    """
    return x if x.dtype == dtype else apply(CAST, x, dtype=dtype)


# --- bitcast -------------------------------------------------------------------------


def _infer_bitcast(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (x,) = inputs
    dtype = attrs["dtype"]
    assert isinstance(dtype, np.dtype)
    dtype = dtypes.as_dtype(dtype)
    if dtypes.is_bool(dtype) or dtypes.is_bool(x.dtype):
        raise wrong(
            DTypeError, "bitcast", "truth values have no bits to reuse", inputs, ("x",)
        )
    if dtype.itemsize != x.dtype.itemsize:
        raise wrong(
            DTypeError,
            "bitcast",
            f"expected types of equal width, got {x.dtype.name} and {dtype.name}",
            inputs,
            ("x",),
        )
    return x.shape, dtype


def _bitcast_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = (random.uniform(0, 3, (3, 4)) * 5).astype(dtype)
    return [
        Sample((values,), {"dtype": target}, smooth=False)
        for target in dtypes.ALL
        if target.itemsize == dtype.itemsize and target != dtypes.bool_
    ] + [Sample((np.zeros((0, 2), dtype),), {"dtype": dtype}, smooth=False)]


BITCAST = register(
    Primitive(
        "bitcast",
        ("x",),
        _infer_bitcast,
        lambda node, x: np.ascontiguousarray(x).view(node.dtype).reshape(x.shape),
        lambda node, g: (None,),
        Fusion.ELEMENTWISE,
        (*dtypes.INTEGERS, *dtypes.FLOATS),
        _bitcast_samples,
        [
            WrongUse(
                lambda: bitcast(full((2,), 0, dtypes.float32), dtypes.int64),
                DTypeError,
                "bitcast: expected types of equal width, got float32 and int64",
            ),
            WrongUse(
                lambda: bitcast(const(True), dtypes.int8),
                DTypeError,
                "bitcast: truth values have no bits to reuse",
            ),
            WrongUse(
                lambda: bitcast(full((2,), 0, dtypes.float64), np.dtype("complex64")),
                DTypeError,
                "expected a data type that Nervure computes with, "
                "got dtype('complex64')",
            ),
        ],
    )
)


def bitcast(x: Node, dtype: DType) -> Node:
    """Return the bits of x read as another type of the same width."""
    return apply(BITCAST, x, dtype=dtype)
