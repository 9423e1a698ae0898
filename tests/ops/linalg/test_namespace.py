"""``nervure.linalg`` as a whole: the standard's names and signatures, the examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from nervure.ops import linalg

# The linalg extension of the Array API 2024.12.
STANDARD = {
    "x, /": "det eigh eigvalsh inv matrix_transpose slogdet svdvals",
    "x, /, *, upper": "cholesky",
    "x, /, *, offset": "diagonal",
    "x, /, *, offset, dtype": "trace",
    "x, /, *, keepdims, ord": "matrix_norm",
    "x, n, /": "matrix_power",
    "x, /, *, rtol": "matrix_rank pinv",
    "x, /, *, mode": "qr",
    "x, /, *, full_matrices": "svd",
    "x, /, *, axis, keepdims, ord": "vector_norm",
    "x1, x2, /": "matmul outer solve",
    "x1, x2, /, *, axis": "cross vecdot",
    "x1, x2, /, *, axes": "tensordot",
}
MODULES = [one.name for one in pkgutil.iter_modules(linalg.__path__)]


def test_the_standard_is_whole() -> None:
    names = [name for names in STANDARD.values() for name in names.split()]
    assert sorted(names) == linalg.__all__ and len(names) == 23


@pytest.mark.parametrize("signature", STANDARD)
def test_signatures(signature: str) -> None:
    placed, _, named = signature.partition(", *, ")
    for name in STANDARD[signature].split():
        ours = inspect.signature(getattr(linalg, name)).parameters
        assert list(ours)[: placed.count(",")] == placed.split(", ")[:-1]
        assert set(named.split(", ")) - {""} <= set(ours)


@pytest.mark.parametrize("name", linalg.__all__)
def test_every_function_has_an_example(name: str) -> None:
    assert ">>>" in (getattr(linalg, name).__doc__ or "")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"nervure.ops.linalg.{name}")
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
