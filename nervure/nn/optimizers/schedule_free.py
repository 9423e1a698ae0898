"""AdamW without a schedule: averages of the weights instead."""

from __future__ import annotations

from typing import Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import whole_number, within_unit
from nervure.nn.optimizers.adam import move, reached
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class ScheduleFreeAdamW(Optimizer):
    """Schedule-free AdamW (Defazio et al., "The road less scheduled", 2024).

    The variable holds ``y = (1 - beta_1) z + beta_1 x``, where Adam moves z (without
    momentum) and x is the mean of all z.

    Parameters
    ----------
    learning_rate
        0.0025 by default.
    beta_1
        The share of the mean, above 0.
    beta_2
        How slowly the mean of the squared gradient changes.
    epsilon
        Keeps the denominator from zero.
    warmup_steps
        The number of steps in which the rate grows to its value.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    Raises
    ------
    ArgumentError
        For a beta_1 of 0.

    >>> import nervure as nv
    >>> nv.optimizers.ScheduleFreeAdamW().beta_1
    0.9
    """

    def __init__(
        self,
        learning_rate: Rate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = within_unit("beta_1", beta_1)
        if self.beta_1 == 0:
            raise ArgumentError(
                explain(
                    "expected beta_1 to be above 0, got 0", fix="the usual value is 0.9"
                )
            )
        self.beta_2 = within_unit("beta_2", beta_2, open_above=True)
        self.epsilon = float(epsilon)
        self.warmup_steps = whole_number("warmup_steps", warmup_steps, least=0)

    def first_values(self, variable: Variable) -> dict[str, Array]:
        """Return what a variable's slots start with: z with the variable's value."""
        zeros = ops.zeros(variable.shape, dtype=variable.dtype)
        return {"momentum": variable.stored, "velocity": zeros}

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        step = self.step_number(variable.dtype)
        if self.warmup_steps:
            rate = rate * ops.minimum(step / self.warmup_steps, 1.0)
        moved = self.slot(variable, "momentum")
        square = self.slot(variable, "velocity")
        old = moved.value
        move(square, gradient * gradient, self.beta_2)
        scale = ops.sqrt(square.value / reached(self.beta_2, step)) + self.epsilon
        moved.assign(old - gradient * rate / scale)
        mean = (variable.value - old * (1 - self.beta_1)) / self.beta_1
        share = 1.0 / step
        mean = mean * (1.0 - share) + moved.value * share
        variable.assign(moved.value * (1 - self.beta_1) + mean * self.beta_1)
