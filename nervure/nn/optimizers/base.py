"""What all optimizers share: the rate, the steps taken, slots, clipping, decay."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, TypedDict, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn.configuration import (
    Configurable,
    check_option_names,
    full_signature,
)
from nervure.nn.variable import Variable


class OptimizerOptions(TypedDict, total=False):
    """What every optimizer's constructor takes besides its own arguments."""

    weight_decay: float | None  # each step also takes rate * decay of each weight away
    clipnorm: float | None  # the largest norm of each weight's gradient
    clipvalue: float | None  # the largest absolute value in a gradient
    global_clipnorm: float | None  # the largest norm of all gradients together
    name: str | None


_CLIPPING: Final = ("clipnorm", "clipvalue", "global_clipnorm")


class Optimizer(Configurable):
    """Changes variables against their gradients.

    A subclass names its slots (arrays kept for each variable) in :attr:`slot_names` and
    defines :meth:`update_step`.

    Parameters
    ----------
    learning_rate
        A number.  It is kept in a variable, so changing it recompiles nothing.
    weight_decay
        Each step also takes ``learning_rate * weight_decay`` of every weight away.
    clipnorm, clipvalue, global_clipnorm
        Limits, of which only one may be given: of the norm of each gradient, of each
        element, of the norm of all gradients together.

    >>> import nervure as nv
    >>> from nervure.nn.variable import Variable
    >>> weight = Variable([1.0])
    >>> nv.optimizers.SGD(0.5).apply([nv.asarray([2.0])], [weight])
    >>> print(weight.value)
    [0.]
    """

    slot_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, learning_rate: float = 0.001, **options: Unpack[OptimizerOptions]
    ) -> None:
        check_option_names(type(self), options, OptimizerOptions.__annotations__)
        given = [name for name in _CLIPPING if options.get(name) is not None]
        if len(given) > 1:
            raise ValueError(f"give only one of {' and '.join(given)}")
        self.weight_decay = options.get("weight_decay")
        if self.weight_decay is not None:
            self.weight_decay = _finite("weight_decay", self.weight_decay)
        self.clipnorm = _limit("clipnorm", options.get("clipnorm"))
        self.clipvalue = _limit("clipvalue", options.get("clipvalue"))
        self.global_clipnorm = _limit("global_clipnorm", options.get("global_clipnorm"))
        self.name = options.get("name") or type(self).__name__.lower()
        self.iterations = Variable(
            0, name="iterations", trainable=False, dtype=dtypes.int64
        )
        self._learning_rate = Variable(
            _finite("learning_rate", learning_rate),
            name="learning_rate",
            trainable=False,
            dtype=dtypes.DEFAULT_FLOAT,
        )
        self._slots: dict[Variable, dict[str, Variable]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

    # --- what a subclass defines -----------------------------------------------------

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable; ``rate`` is the learning rate in its type."""
        raise NotImplementedError(f"{type(self).__name__} has no update_step()")

    def active_slots(self) -> tuple[str, ...]:
        """Return the slots that these settings need."""
        return self.slot_names

    # --- the rate --------------------------------------------------------------------

    @property
    def learning_rate(self) -> Variable:
        """The learning rate, a variable ``float32[]``; a number can be assigned."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._learning_rate.assign(_finite("learning_rate", value))

    # --- state -----------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """The state: the steps taken, the rate, and all slots."""
        slots = [one for slots in self._slots.values() for one in slots.values()]
        return [self.iterations, self._learning_rate, *slots]

    @property
    def built(self) -> bool:
        """Whether the slots exist."""
        return bool(self._slots)

    def build(self, variables: Sequence[Variable]) -> None:
        """Create the slots, filled with zeros; variables that have theirs keep them."""
        for variable in variables:
            if variable not in self._slots:
                self._slots[variable] = {
                    name: _slot(variable, name) for name in self.active_slots()
                }

    def slot(self, variable: Variable, name: str) -> Variable:
        """Return what is kept for a variable under a name."""
        return self._slots[variable][name]

    # --- a step ----------------------------------------------------------------------

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Variable]]
    ) -> Variable:
        """Take one step, given pairs of gradient and variable.

        Returns the number of steps taken.
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [one for _, one in pairs])
        return self.iterations

    def apply(
        self,
        grads: Sequence[Any],
        trainable_variables: Sequence[Variable] | None = None,
    ) -> None:
        """Take one step.

        Parameters
        ----------
        grads
            An array of the variable's shape for each; None leaves a variable alone.
        trainable_variables
            Those that the optimizer was built for, by default.

        Raises
        ------
        ShapeError
            When the numbers or the shapes do not agree; nothing is changed then.
        """
        chosen = trainable_variables
        variables = list(self._slots) if chosen is None else list(chosen)
        _check_pairs(grads, variables)
        self.build(variables)
        updated = [
            (ops.astype(ops.asarray(gradient), variable.dtype), variable)
            for gradient, variable in zip(grads, variables, strict=True)
            if gradient is not None
        ]
        clipped = self._clipped([gradient for gradient, _ in updated])
        for gradient, (_, variable) in zip(clipped, updated, strict=True):
            rate = ops.astype(self._learning_rate.value, variable.dtype)
            if self.weight_decay:
                variable.assign_sub(variable.value * (rate * self.weight_decay))
            self.update_step(gradient, variable, rate)
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self.iterations.assign_add(1)

    def _clipped(self, gradients: list[Array]) -> list[Array]:
        """Return the gradients within the limit that was given."""
        if self.clipvalue is not None:
            limit = self.clipvalue
            return [ops.clip(gradient, -limit, limit) for gradient in gradients]
        if self.clipnorm is not None:
            return [
                gradient * _shrinking(self.clipnorm, [gradient])
                for gradient in gradients
            ]
        if self.global_clipnorm is not None and gradients:
            factor = _shrinking(self.global_clipnorm, gradients)
            return [gradient * factor for gradient in gradients]
        return gradients

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this, as plain data."""
        config = super().get_config()
        # The shortest number that is the same in float32: 0.001, not 0.00100000005.
        config["learning_rate"] = float(str(self._learning_rate.numpy()))
        return config


