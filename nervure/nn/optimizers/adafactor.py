"""Adafactor: Adam's denominators from sums of rows and columns."""

from __future__ import annotations

from typing import Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import finite_number, positive_number
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern, "Adafactor", 2018), with little memory.

    For a variable with at least two axes only the means of the squared gradients over
    rows and over columns are kept.

    Parameters
    ----------
    learning_rate
        The largest step, relative to the root mean square of the variable.
    beta_2_decay
        The decay of the second moments in the step t is ``1 - t^beta_2_decay``.
    epsilon_1, epsilon_2
        Added to squared gradients; the least root mean square of a variable.
    clip_threshold
        The largest root mean square of an update.
    relative_step
        Whether the rate falls with the root of the number of steps.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Adafactor().beta_2_decay
    -0.8
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_2_decay = finite_number("beta_2_decay", beta_2_decay)
        self.epsilon_1 = float(epsilon_1)
        self.epsilon_2 = float(epsilon_2)
        self.clip_threshold = positive_number("clip_threshold", clip_threshold)
        self.relative_step = bool(relative_step)

    def first_values(self, variable: Variable) -> dict[str, Array]:
        """Return what a variable's slots start with."""
        shape, dtype = variable.shape, variable.dtype
        if len(shape) < 2:
            return {"velocity": ops.zeros(shape, dtype=dtype)}
        return {
            "rows": ops.zeros(shape[:-1], dtype=dtype),
            "columns": ops.zeros((*shape[:-2], shape[-1]), dtype=dtype),
        }

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        step = self.step_number(variable.dtype)
        # Both of Keras' limits, the relative step's and rho's, are this one.
        size = ops.minimum(rate, ops.rsqrt(step))
        size = size * ops.maximum(_root_mean_square(variable.value), self.epsilon_2)
        share = ops.pow(step, self.beta_2_decay)
        squares = gradient * gradient + self.epsilon_1
        update = gradient / ops.sqrt(self._second_moment(variable, squares, share))
        excess = ops.maximum(_root_mean_square(update) / self.clip_threshold, 1.0)
        variable.assign_sub(update * (size / excess))

    def _second_moment(self, variable: Variable, squares: Array, share: Array) -> Array:
        """Return the running mean of the squares, moved by a share."""

        def moved(name: str, value: Array) -> Array:
            slot = self.slot(variable, name)
            slot.assign(slot.value * (1.0 - share) + value * share)
            return slot.value

        if len(variable.shape) < 2:
            return moved("velocity", squares)
        rows = moved("rows", ops.mean(squares, axis=-1))
        columns = moved("columns", ops.mean(squares, axis=-2))
        rows = rows / ops.mean(rows, axis=-1, keepdims=True)
        return ops.expand_dims(rows, -1) * ops.expand_dims(columns, -2)


def _root_mean_square(values: Array) -> Array:
    return ops.sqrt(ops.mean(values * values))
