"""The general matrix product: batch axes, contracted axes, free axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError
from nervure.ir.attrs import Attrs, NDArray
from nervure.ir.build import apply, wrong
from nervure.ir.node import Node, Shape
from nervure.ir.primitive import Fusion, Primitive, Sample, WrongUse, register
from nervure.prims.check import as_ints, dtype_among, same_dtype
from nervure.prims.leaf import full
from nervure.prims.movement import transpose
from nervure.prims.precision import compute_widened

NAMES = ("x", "y")
NUMBERS = (*dtypes.INTEGERS, *dtypes.FLOATS)
AxisPair = tuple[tuple[int, ...], tuple[int, ...]]


def dot_axes(node_attrs: Attrs) -> tuple[AxisPair, AxisPair]:
    """Return the attributes ``(batch, contract)`` of a dot."""
    batch: Any = node_attrs["batch"]
    contract: Any = node_attrs["contract"]
    return batch, contract


def free_axes(rank: int, batch: Sequence[int], contract: Sequence[int]) -> list[int]:
    """Return the axes that are neither batch nor contracted, in order."""
    return [axis for axis in range(rank) if axis not in batch and axis not in contract]


def _infer_dot(inputs: Sequence[Node], attrs: Attrs) -> tuple[Shape, DType]:
    dtype = same_dtype("dot", inputs, NAMES)
    dtype_among("dot", inputs, NAMES, NUMBERS)
    pairs = dot_axes(attrs)
    for role, pair in zip(("batch", "contract"), pairs, strict=True):
        _check_axes(role, pair, inputs)
    batch, contract = pairs
    for position in (0, 1):
        used = batch[position] + contract[position]
        if len(set(used)) != len(used):
            raise wrong(
                ArgumentError,
                "dot",
                f"an axis of {NAMES[position]} is used twice: batch "
                f"{batch[position]}, contract {contract[position]}",
                inputs,
                NAMES,
            )
    shape = [inputs[0].shape[axis] for axis in batch[0]]
    for position, node in enumerate(inputs):
        free = free_axes(len(node.shape), batch[position], contract[position])
        shape.extend(node.shape[axis] for axis in free)
    return tuple(shape), dtype


def _check_axes(role: str, pair: AxisPair, inputs: Sequence[Node]) -> None:
    """Check that paired axes exist and have equal sizes."""
    x, y = inputs
    in_range = all(
        0 <= axis < len(node.shape)
        for axes, node in zip(pair, inputs, strict=True)
        for axis in axes
    )
    if len(pair[0]) != len(pair[1]) or not in_range:
        raise wrong(
            ArgumentError,
            "dot",
            f"{role} axes {pair[0]} and {pair[1]} do not pair up axes of the operands",
            inputs,
            NAMES,
        )
    sizes = (
        [x.shape[axis] for axis in pair[0]],
        [y.shape[axis] for axis in pair[1]],
    )
    if sizes[0] != sizes[1]:
        first, second = ((str(one[0]) if len(one) == 1 else str(one)) for one in sizes)
        word = "contracted" if role == "contract" else "batch"
        raise wrong(
            ShapeError,
            "dot",
            f"{word} axes must have equal sizes, got {first} and {second}",
            inputs,
            NAMES,
            fix="transpose one operand, or check which features it was made for",
        )


def _reference_dot(node: Node, x: NDArray, y: NDArray) -> NDArray:
    """Bring both operands into the form of a batched matrix product."""
    batch, contract = dot_axes(node.attrs)
    x_free = free_axes(x.ndim, batch[0], contract[0])
    y_free = free_axes(y.ndim, batch[1], contract[1])
    batches = math.prod(x.shape[axis] for axis in batch[0])
    inner = math.prod(x.shape[axis] for axis in contract[0])
    rows = math.prod(x.shape[axis] for axis in x_free)
    columns = math.prod(y.shape[axis] for axis in y_free)
    left = x.transpose((*batch[0], *x_free, *contract[0]))
    right = y.transpose((*batch[1], *contract[1], *y_free))

    def product(a: NDArray, b: NDArray) -> NDArray:
        if not batch[0]:  # one plain matrix product, which BLAS does fastest
            return a.reshape(rows, inner) @ b.reshape(inner, columns)
        return a.reshape(batches, rows, inner) @ b.reshape(batches, inner, columns)

    return compute_widened(product)(node, left, right).reshape(node.shape)


def _dot_gradient(node: Node, g: Node) -> tuple[Node, Node]:
    return _operand_gradient(node, g, 0), _operand_gradient(node, g, 1)


def _operand_gradient(node: Node, g: Node, position: int) -> Node:
    """Contract the cotangent with the other operand over that operand's free axes."""
    batch, contract = dot_axes(node.attrs)
    mine, other = node.inputs[position], node.inputs[1 - position]
    my_batch, my_contract = batch[position], contract[position]
    other_batch, other_contract = batch[1 - position], contract[1 - position]
    my_free = free_axes(len(mine.shape), my_batch, my_contract)
    other_free = free_axes(len(other.shape), other_batch, other_contract)
    # axes of g: batch, free axes of x, free axes of y
    batches = len(my_batch)
    first_other = batches + (len(my_free) if position == 0 else 0)
    g_batch = tuple(range(batches))
    g_other = tuple(range(first_other, first_other + len(other_free)))
    # my contracted axes come in the order in which the other operand holds its own
    order = sorted(range(len(other_contract)), key=lambda place: other_contract[place])
    contracted = [my_contract[place] for place in order]
    # The first factor's axes come first. Chosen like this, the product x @ w needs no
    # transposed result for either gradient: g @ w.T and x.T @ g.
    if position == 0:
        product = dot(g, other, (g_batch, other_batch), (g_other, other_free))
        axes = [*my_batch, *my_free, *contracted]
    else:
        product = dot(other, g, (other_batch, g_batch), (other_free, g_other))
        axes = [*my_batch, *contracted, *my_free]
    return transpose(product, [axes.index(axis) for axis in range(len(axes))])


