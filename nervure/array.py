"""The lazy array: operators build nodes, a value is computed when somebody looks."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array_devices import DeviceMethods
from nervure.dtypes import DType
from nervure.errors import (
    ArgumentError,
    DTypeError,
    NoAxesError,
    ShapeError,
    TraceError,
    explain,
)
from nervure.ir.attrs import DeviceValue, NDArray
from nervure.ir.build import origin_of
from nervure.ir.graph import Graph
from nervure.ir.node import Node, Shape
from nervure.ir.record import type_text
from nervure.numpy_methods import NumPyMethods
from nervure.prims.leaf import buffer_leaf
from nervure.result import CallOrigin, Result

Scalar = bool | int | float
# What functions accept where they say "array".
ArrayLike = "Array | npt.ArrayLike"


class Array(NumPyMethods, DeviceMethods):
    """A lazy array.

    An array stands for a result that never changes; ``x[key] = value`` lets it stand
    for another one.  ``x += y`` is ``x = x + y``: other names keep the old array.

    Arrays are made by :func:`nervure.asarray`, :func:`nervure.parameter` and the
    functions of the namespace; there is no reason to call the class.  It follows the
    Array API standard 2024.12 and NumPy's operators, and converts to NumPy wherever a
    value is asked for.

    Raises
    ------
    TypeError
        For a call of the class.

    >>> import nervure as nv
    >>> x = nv.asarray([1.0, 2.0, 3.0])
    >>> y = x * 2 + 1        # nothing is computed
    >>> print(y)             # now it is
    [3. 5. 7.]
    """

    __slots__ = ("__weakref__", "_mask", "_result")

    # NumPy's operators leave mixed operations to us.
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    _result: Result
    _mask: Array | None

    def __init__(self) -> None:
        raise TypeError("make arrays with nervure.asarray(...)")

    # --- making ----------------------------------------------------------------------

    @classmethod
    def of_node(cls, node: Node) -> Array:
        """Return an array that stands for ``node``."""
        return cls.of_result(Result.of_node(node))

    @classmethod
    def of_value(
        cls, value: NDArray | DeviceValue, call: CallOrigin | None = None
    ) -> Array:
        """Return an array of a NumPy array that nobody will change, or on a device.

        It has the shape and the type of the value.

        ``call`` tells how to build the graph of a value that a compiled function has
        already computed, should anybody ask for it.
        """
        return cls.of_result(Result.of_value(value, call))

    @classmethod
    def of_result(cls, result: Result, mask: Array | None = None) -> Array:
        """Return an array that stands for a result, with its shape and type."""
        array = object.__new__(cls)
        array._result = result
        array._mask = mask
        return array

    def alias(self) -> Array:
        """Return an array that does not notice when elements of this one are set."""
        return self.of_result(self._result, self._mask)

    def masked(self, mask: Array | None) -> Array:
        """Return the same array carrying a mask for the layers that follow, or none.

        A mask is ``bool[batch, steps]``.

        It is another object: this one, which others may hold, does not change.
        """
        return self.of_result(self._result, mask)

    # --- what is known without computing ---------------------------------------------

    @property
    def mask(self) -> Array | None:
        """Which steps of a sequence count, as a layer said; see ``nn/masking.py``."""
        return self._mask

    @property
    def result(self) -> Result:
        """What this array stands for now."""
        return self._result

    @property
    def node(self) -> Node:
        """The node of the graph; a ``buffer`` leaf once the graph is forgotten."""
        return self._result.node

    @property
    def value_or_none(self) -> NDArray | None:
        """The value if it has been computed."""
        return self._result.value

    @property
    def tracking(self) -> int:
        """Why the graph is kept: ``UNTRACKED``, ``PARAMETRIC`` or ``TRACED``."""
        return self._result.tracking

    @property
    def depth(self) -> int:
        """The length of the longest chain of operations below the value."""
        return self._result.depth

    @property
    def shape(self) -> Shape:
        """The size of each axis."""
        return self._result.shape

    @property
    def dtype(self) -> DType:
        """The data type of the elements, a :class:`numpy.dtype`."""
        return self._result.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        """The number of bytes of the value."""
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """The number of bytes of one element."""
        return self.dtype.itemsize

    @property
    def held(self) -> NDArray | DeviceValue | None:
        """The value where it is, if it has been computed."""
        return self._result.held

    def computed(self) -> NDArray | DeviceValue:
        """Return the value where it is, computing it if necessary."""
        return self._result.computed()

    # --- looking at the value --------------------------------------------------------

    def numpy(self) -> NDArray:
        """Return the value as a read-only NumPy array, computing it if necessary."""
        return self._result.numpy()

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray:
        value = self.numpy()
        if dtype is not None and np.dtype(dtype) != value.dtype:
            if copy is False:
                raise ArgumentError(
                    explain(
                        f"converting {value.dtype} to {dtype} needs a copy",
                        fix="leave the argument copy out",
                    )
                )
            return value.astype(dtype)
        return value.copy() if copy else value

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if stream is not None:
            raise ArgumentError(
                explain(
                    f"expected the stream None, got {stream!r}",
                    fix="the main memory has no streams; leave it out",
                )
            )
        old = max_version is None or max_version < (1, 0)
        if old and copy is False:
            raise BufferError(
                "before version 1.0 DLPack cannot say read-only, so a copy is needed; "
                "pass max_version=(1, 0) or leave copy out"
            )
        if old:
            return self.numpy().copy().__dlpack__(dl_device=dl_device)
        return self.numpy().__dlpack__(
            max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU

    def __array_namespace__(self, /, *, api_version: str | None = None) -> ModuleType:
        import nervure

        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ArgumentError(
                explain(
                    f"unknown Array API version {api_version!r}",
                    fix="use '2024.12', or None for what there is",
                )
            )
        return nervure

    def item(self) -> Scalar:
        """Return the only element as a Python number."""
        return self._only_element("item()").item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """Return the value as nested lists of Python numbers."""
        return self.numpy().tolist()

    def _only_element(self, wanted: str) -> NDArray:
        if self.size != 1:
            raise ShapeError(
                explain(
                    f"{wanted} expects an array of one element, got shape "
                    f"{list(self.shape)}",
                    fix="index the element, or reduce with sum, mean, any or all",
                )
            )
        return self.numpy().reshape(())

    def __bool__(self) -> bool:
        return bool(self._only_element("bool()"))

    def __int__(self) -> int:
        return int(self._only_element("int()"))

    def __float__(self) -> float:
        return float(self._only_element("float()"))

    def __complex__(self) -> complex:
        return complex(self._only_element("complex()"))

    def __index__(self) -> int:
        if not dtypes.is_integer(self.dtype):
            raise DTypeError(
                explain(
                    f"an index must be an integer, got {self.dtype.name}",
                    fix="convert it with .astype('int64'), or round it first",
                )
            )
        return operator.index(self._only_element("an index").item())

    def _without_axes(self, lacks: str) -> NoAxesError:
        return NoAxesError(
            explain(
                f"expected an array of at least 1 axis, got one without: it {lacks}",
                operands=[("x", self.node.type_text, origin_of(self.node))],
                fix="float(x) is its value, x[None] an array of one element",
            )
        )

    def __len__(self) -> int:
        if not self.shape:
            raise self._without_axes("has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise self._without_axes("cannot be iterated over")
        return (self[position] for position in range(self.shape[0]))

    def __contains__(self, value: object) -> bool:
        return value in self.numpy()

    def __repr__(self) -> str:
        type_ = type_text(self.shape, self.dtype)
        try:
            text = np.array2string(self.numpy(), separator=", ", prefix="Array(")
        except TraceError:
            return f"<Array {type_}, no value yet>"
        return f"Array({text}, {type_})"

    def __str__(self) -> str:
        return str(self.numpy())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __copy__(self) -> Array:
        return self.alias()

    def __deepcopy__(self, _memo: dict[int, Any]) -> Array:
        return self.alias()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (np.array(self.numpy()),)

    # --- operators -------------------------------------------------------------------

    def __add__(self, other: Any) -> Array:
        return _binary(ops.add, self, other)

    def __radd__(self, other: Any) -> Array:
        return _binary(ops.add, other, self)

    def __sub__(self, other: Any) -> Array:
        return _binary(ops.subtract, self, other)

    def __rsub__(self, other: Any) -> Array:
        return _binary(ops.subtract, other, self)

    def __mul__(self, other: Any) -> Array:
        return _binary(ops.multiply, self, other)

    def __rmul__(self, other: Any) -> Array:
        return _binary(ops.multiply, other, self)

    def __truediv__(self, other: Any) -> Array:
        return _binary(ops.divide, self, other)

    def __rtruediv__(self, other: Any) -> Array:
        return _binary(ops.divide, other, self)

    def __floordiv__(self, other: Any) -> Array:
        return _binary(ops.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Array:
        return _binary(ops.floor_divide, other, self)

    def __mod__(self, other: Any) -> Array:
        return _binary(ops.remainder, self, other)

    def __rmod__(self, other: Any) -> Array:
        return _binary(ops.remainder, other, self)

    def __divmod__(self, other: Any) -> tuple[Array, Array]:
        return self // other, self % other

    def __pow__(self, other: Any) -> Array:
        return _binary(ops.pow, self, other)

    def __rpow__(self, other: Any) -> Array:
        return _binary(ops.pow, other, self)

    def __matmul__(self, other: Any) -> Array:
        return _binary(ops.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return _binary(ops.matmul, other, self)

    def __and__(self, other: Any) -> Array:
        return _binary(ops.bitwise_and, self, other)

    def __rand__(self, other: Any) -> Array:
        return _binary(ops.bitwise_and, other, self)

    def __or__(self, other: Any) -> Array:
        return _binary(ops.bitwise_or, self, other)

    def __ror__(self, other: Any) -> Array:
        return _binary(ops.bitwise_or, other, self)

    def __xor__(self, other: Any) -> Array:
        return _binary(ops.bitwise_xor, self, other)

    def __rxor__(self, other: Any) -> Array:
        return _binary(ops.bitwise_xor, other, self)

    def __lshift__(self, other: Any) -> Array:
        return _binary(ops.bitwise_left_shift, self, other)

    def __rlshift__(self, other: Any) -> Array:
        return _binary(ops.bitwise_left_shift, other, self)

    def __rshift__(self, other: Any) -> Array:
        return _binary(ops.bitwise_right_shift, self, other)

    def __rrshift__(self, other: Any) -> Array:
        return _binary(ops.bitwise_right_shift, other, self)

    def __eq__(self, other: object) -> Array:  # type: ignore[override]
        return _binary(ops.equal, self, other)

    def __ne__(self, other: object) -> Array:  # type: ignore[override]
        return _binary(ops.not_equal, self, other)

    def __lt__(self, other: Any) -> Array:
        return _binary(ops.less, self, other)

    def __le__(self, other: Any) -> Array:
        return _binary(ops.less_equal, self, other)

    def __gt__(self, other: Any) -> Array:
        return _binary(ops.greater, self, other)

    def __ge__(self, other: Any) -> Array:
        return _binary(ops.greater_equal, self, other)

    def __neg__(self) -> Array:
        return ops.negative(self)

    def __pos__(self) -> Array:
        return self.alias()

    def __abs__(self) -> Array:
        return ops.abs(self)

    def __invert__(self) -> Array:
        return ops.bitwise_invert(self)

    def __round__(self, digits: int | None = None) -> Array:
        return ops.round(self, digits or 0)

    # --- indexing --------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Array:
        return ops.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set elements: from now on this array stands for the changed values.

        Every name of this very array sees them.  Arrays computed from it before,
        slices and reshaped arrays too, keep what they are: they share no memory.

        Raises
        ------
        IndexingError
            For a key that ``x[key]`` does not take either.
        ShapeError, DTypeError
            For a value that does not broadcast to ``x[key]``, or floating-point numbers
            for an array of integers.
        GradientError
            For an :func:`nervure.parameter`, which gradients are taken with respect to.
        """
        self._result = with_items(self, key, value).result


