"""A dropout rate as an input of the program, so that all rates share one program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.ir.attrs import NDArray
from nervure.ops.nn.dropout import dropped_below
from nervure.state import Cell

_WORD = 2**32


class SharedRate:
    """What a training step needs of a rate, in cells that it reads.

    The bits are those of :func:`nervure.ops.nn.dropout` with the same rate and key.

    Parameters
    ----------
    rate
        From 0 to 1, checked.
    dtype
        The type of the computation.
    """

    def __init__(self, rate: float, dtype: DType) -> None:
        # A word of 32 bits below the limit keeps an element; no word is above the
        # largest, so a rate of almost 0 drops one element in 2^32.
        limit = min(round((1.0 - rate) * _WORD), _WORD - 1)
        factor = 1.0 / (1.0 - rate) if rate < 1 else 1.0
        self._limit = _cell(np.asarray(limit, dtypes.uint32), "dropout_limit")
        self._factor = _cell(np.asarray(factor, dtype), "dropout_factor")

    def dropped(
        self, x: Array, key: Array, noise_shape: Sequence[int | None] | None
    ) -> Array:
        """Return x with elements set to 0 at random and the others scaled up."""
        factor = self._factor.value.astype(x.dtype)
        return dropped_below(x, self._limit.value, factor, key, noise_shape)


def _cell(value: NDArray, name: str) -> Cell:
    value.flags.writeable = False
    return Cell(Array.of_value(value), name)
