"""What the tests of random numbers look at: values without rounding, and bits."""

from __future__ import annotations

from typing import Any

import numpy as np

import nervure as nv


def as_float64(x: nv.Array) -> Any:
    """Return the values in a type that holds them exactly."""
    return x.numpy().astype(np.float64)


def bits_of(x: nv.Array) -> list[int]:
    """Return the bits of the elements as whole numbers."""
    value = x.numpy()
    if value.dtype == np.bool_:
        return [int(one) for one in value.ravel()]
    integer = np.dtype(f"uint{8 * value.itemsize}")
    return [int(one) for one in np.ascontiguousarray(value).view(integer).ravel()]
