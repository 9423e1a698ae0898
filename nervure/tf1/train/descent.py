"""TensorFlow 1's optimizers, each with its own formula.

In the formulas ``g`` is the gradient and ``rate`` the learning rate. They differ from
Keras' optimizers of the same names in where they add ``epsilon`` and in how their slots
begin; a script written for TensorFlow 1 gets what it got there. Source: the
documentation of ``tf.raw_ops.ApplyAdam`` and its kin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.tf1.graph import Operation, get_default_graph
from nervure.tf1.tensor import is_tensor
from nervure.tf1.train.optimizer import Optimizer
from nervure.tf1.variables import Variable, assign


class GradientDescentOptimizer(Optimizer):
    """``value -= rate * g``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.Variable(1.0)
    ...     step = tf.train.GradientDescentOptimizer(0.25).minimize(tf.square(x))
    ...     session.run(tf.global_variables_initializer())
    ...     session.run(step)
    ...     session.run(x)
    np.float32(0.5)
    """

    def __init__(
        self,
        learning_rate: Any,
        use_locking: bool = False,
        name: str = "GradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate

    def _rates(self) -> dict[str, Any]:
        return {"rate": self._learning_rate}

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        return value - rates["rate"] * gradient, []


class MomentumOptimizer(Optimizer):
    """``sum = momentum * sum + g; value -= rate * sum``.

    With ``use_nesterov``, ``value -= rate * (g + momentum * sum)``.

    >>> import nervure.tf1 as tf
    >>> tf.train.MomentumOptimizer(0.1, momentum=0.9).get_name()
    'Momentum'
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._use_nesterov = use_nesterov

    def _rates(self) -> dict[str, Any]:
        return {"rate": self._learning_rate, "momentum": self._momentum}

    def _make_slots(self, variables: Sequence[Variable]) -> None:
        for one in variables:
            self._zeros(one, "momentum", self._name)

    def _slots_of(self, variable: Variable) -> list[Variable]:
        return [self._slots["momentum"][variable]]

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        rate, momentum = rates["rate"], rates["momentum"]
        total = slots[0] * momentum + gradient
        step = gradient + total * momentum if self._use_nesterov else total
        return value - rate * step, [total]


class AdagradOptimizer(Optimizer):
    """``sum += g^2; value -= rate * g / sqrt(sum)``; the sum begins at 0.1.

    Duchi et al. (2011).

    >>> import nervure.tf1 as tf
    >>> tf.train.AdagradOptimizer(0.1).get_name()
    'Adagrad'
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._first = initial_accumulator_value

    def _rates(self) -> dict[str, Any]:
        return {"rate": self._learning_rate}

    def _make_slots(self, variables: Sequence[Variable]) -> None:
        for one in variables:
            self._filled(one, "accumulator", self._name, self._first)

    def _slots_of(self, variable: Variable) -> list[Variable]:
        return [self._slots["accumulator"][variable]]

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        total = slots[0] + gradient * gradient
        return value - rates["rate"] * gradient * ops.rsqrt(total), [total]


class AdadeltaOptimizer(Optimizer):
    """Steps as large as past steps were, by a running mean of squares.

    ``squares = rho * squares + (1 - rho) * g^2``,
    ``step = sqrt(steps + epsilon) / sqrt(squares + epsilon) * g``,
    ``steps = rho * steps + (1 - rho) * step^2``, ``value -= rate * step``.
    Zeiler (2012).

    >>> import nervure.tf1 as tf
    >>> tf.train.AdadeltaOptimizer(1.0).get_slot_names()
    []
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._given = {"rate": learning_rate, "rho": rho, "epsilon": epsilon}

    def _rates(self) -> dict[str, Any]:
        return self._given

    def _make_slots(self, variables: Sequence[Variable]) -> None:
        for one in variables:
            self._zeros(one, "accum", self._name)
            self._zeros(one, "accum_update", f"{self._name}_1")

    def _slots_of(self, variable: Variable) -> list[Variable]:
        return [self._slots["accum"][variable], self._slots["accum_update"][variable]]

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        rho, epsilon = rates["rho"], rates["epsilon"]
        squares = rho * slots[0] + (1.0 - rho) * ops.square(gradient)
        step = ops.sqrt(slots[1] + epsilon) * ops.rsqrt(squares + epsilon) * gradient
        steps = rho * slots[1] + (1.0 - rho) * ops.square(step)
        return value - rates["rate"] * step, [squares, steps]


