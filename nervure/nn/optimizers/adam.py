"""Adam: a step of its own size for every number."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, within_unit
from nervure.nn.variable import Variable


class Adam(Optimizer):
    """Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2014).

    ``m += (1 - beta_1) (g - m)``, ``v += (1 - beta_2) (g^2 - v)`` and, in the step t,
    ``w -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)``: the
    paper's formula just before section 2.1, as in Keras, in which epsilon is the
    paper's "epsilon hat".

    Parameters
    ----------
    learning_rate
        0.001 by default.
    beta_1, beta_2
        How slowly the means of the gradient and of its square change.
    epsilon
        Keeps the denominator from zero.
    amsgrad
        Divide by the largest v so far (Reddi et al. 2018).

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Adam().get_config()["learning_rate"]
    0.001
    """

    slot_names: ClassVar = ("momentum", "velocity", "velocity_hat")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = within_unit("beta_1", beta_1, open_above=True)
        self.beta_2 = within_unit("beta_2", beta_2, open_above=True)
        self.epsilon = float(epsilon)
        self.amsgrad = bool(amsgrad)

    def active_slots(self) -> tuple[str, ...]:
        """Return the slots: the largest v is kept for amsgrad only."""
        return self.slot_names if self.amsgrad else self.slot_names[:2]

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        mean = self.slot(variable, "momentum")
        square = self.slot(variable, "velocity")
        mean.assign_add((gradient - mean.value) * (1 - self.beta_1))
        square.assign_add((gradient * gradient - square.value) * (1 - self.beta_2))
        scale = square.value
        if self.amsgrad:
            largest = self.slot(variable, "velocity_hat")
            largest.assign(ops.maximum(largest.value, scale))
            scale = largest.value
        step = ops.astype(self.iterations.value + 1, variable.dtype)
        size = (
            rate * ops.sqrt(_reached(self.beta_2, step)) / _reached(self.beta_1, step)
        )
        variable.assign_sub(mean.value * size / (ops.sqrt(scale) + self.epsilon))


def _reached(beta: float, step: Array) -> Array:
    """Return 1 - beta^step.

    Through expm1, because 1 - 0.999 in float32 has only five correct digits.
    """
    if beta == 0:
        return ops.ones_like(step)
    return -ops.expm1(step * math.log(beta))
