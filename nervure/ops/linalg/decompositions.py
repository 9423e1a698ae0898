"""Decompositions and solutions: computed by NumPy, from values, without derivatives.

No executor has a primitive for them, so each evaluates its operands and calls LAPACK
through NumPy on the host, in the type of the operand (float16 and bfloat16 in float32,
rounded once).  Where there is no value, inside a function that is being traced, and
where the result would lose a derivative that somebody may take, it raises and says
what to do instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import (
    ArgumentError,
    GradientError,
    ShapeError,
    SingularMatrixError,
    TraceError,
    explain,
)
from nervure.ir.attrs import NDArray
from nervure.ir.build import origin_of
from nervure.ir.node import PARAMETRIC, TRACED
from nervure.ops.kinds import ArrayLike, as_float
from nervure.ops.operands import as_node


class QRResult(NamedTuple):
    """The result of :func:`qr`."""

    Q: Array
    R: Array


class SVDResult(NamedTuple):
    """The result of :func:`svd`."""

    U: Array
    S: Array
    Vh: Array


class EighResult(NamedTuple):
    """The result of :func:`eigh`."""

    eigenvalues: Array
    eigenvectors: Array


class SlogdetResult(NamedTuple):
    """The result of :func:`slogdet`."""

    sign: Array
    logabsdet: Array


# --- from arrays to values and back --------------------------------------------------


def _value(op: str, x: ArrayLike) -> tuple[NDArray, DType]:
    """Return a floating-point value for LAPACK, and the type that results get.

    Raises where there is no value, or where a derivative would be lost.
    """
    array = Array.of_node(as_float(as_node(x)))
    if array.tracking != PARAMETRIC and array.tracking != TRACED:
        dtype = array.dtype
        return array.numpy().astype(dtypes.accumulator(dtype)), dtype
    rows = [("x", array.node.type_text, origin_of(array.node))]
    if array.tracking == TRACED:
        raise TraceError(
            explain(
                f"{op} is computed from values, and inside a function that is being "
                "traced there are none",
                operands=rows,
                fix="call it outside and pass the result as an argument",
            )
        )
    raise GradientError(
        explain(
            f"{op} has no derivative here, and x depends on a parameter",
            operands=rows,
            fix=f"where no gradient is needed: nervure.linalg.{op}(x.numpy())",
        )
    )


def _array(value: Any, dtype: DType) -> Array:
    result = np.array(value, dtype=dtype, order="C")
    result.flags.writeable = False
    return Array.of_value(result)


def _explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let NumPy's complaints about a matrix name the function and say what to do."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except np.linalg.LinAlgError as error:
            raise SingularMatrixError(
                explain(
                    f"{function.__name__}: {error}",
                    fix="look at the shape and the rank of the matrix "
                    "(nervure.linalg.matrix_rank); add a little to its diagonal",
                )
            ) from None

    return call


# --- decompositions ------------------------------------------------------------------


@_explained
def cholesky(x: ArrayLike, /, *, upper: bool = False) -> Array:
    """Return the triangular factor of symmetric positive-definite matrices.

    ``L @ L.T`` is ``x``, ``[..., n, n]``; ``upper`` asks for ``L.T``.  Only the lower
    triangle of ``x`` is read.

    >>> import nervure as nv
    >>> nv.linalg.cholesky(nv.asarray([[4.0, 2.0], [2.0, 5.0]])).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    value, dtype = _value("cholesky", x)
    lower = np.linalg.cholesky(value)
    return _array(np.swapaxes(lower, -2, -1) if upper else lower, dtype)


@_explained
def qr(x: ArrayLike, /, *, mode: str = "reduced") -> QRResult:
    """Return orthonormal ``Q`` and upper triangular ``R`` whose product is ``x``.

    ``x`` is ``[..., m, n]``.  ``mode="reduced"`` gives ``Q`` ``[..., m, k]`` with k the
    smaller of m and n, ``"complete"`` all m columns.

    Raises
    ------
    ArgumentError
        For another mode than "reduced" and "complete".

    >>> import nervure as nv
    >>> q, r = nv.linalg.qr(nv.asarray([[3.0], [4.0]]))
    >>> abs(r).tolist()
    [[5.0]]
    """
    if mode not in ("reduced", "complete"):
        raise ArgumentError(
            explain(f"qr: unknown mode {mode!r}", fix="use 'reduced' or 'complete'")
        )
    value, dtype = _value("qr", x)
    found: Any = np.linalg.qr(value, mode)  # type: ignore[call-overload]
    return QRResult(*(_array(one, dtype) for one in found))


@_explained
def svd(x: ArrayLike, /, *, full_matrices: bool = True) -> SVDResult:
    """Return the singular value decomposition ``U * S @ Vh`` of ``x``, ``[..., m, n]``.

    ``S`` is ``[..., k]``, in descending order, with k the smaller of m and n;
    ``full_matrices=False`` gives ``U`` and ``Vh`` only k columns and rows.

    >>> import nervure as nv
    >>> nv.linalg.svd(nv.asarray([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
    [4.0, 3.0]
    """
    value, dtype = _value("svd", x)
    found = np.linalg.svd(value, full_matrices=full_matrices)
    return SVDResult(*(_array(one, dtype) for one in found))


