"""gather, scatter and the dynamic slices against loops, torch and differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.autodiff.reverse import reverse
from nervure.config import config
from nervure.errors import ArgumentError, DataError, DTypeError, ShapeError
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.prims import indexed
from nervure.prims.leaf import const, full, full_like, input_leaf
from tests.prims.running import run

Array = np.ndarray[Any, np.dtype[Any]]
INDEX_TYPES = [np.dtype(name) for name in ("int8", "uint8", "int32", "int64", "uint64")]


def gradients(build: Callable[..., Node], arrays: Sequence[Array], g: Array) -> Any:
    """Return the cotangents of all floating-point operands for the cotangent g."""
    leaves = [input_leaf(array.shape, array.dtype) for array in arrays]
    cotangent = input_leaf(g.shape, g.dtype)
    wrt = [leaf for leaf in leaves if dtypes.is_float(leaf.dtype)]
    outputs = reverse([build(*leaves)], [cotangent], wrt)
    pairs = zip(wrt, outputs, strict=True)
    found = [full_like(x, 0) if y is None else y for x, y in pairs]
    graph = Graph(found, [*leaves, cotangent])
    return ReferenceExecutor().compile(graph)([*arrays, g])


def check_gradient(build: Callable[..., Node], arrays: Sequence[Array]) -> None:
    """Compare the gradient with central differences in a random direction."""
    random = np.random.default_rng(0)
    # integer operands stay where they are
    directions = [
        random.normal(size=x.shape) if dtypes.is_float(x.dtype) else np.zeros_like(x)
        for x in arrays
    ]

    def moved(step: float) -> list[Array]:
        pairs = zip(arrays, directions, strict=True)
        return [(x + step * d).astype(x.dtype) if d.any() else x for x, d in pairs]

    step = 1e-5
    above, below = run(build, *moved(step)), run(build, *moved(-step))
    g = random.normal(size=above.shape)
    expected = np.sum(g * (above - below)) / (2 * step)
    along = [d for d in directions if dtypes.is_float(d.dtype)]
    pairs = zip(gradients(build, arrays, g), along, strict=True)
    found = sum(np.sum(x * d) for x, d in pairs)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@st.composite
def indexings(draw: st.DrawFn) -> tuple[Array, int, Array]:
    """A float64 array, one of its axes, and indices that may lie outside."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = draw(st.integers(0, len(shape) - 1))
    index_shape = draw(st.lists(st.integers(0, 3), max_size=2))
    dtype = draw(st.sampled_from(INDEX_TYPES))
    limits = np.iinfo(dtype)
    usual = st.integers(max(limits.min, -3), shape[axis] + 2)
    places = st.one_of(usual, st.sampled_from([int(limits.min), int(limits.max)]))
    count = int(np.prod(index_shape))
    numbers = draw(st.lists(places, min_size=count, max_size=count))
    x = np.random.default_rng(len(numbers)).permutation(int(np.prod(shape)))
    indices = np.array(numbers, dtype).reshape(index_shape)
    return x.reshape(shape).astype(np.float64), axis, indices


def clamped(index: Any, extent: int) -> int:
    return min(max(int(index), 0), extent - 1)


def gather_loop(x: Array, axis: int, indices: Array) -> Array:
    slices = [
        np.take(x, clamped(index, x.shape[axis]), axis) for index in indices.reshape(-1)
    ]
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    result = np.array(slices, x.dtype).reshape(indices.shape + rest)
    # the axes of the indices stand where the axis was
    k = indices.ndim
    return np.moveaxis(result, range(k), range(axis, axis + k))


def scatter_loop(x: Array, axis: int, indices: Array, updates: Array, mode: str) -> Any:
    """Write one element after the other, in the row-major order of the indices."""
    combine = {
        "set": lambda old, new: new,
        "add": lambda old, new: old + new,
        "max": max,
        "min": min,
    }[mode]
    result = x.copy()
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    for position in np.ndindex(*indices.shape):
        place = clamped(indices[position], x.shape[axis])
        for one, two in itertools.product(np.ndindex(*before), np.ndindex(*after)):
            target, source = (*one, place, *two), (*one, *position, *two)
            result[target] = combine(result[target], updates[source])
    return result


# --- gather --------------------------------------------------------------------------


@given(indexings())
def test_gather_equals_a_loop(case: tuple[Array, int, Array]) -> None:
    x, axis, indices = case
    found = run(lambda x, i: indexed.gather(x, i, axis), x, indices)
    np.testing.assert_array_equal(found, gather_loop(x, axis, indices))


