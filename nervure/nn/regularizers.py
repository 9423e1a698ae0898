"""Penalties on weights, which are added to the loss.

A regularizer is called with an array and returns one number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, ShapeError, explain, unknown_name
from nervure.nn.arguments import finite_number
from nervure.nn.configuration import Configurable
from nervure.nn.lookup import Registry
from nervure.ops.operands import as_node

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

# Keeps the length of a row that is all zero from dividing by zero.
_SMALLEST_SQUARE: Final = 1e-12


class Regularizer(Configurable):
    """The base class: ``__call__(x)`` returns the penalty of an array, ``[]``.

    A class of your own stores its arguments in attributes of the same names.

    >>> import nervure as nv
    >>> class Largest(nv.regularizers.Regularizer):
    ...     def __call__(self, x):
    ...         return nv.max(nv.abs(x))
    >>> layer = nv.layers.Dense(1, kernel_initializer="ones",
    ...                         kernel_regularizer=Largest())
    >>> layer([[1.0, 2.0]]).tolist(), layer.losses[0].item()
    ([[3.0]], 1.0)
    """

    def __call__(self, x: Any) -> Any:
        """Return the penalty."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__()")


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x^2)``.

    Parameters
    ----------
    l1, l2
        The factors, at least 0.

    >>> import nervure as nv
    >>> nv.regularizers.L1L2(l1=0.5, l2=0.25)([1.0, -2.0]).item()
    2.75
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor("l1", l1, 0.0)
        self.l2 = _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> Array:
        """Return the penalty."""
        array = Array.of_node(as_node(x))
        total = ops.zeros((), dtype=array.dtype)
        if self.l1:
            total = total + self.l1 * ops.sum(ops.abs(array))
        if self.l2:
            total = total + self.l2 * ops.sum(array * array)
        return total


class L1(Regularizer):
    """``l1 * sum(|x|)``, which makes weights zero (the "lasso").

    >>> import nervure as nv
    >>> nv.regularizers.L1(0.5)([1.0, -2.0]).item()
    1.5
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = _factor("l1", l1, 0.01)

    def __call__(self, x: Any) -> Array:
        """Return the penalty."""
        return self.l1 * ops.sum(ops.abs(Array.of_node(as_node(x))))


class L2(Regularizer):
    """``l2 * sum(x^2)``, which makes weights small ("ridge", "weight decay").

    >>> import nervure as nv
    >>> nv.regularizers.L2(0.5)([1.0, -2.0]).item()
    2.5
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = _factor("l2", l2, 0.01)

    def __call__(self, x: Any) -> Array:
        """Return the penalty."""
        array = Array.of_node(as_node(x))
        return self.l2 * ops.sum(array * array)


class OrthogonalRegularizer(Regularizer):
    """The mean absolute cosine between different rows, or columns, times a factor.

    Zero for a matrix whose rows (columns) are orthogonal to each other.

    Parameters
    ----------
    factor
        At least 0.
    mode
        "rows" or "columns".

    Raises
    ------
    UnknownNameError
        For a mode that is not known.

    >>> import nervure as nv
    >>> penalty = nv.regularizers.OrthogonalRegularizer(0.5)
    >>> penalty([[1.0, 0.0], [1.0, 0.0]]).item(), penalty(nv.eye(2)).item()
    (0.5, 0.0)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor, 0.01)
        if mode not in ("rows", "columns"):
            raise unknown_name(
                "mode of OrthogonalRegularizer", mode, ("rows", "columns")
            )
        self.mode = mode

    def __call__(self, x: Any) -> Array:
        """Return the penalty; raises :class:`ShapeError` unless x has two axes."""
        array = Array.of_node(as_node(x))
        if array.ndim != 2:
            raise ShapeError(
                explain(
                    "OrthogonalRegularizer compares the rows of a matrix, got shape "
                    f"{list(array.shape)}",
                    fix="use it for kernels with two axes, such as Dense's",
                )
            )
        rows = array if self.mode == "rows" else array.T
        squares = ops.sum(rows * rows, axis=1, keepdims=True)
        units = rows * ops.rsqrt(ops.maximum(squares, _SMALLEST_SQUARE))
        count = rows.shape[0]
        cosines = (units @ units.T) * (1.0 - ops.eye(count, dtype=array.dtype))
        pairs = max(1.0, count * (count - 1) / 2)
        return ops.sum(ops.abs(cosines)) * (0.5 * self.factor / pairs)


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer


def _factor(name: str, value: Any, default: float) -> float:
    number = default if value is None else finite_number(name, value)
    if number < 0:
        raise ArgumentError(
            explain(
                f"expected the factor {name} of a regularizer to be at least "
                f"0, got {value}",
                fix="pass a factor such as 0.01",
            )
        )
    return number


_registry: Registry[Callable[[Any], Any]] = Registry("regularizer")
_registry.add_classes(
    [L1, L2, L1L2, OrthogonalRegularizer], {"l1_l2": L1L2, "l1l2": L1L2}
)


def get(identifier: Any) -> Any:
    """Return the regularizer for a name, a configuration or a function; None for None.

    Raises :class:`~nervure.errors.UnknownNameError` with the nearest names.

    >>> import nervure as nv
    >>> nv.regularizers.get("l2").l2
    0.01
    """
    return None if identifier is None else _registry.get(identifier)


def serialize(regularizer: Any) -> Any:
    """Return the configuration of a regularizer, as plain data.

    >>> import nervure as nv
    >>> nv.regularizers.serialize(nv.regularizers.L1(0.5))
    {'class_name': 'L1', 'config': {'l1': 0.5}}
    """
    return _registry.serialize(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the regularizer for what :func:`serialize` returned.

    >>> import nervure as nv
    >>> nv.regularizers.deserialize({"class_name": "L1", "config": {"l1": 0.5}}).l1
    0.5
    """
    return _registry.deserialize(config, custom_objects)
