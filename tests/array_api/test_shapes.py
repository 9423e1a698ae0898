"""Manipulation, indexing and linear algebra functions of the standard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nervure as nv
from tests.array_api.drawing import (
    ALL,
    FLOATS,
    NUMERIC,
    QUICK,
    SHAPES,
    arrays,
    both,
    names_in,
)

TRIED = set()


def tried(*names: str) -> Any:
    """Note down which functions a test is about."""
    TRIED.update(names)
    return lambda test: test


def axes_of(rank: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Return some axes, each once, also counted from the end."""
    return st.lists(
        st.integers(0, max(rank - 1, 0)), max_size=rank, unique=True
    ).flatmap(
        lambda axes: st.lists(
            st.booleans(), min_size=len(axes), max_size=len(axes)
        ).map(lambda back: tuple(a - rank * b for a, b in zip(axes, back)))
    )


@tried("broadcast_arrays", "broadcast_to")
@QUICK
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3), st.data())
def test_broadcasting(shapes: Any, data: Any) -> None:
    given_ = [data.draw(arrays(ALL, one)) for one in shapes.input_shapes]
    both(lambda xp, *given_: list(xp.broadcast_arrays(*given_)), *given_)
    both(lambda xp, x: xp.broadcast_to(x, shapes.result_shape), given_[0])


@tried("concat", "stack")
@QUICK
@given(arrays(NUMERIC, ordinary=True), st.integers(1, 3), st.data())
def test_joining(x: Any, count: int, data: Any) -> None:
    parts = [x] * count
    place = data.draw(st.integers(-x.ndim - 1, x.ndim))
    both(lambda xp, *parts: xp.stack(parts, axis=place), *parts)
    if x.ndim:
        axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
        both(lambda xp, *parts: xp.concat(parts, axis=axis), *parts)
        both(lambda xp, *parts: xp.concat(list(parts), axis=0), x, x[:0])


@tried("concat")
def test_concat_promotes() -> None:
    x, y = np.ones((2, 2), "int8"), np.zeros((1, 2), "int64")
    both(lambda xp, x, y: xp.concat((x, y)), x, y)


@tried("expand_dims", "squeeze")
@QUICK
@given(arrays(ALL), st.data())
def test_axes_of_size_one(x: Any, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    both(lambda xp, x: xp.expand_dims(x, axis=axis), x)
    both(lambda xp, x: xp.squeeze(xp.expand_dims(x, axis=axis), axis=axis), x)
    both(lambda xp, x: xp.squeeze(xp.expand_dims(x, axis=0), axis=(0,)), x)


@tried("flip", "roll")
@QUICK
@given(arrays(ALL), st.data())
def test_turning(x: Any, data: Any) -> None:
    assume(x.ndim)
    axes = data.draw(axes_of(x.ndim))
    both(lambda xp, x: xp.flip(x, axis=axes or None), x)
    both(lambda xp, x: xp.flip(x, axis=-1), x)
    shifts = tuple(range(-1, len(axes) - 1))
    if axes:
        both(lambda xp, x: xp.roll(x, shifts, axis=axes), x)
        both(lambda xp, x: xp.roll(x, 2, axis=axes), x)
    both(lambda xp, x: xp.roll(x, -3), x)


@tried("permute_dims", "moveaxis")
@QUICK
@given(arrays(ALL), st.data())
def test_order_of_axes(x: Any, data: Any) -> None:
    order = data.draw(st.permutations(range(x.ndim)))
    both(lambda xp, x: xp.permute_dims(x, tuple(order)), x)
    if x.ndim:
        back = tuple(one - x.ndim for one in order)
        both(lambda xp, x: xp.moveaxis(x, back, tuple(range(x.ndim))), x)
        both(lambda xp, x: xp.moveaxis(x, 0, -1), x)
    if x.ndim == 2:
        both(lambda xp, x: x.T, x)


@tried("reshape")
@QUICK
@given(arrays(ALL), st.sampled_from([None, True]), st.data())
def test_reshape(x: Any, copy: bool | None, data: Any) -> None:
    shape = data.draw(st.permutations(x.shape))
    both(lambda xp, x: xp.reshape(x, tuple(shape), copy=copy), x)
    both(lambda xp, x: xp.reshape(x, (x.size,)), x)
    # nothing is ever copied, so nothing is refused either
    unshared = nv.reshape(nv.asarray(x), tuple(shape), copy=False)
    np.testing.assert_array_equal(unshared, np.reshape(x, shape))
    if x.size:
        both(lambda xp, x: xp.reshape(x, (-1, 1)), x)


@tried("repeat", "tile", "unstack")
@QUICK
@given(arrays(ALL), st.integers(0, 3), st.data())
def test_repeating(x: Any, count: int, data: Any) -> None:
    both(lambda xp, x: xp.repeat(x, count), x)
    repetitions = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    both(lambda xp, x: xp.tile(x, repetitions), x)
    if x.ndim:
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        both(lambda xp, x: xp.repeat(x, count, axis=axis), x)
        both(lambda xp, x: xp.unstack(x, axis=axis), x)
        counts = data.draw(arrays("int64", (x.shape[axis],), ordinary=True)) % 3
        both(lambda xp, x, n: xp.repeat(x, n, axis=axis), x, counts)


# --- indexing -----------------------------------------------------------------------


@tried("take")
@QUICK
@given(arrays(ALL), st.data())
def test_take(x: Any, data: Any) -> None:
    assume(x.ndim and x.size)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    extent = x.shape[axis]
    places = data.draw(
        hnp.arrays(
            np.int64, st.integers(0, 4), elements=st.integers(-extent, extent - 1)
        )
    )
    both(lambda xp, x, i: xp.take(x, i, axis=axis), x, places)


@tried("take_along_axis")
@QUICK
@given(arrays(ALL), st.data())
def test_take_along_axis(x: Any, data: Any) -> None:
    assume(x.ndim and x.size)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    shape = [*x.shape]
    shape[axis] = data.draw(st.integers(0, 4))
    within = st.integers(-x.shape[axis], x.shape[axis] - 1)
    places = data.draw(hnp.arrays(np.int64, tuple(shape), elements=within))
    both(lambda xp, x, i: xp.take_along_axis(x, i, axis=axis), x, places)


@QUICK
@given(arrays(ALL), st.data())
def test_keys(x: Any, data: Any) -> None:
    basic = hnp.basic_indices(x.shape, allow_newaxis=False, allow_ellipsis=True)
    key = data.draw(basic)
    key = key if isinstance(key, tuple) else (key,)
    # the standard wants every axis named, or an ellipsis
    assume(Ellipsis in key or len(key) == x.ndim)
    both(lambda xp, x: x[key], x)


@QUICK
@given(arrays(ALL))
def test_new_axes_in_keys(x: Any) -> None:
    both(lambda xp, x: x[None, ...], x)
    both(lambda xp, x: x[..., xp.newaxis], x)


@QUICK
@given(arrays(ALL), st.data())
def test_masks(x: Any, data: Any) -> None:
    mask = data.draw(arrays("bool", x.shape))
    both(lambda xp, x, mask: x[mask], x, mask)
    ours = nv.asarray(x)
    wanted = x.copy()
    ours[nv.asarray(mask)] = zero = x.dtype.type(0).item()
    wanted[mask] = zero
    np.testing.assert_array_equal(np.asarray(ours), wanted)


@QUICK
@given(arrays(ALL), st.data())
def test_arrays_of_places_as_keys(x: Any, data: Any) -> None:
    assume(x.ndim and x.size)
    rank = data.draw(st.sampled_from([(), (3,), (2, 2)]))
    keys = tuple(
        data.draw(hnp.arrays(np.int64, rank, elements=st.integers(-n, n - 1)))
        for n in x.shape
    )
    both(lambda xp, x, *keys: x[tuple(keys)], x, *keys)


@QUICK
@given(arrays(NUMERIC), st.data())
def test_setting_elements(x: Any, data: Any) -> None:
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=False))
    value = data.draw(arrays(x.dtype.name, ()))
    ours, wanted = nv.asarray(x), x.copy()
    ours[key] = value.item()
    wanted[key] = value
    np.testing.assert_array_equal(np.asarray(ours), wanted)
    ours[key] = nv.asarray(np.broadcast_to(value, wanted[key].shape).copy())
    np.testing.assert_array_equal(np.asarray(ours), wanted)


