"""cumsum and sort against loops, torch and differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from nervure import dtypes
from nervure.autodiff.reverse import reverse
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.prims import order
from nervure.prims.leaf import input_leaf, iota
from tests.prims.running import run

Array = np.ndarray[Any, np.dtype[Any]]
SHAPES = st_numpy.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)


def gradient(build: Callable[[Node], Node], x: Array, g: Array) -> Array:
    """Return the cotangent of x for the cotangent g of the result."""
    leaf, cotangent = input_leaf(x.shape, x.dtype), input_leaf(g.shape, g.dtype)
    (found,) = reverse([build(leaf)], [cotangent], [leaf])
    assert found is not None
    graph = Graph([found], [leaf, cotangent])
    return ReferenceExecutor().compile(graph)([x, g])[0]


def check_gradient(build: Callable[[Node], Node], x: Array) -> None:
    """Compare the gradient with central differences in a random direction."""
    random = np.random.default_rng(0)
    direction, step = random.normal(size=x.shape), 1e-5
    above = run(build, x + step * direction)
    below = run(build, x - step * direction)
    g = random.normal(size=above.shape)
    expected = np.sum(g * (above - below)) / (2 * step)
    found = np.sum(gradient(build, x, g) * direction)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def lines(shape: Sequence[int], axis: int) -> list[tuple[Any, ...]]:
    """Return the index of every line of an array along ``axis``."""
    ranges: list[Any] = [range(extent) for extent in shape]
    ranges[axis] = [slice(None)]
    return list(itertools.product(*ranges))


# --- cumsum --------------------------------------------------------------------------


@given(SHAPES, st.data(), st.booleans())
def test_cumsum_equals_a_loop(
    shape: tuple[int, ...], data: st.DataObject, reverse: bool
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = data.draw(st_numpy.arrays(np.int8, shape))
    expected = np.zeros_like(x)
    for line in lines(shape, axis):
        places = range(shape[axis])
        total = 0
        values = []
        for place in reversed(places) if reverse else places:
            total += int(x[line][place])
            values.append((total + 128) % 256 - 128)  # int8 wraps around
        expected[line] = values[::-1] if reverse else values
    found = run(lambda x: order.cumsum(x, axis, reverse), x)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=30)
@given(SHAPES, st.data(), st.booleans())
def test_cumsum_gradient(
    shape: tuple[int, ...], data: st.DataObject, reverse: bool
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = np.random.default_rng(1).normal(size=shape)
    check_gradient(lambda x: order.cumsum(x, axis, reverse), x)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum_adds_narrow_floats_in_float32(
    dtype: dtypes.DType, reverse: bool
) -> None:
    x = np.full(5000, 0.1).astype(dtype)
    exact = np.cumsum(x.astype(np.float64))
    found = run(lambda x: order.cumsum(x, 0, reverse), x)
    assert found.dtype == dtype
    exact = exact[::-1] if reverse else exact
    # half a unit in the last place of the narrow type, and a little for float32
    unit = 2.0 ** (-11 if dtype == dtypes.float16 else -8)
    np.testing.assert_allclose(found.astype(np.float64), exact, rtol=1.01 * unit)


def test_cumsum_is_its_own_gradient_the_other_way() -> None:
    x, g = input_leaf((3, 4), dtypes.float32), input_leaf((3, 4), dtypes.float32)
    (found,) = reverse([order.cumsum(x, 1)], [g], [x])
    assert found is order.cumsum(g, 1, True)
    (again,) = reverse([found], [x], [g])
    assert again is order.cumsum(x, 1, False)


def test_cumsum_as_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    expected = torch.cumsum(torch.tensor(x), 1).numpy()
    found = run(lambda x: order.cumsum(x, 1), x)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# --- sort ----------------------------------------------------------------------------


def argsorted(keys: Sequence[float], descending: bool) -> list[int]:
    """Return the order by Python's stable sort: NaN last, ties in place."""
    sign = -1 if descending else 1

    def rank(place: int) -> tuple[bool, float]:
        key = keys[place]
        return (True, 0.0) if math.isnan(key) else (False, sign * key)

    return sorted(range(len(keys)), key=rank)


KEYS = {
    dtypes.bool_: st.booleans(),
    dtypes.int8: st.sampled_from([-128, -1, 0, 1, 127]),
    dtypes.uint64: st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    dtypes.float16: st.sampled_from([-0.0, 0.0, 1.5, -2, np.nan, np.inf, -np.inf]),
    dtypes.bfloat16: st.sampled_from([-0.0, 0.0, 1.5, -2, np.nan, np.inf, -np.inf]),
    dtypes.float64: st.floats(allow_subnormal=True),
}


