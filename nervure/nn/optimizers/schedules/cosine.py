"""Schedules along a cosine (Loshchilov and Hutter, "SGDR", 2016)."""

from __future__ import annotations

import math
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import finite_number, non_negative_number, positive_number
from nervure.nn.optimizers.schedules.base import LearningRateSchedule, as_number


class CosineDecay(LearningRateSchedule):
    """Down half a cosine wave, after a straight line upwards if that is wanted.

    ``rate * ((1 - alpha) (1 + cos(pi * step / decay_steps)) / 2 + alpha)``.

    Parameters
    ----------
    initial_learning_rate
        The rate of the first step.
    decay_steps
        The number of steps down.
    alpha
        The last rate, as a share of the highest.
    name
        A name.
    warmup_target
        The rate to go up to first; None for no way up.
    warmup_steps
        The number of steps up.

    >>> import nervure as nv
    >>> schedule = nv.optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.5,
    ...                                                warmup_steps=4)
    >>> [round(schedule(step).item(), 6) for step in (0, 2, 4, 9, 14)]
    [0.0, 0.25, 0.5, 0.25, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = finite_number(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = positive_number("decay_steps", decay_steps)
        self.alpha = finite_number("alpha", alpha)
        self.name = name
        self.warmup_target = (
            None
            if warmup_target is None
            else finite_number("warmup_target", warmup_target)
        )
        self.warmup_steps = non_negative_number("warmup_steps", warmup_steps)

    def __call__(self, step: Any) -> Array:
        """Return the rate."""
        number = as_number(step)
        if self.warmup_target is None:
            return self._down(number, self.initial_learning_rate)
        down = self._down(number - self.warmup_steps, self.warmup_target)
        if not self.warmup_steps:
            return down
        rise = self.warmup_target - self.initial_learning_rate
        up = rise * (number / self.warmup_steps) + self.initial_learning_rate
        return ops.where(number < self.warmup_steps, up, down)

    def _down(self, number: Array, rate: float) -> Array:
        share = ops.minimum(number, self.decay_steps) / self.decay_steps
        wave = 0.5 * (1.0 + ops.cos(math.pi * share))
        return rate * ((1.0 - self.alpha) * wave + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Down half a cosine wave, again and again.

    Parameters
    ----------
    initial_learning_rate
        The rate of the first step.
    first_decay_steps
        The number of steps of the first wave.
    t_mul
        The factor by which each wave is longer than the one before.
    m_mul
        The factor by which it starts higher.
    alpha
        The last rate of a wave, as a share of the first wave's highest.
    name
        A name.

    >>> import nervure as nv
    >>> schedule = nv.optimizers.schedules.CosineDecayRestarts(1.0, 4, m_mul=0.5)
    >>> [round(schedule(step).item(), 6) for step in (0, 2, 4, 8)]
    [1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = finite_number(
            "initial_learning_rate", initial_learning_rate
        )
        self.first_decay_steps = positive_number("first_decay_steps", first_decay_steps)
        self.t_mul = positive_number("t_mul", t_mul)
        self.m_mul = finite_number("m_mul", m_mul)
        self.alpha = finite_number("alpha", alpha)
        self.name = name

    def __call__(self, step: Any) -> Array:
        """Return the rate."""
        waves = as_number(step) / self.first_decay_steps
        growth = self.t_mul
        if growth == 1:
            restarts = ops.floor(waves)
            share = waves - restarts
        else:
            # The waves before the n-th are together (1 - growth^n) / (1 - growth) long.
            restarts = ops.floor(
                ops.log(1.0 - waves * (1.0 - growth)) * (1.0 / math.log(growth))
            )
            length = ops.pow(ops.full_like(restarts, growth), restarts)
            share = (waves - (1.0 - length) / (1.0 - growth)) / length
        height = ops.pow(ops.full_like(restarts, self.m_mul), restarts)
        wave = 0.5 * height * (1.0 + ops.cos(math.pi * share))
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)
