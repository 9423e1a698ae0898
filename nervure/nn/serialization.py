"""Layers and models as plain data, and back.

A layer is ``{"class_name": "Dense", "config": {...}}``.  Reading makes objects of known
classes only (see ``nn/registry.py``): nothing is imported or run because data name it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from nervure.errors import (
    FileFormatError,
    NervureError,
    UnknownNameError,
    explain,
    nearest_names,
)
from nervure.nn.layer import Layer
from nervure.nn.registry import (
    CustomObjectScope,
    get_registered_name,
    get_registered_object,
)

# Layers in layers in layers: more levels than this come from no model.
_MOST_LEVELS: Final = 50
_level: ContextVar[int] = ContextVar("nervure_levels", default=0)
_known: Final[dict[str, type[Layer]]] = {}


def know_classes(classes: Mapping[str, type[Layer]]) -> None:
    """Let data name classes of Nervure."""
    _known.update(classes)


def known_layer(name: str) -> type[Layer] | None:
    """Return the class of layers that a name means, or None."""
    found = get_registered_object(name) or _known.get(name)
    is_layer = inspect.isclass(found) and issubclass(found, Layer)
    return found if is_layer else None


def serialize(layer: Layer) -> dict[str, Any]:
    """Return a layer or model as plain data: its class and its arguments.

    Raises :class:`TypeError` for arguments that plain data cannot hold, such as a
    function of one's own; register it with
    :func:`nervure.utils.register_keras_serializable`.

    >>> import nervure as nv
    >>> nv.layers.serialize(nv.layers.Flatten(name="flat"))["class_name"]
    'Flatten'
    """
    return {"class_name": class_name(layer), "config": layer.get_config()}


def class_name(layer: Layer) -> str:
    """Return the name of a layer's class, as data use it."""
    own = getattr(layer, "serialized_class_name", None)
    return own if isinstance(own, str) else get_registered_name(type(layer))


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the layer or model that :func:`serialize` described.

    Parameters
    ----------
    config
        ``{"class_name": ..., "config": {...}}``.
    custom_objects
        Further classes and functions by name.

    Raises
    ------
    UnknownNameError
        For a class that is neither Nervure's nor registered nor in ``custom_objects``.
    FileFormatError
        For data that describe no layer.

    >>> import nervure as nv
    >>> config = nv.layers.serialize(nv.layers.Dense(3, name="top"))
    >>> nv.layers.deserialize(config).units
    3
    """
    if (
        not isinstance(config, dict)
        or not isinstance(config.get("class_name"), str)
        or not isinstance(config.get("config"), dict)
    ):
        raise _no_layer("it is no pair of class_name and config")
    if _level.get() >= _MOST_LEVELS:
        raise _no_layer(f"it is nested more than {_MOST_LEVELS} times")
    token = _level.set(_level.get() + 1)
    try:
        with CustomObjectScope(custom_objects):
            return _made(config["class_name"], config["config"])
    finally:
        _level.reset(token)


def _made(name: str, config: dict[str, Any]) -> Layer:
    class_ = known_layer(name)
    if class_ is None:
        near = nearest_names(name, list(_known))
        also = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
        short = name.rpartition(">")[2]
        raise UnknownNameError(
            explain(
                f"the data have a layer of the class {name!r}, which is not known"
                + also,
                fix=f"pass custom_objects={{{short!r}: {short}}} with the class, or "
                "register it with nervure.utils.register_keras_serializable",
            )
        )
    try:
        layer = class_.from_config(dict(config))
    except NervureError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise _no_layer(f"{name} does not accept it: {error}") from error
    if not isinstance(layer, Layer):
        raise _no_layer(f"{name} makes a {type(layer).__name__}")
    return layer


def revived(value: Any) -> Any:
    """Return an argument of which descriptions of layers have become layers."""
    if isinstance(value, list):
        return [revived(one) for one in value]
    is_description = isinstance(value, dict) and {"class_name", "config"} <= set(value)
    if is_description and known_layer(str(value["class_name"])) is not None:
        return deserialize(value)
    return value


def _no_layer(reason: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"the data describe a layer that cannot be made: {reason}",
            fix="write them again with nervure.layers.serialize or model.to_json",
        )
    )
