"""Norms, parts and powers of matrices, compared with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, ShapeError
from tests.ops.checks import assert_close, assert_equal, assert_gradient

GENERATOR = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape)


@pytest.mark.parametrize("offset", [0, 1, -2, 9, -9])
@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3), (1, 0)])
def test_diagonals_and_traces(shape: tuple[int, ...], offset: int) -> None:
    x = GENERATOR.integers(-9, 9, shape)
    expected = np.linalg.diagonal(x, offset=offset)
    assert_equal(nv.linalg.diagonal(nv.asarray(x), offset=offset), expected)
    assert_equal(
        nv.linalg.trace(nv.asarray(x), offset=offset),
        np.asarray(np.linalg.trace(x, offset=offset)),
    )


def test_trace_in_another_type() -> None:
    x = nv.full((2, 2), 100, dtype=nv.int8)
    assert nv.linalg.trace(x).dtype == nv.int64 and nv.linalg.trace(x).item() == 200
    assert nv.linalg.trace(x, dtype="float32").dtype == nv.float32


def test_cross() -> None:
    x, y = GENERATOR.integers(-5, 6, (4, 1, 3)), GENERATOR.integers(-5, 6, (2, 3))
    assert_equal(nv.linalg.cross(nv.asarray(x), nv.asarray(y)), np.cross(x, y))
    x, y = np.moveaxis(x, 2, 0), np.moveaxis(np.stack([y, y]), 2, 0)
    expected = np.cross(x, y[:, :1], axis=0)
    assert_equal(nv.linalg.cross(nv.asarray(x), y[:, :1], axis=0), expected)
    with pytest.raises(ShapeError, match="axis -1 must have the size 3, got 2"):
        nv.linalg.cross(nv.ones(2), nv.ones(2))
    assert_gradient(lambda v: nv.linalg.cross(v, v[::-1] * v), normal(3))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
def test_powers_of_whole_numbers(n: int) -> None:
    x = GENERATOR.integers(-2, 3, (2, 3, 3))
    assert_equal(nv.linalg.matrix_power(nv.asarray(x), n), np.linalg.matrix_power(x, n))


def test_negative_powers_and_refusals() -> None:
    x = normal(3, 3)
    expected = np.linalg.matrix_power(x, -3)
    assert_close(nv.linalg.matrix_power(nv.asarray(x), -3), expected, ulp=4096)
    with pytest.raises(ShapeError, match="square matrices, got 2 rows and 3 columns"):
        nv.linalg.matrix_power(nv.ones((2, 3)), 2)
    with pytest.raises(ArgumentError, match="must be a whole number, got 0.5"):
        nv.linalg.matrix_power(nv.ones((2, 2)), 0.5)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="at least two axes"):
        nv.linalg.trace(nv.ones(3))


ORDERS: list[Any] = ["fro", 1, -1, 2, -2, np.inf, -np.inf, "nuc"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms(order: Any, keepdims: bool) -> None:
    x = normal(2, 3, 4)
    found = nv.linalg.matrix_norm(nv.asarray(x), ord=order, keepdims=keepdims)
    expected = np.linalg.matrix_norm(x, ord=order, keepdims=keepdims)
    assert_close(found, expected, ulp=64)


def test_matrix_norms_have_gradients_and_refuse() -> None:
    for order in ("fro", 1, np.inf):
        assert_gradient(
            lambda v, o=order: nv.linalg.matrix_norm(v, ord=o), normal(2, 3)
        )
    with pytest.raises(ArgumentError, match="unknown ord 3"):
        nv.linalg.matrix_norm(nv.ones((2, 2)), ord=3)
    with pytest.raises(ShapeError, match="use vector_norm"):
        nv.linalg.matrix_norm(nv.ones(2))


def test_the_namespace() -> None:
    assert nv.linalg.matmul(nv.ones((2, 3)), nv.ones((3, 1))).shape == (2, 1)
    with pytest.raises(AttributeError, match="no complex numbers"):
        nv.fft  # noqa: B018
    assert not hasattr(nv, "fft")
    symbolic = nv.layers.Input((3, 4))
    model = nv.models.Model(symbolic, nv.linalg.matrix_norm(symbolic))
    x = normal(2, 3, 4).astype(np.float32)
    expected = np.linalg.matrix_norm(x)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)
