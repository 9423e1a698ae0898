"""The scale and the offset that follow a normalization, as weights."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from nervure.errors import ArgumentError, AxisError, explain
from nervure.nn import initializers
from nervure.nn.layer import Layer
from nervure.nn.symbolic import PartialShape
from nervure.nn.variable import Constraint, Regularizer, Variable


class AffineLayer(Layer):
    """A layer with a weight ``gamma`` to multiply by and a weight ``beta`` to add.

    For the layers of this family; they call :meth:`_keep_affine` in ``__init__`` and
    :meth:`_add_affine` in ``build``.
    """

    center: bool
    scale: bool
    beta_initializer: Any
    gamma_initializer: Any
    beta_regularizer: Regularizer | None
    gamma_regularizer: Regularizer | None
    beta_constraint: Constraint | None
    gamma_constraint: Constraint | None
    gamma: Variable | None = None
    beta: Variable | None = None

    def _keep_affine(
        self,
        center: bool,
        scale: bool,
        initializers_: tuple[Any, Any],
        regularizers: tuple[Regularizer | None, Regularizer | None],
        constraints: tuple[Constraint | None, Constraint | None],
    ) -> None:
        """Store the arguments, in pairs for beta and gamma."""
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer, self.gamma_initializer = map(
            initializers.get, initializers_
        )
        self.beta_regularizer, self.gamma_regularizer = regularizers
        self.beta_constraint, self.gamma_constraint = constraints

    def _add_affine(self, shape: Sequence[int | None]) -> None:
        """Create the weights."""
        if self.scale:
            self.gamma = self.add_weight(
                shape,
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                name="gamma",
            )
        if self.center:
            self.beta = self.add_weight(
                shape,
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                name="beta",
            )


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
            f"the layer {layer.name!r} names an axis twice: {given} for an input of "
            f"shape {list(shape)}"
        )
    return found
