"""Functions of networks, against PyTorch and float64, at extreme values too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as reference
from scipy import special

import nervure as nv
from nervure.errors import (
    ArgumentError,
    DataError,
    DTypeError,
    NervureError,
    ShapeError,
)
from nervure.ops import nn

# name, ours, PyTorch's, the points where the derivative jumps
ACTIVATIONS: list[tuple[str, Any, Any, list[float]]] = [
    ("relu", nn.relu, reference.relu, [0]),
    ("relu6", nn.relu6, reference.relu6, [0, 6]),
    ("leaky_relu", nn.leaky_relu, lambda x: reference.leaky_relu(x, 0.2), [0]),
    (
        "leaky_relu 0.3",
        lambda x: nn.leaky_relu(x, 0.3),
        lambda x: reference.leaky_relu(x, 0.3),
        [0],
    ),
    ("elu", nn.elu, reference.elu, []),
    ("elu 2", lambda x: nn.elu(x, 2.0), lambda x: reference.elu(x, 2.0), [0]),
    ("selu", nn.selu, reference.selu, [0]),
    ("celu", nn.celu, reference.celu, []),
    ("celu 2", lambda x: nn.celu(x, 2.0), lambda x: reference.celu(x, 2.0), []),
    ("gelu", nn.gelu, reference.gelu, []),
    (
        "gelu approximate",
        lambda x: nn.gelu(x, approximate=True),
        lambda x: reference.gelu(x, approximate="tanh"),
        [],
    ),
    ("silu", nn.silu, reference.silu, []),
    ("swish", nn.swish, reference.silu, []),
    # PyTorch's own hardsigmoid takes a sixth in float32 for the derivative.
    (
        "hard_sigmoid",
        nn.hard_sigmoid,
        lambda x: reference.relu6(x + 3) / 6,
        [-3, 3],
    ),
    ("hard_silu", nn.hard_silu, reference.hardswish, [-3, 3]),
    ("hard_swish", nn.hard_swish, reference.hardswish, [-3, 3]),
    ("hard_tanh", nn.hard_tanh, reference.hardtanh, [-1, 1]),
    ("softplus", nn.softplus, lambda x: torch.logaddexp(x, torch.zeros(())), []),
    ("softsign", nn.softsign, reference.softsign, []),
    ("log_sigmoid", nn.log_sigmoid, reference.logsigmoid, []),
    ("mish", nn.mish, reference.mish, []),
    ("sigmoid", nn.sigmoid, torch.sigmoid, []),
    ("tanh", nn.tanh, torch.tanh, []),
    ("exponential", nn.exponential, torch.exp, []),
]
EVERY = pytest.mark.parametrize(
    ("ours", "theirs", "kinks"),
    [row[1:] for row in ACTIVATIONS],
    ids=[row[0] for row in ACTIVATIONS],
)
FLOATS = ["float16", "bfloat16", "float32", "float64"]
TORCH = {"float32": torch.float32, "float64": torch.float64}


def derivative(function: Callable[..., Any], x: Any) -> Any:
    return nv.grad(lambda y: nv.sum(function(y)))(nv.asarray(x)).numpy()


def torch_derivative(function: Callable[..., Any], x: Any) -> Any:
    leaf = torch.tensor(x, requires_grad=True)
    function(leaf).sum().backward()
    assert leaf.grad is not None
    return leaf.grad.numpy()


# --- activations ---------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 3e-6), ("float64", 1e-13)]
)
def test_activation_and_derivative(
    ours: Any, theirs: Any, kinks: list[float], dtype: str, tolerance: float
) -> None:
    x = np.random.default_rng(0).normal(size=(3, 400)) * 4
    x[0, :5] = [0.5, -0.5, 3.5, 0.25, -2.5]
    x = x.astype(dtype)
    got = ours(nv.asarray(x))
    assert got.dtype == dtype
    want = theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(got.numpy(), want, rtol=tolerance, atol=tolerance)
    slope, torch_slope = derivative(ours, x), torch_derivative(theirs, x)
    np.testing.assert_allclose(slope, torch_slope, rtol=10 * tolerance, atol=tolerance)


@EVERY
def test_derivative_at_kinks(ours: Any, theirs: Any, kinks: list[float]) -> None:
    x = np.array([*kinks, 0.0])
    np.testing.assert_allclose(derivative(ours, x), torch_derivative(theirs, x))


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activation_at_extremes(
    ours: Any, theirs: Any, kinks: list[float], dtype: str
) -> None:
    """Finite values and derivatives, up to the largest numbers of the type."""
    largest = np.finfo(dtype).max / 4
    x = np.array([-largest, -1e30, -1e4, -100, 100, 1e4, 1e30, largest], dtype)
    if ours is nn.exponential:
        x = x[:4]
    got = ours(nv.asarray(x)).numpy()
    want = theirs(torch.tensor(x)).numpy()
    finite = np.isfinite(want)  # torch's tanh-gelu, for one, overflows
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[finite], want[finite], rtol=1e-6, atol=1e-30)
    slope = derivative(ours, x)
    assert np.isfinite(slope).all()
    torch_slope = torch_derivative(theirs, x)
    finite = np.isfinite(torch_slope)
    np.testing.assert_allclose(
        slope[finite], torch_slope[finite], rtol=1e-5, atol=1e-10
    )


@EVERY
def test_activation_of_nan_and_types(
    ours: Any, theirs: Any, kinks: list[float]
) -> None:
    assert np.isnan(ours(nv.asarray([math.nan])).numpy()).all()
    x = np.random.default_rng(1).normal(size=50)
    for dtype in FLOATS:
        narrow = nv.asarray(x).astype(dtype)
        got = ours(narrow)
        assert got.dtype == dtype
        # rounded once: computed in float32
        if dtype in ("float16", "bfloat16") and ours not in (nn.sigmoid, nn.tanh):
            again = ours(narrow.astype("float32")).astype(dtype)
            np.testing.assert_array_equal(
                got.astype("float32").numpy(), again.astype("float32").numpy()
            )
    assert ours(nv.zeros((0, 3))).shape == (0, 3)
    assert ours(nv.asarray(1)).dtype == ("int64" if ours is nn.relu else "float32")


@pytest.mark.parametrize("name", ["softplus", "silu", "gelu", "mish", "celu"])
def test_second_derivatives(name: str) -> None:
    """At 0 too, where the formula of softplus changes its branch."""
    ours, theirs = next(row[1:3] for row in ACTIVATIONS if row[0] == name)
    x = np.array([-3.0, -0.4, 0.0, 0.7, 2.0])
    if name == "celu":  # its second derivative jumps at 0
        x = x[x != 0]

    def slope(y: nv.Array) -> nv.Array:
        return nv.grad(lambda z: nv.sum(ours(z)))(y)

    leaf = torch.tensor(x, requires_grad=True)
    (first,) = torch.autograd.grad(theirs(leaf).sum(), leaf, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), leaf)
    if name == "softplus":  # PyTorch's logaddexp has no smooth second derivative
        curve = special.expit(x) * special.expit(-x)
    else:
        curve = second.numpy()
    np.testing.assert_allclose(derivative(slope, x), curve, rtol=1e-9, atol=1e-12)


def test_tails_keep_their_digits() -> None:
    x = nv.asarray(np.array([-700.0, -40.0, 40.0]))
    softplus = nn.softplus(x).numpy()
    np.testing.assert_allclose(softplus, np.logaddexp(0, x.numpy()), rtol=1e-15)
    np.testing.assert_allclose(derivative(nn.softplus, x), special.expit(x.numpy()))
    np.testing.assert_allclose(nn.silu(x).numpy(), x.numpy() * special.expit(x.numpy()))


def test_relu_of_integers() -> None:
    assert nn.relu(np.array([-3, 0, 4], np.int8)).tolist() == [0, 0, 4]
    assert nn.relu(np.array([-3, 4], np.int8)).dtype == "int8"


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu(axis: int) -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    want = reference.glu(torch.tensor(x), axis).numpy()
    np.testing.assert_allclose(nn.glu(nv.asarray(x), axis).numpy(), want)
    np.testing.assert_allclose(
        derivative(lambda y: nn.glu(y, axis), x),
        torch_derivative(lambda y: reference.glu(y, axis), x),
    )


# --- softmax -------------------------------------------------------------------------

SOFTMAXES = [
    (nn.softmax, torch.softmax),
    (nn.log_softmax, torch.log_softmax),
    (nn.logsumexp, torch.logsumexp),
]


@pytest.mark.parametrize(("ours", "theirs"), SOFTMAXES)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e300])
def test_softmax(ours: Any, theirs: Any, axis: int, scale: float) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 4, 5)) * scale
    weights = random.normal(size=ours(x, axis).shape)
    np.testing.assert_allclose(
        ours(nv.asarray(x), axis).numpy(),
        theirs(torch.tensor(x), axis).numpy(),
        rtol=1e-12,
        atol=1e-15,
    )
    got = derivative(lambda y: ours(y, axis) * weights, x)
    want = torch_derivative(lambda y: theirs(y, axis) * torch.tensor(weights), x)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_types(dtype: str) -> None:
    x = nv.asarray([[1.0, 2.0, 3.0], [1e4, -1e4, 0.0]]).astype(dtype)
    for ours, _ in SOFTMAXES:
        y = ours(x)
        assert y.dtype == dtype
        assert np.isfinite(y.astype("float64").numpy()).all()
    total = nv.sum(nn.softmax(x).astype("float32"), axis=-1).numpy()
    np.testing.assert_allclose(total, 1, atol=4 * float(nv.finfo(x.dtype).eps))


def test_softmax_of_masked_rows() -> None:
    inf = math.inf
    x = np.array([[0.0, -inf, 1.0], [-inf, -inf, -inf]])
    share = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    want = np.array([[share[0], 0, share[1]], [0, 0, 0]])
    np.testing.assert_allclose(nn.softmax(x).numpy(), want)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(nn.log_softmax(x).numpy(), np.log(want))
    level = nn.logsumexp(nv.asarray(x), -1).numpy()
    np.testing.assert_allclose(level, [np.log(1 + np.e), -inf])
    for ours, weights in (
        (nn.softmax, np.arange(6.0).reshape(2, 3)),
        (nn.logsumexp, 1),
    ):
        slope = derivative(lambda y, f=ours, w=weights: f(y, -1) * w, x)  # type: ignore[misc]
        assert np.isfinite(slope).all()
        assert (slope[1] == 0).all()


def test_softmax_of_nan_is_nan() -> None:
    for ours, _ in SOFTMAXES:
        assert np.isnan(ours([1.0, math.nan], -1).numpy()).all()


def test_softmax_over_several_axes() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    want = special.softmax(x, axis=(1, 2))
    np.testing.assert_allclose(nn.softmax(x, (1, -1)).numpy(), want)
    np.testing.assert_allclose(nn.log_softmax(x, (1, -1)).numpy(), np.log(want))
    np.testing.assert_allclose(nn.logsumexp(x).item(), special.logsumexp(x))
    kept = nn.logsumexp(x, (0, 2), keepdims=True).numpy()
    want = special.logsumexp(x, axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(kept, want)


def test_softmax_second_derivative() -> None:
    x = np.random.default_rng(0).normal(size=4)
    ours = nv.hessian(lambda y: nn.logsumexp(y))(nv.asarray(x)).numpy()
    y = special.softmax(x)
    np.testing.assert_allclose(ours, np.diag(y) - np.outer(y, y), atol=1e-14)


# --- cross entropies -----------------------------------------------------------------

LOGITS = np.array(
    [
        [1e4, -1e4, 0.0, 1.0],
        [-1e4, 1e4, 1e4, 3.0],
        [0.1, -0.2, 0.3, 2.0],
        [0.0, 0.0, 0.0, 0.0],
        [-500.0, 500.0, 0.0, 1.0],
    ]
)
LABELS = np.array([1, 2, 3, 0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1])
def test_sparse_categorical_crossentropy(dtype: str, axis: int) -> None:
    logits = LOGITS.astype(dtype)
    given = logits if axis == 1 else logits.T

    def loss(x: Any) -> nv.Array:
        return nn.sparse_categorical_crossentropy_with_logits(LABELS, x, axis)

    want = reference.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(LABELS), reduction="none"
    ).numpy()
    np.testing.assert_allclose(loss(given).numpy(), want, rtol=1e-6, atol=1e-7)
    exact = special.softmax(LOGITS, axis=1) - np.eye(4)[LABELS]
    slope = derivative(loss, given)
    slope = slope if axis == 1 else slope.T
    np.testing.assert_allclose(slope, exact, atol=2e-7 if dtype == "float32" else 1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_categorical_crossentropy(dtype: str) -> None:
    targets = special.softmax(np.random.default_rng(0).normal(size=(5, 4)), axis=1)
    targets[0] = [0, 0, 1, 0]
    logits, chances = LOGITS.astype(dtype), targets.astype(dtype)

    def loss(x: Any) -> nv.Array:
        return nn.categorical_crossentropy_with_logits(chances, x)

    want = reference.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(targets), reduction="none"
    ).numpy()
    np.testing.assert_allclose(loss(logits).numpy(), want, rtol=1e-6)
    exact = special.softmax(LOGITS, axis=1) - targets
    tolerance = 3e-7 if dtype == "float32" else 1e-15
    np.testing.assert_allclose(derivative(loss, logits), exact, atol=tolerance)
    to_targets = nv.grad(
        lambda t: nv.sum(nn.categorical_crossentropy_with_logits(t, logits))
    )(nv.asarray(chances))
    want = -special.log_softmax(LOGITS, axis=1)
    np.testing.assert_allclose(to_targets.numpy(), want, rtol=1e-5)


def test_categorical_crossentropy_of_impossible_classes() -> None:
    logits = np.array([[0.0, -math.inf, 1.0]])
    loss = nn.categorical_crossentropy_with_logits([[1.0, 0.0, 0.0]], logits)
    np.testing.assert_allclose(loss.numpy(), [np.log(1 + np.e)])
    slope = derivative(
        lambda x: nn.categorical_crossentropy_with_logits([[1.0, 0.0, 0.0]], x), logits
    )
    assert np.isfinite(slope).all()
    assert nn.categorical_crossentropy_with_logits([[0.0, 1, 0]], logits).tolist() == [
        math.inf
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_crossentropy(dtype: str) -> None:
    logits = np.array([-1e4, -50, -20, -1, 0, 0, 0, 1, 20, 50, 1e4], dtype)
    for target in (0.0, 1.0, 0.3):
        targets = np.full(logits.shape, target, dtype)

        def loss(x: Any, targets: Any = targets) -> nv.Array:
            return nn.binary_crossentropy_with_logits(targets, x)

        wide = logits.astype(np.float64)
        share = targets.astype(np.float64)
        tolerance = 1e-6 if dtype == "float32" else 1e-14
        want = np.logaddexp(0, wide) - wide * share
        want = np.where(
            (share == 1) & (wide > 0), np.log1p(np.exp(-np.abs(wide))), want
        )
        np.testing.assert_allclose(loss(logits).numpy(), want, rtol=tolerance)
        exact = special.expit(wide) - share
        if target == 1.0:  # known better than by that difference
            exact = -special.expit(-wide)
        got = derivative(loss, logits)
        np.testing.assert_allclose(got, exact, rtol=tolerance, atol=1e-30)


def test_crossentropy_gradients_are_finite_at_the_largest_numbers() -> None:
    x = np.array([[3e38, -3e38, 0.0]], np.float32)
    one = np.array([[1.0, 0.0, 0.0]], np.float32)
    for loss in (
        lambda y: nn.sparse_categorical_crossentropy_with_logits([0], y),
        lambda y: nn.categorical_crossentropy_with_logits(one, y),
        lambda y: nn.binary_crossentropy_with_logits(one, y),
    ):
        np.testing.assert_array_equal(derivative(loss, x)[0, :2], [0, 0])


def test_unknown_labels_out_of_range_give_nan() -> None:
    labels = nv.asarray([0, 1, 2]) + 1
    loss = nn.sparse_categorical_crossentropy_with_logits(labels, np.zeros((3, 3)))
    np.testing.assert_allclose(loss.numpy(), [np.log(3), np.log(3), math.nan])


def test_crossentropy_types() -> None:
    half = nv.asarray(LOGITS[2:4]).astype("float16")
    for loss in (
        nn.sparse_categorical_crossentropy_with_logits([1, 2], half),
        nn.categorical_crossentropy_with_logits(nn.one_hot([1, 2], 4), half),
        nn.binary_crossentropy_with_logits(nv.ones((2, 4)), half),
        nn.binary_crossentropy_with_logits(nv.ones((2, 4), dtype="int64"), half),
    ):
        assert loss.dtype == "float16"
    assert nn.sparse_categorical_crossentropy_with_logits(
        nv.zeros((2, 0), dtype="int32"), nv.zeros((2, 0, 3))
    ).shape == (2, 0)


# --- dropout, moments, norms ---------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout(rate: float) -> None:
    key = nv.random.key(3)
    x = nv.asarray(np.full((100, 200), 2.0, np.float32))
    y = nn.dropout(x, rate, key).numpy()
    kept = y != 0
    assert abs(kept.mean() - (1 - rate)) <= 5 * math.sqrt(rate * (1 - rate) / y.size)
    if rate < 1:
        np.testing.assert_allclose(y[kept], 2 / (1 - rate), rtol=1e-6)
    slope = derivative(lambda z: nn.dropout(z, rate, key), x)
    np.testing.assert_allclose(slope, y / 2)
    np.testing.assert_array_equal(y, nn.dropout(x, rate, key).numpy())


def test_dropout_mask() -> None:
    """The mask is a comparison of the key's bits, whatever the type of x."""
    key = nv.random.key(5)
    kept = nv.random.bits((4, 6), key=key).numpy() < round(0.7 * 2**32)
    for dtype in FLOATS:
        y = nn.dropout(nv.ones((4, 6), dtype=dtype), 0.3, key)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.astype("float32").numpy() != 0, kept)
    rows = nn.dropout(nv.ones((50, 6)), 0.5, key, noise_shape=(None, 1)).numpy()
    assert set(rows.sum(axis=1)) == {0.0, 12.0}
    assert (
        nn.dropout(nv.ones(100), 0.5).tolist() != nn.dropout(nv.ones(100), 0.5).tolist()
    )


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (-1,)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_moments(axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)) + 1e6
    mean, variance = nn.moments(x, axis, keepdims=keepdims)
    want = x.mean(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(mean.numpy(), want, rtol=1e-14)
    want = x.var(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(variance.numpy(), want, rtol=1e-9)


def test_moments_derivative() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    got = derivative(lambda y: nn.moments(y, 0)[1] * np.arange(3.0), x)
    want = torch_derivative(lambda y: y.var(0, correction=0) * torch.arange(3.0), x)
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, math.inf])
@pytest.mark.parametrize("axis", [0, -1])
def test_normalize(order: float, axis: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 4))
    weights = random.normal(size=x.shape)
    want = reference.normalize(torch.tensor(x), p=order, dim=axis).numpy()
    np.testing.assert_allclose(nn.normalize(x, axis, order).numpy(), want, rtol=1e-12)
    got = derivative(lambda y: nn.normalize(y, axis, order) * weights, x)
    want = torch_derivative(
        lambda y: reference.normalize(y, p=order, dim=axis) * torch.tensor(weights), x
    )
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_normalize_at_extremes() -> None:
    for scale in (1e-200, 1e200):
        y = nn.normalize(np.array([3.0, -4.0]) * scale, epsilon=1e-250).numpy()
        np.testing.assert_allclose(y, [0.6, -0.8])
    half = nv.asarray([300.0, 400.0]).astype("float16")
    assert nn.normalize(half).tolist() == [0.60009765625, 0.7998046875]
    zero = np.zeros((2, 3))
    for order in (1, 2, math.inf):
        assert nn.normalize(zero, order=order).tolist() == zero.tolist()
        slope = derivative(
            lambda y, n=order: nn.normalize(y, order=n, epsilon=0.5), zero
        )  # type: ignore[misc]
        np.testing.assert_allclose(slope, 2.0)


