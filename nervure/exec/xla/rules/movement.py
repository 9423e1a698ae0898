"""Primitives that move elements: shapes, order, pieces and padding."""

from __future__ import annotations

from typing import Any, Final

from jax import lax

from nervure.exec.xla.rules.rule import Context, Rule
from nervure.ir.attrs import Constant
from nervure.ir.node import Node


def _reshape(_context: Context, node: Node, x: Any) -> Any:
    return lax.reshape(x, node.shape)


def _transpose(_context: Context, node: Node, x: Any) -> Any:
    axes: Any = node.attrs["axes"]
    return lax.transpose(x, axes)


def _broadcast(_context: Context, node: Node, x: Any) -> Any:
    axes: Any = node.attrs["axes"]
    return lax.broadcast_in_dim(x, node.shape, axes)


def _reverse(_context: Context, node: Node, x: Any) -> Any:
    axes: Any = node.attrs["axes"]
    return lax.rev(x, axes)


def _concatenate(_context: Context, node: Node, *arrays: Any) -> Any:
    axis: Any = node.attrs["axis"]
    return lax.concatenate(arrays, axis)


def _slice(_context: Context, node: Node, x: Any) -> Any:
    start: Any = node.attrs["start"]
    stop: Any = node.attrs["stop"]
    step: Any = node.attrs["step"]
    return lax.slice(x, start, stop, step)


def _pad(_context: Context, node: Node, x: Any) -> Any:
    low: Any = node.attrs["low"]
    high: Any = node.attrs["high"]
    interior: Any = node.attrs["interior"]
    value = node.attrs["value"]
    assert isinstance(value, Constant)
    return lax.pad(x, value.value, list(zip(low, high, interior, strict=True)))


RULES: Final[dict[str, Rule]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast": _broadcast,
    "reverse": _reverse,
    "concatenate": _concatenate,
    "slice": _slice,
    "pad": _pad,
}
