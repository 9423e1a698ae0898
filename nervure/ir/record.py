"""The type of a node with several results.

A node has one value.  That of an operation with several results (``call``, ``cond``,
``while_loop``, ``scan``) is a *record*: a tuple of arrays, which only the primitive
``part`` reads.  Its shape is ``()`` and its data type a structured NumPy type with one
field for each result.  A field's name holds the shape of the result, because NumPy
limits the bytes of a field that is an array itself.

Records never leave a graph, never lie in memory as one piece, and need no rule in the
parts of the system that know arrays only: they see ``part`` nodes, one for each result,
each with an ordinary type.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from nervure.dtypes import DType

Shape = tuple[int, ...]
ResultType = tuple[Shape, DType]


def record_type(types: Sequence[ResultType]) -> DType:
    """Return the type of a record of results, given the shape and type of each.

    >>> result_types(record_type([((2, 3), np.dtype("float32"))]))
    (((2, 3), dtype('float32')),)
    """
    return np.dtype(
        [
            (f"{place}:{'x'.join(map(str, shape))}", dtype)
            for place, (shape, dtype) in enumerate(types)
        ]
    )


def is_record(dtype: DType) -> bool:
    """Tell whether a type is that of several results."""
    return dtype.names is not None


@functools.lru_cache(maxsize=1024)
def result_types(dtype: DType) -> tuple[ResultType, ...]:
    """Return the shape and the data type of every result of a record."""
    found = []
    for name in dtype.names or ():
        sizes = name.partition(":")[2]
        shape = tuple(map(int, sizes.split("x"))) if sizes else ()
        found.append((shape, dtype[name]))
    return tuple(found)


def type_text(shape: Shape, dtype: DType) -> str:
    """Write a type: ``float32[32, 10]``, or ``(float32[2], int64[])`` for a record."""
    if dtype.names is None:
        return f"{dtype.name}[{', '.join(map(str, shape))}]"
    parts = [type_text(*one) for one in result_types(dtype)]
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
