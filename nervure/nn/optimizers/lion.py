"""Lion: the sign of the momentum."""

from __future__ import annotations

from typing import ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import within_unit
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class Lion(Optimizer):
    """Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023).

    ``w -= rate * sign(beta_1 m + (1 - beta_1) g)``, then
    ``m = beta_2 m + (1 - beta_2) g``.  It wants a rate 3 to 10 times smaller than
    Adam's.

    Parameters
    ----------
    learning_rate
        0.001 by default.
    beta_1
        The share of the momentum in a step, above 0.
    beta_2
        How slowly the momentum changes.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    Raises
    ------
    ArgumentError
        For a beta_1 of 0.

    >>> import nervure as nv
    >>> nv.optimizers.Lion().beta_2
    0.99
    """

    slot_names: ClassVar = ("momentum",)

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = within_unit("beta_1", beta_1)
        if self.beta_1 == 0:
            raise ArgumentError(
                explain(
                    "expected beta_1 of Lion to be above 0, got 0",
                    fix="the usual value is 0.9",
                )
            )
        self.beta_2 = within_unit("beta_2", beta_2)

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        momentum = self.slot(variable, "momentum")
        old = momentum.value
        direction = old * self.beta_1 + gradient * (1.0 - self.beta_1)
        variable.assign_sub(ops.sign(direction) * rate)
        momentum.assign(old * self.beta_2 + gradient * (1.0 - self.beta_2))
