"""Signal processing, against SciPy, in values and derivatives."""

from __future__ import annotations

import math
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

import nervure as nv
from nervure.errors import (
    ArgumentError,
    DTypeError,
    ShapeError,
    UnknownNameError,
)

MODES = ["full", "same", "valid"]
BOUNDARIES = ["reflect", "mirror", "nearest", "wrap", "constant"]
PAIRS = [
    ("convolve", scipy.signal.convolve),
    ("correlate", scipy.signal.correlate),
    ("convolve2d", scipy.signal.convolve2d),
    ("correlate2d", scipy.signal.correlate2d),
]


def fits(first: Any, second: Any) -> bool:
    """Tell whether mode 'valid' is defined for two shapes."""
    pairs = list(zip(first, second, strict=True))
    return all(x >= y for x, y in pairs) or all(x <= y for x, y in pairs)


def compared(name: str, theirs: Any, f: Any, g: Any, mode: str) -> None:
    got = getattr(nv.signal, name)(f, g, mode=mode)
    want = theirs(f, g, mode=mode)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    mode=st.sampled_from(MODES),
    which=st.sampled_from(PAIRS[:2]),
    seed=st.integers(0, 1000),
)
def test_one_axis(sizes: Any, mode: str, which: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    f, g = random.normal(size=sizes[0]), random.normal(size=sizes[1])
    compared(*which, f, g, mode)


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(
    first=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    second=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    mode=st.sampled_from(MODES),
    which=st.sampled_from(PAIRS),
    seed=st.integers(0, 1000),
)
def test_two_axes(first: Any, second: Any, mode: str, which: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    f, g = random.normal(size=first), random.normal(size=second)
    if mode == "valid" and not fits(first, second):
        with pytest.raises(ShapeError, match="as large as the other on every axis"):
            getattr(nv.signal, which[0])(f, g, mode=mode)
        return
    compared(*which, f, g, mode)


@pytest.mark.parametrize("mode", MODES)
def test_three_axes(mode: str) -> None:
    random = np.random.default_rng(0)
    f, g = random.normal(size=(4, 5, 6)), random.normal(size=(2, 3, 4))
    for name, theirs in PAIRS[:2]:
        compared(name, theirs, f, g, mode)
        compared(name, theirs, g, f, mode)


def test_types() -> None:
    random = np.random.default_rng(0)
    f, g = random.integers(-(10**6), 10**6, 50), random.integers(-(10**6), 10**6, 7)
    whole = nv.signal.convolve(f, g)
    assert whole.dtype == "float64"
    np.testing.assert_array_equal(whole.numpy(), scipy.signal.convolve(f, g))
    assert nv.signal.convolve([1, 2, 3], [0.5, 1.0]).dtype == "float32"
    image = np.array([[0, 255], [255, 0]], np.uint8)
    assert nv.signal.convolve2d(image, [[True]]).tolist() == image.tolist()
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = nv.ones(4, dtype=dtype)
        assert nv.signal.correlate(x, x).dtype == dtype
    mixed = nv.signal.convolve(nv.ones(3), np.ones(3))
    assert mixed.dtype == "float64"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "theirs"), PAIRS)
def test_derivatives(name: str, theirs: Any, mode: str) -> None:
    """Bilinear: the derivative in one argument contracts with the other's values."""
    random = np.random.default_rng(0)
    two = name.endswith("2d")
    f = random.normal(size=(5, 6) if two else 9)
    g = random.normal(size=(2, 3) if two else 4)
    for first, second in ((f, g), (g, f)):
        weights = random.normal(size=theirs(first, second, mode=mode).shape)

        def loss(x: nv.Array, y: nv.Array, weights: Any = weights) -> nv.Array:
            return nv.sum(getattr(nv.signal, name)(x, y, mode=mode) * weights)

        to_first, to_second = nv.grad(loss, (0, 1))(
            nv.asarray(first), nv.asarray(second)
        )
        for gradient, place in ((to_first, 0), (to_second, 1)):
            direction = random.normal(size=(first, second)[place].shape)
            moved = [first, second]
            moved[place] = direction
            slope = float((theirs(*moved, mode=mode) * weights).sum())
            got = float((gradient.numpy() * direction).sum())
            assert abs(got - slope) < 1e-10


def test_second_derivative() -> None:
    f = nv.asarray(np.array([1.0, -2.0, 0.5]))
    hessian = nv.hessian(lambda x: nv.sum(nv.signal.convolve(x, x) ** 2))(f).numpy()
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)

    def value(x: Any) -> float:
        return float((np.convolve(x, x) ** 2).sum())

    step, basis = 1e-4, np.eye(3) * 1e-4
    x = f.numpy()
    want = [
        [
            (value(x + a + b) - value(x + a - b) - value(x - a + b) + value(x - a - b))
            / (4 * step**2)
            for a in basis
        ]
        for b in basis
    ]
    np.testing.assert_allclose(hessian, want, rtol=1e-5, atol=1e-5)


