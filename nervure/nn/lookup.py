"""Finding an activation, loss, optimizer, ... by what the user wrote."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from nervure.errors import UnknownNameError, explain, unknown_name
from nervure.nn.naming import snake_case
from nervure.nn.registry import (
    get_registered_name,
    get_registered_object,
    is_registered,
)

# What a configuration that Keras wrote has besides; it is not needed here.
_FURTHER_KEYS = {"module", "registered_name", "build_config", "shared_object_id"}

Kind = TypeVar("Kind")

# The names of functions that are known by name, for writing configurations.
_function_names: dict[Callable[..., Any], str] = {}


class Registry(Generic[Kind]):
    """What can be named in one place of the interface.

    Parameters
    ----------
    kind
        What the things are called in messages: ``"activation"``.
    base
        The class of ready objects, or None when any function will do.
    """

    def __init__(self, kind: str, base: type | None = None) -> None:
        self.kind = kind
        self._base = base
        self._entries: dict[str, Any] = {}
        self._listed: list[str] = []

    def add_classes(
        self, classes: Iterable[type], aliases: Mapping[str, type] | None = None
    ) -> None:
        """Make classes known by their name, in snake case too, and by aliases."""
        for one in classes:
            self._entries[one.__name__] = one
            self._entries[one.__name__.lower()] = one
            self._entries[_spelling(one)] = one
            self._listed.append(_spelling(one))
        self._entries.update(aliases or {})

    def add_functions(
        self,
        functions: Iterable[Callable[..., Any]],
        aliases: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """Make functions known by their name and by aliases."""
        for one in functions:
            self._entries[one.__name__] = one
            self._listed.append(one.__name__)
            _function_names[one] = one.__name__
        self._entries.update(aliases or {})

    @property
    def names(self) -> list[str]:
        """The names to choose from, without those that differ in spelling only."""
        return sorted(set(self._listed))

    def find(self, name: str) -> Any:
        """Return the class or function of this name.

        Raises :class:`~nervure.errors.UnknownNameError` with the nearest names.
        """
        found = get_registered_object(name)
        if found is None:
            found = self._entries.get(name, self._entries.get(name.lower()))
        if found is None:
            raise unknown_name(self.kind, name, self.names)
        return found

    def get(self, identifier: Any) -> Kind:
        """Return the object for a name, a configuration, or an object as it is.

        Raises
        ------
        UnknownNameError
            For an unknown name, or for something that is no such object.
        """
        if isinstance(identifier, str):
            found = self.find(identifier)
            return cast("Kind", found() if inspect.isclass(found) else found)
        if isinstance(identifier, Mapping):
            return self._from_config(identifier)
        if inspect.isclass(identifier):
            raise UnknownNameError(
                explain(
                    f"expected an object for the {self.kind}, got the class "
                    f"{identifier.__name__}",
                    fix=f"call it: {identifier.__name__}()",
                )
            )
        suits = (
            callable(identifier)
            if self._base is None
            else isinstance(identifier, self._base)
        )
        if not suits:
            raise unknown_name(self.kind, identifier, self.names)
        return cast("Kind", identifier)

    def serialize(self, value: Any) -> Any:
        """Return the configuration of an object, or the name of a known function.

        Raises :class:`TypeError` for a function of the user's own.
        """
        name = _function_names.get(value) if callable(value) else None
        if name is None and is_registered(value):
            name = get_registered_name(value)
        if name is not None or value is None:
            return name
        if not hasattr(value, "get_config"):
            raise TypeError(
                explain(
                    f"the {self.kind} {value!r} has no configuration",
                    fix="write a class with get_config() for it, or register it with "
                    "nervure.utils.register_keras_serializable",
                )
            )
        class_name = get_registered_name(type(value))
        return {"class_name": class_name, "config": value.get_config()}

    def deserialize(
        self, config: Any, custom_objects: Mapping[str, Any] | None = None
    ) -> Kind:
        """Return the object for what :meth:`serialize` returned.

        ``custom_objects`` are further classes and functions by name.
        """
        name = config["class_name"] if isinstance(config, Mapping) else config
        found = (custom_objects or {}).get(name)
        if found is None:
            return self.get(config)
        if isinstance(config, Mapping):
            return cast("Kind", found.from_config(dict(config["config"])))
        return cast("Kind", found() if inspect.isclass(found) else found)

    def _from_config(self, config: Mapping[str, Any]) -> Kind:
        if set(config) - _FURTHER_KEYS != {"class_name", "config"}:
            raise UnknownNameError(
                explain(
                    f"expected the configuration of the {self.kind} with the keys "
                    f"'class_name' and 'config', got {sorted(map(str, config))}",
                    fix=f"pass what {self.kind}s.serialize returned",
                )
            )
        found = self.find(str(config["class_name"]))
        if not inspect.isclass(found) and found in _function_names:
            return cast("Kind", found)
        make = getattr(found, "from_config", None)
        if make is None:
            raise unknown_name(self.kind, config["class_name"], self.names)
        return cast("Kind", make(dict(config["config"])))


def _spelling(class_: type) -> str:
    """Return the usual spelling of a class's name: snake case, unless it says so."""
    return getattr(class_, "usual_name", None) or snake_case(class_.__name__)


def function_name(function: Callable[..., Any]) -> str | None:
    """Return the name under which a function is known, None for a user's own."""
    return _function_names.get(function)
