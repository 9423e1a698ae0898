"""Linear algebra under the Array API's names: ``nervure.linalg``.

Products, norms, traces and powers are built in the graph, like all functions of the
namespace.  Decompositions and solutions (``svd``, ``solve``, ``inv``, ...) are computed
by NumPy on the host: they need values and have no derivative, and say so.
"""

from nervure.ops.deferred import make_deferrable as _make_deferrable
from nervure.ops.linalg.decompositions import (
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    matrix_rank,
    pinv,
    qr,
    slogdet,
    solve,
    svd,
    svdvals,
)
from nervure.ops.linalg.matrices import cross, diagonal, matrix_power, trace
from nervure.ops.linalg.norms import matrix_norm, vector_norm
from nervure.ops.linalg.products import (
    matmul,
    matrix_transpose,
    outer,
    tensordot,
    vecdot,
)

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

_make_deferrable(
    globals(),
    [
        "cross",
        "diagonal",
        "matmul",
        "matrix_norm",
        "matrix_power",
        "matrix_transpose",
        "outer",
        "tensordot",
        "trace",
        "vecdot",
        "vector_norm",
    ],
    "linalg.",
)
