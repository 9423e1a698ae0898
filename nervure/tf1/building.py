"""Making operations: their inputs, their name, and the types of their outputs.

The type of an output is found by emitting the operation on stand-ins. Every unknown
size is tried with two numbers: sizes of the result that differ are unknown as well. So
there is one definition of what an operation does to shapes: Nervure's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from nervure.array import Array
from nervure.errors import DTypeError, NervureError, explain
from nervure.ir.attrs import NDArray
from nervure.prims.leaf import input_leaf
from nervure.tf1 import data_types
from nervure.tf1.data_types import DType
from nervure.tf1.emission import Context, HostValue
from nervure.tf1.graph import Graph, Operation, get_default_graph
from nervure.tf1.shapes import TensorShape
from nervure.tf1.tensor import Tensor, add_outputs, convert_to_tensor

# Large enough for most windows; divisible by 1 to 6, 10, 12, 15 and 20.
_SIZES: Final = (60, 120)
_LARGE_SIZES: Final = (960, 1920)
# How many ways of filling in unknown sizes are tried before an error is believed.
_MOST_TRIALS: Final = 40
# Shapes that stand for one of which nothing is known.
_ANY_SHAPE: Final[tuple[tuple[int, ...], ...]] = ((), (1,), (60,), (60, 60), (1,) * 5)

Types = list[tuple[TensorShape, DType]]


class UnknownValueError(Exception):
    """A shape depends on a value that is not known before the graph runs."""


def operation(
    kind: str,
    inputs: Sequence[Tensor],
    emit: Callable[..., Any],
    name: str | None = None,
    *,
    types: Types | None = None,
    unknown: tuple[DType, int | None] | None = None,
    attributes: dict[str, Any] | None = None,
) -> Operation:
    """Make an operation with its outputs.

    Parameters
    ----------
    kind, inputs, emit, name, attributes
        See :class:`~nervure.tf1.graph.Operation`.
    types
        The types of the outputs; None finds them out.
    unknown
        Data type and rank of the only output if its shape depends on a value.
    """
    graph = inputs[0].graph if inputs else get_default_graph()
    found = types if types is not None else _inferred(inputs, emit, unknown)
    made = graph.add(kind, inputs, emit, name, attributes)
    add_outputs(made, found)
    return made


def one_output(
    kind: str,
    inputs: Sequence[Tensor],
    function: Callable[..., Any],
    name: str | None = None,
    attributes: dict[str, Any] | None = None,
) -> Tensor:
    """Make an operation that applies a function of arrays, and return its output."""
    made = operation(
        kind,
        inputs,
        lambda _context, *arrays: function(*arrays),
        name,
        attributes=attributes,
    )
    return made.outputs[0]


def several_outputs(
    kind: str,
    inputs: Sequence[Tensor],
    function: Callable[..., Any],
    name: str | None = None,
) -> list[Tensor]:
    """Make an operation whose function returns several arrays."""
    made = operation(
        kind, inputs, lambda _context, *arrays: list(function(*arrays)), name
    )
    return list(made.outputs)


def matching(kind: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Return two operands as tensors of one type; numbers take the other's type."""
    if _is_typed(x) or not _is_typed(y):
        first = convert_to_tensor(x)
        second = convert_to_tensor(y, None if _is_typed(y) else first.dtype)
    else:
        second = convert_to_tensor(y)
        first = convert_to_tensor(x, second.dtype)
    if first.dtype != second.dtype:
        raise DTypeError(
            explain(
                f"{kind}: expected two tensors of one type, got {first.dtype.name} and "
                f"{second.dtype.name}",
                operands=[
                    (label, one.type_text, f"{one.name}, {one.op.site}")
                    for label, one in (("x", first), ("y", second))
                ],
                fix=f"convert one of them, such as tf.cast(y, tf.{first.dtype.name})",
            )
        )
    return first, second


def _is_typed(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "as_tensor")


# --- types of outputs ----------------------------------------------------------------


class _Trial(Context):
    """A context in which nothing has a value but what follows from shapes."""

    size: int = _SIZES[0]

    def static(self, array: Array, tensor: Tensor) -> NDArray:
        """Return a value that follows from constants and shapes."""
        return shape_value(tensor, self.size)


def shape_value(tensor: Tensor, size: int) -> NDArray:
    """Return a tensor's value if it follows from constants and shapes.

    Unknown sizes are taken to be ``size``. Raises :class:`UnknownValueError`.
    """
    kind = tensor.op.type
    if kind == "Const" and tensor.dtype != data_types.string:
        value: NDArray = tensor.op.attributes["value"]
        return value
    if kind == "Shape":
        sizes = tensor.op.inputs[0].shape.sizes
        if sizes is None:
            raise UnknownValueError
        return np.array(
            [size if one is None else one for one in sizes], tensor.dtype.dtype
        )
    if kind in ("Placeholder", "VariableV2", "ReadVariable", "LoopVariable"):
        raise UnknownValueError
    context = _Trial()
    context.size = size
    arrays = [Array.of_value(shape_value(one, size)) for one in tensor.op.inputs]
    results = tensor.op.emit(context, *arrays)
    if not isinstance(results, list | tuple):
        results = [results]
    try:
        array: Array = results[tensor.value_index]
        return array.numpy()
    except (NervureError, AttributeError):
        raise UnknownValueError from None


