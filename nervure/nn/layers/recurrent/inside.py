"""Layers and cells inside others, which a configuration writes as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nervure.errors import ArgumentError, explain


def made_from(value: Any) -> Any:
    """Return a layer, or make one from its configuration.

    Only the layers of ``nervure.layers`` are made; a configuration never names code to
    be imported.
    """
    if not isinstance(value, Mapping):
        return value
    from nervure.nn import layers

    name = value.get("class_name")
    class_ = getattr(layers, str(name), None) if name in layers.__all__ else None
    if class_ is None:
        raise ArgumentError(
            explain(
                f"a configuration names the layer {name!r}, which nervure.layers does "
                "not have",
                fix="make the object yourself and pass it",
            )
        )
    return class_.from_config(value.get("config", {}))


def copied(layer: Any, **changes: Any) -> Any:
    """Return a new layer made with the arguments of another and some changes."""
    return type(layer).from_config({**layer.get_config(), **changes})
