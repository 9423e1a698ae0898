"""Gradients within limits."""

from __future__ import annotations

from collections.abc import Sequence

from nervure import ops
from nervure.array import Array


def clipped(
    gradients: Sequence[Array],
    clipnorm: float | None,
    clipvalue: float | None,
    global_clipnorm: float | None,
) -> list[Array]:
    """Return gradients within the limit that is given, if one is.

    Parameters
    ----------
    clipnorm
        The largest norm of each gradient.
    clipvalue
        The largest absolute value of an element.
    global_clipnorm
        The largest norm of all gradients together.
    """
    if clipvalue is not None:
        return [ops.clip(gradient, -clipvalue, clipvalue) for gradient in gradients]
    if clipnorm is not None:
        return [gradient * _shrinking(clipnorm, [gradient]) for gradient in gradients]
    if global_clipnorm is not None and gradients:
        factor = _shrinking(global_clipnorm, gradients)
        return [gradient * factor for gradient in gradients]
    return list(gradients)


def _shrinking(limit: float, gradients: Sequence[Array]) -> Array:
    """Return the factor that brings gradients together within a norm."""
    squares = [ops.sum(gradient * gradient) for gradient in gradients]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return limit / ops.maximum(ops.sqrt(total), limit)