@settings(max_examples=30)
@given(indexings())
def test_gather_gradient(case: tuple[Array, int, Array]) -> None:
    x, axis, indices = case
    check_gradient(lambda x, i: indexed.gather(x, i, axis), [x, indices])


def test_gather_is_np_take_inside() -> None:
    x = np.arange(24.0).reshape(2, 4, 3)
    indices = np.array([[3, 0], [1, 1]])
    found = run(lambda x, i: indexed.gather(x, i, 1), x, indices)
    np.testing.assert_array_equal(found, np.take(x, indices, 1))


def test_gather_and_its_gradient_as_torch_embedding() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    table, g = random.normal(size=(5, 3)), random.normal(size=(2, 4, 3))
    indices = np.array([[0, 4, 4, 1], [1, 1, 2, 4]])
    weight = torch.tensor(table, requires_grad=True)
    expected = torch.nn.functional.embedding(torch.tensor(indices), weight)
    expected.backward(torch.tensor(g))

    def build(x: Node, i: Node) -> Node:
        return indexed.gather(x, i, 0)

    np.testing.assert_array_equal(run(build, table, indices), expected.detach().numpy())
    (found,) = gradients(build, [table, indices], g)
    np.testing.assert_allclose(found, weight.grad.numpy(), rtol=1e-14)


def test_gather_needs_an_element() -> None:
    nothing = full((2, 0), 0, dtypes.float32)
    empty = const(np.zeros((3, 0), np.int64))
    assert indexed.gather(nothing, empty, 1).shape == (2, 3, 0)
    with pytest.raises(ShapeError, match="axis 1 of size 0 has no element for 4"):
        indexed.gather(nothing, const([0, 0, 0, 0]), 1)


# --- scatter -------------------------------------------------------------------------


@given(indexings(), st.sampled_from(indexed.MODES), st.integers(0, 99))
def test_scatter_equals_a_loop(
    case: tuple[Array, int, Array], mode: str, seed: int
) -> None:
    x, axis, indices = case
    shape = gather_loop(x, axis, indices).shape
    # few values, so that many are equal
    updates = np.random.default_rng(seed).integers(-2, 9, shape).astype(x.dtype)
    found = run(
        lambda x, i, u: indexed.scatter(x, i, u, axis, mode), x, indices, updates
    )
    expected = scatter_loop(x, axis, indices, updates, mode)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=60)
@given(indexings(), st.sampled_from(indexed.MODES), st.integers(0, 99))
def test_scatter_gradient(case: tuple[Array, int, Array], mode: str, seed: int) -> None:
    x, axis, indices = case
    shape = gather_loop(x, axis, indices).shape
    size = int(np.prod(shape))
    # halves never equal the whole numbers of x: no ties, the extrema are smooth
    updates = np.random.default_rng(seed).permutation(size).reshape(shape) + 0.5
    check_gradient(
        lambda x, i, u: indexed.scatter(x, i, u, axis, mode), [x, indices, updates]
    )


@pytest.mark.parametrize("mode", ["set", "max", "min"])
def test_scatter_of_truth_values(mode: str) -> None:
    x = np.array([True, False, True, False])
    indices = np.array([0, 0, 1, 3])
    updates = np.array([False, True, False, True])
    found = run(lambda x, i, u: indexed.scatter(x, i, u, 0, mode), x, indices, updates)
    assert found.dtype == np.bool_
    expected = scatter_loop(x, 0, indices, updates, mode)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16])
def test_scatter_adds_narrow_floats_in_float32(dtype: dtypes.DType) -> None:
    # In the narrow type each addition of 1 alone would be rounded away.
    start = 2.0 ** (np.finfo(np.float16).nmant + 1 if dtype == dtypes.float16 else 8)
    x = np.array([start, 0]).astype(dtype)
    indices, updates = np.zeros(8, np.int64), np.ones(8).astype(dtype)
    found = run(lambda x, i, u: indexed.scatter(x, i, u, 0, "add"), x, indices, updates)
    np.testing.assert_array_equal(found.astype(np.float64), [start + 8, 0])


def test_scatter_adds_in_order() -> None:
    indices = np.zeros(3, np.int64)
    updates = np.array([1e30, -1e30, 1], np.float32)

    def build(x: Node, i: Node, u: Node) -> Node:
        return indexed.scatter(x, i, u, 0, "add")

    x = np.array([1], np.float32)
    assert run(build, x, indices, updates) == [1]
    assert run(build, x, indices, updates[::-1].copy()) == [0]


