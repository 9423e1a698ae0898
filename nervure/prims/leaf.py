"""Leaves: where values enter a graph.

| primitive | value |
|---|---|
| ``input`` | an argument of the program, bound at each call |
| ``buffer`` | data the user gave; it has an identity and never merges by value |
| ``const`` | a value that is part of the graph's text |
| ``iota`` | 0, 1, 2, ... along one axis |
| ``random_bits`` | threefry bits of a key; the same on every executor |
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, GraphError, ShapeError, explain
from nervure.ir.attrs import Attrs, Buffer, Constant, DeviceValue, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import as_shape
from nervure.prims.threefry import threefry_bits

_input_numbers = itertools.count()


def _infer_from_attrs(_inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    """Read the type of a leaf from its attributes."""
    shape, dtype = attrs["shape"], attrs["dtype"]
    if not isinstance(shape, tuple) or not isinstance(dtype, np.dtype):
        raise GraphError(
            explain(
                "a leaf needs the attributes 'shape' and 'dtype'",
                fix="make it with input_leaf, buffer_leaf or const",
            )
        )
    return shape, dtype  # type: ignore[return-value]


# --- input ---------------------------------------------------------------------------


def _reference_input(node: Node) -> NDArray:
    raise GraphError(
        explain(
            f"the input {node.attrs['name']!r} has not been given a value",
            fix="give a value for each input, or compile the function that the graph "
            "belongs to",
        )
    )


INPUT = register(
    Primitive("input", (), _infer_from_attrs, _reference_input, None, Fusion.LEAF)
)


def input_leaf(shape: Sequence[int], dtype: DType, name: str = "") -> Node:
    """Return a fresh argument of a program; two inputs are never the same node."""
    return apply(
        INPUT,
        name=name,
        uid=next(_input_numbers),
        shape=as_shape("input", shape),
        dtype=dtype,
    )


# --- buffer --------------------------------------------------------------------------


def _reference_buffer(node: Node) -> NDArray:
    buffer = node.buffer
    if buffer is None or buffer.value is None:
        raise GraphError(
            explain(
                f"the data of {buffer!r} is not here: a graph read from text names its "
                "buffers but does not hold them",
                fix="make the graph anew, or give its buffers as inputs",
            )
        )
    return buffer.value


BUFFER = register(
    Primitive("buffer", (), _infer_from_attrs, _reference_buffer, None, Fusion.LEAF)
)


def buffer_leaf(
    value: NDArray | DeviceValue, name: str = "", parameter: bool = False
) -> Node:
    """Return a leaf that holds ``value``; the array must not be changed afterwards."""
    buffer = Buffer(value, name, parameter)
    return apply(BUFFER, buffer=buffer, shape=value.shape, dtype=value.dtype)


# --- const ---------------------------------------------------------------------------


def _infer_const(_inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    value = attrs["value"]
    if not isinstance(value, Constant):
        raise GraphError(
            explain(
                "const needs the attribute 'value', a constant",
                fix="make it with nervure.prims.leaf.const",
            )
        )
    if not dtypes.is_supported(value.dtype):
        raise DTypeError(
            explain(
                f"const: no graph holds values of type {value.dtype}",
                fix="convert it first, for example with .astype('float32')",
            )
        )
    return value.shape, value.dtype


def _reference_const(node: Node) -> NDArray:
    value = node.attrs["value"]
    assert isinstance(value, Constant)
    return value.value


def _const_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    values = random.integers(0, 2, (2, 3)).astype(dtype)
    return [
        Sample((), {"value": Constant(values)}),
        Sample((), {"value": Constant(np.zeros((), dtype))}),
        Sample((), {"value": Constant(np.zeros((0, 3), dtype))}),
    ]


CONST = register(
    Primitive(
        "const",
        (),
        _infer_const,
        _reference_const,
        None,
        Fusion.LEAF,
        dtypes.ALL,
        _const_samples,
        [
            WrongUse(
                lambda: const(np.array([1j])),
                DTypeError,
                "const: no graph holds values of type complex128",
            )
        ],
    )
)


def const(value: npt.ArrayLike, dtype: DType | None = None) -> Node:
    """Return a constant; equal values of equal type are the same node."""
    return apply(CONST, value=Constant(np.asarray(value, dtype)))


def full_like(node: Node, value: bool | int | float) -> Node:
    """Return ``value`` in the shape and type of ``node``."""
    return full(node.shape, value, node.dtype)


def full(shape: Shape, value: bool | int | float, dtype: DType) -> Node:
    """Return ``value`` repeated in ``shape``."""
    from nervure.prims.movement import broadcast

    scalar = const(value, dtype)
    return broadcast(scalar, shape, ()) if shape else scalar


# --- iota ----------------------------------------------------------------------------


def _infer_iota(_inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    shape, dtype = _infer_from_attrs(_inputs, attrs)
    axis = attrs["axis"]
    if not isinstance(axis, int) or not 0 <= axis < len(shape):
        raise wrong(
            ArgumentError,
            "iota",
            f"axis {axis} is not an axis of the shape {shape}",
            (),
            (),
            fix=f"use an axis from 0 to {len(shape) - 1}" if shape else None,
        )
    if not dtypes.is_number(dtype):
        raise wrong(DTypeError, "iota", f"cannot count in {dtype.name}", (), ())
    return shape, dtype


def _reference_iota(node: Node) -> NDArray:
    axis = node.attrs["axis"]
    assert isinstance(axis, int)
    extent = node.shape[axis]
    counts = np.arange(extent, dtype=np.int64).astype(node.dtype)
    column = [1] * len(node.shape)
    column[axis] = extent
    return np.broadcast_to(counts.reshape(column), node.shape)


def _iota_samples(dtype: DType, _random: np.random.Generator) -> list[Sample]:
    return [
        Sample((), {"shape": (5,), "axis": 0, "dtype": dtype}),
        Sample((), {"shape": (2, 3, 4), "axis": 1, "dtype": dtype}),
        Sample((), {"shape": (0, 3), "axis": 1, "dtype": dtype}),
    ]


IOTA = register(
    Primitive(
        "iota",
        (),
        _infer_iota,
        _reference_iota,
        None,
        Fusion.LEAF,
        (*dtypes.INTEGERS, *dtypes.FLOATS),
        _iota_samples,
        [
            WrongUse(
                lambda: iota((2, 3), 2),
                ArgumentError,
                "iota: axis 2 is not an axis of the shape (2, 3)",
            ),
            WrongUse(
                lambda: iota((2,), 0, dtypes.bool_),
                DTypeError,
                "iota: cannot count in bool",
            ),
        ],
    )
)


def iota(shape: Sequence[int], axis: int, dtype: DType = dtypes.int64) -> Node:
    """Return an array of ``shape`` that counts 0, 1, 2, ... along ``axis``."""
    return apply(IOTA, shape=as_shape("iota", shape), axis=axis, dtype=dtype)


# --- random_bits ---------------------------------------------------------------------


def _infer_random_bits(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    (key,) = inputs
    if key.dtype != dtypes.uint32 or key.shape != (2,):
        raise wrong(
            ShapeError if key.dtype == dtypes.uint32 else DTypeError,
            "random_bits",
            f"expected a key of type uint32[2], got {key.type_text}",
            inputs,
            ("key",),
            fix="make keys with nervure.random.key(seed)",
        )
    shape: Any = attrs["shape"]
    return shape, dtypes.uint32


def _reference_random_bits(node: Node, key: NDArray) -> NDArray:
    return threefry_bits(key, node.size).reshape(node.shape)


def _random_bits_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    key = random.integers(0, 2**32, 2, dtype=np.uint32).astype(dtype)
    return [
        Sample((key,), {"shape": (5, 13)}),
        Sample((key,), {"shape": (64,)}),
        Sample((key,), {"shape": ()}),
        Sample((key,), {"shape": (0, 3)}),
    ]


RANDOM_BITS = register(
    Primitive(
        "random_bits",
        ("key",),
        _infer_random_bits,
        _reference_random_bits,
        None,
        Fusion.ELEMENTWISE,
        (dtypes.uint32,),
        _random_bits_samples,
        [
            WrongUse(
                lambda: random_bits(const(0, dtypes.uint32), (3,)),
                ShapeError,
                "random_bits: expected a key of type uint32[2], got uint32[]",
            ),
            WrongUse(
                lambda: random_bits(const([1, 2], dtypes.int64), (3,)),
                DTypeError,
                "random_bits: expected a key of type uint32[2], got int64[2]",
            ),
        ],
    )
)


def random_bits(key: Node, shape: Sequence[int]) -> Node:
    """Return ``uint32[shape]`` random words, a function of ``key`` alone."""
    return apply(RANDOM_BITS, key, shape=as_shape("random_bits", shape))
