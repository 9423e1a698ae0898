"""A scale of the loss that adapts itself, for training in float16."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import positive_number, whole_number
from nervure.nn.configuration import as_plain
from nervure.nn.optimizers.base import Optimizer
from nervure.nn.optimizers.conditional import only_where
from nervure.nn.variable import Variable


class LossScaleOptimizer(Optimizer):
    """An optimizer whose loss is scaled so that gradients fit into float16.

    Small gradients vanish in float16 and large ones overflow.  The loss is multiplied
    by a scale and the gradients divided by it.  Where a gradient is not finite, the
    step is left out and the scale halved; after ``dynamic_growth_steps`` good steps it
    is doubled.  (Micikevicius et al., "Mixed precision training", 2017, section 3.2.)

    Parameters
    ----------
    inner_optimizer
        What takes the steps.
    initial_scale
        The first scale.
    dynamic_growth_steps
        The number of good steps after which the scale is doubled.
    name
        A name.

    Raises
    ------
    ArgumentError
        For what is no optimizer, and for a scale not above 0.

    >>> import nervure as nv
    >>> optimizer = nv.optimizers.LossScaleOptimizer(nv.optimizers.SGD(0.1))
    >>> optimizer.scale_loss(nv.asarray(1.0)).item()
    32768.0
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ) -> None:
        if not isinstance(inner_optimizer, Optimizer):
            raise ArgumentError(
                explain(
                    f"expected an optimizer inside, got {inner_optimizer!r}",
                    fix="write LossScaleOptimizer(Adam())",
                )
            )
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = positive_number("initial_scale", initial_scale)
        self.dynamic_growth_steps = whole_number(
            "dynamic_growth_steps", dynamic_growth_steps, least=1
        )
        self.step_counter = Variable(
            0, name="step_counter", trainable=False, dtype=dtypes.int64
        )
        self.dynamic_scale = Variable(
            self.initial_scale, name="dynamic_scale", trainable=False
        )

    @property
    def variables(self) -> list[Variable]:
        """The state: the scale, how long it was good, and the optimizer's inside."""
        return [self.step_counter, self.dynamic_scale, *self.inner_optimizer.variables]

    @property
    def built(self) -> bool:
        """Whether the slots exist."""
        return self.inner_optimizer.built

    def build(self, variables: Sequence[Variable]) -> None:
        """Create the slots."""
        self.inner_optimizer.build(variables)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the optimizer inside."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """The number of updates made."""
        return self.inner_optimizer.iterations

    def exclude_from_weight_decay(
        self,
        var_list: Iterable[Variable] | None = None,
        var_names: Iterable[str] | None = None,
    ) -> None:
        """Keep variables from weight decay; before the optimizer is built."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def scale_loss(self, loss: Array) -> Array:
        """Return the loss to be differentiated."""
        return loss * ops.astype(self.dynamic_scale.value, loss.dtype)

    def apply(
        self,
        grads: Sequence[Any],
        trainable_variables: Sequence[Variable] | None = None,
    ) -> None:
        """Take one step with gradients of the scaled loss, if they are finite."""
        inner = self.inner_optimizer
        variables = trainable_variables
        if variables is None:
            variables = list(inner._slots)
        inner.build(variables)
        given = [None if one is None else ops.asarray(one) for one in grads]
        known = [ops.all(ops.isfinite(one)) for one in given if one is not None]
        finite = functools.reduce(ops.logical_and, known, ops.asarray(True))
        scale = self.dynamic_scale.value
        with only_where(finite, [*inner.variables, *variables]):
            inner.apply(
                [one if one is None else one / scale for one in given], variables
            )
        good = self.step_counter.value
        grown = good == self.dynamic_growth_steps - 1
        larger = ops.where(grown, scale * 2.0, scale)
        self.dynamic_scale.assign(ops.where(finite, larger, scale * 0.5))
        self.step_counter.assign(ops.where(finite & ~grown, good + 1, 0))

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Variable]]
    ) -> Variable:
        """Take one step, given pairs of gradient and variable."""
        super().apply_gradients(grads_and_vars)
        return self.inner_optimizer._iterations

    def finalize_variable_values(
        self, var_list: Iterable[Variable] | None = None
    ) -> None:
        """Put the running mean of each weight in its place, if means are kept."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this, as plain data."""
        return {
            "inner_optimizer": as_plain(self.inner_optimizer, type(self).__name__),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an optimizer from what :meth:`get_config` returned."""
        from nervure.nn import optimizers

        arguments = dict(config)
        inner = optimizers.deserialize(arguments.pop("inner_optimizer"), custom_objects)
        return cls(inner, **arguments)
