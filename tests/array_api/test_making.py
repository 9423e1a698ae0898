"""Creation and data type functions of the standard, devices, exchange of data."""

from __future__ import annotations

import array
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from nervure.errors import NervureError
from tests.array_api.drawing import (
    ALL,
    FLOATS,
    INTEGERS,
    NUMERIC,
    QUICK,
    SHAPES,
    SIGNED,
    UNSIGNED,
    arrays,
    both,
    elements,
    names_in,
    same,
    strict,
)

# --- creation -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
@pytest.mark.parametrize("dtype", [None, *ALL])
def test_filled(name: str, dtype: str | None) -> None:
    for shape in ((), (0,), (2, 3), 4):
        ours = getattr(nv, name)(shape, dtype=dtype)
        type_ = None if dtype is None else getattr(strict, dtype)
        theirs = getattr(strict, name)(shape, dtype=type_)
        # the default is float32 here and float64 there, see docs/array_api.md
        assert ours.shape == theirs.shape
        assert str(ours.dtype) == (dtype or "float32")
        if name != "empty":
            np.testing.assert_array_equal(ours, np.asarray(theirs._array))
        like = getattr(nv, f"{name}_like")
        assert like(ours).shape == ours.shape and like(ours).dtype == ours.dtype
        assert like(ours, dtype="int8").dtype == nv.int8


@QUICK
@given(SHAPES, st.sampled_from(ALL), st.data())
def test_full(shape: Any, dtype: str, data: Any) -> None:
    value = data.draw(elements(dtype, ordinary=True))
    both(lambda xp: xp.full(shape, value, dtype=getattr(xp, dtype)))
    both(lambda xp, x: xp.full_like(x, value), np.zeros(shape, dtype))
    kinds = {bool: "bool", int: "int64", float: "float32"}
    assert str(nv.full(shape, value).dtype) == kinds[type(value)]


@QUICK
@given(
    st.integers(-20, 20),
    st.none() | st.integers(-20, 20),
    st.integers(-5, 5).filter(bool),
    st.sampled_from([None, "int32", "float64"]),
)
def test_arange(start: int, stop: int | None, step: int, dtype: str | None) -> None:
    both(lambda xp: xp.arange(start, stop, step, dtype=dtype and getattr(xp, dtype)))


@QUICK
@given(
    st.floats(-50, 50, width=32),
    st.floats(-50, 50, width=32),
    st.floats(0.25, 3, width=32),
)
def test_arange_of_fractions(start: float, stop: float, step: float) -> None:
    found = nv.arange(start, stop, step)
    assert str(found.dtype) == "float32"
    wanted = math.ceil((stop - start) / step) if stop > start else 0
    assert abs(found.size - wanted) <= 1
    if found.size:
        np.testing.assert_allclose(
            found, start + np.arange(found.size) * step, rtol=1e-5, atol=1e-4
        )


@QUICK
@given(
    st.floats(-50, 50, width=32),
    st.floats(-50, 50, width=32),
    st.integers(0, 20),
    st.booleans(),
    st.sampled_from(FLOATS),
)
def test_linspace(
    start: float, stop: float, num: int, endpoint: bool, dtype: str
) -> None:
    both(
        lambda xp: xp.linspace(
            start, stop, num, dtype=getattr(xp, dtype), endpoint=endpoint
        )
    )
    found = np.asarray(nv.linspace(start, stop, num, dtype=dtype))
    if num:
        assert found[0] == np.asarray(start, dtype)
    if num > 1 and endpoint:
        assert found[-1] == np.asarray(stop, dtype)


@QUICK
@given(st.integers(0, 4), st.none() | st.integers(0, 4), st.integers(-5, 5))
def test_eye(rows: int, columns: int | None, k: int) -> None:
    both(lambda xp: xp.eye(rows, columns, k=k, dtype=xp.int16))


@QUICK
@given(arrays(ALL), st.integers(-4, 4))
def test_triangles(x: Any, k: int) -> None:
    assume(x.ndim >= 2)
    both(lambda xp, x: [xp.tril(x, k=k), xp.triu(x, k=k)], x)


@QUICK
@given(st.lists(arrays("int32", st.integers(0, 3)), max_size=3), st.booleans())
def test_meshgrid(axes: Any, matrix: bool) -> None:
    indexing = "ij" if matrix else "xy"
    both(lambda xp, *axes: list(xp.meshgrid(*axes, indexing=indexing)), *axes)


# --- asarray ------------------------------------------------------------------------

NESTED = st.recursive(
    st.integers(-9, 9), lambda inside: st.lists(inside, min_size=2, max_size=2)
)


@QUICK
@given(NESTED)
def test_nested_lists(value: Any) -> None:
    try:
        wanted = np.asarray(value)
    except ValueError:
        with pytest.raises(ValueError, match="nested lists of equal lengths"):
            nv.asarray(value)
        return
    same(nv.asarray(value), strict.asarray(wanted))
    assert str(nv.asarray(value, dtype=nv.float64).dtype) == "float64"


