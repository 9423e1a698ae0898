"""Elementwise functions and operators of the standard, special values included."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from tests.array_api.drawing import (
    ALL,
    FLOATS,
    INTEGERS,
    NUMERIC,
    QUICK,
    SIGNED,
    UNSIGNED,
    arrays,
    both,
    elements,
    names_in,
)

TRUTH = ("bool", *INTEGERS)
UNARY = {
    FLOATS: "acos acosh asin asinh atan atanh cos cosh exp expm1 log log10 log1p log2 "
    "reciprocal signbit sin sinh sqrt tan tanh",
    NUMERIC: "abs ceil floor isfinite isinf isnan negative positive round sign square "
    "trunc",
    TRUTH: "bitwise_invert",
    ("bool",): "logical_not",
}
BINARY = {
    FLOATS: "atan2 copysign divide hypot logaddexp nextafter",
    NUMERIC: "add floor_divide greater greater_equal less less_equal maximum minimum "
    "multiply pow remainder subtract",
    ALL: "equal not_equal",
    TRUTH: "bitwise_and bitwise_or bitwise_xor",
    INTEGERS: "bitwise_left_shift bitwise_right_shift",
    ("bool",): "logical_and logical_or logical_xor",
}
UNARY_CASES = [(name, kind) for kind, names in UNARY.items() for name in names.split()]
BINARY_CASES = [
    (name, kind) for kind, names in BINARY.items() for name in names.split()
]
# Integers: the standard leaves open what these mean for an integer divisor of zero, a
# negative exponent or a shift by more bits than there are.
NARROW = {
    "floor_divide": "divisor",
    "remainder": "divisor",
    "pow": "exponent",
    "bitwise_left_shift": "shift",
    "bitwise_right_shift": "shift",
}


def narrowed(name: str, x2: Any) -> Any:
    """Return a second operand whose result the standard defines."""
    kind = NARROW.get(name)
    if kind is None or x2.dtype.kind == "f":
        return x2
    if kind == "divisor":
        return np.where(x2 == 0, 1, x2).astype(x2.dtype)
    bits = 8 * x2.dtype.itemsize
    return np.remainder(x2, 4 if kind == "exponent" else bits).astype(x2.dtype)


@st.composite
def pairs(draw: Any, kind: tuple[str, ...]) -> Any:
    """Return two arrays of types that promote, of shapes that broadcast."""
    first = draw(st.sampled_from(kind))
    alike = next(
        [one for one in group if one in kind]
        for group in (("bool",), INTEGERS, FLOATS)
        if first in group
    )
    if first == "uint64":
        alike = [one for one in alike if one in UNSIGNED]
    elif first in SIGNED:
        alike = [one for one in alike if one != "uint64"]
    second = draw(st.sampled_from(alike))
    found = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)
    )
    return tuple(
        draw(hnp.arrays(name, shape, elements=elements(name)))
        for name, shape in zip((first, second), found.input_shapes)
    )


@pytest.mark.parametrize("name, kind", UNARY_CASES)
def test_unary(name: str, kind: tuple[str, ...]) -> None:
    @QUICK
    @given(arrays(kind))
    def check(x: Any) -> None:
        both(lambda xp, x: getattr(xp, name)(x), x)

    check()


@pytest.mark.parametrize("name, kind", BINARY_CASES)
def test_binary(name: str, kind: tuple[str, ...]) -> None:
    @QUICK
    @given(pairs(kind))
    def check(operands: Any) -> None:
        x1, x2 = operands
        both(lambda xp, a, b: getattr(xp, name)(a, b), x1, narrowed(name, x2))

    check()


def test_every_elementwise_function_is_here() -> None:
    tried = {name for name, _ in UNARY_CASES + BINARY_CASES}
    of_standard = names_in("_elementwise_functions")
    # ``clip`` has a test below, the three others have one in test_names.py
    assert of_standard - tried == {"clip", "conj", "imag", "real"}


@QUICK
@given(arrays(NUMERIC), st.data())
def test_clip(x: Any, data: Any) -> None:
    bounds = sorted(
        data.draw(
            st.lists(elements(x.dtype.name, ordinary=True), min_size=2, max_size=2)
        )
    )
    low, high = (data.draw(st.sampled_from([None, one])) for one in bounds)
    both(lambda xp, x: xp.clip(x, low, high), x)
    if low is not None and high is not None:
        both(lambda xp, x, a, b: xp.clip(x, a, b), x, *np.asarray(bounds, x.dtype))


OPERATORS = {
    "add": NUMERIC,
    "sub": NUMERIC,
    "mul": NUMERIC,
    "truediv": FLOATS,
    "floordiv": NUMERIC,
    "mod": NUMERIC,
    "pow": NUMERIC,
    "and_": TRUTH,
    "or_": TRUTH,
    "xor": TRUTH,
    "lshift": INTEGERS,
    "rshift": INTEGERS,
    "eq": ALL,
    "ne": ALL,
    "lt": NUMERIC,
    "le": NUMERIC,
    "gt": NUMERIC,
    "ge": NUMERIC,
}
AS_FUNCTION = {
    "floordiv": "floor_divide",
    "mod": "remainder",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str) -> None:
    apply = getattr(operator, name)
    function = AS_FUNCTION.get(name, name)

    @QUICK
    @given(pairs(OPERATORS[name]), st.data())
    def check(operands: Any, data: Any) -> None:
        x1, x2 = operands
        x2 = narrowed(function, x2)
        both(lambda xp, a, b: apply(a, b), x1, x2)
        # a Python number takes the type of the array, on either side
        scalar = data.draw(elements(x1.dtype.name, ordinary=True))
        wide = np.asarray(scalar, x1.dtype)
        both(lambda xp, a: apply(a, narrowed(function, wide).item()), x1)
        both(lambda xp, b: apply(scalar, b), narrowed(function, x1))

    check()


@pytest.mark.parametrize("name", OPERATORS)
def test_in_place_operators(name: str) -> None:
    """``x += y`` gives ``x + y`` to the name, and keeps the type."""
    apply = getattr(operator, f"i{name.rstrip('_')}", None)
    if apply is None:
        assert name in ("eq", "ne", "lt", "le", "gt", "ge")
        return
    for dtype in OPERATORS[name]:
        x = nv.asarray(np.array([1, 1]), dtype=dtype)
        before = x
        y = apply(x, nv.asarray(np.array([1, 1]), dtype=dtype))
        assert y.dtype == before.dtype
        np.testing.assert_array_equal(np.asarray(before), [1, 1])
        same = getattr(operator, name)(
            before, nv.asarray(np.array([1, 1]), dtype=dtype)
        )
        np.testing.assert_array_equal(np.asarray(y), np.asarray(same))


@QUICK
@given(arrays(NUMERIC))
def test_unary_operators(x: Any) -> None:
    both(lambda xp, x: [+x, -x, abs(x)], x)
    if x.dtype.kind in "iu":
        both(lambda xp, x: ~x, x)


@QUICK
@given(arrays(ALL, ()))
def test_a_single_element_becomes_a_python_number(x: Any) -> None:
    array = nv.asarray(x)
    assert bool(array) == bool(x)
    assert float(array) == float(x) or x != x
    if x.dtype.kind in "iu":
        assert int(array) == operator.index(array) == int(x)
    if x.dtype.kind == "f":
        with pytest.raises(TypeError):
            operator.index(array)
    assert complex(array) == complex(x) or x != x
