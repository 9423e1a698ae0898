"""TensorFlow's names for data types."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.errors import DTypeError, NervureError, explain, unknown_name


class DType:
    """A data type as TensorFlow 1 shows it.

    NumPy accepts one wherever it takes a data type, and it equals its NumPy type and
    its name.

    >>> import nervure.tf1 as tf
    >>> tf.float32, tf.float32 == "float32", tf.int32.is_integer
    (tf.float32, True, True)
    """

    __slots__ = ("_numpy", "name")

    def __init__(self, name: str, numpy_type: npt.DTypeLike) -> None:
        self.name = name
        self._numpy: np.dtype[Any] = np.dtype(numpy_type)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy data type; NumPy itself looks here."""
        return self._numpy

    @property
    def as_numpy_dtype(self) -> type[Any]:
        """The scalar type of NumPy, such as ``numpy.float32``."""
        return self._numpy.type

    @property
    def base_dtype(self) -> DType:
        """The type itself: nothing here is a reference."""
        return self

    @property
    def is_floating(self) -> bool:
        """Whether the type is a floating-point type."""
        return dtypes.is_float(self._numpy)

    @property
    def is_integer(self) -> bool:
        """Whether the type is a whole-number type."""
        return dtypes.is_integer(self._numpy)

    @property
    def is_bool(self) -> bool:
        """Whether the type is that of truth values."""
        return dtypes.is_bool(self._numpy)

    @property
    def size(self) -> int:
        """The bytes of one element."""
        return self._numpy.itemsize

    @property
    def max(self) -> Any:
        """The largest number."""
        info: Any = np.finfo if self.is_floating else np.iinfo
        return info(self._numpy).max

    @property
    def min(self) -> Any:
        """The smallest number."""
        info: Any = np.finfo if self.is_floating else np.iinfo
        return info(self._numpy).min

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self.name == other.name
        try:
            return self is as_dtype(other)
        except NervureError:
            return False

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"


bfloat16: Final = DType("bfloat16", dtypes.bfloat16)
float16: Final = DType("float16", np.float16)
float32: Final = DType("float32", np.float32)
float64: Final = DType("float64", np.float64)
int8: Final = DType("int8", np.int8)
int16: Final = DType("int16", np.int16)
int32: Final = DType("int32", np.int32)
int64: Final = DType("int64", np.int64)
uint8: Final = DType("uint8", np.uint8)
uint16: Final = DType("uint16", np.uint16)
uint32: Final = DType("uint32", np.uint32)
uint64: Final = DType("uint64", np.uint64)
bool_: Final = DType("bool", np.bool_)
string: Final = DType("string", np.object_)

_ALL: Final = {
    one.name: one
    for one in (
        *(bfloat16, float16, float32, float64, int8, int16, int32, int64),
        *(uint8, uint16, uint32, uint64, bool_, string),
    )
}
_BY_NUMPY: Final = {one.dtype: one for one in _ALL.values()}
_ALIASES: Final = {"half": float16, "float": float32, "double": float64}
_PYTHON: Final[dict[Any, DType]] = {
    float: float32,
    int: int32,
    bool: bool_,
    str: string,
    bytes: string,
}


def as_dtype(value: Any) -> DType:
    """Return the data type that a name, a NumPy type or a Python type stands for.

    Raises :class:`~nervure.errors.DTypeError` or
    :class:`~nervure.errors.UnknownNameError` for anything else.

    >>> import numpy as np
    >>> import nervure.tf1 as tf
    >>> tf.as_dtype("int64"), tf.as_dtype(np.uint8), tf.as_dtype(float)
    (tf.int64, tf.uint8, tf.float32)
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, type) and value in _PYTHON:
        return _PYTHON[value]
    if isinstance(value, str):
        found = _ALL.get(value) or _ALIASES.get(value)
        if found is None:
            raise unknown_name("data type", value, [*_ALL, *_ALIASES])
        return found
    try:
        numpy_type = np.dtype(value)
    except TypeError:
        numpy_type = None
    if numpy_type is not None:
        if numpy_type.kind in "SU":
            return string
        found = _BY_NUMPY.get(numpy_type.newbyteorder("="))
        if found is not None:
            return found
    raise DTypeError(
        explain(
            f"expected a data type such as tf.float32, got {value!r}",
            fix="write tf.float32, 'float32' or numpy.float32",
        )
    )
