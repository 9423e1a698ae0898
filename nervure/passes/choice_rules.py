"""Simpler choices, conversions, reductions and notes."""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.node import Node
from nervure.passes.rewriting import made
from nervure.passes.rules import Rules, declare, uniform
from nervure.prims.movement import BROADCAST, RESHAPE
from nervure.prims.select import BITCAST, CAST, SELECT
from nervure.prims.unary import NOT

CHOICE_RULES: Final[Rules] = {}
_rule = functools.partial(declare, CHOICE_RULES)


@_rule(
    "stop_gradient",
    "custom_gradient",
    kind="note for derivatives",
    why="They have been taken; the note shows its operand as it is.",
)
def _note(node: Node) -> Node:
    return node.inputs[0]


# --- choices -------------------------------------------------------------------------


@_rule("select", kind="choice between equals", why="Both are the same.")
def _same_choice(node: Node) -> Node | None:
    _, x, y = node.inputs
    return x if x is y else None


@_rule("select", kind="choice that is known", why="The condition is a constant.")
def _known_choice(node: Node) -> Node | None:
    condition, x, y = node.inputs
    known = uniform(condition)
    if known is None:
        return None
    return x if known else y


@_rule("select", kind="choice by the opposite", why="The other one is chosen.")
def _opposite(node: Node) -> Node | None:
    condition, x, y = node.inputs
    if condition.op is not NOT:
        return None
    return made(node, SELECT, condition.inputs[0], y, x)


@_rule(
    "select", kind="choice between true and false", why="That is the condition itself."
)
def _truth(node: Node) -> Node | None:
    condition, x, y = node.inputs
    if not dtypes.is_bool(node.dtype):
        return None
    yes, no = uniform(x), uniform(y)
    if yes is None or no is None or bool(yes) == bool(no):
        return None
    return condition if yes else made(node, NOT, condition)


# --- conversions ---------------------------------------------------------------------


@_rule("cast", "bitcast", kind="conversion to the same type", why="Nothing is rounded.")
def _same_type(node: Node) -> Node | None:
    (x,) = node.inputs
    return x if x.dtype == node.dtype else None


@_rule(
    "cast",
    kind="conversion by way of a wider type",
    why="The first conversion is exact, so the last one rounds the same number.",
)
def _wider(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not CAST:
        return None
    (x,) = inner.inputs
    if not _is_exact(x.dtype, inner.dtype):
        return None
    if x.dtype == node.dtype:
        return x
    # Whole numbers wrap around where they do not fit, others are cut off.
    other_kind = dtypes.is_float(inner.dtype) != dtypes.is_float(x.dtype)
    if other_kind and dtypes.is_integer(node.dtype) and not dtypes.is_bool(x.dtype):
        return None
    return made(node, CAST, x, dtype=node.dtype)


# The digits of the floating-point types, and their smallest and largest exponents.
_FORMATS: Final = {
    dtypes.float16: (11, -24, 15),
    dtypes.bfloat16: (8, -133, 127),
    dtypes.float32: (24, -149, 127),
    dtypes.float64: (53, -1074, 1023),
}


def _is_exact(narrow: DType, wide: DType) -> bool:
    """Tell whether every number of one type is one of the other type."""
    if narrow == wide or dtypes.is_bool(narrow):
        return True
    if dtypes.is_bool(wide):
        return False
    if dtypes.is_float(narrow):
        if not dtypes.is_float(wide):
            return False
        digits, least, most = _FORMATS[narrow]
        other = _FORMATS[wide]
        return digits <= other[0] and least >= other[1] and most <= other[2]
    if dtypes.is_float(wide):
        bits = 8 * narrow.itemsize - dtypes.is_signed(narrow)
        digits, _, most = _FORMATS[wide]
        return bits <= digits and bits <= most
    inner, outer = np.iinfo(narrow), np.iinfo(wide)
    return bool(outer.min <= inner.min and inner.max <= outer.max)


@_rule("bitcast", kind="bits read twice", why="They stay the same bits.")
def _bits_twice(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not BITCAST:
        return None
    (x,) = inner.inputs
    return x if x.dtype == node.dtype else made(node, BITCAST, x, dtype=node.dtype)


# --- reductions ----------------------------------------------------------------------


@_rule(
    "reduce_max", "reduce_min", "reduce_prod", "reduce_sum",
    kind="reduction of single elements",
    why="There is nothing to combine; a sum of floats would turn -0.0 into 0.0.",
)  # fmt: skip
def _single_elements(node: Node) -> Node | None:
    (x,) = node.inputs
    axes: Any = node.attrs["axes"]
    if not axes:
        return x
    if node.op.name == "reduce_sum" and dtypes.is_float(node.dtype):
        return None
    if any(x.shape[axis] != 1 for axis in axes):
        return None
    return made(node, RESHAPE, x, shape=node.shape)


@_rule(
    "reduce_max", "reduce_min",
    kind="extremum of equals", why="The repeated elements are equal.",
)  # fmt: skip
def _extremum_of_equals(node: Node) -> Node | None:
    (inner,) = node.inputs
    if inner.op is not BROADCAST:
        return None
    axes: Any = node.attrs["axes"]
    kept: Any = inner.attrs["axes"]
    if any(inner.shape[axis] == 0 for axis in axes) or {*axes} & {*kept}:
        return None
    left = [axis for axis in range(len(inner.shape)) if axis not in axes]
    places = tuple(left.index(axis) for axis in kept)
    (x,) = inner.inputs
    if x.shape == node.shape:
        return x
    return made(node, BROADCAST, x, shape=node.shape, axes=places)
