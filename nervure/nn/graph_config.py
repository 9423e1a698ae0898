"""The graph of a model as plain data, and back.

``layers`` lists each layer once, with the arguments of its calls in this graph; a
symbolic tensor is ``{"kind": "tensor", "of": [layer, call, output]}``, where calls and
outputs count from 0.  ``input_layers`` and ``output_layers`` are trees of such tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nervure import dtypes, tree
from nervure.array import Array
from nervure.errors import FileFormatError, NervureError, explain
from nervure.nn.call_graph import CallGraph
from nervure.nn.layer import Layer
from nervure.nn.layers.input import InputLayer
from nervure.nn.serialization import deserialize, serialize
from nervure.nn.symbolic import SymbolicTensor
from nervure.ops.operands import as_node

# Where a tensor comes from: the layer's name, the number of its call, of the output.
Place = tuple[str, int, int]


# --- writing ------------------------------------------------------------------------


def graph_config(graph: CallGraph) -> dict[str, Any]:
    """Return a graph as plain data.

    Raises :class:`TypeError` for what plain data cannot hold, naming it.
    """
    places = _places(graph)

    def plain(value: Any) -> Any:
        return _plain(value, places)

    calls: dict[int, list[Any]] = {id(layer): [] for layer in graph.operations}
    for call in graph.calls:
        args, kwargs = call.arguments
        calls[id(call.layer)].append(
            {
                "args": [plain(one) for one in args],
                "kwargs": _plain_items(kwargs, plain),
            }
        )
    return {
        "layers": [
            {**serialize(layer), "name": layer.name, "inbound_nodes": calls[id(layer)]}
            for layer in graph.operations
        ],
        "input_layers": plain(tree.unflatten(graph.input_structure, graph.inputs)),
        "output_layers": plain(tree.unflatten(graph.output_structure, graph.outputs)),
    }


def _places(graph: CallGraph) -> dict[int, Place]:
    """Return where each tensor of a graph comes from, by its identity."""
    places: dict[int, Place] = {
        id(tensor): (layer.name, 0, 0)
        for tensor, layer in zip(graph.inputs, graph.input_layers, strict=True)
    }
    counts: dict[int, int] = {}
    for call in graph.calls:
        number = counts.get(id(call.layer), 0)
        counts[id(call.layer)] = number + 1
        for output, tensor in enumerate(tree.flatten(call.outputs)[0]):
            places.setdefault(id(tensor), (call.layer.name, number, output))
    return places


def _plain(value: Any, places: Mapping[int, Place]) -> Any:
    """Return an argument of a call as plain data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, SymbolicTensor):
        return {"kind": "tensor", "of": list(places[id(value)])}
    if isinstance(value, list):
        return [_plain(one, places) for one in value]
    if isinstance(value, tuple):
        return {"kind": "tuple", "items": [_plain(one, places) for one in value]}
    if isinstance(value, dict):
        items = _plain_items(value, lambda one: _plain(one, places))
        return {"kind": "dict", "items": items}
    if isinstance(value, slice):
        parts = [_plain(one, places) for one in (value.start, value.stop, value.step)]
        return {"kind": "slice", "items": parts}
    if value is Ellipsis:
        return {"kind": "ellipsis"}
    if isinstance(value, np.dtype | type) and dtypes.is_supported(np.dtype(value)):
        return np.dtype(value).name
    if hasattr(value, "__array__"):
        array = Array.of_node(as_node(value))
        return {"kind": "array", "dtype": array.dtype.name, "items": array.tolist()}
    raise TypeError(
        explain(
            f"the argument {value!r} of a call cannot be written as plain data",
            fix="call layers with arrays, numbers, texts, lists and dicts only",
        )
    )


def _plain_items(
    values: Mapping[Any, Any], plain: Callable[[Any], Any]
) -> dict[str, Any]:
    for key in values:
        if not isinstance(key, str):
            raise TypeError(
                explain(
                    f"the key {key!r} of an argument is no text",
                    fix="use texts as the keys of dicts that layers are called with",
                )
            )
    return {key: plain(one) for key, one in values.items()}


