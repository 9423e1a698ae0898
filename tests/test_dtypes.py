"""Data types: the whole promotion table, against the standard, NumPy and torch."""

from __future__ import annotations

import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from nervure import dtypes
from nervure.dtypes import DType, promote, promote_scalar, result_type
from nervure.errors import DTypeError

SHORT = {
    "b": dtypes.bool_,
    "i1": dtypes.int8,
    "i2": dtypes.int16,
    "i4": dtypes.int32,
    "i8": dtypes.int64,
    "u1": dtypes.uint8,
    "u2": dtypes.uint16,
    "u4": dtypes.uint32,
    "u8": dtypes.uint64,
    "f2": dtypes.float16,
    "bf": dtypes.bfloat16,
    "f4": dtypes.float32,
    "f8": dtypes.float64,
}

# Every pair; "-" means an error: no integer type holds uint64 and a negative number.
TABLE = """
    b  i1 i2 i4 i8 u1 u2 u4 u8 f2 bf f4 f8
b   b  i1 i2 i4 i8 u1 u2 u4 u8 f2 bf f4 f8
i1  i1 i1 i2 i4 i8 i2 i4 i8 -  f2 bf f4 f8
i2  i2 i2 i2 i4 i8 i2 i4 i8 -  f2 bf f4 f8
i4  i4 i4 i4 i4 i8 i4 i4 i8 -  f2 bf f4 f8
i8  i8 i8 i8 i8 i8 i8 i8 i8 -  f2 bf f4 f8
u1  u1 i2 i2 i4 i8 u1 u2 u4 u8 f2 bf f4 f8
u2  u2 i4 i4 i4 i8 u2 u2 u4 u8 f2 bf f4 f8
u4  u4 i8 i8 i8 i8 u4 u4 u4 u8 f2 bf f4 f8
u8  u8 -  -  -  -  u8 u8 u8 u8 f2 bf f4 f8
f2  f2 f2 f2 f2 f2 f2 f2 f2 f2 f2 f4 f4 f8
bf  bf bf bf bf bf bf bf bf bf f4 bf f4 f8
f4  f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f8
f8  f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8 f8
"""

# Array API 2024.12, "Type Promotion Rules": the tables for signed and unsigned
# integers, mixed signs, and real floating-point types, without the symmetric halves.
STANDARD = """
i1 i1 i1, i1 i2 i2, i1 i4 i4, i1 i8 i8, i2 i2 i2, i2 i4 i4, i2 i8 i8, i4 i4 i4,
i4 i8 i8, i8 i8 i8, u1 u1 u1, u1 u2 u2, u1 u4 u4, u1 u8 u8, u2 u2 u2, u2 u4 u4,
u2 u8 u8, u4 u4 u4, u4 u8 u8, u8 u8 u8, i1 u1 i2, i1 u2 i4, i1 u4 i8, i2 u1 i2,
i2 u2 i4, i2 u4 i8, i4 u1 i4, i4 u2 i4, i4 u4 i8, i8 u1 i8, i8 u2 i8, i8 u4 i8,
f4 f4 f4, f4 f8 f8, f8 f8 f8, b b b
"""


def table() -> dict[tuple[DType, DType], DType | None]:
    """Return the whole table; None where there is an error."""
    header, *rows = TABLE.strip().splitlines()
    found = {}
    for row in rows:
        first, *results = row.split()
        for second, result in zip(header.split(), results, strict=True):
            found[SHORT[first], SHORT[second]] = SHORT.get(result)
    return found


PAIRS = list(itertools.product(dtypes.ALL, repeat=2))


def test_the_table_has_every_pair() -> None:
    assert set(table()) == set(PAIRS)
    assert len(PAIRS) == 13 * 13


def test_promotion_is_as_in_the_table() -> None:
    for (first, second), expected in table().items():
        if expected is None:
            names = f"{first.name} and {second.name}"
            with pytest.raises(DTypeError, match=f"holds both .*({names}|u?int)"):
                promote(first, second)
        else:
            assert promote(first, second) is expected, (first, second)


def test_promotion_is_that_of_the_array_api() -> None:
    entries = [entry.split() for entry in STANDARD.replace("\n", " ").split(",")]
    assert len(entries) == 36
    for first, second, expected in entries:
        assert promote(SHORT[first], SHORT[second]) == SHORT[expected]
        assert promote(SHORT[second], SHORT[first]) == SHORT[expected]


def test_promotion_within_a_kind_is_that_of_numpy() -> None:
    for first, second in PAIRS:
        kinds = {dtypes.kind_of(first), dtypes.kind_of(second)}
        mixed = kinds not in (
            {"signed"},
            {"unsigned"},
            {"signed", "unsigned"},
            {"float"},
        )
        narrow = dtypes.bfloat16 in (first, second)
        if mixed or narrow or table()[first, second] is None:
            continue
        assert promote(first, second) == np.promote_types(first, second)


def test_integers_with_floats_are_as_in_torch() -> None:
    """The standard leaves these open; NumPy would make float64 of most of them."""
    torch = pytest.importorskip("torch")
    # torch knows the wider unsigned types, but not how to promote them
    known = (dtypes.bool_, *dtypes.SIGNED, dtypes.uint8, *dtypes.FLOATS)
    for first, second in itertools.product(known, repeat=2):
        theirs = (getattr(torch, one.name) for one in (first, second))
        result = torch.promote_types(*theirs)
        assert str(result) == f"torch.{promote(first, second).name}"


