"""Rules that replace one node: how they are declared, and what they ask of operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nervure.ir.attrs import Constant, NDArray
from nervure.ir.node import Node
from nervure.passes.rewriting import made
from nervure.prims.leaf import CONST
from nervure.prims.movement import BROADCAST

Replacement = Callable[[Node], Node | None]


class Rule(NamedTuple):
    """A rewrite of one operation, and why it changes no value.

    ``apply`` returns the node that stands in the place of the one it is given, or None
    if the rule does not fit.
    """

    kind: str
    why: str
    apply: Replacement


# Rules by the name of the operation that they replace.
Rules = dict[str, list[Rule]]


def declare(
    rules: Rules, *ops: str, kind: str, why: str
) -> Callable[[Replacement], Replacement]:
    """Add a function as the rule for some operations."""

    def add(function: Replacement) -> Replacement:
        for op in ops:
            rules.setdefault(op, []).append(Rule(kind, why, function))
        return function

    return add


def uniform(node: Node) -> NDArray | None:
    """Return the number that a node repeats everywhere, None if it is not known.

    It is an array of no axes.
    """
    if node.op is BROADCAST:
        (node,) = node.inputs
    if node.op is not CONST or node.size != 1:
        return None
    constant = node.attrs["value"]
    assert isinstance(constant, Constant)
    return constant.value.reshape(())


def filled(like: Node, number: NDArray) -> Node:
    """Return a number repeated in the shape of a node, for which it stands."""
    scalar = made(like, CONST, value=Constant(number.reshape(())))
    if not like.shape:
        return scalar
    return made(like, BROADCAST, scalar, shape=like.shape, axes=())
