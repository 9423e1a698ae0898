"""Window primitives against loops over single elements, torch and differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nervure import dtypes
from nervure.autodiff.reverse import reverse
from nervure.errors import ShapeError
from nervure.exec.reference import ReferenceExecutor
from nervure.ir import Graph, Node
from nervure.prims import window
from nervure.prims.leaf import full, full_like, input_leaf

Array = np.ndarray[Any, np.dtype[Any]]
Places = tuple[int, ...]


class Case(NamedTuple):
    """A shape of x with the attributes of a window primitive."""

    shape: Places
    attrs: dict[str, Any]

    def windows(self) -> Iterator[tuple[Places, list[Places]]]:
        """Yield each window's place, and the places in x of its elements in order."""
        sizes, strides = self.attrs["window"], self.attrs["strides"]
        padding, dilation = self.attrs["padding"], self.attrs["dilation"]
        counts = []
        for axis, extent in enumerate(self.shape):
            count, begin = 0, -padding[axis][0]
            while (
                begin + (sizes[axis] - 1) * dilation[axis] < extent + padding[axis][1]
            ):
                count, begin = count + 1, begin + strides[axis]
            counts.append(count)
        for place in np.ndindex(*counts):
            inside = []
            for offset in np.ndindex(*sizes):
                source = tuple(
                    place[axis] * strides[axis]
                    - padding[axis][0]
                    + offset[axis] * dilation[axis]
                    for axis in range(len(counts))
                )
                if all(
                    0 <= one < extent
                    for one, extent in zip(source, self.shape, strict=True)
                ):
                    inside.append(source)
            yield place, inside

    def counts(self) -> Places:
        """Return how many windows there are on each axis; at least one."""
        last, _ = list(self.windows())[-1]
        return tuple(place + 1 for place in last)


def first_maximum(x: Array, places: Sequence[Places]) -> Places:
    """Return the place of the first NaN, or else of the first largest element."""
    best = places[0]
    for place in places[1:]:
        if np.isnan(x[best]):
            break
        if np.isnan(x[place]) or x[place] > x[best]:
            best = place
    return best


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Shapes, windows, strides, padding and dilation such that a window fits."""
    rank = draw(st.integers(0, 3))
    axes = []
    for _ in range(rank):
        extent, size = draw(st.integers(1, 6)), draw(st.integers(1, 3))
        stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        padding = (draw(st.integers(0, 4)), draw(st.integers(0, 4)))
        reach = (size - 1) * dilation + 1
        assume(reach <= extent + sum(padding))
        axes.append((extent, size, stride, padding, dilation))
    shape, *attrs = zip(*axes, strict=True) if axes else [()] * 5
    names = ("window", "strides", "padding", "dilation")
    return Case(shape, dict(zip(names, attrs, strict=True)))


# Every window has an element: padding is never wider than one element of a window.
POOLS = [
    Case(
        shape, {"window": size, "strides": step, "padding": pads, "dilation": dilation}
    )
    for shape, size, step, pads, dilation in [
        ((2, 4, 6, 2), (1, 2, 2, 1), (1, 2, 2, 1), ((0, 0),) * 4, (1, 1, 1, 1)),
        ((1, 5, 7, 2), (1, 2, 3, 1), (1, 2, 3, 1), ((0, 0),) * 4, (1, 1, 1, 1)),
        ((5, 6), (3, 3), (1, 2), ((1, 1), (2, 0)), (1, 1)),
        ((7, 6), (2, 3), (2, 1), ((0, 1), (1, 2)), (2, 1)),
        ((11,), (2,), (4,), ((1, 0),), (3,)),
    ]
]


def evaluate(outputs: Sequence[Node], feed: dict[Node, Array]) -> list[Array]:
    program = ReferenceExecutor().compile(Graph(outputs, list(feed)))
    return program(list(feed.values()))


def run(build: Callable[..., Node], *arrays: Array) -> Array:
    """Build a node of inputs of the arrays' types and evaluate it."""
    leaves = [input_leaf(array.shape, array.dtype) for array in arrays]
    return evaluate([build(*leaves)], dict(zip(leaves, arrays, strict=True)))[0]