# --- Gaussian smoothing --------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma", "radius"), [(0.5, None), (1.3, None), (2.0, 3), (0, 2)]
)
def test_gaussian_kernel(sigma: float, radius: int | None) -> None:
    kernel = nv.signal.gaussian_kernel(sigma, radius, dtype="float64").numpy()
    reach = int(4 * sigma + 0.5) if radius is None else radius
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1
    want = scipy.ndimage.gaussian_filter1d(
        impulse, max(sigma, 1e-9), radius=reach, mode="constant"
    )
    np.testing.assert_allclose(kernel, want, atol=1e-15)
    assert nv.signal.gaussian_kernel(sigma, radius).dtype == "float32"


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    shape=st.lists(st.integers(1, 8), min_size=1, max_size=3),
    sigma=st.floats(0.1, 3),
    boundary=st.sampled_from(BOUNDARIES),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_gaussian_filter1d(
    shape: list[int], sigma: float, boundary: str, seed: int, data: Any
) -> None:
    x = np.random.default_rng(seed).normal(size=shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    radius = data.draw(st.sampled_from([None, 0, 1, 5]))
    got = nv.signal.gaussian_filter1d(x, sigma, axis, radius=radius, boundary=boundary)
    want = scipy.ndimage.gaussian_filter1d(x, sigma, axis, radius=radius, mode=boundary)
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_gaussian_filter(boundary: str) -> None:
    x = np.random.default_rng(0).normal(size=(7, 9))
    for sigma in (1.0, (0.5, 2.0)):
        got = nv.signal.gaussian_filter(x, sigma, boundary=boundary).numpy()
        want = scipy.ndimage.gaussian_filter(x, sigma, mode=boundary)
        np.testing.assert_allclose(got, want, atol=1e-12)
    images = np.random.default_rng(0).normal(size=(2, 6, 5, 3))
    got = nv.signal.gaussian_filter(images, 1.0, axes=(1, 2), boundary=boundary)
    want = scipy.ndimage.gaussian_filter(images, 1.0, axes=(1, 2), mode=boundary)
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


def test_smoothing_is_a_convolution() -> None:
    """As on the slide '1d example: Gaussian smoothing'."""
    x = np.random.default_rng(0).normal(size=64)
    kernel = nv.signal.gaussian_kernel(2.0, dtype="float64")
    by_hand = nv.signal.convolve(x, kernel, mode="same")
    filtered = nv.signal.gaussian_filter1d(x, 2.0, boundary="constant")
    np.testing.assert_allclose(by_hand.numpy(), filtered.numpy(), atol=1e-14)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_smoothing_derivative(boundary: str) -> None:
    """Linear: the derivative of the sum with weights is the transposed filter."""
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(5, 4)), random.normal(size=(5, 4))

    def smooth(y: Any) -> nv.Array:
        return nv.signal.gaussian_filter(y, 1.2, boundary=boundary)

    gradient = nv.grad(lambda y: nv.sum(smooth(y) * weights))(nv.asarray(x)).numpy()
    for place in ((0, 0), (2, 1), (4, 3)):
        impulse = np.zeros_like(x)
        impulse[place] = 1
        want = scipy.ndimage.gaussian_filter(impulse, 1.2, mode=boundary)
        np.testing.assert_allclose(gradient[place], (want * weights).sum(), atol=1e-12)


# --- gradients of images -------------------------------------------------------------


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(7,), (5, 6), (3, 4, 5)])
def test_sobel(boundary: str, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    for axis in range(-1, len(shape)):
        got = nv.signal.sobel(x, axis, boundary=boundary).numpy()
        want = scipy.ndimage.sobel(x, axis, mode=boundary)
        np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("kind", ["central", "sobel", "prewitt", "scharr"])
def test_gradient_filters(kind: str) -> None:
    rows, columns = np.mgrid[0:6, 0:7].astype(np.float64)
    plane = 2 * rows - 3 * columns
    down, right = nv.signal.gradient_filters(kind, dtype="float64")
    for weights, slope in ((down, 2.0), (right, -3.0)):
        inside = nv.signal.convolve2d(plane, weights, mode="valid").numpy()
        np.testing.assert_allclose(inside, slope, atol=1e-13)
    if kind == "sobel":
        image = np.random.default_rng(0).normal(size=(6, 7))
        got = nv.signal.convolve2d(image, right, mode="valid").numpy() * 8
        want = scipy.ndimage.sobel(image, axis=1)[1:-1, 1:-1]
        np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 2), (5, 6), (3, 4, 5)])
