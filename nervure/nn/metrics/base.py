"""The base class of metrics: running values over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from nervure import dtypes, ops
from nervure.array import Array
from nervure.ir.node import scope
from nervure.nn import initializers
from nervure.nn.configuration import Configurable
from nervure.nn.naming import automatic_name, snake_case
from nervure.nn.symbolic import as_partial_shape
from nervure.nn.tracking import held
from nervure.nn.variable import Variable
from nervure.state import untraced


class Metric(Configurable):
    """A number about a model that is gathered batch by batch.

    A subclass makes its running values with :meth:`add_variable` in ``__init__``, and
    defines :meth:`update_state` and :meth:`result`.

    Parameters
    ----------
    name
        The key in logs and histories.
    dtype
        The type of the running values; float32 by default.

    >>> import nervure as nv
    >>> class Largest(nv.metrics.Metric):
    ...     def __init__(self, name="largest", dtype=None):
    ...         super().__init__(name, dtype)
    ...         self.so_far = self.add_variable((), "zeros", name="so_far")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.so_far.assign(nv.maximum(self.so_far.value, nv.max(y_pred)))
    ...     def result(self):
    ...         return self.so_far.value
    >>> metric = Largest()
    >>> metric.update_state([0.0], nv.asarray([0.5]))
    >>> metric.result().item()
    0.5
    """

    def __init__(
        self, name: str | None = None, dtype: npt.DTypeLike | None = None
    ) -> None:
        self.name = name or automatic_name(snake_case(type(self).__name__))
        self.dtype = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)

    # --- what a subclass defines -----------------------------------------------------

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state()")

    def result(self) -> Array:
        """Return the value for what was taken in since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} does not define result()")

    def reset_state(self) -> None:
        """Forget everything that was taken in."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    # --- what is shared --------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Array:
        """Take in a batch and return the value so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def add_variable(
        self,
        shape: Sequence[int] | int = (),
        initializer: Any = "zeros",
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> Variable:
        """Create a running value."""
        type_ = self.dtype if dtype is None else dtypes.as_dtype(dtype)
        with scope(self.name), untraced():
            first = initializers.get(initializer)(as_partial_shape(shape), dtype=type_)
            return Variable(
                first,
                name=name or automatic_name("variable"),
                trainable=False,
                dtype=type_,
            )

    add_weight = add_variable

    @property
    def variables(self) -> list[Variable]:
        """The running values: the variables in attributes and in metrics inside."""
        found = held(self, Variable)
        for metric in held(self, Metric):
            if metric is not self:
                found += metric.variables
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