def check_gradient(
    build: Callable[..., Node], arrays: Sequence[Array], orders: int = 2
) -> None:
    """Compare gradients of several orders with differences in random directions."""
    random = np.random.default_rng(0)
    leaves = [input_leaf(array.shape, array.dtype) for array in arrays]
    feed = dict(zip(leaves, arrays, strict=True))
    node = build(*leaves)
    for _ in range(orders):
        g = input_leaf(node.shape, node.dtype)
        wrt = list(feed)
        found = reverse([node], [g], wrt)
        directions = {leaf: random.normal(size=leaf.shape) for leaf in wrt}
        step = 1e-5
        above, below = (
            evaluate([node], {x: v + sign * directions[x] for x, v in feed.items()})[0]
            for sign in (step, -step)
        )
        weights = random.normal(size=node.shape)
        expected = np.sum(weights * (above - below)) / (2 * step)
        feed = {**feed, g: weights}
        known = [(x, y) for x, y in zip(wrt, found, strict=True) if y is not None]
        values = evaluate([y for _, y in known], feed)
        total = sum(
            np.sum(value * directions[x])
            for (x, _), value in zip(known, values, strict=True)
        )
        np.testing.assert_allclose(total, expected, rtol=1e-6, atol=1e-6)
        node = known[-1][1]  # the last operand's cotangent is differentiated next


def distinct(shape: Places, seed: int = 0) -> Array:
    """Return values that are all different and apart."""
    size = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(size).reshape(shape) / 2


# --- sums ----------------------------------------------------------------------------


@given(cases())
def test_window_sum_equals_a_loop(case: Case) -> None:
    x = distinct(case.shape)
    expected = np.zeros(case.counts())
    for place, inside in case.windows():
        expected[place] = sum(x[source] for source in inside)
    found = run(lambda x: window.window_sum(x, **case.attrs), x)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=60)
@given(cases())
def test_window_sum_gradients(case: Case) -> None:
    check_gradient(lambda x: window.window_sum(x, **case.attrs), [distinct(case.shape)])


@settings(max_examples=60)
@given(cases())
def test_window_sum_gradient_equals_a_loop(case: Case) -> None:
    weights = distinct(case.counts())
    expected = np.zeros(case.shape)
    for place, inside in case.windows():
        for source in inside:
            expected[source] += weights[place]
    x = input_leaf(case.shape, dtypes.float64)
    g = input_leaf(weights.shape, dtypes.float64)
    (to_x,) = reverse([window.window_sum(x, **case.attrs)], [g], [x])
    assert to_x is not None
    np.testing.assert_array_equal(evaluate([to_x], {g: weights})[0], expected)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16])
def test_window_sum_adds_narrow_floats_in_float32(dtype: dtypes.DType) -> None:
    x = np.ones(4096).astype(dtype)
    found = run(lambda x: window.window_sum(x, (4096,)), x)
    assert found.dtype == dtype
    assert found.astype(np.float64) == [4096]


def test_window_sum_of_integers_wraps_around() -> None:
    found = run(lambda x: window.window_sum(x, (3,)), np.full(4, 100, np.uint8))
    np.testing.assert_array_equal(found, np.array([44, 44], np.uint8))


def test_windows_of_nothing_but_padding_sum_to_zero() -> None:
    x = np.ones((0, 2), np.float32)
    found = run(lambda x: window.window_sum(x, (2, 1), padding=((1, 2), (0, 0))), x)
    np.testing.assert_array_equal(found, np.zeros((2, 2)))


def test_window_sum_and_its_gradient_as_torch_average() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 3))
    # torch counts the padding when it divides, and puts channels first
    theirs = torch.tensor(np.moveaxis(x, 3, 1), requires_grad=True)
    expected = 6 * torch.nn.functional.avg_pool2d(theirs, (3, 2), (2, 1), (1, 1))
    g = np.random.default_rng(1).normal(size=expected.shape)
    expected.backward(torch.tensor(g))
    leaf = input_leaf(x.shape, dtypes.float64)
    pads = ((0, 0), (1, 1), (1, 1), (0, 0))
    node = window.window_sum(leaf, (1, 3, 2, 1), (1, 2, 1, 1), pads)
    cotangent = input_leaf(node.shape, node.dtype)
    (to_x,) = reverse([node], [cotangent], [leaf])
    assert to_x is not None
    found, grad = evaluate([node, to_x], {leaf: x, cotangent: np.moveaxis(g, 1, 3)})
    np.testing.assert_allclose(
        np.moveaxis(found, 3, 1), expected.detach().numpy(), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        np.moveaxis(grad, 3, 1), theirs.grad.numpy(), rtol=1e-12, atol=1e-12
    )


