"""Tensors of a TensorFlow 1 graph, and what may be turned into one."""

from __future__ import annotations

import itertools
from typing import Any, Final, NoReturn

import numpy as np

from nervure.array import Array
from nervure.errors import DTypeError, ShapeError, TraceError, explain
from nervure.prims.leaf import buffer_leaf, const
from nervure.tf1 import data_types
from nervure.tf1.data_types import DType
from nervure.tf1.graph import Graph, Operation, get_default_graph
from nervure.tf1.operators import Operators
from nervure.tf1.shapes import TensorShape

_numbers = itertools.count()
# Constants of more bytes are data that a program is given, not a part of its text.
_LARGEST_CONSTANT: Final = 1024


class Tensor(Operators):
    """An output of an operation: a type and a name, and a value in each run.

    >>> import nervure.tf1 as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.placeholder(tf.float32, [None, 2], name="x")
    ...     x * 2
    <tf.Tensor 'mul:0' shape=(?, 2) dtype=float32>
    """

    __slots__ = ("_dtype", "_shape", "op", "serial", "value_index")

    def __init__(
        self, op: Operation, value_index: int, shape: TensorShape, dtype: DType
    ) -> None:
        self.op = op
        self.value_index = value_index
        self._shape = shape
        self._dtype = dtype
        self.serial = next(_numbers)  # one that no other tensor ever has

    @property
    def graph(self) -> Graph:
        """The graph that it belongs to."""
        return self.op.graph

    @property
    def name(self) -> str:
        """The name, such as ``"MatMul:0"``."""
        return f"{self.op.name}:{self.value_index}"

    @property
    def dtype(self) -> DType:
        """The data type."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """What is known of the shape before the graph runs."""
        return self._shape

    @property
    def device(self) -> str:
        """The device that was noted for it."""
        return self.op.device

    def get_shape(self) -> TensorShape:
        """Return what is known of the shape."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape; raises if it contradicts that."""
        self._shape = self._shape.merge_with(shape)

    def consumers(self) -> list[Operation]:
        """Return the operations that take it as an input."""
        return [one for one in self.graph.get_operations() if self in one.inputs]

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Return the value in a session, by default the one in use."""
        from nervure.tf1.session import session_for

        return session_for(session, self.graph, "eval").run(self, feed_dict)

    @property
    def type_text(self) -> str:
        """The type as messages write it."""
        if self._shape.sizes is None:
            return f"{self._dtype.name}[unknown]"
        return f"{self._dtype.name}[{', '.join(map(str, self._shape.sizes))}]"

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self._shape} dtype={self._dtype.name}>"

    def __str__(self) -> str:
        text = f'Tensor("{self.name}", '
        if self._shape.sizes is not None:
            text += f"shape={self._shape}, "
        return f"{text}dtype={self._dtype.name})"

    def _no_value(self, *_arguments: Any) -> NoReturn:
        raise TraceError(
            explain(
                "a tensor of a graph has no value until a session runs it",
                operands=[("x", self.type_text, f"{self.name}, {self.op.site}")],
                fix="use session.run(x); for a decision within the graph, tf.cond",
            )
        )

    __bool__ = __float__ = __int__ = __array__ = _no_value

    def __len__(self) -> NoReturn:
        raise DTypeError(
            explain(
                f"len() of the tensor {self.name}: it is no sequence",
                fix="use x.get_shape()[0], or tf.shape(x)[0] where it varies",
            )
        )

    def __iter__(self) -> Any:
        sizes = self._shape.sizes
        if not sizes or sizes[0] is None:
            self._no_value()
        return iter([self[place] for place in range(sizes[0])])

    # Tensors are keys of feed_dict, so equality is identity, as in TensorFlow 1.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return self.serial


_FITS: Final = {"b": "biuf", "i": "iuf", "f": "f"}


def as_numpy(value: Any, dtype: DType | None, what: str = "constant") -> Any:
    """Return a value as a NumPy array of TensorFlow's type for it.

    Python's whole numbers become int32 and its floats float32; NumPy's arrays keep
    their type, unless ``dtype`` asks for another.
    """
    given = isinstance(value, np.ndarray | np.generic)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(
            explain(
                f"{what}: expected nested lists of equal lengths: {error}",
                fix="make all rows equally long",
            )
        ) from None
    if array.dtype.kind in "SUO":
        return _as_text(array, dtype, what)
    if dtype is None:
        found = data_types.as_dtype(array.dtype)
        if not given and found in (data_types.float64, data_types.int64):
            found = data_types.float32 if found.is_floating else data_types.int32
            if found == data_types.int32 and not _fits_int32(array):
                found = data_types.int64
        if not array.size and not given:
            found = data_types.float32
        return np.array(array, dtype=found.dtype)
    if not given and array.size:
        wanted = "f" if dtype.is_floating else "i" if dtype.is_integer else "b"
        kind = "i" if array.dtype.kind == "u" else array.dtype.kind
        if dtype == data_types.string or wanted not in _FITS[kind]:
            raise DTypeError(
                explain(
                    f"{what}: expected {dtype.name}, got {value!r} of type "
                    f"{type(value).__name__}",
                    fix="write the number in that type, or use tf.cast",
                )
            )
    return np.array(array).astype(dtype.dtype)


def _fits_int32(array: Any) -> bool:
    return not array.size or (array.min() >= -(2**31) and array.max() < 2**31)


def _as_text(array: Any, dtype: DType | None, what: str) -> Any:
    if dtype not in (None, data_types.string):
        raise DTypeError(
            explain(
                f"{what}: expected {dtype.name}, got text",
                fix="convert the text to numbers before, with float(...)",
            )
        )
    encoded = np.empty(array.shape, np.object_)
    for place in np.ndindex(array.shape):
        one = array[place]
        if not isinstance(one, str | bytes):
            raise DTypeError(
                explain(
                    f"{what}: expected numbers or text, got {type(one).__name__}",
                    fix="convert the value with numpy.asarray",
                )
            )
        encoded[place] = one.encode() if isinstance(one, str) else one
    return encoded


def constant_tensor(value: Any, name: str | None = None) -> Tensor:
    """Return a tensor of a NumPy array that nobody will change."""
    from nervure.tf1.emission import HostValue

    graph = get_default_graph()
    dtype = data_types.as_dtype(value.dtype if value.dtype != object else str)
    if dtype == data_types.string:
        content = value[()] if value.ndim == 0 else value

        def emit(_context: Any) -> Any:
            return HostValue([], lambda: content)
    else:
        value.flags.writeable = False
        small = value.nbytes <= _LARGEST_CONSTANT
        leaf = const(value) if small else buffer_leaf(value)

        def emit(_context: Any) -> Any:
            return Array.of_node(leaf)

    operation = graph.add("Const", (), emit, name, {"value": value, "dtype": dtype})
    return add_outputs(operation, [(TensorShape(value.shape), dtype)])[0]


def add_outputs(
    operation: Operation, types: list[tuple[TensorShape, DType]]
) -> tuple[Tensor, ...]:
    """Give an operation its outputs."""
    operation.outputs = tuple(
        Tensor(operation, place, shape, dtype)
        for place, (shape, dtype) in enumerate(types)
    )
    return operation.outputs


def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None
) -> Tensor:
    """Return a tensor of numbers, NumPy arrays, lists, variables or tensors.

    Parameters
    ----------
    value
        Anything of these; lists may hold tensors, which are stacked.
    dtype
        The type that it must have, or that numbers and arrays are given.
    name
        The name of the constant.
    preferred_dtype
        The type of numbers if they fit it.

    Raises
    ------
    DTypeError
        For a tensor of another type, or a value that does not fit it.

    >>> import nervure.tf1 as tf
    >>> tf.convert_to_tensor([1, 2]).dtype, tf.convert_to_tensor(1, tf.float32).dtype
    (tf.int32, tf.float32)
    """
    wanted = None if dtype is None else data_types.as_dtype(dtype)
    as_tensor = getattr(value, "as_tensor", None)  # variables
    if as_tensor is not None:
        value = as_tensor()
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype != wanted:
            raise DTypeError(
                explain(
                    f"expected a tensor of type {wanted.name}, got {value.dtype.name}",
                    operands=[("x", value.type_text, f"{value.name}, {value.op.site}")],
                    fix=f"convert it with tf.cast(x, tf.{wanted.name})",
                )
            )
        return value
    if isinstance(value, Operation):
        raise DTypeError(
            explain(
                f"expected a tensor, got the operation {value.name!r}",
                fix="its first output is op.outputs[0]",
            )
        )
    if isinstance(value, TensorShape):
        value = np.array(value.as_list(), wanted.dtype if wanted else np.int32)
    if isinstance(value, Array):
        value = value.numpy()
    if isinstance(value, list | tuple) and _holds_tensors(value):
        from nervure.tf1.manipulation import stack

        parts = [
            convert_to_tensor(one, wanted) if _holds_tensors(one) else one
            for one in value
        ]
        return stack(parts)
    if wanted is None and preferred_dtype is not None:
        try:
            array = as_numpy(value, data_types.as_dtype(preferred_dtype))
        except DTypeError:
            array = as_numpy(value, None)
        return constant_tensor(array, name)
    return constant_tensor(as_numpy(value, wanted), name)


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_tensors(one) for one in value)
    return is_tensor(value)


def is_tensor(value: Any) -> bool:
    """Tell whether a value is a tensor or a variable of a graph.

    >>> import nervure.tf1 as tf
    >>> tf.is_tensor(tf.zeros([2])), tf.is_tensor([0.0, 0.0])
    (True, False)
    """
    return isinstance(value, Tensor) or hasattr(value, "as_tensor")
