"""The namespace as a whole: the standard's names and signatures, and the examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from nervure import ops
from nervure.errors import UnknownNameError

# The Array API 2024.12, without imag: there are no complex numbers.
STANDARD = {
    "x, /": "abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh "
    "exp expm1 floor isfinite isinf isnan log log10 log1p log2 logical_not "
    "matrix_transpose negative nonzero positive real reciprocal round sign signbit sin "
    "sinh sqrt square tan tanh trunc unique_all unique_counts unique_inverse "
    "unique_values",
    "x1, x2, /": "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_xor "
    "bitwise_right_shift copysign divide equal floor_divide greater greater_equal "
    "hypot less less_equal logaddexp logical_and logical_or logical_xor matmul maximum "
    "minimum multiply nextafter not_equal pow remainder subtract",
    "x, /, *, axis, keepdims": "all any argmax argmin count_nonzero max mean min",
    "x, /, *, axis, dtype, keepdims": "prod sum",
    "x, /, *, axis, correction, keepdims": "std var",
    "x, /, *, axis, dtype, include_initial": "cumulative_prod cumulative_sum",
    "x, /, *, axis, n, prepend, append": "diff",
    "x, /, *, axis, descending, stable": "argsort sort",
    "x, /, *, axis": "expand_dims flip unstack",
    "x, /, min, max": "clip",
    "x, /, axis": "squeeze",
    "x, /, axes": "permute_dims",
    "x, /, shape": "broadcast_to",
    "x, /, shape, *, copy": "reshape",
    "x, /, shift, *, axis": "roll",
    "x, /, *, k": "tril triu",
    "x, /, *, device, copy": "from_dlpack",
    "x, /, *, dtype, device": "empty_like ones_like zeros_like",
    "x, /, fill_value, *, dtype, device": "full_like",
    "x, dtype, /, *, copy, device": "astype",
    "x, source, destination, /": "moveaxis",
    "x, repeats, /, *, axis": "repeat",
    "x, repetitions, /": "tile",
    "x, indices, /, *, axis": "take take_along_axis",
    "x1, x2, /, *, axes": "tensordot",
    "x1, x2, /, *, axis": "vecdot",
    "x1, x2, /, *, side, sorter": "searchsorted",
    "arrays, /, *, axis": "concat stack",
    "condition, x1, x2, /": "where",
    "from_, to, /": "can_cast",
    "dtype, kind": "isdtype",
    "type, /": "finfo iinfo",
    "obj, /, *, dtype, device, copy": "asarray",
    "shape, *, dtype, device": "empty ones zeros",
    "shape, fill_value, *, dtype, device": "full",
    "start, /, stop, step, *, dtype, device": "arange",
    "start, stop, /, num, *, dtype, device, endpoint": "linspace",
    "n_rows, n_cols, /, *, k, dtype, device": "eye",
    "*arrays": "broadcast_arrays",
    "*arrays, indexing": "meshgrid",
    "*arrays_and_dtypes": "result_type",
    "": "__array_namespace_info__",
}
ENTRIES = [
    (name, signature) for signature, names in STANDARD.items() for name in names.split()
]
MODULES = [module.name for module in pkgutil.iter_modules(ops.__path__, "nervure.ops.")]


def test_the_standard_is_whole() -> None:
    assert len(ENTRIES) == len({name for name, _ in ENTRIES}) == 133
    assert {name for name, _ in ENTRIES} <= set(ops.__all__)


@pytest.mark.parametrize("name, signature", ENTRIES)
def test_signatures_accept_what_the_standard_says(name: str, signature: str) -> None:
    """A call may also give by position what the standard wants by name."""
    ours = inspect.signature(getattr(ops, name)).parameters
    wanted = signature.split(", ") if signature else []
    named = wanted[wanted.index("*") + 1 :] if "*" in wanted else []
    placed = wanted[: wanted.index("*")] if "*" in wanted else wanted
    only = placed.index("/") if "/" in placed else 0
    placed = [one for one in placed if one != "/"]
    for place, (parameter, rule) in enumerate(zip(placed, ours.values())):
        if parameter.startswith("*"):
            assert rule.kind is rule.VAR_POSITIONAL
            named, placed = placed[place + 1 :], placed[: place + 1]
            break
        assert rule.name == parameter
        by_name = rule.POSITIONAL_OR_KEYWORD
        assert rule.kind is (rule.POSITIONAL_ONLY if place < only else by_name)
    for parameter in named:
        rule = ours[parameter]
        assert rule.kind in (rule.KEYWORD_ONLY, rule.POSITIONAL_OR_KEYWORD)
    for rule in list(ours.values())[len(placed) :]:
        assert rule.name in named or rule.default is not rule.empty


@pytest.mark.parametrize("name", sorted(set(ops.__all__)))
def test_every_function_has_an_example(name: str) -> None:
    assert ">>>" in (getattr(ops, name).__doc__ or "")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_info() -> None:
    info = ops.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] is True
    assert info.capabilities()["data-dependent shapes"] is True
    assert info.devices() == [info.default_device()] == ["cpu"]
    defaults = {key: str(value) for key, value in info.default_dtypes().items()}
    assert defaults == {
        "real floating": "float32",
        "integral": "int64",
        "indexing": "int64",
    }
    assert list(info.dtypes(kind="bool")) == ["bool"]
    assert list(info.dtypes(kind=("real floating", "bool"))) == [
        "bool",
        "float32",
        "float64",
    ]
    assert len(info.dtypes()) == 11
    with pytest.raises(UnknownNameError, match="unknown device"):
        info.default_dtypes(device="gpu")