class RMSPropOptimizer(Optimizer):
    """The gradient divided by the root of a running mean of its square.

    ``squares = decay * squares + (1 - decay) * g^2``, which begins at 1;
    ``step = momentum * step + rate * g / sqrt(squares + epsilon)``; ``value -= step``.
    With ``centered``, the square of the running mean of ``g`` is subtracted from
    ``squares`` under the root.  Tieleman and Hinton (2012).

    >>> import nervure.tf1 as tf
    >>> tf.train.RMSPropOptimizer(0.01).get_name()
    'RMSProp'
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._given = {
            "rate": learning_rate,
            "decay": decay,
            "momentum": momentum,
            "epsilon": epsilon,
        }
        self._centered = centered

    def _rates(self) -> dict[str, Any]:
        return self._given

    def _make_slots(self, variables: Sequence[Variable]) -> None:
        for one in variables:
            self._filled(one, "rms", self._name, 1.0)
            self._zeros(one, "momentum", f"{self._name}_1")
            if self._centered:
                self._zeros(one, "mg", f"{self._name}_2")

    def _slots_of(self, variable: Variable) -> list[Variable]:
        names = ("rms", "momentum", "mg") if self._centered else ("rms", "momentum")
        return [self._slots[name][variable] for name in names]

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        decay = rates["decay"]
        squares = decay * slots[0] + (1.0 - decay) * ops.square(gradient)
        under, means = squares, []
        if self._centered:
            means = [decay * slots[2] + (1.0 - decay) * gradient]
            under = squares - ops.square(means[0])
        scaled = rates["rate"] * gradient * ops.rsqrt(under + rates["epsilon"])
        step = rates["momentum"] * slots[1] + scaled
        return value - step, [squares, step, *means]


class AdamOptimizer(Optimizer):
    """Adam, with epsilon outside the correction of the bias.

    ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g^2``,
    ``rate_t = rate * sqrt(1 - beta2^t) / (1 - beta1^t)``,
    ``value -= rate_t * m / (sqrt(v) + epsilon)``: the formula before section 2.1 of
    Kingma and Ba (2015), whose epsilon is another than that of their Algorithm 1.

    >>> import nervure.tf1 as tf
    >>> tf.train.AdamOptimizer(1e-4).get_name()
    'Adam'
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._beta1, self._beta2 = beta1, beta2
        self._given = {
            "rate": learning_rate,
            "beta1": beta1,
            "beta2": beta2,
            "epsilon": epsilon,
        }
        self._powers: list[Variable] = []

    def _rates(self) -> dict[str, Any]:
        return self._given

    def variables(self) -> list[Variable]:
        """Return the variables that the optimizer itself has."""
        return [*self._powers, *super().variables()]

    def _make_slots(self, variables: Sequence[Variable]) -> None:
        if not self._powers:
            with get_default_graph().name_scope(None):
                self._powers = [
                    Variable(
                        beta,
                        trainable=False,
                        name=f"beta{number}_power",
                        dtype=None if is_tensor(beta) else variables[0].dtype,
                    )
                    for number, beta in ((1, self._beta1), (2, self._beta2))
                ]
        for one in variables:
            self._zeros(one, "m", self._name)
            self._zeros(one, "v", f"{self._name}_1")

    def _slots_of(self, variable: Variable) -> list[Variable]:
        slots = [self._slots["m"][variable], self._slots["v"][variable]]
        return [*slots, *self._powers]

    def _update(
        self, value: Array, gradient: Array, slots: list[Array], rates: dict[str, Array]
    ) -> tuple[Array, list[Array]]:
        m, v, power1, power2 = slots
        power1, power2 = (one.astype(value.dtype) for one in (power1, power2))
        rate = rates["rate"] * ops.sqrt(1.0 - power2) / (1.0 - power1)
        m = m + (gradient - m) * (1.0 - rates["beta1"])
        v = v + (ops.square(gradient) - v) * (1.0 - rates["beta2"])
        step = rate * m / (ops.sqrt(v) + rates["epsilon"])
        # The powers are the same for all variables, so they change once, at the end.
        return value - step, [m, v, slots[2], slots[3]]

    def _finish(self, updates: list[Operation]) -> list[Operation]:
        with get_default_graph().control_dependencies(updates):
            return [
                assign(power, power.read_value() * beta).op
                for power, beta in zip(
                    self._powers, (self._beta1, self._beta2), strict=True
                )
            ]