# --- errors --------------------------------------------------------------------------

SPARSE = nn.sparse_categorical_crossentropy_with_logits


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.celu(1.0, alpha=0), ArgumentError, "celu: alpha must not be "
         "0, it divides x"),
        (lambda: nn.relu(np.array([True])), DTypeError, "relu: expected integers or "
         "floating-point numbers, got bool"),
        (lambda: nn.glu(nv.zeros((2, 3))), ShapeError, "glu: expected an even number "
         "of elements on axis -1, got 3"),
        (lambda: nn.softmax(nv.zeros((2, 3)), 2), ArgumentError, "softmax: axis "
         "2 is out of range for an array of 2 axes"),
        (lambda: nn.softmax(1.0), ArgumentError, "softmax: axis -1 is out of "
         "range for an array of 0 axes"),
        (lambda: nn.softmax(nv.zeros((2, 0))), NervureError, ""),
        (lambda: SPARSE([0, 3], nv.zeros((2, 3))), DataError, "sparse_categorical_"
         "crossentropy_with_logits: the label 3 is out of range: the logits have 3 "
         "classes, numbered from 0 to 2"),
        (lambda: SPARSE([-1, 0], nv.zeros((2, 3))), DataError, "sparse_categorical_"
         "crossentropy_with_logits: the label -1 is out of range"),
        (lambda: SPARSE([0.0, 1.0], nv.zeros((2, 3))), DTypeError, "sparse_categorical_"
         "crossentropy_with_logits: expected labels that are whole numbers, got "
         "float32"),
        (lambda: SPARSE([[0], [1]], nv.zeros((2, 3))), ShapeError, "sparse_categorical_"
         "crossentropy_with_logits: expected one label a sample, of shape [2], got "
         "[2, 1]"),
        (lambda: nn.categorical_crossentropy_with_logits([0, 1], nv.zeros((2, 3))),
         ShapeError, "categorical_crossentropy_with_logits: targets and logits must "
         "have equal shapes, got [2] and [2, 3]"),
        (lambda: nn.binary_crossentropy_with_logits(nv.zeros(3), nv.zeros((3, 1))),
         ShapeError, "binary_crossentropy_with_logits: targets and logits must have "
         "equal shapes, got [3] and [3, 1]"),
        (lambda: nn.dropout(nv.zeros(3), 1.5), ArgumentError, "dropout: expected "
         "a rate from 0 to 1, got 1.5"),
        (lambda: nn.dropout(nv.zeros(3), math.nan), ArgumentError, "dropout: "
         "expected a rate from 0 to 1, got nan"),
        (lambda: nn.dropout(nv.zeros((3, 2)), 0.5, noise_shape=(2, 1)), ShapeError,
         "dropout: a mask of shape [2, 1] does not fit x of shape [3, 2]"),
        (lambda: nn.normalize(nv.zeros(3), order=3), ArgumentError, "normalize: "
         "expected the order 1, 2 or inf, got 3"),
        (lambda: nn.normalize(nv.zeros(3), epsilon=0), ArgumentError, "normalize"
         ": expected a positive epsilon, got 0"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
