"""Learning rates that follow from the number of the step."""

from __future__ import annotations

from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, explain
from nervure.tf1.building import one_output
from nervure.tf1.tensor import Tensor, convert_to_tensor


def _schedule(
    kind: str, rate: Any, step: Any, function: Any, name: str | None
) -> Tensor:
    if step is None:
        raise ArgumentError(
            explain(
                f"{kind}: give global_step",
                fix="pass tf.train.get_or_create_global_step()",
            )
        )
    start = convert_to_tensor(rate)

    def emit(first: Array, count: Array) -> Array:
        found: Array = function(first, ops.astype(count, first.dtype))
        return found

    return one_output(kind, [start, convert_to_tensor(step)], emit, name or kind)


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return ``rate * decay_rate ^ (step / decay_steps)``.

    ``staircase`` rounds the exponent down.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.train.exponential_decay(8.0, 20, 10, 0.5))
    np.float32(2.0)
    """

    def decayed(rate: Array, step: Array) -> Array:
        exponent = step / float(decay_steps)
        exponent = ops.floor(exponent) if staircase else exponent
        return rate * ops.pow(
            ops.asarray(float(decay_rate)).astype(rate.dtype), exponent
        )

    return _schedule("ExponentialDecay", learning_rate, global_step, decayed, name)


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return ``rate * exp(-decay_rate * step / decay_steps)``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.train.natural_exp_decay(8.0, 0, 10, 0.5))
    np.float32(8.0)
    """

    def decayed(rate: Array, step: Array) -> Array:
        exponent = step / float(decay_steps)
        exponent = ops.floor(exponent) if staircase else exponent
        return rate * ops.exp(exponent * -float(decay_rate))

    return _schedule("ExponentialDecay", learning_rate, global_step, decayed, name)


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return ``rate / (1 + decay_rate * step / decay_steps)``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.train.inverse_time_decay(8.0, 10, 10, 1.0))
    np.float32(4.0)
    """

    def decayed(rate: Array, step: Array) -> Array:
        part = step / float(decay_steps)
        part = ops.floor(part) if staircase else part
        return rate / (1.0 + part * float(decay_rate))

    return _schedule("InverseTimeDecay", learning_rate, global_step, decayed, name)


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """Return a rate that falls to ``end_learning_rate`` within ``decay_steps``.

    It is ``(rate - end) * (1 - step / decay_steps) ^ power + end``; ``cycle`` starts
    over, with a longer way, whenever the end is reached.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.train.polynomial_decay(8.0, 5, 10, 0.0))
    np.float32(4.0)
    """

    def decayed(rate: Array, step: Array) -> Array:
        length: Any = float(decay_steps)
        if cycle:
            rounds = ops.maximum(ops.ceil(step / length), 1.0)
            length = rounds * length
        else:
            step = ops.minimum(step, length)
        left = ops.maximum(1.0 - step / length, 0.0)
        return (rate - end_learning_rate) * ops.pow(
            left, float(power)
        ) + end_learning_rate

    return _schedule("PolynomialDecay", learning_rate, global_step, decayed, name)


def piecewise_constant(
    x: Any, boundaries: Any, values: Any, name: str | None = None
) -> Tensor:
    """Return the value of the interval in which x lies; its upper end belongs to it.

    Raises
    ------
    ArgumentError
        For as many values as boundaries, or fewer.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.train.piecewise_constant(11, [10, 20], [3.0, 2.0, 1.0]))
    np.float32(2.0)
    """
    ends, numbers = list(boundaries), list(values)
    if len(numbers) != len(ends) + 1:
        raise ArgumentError(
            explain(
                f"piecewise_constant: {len(ends)} boundaries need {len(ends) + 1} "
                "values, "
                f"got {len(numbers)}",
                fix="give one value more than boundaries: the last is for the time "
                "after them",
            )
        )

    def chosen(first: Array, step: Array) -> Array:
        found = first
        for end, number in zip(ends, numbers[1:], strict=True):
            found = ops.where(step > float(end), float(number), found)
        return found

    return _schedule("PiecewiseConstant", float(numbers[0]), x, chosen, name)
