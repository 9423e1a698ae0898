"""Models as plain data and back: which layers, in which order, with which arguments.

A layer is ``{"class_name": "Dense", "config": {"units": 10, ...}}``.  Class names are
looked up among Nervure's layers and in what the caller passes as ``custom_objects``;
nothing is imported because a file names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nervure.errors import (
    ArgumentError,
    FileFormatError,
    NervureError,
    UnknownNameError,
    explain,
    nearest_names,
)
from nervure.nn import layers as all_layers
from nervure.nn.layer import Layer
from nervure.nn.layers import Input
from nervure.nn.symbolic import as_partial_shape
from nervure.train.model import Model
from nervure.train.sequential import Sequential

CustomObjects = Mapping[str, Any]
# Layers in layers in layers: more levels than this come from no model.
_MOST_LEVELS: Final = 50


def describe(layer: Layer) -> dict[str, Any]:
    """Return a layer or model as plain data.

    Raises :class:`~nervure.errors.ArgumentError` for a layer that plain data cannot
    hold, such as one with a function of the user's own.
    """
    if type(layer) is Sequential:
        return {
            "class_name": "Sequential",
            "config": {
                "name": layer.name,
                "trainable": layer.trainable,
                "dtype": layer.dtype.name,
                "input": _described_input(layer),
                "layers": [describe(one) for one in layer.layers],
            },
        }
    try:
        config = layer.get_config()
    except TypeError as error:
        raise ArgumentError(
            explain(
                f"the layer {layer.name!r} cannot be saved: {error}",
                fix="use functions that have a name in nervure, or save the numbers "
                "alone with save_weights",
            )
        ) from None
    described: dict[str, Any] = {"class_name": type(layer).__name__, "config": config}
    if isinstance(layer, Model):
        described["input"] = _described_input(layer)
    return described


def _described_input(model: Model) -> dict[str, Any] | None:
    """Return what a model was built for, None if it is not built."""
    if model.inputs:
        tensor = model.inputs[0]
        return {"shape": list(tensor.shape), "dtype": tensor.dtype.name}
    shape = model.built_for
    if isinstance(shape, tuple):
        return {"shape": list(shape), "dtype": model.input_dtype.name}
    return None


def made(path: Path, described: Any, custom: CustomObjects, level: int = 0) -> Layer:
    """Return the layer or model that :func:`describe` described.

    Raises
    ------
    UnknownNameError
        For a class that is neither Nervure's nor in ``custom``.
    FileFormatError
        For a description that makes no layer.
    """
    if (
        level > _MOST_LEVELS
        or not isinstance(described, dict)
        or not isinstance(described.get("class_name"), str)
        or not isinstance(described.get("config"), dict)
    ):
        raise _no_layer(path, "it is no pair of class_name and config")
    name, config = described["class_name"], described["config"]
    if name == "Sequential" and name not in custom:
        return _made_sequential(path, config, custom, level)
    class_ = layer_class(name, custom)
    try:
        layer = class_.from_config(_with_layers(path, class_, config, custom, level))
        if isinstance(layer, Model):
            _build(layer, described.get("input"))
    except (FileFormatError, UnknownNameError):
        raise
    except (
        NervureError,
        TypeError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
    ) as error:
        raise _no_layer(path, f"{name} does not accept it: {error}") from error
    if not isinstance(layer, Layer):
        raise _no_layer(path, f"{name} makes a {type(layer).__name__}")
    return layer


def _made_sequential(
    path: Path, config: dict[str, Any], custom: CustomObjects, level: int
) -> Sequential:
    try:
        listed, given_input = config["layers"], config["input"]
        model = Sequential(
            name=config["name"], trainable=config["trainable"], dtype=config["dtype"]
        )
        if given_input is not None:
            shape = as_partial_shape(given_input["shape"])
            model.add(Input(batch_shape=shape, dtype=given_input["dtype"]))
        if not isinstance(listed, list):
            raise TypeError("its layers are no list")
        for one in listed:
            model.add(made(path, one, custom, level + 1))
    except (FileFormatError, UnknownNameError):
        raise
    except (NervureError, TypeError, ValueError, KeyError) as error:
        raise _no_layer(path, f"Sequential does not accept it: {error}") from error
    return model


def _with_layers(
    path: Path, class_: type, config: dict[str, Any], custom: CustomObjects, level: int
) -> dict[str, Any]:
    """Return a configuration whose descriptions of layers are layers.

    A class with a ``from_config`` of its own is given plain data.
    """
    if class_.from_config.__func__ is not Layer.from_config.__func__:  # type: ignore[attr-defined]
        return dict(config)
    return {
        key: made(path, value, custom, level + 1)
        if _describes_layer(value, custom)
        else value
        for key, value in config.items()
    }


def _describes_layer(value: Any, custom: CustomObjects) -> bool:
    if not isinstance(value, dict) or not {"class_name", "config"} <= set(value):
        return False
    found = _known_classes(custom).get(value["class_name"])
    return isinstance(found, type) and issubclass(found, Layer)


def _build(model: Model, given: Any) -> None:
    """Create the weights of a model whose layers nobody knows yet, by a call."""
    if given is not None and not model.weights:
        shape = as_partial_shape(given["shape"])
        model(Input(batch_shape=shape, dtype=given["dtype"]))


def _known_classes(custom: CustomObjects) -> dict[str, Any]:
    known: dict[str, Any] = {
        name: getattr(all_layers, name) for name in all_layers.__all__
    }
    return {**known, "Sequential": Sequential, **custom}


def layer_class(name: str, custom: CustomObjects) -> type[Layer]:
    """Return the class of a layer or model by its name."""
    known = _known_classes(custom)
    found = known.get(name)
    if isinstance(found, type) and issubclass(found, Layer):
        return found
    near = nearest_names(name, known)
    also = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
    raise UnknownNameError(
        explain(
            f"the file has a layer of the class {name!r}, which is not known{also}",
            fix=f"pass custom_objects={{{name!r}: ...}} with the class",
        )
    )


def _no_layer(path: Path, reason: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{str(path)!r} describes a layer that cannot be made: {reason}",
            fix="write it again with the version of nervure that made it",
        )
    )