# --- maxima --------------------------------------------------------------------------

SPECIAL = st.sampled_from([-np.inf, -np.inf, 0.0, 1.0, 1.0, 2.0, np.inf, np.nan])


@given(cases(), st.data())
def test_window_max_and_its_gradient_equal_a_loop(
    case: Case, data: st.DataObject
) -> None:
    windows = dict(case.windows())
    if not all(windows.values()):
        return  # see test_a_window_of_nothing_but_padding_is_refused
    count = int(np.prod(case.shape))
    drawn = data.draw(st.lists(SPECIAL, min_size=count, max_size=count))
    x = np.array(drawn).reshape(case.shape)
    g, maxima = distinct(case.counts()), np.zeros(case.counts())
    gradient = np.zeros(case.shape)
    for place, inside in windows.items():
        best = first_maximum(x, inside)
        maxima[place] = x[best]
        gradient[best] += g[place]
    found = run(lambda x: window.window_max(x, **case.attrs), x)
    np.testing.assert_array_equal(found, maxima)
    found = run(lambda x, g: window.window_max_grad(x, g, **case.attrs), x, g)
    np.testing.assert_array_equal(found, gradient)
    # The derivative in g reads an array of the shape of x at the same places.
    leaf, cotangent = (input_leaf(v.shape, v.dtype) for v in (x, g))
    weights = input_leaf(x.shape, x.dtype)
    node = window.window_max_grad(leaf, cotangent, **case.attrs)
    to_x, to_g = reverse([node], [weights], [leaf, cotangent])
    assert to_x is None
    assert to_g is not None
    read = distinct(case.shape, 1) + 1
    (found,) = evaluate([to_g], {leaf: x, cotangent: g, weights: read})
    expected = np.zeros(g.shape)
    for place, inside in windows.items():
        expected[place] = read[first_maximum(x, inside)]
    np.testing.assert_array_equal(found, expected)


@given(cases())
def test_a_window_of_nothing_but_padding_is_refused(case: Case) -> None:
    x = full(case.shape, 0, dtypes.float32)
    if all(inside for _, inside in case.windows()):
        assert window.window_max(x, **case.attrs).shape == case.counts()
        return
    with pytest.raises(ShapeError, match="wholly in the padding of axis"):
        window.window_max(x, **case.attrs)
    with pytest.raises(ShapeError, match="wholly in the padding of axis"):
        window.window_max_grad(x, full(case.counts(), 0, x.dtype), **case.attrs)


@pytest.mark.parametrize("dtype", window.NUMBERS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("case", POOLS, ids=lambda case: str(case.shape))
def test_window_max_of_every_type(case: Case, dtype: dtypes.DType) -> None:
    x = (distinct(case.shape) * 2 - 60).astype(dtype)
    expected = np.zeros(case.counts(), dtype)
    for place, inside in case.windows():
        expected[place] = max(x[source] for source in inside)
    found = run(lambda x: window.window_max(x, **case.attrs), x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("case", POOLS, ids=lambda case: str(case.shape))
def test_window_max_gradients_of_three_orders(case: Case) -> None:
    x = distinct(case.shape)
    check_gradient(lambda x: window.window_max(x, **case.attrs), [x], orders=3)


def test_padding_never_takes_the_cotangent() -> None:
    lowest = [-np.inf, -np.inf]
    attrs: dict[str, Any] = {"window": (3,), "padding": ((2, 2),)}
    found = run(
        lambda x, g: window.window_max_grad(x, g, **attrs),
        *(np.array(lowest), np.array([1.0, 2, 4, 8])),
    )
    np.testing.assert_array_equal(found, [7, 8])
    # and its derivative in g reads nothing from the padding
    x, weights = (input_leaf((2,), dtypes.float64) for _ in range(2))
    g = input_leaf((4,), dtypes.float64)
    (to_g,) = reverse([window.window_max_grad(x, g, **attrs)], [weights], [g])
    assert to_g is not None
    (found,) = evaluate([to_g], {x: np.array(lowest), weights: np.array([5.0, 6])})
    np.testing.assert_array_equal(found, [5, 5, 5, 6])
    small = np.full(2, -128, np.int8)
    found = run(lambda x: window.window_max(x, **attrs), small)
    np.testing.assert_array_equal(found, np.full(4, -128, np.int8))


def test_the_first_maximum_takes_the_cotangent() -> None:
    x, g = np.array([[1.0, 3, 3], [3, 3, 0]]), np.array([[5.0, 7]])
    found = run(lambda x, g: window.window_max_grad(x, g, (2, 2)), x, g)
    np.testing.assert_array_equal(found, [[0, 12, 0], [0, 0, 0]])


def test_the_first_nan_takes_the_cotangent() -> None:
    x = np.array([1.0, np.nan, np.nan, 9, 2])
    found = run(lambda x: window.window_max(x, (3,)), x)
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan])
    found = run(
        lambda x, g: window.window_max_grad(x, g, (3,)), x, np.array([1.0, 2, 4])
    )
    np.testing.assert_array_equal(found, [0, 3, 4, 0, 0])


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16])
def test_window_max_grad_adds_narrow_floats_in_float32(dtype: dtypes.DType) -> None:
    x = np.zeros(2000)
    x[1000] = 1
    g = np.ones(1001)
    found = run(
        lambda x, g: window.window_max_grad(x, g, (1000,)),
        *(x.astype(dtype), g.astype(dtype)),
    )
    expected = np.zeros(2000)
    expected[0], expected[1000] = 1, 1000
    np.testing.assert_array_equal(found.astype(np.float64), expected)


