"""The base class of initializers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from nervure import dtypes
from nervure.dtypes import DType
from nervure.nn.configuration import Configurable


class Initializer(Configurable):
    """The base class: ``__call__(shape, dtype)`` returns the values.

    A class of your own stores its arguments in attributes of the same names and
    defines ``__call__``.

    >>> import nervure as nv
    >>> class Counting(nv.initializers.Initializer):
    ...     def __call__(self, shape, dtype=None):
    ...         return nv.arange(shape[-1], dtype=dtype) + nv.zeros(shape, dtype=dtype)
    >>> nv.layers.Dense(2, kernel_initializer=Counting())([[1.0, 1.0]]).tolist()
    [[0.0, 2.0]]
    """

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike | None = None) -> Any:
        """Return an array of a shape and type (float32 by default)."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__()")


def as_type(dtype: npt.DTypeLike | None) -> DType:
    """Return the type of new weights: float32 unless one is given."""
    return dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
