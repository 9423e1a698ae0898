"""Nothing of the standard is silently absent."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import nervure as nv
from tests.array_api.drawing import LATER, strict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "array_api.md"
# What is about complex numbers; docs/array_api.md says so.
COMPLEX = {"complex64", "complex128", "imag"}
OF_THE_TRUTH_ALONE = {
    *("ArrayAPIStrictFlags", "Device", "get_array_api_strict_flags"),
    *("reset_array_api_strict_flags", "set_array_api_strict_flags"),
    *("__array_api_version__", "fft", "linalg"),
}
STANDARD = sorted({*strict.__all__} - COMPLEX - LATER - OF_THE_TRUTH_ALONE)
FUNCTIONS = [
    name
    for name in STANDARD
    if callable(getattr(strict, name)) and not inspect.isclass(getattr(strict, name))
]
# Python applies ``x + y`` where ``x += y`` is not defined; arrays do not change.
IN_PLACE = re.compile(
    r"__i(add|and|floordiv|lshift|matmul|mod|mul|or|pow|rshift|sub)__"
)


def test_every_name_is_here() -> None:
    assert len(STANDARD) > 145
    assert [name for name in STANDARD if not hasattr(nv, name)] == []
    assert [name for name in COMPLEX if hasattr(nv, name)] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_here(name: str) -> None:
    theirs = inspect.signature(getattr(strict, name)).parameters
    ours = inspect.signature(getattr(nv, name)).parameters
    for parameter in theirs.values():
        other = ours[parameter.name]
        default = parameter.default
        if default is not parameter.empty and "Undef" not in repr(default):
            assert other.default == default
        if parameter.kind is not parameter.KEYWORD_ONLY:
            assert other.kind in (parameter.kind, other.POSITIONAL_OR_KEYWORD)
        else:
            assert other.kind is not other.POSITIONAL_ONLY
    asked = [one for one in theirs.values() if one.default is one.empty]
    wanted = [
        one.name
        for one in ours.values()
        if one.default is one.empty and one.kind is not one.VAR_POSITIONAL
    ]
    assert {*wanted} <= {one.name for one in asked}


def test_every_attribute_of_arrays_is_here() -> None:
    wanted = {
        name
        for name in dir(strict.zeros(1))
        if not re.match(r"_[a-z]", name) and name != "__buffer__"
    }
    absent = {name for name in wanted if not hasattr(nv.Array, name)}
    assert {name for name in absent if not IN_PLACE.match(name)} <= {
        *("__ixor__", "__itruediv__")
    }


def test_linear_algebra() -> None:
    """The extension is whole but for what the page names."""
    assert [
        name for name in strict.linalg.__all__ if not hasattr(nv.linalg, name)
    ] == []


def test_what_is_absent_says_why() -> None:
    with pytest.raises(AttributeError, match="no complex numbers"):
        _ = nv.fft
    with pytest.raises(TypeError):
        nv.asarray(np.ones(2, "complex64"))
    page = PAGE.read_text()
    for name in (*COMPLEX, "fft", "float32", "uint64", "copy=False"):
        assert f"`{name}`" in page, name


def test_conjugates_and_real_parts_of_real_numbers() -> None:
    for dtype in ("int8", "uint64", "float32", "float64"):
        x = nv.ones((2, 3), dtype=dtype)
        for function in (nv.conj, nv.real):
            assert function(x).dtype == x.dtype
            assert function(x).tolist() == x.tolist()
    with pytest.raises(TypeError):
        nv.conj(nv.asarray([True]))
