"""A function of arrays applied to many rows, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nervure import tree
from nervure.exec.base import filled_up
from nervure.ir.attrs import NDArray


def by_batches(
    function: Callable[..., Any], arrays: Sequence[NDArray], batch_size: int
) -> Any:
    """Return what a function makes of the rows of arrays.

    Parameters
    ----------
    function
        Takes the rows of a batch, one array for each of ``arrays``, and returns arrays
        with as many rows in a tuple, list or dict (or one).  It must treat each row by
        itself: the last batch is filled up with copies of its last row to a power of
        two, so that few programs are made.
    arrays
        ``[rows, ...]``, all with as many rows, at least one.
    batch_size
        The most rows of a batch.

    Returns
    -------
    NumPy arrays in the structure in which the function returns them, of all rows.

    >>> import numpy as np
    >>> by_batches(lambda x: x * 2, [np.arange(5)], 2).tolist()
    [0, 2, 4, 6, 8]
    """
    rows = len(arrays[0])
    parts: list[list[NDArray]] = []
    structure = tree.LEAF
    for start in range(0, rows, batch_size):
        batch = [one[start : start + batch_size] for one in arrays]
        count = len(batch[0])
        size = min(1 << (count - 1).bit_length(), batch_size)
        results = function(*(filled_up(one, size) for one in batch))
        leaves, structure = tree.flatten(results)
        parts.append([np.asarray(leaf)[:count] for leaf in leaves])
    whole = [np.concatenate(list(column)) for column in zip(*parts, strict=True)]
    return tree.unflatten(structure, whole)
