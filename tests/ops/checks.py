"""What the tests of the array functions share: comparing values and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import nervure as nv


def assert_equal(got: Any, want: Any) -> None:
    """Compare values, shape and type exactly; NaN equals NaN, -0.0 is not 0.0."""
    assert isinstance(got, nv.Array)
    value, want = got.numpy(), np.asarray(want)
    assert (got.shape, got.dtype) == (value.shape, value.dtype)
    assert value.shape == want.shape
    assert value.dtype == want.dtype
    np.testing.assert_array_equal(value, want)
    if value.dtype.kind == "f":
        real = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(value[real]), np.signbit(want[real]))


def assert_close(got: Any, want: Any, ulp: float = 4) -> None:
    """Compare shape and type exactly, and values to some units in the last place."""
    assert isinstance(got, nv.Array)
    value, want = got.numpy(), np.asarray(want)
    assert value.shape == want.shape
    assert value.dtype == want.dtype
    finite = np.isfinite(want)
    np.testing.assert_array_equal(value[~finite], want[~finite])
    distance = np.abs(value[finite] - want[finite])
    assert np.all(distance <= ulp * np.spacing(np.abs(want[finite])))


def assert_gradient(
    function: Callable[..., Any], *arguments: Any, tolerance: float = 1e-6
) -> None:
    """Compare derivatives with central differences in one random direction."""
    random = np.random.default_rng(0)
    values = [np.asarray(argument, np.float64) for argument in arguments]
    directions = [random.normal(size=value.shape) for value in values]
    places = range(len(values))
    weights = random.normal(size=function(*map(nv.asarray, values)).shape)

    def loss(*arrays: Any) -> Any:
        return nv.sum(function(*arrays) * nv.asarray(weights))

    gradients = nv.grad(loss, tuple(places))(*map(nv.asarray, values))
    slope = sum(
        float(np.sum(gradient.numpy() * direction))
        for gradient, direction in zip(gradients, directions)
    )
    step = 1e-6
    ends = [
        float(
            loss(
                *(
                    nv.asarray(value + sign * step * direction)
                    for value, direction in zip(values, directions)
                )
            )
        )
        for sign in (1, -1)
    ]
    difference = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope - difference) <= tolerance * max(1.0, abs(difference))
