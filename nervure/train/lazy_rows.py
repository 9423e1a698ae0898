"""Rows that stay where they are until a batch needs them.

These are memory-mapped files, h5py data sets and large sparse matrices.  Only the rows
of the next steps are in memory, so the data may be larger than it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from nervure.ir.attrs import NDArray

# A sparse matrix with fewer bytes than this, when dense, is made dense at once.
_DENSE_AT_ONCE: Final = 1 << 24


@dataclass(frozen=True)
class Column:
    """One of x, y and the weights: something with rows that can be read."""

    data: Any
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, with the rows first."""
        return (self.stop - self.start, *map(int, self.data.shape[1:]))

    def between(self, start: int, stop: int) -> Column:
        """Return some of the rows, without reading them."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def read(self, rows: NDArray) -> NDArray:
        """Return rows ``int64[n]`` as ``[n, ...]``, in memory.

        They are read in the order of the file, which disks and h5py want.
        """
        rows = rows + self.start
        if rows.size and np.array_equal(rows, np.arange(rows[0], rows[0] + rows.size)):
            return self._dense(self.data[int(rows[0]) : int(rows[0]) + rows.size])
        order = np.argsort(rows, kind="stable")
        ordered = self._dense(self.data[rows[order]])
        result = np.empty_like(ordered)
        result[order] = ordered
        return result

    def _dense(self, part: Any) -> NDArray:
        return np.asarray(part.toarray() if hasattr(part, "toarray") else part)


def is_lazy(data: Any) -> bool:
    """Tell whether rows are to be read when they are needed."""
    if isinstance(data, np.memmap) or _is_h5py(data):
        return bool(getattr(data, "ndim", 0))
    if is_sparse(data):
        size = np.prod(data.shape, dtype=np.float64) * 4
        return bool(len(data.shape) == 2 and size > _DENSE_AT_ONCE)
    return False


def is_sparse(data: Any) -> bool:
    """Tell whether data are a sparse matrix or array of SciPy."""
    return hasattr(data, "toarray") and hasattr(data, "tocsr")


def _is_h5py(data: Any) -> bool:
    kind = type(data)
    return kind.__name__ == "Dataset" and kind.__module__.startswith("h5py")


def as_column(data: Any) -> Column:
    """Return data that :func:`is_lazy` accepts, or an array, as a column."""
    readable = data.tocsr() if is_sparse(data) else data
    return Column(readable, 0, int(data.shape[0]))
