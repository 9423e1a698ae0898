"""Functions that move, join, cut and pick elements."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np

from nervure import ops
from nervure.array import Array
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.tf1 import data_types
from nervure.tf1.building import one_output, operation, several_outputs
from nervure.tf1.emission import Context
from nervure.tf1.operators import FUNCTIONS
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, convert_to_tensor, is_tensor


def together(kind: str, values: Any) -> list[Tensor]:
    """Return tensors of one type; numbers take that of the tensors among them."""
    typed = [convert_to_tensor(one) for one in values if is_tensor(one)]
    dtype = typed[0].dtype if typed else None
    tensors = [
        convert_to_tensor(one, None if is_tensor(one) else dtype) for one in values
    ]
    if not tensors:
        raise ArgumentError(
            explain(
                f"{kind}: expected at least one tensor",
                fix="pass a list of tensors; is it empty by mistake?",
            )
        )
    for one in tensors[1:]:
        if one.dtype != tensors[0].dtype:
            raise DTypeError(
                explain(
                    f"{kind}: expected tensors of one type, got "
                    f"{tensors[0].dtype.name} "
                    f"and {one.dtype.name}",
                    fix="convert them with tf.cast",
                )
            )
    return tensors


# --- shapes --------------------------------------------------------------------------


def shape(
    input: Any, name: str | None = None, out_type: Any = data_types.int32
) -> Tensor:
    """Return the shape in the run, as a tensor.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.shape([[1, 2, 3]])))
    [1 3]
    """
    x = convert_to_tensor(input)
    wanted = data_types.as_dtype(out_type)

    def emit(_context: Context, value: Array) -> Array:
        return ops.asarray(np.array(value.shape, wanted.dtype))

    made = operation(
        "Shape", [x], emit, name, types=[(TensorShape([x.shape.ndims]), wanted)]
    )
    return made.outputs[0]


def size(
    input: Any, name: str | None = None, out_type: Any = data_types.int32
) -> Tensor:
    """Return the number of elements in the run, as a tensor.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.size([[1, 2, 3]]))
    np.int32(3)
    """
    wanted = data_types.as_dtype(out_type)
    return one_output(
        "Size",
        [convert_to_tensor(input)],
        lambda value: ops.asarray(np.array(value.size, wanted.dtype)),
        name,
    )


def rank(input: Any, name: str | None = None) -> Tensor:
    """Return the number of axes, as a tensor.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.rank([[1, 2, 3]]))
    np.int32(2)
    """
    return one_output(
        "Rank",
        [convert_to_tensor(input)],
        lambda value: ops.asarray(np.array(value.ndim, np.int32)),
        name,
    )


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """Return the elements in another shape; -1 stands for what is left.

    ``shape`` may be a tensor that follows from shapes, constants and placeholders.

    Raises
    ------
    DTypeError
        For a shape that does not hold whole numbers.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 784])
    ...     tf.reshape(x, [-1, 28, 28, 1]).get_shape().as_list()
    [None, 28, 28, 1]
    """
    x = convert_to_tensor(tensor)
    if isinstance(shape, TensorShape):
        shape = [-1 if one is None else one for one in shape.as_list()]
    given = convert_to_tensor(shape, None)
    if not given.dtype.is_integer:
        if given.shape.num_elements() != 0:
            raise DTypeError(
                explain(
                    "reshape: expected a shape of whole numbers, got "
                    f"{given.type_text}",
                    fix="convert it with tf.cast(shape, tf.int32)",
                )
            )
        given = convert_to_tensor(np.zeros(0, np.int32))

    def emit(context: Context, value: Array, sizes: Array) -> Array:
        wanted = np.ravel(context.static(sizes, given))
        return ops.reshape(value, tuple(int(one) for one in wanted))

    made = operation(
        "Reshape", [x, given], emit, name, unknown=(x.dtype, given.shape.num_elements())
    )
    return made.outputs[0]


def expand_dims(
    input: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """Return the tensor with a new axis of size 1; ``dim`` is an old name.

    Raises
    ------
    ArgumentError
        For a missing axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.expand_dims([1, 2], -1).get_shape().as_list()
    [2, 1]
    """
    place = dim if axis is None else axis
    if place is None:
        raise ArgumentError(
            explain("expand_dims: give axis", fix="write tf.expand_dims(x, axis=0)")
        )
    return one_output(
        "ExpandDims",
        [convert_to_tensor(input)],
        lambda value: ops.expand_dims(value, axis=place),
        name,
    )


def squeeze(
    input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None
) -> Tensor:
    """Return the tensor without axes of size 1: all of them, or those given.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     tf.squeeze([[[1, 2]]], [0]).get_shape().as_list()
    [1, 2]
    """
    given = squeeze_dims if axis is None else axis
    axes = tuple(given) if isinstance(given, list) else given
    return one_output(
        "Squeeze",
        [convert_to_tensor(input)],
        lambda value: ops.squeeze(value, axis=axes),
        name,
    )


def transpose(
    a: Any, perm: Any = None, name: str | None = None, conjugate: bool = False
) -> Tensor:
    """Return the tensor with its axes in another order, reversed by default.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.transpose([[1, 2], [3, 4]])))
    [[1 3]
     [2 4]]
    """
    order = None if perm is None else tuple(int(one) for one in perm)
    return one_output(
        "Transpose",
        [convert_to_tensor(a)],
        lambda value: ops.transpose(value, order),
        name or "transpose",
        {"perm": order},
    )


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """Return the tensor repeated to a shape.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.broadcast_to([1, 2], [2, 2])))
    [[1 2]
     [1 2]]
    """
    x, given = convert_to_tensor(input), convert_to_tensor(shape)

    def emit(context: Context, value: Array, sizes: Array) -> Array:
        wanted = np.ravel(context.static(sizes, given))
        return ops.broadcast_to(value, tuple(int(one) for one in wanted))

    made = operation(
        "BroadcastTo",
        [x, given],
        emit,
        name,
        unknown=(x.dtype, given.shape.num_elements()),
    )
    return made.outputs[0]


# --- joining and cutting -------------------------------------------------------------


def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """Return tensors joined along an axis.

    Raises
    ------
    ArgumentError
        For an axis that is no number, as in the order of TensorFlow 0.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.concat([[1, 2], [3]], 0)))
    [1 2 3]
    """
    if not hasattr(axis, "__index__") or is_tensor(axis):
        raise ArgumentError(
            explain(
                f"concat: expected the axis as a number, got {axis!r}",
                fix="write tf.concat(values, axis), the order since TensorFlow 1.0",
            )
        )
    tensors = together(
        "concat", values if isinstance(values, list | tuple) else [values]
    )
    return one_output(
        "ConcatV2", tensors, lambda *arrays: ops.concat(arrays, axis=axis), name
    )


def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Return tensors of one shape joined along a new axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.stack([[1, 2], [3, 4]], axis=1)))
    [[1 3]
     [2 4]]
    """
    return one_output(
        "Pack",
        together("stack", values),
        lambda *arrays: ops.stack(arrays, axis=axis),
        name,
    )


