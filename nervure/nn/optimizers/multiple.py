"""Several optimizers for one model."""

from __future__ import annotations

import re
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from typing import Any, Self

from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import positive_number
from nervure.nn.configuration import as_plain
from nervure.nn.optimizers.base import Optimizer
from nervure.nn.optimizers.loss_scaling import LossScaleOptimizer
from nervure.nn.variable import Variable


class OptimizerMap(MutableMapping[str, Optimizer]):
    """Which optimizer changes which variables.

    Keys are regular expressions that a variable's whole path has to match.

    Parameters
    ----------
    default_optimizer
        For what no key matches.
    optimizer_map
        Optimizers by key.

    Raises
    ------
    ArgumentError
        For what is no optimizer.

    >>> import nervure as nv
    >>> chosen = nv.optimizers.OptimizerMap(nv.optimizers.Adam())
    >>> chosen["encoder/.*"] = nv.optimizers.SGD(0.1)
    >>> type(chosen["encoder/kernel"]).__name__, type(chosen["kernel"]).__name__
    ('SGD', 'Adam')
    """

    def __init__(
        self,
        default_optimizer: Optimizer,
        optimizer_map: Mapping[str, Optimizer] | None = None,
    ) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise ArgumentError(
                explain(
                    f"expected an optimizer, got {default_optimizer!r}",
                    fix="write MultiOptimizer(Adam())",
                )
            )
        self.default_optimizer = default_optimizer
        self._chosen: dict[str, Optimizer] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._chosen:
            return self._chosen[key]
        fitting = [one for one in self._chosen if re.fullmatch(one, key)]
        if len(fitting) > 1:
            raise ArgumentError(
                explain(
                    f"several keys fit the variable {key!r}: {', '.join(fitting)}",
                    fix="leave one key for each variable",
                )
            )
        return self._chosen[fitting[0]] if fitting else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._chosen:
            raise ArgumentError(
                explain(
                    f"the key {key!r} has an optimizer already",
                    fix="name each key once",
                )
            )
        if not isinstance(optimizer, Optimizer) or isinstance(
            optimizer, LossScaleOptimizer | MultiOptimizer
        ):
            raise ArgumentError(
                explain(
                    f"expected a plain optimizer for {key!r}, got {optimizer!r}",
                    fix="give a single optimizer for each key",
                )
            )
        self._chosen[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._chosen[key]

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[str]:
        return iter(self._chosen)

    def __call__(self, variable: Variable) -> Optimizer:
        """Return the optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a map like this, as plain data."""
        where = type(self).__name__
        return {
            "default_optimizer": as_plain(self.default_optimizer, where),
            "optimizer_map": as_plain(self._chosen, where),
        }

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make a map from what :meth:`get_config` returned."""
        from nervure.nn import optimizers

        chosen = {
            key: optimizers.deserialize(one, custom_objects)
            for key, one in config["optimizer_map"].items()
        }
        default = optimizers.deserialize(config["default_optimizer"], custom_objects)
        return cls(default, chosen)


class MultiOptimizer(Optimizer):
    """An optimizer that leaves each variable to another one.

    Parameters
    ----------
    optimizer_map
        An :class:`OptimizerMap`, or a function from variables to optimizers.
    loss_scale_factor
        See :class:`~nervure.nn.optimizers.base.Optimizer`; for all of them.
    name
        A name.

    >>> import nervure as nv
    >>> adam = nv.optimizers.Adam()
    >>> nv.optimizers.MultiOptimizer(nv.optimizers.OptimizerMap(adam)).optimizers == [
    ...     adam]
    True
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(0.0, name=name)
        if loss_scale_factor is not None:
            self.loss_scale_factor = positive_number(
                "loss_scale_factor", loss_scale_factor
            )
        self.optimizer_map = optimizer_map
        self._inner: list[Optimizer] = []
        self._chosen: dict[Variable, Optimizer] = {}
        if isinstance(optimizer_map, OptimizerMap):
            for one in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._add(one)

    def _add(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                explain(
                    f"expected an optimizer, got {optimizer!r}",
                    fix="make one, such as nervure.optimizers.Adam()",
                )
            )
        if all(optimizer is not one for one in self._inner):
            self._inner.append(optimizer)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers, each once."""
        return list(self._inner)

    @property
    def variables(self) -> list[Variable]:
        """The state: the steps taken, and that of all optimizers."""
        inner = [variable for one in self._inner for variable in one.variables]
        return [self._iterations, *inner]

    @property
    def built(self) -> bool:
        """Whether the slots exist."""
        return bool(self._chosen)

    def build(self, variables: Sequence[Variable]) -> None:
        """Create the slots of each variable in its optimizer."""
        for variable in variables:
            if variable not in self._chosen:
                optimizer = self.optimizer_map(variable)
                self._add(optimizer)
                self._chosen[variable] = optimizer
        for optimizer in self._inner:
            own = [one for one in variables if self._chosen[one] is optimizer]
            if own:
                optimizer.build(own)

    @property
    def learning_rate(self) -> Any:
        """There is none: each optimizer has its own."""
        raise AttributeError(
            explain(
                "several optimizers have no learning rate in common",
                fix="look at those of MultiOptimizer.optimizers",
            )
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            explain(
                "several optimizers have no learning rate in common",
                fix="set those of MultiOptimizer.optimizers",
            )
        )

    def apply(
        self,
        grads: Sequence[Any],
        trainable_variables: Sequence[Variable] | None = None,
    ) -> None:
        """Take one step with each optimizer.

        Raises
        ------
        ArgumentError
            For another number of gradients than of variables.
        """
        chosen = trainable_variables
        variables = list(self._chosen) if chosen is None else list(chosen)
        if len(grads) != len(variables):
            raise ArgumentError(
                explain(
                    f"expected a gradient for each of {len(variables)} variables, got "
                    f"{len(grads)}",
                    fix="pass the gradients in the order of the variables",
                )
            )
        self.build(variables)
        for optimizer in self._inner:
            pairs = [
                (self._unscaled(gradient), one)
                for gradient, one in zip(grads, variables, strict=True)
                if self._chosen[one] is optimizer
            ]
            if pairs:
                optimizer.apply_gradients(pairs)
        self._iterations.assign_add(1)

    def _unscaled(self, gradient: Array | None) -> Array | None:
        factor = self.loss_scale_factor
        return gradient if gradient is None or factor is None else gradient / factor

    def finalize_variable_values(
        self, var_list: Iterable[Variable] | None = None
    ) -> None:
        """Put running means of weights in their places, where means are kept."""
        for optimizer in self._inner:
            optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this, as plain data.

        Raises
        ------
        TypeError
            Always: the keys may be functions, which no file holds.
        """
        if not isinstance(self.optimizer_map, OptimizerMap):
            raise TypeError(
                explain(
                    "a MultiOptimizer with a function of your own has no configuration",
                    fix="give it an OptimizerMap",
                )
            )
        return {
            "optimizer_map": self.optimizer_map.get_config(),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an optimizer from what :meth:`get_config` returned."""
        arguments = dict(config)
        chosen = OptimizerMap.from_config(
            arguments.pop("optimizer_map"), custom_objects
        )
        return cls(chosen, **arguments)