def _dot_samples(dtype: DType, random: np.random.Generator) -> list[Sample]:
    def values(*shape: int) -> NDArray:
        low = 0 if dtypes.is_unsigned(dtype) else -2
        spread = random.uniform(low, 2, shape)
        return (spread * 3 if dtypes.is_integer(dtype) else spread).astype(dtype)

    def sample(x: NDArray, y: NDArray, batch: AxisPair, contract: AxisPair) -> Sample:
        return Sample((x, y), {"batch": batch, "contract": contract})

    none: AxisPair = ((), ())
    return [
        sample(values(3, 4), values(4, 5), none, ((1,), (0,))),
        sample(values(4, 3), values(5, 4), none, ((0,), (1,))),
        sample(values(2, 3, 4), values(2, 4, 5), ((0,), (0,)), ((2,), (1,))),
        sample(values(3, 2, 4, 5), values(5, 4, 3), ((0,), (2,)), ((2, 3), (1, 0))),
        sample(values(4), values(4), none, ((0,), (0,))),
        sample(values(2), values(3), none, none),
        sample(values(3, 0), values(0, 2), none, ((1,), (0,))),
        sample(values(0, 3), values(3, 2), none, ((1,), (0,))),
    ]


def _zeros(*shape: int) -> Node:
    return full(shape, 0, dtypes.float32)


DOT = register(
    Primitive(
        "dot",
        NAMES,
        _infer_dot,
        _reference_dot,
        _dot_gradient,
        Fusion.CONTRACTION,
        NUMBERS,
        _dot_samples,
        [
            WrongUse(
                lambda: dot(_zeros(2, 3), _zeros(4, 5), contract=((1,), (0,))),
                ShapeError,
                "dot: contracted axes must have equal sizes, got 3 and 4",
            ),
            WrongUse(
                lambda: dot(
                    _zeros(2, 3), _zeros(4, 3), ((0,), (0,)), contract=((1,), (1,))
                ),
                ShapeError,
                "dot: batch axes must have equal sizes, got 2 and 4",
            ),
            WrongUse(
                lambda: dot(_zeros(2), _zeros(2), contract=((0,), (1,))),
                ArgumentError,
                "dot: contract axes (0,) and (1,) do not pair up axes of the operands",
            ),
            WrongUse(
                lambda: dot(_zeros(2), _zeros(2), ((0,), (0,)), contract=((0,), (0,))),
                ArgumentError,
                "dot: an axis of x is used twice: batch (0,), contract (0,)",
            ),
            WrongUse(
                lambda: dot(full((2,), 0, dtypes.bool_), full((2,), 0, dtypes.bool_)),
                DTypeError,
                "dot: expected integers or floating-point numbers, got bool",
            ),
        ],
    )
)


def dot(
    x: Node,
    y: Node,
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
    contract: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Node:
    """Multiply and sum over paired axes.

    ``contract`` names the axes of x and of y that are summed over, ``batch`` those
    that run along.  The result's axes are the batch axes, then x's other axes, then
    y's.  float16 and bfloat16 are accumulated in float32.
    """
    return apply(
        DOT,
        x,
        y,
        batch=(as_ints(batch[0]), as_ints(batch[1])),
        contract=(as_ints(contract[0]), as_ints(contract[1])),
    )
