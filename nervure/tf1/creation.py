"""Tensors made of nothing but a shape: zeros, ranges, random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nervure import ops, random
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.ir.node import Shape
from nervure.tf1 import data_types
from nervure.tf1.building import one_output, operation
from nervure.tf1.data_types import DType
from nervure.tf1.emission import Context
from nervure.tf1.graph import get_default_graph
from nervure.tf1.random_keys import seeds_for
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, convert_to_tensor, is_tensor

# ``(context, shape, *arrays) -> array``
Made = Callable[..., Array]


def shaped(
    kind: str,
    shape: Any,
    dtype: DType,
    make: Made,
    name: str | None,
    inputs: tuple[Tensor, ...] = (),
    attributes: dict[str, Any] | None = None,
) -> Tensor:
    """Make an operation from a shape, which may be a tensor.

    ``make(context, shape, *arrays)`` gets the arrays of ``inputs``.
    """
    if is_tensor(shape) or _has_tensors(shape):
        where = convert_to_tensor(shape, None)

        def emit_for(context: Context, sizes: Array, *arrays: Array) -> Array:
            values = np.ravel(context.static(sizes, where))
            return make(context, tuple(int(one) for one in values), *arrays)

        known = where.shape.num_elements()
        made = operation(
            kind,
            [where, *inputs],
            emit_for,
            name,
            unknown=(dtype, known),
            attributes=attributes,
        )
        return made.outputs[0]
    given = TensorShape(shape)
    if not given.is_fully_defined():
        raise ArgumentError(
            explain(
                f"{kind}: expected a shape of known sizes, got {given}",
                fix="give every size as a number, or take the shape from tf.shape(x)",
            )
        )
    sizes = tuple(int(one) for one in given)
    made = operation(
        kind,
        inputs,
        lambda context, *arrays: make(context, sizes, *arrays),
        name,
        types=[(given, dtype)],
        attributes=attributes,
    )
    return made.outputs[0]


def _has_tensors(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and any(is_tensor(one) for one in shape)


def zeros(
    shape: Any, dtype: Any = data_types.float32, name: str | None = None
) -> Tensor:
    """Return zeros.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.zeros([2])))
    [0. 0.]
    """
    wanted = data_types.as_dtype(dtype)
    return shaped(
        "zeros",
        shape,
        wanted,
        lambda _context, sizes: ops.zeros(sizes, dtype=wanted.dtype),
        name,
    )


def ones(
    shape: Any, dtype: Any = data_types.float32, name: str | None = None
) -> Tensor:
    """Return ones.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.ones([2], tf.int32)))
    [1 1]
    """
    wanted = data_types.as_dtype(dtype)
    return shaped(
        "ones",
        shape,
        wanted,
        lambda _context, sizes: ops.ones(sizes, dtype=wanted.dtype),
        name,
    )


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """Return a value in every place of a shape.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.fill([2], 7.0)))
    [7. 7.]
    """
    x = convert_to_tensor(value)

    def make(_context: Context, sizes: Shape, number: Array) -> Array:
        return ops.broadcast_to(number, sizes)

    return shaped("Fill", dims, x.dtype, make, name, (x,))


def _like(kind: str, x: Any, dtype: Any, make: Any, name: str | None) -> Tensor:
    tensor = convert_to_tensor(x)
    wanted = tensor.dtype if dtype is None else data_types.as_dtype(dtype)
    return one_output(
        kind, [tensor], lambda value: make(value, dtype=wanted.dtype), name
    )


def zeros_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Tensor:
    """Return zeros in the shape of a tensor.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.zeros_like([3, 4])))
    [0 0]
    """
    return _like("ZerosLike", tensor, dtype, ops.zeros_like, name)


def ones_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Tensor:
    """Return ones in the shape of a tensor.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.ones_like([3, 4])))
    [1 1]
    """
    return _like("OnesLike", tensor, dtype, ops.ones_like, name)


def eye(
    num_rows: int,
    num_columns: int | None = None,
    batch_shape: Any = None,
    dtype: Any = data_types.float32,
    name: str | None = None,
) -> Tensor:
    """Return the unit matrix, repeated over ``batch_shape``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.eye(2)))
    [[1. 0.]
     [0. 1.]]
    """
    wanted = data_types.as_dtype(dtype)
    columns = num_rows if num_columns is None else num_columns
    shape = (*(batch_shape or ()), num_rows, columns)

    def make(_context: Context, sizes: Shape) -> Array:
        return ops.broadcast_to(ops.eye(*sizes[-2:], dtype=wanted.dtype), sizes)

    return shaped("eye", shape, wanted, make, name)


def range(
    start: Any,
    limit: Any = None,
    delta: Any = 1,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Return start, start + delta, ... below limit; with one number, 0 up to it.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.range(3)), session.run(tf.range(1, 7, 2)))
    [0 1 2] [1 3 5]
    """
    low, high = (0, start) if limit is None else (start, limit)
    tensors = [convert_to_tensor(one) for one in (low, high, delta)]
    widest = max(
        (one.dtype for one in tensors), key=lambda one: (one.is_floating, one.size)
    )
    wanted = widest if dtype is None else data_types.as_dtype(dtype)

    def emit(context: Context, *arrays: Array) -> Array:
        values = [
            context.static(array, tensor).item()
            for array, tensor in zip(arrays, tensors, strict=True)
        ]
        return ops.arange(*values, dtype=wanted.dtype)

    made = operation("Range", tensors, emit, name or "range", unknown=(wanted, 1))
    return made.outputs[0]


