"""Copies of models with weights of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nervure import tree
from nervure.errors import ArgumentError, explain
from nervure.nn.configuration import argument_names
from nervure.nn.layer import Layer
from nervure.nn.layer_options import SHAPE_OPTIONS
from nervure.nn.layers import Input, InputLayer
from nervure.nn.registry import CustomObjectScope
from nervure.nn.symbolic import SymbolicTensor
from nervure.train.model import Model
from nervure.train.sequential import Sequential


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
) -> Model:
    """Return a model of new layers, connected like those of another one.

    The weights are new and start afresh; ``clone.set_weights(model.get_weights())``
    copies the values.  The clone is not compiled.

    Parameters
    ----------
    model
        Any model; a subclass is made anew from its ``get_config``.
    input_tensors
        Symbolic tensors for the clone to begin with, in the order of the inputs.
    clone_function
        What makes a new layer of each layer but the inputs; by default one of the same
        class with the same arguments.

    Raises
    ------
    ArgumentError
        For what is no model, and for other arguments than such a model takes.

    >>> import nervure as nv
    >>> model = nv.models.Sequential([nv.layers.Dense(2, input_shape=(3,), name="a")])
    >>> clone = nv.models.clone_model(model)
    >>> clone.get_layer("a") is model.get_layer("a"), clone.output_shape
    (False, (None, 2))
    """
    if not isinstance(model, Model):
        raise ArgumentError(
            explain(
                f"clone_model expects a model, got {model!r}",
                fix="pass a model, for example a Sequential",
            )
        )
    own_classes = {type(one).__name__: type(one) for one in model.flattened()}
    with CustomObjectScope(own_classes):
        if isinstance(model, Sequential):
            return _cloned_stack(model, input_tensors, clone_function or cloned)
        if model.graph is not None:
            return _cloned_graph(model, input_tensors, clone_function or cloned)
        if input_tensors is not None or clone_function is not None:
            raise ArgumentError(
                explain(
                    f"the layers of {model.name!r} are connected by its call(), so "
                    "they cannot be replaced one by one",
                    fix="call clone_model(model) alone",
                )
            )
        copy = cloned(model)
        assert isinstance(copy, Model)
        return copy


def cloned(layer: Layer) -> Layer:
    """Return a layer of the same class with the same arguments."""
    if isinstance(layer, Model) and (
        isinstance(layer, Sequential) or layer.graph is not None
    ):
        return clone_model(layer)
    try:
        config = layer.get_config()
    except TypeError:
        # A function of the user's own, which the copy may well share.
        names = [one for one in argument_names(type(layer)) if one not in SHAPE_OPTIONS]
        return type(layer)(**{name: getattr(layer, name) for name in names})
    made: Layer = type(layer).from_config(config)
    return made


def _cloned_stack(
    model: Sequential, input_tensors: Any, clone: Callable[[Layer], Layer]
) -> Sequential:
    copy = type(model)(name=model.name) if _plain_class(model) else Sequential()
    given = tree.flatten(input_tensors)[0] or [_same_input(one) for one in model.inputs]
    for tensor in given:
        copy.add(tensor)
    for layer in model.layers:
        copy.add(_checked(clone(layer), layer))
    return copy


def _plain_class(model: Model) -> bool:
    """Tell whether a class takes what its base class in Nervure takes."""
    return "__init__" not in vars(type(model)) or type(model) in (Sequential, Model)


def _cloned_graph(
    model: Model, input_tensors: Any, clone: Callable[[Layer], Layer]
) -> Model:
    graph = model.graph
    assert graph is not None
    given = tree.flatten(input_tensors)[0]
    if given and len(given) != len(graph.inputs):
        raise ArgumentError(
            explain(
                f"the model {model.name!r} has {len(graph.inputs)} inputs, got "
                f"{len(given)} input_tensors",
                fix="pass one tensor for each input, in the order of model.inputs",
            )
        )
    starts = given or [_same_input(one.tensor) for one in graph.input_layers]
    known: dict[int, Any] = {
        id(old): new for old, new in zip(graph.inputs, starts, strict=True)
    }
    layers: dict[int, Layer] = {}
    for call in graph.calls:
        if id(call.layer) not in layers:
            layers[id(call.layer)] = _checked(clone(call.layer), call.layer)
        leaves, structure = tree.flatten(call.arguments)
        replaced = [
            known[id(one)] if isinstance(one, SymbolicTensor) else one for one in leaves
        ]
        args, kwargs = tree.unflatten(structure, replaced)
        outputs = tree.flatten(layers[id(call.layer)](*args, **kwargs))[0]
        for old, new in zip(tree.flatten(call.outputs)[0], outputs, strict=True):
            known[id(old)] = new
    class_ = type(model) if _plain_class(model) else Model
    return class_(
        tree.unflatten(graph.input_structure, starts),
        tree.unflatten(graph.output_structure, [known[id(o)] for o in graph.outputs]),
        name=model.name,
        trainable=model.trainable,
    )


def _same_input(tensor: SymbolicTensor) -> SymbolicTensor:
    return Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)


def _checked(made: Any, layer: Layer) -> Layer:
    if isinstance(made, Layer) and not isinstance(made, InputLayer):
        return made
    raise ArgumentError(
        explain(
            f"clone_function must return a layer for {layer.name!r}, got {made!r}",
            fix="return type(layer).from_config(layer.get_config())",
        )
    )
