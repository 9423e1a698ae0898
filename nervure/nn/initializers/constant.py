"""First values that are always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from nervure import ops
from nervure.array import Array
from nervure.errors import ShapeError, explain
from nervure.nn.arguments import finite_number
from nervure.nn.initializers.base import Initializer, as_type


class Zeros(Initializer):
    """Zeros.

    >>> import nervure as nv
    >>> nv.initializers.Zeros()((2,)).tolist()
    [0.0, 0.0]
    """

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return zeros."""
        return ops.zeros(tuple(shape), dtype=as_type(dtype))


class Ones(Initializer):
    """Ones.

    >>> import nervure as nv
    >>> nv.initializers.Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return ones."""
        return ops.ones(tuple(shape), dtype=as_type(dtype))


class Constant(Initializer):
    """One value everywhere, or an array that broadcasts to the shape.

    >>> import nervure as nv
    >>> nv.initializers.Constant(0.5)((2,)).tolist()
    [0.5, 0.5]
    """

    def __init__(self, value: Any = 0.0) -> None:
        ops.asarray(value)  # raises for what is no number
        self.value = value

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return the value, repeated to the shape."""
        value = ops.astype(ops.asarray(self.value), as_type(dtype))
        return ops.broadcast_to(value, tuple(shape))


class Identity(Initializer):
    """The identity matrix times a number; for weights with two axes only.

    >>> import nervure as nv
    >>> nv.initializers.Identity()((2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        finite_number("gain", gain)
        self.gain = gain

    def __call__(
        self, shape: Sequence[int], dtype: npt.DTypeLike | None = None
    ) -> Array:
        """Return the matrix; raises :class:`ShapeError` for other ranks."""
        if len(shape) != 2:
            raise ShapeError(
                explain(
                    "identity initializes weights with 2 axes, got shape "
                    f"{list(shape)}",
                    fix="use another initializer, such as 'glorot_uniform'",
                )
            )
        return ops.eye(shape[0], shape[1], dtype=as_type(dtype)) * self.gain