# --- linear algebra -----------------------------------------------------------------


@tried("matmul", "matrix_transpose")
@QUICK
@given(st.data(), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_matmul(data: Any, n: int, k: int, m: int) -> None:
    dtype = data.draw(st.sampled_from(NUMERIC))
    stacks = data.draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)
    )
    first, second = stacks.input_shapes
    x1 = data.draw(arrays(dtype, (*first, n, k), ordinary=True))
    x2 = data.draw(arrays(dtype, (*second, k, m), ordinary=True))
    both(lambda xp, a, b: xp.matmul(a, b), x1, x2)
    both(lambda xp, a, b: a @ b, x1, x2)
    v = data.draw(arrays(dtype, (k,), ordinary=True))
    both(lambda xp, a, v: a @ v, x1, v)
    both(lambda xp, v, b: v @ b, v, x2)
    both(lambda xp, v: v @ v, v)
    both(lambda xp, a: [xp.matrix_transpose(a), a.mT], x1)


@tried("tensordot")
@QUICK
@given(arrays(NUMERIC, ordinary=True), st.data())
def test_tensordot(x: Any, data: Any) -> None:
    count = data.draw(st.integers(0, x.ndim))
    back = np.moveaxis(x, range(x.ndim - count, x.ndim), range(count))
    both(lambda xp, a, b: xp.tensordot(a, b, axes=count), x, np.ascontiguousarray(back))
    axes = data.draw(st.permutations(range(x.ndim)))[:count]
    both(lambda xp, a, b: xp.tensordot(a, b, axes=(axes, axes)), x, x)


@tried("vecdot")
@QUICK
@given(arrays(NUMERIC, ordinary=True), st.data())
def test_vecdot(x: Any, data: Any) -> None:
    assume(x.ndim)
    axis = data.draw(st.integers(-x.ndim, -1))
    both(lambda xp, a, b: xp.vecdot(a, b, axis=axis), x, x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_shape_of_nothing(dtype: str) -> None:
    both(lambda xp, a, b: a @ b, np.ones((2, 0), dtype), np.ones((0, 3), dtype))


def test_every_function_is_here() -> None:
    of_standard = names_in("_manipulation_functions") | names_in("_indexing_functions")
    of_standard |= names_in("_linear_algebra_functions")
    assert TRIED - of_standard == {"broadcast_arrays", "broadcast_to"}
    assert of_standard <= TRIED


def test_shapes_are_tuples_of_ints() -> None:
    @QUICK
    @given(arrays(ALL, SHAPES))
    def check(x: Any) -> None:
        array = nv.asarray(x)
        assert array.shape == x.shape and type(array.shape) is tuple
        assert (array.ndim, array.size) == (x.ndim, x.size)
        assert array.dtype == getattr(nv, x.dtype.name)

    check()
