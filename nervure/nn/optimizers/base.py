"""What all optimizers share: the rate, the steps taken, slots, clipping, decay."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self, TypedDict, Unpack

from nervure import dtypes, ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain
from nervure.nn.arguments import (
    non_negative_number,
    positive_number,
    whole_number,
    within_unit,
)
from nervure.nn.configuration import (
    Configurable,
    as_plain,
    check_option_names,
    full_signature,
)
from nervure.nn.optimizers import schedules
from nervure.nn.optimizers.clipping import clipped
from nervure.nn.optimizers.conditional import only_where
from nervure.nn.optimizers.schedules import LearningRateSchedule
from nervure.nn.variable import Variable
from nervure.ops.operands import as_node

Rate = float | LearningRateSchedule | Callable[..., Any]


class OptimizerOptions(TypedDict, total=False):
    """What every optimizer's constructor takes besides its own arguments."""

    weight_decay: float | None  # each step also takes rate * decay of each weight away
    clipnorm: float | None  # the largest norm of each weight's gradient
    clipvalue: float | None  # the largest absolute value in a gradient
    global_clipnorm: float | None  # the largest norm of all gradients together
    use_ema: bool  # keep a running mean of each weight
    ema_momentum: float  # how slowly it moves
    ema_overwrite_frequency: int | None  # steps after which weights become their means
    loss_scale_factor: float | None  # the loss times this has the gradients
    gradient_accumulation_steps: int | None  # steps whose gradients make one update
    learning_rate_multipliers: Mapping[str, float] | None  # by the paths of variables
    name: str | None


_CLIPPING: Final = ("clipnorm", "clipvalue", "global_clipnorm")
_DEFAULTS: Final = {"use_ema": False, "ema_momentum": 0.99}


