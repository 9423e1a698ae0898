"""What the layers of a model return, by name: in its graph and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nervure import ops, tree
from nervure.array import Array
from nervure.errors import ArgumentError, explain, unknown_name
from nervure.ir.attrs import NDArray
from nervure.ir.graph import topological
from nervure.ir.node import Shape
from nervure.nn.layer import Layer
from nervure.nn.layers import Operation
from nervure.nn.layers.convolution.base import SlidingLayer
from nervure.nn.observing import SeenCall, seeing_calls
from nervure.nn.tracking import unique
from nervure.ops.mixed import products_in
from nervure.prims.leaf import input_leaf
from nervure.state import tracing_cells
from nervure.train.prediction import input_types

if TYPE_CHECKING:
    from nervure.train.model import Model

# The rows of the stand-in with which layers are listed.
_ROWS = 2


class SeenLayer(NamedTuple):
    """What one call of a layer gives.

    Attributes
    ----------
    name
        ``"conv2d"``; ``"encoder/conv2d"`` inside another model; ``"dense:2"`` for the
        second call of a layer, ``"lstm[1]"`` for the second of several outputs.
    layer
        The layer.
    array
        Its output, in the graph of the model.
    """

    name: str
    layer: Layer
    array: Array


class ListedLayer(NamedTuple):
    """A layer that can be looked at: its name, itself, its output for two rows."""

    name: str
    layer: Layer
    shape: Shape


def traced_layers(model: Model, inputs: Any) -> tuple[list[SeenLayer], Any]:
    """Run a model on arrays and return what its layers give, and its outputs.

    Outputs inside the body of a loop are not among them: they have no value outside.
    """
    with seeing_calls() as calls, products_in(model.product_type):
        outputs = model(inputs, training=False)
    model.clear_losses()
    known = _leaves([*tree.flatten(inputs)[0], *tree.flatten(outputs)[0]])
    seen = [
        one
        for call, name in zip(calls, _names(model, calls), strict=True)
        if name and not isinstance(call.layer, Operation)
        for one in _arrays(call, name)
    ]
    foreign = _depending_on_others([one.array for one in seen], known)
    return [one for one in seen if one.array.node not in foreign], outputs


def _leaves(arrays: Sequence[Array]) -> set[Any]:
    order = topological([one.node for one in arrays])
    return {node for node in order if node.op.name == "input"}


def _depending_on_others(arrays: Sequence[Array], known: set[Any]) -> set[Any]:
    """Return the nodes that need an input which the model's outputs do not need."""
    found: set[Any] = set()
    for node in topological([one.node for one in arrays]):
        is_other = node.op.name == "input" and node not in known
        if is_other or any(operand in found for operand in node.inputs):
            found.add(node)
    return found


def _names(model: Model, calls: Sequence[SeenCall]) -> list[str]:
    """Return a name for each call; an empty one for that of the model itself."""
    counts: dict[str, int] = {}
    names = []
    for call in calls:
        place = call.place
        if call.layer is model:
            names.append("")
            continue
        name = place.removeprefix(f"{model.name}/")
        counts[name] = number = counts.get(name, 0) + 1
        names.append(name if number == 1 else f"{name}:{number}")
    return names


def _arrays(call: SeenCall, name: str) -> list[SeenLayer]:
    leaves = [one for one in tree.flatten(call.outputs)[0] if isinstance(one, Array)]
    if len(leaves) == 1:
        return [SeenLayer(name, call.layer, leaves[0])]
    return [
        SeenLayer(f"{name}[{place}]", call.layer, leaf)
        for place, leaf in enumerate(leaves)
    ]


# --- which there are ----------------------------------------------------------------


def listed_layers(
    model: Model, x: Sequence[NDArray], structure: tree.Structure
) -> list[ListedLayer]:
    """Return the layers that give a row for each row of x, in the order of the calls.

    Nothing is computed.
    """
    types = [(one.shape[1:], one.dtype) for one in x]

    def listed() -> list[ListedLayer]:
        leaves = [input_leaf((_ROWS, *shape), dtype, "x") for shape, dtype in types]
        arrays = [Array.of_node(leaf) for leaf in leaves]
        with tracing_cells():
            seen, _ = traced_layers(model, arranged_inputs(model, arrays, structure))
        return [
            ListedLayer(one.name, one.layer, one.array.shape)
            for one in seen
            if one.array.shape[:1] == (_ROWS,)
        ]

    return model.kept(("listed_layers", structure, tuple(types)), listed)


def arranged_inputs(
    model: Model, arrays: Sequence[Array], structure: tree.Structure
) -> Any:
    """Return the inputs of a model in its types and its structure."""
    types = input_types(model, len(arrays))
    typed = [
        one if dtype is None else ops.astype(one, dtype)
        for one, dtype in zip(arrays, types, strict=True)
    ]
    return tree.unflatten(structure, typed)


def named_layer(model: Model, layers: Sequence[ListedLayer], layer: Any) -> ListedLayer:
    """Return the entry of a layer that is given by its name or as itself.

    The name inside another model suffices where it is the only one of that name.

    Raises
    ------
    UnknownNameError
        For an unknown name, with the nearest ones.
    ArgumentError
        For a layer that the model does not call, and for no name at all.
    """
    if isinstance(layer, str):
        for one in layers:
            if one.name == layer:
                return one
        inner = [one for one in layers if one.name.rpartition("/")[2] == layer]
        if len(unique(inner)) == 1:
            return inner[0]
        raise unknown_name("layer", layer, [one.name for one in layers])
    for one in layers:
        if one.layer is layer:
            return one
    came = f"the layer {layer.name!r}" if isinstance(layer, Layer) else repr(layer)
    raise ArgumentError(
        explain(
            f"expected the name of a layer of {model.name!r}, got {came}",
            fix="use one of " + ", ".join(repr(one.name) for one in layers),
        )
    )


def array_of(seen: Sequence[SeenLayer], name: str) -> Array:
    """Return the output of a layer that was listed before."""
    return next(one.array for one in seen if one.name == name)


def channels_last(values: Any, layer: Layer) -> Any:
    """Return a layer's output ``[rows, ..., channels]``, whatever its data format."""
    if getattr(layer, "data_format", None) != "channels_first" or values.ndim < 3:
        return values
    move = np.moveaxis if isinstance(values, np.ndarray) else ops.moveaxis
    return move(values, 1, -1)


def slides(entry: ListedLayer) -> bool:
    """Tell whether a layer is a convolution of any kind."""
    return isinstance(entry.layer, SlidingLayer)


def takes_channels_first(model: Model, x: NDArray) -> bool:
    """Tell whether the first convolution over samples like x takes channels first."""
    sliding = [one.layer for one in listed_layers(model, [x], tree.LEAF) if slides(one)]
    return bool(sliding) and getattr(sliding[0], "data_format", "") == "channels_first"
