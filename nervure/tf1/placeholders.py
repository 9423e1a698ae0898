"""Where values enter a graph: placeholders and constants."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from nervure.errors import ShapeError, explain
from nervure.tf1 import data_types
from nervure.tf1.building import operation
from nervure.tf1.errors import InvalidArgumentError
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, as_numpy, constant_tensor, convert_to_tensor


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """Return a tensor whose value each run is given with ``feed_dict``.

    Parameters
    ----------
    dtype
        The data type; values are converted to it.
    shape
        Sizes, None where they may vary from run to run; None for any shape.  Each shape
        that is fed is compiled once.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.placeholder(tf.float32, [None, 2], name="x")
    ...     print(session.run(tf.reduce_sum(x, 1), {x: [[1, 2], [3, 4], [5, 6]]}))
    [ 3.  7. 11.]
    """
    made: list[Tensor] = []

    def emit(_context: Any) -> NoReturn:
        (tensor,) = made
        raise InvalidArgumentError(
            explain(
                f"the placeholder {tensor.name} is needed, but was not fed",
                operands=[(tensor.op.name, tensor.type_text, "placeholder")],
                made_at=str(tensor.op.site),
                fix="session.run(..., feed_dict={x: value})",
            )
        )

    types = [(TensorShape(shape), data_types.as_dtype(dtype))]
    kind = "Placeholder"
    made.extend(
        operation(
            kind, (), emit, name, types=types, attributes={"dtype": types[0][1]}
        ).outputs
    )
    return made[0]


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """Return a placeholder that has the value of ``input`` in runs that do not feed it.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     rate = tf.placeholder_with_default(0.5, [])
    ...     session.run(rate), session.run(rate, {rate: 1.0})
    (np.float32(0.5), np.float32(1.0))
    """
    x = convert_to_tensor(input)
    given = TensorShape(shape)
    given.merge_with(x.shape)  # raises where they contradict each other
    made = operation(
        "PlaceholderWithDefault",
        [x],
        lambda _context, value: value,
        name,
        types=[(given, x.dtype)],
    )
    return made.outputs[0]


def constant(
    value: Any,
    dtype: Any = None,
    shape: Any = None,
    name: str | None = None,
    verify_shape: bool = False,
) -> Tensor:
    """Return a tensor of a value that never changes.

    Python's whole numbers become int32, its floats float32; NumPy's arrays keep their
    type.

    Parameters
    ----------
    value
        A number, text, lists of them, or a NumPy array.
    dtype
        Another data type.
    shape
        Another shape; if it has more elements, the last one is repeated.
    verify_shape
        Whether to refuse that.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.constant(-1.0, shape=[2, 2])))
    [[-1. -1.]
     [-1. -1.]]
    """
    wanted = None if dtype is None else data_types.as_dtype(dtype)
    array = as_numpy(value, wanted)
    if shape is not None:
        array = _filled(array, TensorShape(shape), verify_shape)
    return constant_tensor(array, name)


def _filled(array: Any, shape: TensorShape, verify: bool) -> Any:
    if not shape.is_fully_defined():
        raise ShapeError(
            explain(
                f"constant: expected a shape of known sizes, got {shape}",
                fix="give every size as a number",
            )
        )
    sizes = [int(size) for size in shape]
    if array.shape == tuple(sizes):
        return array
    count = int(np.prod(sizes))
    if verify or array.size > count or not array.size:
        raise ShapeError(
            explain(
                f"constant: a value of shape {list(array.shape)} does not fill {sizes}",
                fix="give one number, or as many as the shape has places",
            )
        )
    flat = array.ravel()
    rest = np.full(count - flat.size, flat[-1], array.dtype)
    return np.concatenate([flat, rest]).reshape(sizes)