def _inferred(
    inputs: Sequence[Tensor],
    emit: Callable[..., Any],
    unknown: tuple[DType, int | None] | None,
) -> Types:
    free = [one for one in inputs if one.shape.sizes is None]
    if free:
        found = []
        for shape in _ANY_SHAPE:
            try:
                shapes = [
                    _sizes(one) or shape if one.shape.sizes is None else one.shape.sizes
                    for one in inputs
                ]
                found.append(_inferred_for(inputs, shapes, emit, unknown))
            except NervureError as error:
                refused = error
        if not found:
            raise refused
        return [_merged(list(group)) for group in zip(*found, strict=True)]
    return _inferred_for(
        inputs, [one.shape.sizes or () for one in inputs], emit, unknown
    )


def _sizes(tensor: Tensor) -> tuple[int | None, ...] | None:
    return tensor.shape.sizes


def _merged(types: list[tuple[TensorShape, DType]]) -> tuple[TensorShape, DType]:
    """Return what several trials agree on."""
    shapes = [shape.sizes for shape, _ in types]
    dtype = types[0][1]
    if any(one is None or len(one) != len(shapes[0] or ()) for one in shapes):
        return TensorShape(None), dtype
    known = [one for one in shapes if one is not None]
    return TensorShape(
        [
            group[0] if len(set(group)) == 1 else None
            for group in zip(*known, strict=True)
        ]
    ), dtype


def _inferred_for(
    inputs: Sequence[Tensor],
    shapes: Sequence[tuple[int | None, ...]],
    emit: Callable[..., Any],
    unknown: tuple[DType, int | None] | None,
) -> Types:
    """Return the types of the outputs for shapes of known ranks."""
    places = [
        (one, axis)
        for one, shape in enumerate(shapes)
        for axis, size in enumerate(shape)
        if size is None
    ]

    def trial(sizes: dict[tuple[int, int], int], size: int) -> list[Any]:
        context = _Trial()
        context.size = size
        arrays: list[Any] = []
        for one, (tensor, shape) in enumerate(zip(inputs, shapes, strict=True)):
            full = [
                sizes[one, axis] if extent is None else extent
                for axis, extent in enumerate(shape)
            ]
            arrays.append(_stand_in(tensor, full))
        result = emit(context, *arrays)
        return list(result) if isinstance(result, list | tuple) else [result]

    try:
        first_sizes, first = _first_trial(places, shapes, trial)
        if places or unknown is not None:
            small = first_sizes.get(places[0], _SIZES[0]) if places else _SIZES[0]
            double = _LARGE_SIZES[1] if small == _LARGE_SIZES[0] else _SIZES[1]
            varied = _varied(first_sizes, double)
            try:
                last = trial(varied, double)
            except NervureError:
                last = first
        else:
            last = first
    except UnknownValueError:
        if unknown is None:
            raise DTypeError(
                explain(
                    "the type of the result depends on a value that is known only "
                    "while the graph runs",
                    fix="use constants for shapes, axes and depths",
                )
            ) from None
        dtype, rank = unknown
        return [(TensorShape(None if rank is None else [None] * rank), dtype)]
    return [_common(one, other) for one, other in zip(first, last, strict=True)]


def _stand_in(tensor: Tensor, shape: Sequence[int]) -> Any:
    if tensor.dtype == data_types.string:
        return HostValue([], lambda: b"")
    return Array.of_node(input_leaf(shape, tensor.dtype.dtype, tensor.op.name))


def _first_trial(
    places: Sequence[tuple[int, int]],
    shapes: Sequence[tuple[int | None, ...]],
    trial: Callable[[dict[tuple[int, int], int], int], list[Any]],
) -> tuple[dict[tuple[int, int], int], list[Any]]:
    """Return sizes for the unknown ones that are accepted, and what comes out."""
    refused: NervureError | None = None
    for size in (_SIZES[0], _LARGE_SIZES[0]):
        sizes = dict.fromkeys(places, size)
        try:
            return sizes, trial(sizes, size)
        except NervureError as error:
            refused = refused or error
            if not places:
                raise
    # An unknown size may have to equal a known one: a vector beside a long constant.
    known = sorted({one for shape in shapes for one in shape if one is not None})
    candidates = [_SIZES[0], *known]
    for choice in itertools.islice(
        itertools.product(candidates, repeat=len(places)), _MOST_TRIALS
    ):
        sizes = dict(zip(places, choice, strict=True))
        try:
            return sizes, trial(sizes, _SIZES[0])
        except NervureError:
            continue
    assert refused is not None
    raise refused


def _varied(
    sizes: dict[tuple[int, int], int], double: int
) -> dict[tuple[int, int], int]:
    """Return other sizes where a size was a mere guess."""
    guesses = (_SIZES[0], _LARGE_SIZES[0])
    return {at: double if size in guesses else size for at, size in sizes.items()}


def _common(one: Any, other: Any) -> tuple[TensorShape, DType]:
    if isinstance(one, HostValue):
        return TensorShape([]), data_types.string
    shape = [
        size if size == other_size else None
        for size, other_size in zip(one.shape, other.shape, strict=True)
    ]
    if one.ndim != other.ndim:
        return TensorShape(None), data_types.as_dtype(one.dtype)
    return TensorShape(shape), data_types.as_dtype(one.dtype)


def graph_of(values: Sequence[Any]) -> Graph:
    """Return the graph of the first tensor, or the default one."""
    for value in values:
        if isinstance(value, Tensor | Operation):
            return value.graph
    return get_default_graph()
