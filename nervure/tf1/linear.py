"""Products of matrices, and norms."""

from __future__ import annotations

from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.tf1.building import matching, one_output
from nervure.tf1.operators import FUNCTIONS
from nervure.tf1.tensor import Tensor, convert_to_tensor


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return the product of matrices, or of stacks of them.

    Raises :class:`~nervure.errors.ShapeError` for operands that do not fit.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.matmul([[1.0, 2.0]], [[3.0], [4.0]])))
    [[11.]]
    """
    first, second = matching("MatMul", a, b)

    def product(x: Array, y: Array) -> Array:
        x = ops.matrix_transpose(x) if transpose_a or adjoint_a else x
        y = ops.matrix_transpose(y) if transpose_b or adjoint_b else y
        return ops.matmul(x, y)

    attributes = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    return one_output("MatMul", [first, second], product, name, attributes)


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Return sums of products over axes; see :func:`numpy.tensordot`.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.tensordot([1.0, 2.0], [3.0, 4.0], 1))
    np.float32(11.0)
    """
    return one_output(
        "Tensordot",
        matching("Tensordot", a, b),
        lambda x, y: ops.tensordot(x, y, axes=axes),
        name,
    )


def einsum(equation: str, *inputs: Any, name: str | None = None) -> Tensor:
    """Return sums of products as an equation says; see :func:`numpy.einsum`.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.einsum("i,i->", [1.0, 2.0], [3.0, 4.0]))
    np.float32(11.0)
    """
    tensors = [convert_to_tensor(one) for one in inputs]
    return one_output(
        "Einsum", tensors, lambda *arrays: ops.einsum(equation, *arrays), name
    )


def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: int | None = None,
    keepdims: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return the norm of vectors, of all elements by default.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.norm([3.0, 4.0]))
    np.float32(5.0)
    """
    order = 2 if ord == "euclidean" else ord
    return one_output(
        "Norm",
        [convert_to_tensor(tensor)],
        lambda x: ops.vector_norm(x, axis=axis, keepdims=keepdims, ord=order),
        name,
    )


FUNCTIONS["matmul"] = matmul
