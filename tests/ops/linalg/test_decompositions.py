"""What NumPy computes for us: its values, the type of the operand, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nervure as nv
from nervure.errors import ArgumentError, GradientError, SingularMatrixError, TraceError
from tests.ops.checks import assert_close

GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(2, 4, 4))
POSITIVE = X @ np.swapaxes(X, 1, 2) + np.eye(4)
TALL = GENERATOR.normal(size=(2, 5, 3))
RIGHT = GENERATOR.normal(size=(2, 4, 2))


@pytest.mark.parametrize(
    "name, args, options",
    [
        ("cholesky", (POSITIVE,), {}),
        ("det", (X,), {}),
        ("eigh", (POSITIVE,), {}),
        ("eigvalsh", (POSITIVE,), {}),
        ("inv", (X,), {}),
        ("pinv", (TALL,), {}),
        ("qr", (TALL,), {"mode": "reduced"}),
        ("qr", (TALL,), {"mode": "complete"}),
        ("slogdet", (X,), {}),
        ("solve", (X, RIGHT), {}),
        ("solve", (X, RIGHT[0, :, 0]), {}),
        ("svd", (TALL,), {"full_matrices": True}),
        ("svd", (TALL,), {"full_matrices": False}),
        ("svdvals", (TALL,), {}),
    ],
)
def test_as_numpy(name: str, args: Any, options: Any) -> None:
    expected = getattr(np.linalg, name)(*args, **options)
    found = getattr(nv.linalg, name)(*map(nv.asarray, args), **options)
    if isinstance(expected, tuple):
        assert found._fields == expected._fields
        for one, other in zip(found, expected):
            assert_close(one, other, ulp=64)
    else:
        assert_close(found, np.asarray(expected), ulp=64)


def test_options() -> None:
    upper = nv.linalg.cholesky(nv.asarray(POSITIVE), upper=True).numpy()
    np.testing.assert_allclose(np.swapaxes(upper, 1, 2) @ upper, POSITIVE)
    low = np.diag([1.0, 1e-3, 1e-9]).astype(np.float32)
    assert nv.linalg.matrix_rank(nv.asarray(low)).item() == 2
    assert nv.linalg.matrix_rank(nv.asarray(low), rtol=0.1).item() == 1
    assert nv.linalg.matrix_rank(nv.asarray(TALL)).tolist() == [3, 3]
    cut = nv.linalg.pinv(nv.asarray(low), rtol=0.1).numpy()
    assert cut[0, 0] == 1 and cut[1, 1] == 0
    with pytest.raises(ArgumentError, match="unknown mode 'raw'"):
        nv.linalg.qr(nv.asarray(TALL), mode="raw")


@pytest.mark.parametrize(
    "dtype, expected",
    [("float32", "float32"), ("float64", "float64"), ("float16", "float16"),
     ("bfloat16", "bfloat16"), ("int64", "float32")],
)  # fmt: skip
def test_types(dtype: str, expected: str) -> None:
    x = nv.astype(nv.asarray([[4.0, 2.0], [2.0, 5.0]]), getattr(nv, dtype))
    found = nv.linalg.cholesky(x)
    assert found.dtype == expected and found.tolist() == [[2, 0], [1, 2]]


def test_values_of_lazy_arrays_are_computed() -> None:
    x = nv.asarray([[1.0, 0.0], [0.0, 1.0]])
    assert nv.linalg.inv(x + x).tolist() == [[0.5, 0], [0, 0.5]]


def test_no_value_and_no_derivative() -> None:
    with pytest.raises(TraceError, match=r"(?s)det is computed from values.*fix: call"):
        nv.compile(nv.linalg.det)(nv.ones((2, 2)))
    with pytest.raises(TraceError, match="being traced"):
        nv.grad(lambda x: nv.linalg.det(x * 2))(nv.ones((2, 2)))
    w = nv.parameter([[2.0, 0.0], [0.0, 1.0]], name="w")
    with pytest.raises(GradientError, match=r"(?s)no derivative.*linalg.det\(x.numpy"):
        nv.linalg.det(w * 1)
    assert nv.linalg.det(w.numpy()).item() == 2


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: nv.linalg.inv(nv.zeros((2, 2))), "inv: Singular matrix"),
        (lambda: nv.linalg.cholesky(-nv.eye(2)), "cholesky: .*positive definite"),
        (lambda: nv.linalg.det(nv.ones((2, 3))), "det: Last 2 dimensions .* square"),
    ],
)
def test_matrices_that_cannot_be(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(np.linalg.LinAlgError, match=text) as caught:
        call()
    assert isinstance(caught.value, SingularMatrixError)
