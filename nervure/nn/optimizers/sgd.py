"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import ClassVar, Unpack

from nervure.array import Array
from nervure.nn.arguments import within_unit
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class SGD(Optimizer):
    """Gradient descent.

    Without momentum ``w -= rate * g``; with it ``v = momentum * v - rate * g`` and
    ``w += v``, or, with Nesterov's look ahead (Sutskever et al. 2013),
    ``w += momentum * v - rate * g``.

    Parameters
    ----------
    learning_rate
        0.01 by default.
    momentum
        From 0 to 1.
    nesterov
        Whether to look ahead.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.SGD(0.1, momentum=0.9).get_config()["momentum"]
    0.9
    """

    slot_names: ClassVar = ("momentum",)

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = within_unit("momentum", momentum)
        self.nesterov = bool(nesterov)

    def active_slots(self) -> tuple[str, ...]:
        """Return the slots: none without momentum."""
        return self.slot_names if self.momentum else ()

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        step = gradient * rate
        if not self.momentum:
            variable.assign_sub(step)
            return
        velocity = self.slot(variable, "momentum")
        velocity.assign(velocity.value * self.momentum - step)
        if self.nesterov:
            variable.assign_add(velocity.value * self.momentum - step)
        else:
            variable.assign_add(velocity.value)
