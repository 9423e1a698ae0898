"""What the tests of the standard share: arrays to try, and how results are compared.

The truth is ``array_api_strict``, the standard's own strict implementation: it allows
what the standard allows and nothing more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import array_api_strict as strict

    strict.set_array_api_strict_flags(api_version="2024.12")

SIGNED: Final = ("int8", "int16", "int32", "int64")
UNSIGNED: Final = ("uint8", "uint16", "uint32", "uint64")
INTEGERS: Final = SIGNED + UNSIGNED
FLOATS: Final = ("float32", "float64")
NUMERIC: Final = INTEGERS + FLOATS
ALL: Final = ("bool", *NUMERIC)
# What the truth has from the revision of 2025, or of its own.
LATER: Final = {"broadcast_shapes", "isin"}
# Each test draws examples of one function; together they are some tens of thousands.
QUICK: Final = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
SHAPES: Final = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
# Denormals are left out: what becomes of them is the machine's decision.
SPECIAL: Final = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan)


def elements(dtype: str, ordinary: bool = False) -> st.SearchStrategy[Any]:
    """Return numbers of a type; ``ordinary`` ones are small and finite."""
    if dtype == "bool":
        return st.booleans()
    if dtype in FLOATS:
        width = 32 if dtype == "float32" else 64
        some = st.floats(-100, 100, width=width, allow_subnormal=False)
        return some if ordinary else some | st.sampled_from(SPECIAL)
    info = np.iinfo(dtype)
    if ordinary:
        return st.integers(max(info.min, -9), 9)
    return st.integers(info.min, info.max) | st.integers(max(info.min, -9), 9)


def arrays(
    dtypes: str | tuple[str, ...],
    shape: Any = SHAPES,
    ordinary: bool = False,
) -> st.SearchStrategy[Any]:
    """Return NumPy arrays of one of several types."""
    names = (dtypes,) if isinstance(dtypes, str) else dtypes
    return st.sampled_from(names).flatmap(
        lambda name: hnp.arrays(name, shape, elements=elements(name, ordinary))
    )


def both(call: Callable[[Any, Any], Any], *data: Any) -> None:
    """Call a function of a namespace and of arrays twice, and compare the results."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = call(strict, *(strict.asarray(one) for one in data))
    found = call(nv, *(nv.asarray(one) for one in data))
    same(found, wanted)


def same(found: Any, wanted: Any) -> None:
    """Raise unless two results have equal types, shapes and values."""
    if isinstance(wanted, list | tuple):
        assert isinstance(found, list | tuple) and len(found) == len(wanted)
        for one, other in zip(found, wanted):
            same(one, other)
        return
    if not hasattr(wanted, "shape"):
        assert type(found) is type(wanted)
        assert found == wanted or (found != found and wanted != wanted)
        return
    assert isinstance(found, nv.Array)
    theirs = np.asarray(wanted._array)
    ours = np.asarray(found)
    assert found.shape == ours.shape == theirs.shape
    assert str(found.dtype) == str(theirs.dtype)
    if theirs.dtype.kind == "f":
        tolerance = 1e-5 if theirs.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
        zero = (theirs == 0) & (ours == 0)
        np.testing.assert_array_equal(np.signbit(ours[zero]), np.signbit(theirs[zero]))
    else:
        np.testing.assert_array_equal(ours, theirs)


def names_in(module: str) -> set[str]:
    """Return the functions of one of the standard's groups, by the truth's module."""
    return {
        name
        for name in {*strict.__all__} - LATER
        if getattr(getattr(strict, name), "__module__", "").endswith(f".{module}")
    }
