"""Gradients within limits."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from nervure import ops
from nervure.array import Array
from nervure.ops.nn.precision import wide_floats
from nervure.ops.units import power_of_two


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
    wide = [wide_floats(gradient)[0] for gradient in gradients]
    largest = functools.reduce(ops.maximum, [ops.max(ops.abs(one)) for one in wide])
    # In units of the largest element the squares neither overflow nor vanish.
    unit = Array.of_node(power_of_two(largest.node))
    squares = [ops.sum(ops.square(one / unit)) for one in wide]
    total = functools.reduce(ops.add, squares)
    factor = limit / ops.maximum(ops.sqrt(total) * unit, limit)
    return ops.astype(factor, gradients[0].dtype)