def test_promotion_does_not_depend_on_the_order() -> None:
    for first, second in PAIRS:
        if table()[first, second] is not None:
            assert promote(first, second) is promote(second, first)


def test_integers_and_wider_floats_lose_nothing_when_promoted() -> None:
    for first, second in PAIRS:
        result = table()[first, second]
        if result is None or dtypes.is_float(result) != dtypes.is_float(first):
            continue
        if dtypes.is_float(first):
            assert result.itemsize >= first.itemsize
        elif dtypes.is_integer(first):
            assert np.iinfo(result).min <= np.iinfo(first).min
            assert np.iinfo(result).max >= np.iinfo(first).max


def test_the_error_says_how_to_mend_it() -> None:
    with pytest.raises(DTypeError) as caught:
        promote(dtypes.uint64, dtypes.int8)
    assert f"{caught.value}".splitlines() == [
        "no integer type holds both uint64 and int8",
        "  fix: cast one operand, for example with .astype('int64')",
    ]


# --- scalars and several types -------------------------------------------------------


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_a_python_scalar_takes_the_type_of_the_array_if_its_kind_fits(
    dtype: DType,
) -> None:
    """A number does not become a truth value, a fraction does not become whole."""
    is_bool, is_float = dtypes.is_bool(dtype), dtypes.is_float(dtype)
    assert promote_scalar(dtype, True) is dtype
    assert promote_scalar(dtype, 3) is (dtypes.int64 if is_bool else dtype)
    assert promote_scalar(dtype, 0.5) is (dtype if is_float else dtypes.float32)


def test_result_type_goes_from_left_to_right() -> None:
    assert result_type(dtypes.int8) is dtypes.int8
    assert result_type(dtypes.int8, dtypes.uint8, dtypes.int8) is dtypes.int16
    assert result_type(dtypes.bool_, dtypes.int64, dtypes.float16) is dtypes.float16
    assert result_type(dtypes.float16, dtypes.bfloat16) is dtypes.float32
    with pytest.raises(DTypeError, match="expects at least one data type, got none"):
        result_type()


# --- names ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_types_are_found_by_name_by_numpy_type_and_by_themselves(dtype: DType) -> None:
    assert dtypes.as_dtype(dtype.name) is dtype
    assert dtypes.as_dtype(dtype) is dtype
    assert dtypes.as_dtype(dtype.type) is dtype
    assert dtype == dtype.name or dtype == dtypes.bfloat16
    assert dtypes.is_supported(dtype)
    assert np.zeros(2, dtype).dtype is dtype


def test_python_types_mean_the_default_types() -> None:
    assert dtypes.as_dtype(float) is dtypes.float32 is dtypes.DEFAULT_FLOAT
    assert dtypes.as_dtype(int) is dtypes.int64 is dtypes.DEFAULT_INT
    assert dtypes.as_dtype(bool) is dtypes.bool_


def test_the_byte_order_of_other_machines_is_accepted() -> None:
    assert dtypes.as_dtype(">f4") is dtypes.float32
    assert dtypes.as_dtype(np.dtype(">i8")) is dtypes.int64


@pytest.mark.parametrize(
    "value",
    [
        "complex64", "float8_e4m3fn", "float33", "str", "datetime64[s]", "i4,i4",
        complex, object, str, np.longdouble, ml_dtypes.float8_e4m3fn,
        np.dtype([("a", int)]), {}, [1], 3, 2.5, np.zeros(3),
    ],
    ids=repr,
)  # fmt: skip
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(DTypeError) as caught:
        dtypes.as_dtype(value)
    first, fix = f"{caught.value}".splitlines()
    assert first == f"expected a data type that Nervure computes with, got {value!r}"
    assert fix == "  fix: use one of " + ", ".join(one.name for one in dtypes.ALL)


def test_kinds() -> None:
    kinds = {
        "bool": (dtypes.is_bool, ("bool",)),
        "signed": (dtypes.is_signed, ("signed",)),
        "unsigned": (dtypes.is_unsigned, ("unsigned",)),
        "integer": (dtypes.is_integer, ("signed", "unsigned")),
        "float": (dtypes.is_float, ("float",)),
        "number": (dtypes.is_number, ("signed", "unsigned", "float")),
    }
    for dtype in dtypes.ALL:
        for test, names in kinds.values():
            assert test(dtype) == (dtypes.kind_of(dtype) in names)
    for test, _ in kinds.values():
        assert not test(np.dtype(np.complex64))
    assert not dtypes.is_supported(np.dtype(object))


def test_narrow_floats_are_added_up_in_float32() -> None:
    for dtype in dtypes.ALL:
        narrow = dtype in (dtypes.float16, dtypes.bfloat16)
        assert dtypes.accumulator(dtype) is (dtypes.float32 if narrow else dtype)


def test_python_types_and_their_names_mean_the_defaults() -> None:
    assert dtypes.as_dtype(float) == dtypes.as_dtype("float") == dtypes.float32
    assert dtypes.as_dtype(int) == dtypes.as_dtype("int") == dtypes.int64


def test_no_data_type_is_not_a_data_type() -> None:
    with pytest.raises(DTypeError, match="got None"):
        dtypes.as_dtype(None)


@pytest.mark.parametrize("text", [",", "(", "i4,f4", "2f"])
def test_texts_that_numpy_reads_as_something_else(text: str) -> None:
    with pytest.raises(DTypeError, match="expected a data type"):
        dtypes.as_dtype(text)
