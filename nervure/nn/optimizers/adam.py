"""Adam and its variants: a step of its own size for every number."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.nn.arguments import finite_number, non_negative_number, within_unit
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class _MeansOptimizer(Optimizer):
    """What Adam and its variants share: the numbers, and two running means."""

    slot_names: ClassVar = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = within_unit("beta_1", beta_1, open_above=True)
        self.beta_2 = within_unit("beta_2", beta_2, open_above=True)
        self.epsilon = non_negative_number("epsilon", epsilon)

    def _moved_means(
        self, gradient: Array, variable: Variable
    ) -> tuple[Variable, Variable]:
        """Return the slots of the means of the gradient and its square, moved."""
        mean = self.slot(variable, "momentum")
        square = self.slot(variable, "velocity")
        move(mean, gradient, self.beta_1)
        move(square, gradient * gradient, self.beta_2)
        return mean, square


class Adam(_MeansOptimizer):
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
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad = bool(amsgrad)

    def active_slots(self) -> tuple[str, ...]:
        """Return the slots: the largest v is kept for amsgrad only."""
        return self.slot_names if self.amsgrad else self.slot_names[:2]

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        mean, square = self._moved_means(gradient, variable)
        scale = square.value
        if self.amsgrad:
            largest = self.slot(variable, "velocity_hat")
            largest.assign(ops.maximum(largest.value, scale))
            scale = largest.value
        step = self.step_number(variable.dtype)
        size = rate * ops.sqrt(reached(self.beta_2, step)) / reached(self.beta_1, step)
        variable.assign_sub(mean.value * size / (ops.sqrt(scale) + self.epsilon))


class AdamW(Adam):
    """Adam with weight decay (Loshchilov and Hutter, "Decoupled weight decay", 2017).

    Parameters
    ----------
    weight_decay
        Each step also takes ``learning_rate * weight_decay`` of every weight away.

    Other arguments: see :class:`Adam`.

    >>> import nervure as nv
    >>> nv.optimizers.AdamW().weight_decay
    0.004
    """

    usual_name: ClassVar = "adamw"

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        options["weight_decay"] = finite_number("weight_decay", weight_decay)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **options)


class Adamax(_MeansOptimizer):
    """Adam with the largest gradient instead of the root mean square.

    Kingma and Ba 2014, section 7.1: ``u = max(beta_2 u, |g|)`` and
    ``w -= rate / (1 - beta_1^t) * m / (u + epsilon)``.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon
        See :class:`Adam`.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Adamax().active_slots()
    ('momentum', 'norm')
    """

    slot_names: ClassVar = ("momentum", "norm")

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        mean = self.slot(variable, "momentum")
        largest = self.slot(variable, "norm")
        move(mean, gradient, self.beta_1)
        largest.assign(ops.maximum(largest.value * self.beta_2, ops.abs(gradient)))
        size = rate / reached(self.beta_1, self.step_number(variable.dtype))
        variable.assign_sub(mean.value * size / (largest.value + self.epsilon))


class Nadam(_MeansOptimizer):
    """Adam with Nesterov's look ahead (Dozat 2015).

    The momentum of the step t is ``beta_1 (1 - 0.96^t / 2)``; the bias of the mean is
    corrected by the product of these.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon
        See :class:`Adam`.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Nadam(0.01).beta_1
    0.9
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self._product = Variable(1.0, name="momentum_product", trainable=False)

    def _further_state(self) -> list[Variable]:
        return [self._product]

    def before_updates(self) -> None:
        """Multiply the momentums of all steps."""
        step = self.step_number(self._product.dtype)
        self._product.assign(self._product.value * self._momentum_of(step))

    def _momentum_of(self, step: Array) -> Array:
        return self.beta_1 * (1.0 - 0.5 * ops.exp(step * math.log(0.96)))

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        mean, square = self._moved_means(gradient, variable)
        step = self.step_number(variable.dtype)
        now, ahead = self._momentum_of(step), self._momentum_of(step + 1)
        product = ops.astype(self._product.value, variable.dtype)
        expected = mean.value * (ahead / (1.0 - product * ahead)) + gradient * (
            (1.0 - now) / (1.0 - product)
        )
        scale = ops.sqrt(square.value / reached(self.beta_2, step)) + self.epsilon
        variable.assign_sub(expected * rate / scale)


class Lamb(_MeansOptimizer):
    """Adam with steps in proportion to each variable's norm, for large batches.

    You et al., "Large batch optimization for deep learning", 2019.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon
        See :class:`Adam`.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Lamb().active_slots()
    ('momentum', 'velocity')
    """

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        mean, square = self._moved_means(gradient, variable)
        step = self.step_number(variable.dtype)
        scale = ops.sqrt(square.value / reached(self.beta_2, step)) + self.epsilon
        update = mean.value / reached(self.beta_1, step) / scale
        weight = variable.value
        norms = [ops.sqrt(ops.sum(one * one)) for one in (weight, update)]
        usable = (norms[0] > 0) & (norms[1] > 0)
        ratio = ops.where(usable, norms[0] / ops.where(usable, norms[1], 1.0), 1.0)
        variable.assign_sub(update * (ratio * rate))


def move(mean: Variable, value: Array, beta: float) -> None:
    """Move a running mean towards a value by the share ``1 - beta``."""
    mean.assign_add((value - mean.value) * (1 - beta))


def reached(beta: float, step: Array) -> Array:
    """Return 1 - beta^step: how much of its value a running mean has by now.

    Through expm1, because 1 - 0.999 in float32 has only five correct digits.
    """
    if beta == 0:
        return ops.ones_like(step)
    return -ops.expm1(step * math.log(beta))


def adam_step(
    gradient: Array, mean: Array, square: Array, number: Array, rate: Array
) -> tuple[Array, Array, Array]:
    """Return a step of Adam with its usual numbers, and both means, moved.

    Algorithm 1 of Kingma and Ba 2014, for searches over arrays that are no variables;
    ``number`` counts the steps from 1.
    """
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
    mean = beta_1 * mean + (1 - beta_1) * gradient
    square = beta_2 * square + (1 - beta_2) * gradient * gradient
    unbiased = mean / (1 - ops.pow(beta_1, number))
    spread = ops.sqrt(square / (1 - ops.pow(beta_2, number)))
    return rate * unbiased / (spread + epsilon), mean, square
