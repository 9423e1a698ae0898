"""Operations that compute nothing: they make others run, or put them in an order."""

from __future__ import annotations

from typing import Any

import numpy as np

from nervure.array import Array
from nervure.tf1 import data_types
from nervure.tf1.building import graph_of, operation
from nervure.tf1.emission import Context, Effect
from nervure.tf1.errors import InvalidArgumentError
from nervure.tf1.graph import Operation, get_default_graph
from nervure.tf1.tensor import Tensor, convert_to_tensor


def no_op(name: str | None = None) -> Operation:
    """Return an operation that does nothing, but waits for control dependencies.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.no_op().type
    'NoOp'
    """
    return get_default_graph().add("NoOp", (), lambda _context: None, name)


def group(*inputs: Any, name: str | None = None) -> Operation:
    """Return an operation that runs all of these; they may come in lists.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     a, b = tf.Variable(1.0), tf.Variable(1.0)
    ...     session.run(tf.global_variables_initializer())
    ...     session.run(tf.group(a.assign(2.0), b.assign(3.0)))
    ...     session.run([a, b])
    [np.float32(2.0), np.float32(3.0)]
    """
    flat: list[Any] = []
    for one in inputs:
        flat.extend(one if isinstance(one, list | tuple) else [one])
    operations = [getattr(one, "op", one) for one in flat if one is not None]
    graph = graph_of(operations)
    with graph.control_dependencies(operations):
        kind = "group_deps" if name is None else name
        return graph.add("NoOp", (), lambda _context: None, kind)


def identity(input: Any, name: str | None = None) -> Tensor:
    """Return a tensor of the same value, which waits for control dependencies.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.identity(3.0))
    np.float32(3.0)
    """
    x = convert_to_tensor(input)
    made = operation(
        "Identity", [x], lambda _context, value: value, name, types=[(x.shape, x.dtype)]
    )
    return made.outputs[0]


def tuple_(
    tensors: Any, name: str | None = None, control_inputs: Any = None
) -> list[Any]:
    """Return the tensors so that none is there before all have been computed.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.tuple([tf.constant(1.0), tf.constant(2.0)]))
    [np.float32(1.0), np.float32(2.0)]
    """
    given = [one for one in tensors if one is not None]
    with get_default_graph().control_dependencies([*given, *(control_inputs or ())]):
        return [None if one is None else identity(one) for one in tensors]


def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """Return the same value; derivatives treat it as a constant.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.constant(2.0)
    ...     tf.gradients(tf.stop_gradient(x) * 3.0, x)
    [None]
    """
    from nervure.transforms import stop_gradient as stopped

    x = convert_to_tensor(input)
    made = operation(
        "StopGradient",
        [x],
        lambda _context, value: stopped(value),
        name,
        types=[(x.shape, x.dtype)],
    )
    return made.outputs[0]


def with_dependencies(dependencies: Any, output: Any, name: str | None = None) -> Any:
    """Return ``output``, which is there after ``dependencies`` have run.

    >>> import nervure.tf1 as tf
    >>> from nervure.tf1.ordering import with_dependencies
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(with_dependencies([tf.no_op()], tf.constant(1.0)))
    np.float32(1.0)
    """
    with get_default_graph().control_dependencies(dependencies):
        return identity(output, name)


# --- what Python does after a run ----------------------------------------------------


def print_(
    input_: Any,
    data: Any,
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Return ``input_``, and print ``data`` after each run that needs it.

    Parameters
    ----------
    input_
        A tensor.
    data
        Tensors to show.
    message
        Text before them.
    first_n
        In how many runs; None is every one.
    summarize
        How many elements of each tensor, 3 by default.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x = tf.constant([1.0, 2.0])
    ...     _ = session.run(tf.Print(x, [x], "x: "))
    x: [1 2]
    """
    x = convert_to_tensor(input_)
    shown = [convert_to_tensor(one) for one in data]
    left = [-1 if first_n is None else first_n]

    def act(*values: Any) -> None:
        if left[0] == 0:
            return
        left[0] -= 1
        print((message or "") + "".join(_shown(one, summarize or 3) for one in values))

    def emit(context: Context, value: Array, *arrays: Array) -> Array:
        context.effects.append(Effect(list(arrays), act))
        return value

    made = operation("Print", [x, *shown], emit, name, types=[(x.shape, x.dtype)])
    return made.outputs[0]


def _shown(value: Any, count: int) -> str:
    flat = np.ravel(value)
    rest = "..." if flat.size > count else ""
    return f"[{' '.join(f'{one:g}' for one in flat[:count].tolist())}{rest}]"


def assert_(
    condition: Any, data: Any, summarize: int | None = None, name: str | None = None
) -> Operation:
    """Return an operation that raises if a condition is false.

    It raises before any variable has changed.

    Raises
    ------
    InvalidArgumentError
        When a session runs it and ``condition`` is false; the text shows ``data``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.Assert(True, ["never shown"]))
    """
    asked = convert_to_tensor(condition, data_types.bool_)
    shown = [one if isinstance(one, str) else convert_to_tensor(one) for one in data]
    tensors = [one for one in shown if isinstance(one, Tensor)]
    words = [one for one in shown if isinstance(one, str)]
    place = asked.op.site

    def act(holds: Any, *values: Any) -> None:
        if not np.all(holds):
            parts = [*words, *(_shown(one, summarize or 3) for one in values)]
            raise InvalidArgumentError(
                f"assertion failed: {' '.join(parts)}\n  made at {place}"
            )

    def emit(context: Context, *arrays: Array) -> None:
        context.effects.append(Effect(list(arrays), act))

    return operation("Assert", [asked, *tensors], emit, name, types=[])


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """Return the tensor; a run in which it holds NaN or infinity raises.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.check_numerics(1.0, "bad loss"))
    np.float32(1.0)
    """
    x = convert_to_tensor(tensor)
    place = x.op.site

    def act(value: Any) -> None:
        bad = np.size(value) - int(np.isfinite(value).sum())
        if bad:
            raise InvalidArgumentError(
                f"{message}: {bad} of {np.size(value)} elements of {x.name} are NaN or "
                f"infinite\n  made at {place}"
            )

    def emit(context: Context, value: Array) -> Array:
        context.effects.append(Effect([value], act))
        return value

    made = operation("CheckNumerics", [x], emit, name, types=[(x.shape, x.dtype)])
    return made.outputs[0]