# --- reading ------------------------------------------------------------------------


def connected(
    config: Mapping[str, Any], make: Callable[[Any], Layer] = deserialize
) -> tuple[Any, Any]:
    """Return the inputs and outputs of the graph that :func:`graph_config` wrote.

    ``make`` makes a layer of its description.

    Raises
    ------
    FileFormatError
        For data that describe no graph: unknown layers and calls, circles.
    UnknownNameError
        For an unknown class of layers.
    """
    try:
        described = [dict(one) for one in config["layers"]]
        layers = {str(one["name"]): make(one) for one in described}
        waiting = [
            (str(one["name"]), number, call)
            for one in described
            for number, call in enumerate(one["inbound_nodes"])
        ]
        if len(layers) != len(described):
            raise _no_graph("two layers have the same name")
        known: dict[Place, SymbolicTensor] = {
            (name, 0, 0): layer.tensor
            for name, layer in layers.items()
            if isinstance(layer, InputLayer)
        }
        _call_all(layers, waiting, known)
        return (
            _revived(config["input_layers"], known),
            _revived(config["output_layers"], known),
        )
    except NervureError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise _no_graph(f"{type(error).__name__}: {error}") from error


def _call_all(
    layers: Mapping[str, Layer],
    waiting: list[tuple[str, int, Any]],
    known: dict[Place, SymbolicTensor],
) -> None:
    """Call the layers, each when what it needs is there."""
    numbers = dict.fromkeys(layers, 0)
    while waiting:
        late = []
        for name, number, call in waiting:
            needed = [*_needed(call["args"]), *_needed(call["kwargs"])]
            # The calls of a layer have the numbers in which they come.
            if number != numbers[name] or any(one not in known for one in needed):
                late.append((name, number, call))
                continue
            args = [_revived(one, known) for one in call["args"]]
            kwargs = {key: _revived(one, known) for key, one in call["kwargs"].items()}
            outputs = tree.flatten(layers[name](*args, **kwargs))[0]
            numbers[name] += 1
            known |= {(name, number, place): one for place, one in enumerate(outputs)}
        if len(late) == len(waiting):
            names = sorted({name for name, _, _ in late})
            raise _no_graph(
                f"the layers {', '.join(map(repr, names))} wait for each other, or for "
                "tensors that no layer gives"
            )
        waiting = late


def _needed(value: Any) -> list[Place]:
    """Return the places of the tensors in an argument."""
    if isinstance(value, list):
        return [place for one in value for place in _needed(one)]
    if not isinstance(value, dict):
        return []
    if value.get("kind") == "tensor":
        return [_place(value["of"])]
    return [place for one in value.values() for place in _needed(one)]


def _place(of: Any) -> Place:
    name, call, output = of
    if not isinstance(name, str) or type(call) is not int or type(output) is not int:
        raise _no_graph(f"{of!r} names no tensor")
    return name, call, output


def _revived(value: Any, known: Mapping[Place, SymbolicTensor]) -> Any:
    """Return an argument of a call, given its plain data."""
    if isinstance(value, list):
        return [_revived(one, known) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value["kind"]
    if kind == "tensor":
        place = _place(value["of"])
        if place not in known:
            raise _no_graph(f"there is no tensor {list(place)}")
        return known[place]
    if kind == "ellipsis":
        return Ellipsis
    items = value["items"]
    if kind == "array":
        return np.asarray(items, dtypes.as_dtype(value["dtype"]))
    if kind == "dict":
        return {str(key): _revived(one, known) for key, one in items.items()}
    parts = [_revived(one, known) for one in items]
    if kind == "tuple":
        return tuple(parts)
    if kind == "slice":
        return slice(*parts)
    raise _no_graph(f"an argument is of the unknown kind {kind!r}")


def _no_graph(reason: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"the data describe no graph of layers: {reason}",
            fix="write them again with model.get_config or model.to_json",
        )
    )