def test_scatter_nan_wins_an_extremum() -> None:
    x, indices = np.array([1.0, np.nan]), np.array([0, 1])
    updates = np.array([np.nan, 2.0])
    for mode in ("max", "min"):
        found = run(
            lambda x, i, u, mode=mode: indexed.scatter(x, i, u, 0, mode),
            *(x, indices, updates),
        )
        assert np.isnan(found).all()


def test_set_sends_the_cotangent_to_the_last_writer() -> None:
    x, updates = np.zeros(4), np.arange(4.0)
    indices = np.array([2, 0, 2, -5])
    g = np.array([1.0, 2, 3, 4])
    to_x, to_updates = gradients(
        lambda x, i, u: indexed.scatter(x, i, u, 0, "set"), [x, indices, updates], g
    )
    np.testing.assert_array_equal(to_x, [0, 2, 0, 4])
    # 2 was overwritten by the third update, 0 by the fourth, which was clamped
    np.testing.assert_array_equal(to_updates, [0, 0, 3, 1])


def test_equal_extrema_share_the_cotangent() -> None:
    x, updates = np.array([5.0, 1, 7]), np.array([5.0, 5, 2, 2, 0])
    indices = np.array([0, 0, 1, 1, 2])
    g = np.array([3.0, 8, 1])
    to_x, to_updates = gradients(
        lambda x, i, u: indexed.scatter(x, i, u, 0, "max"), [x, indices, updates], g
    )
    np.testing.assert_array_equal(to_x, [1, 0, 1])
    np.testing.assert_array_equal(to_updates, [1, 1, 4, 4, 0])


@pytest.mark.parametrize(
    ("mode", "torch_mode"), [("add", "sum"), ("max", "amax"), ("min", "amin")]
)
def test_scatter_and_its_gradient_as_torch(mode: str, torch_mode: str) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    x = random.integers(0, 3, (4, 3)).astype(np.float64)  # with many ties
    updates = random.integers(0, 3, (6, 3)).astype(np.float64)
    indices, g = np.array([0, 3, 3, 1, 0, 3]), random.normal(size=(4, 3))
    theirs = torch.tensor(x, requires_grad=True)
    their_updates = torch.tensor(updates, requires_grad=True)
    index = torch.tensor(indices)[:, None].expand(6, 3)
    expected = theirs.scatter_reduce(0, index, their_updates, torch_mode)
    expected.backward(torch.tensor(g))

    def build(x: Node, i: Node, u: Node) -> Node:
        return indexed.scatter(x, i, u, 0, mode)

    found = run(build, x, indices, updates)
    np.testing.assert_array_equal(found, expected.detach().numpy())
    to_x, to_updates = gradients(build, [x, indices, updates], g)
    np.testing.assert_allclose(to_x, theirs.grad.numpy(), rtol=1e-14)
    np.testing.assert_allclose(to_updates, their_updates.grad.numpy(), rtol=1e-14)


def test_scatter_checks_its_indices_as_gather_does() -> None:
    x, two = full((2,), 0, dtypes.float32), const([0, 1])
    nothing = full((0,), 0, dtypes.float32)
    cases: list[tuple[type[Exception], str, Node, Node, int]] = [
        (ArgumentError, "axis 1 is not an axis of float32", x, two, 1),
        (DTypeError, "expected integer indices, got float32", x, x, 0),
        (ShapeError, "axis 0 of size 0 has no element for 2 ind", nothing, two, 0),
    ]
    for error, message, operand, indices, axis in cases:
        with pytest.raises(error, match=f"^scatter: {message}"):
            indexed.scatter(operand, indices, x, axis, "set")


# --- dynamic slices ------------------------------------------------------------------


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Array, Array, tuple[int, ...]]:
    """A float64 array, starts that may lie outside, and the shape of a piece."""
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    piece = tuple(draw(st.integers(0, extent)) for extent in shape)
    dtype = draw(st.sampled_from(INDEX_TYPES))
    limits = np.iinfo(dtype)
    place = st.one_of(
        st.integers(max(limits.min, -3), 6),
        st.sampled_from([int(limits.min), int(limits.max)]),
    )
    starts = np.array([draw(place) for _ in shape], dtype)
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    return x, starts, piece


def begin_of(x: Array, starts: Array, piece: tuple[int, ...]) -> list[int]:
    return [
        min(max(int(start), 0), extent - size)
        for start, extent, size in zip(starts, x.shape, piece, strict=True)
    ]


