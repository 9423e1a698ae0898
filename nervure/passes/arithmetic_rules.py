"""Simpler arithmetic, where IEEE 754 says that the bits stay the same.

What looks simple and is not: ``x + 0.0`` turns -0.0 into 0.0, ``x * 0.0`` is NaN for an
infinity and keeps signs, ``x == x`` is false for NaN, ``(x + y) + z`` rounds twice in
another order, ``x - x`` may be NaN, and the sum of a single -0.0 is 0.0.  All of these
stay as they are for floating-point numbers; whole numbers wrap around and have none of
these cases.  The sign and payload of a NaN mean nothing.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import ml_dtypes
import numpy as np

from nervure import dtypes
from nervure.dtypes import DType
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.passes.rewriting import made
from nervure.passes.rules import Rules, declare, filled, uniform
from nervure.prims.binary import ADD, DIV, MUL, SUB
from nervure.prims.unary import ABS, NEG

ARITHMETIC_RULES: Final[Rules] = {}
_rule = functools.partial(declare, ARITHMETIC_RULES)


def _is_whole(dtype: DType) -> bool:
    """Tell whether numbers of a type are exact: whole numbers and truth values."""
    return not dtypes.is_float(dtype)


def _is(number: NDArray | None, value: float, negative: bool = False) -> bool:
    """Tell whether a number is this value, a zero with this sign."""
    if number is None or not bool(number == value):
        return False
    if value or not dtypes.is_float(number.dtype):
        return True
    return bool(np.signbit(number.astype(np.float64))) == negative


def _operand_of(node: Node, op: object) -> Node | None:
    """Return the operand of a node if it is an operation of this kind."""
    return node.inputs[0] if node.op is op else None


# --- twice, or not at all ------------------------------------------------------------


@_rule("neg", kind="double negation", why="The sign is turned back.")
@_rule("not", kind="double not", why="Every bit is turned back.")
def _twice(node: Node) -> Node | None:
    (inner,) = node.inputs
    return inner.inputs[0] if inner.op is node.op else None


@_rule("abs", "floor", "round", kind="operation done before", why="It changes nothing.")
def _done_before(node: Node) -> Node | None:
    (inner,) = node.inputs
    rounded = ("floor", "round")
    both_round = node.op.name in rounded and inner.op.name in rounded
    return inner if inner.op is node.op or both_round else None


@_rule("abs", kind="sign that is lost", why="The absolute value has none.")
def _lost_sign(node: Node) -> Node | None:
    (inner,) = node.inputs
    x = None if dtypes.is_unsigned(node.dtype) else _operand_of(inner, NEG)
    return None if x is None else made(node, ABS, x)


@_rule(
    "maximum", "minimum", "and", "or",
    kind="operation on equals", why="The result is either operand.",
)  # fmt: skip
def _equals(node: Node) -> Node | None:
    x, y = node.inputs
    return x if x is y else None


# --- neutral operands ----------------------------------------------------------------


@_rule("mul", "div", "pow", kind="times one", why="Every number, NaN too, stays.")
def _times_one(node: Node) -> Node | None:
    x, y = node.inputs
    if _is(uniform(y), 1):
        return x
    return y if node.op is MUL and _is(uniform(x), 1) else None


@_rule(
    "add",
    kind="plus nothing",
    why="x + -0.0 is x, -0.0 too; so is a whole number plus 0.",
)
def _plus_nothing(node: Node) -> Node | None:
    x, y = node.inputs
    if _is(uniform(y), 0, negative=True):
        return x
    return y if _is(uniform(x), 0, negative=True) else None


@_rule("sub", kind="minus nothing", why="x - 0.0 is x, -0.0 too.")
def _minus_nothing(node: Node) -> Node | None:
    x, y = node.inputs
    return x if _is(uniform(y), 0) else None


@_rule("xor", "shift_left", "shift_right", kind="no bits", why="No bit changes.")
def _no_bits(node: Node) -> Node | None:
    x, y = node.inputs
    if _is(uniform(y), 0):
        return x
    return y if node.op.name == "xor" and _is(uniform(x), 0) else None


def _all_bits(dtype: DType) -> int:
    if dtypes.is_bool(dtype):
        return 1
    return int(np.iinfo(dtype).max) if dtypes.is_unsigned(dtype) else -1


@_rule("and", "or", kind="and, or with a constant", why="Bits are kept, or all set.")
def _known_bits(node: Node) -> Node | None:
    for x, y in (node.inputs, node.inputs[::-1]):
        number = uniform(y)
        none, every = _is(number, 0), _is(number, _all_bits(node.dtype))
        if none or every:
            return y if none == (node.op.name == "and") else x
    return None


@_rule(
    "maximum",
    "minimum",
    kind="bound that binds nothing",
    why="No number lies beyond infinity, and NaN stays.",
)
def _no_bound(node: Node) -> Node | None:
    if not dtypes.is_float(node.dtype):
        return None
    end = -np.inf if node.op.name == "maximum" else np.inf
    x, y = node.inputs
    if _is(uniform(y), end):
        return x
    return y if _is(uniform(x), end) else None


# --- whole numbers -------------------------------------------------------------------


@_rule("mul", kind="times zero", why="A whole number has no infinity and no sign.")
def _times_zero(node: Node) -> Node | None:
    if not _is_whole(node.dtype):
        return None
    return next((one for one in node.inputs if _is(uniform(one), 0)), None)


@_rule(
    "sub", "xor", "eq", "le", kind="whole number and itself", why="It is never a NaN."
)
def _itself(node: Node) -> Node | None:
    x, y = node.inputs
    if x is not y or not _is_whole(x.dtype):
        return None
    same = node.op.name in ("eq", "le")
    return filled(node, np.asarray(same, node.dtype))


@_rule("lt", kind="less than itself", why="Nothing is, NaN neither.")
def _less_than_itself(node: Node) -> Node | None:
    x, y = node.inputs
    return filled(node, np.asarray(False)) if x is y else None


# --- signs ---------------------------------------------------------------------------


@_rule("add", kind="plus a negative", why="x + -y is x - y by definition.")
def _plus_negative(node: Node) -> Node | None:
    x, y = node.inputs
    negated = _operand_of(y, NEG)
    if negated is not None:
        return made(node, SUB, x, negated)
    negated = _operand_of(x, NEG)
    return None if negated is None else made(node, SUB, y, negated)


@_rule("sub", kind="minus a negative", why="x - -y is x + y by definition.")
def _minus_negative(node: Node) -> Node | None:
    x, y = node.inputs
    negated = _operand_of(y, NEG)
    return None if negated is None else made(node, ADD, x, negated)


@_rule("mul", "div", kind="two signs", why="They cancel; rounding knows no sign.")
def _two_signs(node: Node) -> Node | None:
    x, y = (_operand_of(one, NEG) for one in node.inputs)
    if x is None or y is None or (node.op is DIV and _is_whole(node.dtype)):
        return None
    return made(node, node.op, x, y)


# --- division ------------------------------------------------------------------------


@_rule(
    "div",
    kind="division by a power of two",
    why="The reciprocal is exact, so the product is the same number rounded once.",
)
def _power_of_two(node: Node) -> Node | None:
    x, y = node.inputs
    number = uniform(y)
    if number is None or _is_whole(node.dtype):
        return None
    divisor = float(number)
    if divisor == 0 or not np.isfinite(divisor):
        return None
    if abs(np.frexp(divisor)[0]) != 0.5:
        return None
    reciprocal = np.asarray(1 / divisor).astype(node.dtype)
    info: Any = ml_dtypes.finfo(node.dtype)  # type: ignore[no-untyped-call]
    if not float(info.smallest_normal) <= abs(float(reciprocal)) < np.inf:
        return None
    return made(node, MUL, x, filled(y, reciprocal))
