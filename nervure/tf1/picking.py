"""Functions that pick elements, or choose between them."""

from __future__ import annotations

from typing import Any

from nervure import ops
from nervure.array import Array
from nervure.errors import explain
from nervure.tf1 import data_types
from nervure.tf1.building import matching, one_output, operation, several_outputs
from nervure.tf1.emission import Context
from nervure.tf1.errors import UnimplementedError
from nervure.tf1.manipulation import together
from nervure.tf1.tensor import Tensor, convert_to_tensor


def gather(
    params: Any,
    indices: Any,
    validate_indices: bool | None = None,
    name: str | None = None,
    axis: int = 0,
) -> Tensor:
    """Return the parts of a tensor with these numbers along an axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.gather([10, 20, 30], [2, 0])))
    [30 10]
    """

    def picked(value: Array, at: Array) -> Array:
        found = ops.take(value, ops.reshape(at, (-1,)), axis=axis)
        place = axis % value.ndim
        return ops.reshape(
            found, (*value.shape[:place], *at.shape, *value.shape[place + 1 :])
        )

    inputs = [convert_to_tensor(params), convert_to_tensor(indices)]
    return one_output("Gather", inputs, picked, name)


def gather_nd(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Return the elements or parts at places; the last axis holds their coordinates.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.gather_nd([[1, 2], [3, 4]], [[0, 1], [1, 0]])))
    [2 3]
    """

    def picked(value: Array, at: Array) -> Array:
        depth = at.shape[-1]
        return value[tuple(at[..., axis] for axis in range(depth))]

    inputs = [convert_to_tensor(params), convert_to_tensor(indices)]
    return one_output("GatherNd", inputs, picked, name)


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Return for each number a row of ``off_value`` with one ``on_value``.

    A number that is not between 0 and ``depth - 1`` gives a row of ``off_value``.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.one_hot([1, -1], 3)))
    [[0. 1. 0.]
     [0. 0. 0.]]
    """
    x, count = convert_to_tensor(indices), convert_to_tensor(depth)
    wanted = data_types.as_dtype(dtype) if dtype is not None else data_types.float32
    if dtype is None and on_value is not None:
        wanted = convert_to_tensor(on_value).dtype
    on = convert_to_tensor(1 if on_value is None else on_value, wanted)
    off = convert_to_tensor(0 if off_value is None else off_value, wanted)
    place = -1 if axis is None else axis

    def emit(
        context: Context, at: Array, number: Array, yes: Array, no: Array
    ) -> Array:
        classes = ops.arange(int(context.static(number, count)), dtype=at.dtype)
        where_ = place % (at.ndim + 1)
        row = [1] * (at.ndim + 1)
        row[where_] = classes.shape[0]
        same = ops.expand_dims(at, axis=where_) == ops.reshape(classes, row)
        return ops.where(same, yes, no)

    rank_ = None if x.shape.ndims is None else x.shape.ndims + 1
    made = operation(
        "OneHot", [x, count, on, off], emit, name or "one_hot", unknown=(wanted, rank_)
    )
    return made.outputs[0]


def where(
    condition: Any, x: Any = None, y: Any = None, name: str | None = None
) -> Tensor:
    """Return the elements of x where the condition is true, else those of y.

    A condition with one axis may choose whole rows.

    Raises
    ------
    UnimplementedError
        Without x and y: how many places there are is not known before the run.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.where([True, False], [1, 2], [3, 4])))
    [1 4]
    """
    if x is None or y is None:
        raise UnimplementedError(
            explain(
                "where: the places where a condition is true have no shape that is "
                "known before the graph runs",
                fix="give x and y, or look for the places with NumPy after the run",
            )
        )
    first, second = matching("Select", x, y)

    def chosen(holds: Array, one: Array, other: Array) -> Array:
        if holds.ndim == 1 and one.ndim > 1:
            holds = ops.reshape(holds, (-1,) + (1,) * (one.ndim - 1))
        return ops.where(holds, one, other)

    asked = convert_to_tensor(condition, data_types.bool_)
    return one_output("Select", [asked, first, second], chosen, name)


def boolean_mask(
    tensor: Any, mask: Any, name: str = "boolean_mask", axis: int = 0
) -> Tensor:
    """Return the parts for which a mask is true; the mask must be known.

    A mask may follow from constants and placeholders, whose values are then a part of
    the program.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.boolean_mask([1, 2, 3], [True, False, True])))
    [1 3]
    """
    x, given = convert_to_tensor(tensor), convert_to_tensor(mask, data_types.bool_)

    def emit(context: Context, value: Array, chosen: Array) -> Array:
        truths = context.static(chosen, given)
        return value[(*(slice(None),) * axis, truths)]

    ranks = (x.shape.ndims, given.shape.ndims)
    left = None if None in ranks else ranks[0] - ranks[1] + 1  # type: ignore[operator]
    made = operation("boolean_mask", [x, given], emit, name, unknown=(x.dtype, left))
    return made.outputs[0]


def sequence_mask(
    lengths: Any,
    maxlen: int,
    dtype: Any = data_types.bool_,
    name: str | None = None,
) -> Tensor:
    """Return for each length a row that is true in so many first places.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.sequence_mask([1, 2], 3, tf.int32)))
    [[1 0 0]
     [1 1 0]]
    """
    wanted = data_types.as_dtype(dtype).dtype

    def mask(counts: Array) -> Array:
        steps = ops.arange(maxlen, dtype=counts.dtype)
        return ops.astype(steps < ops.expand_dims(counts, axis=-1), wanted)

    return one_output("SequenceMask", [convert_to_tensor(lengths)], mask, name)


def meshgrid(*args: Any, indexing: str = "xy", name: str = "meshgrid") -> list[Tensor]:
    """Return the coordinates of a grid, one tensor for each axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     x, y = session.run(tf.meshgrid([1, 2], [3, 4]))
    ...     print(x.tolist(), y.tolist())
    [[1, 2], [1, 2]] [[3, 3], [4, 4]]
    """
    tensors = together("meshgrid", args)
    return several_outputs(
        "meshgrid", tensors, lambda *axes: ops.meshgrid(*axes, indexing=indexing), name
    )


def unsorted_segment_sum(
    data: Any, segment_ids: Any, num_segments: int, name: str | None = None
) -> Tensor:
    """Return the sums of the rows that have the same number.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.unsorted_segment_sum([1.0, 2.0, 3.0], [0, 1, 0], 2)))
    [4. 2.]
    """

    def sums(rows: Array, numbers: Array) -> Array:
        flat = ops.reshape(numbers, (-1, 1))
        chosen = flat == ops.arange(num_segments, dtype=numbers.dtype)
        rest = rows.shape[numbers.ndim :]
        table = ops.reshape(rows, (flat.shape[0], -1))
        found = ops.matmul(ops.astype(chosen, rows.dtype).T, table)
        return ops.reshape(found, (num_segments, *rest))

    inputs = [convert_to_tensor(data), convert_to_tensor(segment_ids)]
    return one_output("UnsortedSegmentSum", inputs, sums, name)