class Optimizer(Configurable):
    """Changes variables against their gradients.

    A subclass names its slots (arrays kept for each variable) in :attr:`slot_names` and
    defines :meth:`update_step`.

    Parameters
    ----------
    learning_rate
        A number, which is kept in a variable, so changing it recompiles nothing; a
        schedule of ``nervure.optimizers.schedules``; or a function of the number of
        steps taken (an array), which is traced into the step.
    weight_decay
        Each step also takes ``learning_rate * weight_decay`` of every weight away.
    clipnorm, clipvalue, global_clipnorm
        Limits, of which only one may be given: of the norm of each gradient, of each
        element, of the norm of all gradients together.
    use_ema, ema_momentum, ema_overwrite_frequency
        Whether a running mean of each weight is kept,
        ``mean = momentum * mean + (1 - momentum) * weight``, and after how many steps
        weights become their means (None: only at the end of ``fit``).
    loss_scale_factor
        The loss is multiplied by this before it is differentiated, and the gradients
        divided by it, so that small ones survive in float16.
    gradient_accumulation_steps
        A number of steps, at least 2, whose mean gradient makes one update.
    learning_rate_multipliers
        Factors of the learning rate, and with it of the weight decay, for some of the
        variables.  Keys are regular expressions that a variable's whole path has to
        match, such as ``"stem_conv/.*"``; where none does, the factor is 1.  Keras has
        no such argument.  (Howard and Ruder, "Universal language model fine-tuning for
        text classification", 2018, call it discriminative fine-tuning.)

    >>> import nervure as nv
    >>> from nervure.nn.variable import Variable
    >>> weight = Variable([1.0])
    >>> nv.optimizers.SGD(0.5).apply([nv.asarray([2.0])], [weight])
    >>> print(weight.value)
    [0.]
    """

    slot_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, learning_rate: Rate = 0.001, **options: Unpack[OptimizerOptions]
    ) -> None:
        check_option_names(type(self), options, OptimizerOptions.__annotations__)
        self._set_limits(options)
        self._set_schedule_of_means(options)
        factor = options.get("loss_scale_factor")
        self.loss_scale_factor = (
            None if factor is None else positive_number("loss_scale_factor", factor)
        )
        count = options.get("gradient_accumulation_steps")
        self.gradient_accumulation_steps = (
            None
            if count is None
            else whole_number("gradient_accumulation_steps", count, least=2)
        )
        given = options.get("learning_rate_multipliers")
        self.learning_rate_multipliers = given and {
            str(key): non_negative_number("a learning rate multiplier", factor)
            for key, factor in given.items()
        }
        self.name = options.get("name") or type(self).__name__.lower()
        self._iterations = Variable(
            0, name="iterations", trainable=False, dtype=dtypes.int64
        )
        self._learning_rate = _as_rate(learning_rate)
        self._slots: dict[Variable, dict[str, Variable]] = {}
        self._undecayed: frozenset[Variable] = frozenset()
        self._undecayed_names: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

    def _set_limits(self, options: OptimizerOptions) -> None:
        given = [name for name in _CLIPPING if options.get(name) is not None]
        if len(given) > 1:
            raise ArgumentError(
                explain(
                    f"give only one of {' and '.join(given)}",
                    fix="choose one way to clip gradients and leave the other out",
                )
            )
        decay = options.get("weight_decay")
        self.weight_decay = (
            None if decay is None else non_negative_number("weight_decay", decay)
        )
        self.clipnorm = _limit("clipnorm", options.get("clipnorm"))
        self.clipvalue = _limit("clipvalue", options.get("clipvalue"))
        self.global_clipnorm = _limit("global_clipnorm", options.get("global_clipnorm"))

    def _set_schedule_of_means(self, options: OptimizerOptions) -> None:
        self.use_ema = bool(options.get("use_ema", False))
        self.ema_momentum = within_unit(
            "ema_momentum", options.get("ema_momentum", 0.99)
        )
        every = options.get("ema_overwrite_frequency")
        self.ema_overwrite_frequency = (
            None
            if every is None
            else whole_number("ema_overwrite_frequency", every, least=1)
        )

    # --- what a subclass defines -----------------------------------------------------

    def update_step(self, gradient: Array, variable: Variable, rate: Array) -> None:
        """Change one variable; ``rate`` is the learning rate in its type."""
        raise NotImplementedError(f"{type(self).__name__} has no update_step()")

    def active_slots(self) -> tuple[str, ...]:
        """Return the slots that these settings need."""
        return self.slot_names

    def first_values(self, variable: Variable) -> dict[str, Array]:
        """Return what a variable's slots start with: zeros of its shape."""
        return {
            name: ops.zeros(variable.shape, dtype=variable.dtype)
            for name in self.active_slots()
        }

    def before_updates(self) -> None:
        """Do what is done once a step, before the variables are changed."""

    def decay_of(self, variable: Variable) -> float | None:
        """Return the weight decay of a variable, None for none."""
        return self.weight_decay

    def multiplier_of(self, variable: Variable) -> float:
        """Return the factor of a variable's learning rate.

        Raises :class:`~nervure.errors.ArgumentError` when several keys of
        ``learning_rate_multipliers`` fit.
        """
        factors = self.learning_rate_multipliers or {}
        fitting = [one for one in factors if re.fullmatch(one, variable.path)]
        if len(fitting) > 1:
            raise ArgumentError(
                explain(
                    f"several learning rate multipliers fit the variable "
                    f"{variable.path!r}: {', '.join(fitting)}",
                    fix="leave one pattern for each variable",
                )
            )
        return factors[fitting[0]] if fitting else 1.0

    # --- the rate --------------------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a variable ``float32[]``; a number can be assigned.

        With a schedule, its value for the next step, an array ``float32[]``.
        """
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return rate
        return ops.asarray(rate(self._iterations.value))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._learning_rate
        if callable(value) and not isinstance(value, Variable):
            self._learning_rate = _as_rate(value)
        elif isinstance(rate, Variable):
            rate.assign(non_negative_number("learning_rate", value))
        else:
            raise TypeError(
                explain(
                    "the learning rate of this optimizer follows a schedule, so no "
                    "number "
                    "can be set",
                    fix="make the optimizer with a number, or set another schedule",
                )
            )

    @property
    def iterations(self) -> Any:
        """The number of updates made: a variable ``int64[]``.

        With gradient accumulation an array: the number of steps taken, divided.
        """
        if self.gradient_accumulation_steps is None:
            return self._iterations
        return self._iterations.value // self.gradient_accumulation_steps

    def step_number(self, dtype: dtypes.DType) -> Array:
        """Return the number of the update that is being made, from 1 on."""
        return ops.astype(self.iterations + 1, dtype)

    # --- state -----------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """The state: the steps taken, the rate, and all slots."""
        rate = self._learning_rate
        own = [self._iterations, *([rate] if isinstance(rate, Variable) else [])]
        slots = [one for slots in self._slots.values() for one in slots.values()]
        return [*own, *self._further_state(), *slots]

    def _further_state(self) -> list[Variable]:
        """Return the state that belongs to no single variable."""
        return []

    @property
    def built(self) -> bool:
        """Whether the slots exist."""
        return bool(self._slots)

    def build(self, variables: Sequence[Variable]) -> None:
        """Create the slots; variables that have theirs keep them.

        Raises :class:`~nervure.errors.ArgumentError` for a learning rate multiplier
        that is meant for no variable.
        """
        if not self.built:
            self._check_multipliers(variables)
        for variable in variables:
            if variable not in self._slots:
                zeros = ops.zeros(variable.shape, dtype=variable.dtype)
                first: dict[str, Array] = {}
                if self.use_ema:
                    first["average"] = zeros
                if self.gradient_accumulation_steps is not None:
                    first["gradient_accumulator"] = zeros
                first |= self.first_values(variable)
                self._slots[variable] = {
                    name: _slot(variable, name, value) for name, value in first.items()
                }

    def _check_multipliers(self, variables: Sequence[Variable]) -> None:
        paths = [one.path for one in variables]
        for key in self.learning_rate_multipliers or {}:
            if not any(re.fullmatch(key, path) for path in paths):
                also = f"; the paths begin with {paths[0]!r}" if paths else ""
                raise ArgumentError(
                    explain(
                        f"the learning rate multiplier {key!r} fits the whole path of "
                        f"none of the {len(paths)} variables{also}",
                        fix="look at [one.path for one in model.trainable_variables]",
                    )
                )

    def slot(self, variable: Variable, name: str) -> Variable:
        """Return what is kept for a variable under a name."""
        return self._slots[variable][name]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the whole state, in the order of :attr:`variables`.

        Raises :class:`~nervure.errors.ShapeError` for other numbers of arrays or other
        shapes; nothing is changed then.
        """
        variables = self.variables
        arrays = [ops.asarray(one) for one in weights]
        shapes = [one.shape for one in arrays]
        if shapes != [one.shape for one in variables]:
            raise ShapeError(
                explain(
                    f"the state of the optimizer {self.name!r} has other shapes than "
                    f"the {len(arrays)} arrays that were given",
                    fix=None if self.built else "build it first, with the variables",
                )
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def exclude_from_weight_decay(
        self,
        var_list: Iterable[Variable] | None = None,
        var_names: Iterable[str] | None = None,
    ) -> None:
        """Keep variables from weight decay; before the optimizer is built.

        Parameters
        ----------
        var_list
            Variables.
        var_names
            Regular expressions; a variable is meant if one is found in its name.

        Raises
        ------
        ArgumentError
            After the optimizer has been built.
        """
        if self.built:
            raise ArgumentError(
                explain(
                    "exclude_from_weight_decay() comes before the optimizer is "
                    "built; call "
                    "it right after making the optimizer",
                    fix="optimizer = AdamW(); "
                    "optimizer.exclude_from_weight_decay(var_names=['bias'])",
                )
            )
        self._undecayed = frozenset(var_list or ())
        self._undecayed_names = tuple(var_names or ())

    def _is_decayed(self, variable: Variable) -> bool:
        return variable not in self._undecayed and not any(
            re.search(pattern, variable.name) for pattern in self._undecayed_names
        )

    # --- a step ----------------------------------------------------------------------

    def scale_loss(self, loss: Array) -> Array:
        """Return the loss to be differentiated: multiplied by the scale, if any."""
        factor = self.loss_scale_factor
        return loss if factor is None else loss * factor

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Variable]]
    ) -> Variable:
        """Take one step, given pairs of gradient and variable.

        Returns the number of steps taken.  Raises
        :class:`~nervure.errors.ArgumentError` for anything else, and without a pair.
        """
        pairs = list(grads_and_vars)
        if not pairs or any(not _is_pair(one) for one in pairs):
            came = repr(next((one for one in pairs if not _is_pair(one)), pairs))
            raise ArgumentError(
                explain(
                    "apply_gradients expects pairs (gradient, variable), at least "
                    f"one, got {came:.60}",
                    fix="write zip(gradients, model.trainable_variables, strict=True)",
                )
            )
        self.apply([gradient for gradient, _ in pairs], [one for _, one in pairs])
        return self._iterations

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
        pairs = [
            (ops.astype(ops.asarray(gradient), variable.dtype), variable)
            for gradient, variable in zip(grads, variables, strict=True)
            if gradient is not None
        ]
        if self.loss_scale_factor is not None:
            pairs = [
                (one / self.loss_scale_factor, variable) for one, variable in pairs
            ]
        if self.gradient_accumulation_steps is None:
            self._update(pairs)
        else:
            self._accumulate(pairs, self.gradient_accumulation_steps)
        if self.use_ema:
            self._move_means()
        for _, variable in pairs:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self._iterations.assign_add(1)

    def _update(self, pairs: Sequence[tuple[Array, Variable]]) -> None:
        """Change the variables by clipped gradients."""
        gradients = clipped(
            [gradient for gradient, _ in pairs],
            self.clipnorm,
            self.clipvalue,
            self.global_clipnorm,
        )
        current = self.learning_rate
        current = current.value if isinstance(current, Variable) else current
        self.before_updates()
        for gradient, (_, variable) in zip(gradients, pairs, strict=True):
            rate = ops.astype(current, variable.dtype)
            factor = self.multiplier_of(variable)
            if factor != 1.0:
                rate = rate * factor
            decay = self.decay_of(variable)
            if decay and self._is_decayed(variable):
                variable.assign_sub(variable.value * (rate * decay))
            self.update_step(gradient, variable, rate)

    def _accumulate(self, pairs: Sequence[tuple[Array, Variable]], count: int) -> None:
        """Add gradients up, and update by their mean in every ``count``-th step."""
        due = (self._iterations.value + 1) % count == 0
        means = []
        for gradient, variable in pairs:
            kept = self.slot(variable, "gradient_accumulator")
            total = kept.value + gradient
            kept.assign(ops.where(due, ops.zeros_like(total), total))
            means.append((total / count, variable))
        kept_back = {
            id(slots["gradient_accumulator"]) for slots in self._slots.values()
        }
        state = [one for one in self.variables if id(one) not in kept_back]
        with only_where(due, [*state, *(variable for _, variable in pairs)]):
            self._update(means)

    def _move_means(self) -> None:
        """Move the running mean of each weight, and put it in its place when due."""
        done = Array.of_node(as_node(self.iterations))
        for variable, slots in self._slots.items():
            mean = slots["average"]
            momentum = ops.where(done == 0, 0.0, self.ema_momentum)
            momentum = ops.astype(momentum, variable.dtype)
            mean.assign(mean.value * momentum + variable.value * (1.0 - momentum))
            if self.ema_overwrite_frequency is not None:
                due = (done + 1) % self.ema_overwrite_frequency == 0
                variable.assign(ops.where(due, mean.value, variable.value))

    def finalize_variable_values(
        self, var_list: Iterable[Variable] | None = None
    ) -> None:
        """Put the running mean of each weight in its place, if means are kept.

        ``fit`` does it at its end.
        """
        if self.use_ema:
            for variable in self._slots if var_list is None else var_list:
                if variable in self._slots:
                    variable.assign(self.slot(variable, "average").value)

    # --- configuration ---------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this, as plain data."""
        names = [one for one in self._config_names() if one != "learning_rate"]
        where = type(self).__name__
        config = {name: as_plain(getattr(self, name), where) for name in names}
        rate = self._learning_rate
        if isinstance(rate, Variable):
            # The shortest number that is the same in float32: 0.001, not 0.00100000005.
            return {"learning_rate": float(str(rate.numpy())), **config}
        return {"learning_rate": schedules.serialize(rate), **config}

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an optimizer from what :meth:`get_config` returned."""
        arguments = dict(config)
        if isinstance(arguments.get("learning_rate"), Mapping):
            arguments["learning_rate"] = schedules.deserialize(
                arguments["learning_rate"], custom_objects
            )
        return cls(**arguments)


def _signature(cls: type[Optimizer]) -> inspect.Signature:
    return full_signature(cls.__init__, OptimizerOptions, _DEFAULTS)


Optimizer.__signature__ = _signature(Optimizer)  # type: ignore[attr-defined]


def _as_rate(value: Any) -> Variable | Callable[[Any], Any]:
    if callable(value) and not isinstance(value, Variable):
        if inspect.isclass(value):
            raise ArgumentError(
                explain(
                    "expected a schedule as learning_rate, got the class "
                    f"{value.__name__}",
                    fix=f"make one: {value.__name__}(...)",
                )
            )
        if (
            isinstance(value, LearningRateSchedule)
            or inspect.signature(value).parameters
        ):
            return value
        return lambda _step: value()
    return Variable(
        non_negative_number("learning_rate", value),
        name="learning_rate",
        trainable=False,
        dtype=dtypes.DEFAULT_FLOAT,
    )


def _slot(variable: Variable, name: str, value: Array) -> Variable:
    slot = Variable(value, name=name, trainable=False)
    slot.path = f"{variable.path}/{name}"
    return slot


def _check_pairs(gradients: Sequence[Any], variables: Sequence[Variable]) -> None:
    if len(gradients) != len(variables):
        raise ShapeError(
            explain(
                f"expected a gradient for each of {len(variables)} variables, got "
                f"{len(gradients)}",
                fix="pass the gradients in the order of the variables",
            )
        )
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is not None and tuple(gradient.shape) != variable.shape:
            raise ShapeError(
                explain(
                    f"the gradient of the variable {variable.path!r} has shape "
                    f"{list(gradient.shape)}, the variable {list(variable.shape)}",
                    fix="take the gradient of a single number with respect to this "
                    "variable",
                )
            )


def _limit(name: str, value: Any) -> float | None:
    return None if value is None else positive_number(name, value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2