def parameter(value: ArrayLike, name: str = "") -> Array:
    """Return a copy of ``value`` to differentiate with respect to.

    Arrays computed from a parameter keep their graph, so
    :func:`nervure.gradients` works at any time.  Making a parameter of a computed
    array evaluates it and starts a new graph: ``w = nv.parameter(w - rate * g)``.

    Parameters
    ----------
    value
        Floating-point data: an array, or (nested lists of) Python floats, which become
        float32.
    name
        How the graph's text and errors call it.

    Raises
    ------
    DTypeError
        For whole numbers and truth values, which have no derivative.

    >>> import nervure as nv
    >>> a = nv.parameter([1.0, 2.0], name="a")
    >>> y = nv.sum(a * a)
    >>> float(y)
    5.0
    >>> nv.gradients(y, [a])[0].tolist()
    [2.0, 4.0]
    """
    data = ops.asarray(value).numpy()
    if not dtypes.is_float(data.dtype):
        raise DTypeError(
            explain(
                f"a parameter must hold floating-point numbers, got {data.dtype.name}",
                fix="convert the data with .astype('float32') first",
            )
        )
    return Array.of_node(buffer_leaf(data, name, parameter=True))


def graph(*arrays: Array) -> Graph:
    """Return the graph that computes ``arrays``, as far as it is remembered.

    ``arrays`` are of any shape and type; each is an output of the graph.

    An evaluated array that depends on no parameter has forgotten its graph and is a
    single ``buffer``.

    >>> import nervure as nv
    >>> print(nv.graph(nv.parameter([1.0, 2.0], "a") * 2))  # doctest: +ELLIPSIS
    graph () {
      ...
    }
    <BLANKLINE>
    """
    return Graph([array.node for array in arrays])


def _restore(value: NDArray) -> Array:
    """Rebuild a pickled array from its value; the graph is not pickled."""
    value.flags.writeable = False
    return Array.of_value(value)


def _binary(function: Any, x: Any, y: Any) -> Any:
    """Call a function of two arrays, or let Python try the other operand."""
    other = y if isinstance(x, Array) else x
    known = Array | Cell | bool | int | float | np.ndarray | np.generic | list
    return function(x, y) if isinstance(other, known) else NotImplemented


# The functions are written in terms of Array, the operators in terms of the functions.
from nervure import ops  # noqa: E402
from nervure.ops.assignment import with_items  # noqa: E402
from nervure.state import Cell  # noqa: E402

NumPyMethods._functions = ops