def _signature(cls: type[Optimizer]) -> inspect.Signature:
    return full_signature(cls.__init__, OptimizerOptions)


Optimizer.__signature__ = _signature(Optimizer)  # type: ignore[attr-defined]


def _slot(variable: Variable, name: str) -> Variable:
    slot = Variable(
        ops.zeros(variable.shape, dtype=variable.dtype), name=name, trainable=False
    )
    slot.path = f"{variable.path}/{name}"
    return slot


def _shrinking(limit: float, gradients: Sequence[Array]) -> Array:
    """Return the factor that brings gradients together within a norm."""
    squares = [ops.sum(gradient * gradient) for gradient in gradients]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return limit / ops.maximum(ops.sqrt(total), limit)


def _check_pairs(gradients: Sequence[Any], variables: Sequence[Variable]) -> None:
    if len(gradients) != len(variables):
        raise ShapeError(
            f"expected a gradient for each of {len(variables)} variables, got "
            f"{len(gradients)}"
        )
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is not None and tuple(gradient.shape) != variable.shape:
            raise ShapeError(
                explain(
                    f"the gradient of the variable {variable.path!r} has shape "
                    f"{list(gradient.shape)}, the variable {list(variable.shape)}"
                )
            )


def _finite(name: str, value: Any) -> float:
    """Return a number that a user gave; raises for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected {name} to be a finite number, got {value!r}")
    return number


def _limit(name: str, value: Any) -> float | None:
    if value is None:
        return None
    number = _finite(name, value)
    if number <= 0:
        raise ValueError(f"expected {name} to be above 0, got {value!r}")
    return number


def within_unit(name: str, value: Any, *, open_above: bool = False) -> float:
    """Return a number from 0 to 1; raises :class:`ValueError` for others."""
    number = _finite(name, value)
    if not 0 <= number <= 1 or (open_above and number == 1):
        limit = "below 1" if open_above else "to 1"
        raise ValueError(f"expected {name} to be from 0 {limit}, got {value!r}")
    return number
