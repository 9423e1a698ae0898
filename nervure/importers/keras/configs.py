"""Keras' configurations, turned into those of Nervure.

Both have the same names for layers and their arguments.  Keras adds where a class is
imported from; that is left out, since nothing is imported because a file says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nervure.errors import (
    FileFormatError,
    UnknownNameError,
    explain,
    nearest_names,
)
from nervure.importers.keras import graph
from nervure.nn import layers as all_layers
from nervure.nn.configuration import argument_names
from nervure.nn.layer import Layer
from nervure.nn.naming import snake_case
from nervure.nn.registry import CustomObjectScope
from nervure.nn.serialization import known_layer
from nervure.ops.deferred import OPERATIONS
from nervure.train.saving.container import damaged

# Arguments of Keras that change no result, by which it computes in another way.
_WITHOUT_EFFECT: Final = frozenset(
    {
        *("implementation", "time_major", "unroll", "synchronized", "sparse"),
        *("ragged", "optional", "use_cudnn", "zero_output_for_mask"),
        *("renorm_momentum", "flash_attention", "reset_after_seed"),
    }
)
_MODELS: Final = ("Functional", "Model")
_OF_ANY_LAYER: Final = ("name", "trainable", "dtype")
_MOST_LEVELS: Final = 50


def translated(
    path: Path, config: Any, custom: Mapping[str, Any], level: int = 0
) -> dict[str, Any]:
    """Return what ``nervure.train.saving.architecture.made`` takes.

    Raises
    ------
    FileFormatError
        For code (``Lambda``), and for arguments that Nervure does not have.
    UnknownNameError
        For a class that is not known.
    """
    if level > _MOST_LEVELS or not isinstance(config, dict):
        raise damaged(path, "its configuration describes no layer")
    name, arguments = config.get("class_name"), config.get("config")
    if not isinstance(name, str):
        raise damaged(path, "its configuration has a layer without a class name")
    if name == "Sequential" and isinstance(arguments, list):
        arguments = {"layers": arguments}  # as Keras wrote it before version 2.2.3
    if not isinstance(arguments, dict):
        raise damaged(path, f"its layer {name!r} has no arguments")
    if name == "Lambda":
        raise FileFormatError(
            explain(
                f"{str(path)!r} has the layer {arguments.get('name')!r} of the class "
                "Lambda, which holds Python code; it is not read",
                fix="make the model in Python and call load_weights",
            )
        )
    if name == "Sequential" and name not in custom:
        return _sequential(path, config, arguments, custom, level)
    if name in _MODELS and name not in custom:
        return _functional(path, arguments, custom, level)
    if _is_operation(config, name, arguments):
        return _operation(path, name, arguments)
    return {
        "class_name": name,
        "config": _arguments(path, name, arguments, custom, level),
    }


def _sequential(
    path: Path,
    config: dict[str, Any],
    arguments: dict[str, Any],
    custom: Mapping[str, Any],
    level: int,
) -> dict[str, Any]:
    described = [
        translated(path, one, custom, level + 1) for one in _layers(path, arguments)
    ]
    build = config.get("build_config") or {}
    shape = arguments.get("build_input_shape") or build.get("input_shape")
    if described and shape and described[0]["class_name"] != "InputLayer":
        first = {"batch_shape": shape, "dtype": "float32"}
        described.insert(0, {"class_name": "InputLayer", "config": first})
    return {
        "class_name": "Sequential",
        "config": {**_of_model(path, arguments), "layers": described},
    }


def _functional(
    path: Path, arguments: dict[str, Any], custom: Mapping[str, Any], level: int
) -> dict[str, Any]:
    layers = []
    for one in _layers(path, arguments):
        described = translated(path, one, custom, level + 1)
        nodes = one.get("inbound_nodes")
        if not isinstance(nodes, list):
            raise damaged(path, "its graph has a layer without calls")
        name = one.get("name") or described["config"].get("name")
        calls = [graph.call(path, node) for node in nodes]
        layers.append({**described, "name": name, "inbound_nodes": calls})
    return {
        "class_name": "Functional",
        "config": {
            **_of_model(path, arguments),
            "layers": layers,
            "input_layers": graph.ends(path, arguments.get("input_layers")),
            "output_layers": graph.ends(path, arguments.get("output_layers")),
        },
    }


def _layers(path: Path, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    listed = arguments.get("layers")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise damaged(path, "its model has no list of layers")
    return listed


def _of_model(path: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": arguments.get("name"),
        "trainable": arguments.get("trainable", True),
        "dtype": _dtype(path, arguments.get("dtype", "float32")),
    }


def _is_operation(config: dict[str, Any], name: str, arguments: dict[str, Any]) -> bool:
    """Tell whether a class is a function of arrays, not the layer of the same name.

    Files of the older format do not say where a class is from; but all layers have the
    argument ``trainable``.
    """
    module = config.get("module")
    if module is not None:
        return ".ops." in str(module)
    is_layer = "trainable" in arguments or name == "InputLayer"
    return not is_layer and snake_case(name) in OPERATIONS


def _operation(path: Path, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a function of arrays that stands in a graph like a layer."""
    function = snake_case(name)
    further = {key: one for key, one in arguments.items() if key not in _OF_ANY_LAYER}
    if function not in OPERATIONS or any(one for one in further.values()):
        raise FileFormatError(
            explain(
                f"{str(path)!r} has the operation {name!r} with {further}, which "
                "Nervure does not read",
                fix="make the model in Python and call load_weights",
            )
        )
    config = {"function": function, "name": arguments.get("name")}
    return {"class_name": "Operation", "config": config}


