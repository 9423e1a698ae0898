"""RMSprop: gradients divided by their recent size."""

from __future__ import annotations

from typing import ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import within_unit
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, "Neural networks for machine learning", 6e, 2012).

    ``v = rho * v + (1 - rho) g^2`` and ``w -= rate * g / sqrt(v + epsilon)``.
    Centered, the square of the gradient's mean is taken from v; with momentum the steps
    are added up as ``u = momentum * u + step``.

    Parameters
    ----------
    learning_rate
        0.001 by default.
    rho
        How slowly the mean square changes.
    momentum
        From 0 to 1.
    epsilon
        Keeps the denominator from zero.
    centered
        Divide by an estimate of the variance.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.RMSprop(centered=True).active_slots()
    ('velocity', 'average_gradient')
    """

    slot_names: ClassVar = ("velocity", "momentum", "average_gradient")
    usual_name: ClassVar = "rmsprop"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = within_unit("rho", rho)
        self.momentum = within_unit("momentum", momentum)
        self.epsilon = float(epsilon)
        self.centered = bool(centered)

    def active_slots(self) -> tuple[str, ...]:
        """Return the slots that momentum and centering need."""
        needed = (True, bool(self.momentum), self.centered)
        return tuple(
            name for name, used in zip(self.slot_names, needed, strict=True) if used
        )

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        square = self.slot(variable, "velocity")
        square.assign(self._moved(square, gradient * gradient))
        spread = square.value
        if self.centered:
            mean = self.slot(variable, "average_gradient")
            mean.assign(self._moved(mean, gradient))
            spread = spread - mean.value * mean.value
        step = gradient * rate / ops.sqrt(spread + self.epsilon)
        if self.momentum:
            total = self.slot(variable, "momentum")
            total.assign(total.value * self.momentum + step)
            step = total.value
        variable.assign_sub(step)

    def _moved(self, mean: Variable, value: Array) -> Array:
        """Return the running mean after one more value."""
        return mean.value * self.rho + value * (1 - self.rho)
