"""Axes as users name them: one or several, from the front or from the back."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from nervure.errors import ArgumentError, AxisError, ShapeError, explain
from nervure.nn.layer import Layer
from nervure.nn.symbolic import PartialShape


def one_or_more_axes(axis: Any) -> int | list[int]:
    """Return an axis, or several as a list; raises :class:`TypeError` for others."""
    try:
        if isinstance(axis, list | tuple):
            return [operator.index(one) for one in axis]
        return operator.index(axis)
    except TypeError:
        raise TypeError(
            f"expected axis to be a whole number or a list of them, got {axis!r}"
        ) from None


def places(layer: Layer, axis: int | Sequence[int], shape: PartialShape) -> list[int]:
    """Return axes as places in a shape, from 0 and in order.

    Raises
    ------
    AxisError
        For an axis that the shape does not have.
    ArgumentError
        For one that is named twice.
    """
    given = [axis] if isinstance(axis, int) else list(axis)
    rank = len(shape)
    for one in given:
        if not -rank <= one < rank:
            raise AxisError(
                explain(
                    f"the layer {layer.name!r} normalizes axis {one}, its input of "
                    f"shape {list(shape)} has {rank} axes",
                    fix=f"choose axes from {-rank} to {rank - 1}",
                )
            )
    found = sorted(one % rank for one in given)
    if len(set(found)) < len(found):
        raise ArgumentError(
            explain(
                f"the layer {layer.name!r} names an axis twice: {given} for an input "
                f"of shape {list(shape)}",
                fix="name every axis once; -1 is the last one",
            )
        )
    return found


def feature_count(layer: Layer, input_shape: Any) -> int:
    """Return the size of an input's last axis, for which a layer creates weights.

    Raises :class:`~nervure.errors.ShapeError` where it is not known.
    """
    features: int | None = input_shape[-1]
    if features is None:
        raise ShapeError(
            explain(
                f"the layer {layer.name!r} cannot be built: the number of features of "
                f"its input {input_shape} is not known",
                fix="give the last size of the input, as in Input((None, 16))",
            )
        )
    return features