@pytest.mark.parametrize("dtype", KEYS, ids=lambda dtype: dtype.name)
@given(shape=SHAPES, data=st.data(), descending=st.booleans())
def test_sort_equals_a_stable_sort_of_python(
    dtype: dtypes.DType, shape: tuple[int, ...], data: st.DataObject, descending: bool
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    count = int(np.prod(shape))
    drawn = data.draw(st.lists(KEYS[dtype], min_size=count, max_size=count))
    keys = np.array(drawn, dtype).reshape(shape)
    payload = np.arange(count, dtype=np.int32).reshape(shape)
    expected = payload.copy()
    for line in lines(shape, axis):
        expected[line] = payload[line][argsorted(keys[line].tolist(), descending)]
    found = run(lambda k, p: order.sort(k, p, axis, descending), keys, payload)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)


def test_nan_goes_last_in_both_directions() -> None:
    x = np.array([2, np.nan, 3, -np.inf, np.nan, np.inf])
    rising = run(lambda x: order.sort(x, x, 0), x)
    falling = run(lambda x: order.sort(x, x, 0, True), x)
    nan = np.nan
    np.testing.assert_array_equal(rising, [-np.inf, 2, 3, np.inf, nan, nan])
    np.testing.assert_array_equal(falling, [np.inf, 3, 2, -np.inf, nan, nan])


def test_sort_of_places_is_argsort() -> None:
    x = np.random.default_rng(0).integers(0, 4, (3, 20)).astype(np.float32)
    found = run(lambda x: order.sort(x, iota(x.shape, 1), 1), x)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.argsort(x, 1, kind="stable"))


@settings(max_examples=30)
@given(SHAPES, st.data(), st.booleans())
def test_sort_gradients(
    shape: tuple[int, ...], data: st.DataObject, descending: bool
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    random = np.random.default_rng(0)
    x = random.permutation(int(np.prod(shape))).reshape(shape).astype(np.float64)
    check_gradient(lambda x: order.sort(x, x, axis, descending), x)
    # with ties among the keys the payload alone decides
    keys = random.integers(0, 3, shape)
    leaf = input_leaf(shape, dtypes.int64)

    def graph_of(payload: Node, g: Node) -> Graph:
        result = order.sort(leaf, payload, axis, descending)
        (found,) = reverse([result], [g], [payload])
        assert found is not None
        return Graph([result, found], [leaf, payload, g])

    payload, g = (input_leaf(shape, dtypes.float64) for _ in range(2))
    sizes = np.arange(x.size, dtype=np.float64).reshape(shape)
    program = ReferenceExecutor().compile(graph_of(payload, g))
    result, found = program([keys, sizes, sizes])
    # The cotangent of each element is the place where it ended.
    np.testing.assert_array_equal(
        found.reshape(-1)[result.astype(int)], sizes.reshape(result.shape)
    )


def test_keys_alone_have_no_gradient() -> None:
    keys, payload = (input_leaf((4,), dtypes.float32) for _ in range(2))
    result = order.sort(keys, payload, 0)
    assert reverse([result], [payload], [keys]) == [None]


@pytest.mark.parametrize("descending", [False, True])
def test_sort_and_its_gradient_as_torch(descending: bool) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    x, g = (
        random.integers(0, 5, (4, 30)).astype(np.float64),
        random.normal(size=(4, 30)),
    )
    theirs = torch.tensor(x, requires_grad=True)
    expected, places = torch.sort(theirs, dim=1, descending=descending, stable=True)
    expected.backward(torch.tensor(g))

    def build(x: Node) -> Node:
        return order.sort(x, x, 1, descending)

    np.testing.assert_array_equal(run(build, x), expected.detach().numpy())
    np.testing.assert_array_equal(gradient(build, x, g), theirs.grad.numpy())
    found = run(lambda x: order.sort(x, iota(x.shape, 1), 1, descending), x)
    np.testing.assert_array_equal(found, places.numpy())


def test_builders_take_numpy_values() -> None:
    x = input_leaf((3, 4), dtypes.float32)
    assert order.cumsum(x, np.int64(1), np.True_) is order.cumsum(x, 1, True)
    assert order.sort(x, x, np.int8(0), np.False_) is order.sort(x, x, 0, False)
    assert type(order.sort(x, x, np.int8(0), np.True_).attrs["descending"]) is bool
