"""What weights are allowed to be.

A constraint is called with the updated value of a weight and returns the allowed value
nearest to it, or near it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.nn.arguments import non_negative_number, within_unit
from nervure.nn.configuration import Configurable
from nervure.nn.lookup import Registry
from nervure.ops.operands import as_node

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

Axis = int | Sequence[int]

# Keeps the norm of zeros from dividing by zero, as in Keras.
_EPSILON: Final = 1e-7


class Constraint(Configurable):
    """The base class: ``__call__(w)`` returns an allowed value of the same shape.

    >>> import nervure as nv
    >>> class AtMostOne(nv.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return nv.minimum(w, 1.0)
    >>> AtMostOne()(nv.asarray([0.5, 2.0])).tolist()
    [0.5, 1.0]
    """

    def __call__(self, w: Any) -> Any:
        """Return the allowed value."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__()")


class MinMaxNorm(Constraint):
    """Vectors between two lengths.

    Parameters
    ----------
    min_value, max_value
        The lengths, at least 0.
    rate
        How far to go to the allowed length, from 0 to 1 (at once).
    axis
        The axis, or axes, along which a vector lies: 0 for the inputs of each unit of
        a ``Dense``, ``(0, 1, 2)`` for each filter of a ``Conv2D``.

    Raises
    ------
    ArgumentError
        For bounds in the wrong order, and for a rate outside of 0 to 1.

    >>> import nervure as nv
    >>> nv.constraints.MinMaxNorm(0.0, 1.0)([[3.0], [4.0]]).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: Axis = 0,
    ) -> None:
        self.min_value = non_negative_number("min_value", min_value)
        self.max_value = non_negative_number("max_value", max_value)
        if self.min_value > self.max_value:
            raise ArgumentError(
                explain(
                    f"expected min_value to be at most max_value, got {min_value!r} "
                    f"and {max_value!r}",
                    fix=f"write MinMaxNorm({max_value!r}, {min_value!r})",
                )
            )
        self.rate = within_unit("rate", rate)
        self.axis = axis

    def __call__(self, w: Any) -> Array:
        """Return the allowed value."""
        array = Array.of_node(as_node(w))
        lengths = _lengths(array, self.axis)
        wanted = ops.clip(lengths, self.min_value, self.max_value)
        if self.rate != 1:
            wanted = self.rate * wanted + (1.0 - self.rate) * lengths
        return array * (wanted / (_EPSILON + lengths))


class MaxNorm(Constraint):
    """Vectors no longer than ``max_value`` (Srivastava et al., "Dropout", 2014).

    Parameters
    ----------
    max_value
        The largest length.
    axis
        See :class:`MinMaxNorm`.

    >>> import nervure as nv
    >>> nv.constraints.MaxNorm(1.0)([[3.0], [4.0]]).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = non_negative_number("max_value", max_value)
        self.axis = axis

    def __call__(self, w: Any) -> Array:
        """Return the allowed value."""
        array = Array.of_node(as_node(w))
        lengths = _lengths(array, self.axis)
        wanted = ops.clip(lengths, 0.0, self.max_value)
        return array * (wanted / (_EPSILON + lengths))


class NonNeg(Constraint):
    """No negative numbers.

    >>> import nervure as nv
    >>> nv.constraints.NonNeg()([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Array:
        """Return the allowed value."""
        return ops.maximum(Array.of_node(as_node(w)), 0.0)


class UnitNorm(Constraint):
    """Vectors of length 1.

    Parameters
    ----------
    axis
        See :class:`MinMaxNorm`.

    >>> import nervure as nv
    >>> nv.constraints.UnitNorm()([[0.0], [2.0]]).tolist()
    [[0.0], [1.0]]
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Array:
        """Return the allowed value."""
        array = Array.of_node(as_node(w))
        return array / (_EPSILON + _lengths(array, self.axis))


max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm


def _lengths(array: Array, axis: Axis) -> Array:
    axes = axis if isinstance(axis, int) else tuple(axis)
    return ops.sqrt(ops.sum(array * array, axis=axes, keepdims=True))


_registry: Registry[Callable[[Any], Any]] = Registry("constraint")
_registry.add_classes([MaxNorm, MinMaxNorm, NonNeg, UnitNorm])


def get(identifier: Any) -> Any:
    """Return the constraint for a name, a configuration or a function; None for None.

    Raises :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.constraints.get("max_norm").max_value
    2.0
    """
    return None if identifier is None else _registry.get(identifier)


def serialize(constraint: Any) -> Any:
    """Return the configuration of a constraint, as plain data.

    >>> import nervure as nv
    >>> nv.constraints.serialize(nv.constraints.UnitNorm(axis=1))
    {'class_name': 'UnitNorm', 'config': {'axis': 1}}
    """
    return _registry.serialize(constraint)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the constraint for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> nv.constraints.deserialize({"class_name": "NonNeg", "config": {}}).get_config()
    {}
    """
    return _registry.deserialize(config, custom_objects)
