"""Optimizers that divide by the size of all gradients so far."""

from __future__ import annotations

from typing import ClassVar, Unpack

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import finite_number, non_negative_number, within_unit
from nervure.nn.optimizers.base import Optimizer, OptimizerOptions, Rate
from nervure.nn.variable import Variable


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., "Adaptive subgradient methods", 2011).

    ``a += g^2`` and ``w -= rate * g / sqrt(a + epsilon)``.

    Parameters
    ----------
    learning_rate
        0.001 by default.
    initial_accumulator_value
        What a starts with.
    epsilon
        Keeps the denominator from zero.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Adagrad().initial_accumulator_value
    0.1
    """

    slot_names: ClassVar = ("accumulator",)

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = non_negative_number(
            "initial_accumulator_value", initial_accumulator_value
        )
        self.epsilon = float(epsilon)

    def first_values(self, variable: Variable) -> dict[str, Array]:
        """Return what a variable's slots start with."""
        value = self.initial_accumulator_value
        return {"accumulator": ops.full(variable.shape, value, dtype=variable.dtype)}

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        total = self.slot(variable, "accumulator")
        total.assign_add(gradient * gradient)
        variable.assign_sub(gradient * rate / ops.sqrt(total.value + self.epsilon))


class Adadelta(Optimizer):
    """Adadelta (Zeiler, "Adadelta: an adaptive learning rate method", 2012).

    ``a = rho a + (1 - rho) g^2``, ``d = -g sqrt(b + epsilon) / sqrt(a + epsilon)``,
    ``b = rho b + (1 - rho) d^2`` and ``w += rate * d``; the paper has the rate 1.

    Parameters
    ----------
    learning_rate
        0.001 by default.
    rho
        How slowly the means change.
    epsilon
        Starts the steps, and keeps the denominator from zero.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    >>> import nervure as nv
    >>> nv.optimizers.Adadelta(1.0).rho
    0.95
    """

    slot_names: ClassVar = ("accumulated_grad", "accumulated_delta_var")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = within_unit("rho", rho)
        self.epsilon = float(epsilon)

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        squares = self.slot(variable, "accumulated_grad")
        steps = self.slot(variable, "accumulated_delta_var")
        squares.assign(self._moved(squares, gradient * gradient))
        sizes = [ops.sqrt(one + self.epsilon) for one in (steps.value, squares.value)]
        step = sizes[0] * gradient / sizes[1]
        steps.assign(self._moved(steps, step * step))
        variable.assign_sub(step * rate)

    def _moved(self, mean: Variable, value: Array) -> Array:
        return mean.value * self.rho + value * (1 - self.rho)


class Ftrl(Optimizer):
    """Follow the regularised leader, for sparse linear models.

    McMahan et al., "Ad click prediction", 2013, algorithm 1, with ``learning_rate`` as
    alpha; the shrinkage is TensorFlow's addition.

    Parameters
    ----------
    learning_rate
        0.001 by default.
    learning_rate_power
        At most 0; -1/2 in the paper.
    initial_accumulator_value
        What the sum of squares starts with.
    l1_regularization_strength, l2_regularization_strength
        The penalties lambda 1 and lambda 2.
    l2_shrinkage_regularization_strength
        A penalty that moves weights, but does not count in the sum of squares.
    beta
        The paper's beta.

    Other arguments: see :class:`~nervure.nn.optimizers.base.Optimizer`.

    Raises
    ------
    ArgumentError
        For a power above 0, and for negative strengths.

    >>> import nervure as nv
    >>> nv.optimizers.Ftrl().active_slots()
    ('accumulator', 'linear')
    """

    slot_names: ClassVar = ("accumulator", "linear")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.learning_rate_power = finite_number(
            "learning_rate_power", learning_rate_power
        )
        if self.learning_rate_power > 0:
            raise ArgumentError(
                explain(
                    f"expected learning_rate_power to be at most 0, got "
                    f"{learning_rate_power!r}",
                    fix="the usual value is -0.5",
                )
            )
        self.initial_accumulator_value = non_negative_number(
            "initial_accumulator_value", initial_accumulator_value
        )
        self.l1_regularization_strength = non_negative_number(
            "l1_regularization_strength", l1_regularization_strength
        )
        self.l2_regularization_strength = non_negative_number(
            "l2_regularization_strength", l2_regularization_strength
        )
        self.l2_shrinkage_regularization_strength = non_negative_number(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength
        )
        self.beta = finite_number("beta", beta)

    def first_values(self, variable: Variable) -> dict[str, Array]:
        """Return what a variable's slots start with."""
        value = self.initial_accumulator_value
        return {
            "accumulator": ops.full(variable.shape, value, dtype=variable.dtype),
            "linear": ops.zeros(variable.shape, dtype=variable.dtype),
        }

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable."""
        total = self.slot(variable, "accumulator")
        linear = self.slot(variable, "linear")
        weight = variable.value
        shrinkage = 2.0 * self.l2_shrinkage_regularization_strength
        shrunk = gradient + weight * shrinkage if shrinkage else gradient
        new_total = total.value + gradient * gradient
        before, after = self._power(total.value), self._power(new_total)
        linear.assign_add(shrunk - (after - before) / rate * weight)
        penalty = self.l2_regularization_strength + self.beta / (2.0 * rate)
        quadratic = after / rate + 2.0 * penalty
        limit = self.l1_regularization_strength
        inside = ops.clip(linear.value, -limit, limit)
        variable.assign((inside - linear.value) / quadratic)
        total.assign(new_total)

    def _power(self, total: Array) -> Array:
        if self.learning_rate_power == -0.5:
            return ops.sqrt(total)
        return ops.pow(total, -self.learning_rate_power)