@given(pieces())
def test_dynamic_slice_equals_a_loop(
    case: tuple[Array, Array, tuple[int, ...]],
) -> None:
    x, starts, piece = case
    begin = begin_of(x, starts, piece)
    expected = np.empty(piece)
    for place in np.ndindex(*piece):
        expected[place] = x[tuple(np.add(begin, place).astype(int))]
    found = run(lambda x, s: indexed.dynamic_slice(x, s, piece), x, starts)
    np.testing.assert_array_equal(found, expected)


@given(pieces())
def test_dynamic_update_slice_equals_a_loop(
    case: tuple[Array, Array, tuple[int, ...]],
) -> None:
    x, starts, piece = case
    begin = begin_of(x, starts, piece)
    update = -1.0 - np.arange(np.prod(piece)).reshape(piece)
    expected = x.copy()
    for place in np.ndindex(*piece):
        expected[tuple(np.add(begin, place).astype(int))] = update[place]
    found = run(indexed.dynamic_update_slice, x, update, starts)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(x.reshape(-1), np.arange(x.size))  # unchanged


@settings(max_examples=30)
@given(pieces())
def test_dynamic_slices_gradients(case: tuple[Array, Array, tuple[int, ...]]) -> None:
    x, starts, piece = case
    check_gradient(lambda x, s: indexed.dynamic_slice(x, s, piece), [x, starts])
    update = np.ones(piece)
    check_gradient(indexed.dynamic_update_slice, [x, update, starts])


def test_dynamic_slices_are_each_others_gradient() -> None:
    x = input_leaf((4, 5), dtypes.float32)
    starts = input_leaf((2,), dtypes.int64)
    g = input_leaf((2, 3), dtypes.float32)
    (to_x,) = reverse([indexed.dynamic_slice(x, starts, (2, 3))], [g], [x])
    assert to_x is indexed.dynamic_update_slice(full_like(x, 0), g, starts)
    (to_g,) = reverse([to_x], [x], [g])
    assert to_g is indexed.dynamic_slice(x, starts, (2, 3))


# --- checking ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (7, r"index 7 is out of range for axis 0 of size 3"),
        ([[0, 2], [1, -1]], r"index -1 at indices\[1, 1\] is out of range for axis 0"),
    ],
)
def test_check_names_the_first_index_outside(index: Any, message: str) -> None:
    x, indices = np.arange(3.0), np.array(index)
    updates = np.zeros(indices.shape)
    with config.override(check=False):
        run(lambda x, i: indexed.gather(x, i, 0), x, indices)
    with config.override(check=True):
        with pytest.raises(DataError, match=f"^gather: {message}") as caught:
            run(lambda x, i: indexed.gather(x, i, 0), x, indices)
        assert "fix: use indices from 0 to 2" in str(caught.value)
        assert "test_indexed.py" in str(caught.value)
        with pytest.raises(DataError, match=f"^scatter: {message}"):
            run(lambda x, i, u: indexed.scatter(x, i, u, 0, "add"), x, indices, updates)


def test_check_lets_indices_inside_pass() -> None:
    x = np.arange(3.0)
    with config.override(check=True):
        for dtype in INDEX_TYPES:
            indices = np.array([0, 2, 1], dtype)
            found = run(lambda x, i: indexed.gather(x, i, 0), x, indices)
            np.testing.assert_array_equal(found, [0, 2, 1])
        starts = np.array([2])
        found = run(lambda x, s: indexed.dynamic_slice(x, s, (1,)), x, starts)
        np.testing.assert_array_equal(found, [2])


def test_check_names_the_start_that_does_not_fit() -> None:
    x, starts = np.zeros((4, 5)), np.array([0, 3])
    message = "a piece of 3 from 3 on does not fit axis 1 of size 5"
    with config.override(check=True):
        with pytest.raises(DataError, match=f"^dynamic_slice: {message}"):
            run(lambda x, s: indexed.dynamic_slice(x, s, (2, 3)), x, starts)
        with pytest.raises(DataError, match=f"^dynamic_update_slice: {message}"):
            run(indexed.dynamic_update_slice, x, np.zeros((2, 3)), starts)


def test_builders_take_numpy_integers() -> None:
    x, indices = full((3, 2), 0, dtypes.float32), const([0, 1])
    axis = np.int64(1)
    assert indexed.gather(x, indices, axis) is indexed.gather(x, indices, 1)
    assert type(indexed.gather(x, indices, axis).attrs["axis"]) is int
    piece = indexed.dynamic_slice(x, indices, np.array([1, 2]))
    assert piece is indexed.dynamic_slice(x, indices, (1, 2))