def test_image_gradients(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    got = nv.signal.image_gradients(image)
    want = np.gradient(image, axis=(-2, -1))
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-14)
    if min(shape) > 2:
        right = nv.signal.gradient_filters("central", dtype="float64")[1]
        flat = image.reshape(-1, shape[-1])
        inside = nv.signal.convolve2d(flat, right, mode="valid").numpy()
        np.testing.assert_allclose(
            inside, got[1].numpy().reshape(flat.shape)[:, 1:-1], atol=1e-14
        )


def test_image_gradients_of_batches() -> None:
    images = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    down, right = nv.signal.image_gradients(images, axes=(1, 2))
    assert down.dtype == right.dtype == "float32"
    want = np.gradient(images, axis=(1, 2))
    np.testing.assert_allclose(down.numpy(), want[0], atol=1e-6)
    np.testing.assert_allclose(right.numpy(), want[1], atol=1e-6)
    slope = nv.grad(lambda x: nv.sum(nv.signal.image_gradients(x, (1, 2))[1]))(
        nv.asarray(images)
    )
    # inside each pixel counts once with each sign, so only the edges are left
    assert np.abs(slope.numpy()[:, :, 1:-1].sum()) < 1e-5


def test_no_elements() -> None:
    assert nv.signal.gaussian_filter(nv.zeros((0, 4)), 1.0).shape == (0, 4)
    assert nv.signal.sobel(nv.zeros((3, 0))).shape == (3, 0)


# --- errors --------------------------------------------------------------------------

S = nv.signal
ONES = nv.ones((3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: S.convolve([1.0], [1.0], mode="sane"), UnknownNameError, "unknown "
         "mode: 'sane'\n  fix: did you mean 'same'?"),
        (lambda: S.convolve2d(ONES, ONES, mode=3), UnknownNameError, "unknown mode: 3\n"
         "  fix: use one of 'full', 'same', 'valid'"),
        (lambda: S.convolve(ONES, [1.0, 2.0]), ShapeError, "convolve: expected two "
         "arrays with the same number of axes, at least one, got 2 and 1 axes"),
        (lambda: S.correlate(1.0, 2.0), ShapeError, "correlate: expected two arrays "
         "with the same number of axes, at least one, got 0 and 0 axes"),
        (lambda: S.convolve2d([1.0], [1.0]), ShapeError, "convolve2d: expected two "
         "arrays of 2 axes, got 1 and 1 axes"),
        (lambda: S.correlate2d(nv.ones((2, 3, 3)), ONES), ShapeError, "correlate2d: "
         "expected two arrays of 2 axes, got 3 and 2 axes"),
        (lambda: S.convolve(nv.ones(0), [1.0]), ShapeError, "convolve: expected at "
         "least one element"),
        (lambda: S.convolve2d(nv.ones((2, 5)), ONES, mode="valid"), ShapeError,
         "convolve2d: mode 'valid' needs one array that is at least as large as the "
         "other on every axis"),
        (lambda: S.gaussian_kernel(-1.0), ArgumentError, "gaussian_kernel: "
         "expected sigma to be a finite number of at least 0, got -1.0"),
        (lambda: S.gaussian_kernel(math.inf), ArgumentError, "gaussian_kernel: "
         "expected sigma to be a finite number of at least 0, got inf"),
        (lambda: S.gaussian_kernel(1.0, -2), ArgumentError, "gaussian_kernel: "
         "expected a radius of at least 0, got -2"),
        (lambda: S.gaussian_kernel(1.0, dtype="int32"), DTypeError, "gaussian_kernel: "
         "expected a floating-point type, got int32"),
        (lambda: S.gaussian_filter1d(ONES, 1.0, 2), ArgumentError,
         "gaussian_filter1d: axis 2 is out of range for an array of 2 axes"),
        (lambda: S.gaussian_filter1d(ONES, 1.0, boundary="refelct"), UnknownNameError,
         "unknown boundary: 'refelct'\n  fix: did you mean 'reflect'?"),
        (lambda: S.gaussian_filter1d(1.0, 1.0), ShapeError, "gaussian_filter1d: "
         "expected an array of at least one axis"),
        (lambda: S.gaussian_filter(ONES, (1.0, 2.0, 3.0)), ArgumentError,
         "gaussian_filter: expected one sigma for each of 2 axes, got 3"),
        (lambda: S.gradient_filters("sobol"), UnknownNameError, "unknown gradient "
         "filter: 'sobol'\n  fix: did you mean 'sobel'?"),
        (lambda: S.gradient_filters(dtype="int8"), DTypeError, "gradient_filters: "
         "expected a floating-point type, got int8"),
        (lambda: S.image_gradients([1.0, 2.0]), ShapeError, "image_gradients: expected "
         "an image of at least two axes"),
        (lambda: S.image_gradients(nv.ones((1, 4))), ShapeError, "image_gradients: "
         "expected at least 2 elements on axis 0, got 1"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
