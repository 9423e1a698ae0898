"""What a model's graph tells about its output, before anything is computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nervure.array import Array
from nervure.errors import NotBuiltError, ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.nn.losses.logits import logits_of_softmax
from nervure.nn.symbolic import PartialShape
from nervure.prims.leaf import input_leaf
from nervure.state import tracing_cells

if TYPE_CHECKING:
    from nervure.train.model import Model

# The rows of the stand-in for the data; any number serves.
_ROWS: Final = 2
# Operations that move numbers without changing them.
_MOVING: Final = frozenset({"reshape", "transpose", "slice", "cast", "stop_gradient"})
_PRODUCTS: Final = frozenset({"dot", "conv"})


class Prediction(NamedTuple):
    """A model's output for rows of certain features.

    Attributes
    ----------
    shape
        Its shape; None for the rows.
    layer
        The layer that made it, for messages.
    is_softmax
        Whether the last operation is a softmax over the last axis.
    is_sum_of_products
        Whether it is a matrix product or a convolution, perhaps with a bias.  Such
        numbers have no limits, so they are no probabilities.
    """

    shape: PartialShape
    layer: str
    is_softmax: bool
    is_sum_of_products: bool

    @property
    def classes(self) -> int:
        """The size of the last axis: the number of units of the last layer."""
        size = self.shape[-1] if len(self.shape) > 1 else 1
        return 1 if size is None else size

    @property
    def text(self) -> str:
        """The shape in words: ``[rows, 10]``."""
        return "[" + ", ".join(["rows", *map(str, self.shape[1:])]) + "]"


def _described(node: Node) -> Prediction:
    """Return what the graph of an output tells."""
    last = _unmoved(node)
    parts = last.inputs if last.op.name in ("add", "sub") else (last,)
    return Prediction(
        shape=(None, *node.shape[1:]),
        layer=node.site.scope.rpartition("/")[2] or "the model",
        is_softmax=logits_of_softmax(Array.of_node(last)) is not None,
        is_sum_of_products=any(_unmoved(one).op.name in _PRODUCTS for one in parts),
    )


def _unmoved(node: Node) -> Node:
    while node.op.name in _MOVING:
        node = node.inputs[0]
    return node


def prediction_of(model: Model, x: NDArray) -> Prediction:
    """Return what the model makes of features like those of ``x``.

    A model that is not built yet is built for them.

    Raises :class:`~nervure.errors.ShapeError` when the layers do not accept them.
    """
    features = x.shape[1:]
    found = model.predictions.get(features)
    if found is None:
        leaf = input_leaf((_ROWS, *features), model.input_dtype, "x")
        with tracing_cells():
            output = model(Array.of_node(leaf), training=False)
        found = _described(_single_output(output).node)
        model.predictions[features] = found
    return found


def _single_output(output: Any) -> Array:
    if isinstance(output, Array) and output.shape[:1] == (_ROWS,):
        return output
    came = (
        f"an array of shape {list(output.shape)}"
        if isinstance(output, Array)
        else f"an object of type {type(output).__name__}"
    )
    raise ShapeError(
        explain(
            f"expected the model to return one array with a row for each of {_ROWS} "
            f"rows of x, got {came}",
            fix="let call() keep the first axis, which is the batch",
        )
    )


# --- the features of the data -------------------------------------------------------


def check_features(model: Model, x: NDArray, what: str) -> NDArray:
    """Return ``x`` with the features that a model expects.

    A missing or an additional last axis of size 1 is mended, as in Keras.

    Raises :class:`~nervure.errors.ShapeError` for other features.
    """
    expected = _expected_shape(model)
    if expected is None or _fits(x.shape, expected):
        return x
    if _fits((*x.shape, 1), expected):
        return x[..., None]
    if x.shape[-1] == 1 and _fits(x.shape[:-1], expected):
        return x[..., 0]
    wanted = ", ".join("any" if one is None else str(one) for one in expected[1:])
    raise ShapeError(
        explain(
            f"the model {model.name!r} expects {what} of shape [rows, {wanted}], got "
            f"{list(x.shape)}",
            fix=_feature_fix(x.shape, expected, what),
        )
    )


def _expected_shape(model: Model) -> PartialShape | None:
    """Return the shape of the input if the model knows it, and has one input."""
    try:
        shape = model.input_shape
    except NotBuiltError:
        return None
    return shape if isinstance(shape, tuple) else None


def _fits(shape: tuple[int, ...], expected: PartialShape) -> bool:
    return len(shape) == len(expected) and all(
        wanted is None or size == wanted
        for size, wanted in zip(shape[1:], expected[1:], strict=True)
    )


def _feature_fix(shape: tuple[int, ...], expected: PartialShape, what: str) -> str:
    name = what.split()[0]
    known = [one for one in expected[1:] if one is not None]
    is_known = len(known) == len(expected) - 1
    if is_known and math.prod(shape[1:]) == math.prod(known):
        sizes = ", ".join(map(str, [-1, *known]))
        return f"arrange the numbers of a row: {name}.reshape({sizes})"
    if _fits((1, *shape), expected):
        return f"for one sample pass {name}[None], which has one row"
    if len(shape) == 2 and _fits(shape[::-1], expected):
        return f"rows come first: pass {name}.T"
    return "pass the features that the model was made for, or make another model"