@_explained
def svdvals(x: ArrayLike, /) -> Array:
    """Return the singular values of matrices, largest first.

    >>> import nervure as nv
    >>> nv.linalg.svdvals(nv.asarray([[3.0, 0.0], [0.0, 4.0]])).tolist()
    [4.0, 3.0]
    """
    value, dtype = _value("svdvals", x)
    return _array(np.linalg.svd(value, compute_uv=False), dtype)


@_explained
def eigh(x: ArrayLike, /) -> EighResult:
    """Return eigenvalues, smallest first, and eigenvectors of symmetric matrices.

    ``eigenvectors[..., :, i]`` belongs to ``eigenvalues[..., i]``; only the lower
    triangle of ``x``, ``[..., n, n]``, is read.

    >>> import nervure as nv
    >>> nv.linalg.eigh(nv.asarray([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
    [1.0, 2.0]
    """
    value, dtype = _value("eigh", x)
    return EighResult(*(_array(one, dtype) for one in np.linalg.eigh(value)))


@_explained
def eigvalsh(x: ArrayLike, /) -> Array:
    """Return the eigenvalues of symmetric matrices, smallest first.

    >>> import nervure as nv
    >>> nv.linalg.eigvalsh(nv.asarray([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    value, dtype = _value("eigvalsh", x)
    return _array(np.linalg.eigvalsh(value), dtype)


# --- solutions -----------------------------------------------------------------------


@_explained
def inv(x: ArrayLike, /) -> Array:
    """Return the inverses of square matrices, ``[..., n, n]``.

    >>> import nervure as nv
    >>> nv.linalg.inv(nv.asarray([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    value, dtype = _value("inv", x)
    return _array(np.linalg.inv(value), dtype)


@_explained
def solve(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    """Return the ``y`` for which ``x1 @ y`` is ``x2``.

    ``x1`` is ``[..., n, n]``, ``x2`` is ``[n]`` or ``[..., n, k]``.

    Raises
    ------
    ShapeError
        For matrices that are not square, and for right sides that do not fit.

    >>> import nervure as nv
    >>> nv.linalg.solve(nv.asarray([[2.0, 0.0], [0.0, 4.0]]), nv.ones(2)).tolist()
    [0.5, 0.25]
    """
    matrix, first = _value("solve", x1)
    right, second = _value("solve", x2)
    if matrix.ndim >= 2 and right.ndim >= 1:
        rows = right.shape[-2] if right.ndim > 1 else right.shape[0]
        if matrix.shape[-1] != rows:
            raise ShapeError(
                explain(
                    f"solve: expected x2 to have {matrix.shape[-1]} rows, one for each "
                    f"of x1 of shape {list(matrix.shape)}, got the shape "
                    f"{list(right.shape)}",
                    fix="x1 is [..., n, n], x2 is [n] or [..., n, k]",
                )
            )
    return _array(np.linalg.solve(matrix, right), dtypes.result_type(first, second))


@_explained
def pinv(x: ArrayLike, /, *, rtol: ArrayLike | None = None) -> Array:
    """Return the pseudo-inverses of matrices, ``[..., m, n]``, as ``[..., n, m]``.

    Singular values below ``rtol`` times the largest count as 0; by default the larger
    of m and n times the type's precision.

    >>> import nervure as nv
    >>> nv.linalg.pinv(nv.asarray([[2.0], [0.0]])).tolist()
    [[0.5, 0.0]]
    """
    value, dtype = _value("pinv", x)
    cut = _tolerance(value) if rtol is None else np.asarray(rtol)
    return _array(np.linalg.pinv(value, rcond=cut), dtype)


def _tolerance(value: NDArray) -> float:
    """Return the standard's relative size below which a singular value is none."""
    return float(max(value.shape[-2:]) * np.finfo(value.dtype).eps)


# --- numbers -------------------------------------------------------------------------


@_explained
def det(x: ArrayLike, /) -> Array:
    """Return the determinants of square matrices.

    >>> import nervure as nv
    >>> nv.linalg.det(nv.asarray([[2.0, 0.0], [0.0, 4.0]])).item()
    8.0
    """
    value, dtype = _value("det", x)
    return _array(np.linalg.det(value), dtype)


@_explained
def slogdet(x: ArrayLike, /) -> SlogdetResult:
    """Return sign and logarithm of the absolute value of determinants.

    x is ``float[..., n, n]``; both results are ``float[...]``.

    >>> import nervure as nv
    >>> nv.linalg.slogdet(nv.asarray([[0.0, 1.0], [1.0, 0.0]])).sign.item()
    -1.0
    """
    value, dtype = _value("slogdet", x)
    return SlogdetResult(*(_array(one, dtype) for one in np.linalg.slogdet(value)))


@_explained
def matrix_rank(x: ArrayLike, /, *, rtol: ArrayLike | None = None) -> Array:
    """Return the number of singular values that are not 0, as int64.

    Those below ``rtol`` times the largest count as 0, as for :func:`pinv`.

    >>> import nervure as nv
    >>> nv.linalg.matrix_rank(nv.asarray([[1.0, 2.0], [2.0, 4.0]])).item()
    1
    """
    value, _ = _value("matrix_rank", x)
    values = np.linalg.svd(value, compute_uv=False)
    share = np.asarray(_tolerance(value) if rtol is None else rtol)
    limit = values.max(axis=-1, keepdims=True, initial=0) * share[..., None]
    return _array((values > limit).sum(axis=-1), dtypes.DEFAULT_INT)