@pytest.mark.parametrize("ties", [False, True])
def test_window_max_and_its_gradient_as_torch(ties: bool) -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 8, 9, 3))
    if ties:
        x = random.integers(0, 3, x.shape).astype(np.float64)
    theirs = torch.tensor(np.moveaxis(x, 3, 1).copy(), requires_grad=True)
    expected = torch.nn.functional.max_pool2d(
        theirs, (3, 2), (2, 1), (1, 1), dilation=(1, 2)
    )
    g = random.normal(size=expected.shape)
    expected.backward(torch.tensor(g))
    leaf = input_leaf(x.shape, dtypes.float64)
    pads = ((0, 0), (1, 1), (1, 1), (0, 0))
    node = window.window_max(leaf, (1, 3, 2, 1), (1, 2, 1, 1), pads, (1, 1, 2, 1))
    cotangent = input_leaf(node.shape, node.dtype)
    (to_x,) = reverse([node], [cotangent], [leaf])
    assert to_x is not None
    found, grad = evaluate([node, to_x], {leaf: x, cotangent: np.moveaxis(g, 1, 3)})
    np.testing.assert_array_equal(np.moveaxis(found, 3, 1), expected.detach().numpy())
    np.testing.assert_allclose(
        np.moveaxis(grad, 3, 1), theirs.grad.numpy(), rtol=1e-12, atol=1e-12
    )


# --- shapes and attributes -----------------------------------------------------------


@given(cases())
def test_shapes_equal_the_counted_windows(case: Case) -> None:
    x = full(case.shape, 0, dtypes.float32)
    assert window.window_sum(x, **case.attrs).shape == case.counts()


def test_gradients_of_no_elements() -> None:
    for shape, size in (((0, 4), (1, 2)), ((0,), (2,))):
        x = input_leaf(shape, dtypes.float64)
        for build in (window.window_sum, window.window_max):
            node = build(x, size)
            assert node.size == 0
            (to_x,) = reverse([node], [full_like(node, 1)], [x])
            assert to_x is not None
            assert evaluate([to_x], {x: np.zeros(shape)})[0].shape == shape
            weights = input_leaf(shape, dtypes.float64)
            g = input_leaf(node.shape, dtypes.float64)
            (to_x,) = reverse([node], [g], [x])
            assert to_x is not None
            (again,) = reverse([to_x], [weights], [g])
            assert again is None or again.shape == g.shape


def test_builders_take_numpy_integers_and_lists() -> None:
    x = input_leaf((4, 6), dtypes.float32)
    plain = window.window_max(x, (2, 3), (1, 1), ((0, 0), (1, 0)), (1, 1))
    sizes, pads = np.array([2, 3]), np.array([[0, 0], [1, 0]])
    assert window.window_max(x, sizes, padding=pads) is plain
    assert window.window_max(x, [2, 3], None, [[0, 0], [1, 0]], [1, 1]) is plain
    assert all(type(size) is int for size in plain.attrs["window"])