def linspace(start: Any, stop: Any, num: int, name: str | None = None) -> Tensor:
    """Return ``num`` numbers from start to stop, both included.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.linspace(0.0, 1.0, 3)))
    [0.  0.5 1. ]
    """
    first, last = convert_to_tensor(start), convert_to_tensor(stop)

    def spaced(low: Array, high: Array) -> Array:
        steps = ops.arange(num, dtype=low.dtype)
        return low + steps * ((high - low) / max(num - 1, 1))

    return one_output("LinSpace", [first, last], spaced, name)


# --- random numbers ------------------------------------------------------------------


def random_operation(
    kind: str,
    shape: Any,
    dtype: DType,
    draw: Callable[..., Array],
    seed: int | None,
    name: str | None,
    inputs: tuple[Tensor, ...] = (),
) -> Tensor:
    """Make a random operation; ``draw(shape, key, *arrays)`` gives its value."""

    def make(context: Context, sizes: Shape, *arrays: Array) -> Array:
        return draw(sizes, context.key(found[0].op), *arrays)

    found: list[Tensor] = []
    attributes = {"seeds": seeds_for(get_default_graph(), seed)}
    if not inputs and not is_tensor(shape) and not _has_tensors(shape):
        found.append(shaped(kind, shape, dtype, make, name, (), attributes))
        return found[0]

    def guarded(context: Context, sizes: Shape, *arrays: Array) -> Array:
        if not found:  # while the type is being found out
            return ops.zeros(sizes, dtype=dtype.dtype)
        return make(context, sizes, *arrays)

    found.append(shaped(kind, shape, dtype, guarded, name, inputs, attributes))
    return found[0]


