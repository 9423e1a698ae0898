"""What a rule is: how one primitive is written in ``jax.lax``.

A rule takes the context, the node and the operands, which are JAX values, and returns
the node's value.  Rules use the public, stable part of ``jax.lax`` only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import lax

from nervure import dtypes
from nervure.ir.node import Node


class Context(NamedTuple):
    """What a rule may have to know besides the node.

    Attributes
    ----------
    platform
        Where the program will run: "cpu", "gpu" or "tpu".
    tf32
        Whether products of float32 may be made in a narrower type.
    """

    platform: str
    tf32: bool = False


Rule = Callable[..., Any]


def widened(function: Callable[..., Any]) -> Rule:
    """Let a function compute float16 and bfloat16 in float32, rounding once."""

    def rule(_context: Context, node: Node, *operands: Any) -> Any:
        wide = dtypes.accumulator(node.inputs[0].dtype)
        result = function(*(converted(one, wide) for one in operands))
        return converted(result, node.dtype)

    return rule


def plain(function: Callable[..., Any]) -> Rule:
    """Return the rule of a function that needs its operands only."""
    return lambda _context, _node, *operands: function(*operands)


def converted(x: Any, dtype: dtypes.DType) -> Any:
    """Return ``x`` in another type; itself if it has that type."""
    return x if x.dtype == dtype else lax.convert_element_type(x, dtype)


def filled(node: Node, value: int | float = 0) -> Any:
    """Return an array of the node's type that holds one number."""
    return lax.full(node.shape, value, node.dtype)


def like(x: Any, value: Any) -> Any:
    """Return one number in the shape and type of ``x``."""
    return lax.full_like(x, value)
