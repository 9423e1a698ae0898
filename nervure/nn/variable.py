"""Variables: the named cells that a network learns, counts and remembers in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nervure import dtypes
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ArgumentError, DTypeError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import current_site
from nervure.ir.record import type_text
from nervure.nn import constraints, regularizers
from nervure.ops.operands import as_node
from nervure.state import Cell

Regularizer = Callable[[Array], Any]
Constraint = Callable[[Array], Any]


class Variable(Cell):
    """An array that changes: a weight, a moment, a counter.

    It can be used wherever an array can; operators work on the current value.
    ``==`` compares values, while ``is`` and dictionaries tell variables apart.

    Parameters
    ----------
    value
        The first value: anything that converts to an array.  It is copied.
    name
        The last part of :attr:`path`.
    trainable
        Whether training changes it.
    dtype
        The type of every value; that of ``value`` by default.
    regularizer
        A name, or a function of the value whose result is added to the loss.
    constraint
        A name, or a function that maps each updated value to an allowed one.

    >>> import nervure as nv
    >>> from nervure.nn.variable import Variable
    >>> counter = Variable([1.0, 2.0], name="counter")
    >>> counter.assign_add([10.0, 10.0])
    >>> print(counter * 2)
    [22. 24.]
    """

    __slots__ = ("born_trainable", "constraint", "path", "regularizer", "trainable")

    path: str
    trainable: bool
    born_trainable: bool

    def __init__(
        self,
        value: Any,
        *,
        name: str = "variable",
        trainable: bool = True,
        dtype: npt.DTypeLike | None = None,
        regularizer: Regularizer | str | None = None,
        constraint: Constraint | str | None = None,
    ) -> None:
        wanted = None if dtype is None else dtypes.as_dtype(dtype)
        super().__init__(_own_array(value, wanted), name)
        scope = current_site().scope
        self.path = f"{scope}/{name}" if scope else name
        self.trainable = bool(trainable)
        # What it was made as, which freezing and thawing a layer must not forget.
        self.born_trainable = self.trainable
        self.regularizer = regularizers.get(regularizer)
        self.constraint = constraints.get(constraint)

    # --- changing the value ----------------------------------------------------------

    def assign(self, value: Any) -> None:
        """Set the value; it must have the variable's shape, and is converted.

        Raises
        ------
        ShapeError
            For a value of another shape; nothing is changed then.
        DTypeError
            For a value that is not a number.
        """
        array = Array.of_node(as_node(value, self.dtype))
        if array.shape != self.shape:
            raise ShapeError(
                explain(
                    f"{self._label()} has shape {list(self.shape)}, got a value of "
                    f"shape {list(array.shape)}",
                    fix="assign a value of the same shape, or make a new variable",
                )
            )
        self.value = array
        # Outside a trace the value starts a graph of its own, so loops do not grow it.
        if self.stored.result is array.result:
            self.store(_own_array(array, self.dtype))

    def assign_add(self, value: Any) -> None:
        """Add to the value."""
        self.assign(self.value + Array.of_node(as_node(value, self.dtype)))

    def assign_sub(self, value: Any) -> None:
        """Subtract from the value."""
        self.assign(self.value - Array.of_node(as_node(value, self.dtype)))

    # --- looking at it ---------------------------------------------------------------

    def numpy(self) -> NDArray:
        """Return a copy of the current value as a NumPy array.

        A copy, because a training program updates variables in place.
        """
        return np.array(self.value.numpy())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.stored.size

    @property
    def nbytes(self) -> int:
        """The number of bytes of the value."""
        return self.stored.nbytes

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray:
        if copy is False:
            raise ArgumentError(
                explain(
                    "the value of a variable cannot be shared, only copied",
                    fix="leave the argument copy out",
                )
            )
        return self.value.__array__(dtype, copy=True)

    def __repr__(self) -> str:
        type_ = type_text(self.shape, self.dtype)
        kind = "" if self.trainable else ", not trainable"
        return f"<Variable '{self.path}' {type_}{kind}>"

    # Identity, so that variables can be keys; see the class docstring for ``==``.
    __hash__ = object.__hash__

    # NumPy's operators leave mixed operations to us.
    __array_priority__ = 1000

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        # Arrays are shared when they are copied; variables must not share memory.
        for name, value in state[1].items():
            setattr(self, name, value)
        self.store(_own_array(self.stored, None))

    def __getattr__(self, name: str) -> Any:
        # Methods of arrays (sum, reshape, T, ...) work on the current value.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.value, name)

    def _label(self) -> str:
        return f"the variable '{self.path}'"


def _own_array(value: Any, dtype: DType | None) -> Array:
    """Return an array that shares its memory with nothing: programs update in place."""
    node = as_node(value, dtype)
    data = np.array(Array.of_node(node).numpy(), order="C", copy=True)
    if not dtypes.is_supported(data.dtype):
        raise DTypeError(
            explain(
                f"a variable holds numbers, got {data.dtype}",
                fix="convert the value with .astype('float32')",
            )
        )
    data.flags.writeable = False
    return Array.of_value(data)


def _delegate(name: str) -> Callable[..., Any]:
    """Return a method that applies an operator to the variable's current value."""

    def operate(self: Variable, *operands: Any) -> Any:
        return getattr(self.value, name)(*operands)

    operate.__name__ = name
    return operate


_BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and", "or", "xor", "lshift", "rshift"),
)
_OTHERS = (
    *("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", "round"),
    *("divmod", "getitem", "len", "iter", "contains"),
    *("bool", "int", "float", "complex", "index", "format"),
)

for _name in (*_BINARY, *(f"r{name}" for name in _BINARY), *_OTHERS):
    setattr(Variable, f"__{_name}__", _delegate(f"__{_name}__"))
del _name
