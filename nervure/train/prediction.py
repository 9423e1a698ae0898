"""What a model's graph tells about its output, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nervure import tree
from nervure.array import Array
from nervure.dtypes import DType
from nervure.errors import ShapeError, explain
from nervure.ir.attrs import NDArray
from nervure.ir.node import Node
from nervure.nn.losses.logits import logits_of_softmax
from nervure.nn.symbolic import PartialShape
from nervure.prims.leaf import input_leaf
from nervure.state import tracing_cells
from nervure.train.naming import distinct

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
    activation
        The activation and the numbers that it makes, in words, where these are no
        probabilities either; else None.
    """

    shape: PartialShape
    layer: str
    is_softmax: bool
    is_sum_of_products: bool
    activation: str | None = None

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
    return Prediction(
        shape=(None, *node.shape[1:]),
        layer=node.site.scope.rpartition("/")[2] or "the model",
        is_softmax=logits_of_softmax(Array.of_node(last)) is not None,
        is_sum_of_products=_is_sum_of_products(last),
        activation=_activation(last),
    )


def _is_sum_of_products(node: Node) -> bool:
    parts = node.inputs if node.op.name in ("add", "sub") else (node,)
    return any(_unmoved(one).op.name in _PRODUCTS for one in parts)


def _activation(node: Node) -> str | None:
    """Return an activation in words that makes no probabilities of a layer's sums."""
    if node.op.name == "tanh":
        return "a tanh, from -1 to 1"
    # relu keeps the sums; what only cuts probabilities off is no activation
    is_cut = node.op.name == "select" and node.inputs[0].op.name == "le"
    if is_cut and _is_sum_of_products(_unmoved(node.inputs[2])):
        return "a relu, from 0 up without a limit"
    return None


def _unmoved(node: Node) -> Node:
    while node.op.name in _MOVING:
        node = node.inputs[0]
    return node


class Predictions(NamedTuple):
    """All outputs of a model for rows of certain features.

    Attributes
    ----------
    structure
        How the outputs are arranged.
    names
        A name for each, as logs use it.
    each
        What is known about each.
    adds_loss
        Whether layers and regularizers add to the loss.
    """

    structure: tree.Structure
    names: tuple[str, ...]
    each: tuple[Prediction, ...]
    adds_loss: bool

    @property
    def target_names(self) -> list[str]:
        """How messages call the targets: ``y``, or ``y['price']``."""
        if len(self.each) == 1:
            return ["y"]
        return [f"y[{name!r}]" for name in self.names]


def predictions_of(
    model: Model, x: Sequence[NDArray], structure: tree.Structure
) -> Predictions:
    """Return what the model makes of features like those of ``x``.

    A model that is not built yet is built for them.

    Raises :class:`~nervure.errors.ShapeError` when the layers do not accept them.
    """
    key = (structure, *((one.shape[1:], one.dtype) for one in x))
    found = model.predictions.get(key)
    if found is None:
        types = input_types(model, len(x))
        rows = _row_count(model)
        leaves = [
            input_leaf((rows, *one.shape[1:]), dtype or one.dtype, "x")
            for one, dtype in zip(x, types, strict=True)
        ]
        arrays = [Array.of_node(leaf) for leaf in leaves]
        with tracing_cells():
            outputs = model(tree.unflatten(structure, arrays), training=False)
            adds_loss = bool(model.losses)
        model.clear_losses()
        found = _all_described(model, outputs, adds_loss, rows)
        model.predictions[key] = found
    return found


def input_types(model: Model, count: int) -> list[DType | None]:
    """Return the data type of each input, None where the model takes any."""
    if model.inputs:
        return [one.dtype for one in model.inputs]
    return [None if model.input_structure is None else model.input_dtype] * count


def _row_count(model: Model) -> int:
    """Return how many rows to try: those of a batch if the model says, else a few.

    A stateful layer takes batches of one size only.
    """
    sizes = {one.shape[0] for one in model.inputs or ()} - {None}
    return sizes.pop() or _ROWS if len(sizes) == 1 else _ROWS


def _all_described(
    model: Model, outputs: Any, adds_loss: bool, rows: int
) -> Predictions:
    leaves, structure = tree.flatten(outputs)
    nodes = [_checked_output(leaf, rows).node for leaf in leaves]
    names = output_names(model, structure)
    return Predictions(structure, names, tuple(map(_described, nodes)), adds_loss)


def output_names(model: Model, structure: tree.Structure) -> tuple[str, ...]:
    """Return a name for each output: of dicts the keys, else of the last layers."""
    names = [str(one) for one in model.output_names]
    if structure.kind is dict and not any(one.kind for one in structure.children):
        names = [str(key) for key in structure.keys]
    if len(names) != structure.leaf_count:
        names = [f"output_{number + 1}" for number in range(structure.leaf_count)]
    return distinct(names)


def has_names(model: Model, structure: tree.Structure) -> bool:
    """Tell whether the names of the outputs are the user's, not just numbers."""
    return structure.kind is dict or len(model.output_names) == structure.leaf_count


def _checked_output(output: Any, rows: int) -> Array:
    if isinstance(output, Array) and output.shape[:1] == (rows,):
        return output
    came = (
        f"an array of shape {list(output.shape)}"
        if isinstance(output, Array)
        else f"an object of type {type(output).__name__}"
    )
    raise ShapeError(
        explain(
            f"expected the model to return one array with a row for each of {rows} "
            f"rows of x, got {came}",
            fix="let call() keep the first axis, which is the batch",
        )
    )


# --- the features of the data -------------------------------------------------------


def fitted_features(
    model: Model, x: NDArray, what: str, expected: PartialShape | None
) -> NDArray:
    """Return ``x`` with the features that a model expects.

    A missing or an additional last axis of size 1 is mended, as in Keras.

    Raises :class:`~nervure.errors.ShapeError` for other features.
    """
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
