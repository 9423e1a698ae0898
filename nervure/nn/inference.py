"""The type of what a layer returns, found by calling it on stand-ins.

Each unknown size (None) is tried with two numbers.  Sizes of the result that differ
between the two trials are unknown as well; all others are known.  Where these numbers
are too small for a layer, such as a wide window, larger ones are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nervure import tree
from nervure.array import Array
from nervure.errors import NervureError, ShapeError, TraceError, explain
from nervure.nn.symbolic import PartialShape, SymbolicTensor, symbolic_leaves
from nervure.prims.leaf import input_leaf
from nervure.state import tracing_cells

# Large enough for most windows, and all divisible by 1 to 6, 10, 12, 15 and 20.
_TRIAL_SIZES: Final = (60, 120)
_LARGE_TRIAL_SIZES: Final = (960, 1920)


def infer_outputs(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return what ``function(args, kwargs)`` makes of symbolic tensors, as such.

    Nothing is computed and no variable changes.
    """
    unknown = any(None in tensor.shape for tensor in symbolic_leaves((args, kwargs)))
    sizes = _TRIAL_SIZES[: 2 if unknown else 1]
    try:
        trials = [_trial(function, args, kwargs, size) for size in sizes]
    except ShapeError as too_small:
        if not unknown:
            raise
        try:
            trials = [
                _trial(function, args, kwargs, size) for size in _LARGE_TRIAL_SIZES
            ]
        except NervureError:
            raise too_small from None
    first, structure = tree.flatten(trials[0])
    last, last_structure = tree.flatten(trials[-1])
    if structure != last_structure:
        raise TraceError(
            explain(
                "a layer returned another structure for another size of its input",
                fix="return the same nesting of arrays whatever the size of the "
                "batch is",
            )
        )
    types = zip(first, last, strict=True)
    return tree.unflatten(structure, [_common_type(*pair) for pair in types])


def _trial(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    size: int,
) -> Any:
    """Call the function with every unknown size set to ``size``."""

    def stand_in(leaf: Any) -> Any:
        if not isinstance(leaf, SymbolicTensor):
            return leaf
        shape = tuple(size if one is None else one for one in leaf.shape)
        array = Array.of_node(input_leaf(shape, leaf.dtype, leaf.name))
        return array if leaf.mask is None else array.masked(stand_in(leaf.mask))

    leaves, structure = tree.flatten((args, kwargs))
    try:
        with tracing_cells():
            replaced = tree.unflatten(structure, [stand_in(leaf) for leaf in leaves])
            return function(*replaced)
    except NervureError as error:
        error.add_note(
            f"the layer was tried on stand-ins of size {size} where a size is unknown"
        )
        raise


def _common_type(one: Any, other: Any) -> SymbolicTensor:
    """Return the type that two results of the same output agree on."""
    if not isinstance(one, Array) or not isinstance(other, Array):
        raise TraceError(
            explain(
                f"expected call() to return arrays, got {type(one).__name__}",
                fix="compute with nervure's functions",
            )
        )
    if one.ndim != other.ndim:
        raise TraceError(
            explain(
                "a layer returned another rank for another size of its input",
                fix="return as many axes whatever the size of the batch is",
            )
        )
    shape: PartialShape = tuple(
        size if size == other_size else None
        for size, other_size in zip(one.shape, other.shape, strict=True)
    )
    result = SymbolicTensor(shape, one.dtype)
    if one.mask is not None and other.mask is not None:
        result.mask = _common_type(one.mask, other.mask)
    return result
