"""Constant folding: what depends on constants alone is computed once, beforehand.

Before::

    graph (%0: float32[2, 3] "x") {
      %1: float32[] = const {value = constant<float32[]>(0.5)}
      %2: float32[2, 3] = broadcast(%1) {axes = (), shape = (2, 3)}
      %3: float32[] = const {value = constant<float32[]>(3.0)}
      %4: float32[2, 3] = broadcast(%3) {axes = (), shape = (2, 3)}
      %5: float32[2, 3] = mul(%2, %4)
      %6: float32[2, 3] = add(%0, %5)
      return %6
    }

and after::

    graph (%0: float32[2, 3] "x") {
      %1: float32[] = const {value = constant<float32[]>(1.5)}
      %2: float32[2, 3] = broadcast(%1) {axes = (), shape = (2, 3)}
      %3: float32[2, 3] = add(%0, %2)
      return %3
    }

The value is that of the reference executor.  Only operations are folded whose result
has the same bits on every executor: those that IEEE 754 rounds correctly, whole numbers
and movements.  ``exp``, ``tanh`` and the like, and sums of floating-point numbers, are
left to the executor, so that folding changes no bit of a program.  Of a ``cond`` with a
constant condition the branch that is taken stays.

A repeated number stays one number, repeated.  Otherwise no constant of more than
``LARGEST`` bytes is made, because a program would have to read it from memory.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from nervure import dtypes
from nervure.ir.attrs import Constant, NDArray
from nervure.ir.bodies import inlined
from nervure.ir.graph import Graph
from nervure.ir.node import Node
from nervure.ir.primitive import Fusion
from nervure.passes.change import Note, Pass
from nervure.passes.rewriting import made, rewritten
from nervure.passes.rules import filled, uniform
from nervure.prims.control import COND, PART, chosen_branch
from nervure.prims.leaf import CONST
from nervure.prims.movement import BROADCAST

# Bytes of a constant that folding may make, and of an operand that it may read.
LARGEST: Final = 1024
MOST_READ: Final = 2**16

# Their results are rounded by IEEE 754, or exact; those of whole numbers always are.
_ROUNDED: Final = frozenset(
    {
        *("add", "sub", "mul", "div", "rem", "neg", "abs", "sqrt", "floor", "round"),
        *("maximum", "minimum", "eq", "lt", "le", "is_finite"),
        *("select", "cast", "bitcast"),
    }
)
_MOVED: Final = frozenset(
    {"reshape", "transpose", "slice", "pad", "reverse", "concatenate"}
)
_REDUCED: Final = frozenset({"reduce_sum", "reduce_prod", "reduce_max", "reduce_min"})


def _folded(graph: Graph, note: Note) -> Graph:
    branches: dict[Node, list[Node]] = {}

    def replace(node: Node) -> Node | None:
        inputs = node.inputs
        if not inputs:
            return None
        first = inputs[0].op
        if node.op is PART and first is COND:
            return _of_known_branch(node, branches, note)
        if first is not CONST and first is not BROADCAST:
            return None
        if all(one.op is CONST for one in inputs):
            return _constant(node, note)
        if node.op.fusion is Fusion.ELEMENTWISE:
            return _number(node, note)
        return None

    return rewritten(graph, replace)


def _constant(node: Node, note: Note) -> Node | None:
    """Return the value of an operation on constants."""
    if not _has_known_bits(node) or node.nbytes > LARGEST:
        return None
    if sum(one.nbytes for one in node.inputs) > MOST_READ:
        return None
    value = _computed(node, [_value(one) for one in node.inputs])
    result = made(node, CONST, value=Constant(value))
    note("constant", node, (result,), "All operands are constants.")
    return result


def _number(node: Node, note: Note) -> Node | None:
    """Return the number that an operation on repeated numbers makes everywhere."""
    numbers = [uniform(one) for one in node.inputs]
    if not _has_known_bits(node):
        return None
    known = [one for one in numbers if one is not None]
    if len(known) < len(numbers):
        return None
    scalar = made(
        node, node.op, *(made(node, CONST, value=Constant(one)) for one in known),
        **node.attrs,
    )  # fmt: skip
    result = filled(node, _computed(scalar, known))
    note("repeated constant", node, (result,), "All operands are repeated numbers.")
    return result


def _of_known_branch(
    node: Node, branches: dict[Node, list[Node]], note: Note
) -> Node | None:
    """Return a result of a branch that is always taken; ``branches`` keeps them."""
    (choice,) = node.inputs
    index = uniform(choice.inputs[0])
    if index is None:
        return None
    if choice not in branches:
        bodies: Any = choice.attrs["branches"]
        body = bodies[chosen_branch(choice, index)]
        branches[choice] = inlined(body, choice.inputs[1:])
    place: Any = node.attrs["index"]
    result: Node = branches[choice][place]
    note("branch that is known", node, (result,), "The condition is a constant.")
    return result


def _has_known_bits(node: Node) -> bool:
    """Tell whether a result has the same bits on every executor."""
    name = node.op.name
    whole = not any(dtypes.is_float(one.dtype) for one in (node, *node.inputs))
    if name in _ROUNDED or name in _MOVED:
        return True
    if name in _REDUCED:
        return whole
    return whole and node.op.fusion is Fusion.ELEMENTWISE and name != "random_bits"


def _computed(node: Node, values: list[NDArray]) -> NDArray:
    with np.errstate(all="ignore"):
        return np.asarray(node.op.reference(node, *values))


def _value(node: Node) -> NDArray:
    constant = node.attrs["value"]
    assert isinstance(constant, Constant)
    return constant.value


FOLD: Final = Pass(
    "fold", "What depends on constants alone is computed beforehand.", _folded
)
