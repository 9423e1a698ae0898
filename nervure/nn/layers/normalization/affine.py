"""The scale and the offset that follow a normalization, as weights."""

from __future__ import annotations

from typing import Any

from nervure.nn import constraints, initializers, regularizers
from nervure.nn.layer import Layer
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
        initializer: tuple[Any, Any],
        regularizer: tuple[Any, Any],
        constraint: tuple[Any, Any],
    ) -> None:
        """Store the arguments, in pairs for beta and gamma."""
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer, self.gamma_initializer = map(
            initializers.get, initializer
        )
        self.beta_regularizer, self.gamma_regularizer = map(
            regularizers.get, regularizer
        )
        self.beta_constraint, self.gamma_constraint = map(constraints.get, constraint)

    def _add_affine(self, shape: Any) -> None:
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