def _arguments(
    path: Path,
    name: str,
    arguments: dict[str, Any],
    custom: Mapping[str, Any],
    level: int,
) -> dict[str, Any]:
    """Return the arguments of a layer under which Nervure knows them."""
    known = argument_names(layer_class(name, custom))
    result: dict[str, Any] = {}
    for given, value in arguments.items():
        is_old_input = name == "InputLayer" and given == "batch_input_shape"
        key = "batch_shape" if is_old_input else given
        if key == "dtype":
            result[key] = _dtype(path, value)
        elif key in known:
            result[key] = _value(path, value, custom, level + 1)
        elif value and key not in _WITHOUT_EFFECT:
            raise FileFormatError(
                explain(
                    f"{str(path)!r}: the layer {arguments.get('name')!r} of the class "
                    f"{name} has {key}={value!r}, which Nervure's {name} does not know",
                    fix="make the model in Python and call load_weights",
                )
            )
    return result


def _value(path: Path, value: Any, custom: Mapping[str, Any], level: int) -> Any:
    """Return an argument: plain data, or a layer, an initializer, a function."""
    if level > _MOST_LEVELS:
        raise damaged(path, "its configuration does not end")
    if isinstance(value, list):
        return [_value(path, one, custom, level + 1) for one in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {k: _value(path, one, custom, level + 1) for k, one in value.items()}
    name, arguments = value["class_name"], value.get("config")
    if not isinstance(name, str):
        raise damaged(path, f"it has the class name {name!r}")
    if name == "function":
        return _function(arguments, custom)
    if name == "__tuple__":
        items = value.get("items")
        return _value(path, items, custom, level + 1)
    if _is_layer(name, custom):
        return translated(path, value, custom, level + 1)
    if name in custom and hasattr(custom[name], "from_config"):
        return custom[name].from_config(arguments)
    if not isinstance(arguments, dict):
        raise damaged(path, f"its {name!r} has no arguments")
    # None stands for what an argument is by default.
    return {
        "class_name": name,
        "config": {
            key: _value(path, one, custom, level + 1)
            for key, one in arguments.items()
            if one is not None
        },
    }


def _is_layer(name: Any, custom: Mapping[str, Any]) -> bool:
    with CustomObjectScope(custom):
        return name == "Lambda" or known_layer(str(name)) is not None


def layer_class(name: str, custom: Mapping[str, Any]) -> type[Layer]:
    """Return the class of layers that a name means."""
    with CustomObjectScope(custom):
        found = known_layer(name)
    if found is None:
        near = nearest_names(name, all_layers.__all__)
        also = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
        raise UnknownNameError(
            explain(
                f"the file has a layer of the class {name!r}, which is not known{also}",
                fix=f"pass custom_objects={{{name!r}: ...}} with the class",
            )
        )
    return found


def _function(name: Any, custom: Mapping[str, Any]) -> Any:
    """Return a function that Keras names; only the caller can know it."""
    key = name.get("config") if isinstance(name, dict) else name
    found = custom.get(str(key), custom.get(str(key).rpartition(">")[2]))
    if found is None:
        raise UnknownNameError(
            explain(
                f"the file uses the function {key!r}, which is not known",
                fix=f"pass custom_objects={{{key!r}: ...}}",
            )
        )
    return found


def _dtype(path: Path, value: Any) -> Any:
    """Return a data type by name; Keras writes a policy."""
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    if not isinstance(name, str):
        raise damaged(path, f"it has the data type {value!r}")
    if name.startswith("mixed_"):
        # Computes in 16 bits; the weights are what is read, and they have 32.
        return "float32"
    return name