@pytest.mark.parametrize(
    "value, dtype",
    [
        (True, "bool"),
        ([True, False], "bool"),
        ([True, 2], "int64"),
        ([1, 2], "int64"),
        ([1, 2.0], "float32"),
        ([True, 2.0], "float32"),
        (1.5, "float32"),
        (array.array("d", [1.0]), "float64"),
        (array.array("h", [1]), "int16"),
        (memoryview(np.ones(2, "float64")), "float64"),
        (np.float64(2), "float64"),
    ],
)
def test_types_of_python_values(value: Any, dtype: str) -> None:
    assert str(nv.asarray(value).dtype) == dtype


def test_copy() -> None:
    x = nv.asarray([1.0, 2.0])
    assert nv.asarray(x, copy=False) is x
    assert nv.asarray(x) is x
    copied = nv.asarray(x, copy=True)
    x[0] = 5.0
    assert copied.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="another data type"):
        nv.asarray(x, dtype=nv.float64, copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        nv.asarray(np.ones(3), copy=False)
    data = np.zeros(3)
    for copy in (None, True):
        found = nv.asarray(data, copy=copy)
        data[0] += 1
        assert float(found[0]) == data[0] - 1  # never shared


@pytest.mark.parametrize("value", ["text", [None], [object()], [1j], b"bytes"])
def test_what_holds_no_real_numbers_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        nv.asarray(value)


# --- exchange of data ---------------------------------------------------------------


@QUICK
@given(arrays(ALL))
def test_dlpack_out_and_in(x: Any) -> None:
    ours = nv.asarray(x)
    np.testing.assert_array_equal(np.from_dlpack(ours), x)
    back = nv.from_dlpack(x)
    assert str(back.dtype) == x.dtype.name
    np.testing.assert_array_equal(np.asarray(back), x)
    assert nv.from_dlpack(ours, device="cpu", copy=None) is not None


def test_what_dlpack_gives_away_cannot_change_us() -> None:
    x = nv.asarray([1.0, 2.0])
    view = np.from_dlpack(x)
    assert not view.flags.writeable or view.base is not None
    copied = np.from_dlpack(x, copy=True)
    copied[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_dlpack_refuses_what_it_cannot_do() -> None:
    x = nv.asarray([1.0])
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        x.__dlpack__(max_version=(1, 0), dl_device=(2, 0))
    with pytest.raises(BufferError):
        x.__dlpack__(copy=False)
    with pytest.raises(ValueError, match="stream"):
        x.__dlpack__(stream=1)
    with pytest.raises(ValueError, match="copy=False"):
        nv.from_dlpack(np.ones(2), copy=False)
    with pytest.raises(AttributeError):
        nv.from_dlpack([1.0])


def test_torch_reads_and_writes_through_dlpack() -> None:
    torch = pytest.importorskip("torch")
    x = nv.asarray([[1.0, 2.0], [3.0, 4.0]])
    there = torch.from_dlpack(x)
    assert there.tolist() == x.tolist()
    assert nv.from_dlpack(there * 2).tolist() == (x * 2).tolist()


# --- data types ---------------------------------------------------------------------


def pairs_that_promote() -> list[tuple[str, str]]:
    """Return the pairs that the standard's table defines."""
    return [
        (one, other)
        for group in (("bool",), INTEGERS, FLOATS)
        for one in group
        for other in group
        if not ("uint64" in (one, other) and {one, other} & {*SIGNED})
    ]


def test_promotion() -> None:
    for one, other in pairs_that_promote():
        wanted = str(strict.result_type(getattr(strict, one), getattr(strict, other)))
        found = nv.result_type(getattr(nv, one), getattr(nv, other))
        assert str(found) == wanted.rpartition(".")[2]
        x, y = nv.ones(1, dtype=one), nv.ones(1, dtype=other)
        assert nv.result_type(x, y) == nv.result_type(x, getattr(nv, other)) == found
        if one != "bool":
            assert (x + y).dtype == found


@pytest.mark.parametrize("scalar", [True, 2, 2.0])
def test_python_numbers_are_weak(scalar: Any) -> None:
    kinds = {bool: ALL, int: NUMERIC, float: FLOATS}
    for dtype in kinds[type(scalar)]:
        assert str(nv.result_type(nv.ones(1, dtype=dtype), scalar)) == dtype


@pytest.mark.parametrize("one", ALL)
def test_casting(one: str) -> None:
    x = np.array([0, 1, 1], one)
    for other in ALL:
        both(lambda xp, x: xp.astype(x, getattr(xp, other)), x)  # noqa: B023
    both(lambda xp, x: xp.astype(x, getattr(xp, one), copy=False), x)
    ours = nv.asarray(x)
    assert nv.astype(ours, one, copy=False) is ours
    assert nv.astype(ours, one) is not ours


@pytest.mark.parametrize("one", ALL)
def test_can_cast(one: str) -> None:
    for other in ALL:
        group = next(g for g in (("bool",), INTEGERS, FLOATS) if one in g)
        if other not in group:
            continue  # see docs/array_api.md
        wanted = strict.can_cast(getattr(strict, one), getattr(strict, other))
        found = nv.can_cast(getattr(nv, one), getattr(nv, other))
        assert found == wanted, (one, other)
        assert nv.can_cast(nv.ones(1, dtype=one), getattr(nv, other)) == wanted


KINDS = (
    *("bool", "signed integer", "unsigned integer", "integral", "real floating"),
    *("complex floating", "numeric"),
)


@pytest.mark.parametrize("dtype", ALL)
def test_isdtype(dtype: str) -> None:
    theirs, ours = getattr(strict, dtype), getattr(nv, dtype)
    for kind in KINDS:
        wanted = strict.isdtype(theirs, kind)
        assert nv.isdtype(ours, kind) == wanted
        assert nv.isdtype(ours, (kind, nv.bool)) == (wanted or dtype == "bool")
    for other in ALL:
        assert nv.isdtype(ours, getattr(nv, other)) == (dtype == other)


@pytest.mark.parametrize("dtype", NUMERIC)
def test_limits(dtype: str) -> None:
    name = "finfo" if dtype in FLOATS else "iinfo"
    ours = getattr(nv, name)(getattr(nv, dtype))
    theirs = getattr(strict, name)(getattr(strict, dtype))
    fields = ("bits", "max", "min")
    fields += ("eps", "smallest_normal") if name == "finfo" else ()
    for field in fields:
        one, other = getattr(ours, field), getattr(theirs, field)
        assert type(one) is type(other) and one == other
    assert ours.dtype == getattr(nv, dtype)
    assert getattr(nv, name)(nv.ones(1, dtype=dtype)) == ours


def test_constants() -> None:
    assert (nv.e, nv.pi, nv.inf) == (strict.e, strict.pi, strict.inf)
    assert nv.nan != nv.nan and nv.newaxis is None
    for name in ("e", "pi", "inf", "nan"):
        assert type(getattr(nv, name)) is float


# --- inspection ---------------------------------------------------------------------


def test_inspection() -> None:
    ours, theirs = nv.__array_namespace_info__(), strict.__array_namespace_info__()
    assert {*theirs.capabilities()} == {*ours.capabilities()}
    assert ours.capabilities()["boolean indexing"] is True
    assert ours.capabilities()["data-dependent shapes"] is True
    assert ours.default_device() in ours.devices()
    assert nv.ones(1).device in ours.devices()
    for device in (None, *ours.devices()):
        assert {*theirs.default_dtypes()} - {"complex floating"} == {
            *ours.default_dtypes(device=device)
        }
        for kind in (None, *KINDS, ("bool", "integral")):
            wanted = {*theirs.dtypes(kind=kind)} - {"complex64", "complex128"}
            found = ours.dtypes(device=device, kind=kind)
            assert {*found} == wanted
            assert all(found[name] == getattr(nv, name) for name in found)


def test_namespace() -> None:
    x = nv.ones(1)
    for version in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        assert x.__array_namespace__(api_version=version) is nv
    assert nv.__array_api_version__ == "2024.12"
    with pytest.raises(NervureError, match="unknown Array API version"):
        x.__array_namespace__(api_version="2019.12")


def test_devices() -> None:
    x = nv.asarray([1.0])
    for device in nv.__array_namespace_info__().devices():
        there = x.to_device(device)
        assert there.device == device and there.tolist() == [1.0]
        for made in (
            *(nv.zeros(2, device=device), nv.ones_like(x, device=device)),
            *(nv.arange(3, device=device), nv.eye(2, device=device)),
            *(nv.full(2, 1, device=device), nv.linspace(0, 1, 3, device=device)),
            nv.asarray([1], device=device),
        ):
            assert made.device == device


def test_hypothesis_own_strategies_accept_the_namespace() -> None:
    """``hypothesis.extra.array_api`` is written for any namespace of the standard."""
    from hypothesis.extra.array_api import make_strategies_namespace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strategies = make_strategies_namespace(nv)

        @QUICK
        @given(
            strategies.arrays(
                strategies.real_dtypes() | strategies.boolean_dtypes(),
                strategies.array_shapes(max_side=3),
            )
        )
        def check(x: Any) -> None:
            assert isinstance(x, nv.Array)
            assert nv.all(nv.equal(x, x) | nv.not_equal(x, x))

        check()


def test_every_function_is_here() -> None:
    assert names_in("_creation_functions") == {
        *("arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full"),
        *("full_like", "linspace", "meshgrid", "ones", "ones_like", "tril", "triu"),
        *("zeros", "zeros_like"),
    }
    assert names_in("_data_type_functions") == {
        *("astype", "broadcast_arrays", "broadcast_to", "can_cast", "finfo", "iinfo"),
        *("isdtype", "result_type"),
    }
    assert UNSIGNED and hnp
