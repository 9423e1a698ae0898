"""The first values of weights: those of an initializer, or none that matter.

While a model is read from a file its weights get the file's values at once.  Then no
initializer runs, no random number is drawn, and the weights cannot take more memory
than the file has numbers for, whatever sizes it claims.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from nervure.dtypes import DType
from nervure.errors import FileFormatError, ShapeError, explain
from nervure.nn.functions import require_parameters


class _Room:
    """The bytes that are left for weights."""

    def __init__(self, size: int) -> None:
        self.left = size


_room: ContextVar[_Room | None] = ContextVar("nervure_room", default=None)


@contextlib.contextmanager
def values_from_a_file(size: int) -> Iterator[None]:
    """Make weights without values inside the block, of ``size`` bytes at most."""
    token = _room.set(_Room(size))
    try:
        yield
    finally:
        _room.reset(token)


def reads_a_file() -> bool:
    """Tell whether what is made now is described by a file, not by the user.

    >>> reads_a_file()
    False
    """
    return _room.get() is not None


def first_value(
    make: Callable[..., Any], shape: tuple[int, ...], dtype: DType, name: str
) -> Any:
    """Return the first value of a weight.

    Raises :class:`~nervure.errors.FileFormatError` when a file is read that has fewer
    numbers than its weights.
    """
    room = _room.get()
    if room is None:
        require_parameters(
            f"the initializer of {name!r}",
            make,
            "shape",
            keywords=["dtype"],
            fix="write def initializer(shape, dtype=None), with an array of that shape "
            "as result",
        )
        value = make(shape, dtype=dtype)
        if np.shape(value) != shape:
            raise ShapeError(
                explain(
                    f"the initializer of {name!r} returned the shape "
                    f"{list(np.shape(value))}, expected {list(shape)}",
                    fix="return an array of the shape that it is given",
                )
            )
        return value
    room.left -= math.prod(shape) * dtype.itemsize
    if room.left < 0:
        raise FileFormatError(
            explain(
                f"the file describes a weight {name!r} of shape {list(shape)}, but it "
                "holds fewer numbers than that",
                fix="write it again, or do not trust it",
            )
        )
    return np.zeros(shape, dtype)
