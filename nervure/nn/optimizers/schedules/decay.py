"""Schedules that lower the rate by one formula, or in steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import finite_number, positive_number
from nervure.nn.optimizers.schedules.base import LearningRateSchedule, as_number


class _DecayByPeriods(LearningRateSchedule):
    """A rate that falls by a formula of how often ``decay_steps`` have passed."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool,
        name: str,
    ) -> None:
        self.initial_learning_rate = finite_number(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = positive_number("decay_steps", decay_steps)
        self.decay_rate = finite_number("decay_rate", decay_rate)
        self.staircase = bool(staircase)
        self.name = name

    def _periods(self, step: Any) -> Array:
        """Return how often ``decay_steps`` have passed, with ``staircase`` in whole."""
        periods = as_number(step) / self.decay_steps
        if self.staircase:
            periods = ops.floor(periods)
        return periods


class ExponentialDecay(_DecayByPeriods):
    """``initial_learning_rate * decay_rate ^ (step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate
        The rate of the first step.
    decay_steps
        The number of steps in which the rate is multiplied by ``decay_rate`` once.
    decay_rate
        The factor.
    staircase
        Whether the rate changes only every ``decay_steps`` steps.
    name
        A name.

    >>> import nervure as nv
    >>> schedule = nv.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
    >>> schedule(20).item()
    0.125
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        super().__init__(
            initial_learning_rate, decay_steps, decay_rate, staircase, name
        )

    def __call__(self, step: Any) -> Array:
        """Return the rate."""
        periods = self._periods(step)
        factor = ops.pow(ops.full_like(periods, self.decay_rate), periods)
        return self.initial_learning_rate * factor


class InverseTimeDecay(_DecayByPeriods):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    The parameters are those of :class:`ExponentialDecay`.

    >>> import nervure as nv
    >>> nv.optimizers.schedules.InverseTimeDecay(0.5, 10, 1.0)(10).item()
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(
            initial_learning_rate, decay_steps, decay_rate, staircase, name
        )

    def __call__(self, step: Any) -> Array:
        """Return the rate."""
        return self.initial_learning_rate / (
            1.0 + self.decay_rate * self._periods(step)
        )


class PolynomialDecay(LearningRateSchedule):
    """From one rate to another along a power of the share of the steps that is left.

    ``(initial - end) * (1 - step / decay_steps) ^ power + end``, then ``end``.

    Parameters
    ----------
    initial_learning_rate, end_learning_rate
        The first rate and the last.
    decay_steps
        The number of steps between them.
    power
        1 for a straight line.
    cycle
        Whether to start again, each time with ``decay_steps`` more steps.
    name
        A name.

    >>> import nervure as nv
    >>> nv.optimizers.schedules.PolynomialDecay(0.5, 10, 0.0)(5).item()
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = finite_number(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = positive_number("decay_steps", decay_steps)
        self.end_learning_rate = finite_number("end_learning_rate", end_learning_rate)
        self.power = finite_number("power", power)
        self.cycle = bool(cycle)
        self.name = name

    def __call__(self, step: Any) -> Array:
        """Return the rate."""
        number = as_number(step)
        if self.cycle:
            length = ops.maximum(ops.ceil(number / self.decay_steps), 1.0)
            share = number / (length * self.decay_steps)
        else:
            share = ops.minimum(number, self.decay_steps) / self.decay_steps
        left = ops.pow(1.0 - share, self.power)
        fall = self.initial_learning_rate - self.end_learning_rate
        return fall * left + self.end_learning_rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """One rate up to each boundary, and another after the last.

    Parameters
    ----------
    boundaries
        Numbers of steps, ascending; a boundary belongs to the piece before it.
    values
        The rates, one more than boundaries.
    name
        A name.

    Raises
    ------
    ArgumentError
        For boundaries that do not rise, and for as many values as boundaries.

    >>> import nervure as nv
    >>> schedule = nv.optimizers.schedules.PiecewiseConstantDecay([10, 20], [4, 2, 1])
    >>> [schedule(step).item() for step in (0, 10, 11, 21)]
    [4.0, 4.0, 2.0, 1.0]
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name
        if len(self.values) != len(self.boundaries) + 1:
            raise ArgumentError(
                explain(
                    "expected one value more than boundaries, got "
                    f"{len(self.values)} values and {len(self.boundaries)} boundaries",
                    fix="give the values before, between and after the boundaries",
                )
            )
        if self.boundaries != sorted(self.boundaries):
            raise ArgumentError(
                explain(
                    f"expected ascending boundaries, got {self.boundaries}",
                    fix="sort the boundaries, and the values with them",
                )
            )

    def __call__(self, step: Any) -> Array:
        """Return the rate."""
        number = as_number(step)
        rate = ops.full_like(number, self.values[-1])
        pieces = zip(self.boundaries, self.values[:-1], strict=True)
        for boundary, value in reversed(list(pieces)):
            rate = ops.where(number <= boundary, float(value), rate)
        return rate
