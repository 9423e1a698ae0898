"""Tensors without values, and the calls that connect them.

The nodes of a model's graph are *calls*, not layers: a layer that is called twice
occurs twice.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy.typing as npt

from nervure import dtypes, tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ShapeError, TraceError, explain
from nervure.nn.naming import automatic_name
from nervure.ops.deferred import Deferred

if TYPE_CHECKING:
    from nervure.nn.layer import Layer

# A shape whose unknown sizes, such as that of the batch, are None.
PartialShape = tuple[int | None, ...]


class SymbolicTensor(Deferred):
    """A tensor of which only the type is known: what a layer will be given.

    Operators, slices and the functions of ``nervure`` work on it: each becomes a layer
    of the model (:class:`~nervure.nn.layers.operation.Operation`).

    Attributes
    ----------
    shape
        The size of each axis, None where it is not known.
    dtype
        The data type.
    name
        How messages call it.
    origin
        The call that gives it and its place among the call's outputs, or None.
    mask
        The type of the mask that the array will carry, or None.
    """

    __slots__ = ("dtype", "mask", "name", "origin", "shape")

    shape: PartialShape
    dtype: DType
    name: str
    origin: tuple[Call, int] | None
    mask: SymbolicTensor | None

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: npt.DTypeLike = dtypes.DEFAULT_FLOAT,
        name: str | None = None,
        origin: tuple[Call, int] | None = None,
    ) -> None:
        self.shape = as_partial_shape(shape)
        self.dtype = dtypes.as_dtype(dtype)
        self.name = name if name is not None else automatic_name("symbolic_tensor")
        self.origin = origin
        self.mask = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def type_text(self) -> str:
        """The type as messages write it: ``float32[None, 10]``."""
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"

    def __repr__(self) -> str:
        made_by = f" from {self.origin[0].layer.name}" if self.origin else ""
        return f"<SymbolicTensor {self.name!r} {self.type_text}{made_by}>"

    def _no_value(self, *_arguments: Any, **_options: Any) -> NoReturn:
        raise TraceError(
            explain(
                "a symbolic tensor has no value, only a type",
                operands=[("x", self.type_text, f"symbolic tensor {self.name!r}")],
                fix="pass it to a layer, and give data to the model made of it",
            )
        )

    # --- operations ------------------------------------------------------------------

    # NumPy's operators leave mixed operations to us.
    __array_ufunc__ = None
    __array_priority__ = 1000

    def deferred_call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return the symbolic result of a function, which becomes a layer."""
        from nervure.nn.layers.operation import Operation

        # Aliases: the user may set elements of his arrays in the meantime.
        args, kwargs = tree.map_leaves(_as_it_is, (args, kwargs))
        return Operation(name)(*args, **kwargs)

    def astype(self, dtype: npt.DTypeLike) -> Any:
        """Return the tensor in another data type."""
        return self.deferred_call("astype", (self, dtypes.as_dtype(dtype).name), {})

    def reshape(self, *shape: Any) -> Any:
        """Return the tensor in another shape, which includes the batch."""
        sizes = shape[0] if len(shape) == 1 else shape
        return self.deferred_call("reshape", (self, sizes), {})

    @property
    def T(self) -> Any:  # noqa: N802 - the name that NumPy users type
        """The tensor with its axes reversed."""
        return self.deferred_call("transpose", (self,), {})

    __array__ = __bool__ = __float__ = __int__ = __len__ = __iter__ = _no_value


def _as_it_is(value: Any) -> Any:
    """Return an argument that does not change when elements of an array are set."""
    return value.alias() if isinstance(value, Array) else value