def unstack(
    value: Any, num: int | None = None, axis: int = 0, name: str = "unstack"
) -> list[Tensor]:
    """Return the parts along an axis, whose size must be known or given.

    Raises
    ------
    ShapeError
        For an axis whose size is not known, unless num is given.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     session.run(tf.unstack([1, 2]))
    [np.int32(1), np.int32(2)]
    """
    x = convert_to_tensor(value)
    count = num if x.shape.sizes is None else x.shape.sizes[axis]
    count = num if count is None else count
    if count is None:
        raise ShapeError(
            explain(
                "unstack: the size of the axis is not known; give num",
                fix="write tf.unstack(x, num=3)",
            )
        )
    return several_outputs(
        "Unpack", [x], lambda array: ops.unstack(array, axis=axis), name
    )


def split(
    value: Any,
    num_or_size_splits: Any,
    axis: int = 0,
    num: int | None = None,
    name: str = "split",
) -> list[Tensor]:
    """Return pieces along an axis: a number of equal ones, or of the sizes given.

    One of the sizes may be -1 for what is left.

    Raises
    ------
    ShapeError
        For a size that is not divisible, and for pieces that do not add up to it.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     a, b = session.run(tf.split([1, 2, 3], [1, 2]))
    ...     print(a, b)
    [1] [2 3]
    """

    def pieces(array: Array) -> list[Array]:
        extent = array.shape[axis]
        if hasattr(num_or_size_splits, "__index__"):
            count = int(num_or_size_splits)
            if extent % count:
                raise ShapeError(
                    explain(
                        f"split: {extent} is not divisible by {count}",
                        fix="give the sizes of the pieces as a list",
                    )
                )
            sizes = [extent // count] * count
        else:
            sizes = [int(one) for one in num_or_size_splits]
            rest = extent - sum(one for one in sizes if one != -1)
            sizes = [rest if one == -1 else one for one in sizes]
            if sum(sizes) != extent or min(sizes, default=0) < 0:
                raise ShapeError(
                    explain(
                        f"split: the sizes {sizes} do not add up to {extent}",
                        fix="write -1 for the piece that is to take what is left",
                    )
                )
        ends = np.cumsum(sizes).tolist()
        before = (slice(None),) * (axis % array.ndim)
        return [
            array[(*before, slice(end - extent, end))]
            for end, extent in zip(ends, sizes, strict=True)
        ]

    return several_outputs("Split", [convert_to_tensor(value)], pieces, name)


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """Return ``size`` elements along each axis from ``begin``; -1 is all the rest.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.slice([[1, 2], [3, 4]], [1, 0], [1, -1])))
    [[3 4]]
    """
    x = convert_to_tensor(input_)
    start, extent = convert_to_tensor(begin), convert_to_tensor(size)

    def emit(context: Context, value: Array, first: Array, counts: Array) -> Array:
        starts = context.static(first, start).tolist()
        sizes = context.static(counts, extent).tolist()
        key = tuple(
            slice(low, None if count == -1 else low + count)
            for low, count in zip(starts, sizes, strict=True)
        )
        return value[key]

    made = operation(
        "Slice", [x, start, extent], emit, name, unknown=(x.dtype, x.shape.ndims)
    )
    return made.outputs[0]


def getitem(x: Any, key: Any) -> Tensor:
    """Return ``x[key]`` of numbers, slices, ``...``, None and tensors of one number.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.constant([[1, 2], [3, 4]])[:, 0]))
    [1 3]
    """
    tensor = convert_to_tensor(x)
    items = list(key) if isinstance(key, tuple) else [key]
    inputs: list[Tensor] = []

    def registered(item: Any) -> Any:
        if is_tensor(item):
            inputs.append(convert_to_tensor(item))
            return _Given(len(inputs) - 1)
        if isinstance(item, slice):
            return (
                registered(item.start),
                registered(item.stop),
                registered(item.step),
            )
        return item

    parts = [registered(item) for item in items]

    def emit(context: Context, value: Array, *given: Array) -> Array:
        def filled(part: Any, *, fixed: bool) -> Any:
            if isinstance(part, tuple):
                return slice(*(filled(one, fixed=True) for one in part))
            if isinstance(part, _Given):
                array = given[part.place]
                if fixed:
                    return int(context.static(array, inputs[part.place]))
                return array
            return part

        return value[tuple(filled(part, fixed=False) for part in parts)]

    made = operation(
        "StridedSlice",
        [tensor, *inputs],
        emit,
        "strided_slice",
        unknown=(tensor.dtype, None),
    )
    return made.outputs[0]


FUNCTIONS["getitem"] = getitem


class _Given:
    """Stands for a tensor inside an index."""

    def __init__(self, place: int) -> None:
        self.place = place


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """Return the tensor repeated along each axis.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.tile([1, 2], [2])))
    [1 2 1 2]
    """
    x, counts = convert_to_tensor(input), convert_to_tensor(multiples)

    def emit(context: Context, value: Array, times: Array) -> Array:
        given = context.static(times, counts)
        return ops.tile(value, tuple(int(one) for one in np.ravel(given)))

    made = operation("Tile", [x, counts], emit, name, unknown=(x.dtype, x.shape.ndims))
    return made.outputs[0]


_MIRRORS: Final[dict[str, Literal["reflect", "symmetric"]]] = {
    "reflect": "reflect",
    "symmetric": "symmetric",
}


def pad(
    tensor: Any,
    paddings: Any,
    mode: str = "CONSTANT",
    name: str | None = None,
    constant_values: Any = 0,
) -> Tensor:
    """Return the tensor with margins; ``paddings`` is ``int[axes, 2]``.

    ``mode`` is "CONSTANT", "REFLECT" or "SYMMETRIC".

    Raises
    ------
    ArgumentError
        For another mode, and for paddings that do not fit.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.pad([1, 2], [[1, 2]])))
    [0 1 2 0 0]
    """
    widths = [(int(low), int(high)) for low, high in np.asarray(paddings)]
    kind = mode.lower()
    if kind != "constant" and kind not in _MIRRORS:
        raise ArgumentError(
            explain(
                f"pad: expected CONSTANT, REFLECT or SYMMETRIC, got {mode!r}",
                fix="CONSTANT fills with zeros",
            )
        )

    def padded(value: Array) -> Array:
        if kind == "constant":
            return ops.pad(value, widths, constant_values=constant_values)
        for axis, margins in enumerate(widths):
            places = np.pad(np.arange(value.shape[axis]), margins, mode=_MIRRORS[kind])
            value = ops.take(value, ops.asarray(places), axis=axis)
        return value

    return one_output("Pad", [convert_to_tensor(tensor)], padded, name)


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """Return the elements along axes in the opposite order.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     print(session.run(tf.reverse([1, 2, 3], [0])))
    [3 2 1]
    """
    axes = tuple(axis) if isinstance(axis, list | tuple) else axis
    return one_output(
        "ReverseV2",
        [convert_to_tensor(tensor)],
        lambda value: ops.flip(value, axis=axes),
        name,
    )
