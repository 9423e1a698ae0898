"""Where to cut a network: the features before its classifier, or at a layer."""

from __future__ import annotations

from typing import Any, Final

from nervure import activations
from nervure.errors import ArgumentError, NotBuiltError, explain
from nervure.layers import Activation, Dense, Dropout, Layer, Softmax
from nervure.nn.call_graph import CallGraph
from nervure.train.model import Model

# Functions after which there are scores of classes.
_OF_CLASSES: Final = ("linear", "softmax", "log_softmax", "sigmoid")


def cut_at(model: Model, layer: Layer | str | int | None, name: str) -> Model:
    """Return the model from the inputs to the output of a layer.

    Parameters
    ----------
    model
        A model whose graph is known.
    layer
        A layer of it, its name or its place; None is what the classifier at the end
        takes, or the output where there is no classifier.
    name
        Of the new model, which shares the layers.

    Raises
    ------
    ArgumentError
        For what is no model, and for a layer of another model.
    NotBuiltError
        For a model that does not know its graph.
    UnknownNameError
        For an unknown name.
    """
    if not isinstance(model, Model):
        raise ArgumentError(
            explain(
                f"expected a model of nervure, got {type(model).__name__}",
                fix="pass nervure.pretrained.efficientnet_lite0(), for example",
            )
        )
    if len(model.inputs) != 1:
        raise NotBuiltError(
            explain(
                f"the model {model.name!r} cannot be cut: its graph from one input is "
                "not known",
                fix="make it with Model(inputs, outputs), or start a Sequential with "
                "Input(shape)",
            )
        )
    # A Sequential does not keep its calls as a graph.
    graph = model.graph or CallGraph(model.inputs, model.outputs, model.name)
    return Model(model.inputs[0], _tensor(model, graph, layer), name=name)


def _tensor(model: Model, graph: CallGraph, layer: Layer | str | int | None) -> Any:
    if layer is None:
        return _before_classifier(graph)
    if isinstance(layer, str):
        chosen = model.get_layer(layer)
    elif isinstance(layer, Layer):
        chosen = layer
    else:
        chosen = model.get_layer(index=layer)
    for call in graph.calls:
        if call.layer is chosen:
            return call.outputs
    raise ArgumentError(
        explain(
            f"the layer {chosen.name!r} gives nothing in the model {model.name!r}",
            fix="pass the name of one of its layers: "
            + ", ".join(one.name for one in model.layers[-3:]),
        )
    )


def _before_classifier(graph: CallGraph) -> Any:
    """Return what the last dense layer takes, if it looks like a classifier.

    Only dropout and a function that makes probabilities may come after it: a dense
    layer with ReLU finds features.
    """
    tensor = output = graph.outputs[0]
    while True:
        call = graph.call_of(tensor)
        layer = call.layer
        if isinstance(layer, Dense | Activation) and not _is_of_classes(layer):
            return output
        if isinstance(layer, Dense):
            return call.inputs[0]
        if not isinstance(layer, Activation | Softmax | Dropout):
            return output
        tensor = call.inputs[0]


def _is_of_classes(layer: Dense | Activation) -> bool:
    return any(layer.activation is activations.get(one) for one in _OF_CLASSES)