@dataclass(frozen=True)
class TensorType:
    """What a symbolic tensor is, without the call that gives it: for copies."""

    shape: PartialShape
    dtype: DType
    name: str
    mask: Any  # a TensorType, or None

    @classmethod
    def of(cls, tensor: SymbolicTensor) -> TensorType:
        """Return the type of a tensor."""
        mask = None if tensor.mask is None else cls.of(tensor.mask)
        return cls(tensor.shape, tensor.dtype, tensor.name, mask)

    def tensor(self) -> SymbolicTensor:
        """Return a new tensor of this type."""
        made = SymbolicTensor(self.shape, self.dtype, self.name)
        made.mask = None if self.mask is None else self.mask.tensor()
        return made


def _operator(name: str, *, swapped: bool = False) -> Callable[..., Any]:
    """Return a method for an operator that calls a function of the namespace."""

    def operate(self: SymbolicTensor, *operands: Any) -> Any:
        args = (*operands, self) if swapped else (self, *operands)
        return self.deferred_call(name, args, {})

    return operate


_OPERATORS: Final = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}
_COMPARISONS: Final = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "neg": "negative",
    "abs": "abs",
    "invert": "logical_not",
    "getitem": "getitem",
}

for _symbol, _function in (_OPERATORS | _COMPARISONS).items():
    setattr(SymbolicTensor, f"__{_symbol}__", _operator(_function))
for _symbol, _function in _OPERATORS.items():
    setattr(SymbolicTensor, f"__r{_symbol}__", _operator(_function, swapped=True))
SymbolicTensor.__ne__ = _operator("not_equal")  # as layers' masks say it
del _symbol, _function


class Call:
    """One call of a layer on symbolic tensors.

    Attributes
    ----------
    layer
        What was called.
    arguments
        The positional and the keyword arguments, which hold symbolic tensors.
    outputs
        What the call returned: a tree of symbolic tensors.
    """

    __slots__ = ("arguments", "layer", "outputs")

    layer: Layer
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    outputs: Any

    def __init__(
        self,
        layer: Layer,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        outputs: Any,
    ) -> None:
        self.layer = layer
        self.arguments = arguments
        self.outputs = outputs
        for place, tensor in enumerate(tree.flatten(outputs)[0]):
            tensor.origin = (self, place)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments, in order."""
        return list(symbolic_leaves(self.arguments))


def symbolic_leaves(values: Any) -> Iterator[SymbolicTensor]:
    """Yield the symbolic tensors in a tree of arguments."""
    for leaf in tree.flatten(values)[0]:
        if isinstance(leaf, SymbolicTensor):
            yield leaf


def as_partial_shape(shape: Sequence[int | None] | int) -> PartialShape:
    """Return a shape as a tuple; raises :class:`ShapeError` for what is none.

    >>> as_partial_shape([None, 3])
    (None, 3)
    """
    try:
        sizes = (shape,) if hasattr(shape, "__index__") else tuple(shape)
        result = tuple(None if size is None else _as_size(size) for size in sizes)
    except TypeError:
        result = None
    if result is None or any(size is not None and size < 0 for size in result):
        raise ShapeError(
            explain(
                f"expected a shape, got {shape!r}",
                fix="pass a tuple of whole numbers (None where unknown), such as "
                "(784,) or (28, 28, 1)",
            )
        )
    return result


def _as_size(size: Any) -> int:
    if isinstance(size, bool):
        raise TypeError("a truth value is no size")
    return operator.index(size)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply a function to a shape, or to each in lists and dictionaries of shapes.

    >>> map_shapes(len, [(None, 3), (None, 4, 5)])
    [2, 3]
    """
    if isinstance(shapes, dict):
        return {key: map_shapes(function, one) for key, one in shapes.items()}
    if isinstance(shapes, list | tuple) and any(
        isinstance(one, list | tuple | dict) for one in shapes
    ):
        return [map_shapes(function, one) for one in shapes]
    return None if shapes is None else function(shapes)


def shapes_of(tensors: Any) -> Any:
    """Return the shape of a tensor, or the shapes of a tree of tensors."""
    return tree.map_leaves(lambda leaf: tuple(leaf.shape), tensors)