def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = data_types.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Return uniform random numbers from ``minval`` up to, without, ``maxval``.

    New numbers come in each run. ``maxval`` is 1 by default, and must be given for
    whole numbers.

    Raises
    ------
    ArgumentError
        For whole numbers without maxval.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = session.run(tf.random_uniform([100], -1.0, 1.0))
    ...     print(x.min() >= -1, x.max() < 1)
    True True
    """
    wanted = data_types.as_dtype(dtype)
    if maxval is None:
        if not wanted.is_floating:
            raise ArgumentError(
                explain(
                    "random_uniform: give maxval for whole numbers",
                    fix="write tf.random_uniform(shape, maxval=10, dtype=tf.int32)",
                )
            )
        maxval = 1
    if is_tensor(minval) or is_tensor(maxval):
        low = convert_to_tensor(minval, wanted)
        high = convert_to_tensor(maxval, wanted)

        def between(sizes: Shape, key: Array, low: Array, high: Array) -> Array:
            unit = random.uniform(sizes, dtype=wanted.dtype, key=key)
            return low + unit * (high - low)

        return random_operation(
            "RandomUniform", shape, wanted, between, seed, name, (low, high)
        )

    def draw(sizes: Shape, key: Array) -> Array:
        if wanted.is_floating:
            return random.uniform(sizes, minval, maxval, dtype=wanted.dtype, key=key)
        return random.randint(sizes, minval, maxval, dtype=wanted.dtype, key=key)

    return random_operation(
        "RandomUniform", shape, wanted, draw, seed, name or "random_uniform"
    )


def _normal(
    kind: str,
    function: Callable[..., Array],
    shape: Any,
    mean: Any,
    stddev: Any,
    dtype: Any,
    seed: int | None,
    name: str | None,
) -> Tensor:
    wanted = data_types.as_dtype(dtype)
    if is_tensor(mean) or is_tensor(stddev):
        given = (convert_to_tensor(mean, wanted), convert_to_tensor(stddev, wanted))

        def moved(sizes: Shape, key: Array, middle: Array, width: Array) -> Array:
            return function(sizes, dtype=wanted.dtype, key=key) * width + middle

        return random_operation(kind, shape, wanted, moved, seed, name, given)

    def draw(sizes: Shape, key: Array) -> Array:
        return function(sizes, mean=mean, std=stddev, dtype=wanted.dtype, key=key)

    return random_operation(kind, shape, wanted, draw, seed, name)


def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = data_types.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Return normal random numbers, new ones in each run.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.random_normal([2, 3], seed=1)).shape
    (2, 3)
    """
    return _normal(
        "random_normal", random.normal, shape, mean, stddev, dtype, seed, name
    )


def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = data_types.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Return normal random numbers no further than two ``stddev`` from the mean.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = session.run(tf.truncated_normal([100], stddev=0.1))
    ...     print(abs(x).max() <= 0.2)
    True
    """
    return _normal(
        "truncated_normal",
        random.truncated_normal,
        shape,
        mean,
        stddev,
        dtype,
        seed,
        name,
    )


def random_shuffle(
    value: Any, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Return the rows of a tensor in a random order.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(sorted(session.run(tf.random_shuffle([3, 1, 2])).tolist()))
    [1, 2, 3]
    """
    x = convert_to_tensor(value)

    def emit(context: Context, rows: Array) -> Array:
        return random.shuffle(rows, key=context.key(made.op))

    attributes = {"seeds": seeds_for(x.graph, seed)}
    made = operation(
        "RandomShuffle",
        [x],
        emit,
        name,
        types=[(x.shape, x.dtype)],
        attributes=attributes,
    ).outputs[0]
    return made


def multinomial(
    logits: Any,
    num_samples: int,
    seed: int | None = None,
    name: str | None = None,
    output_dtype: Any = data_types.int64,
) -> Tensor:
    """Return classes drawn for each row of unnormalised logarithms of chances.

    ``float[batch, classes]`` gives ``int[batch, num_samples]``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.multinomial([[-1e9, 0.0]], 3)))
    [[1 1 1]]
    """
    x = convert_to_tensor(logits)
    wanted = data_types.as_dtype(output_dtype)

    def emit(context: Context, values: Array) -> Array:
        rows = ops.expand_dims(values, 1)
        count = (values.shape[0], num_samples, values.shape[1])
        noise = random.gumbel(count, key=context.key(made.op), dtype=values.dtype)
        return ops.astype(ops.argmax(rows + noise, axis=-1), wanted.dtype)

    types = [(TensorShape([*x.shape.with_rank(2).as_list()[:1], num_samples]), wanted)]
    attributes = {"seeds": seeds_for(x.graph, seed)}
    made = operation(
        "Multinomial", [x], emit, name, types=types, attributes=attributes
    ).outputs[0]
    return made
