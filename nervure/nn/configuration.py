"""Configurations: the arguments of an object's constructor as plain data.

A class stores each argument of its ``__init__`` in an attribute of the same name; then
its configuration follows from the signature, and no class writes its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from nervure.array import Array
from nervure.errors import ArgumentError, explain, nearest_names
from nervure.nn.arguments import truth_value
from nervure.nn.lookup import function_name
from nervure.nn.registry import get_registered_name, is_registered
from nervure.state import Cell

Self = TypeVar("Self", bound="Configurable")


# What older versions of Keras called otherwise.
_RENAMED: Final = {
    "lr": "write learning_rate=..., as this argument is called now",
    "decay": "pass a schedule of nervure.optimizers.schedules as learning_rate; the "
    "decay of weights is called weight_decay",
}


class Configurable:
    """An object that can be written as plain data and made from it again."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Look at what the constructor is given before it runs.

        Raises :class:`~nervure.errors.ArgumentError` for a flag that is no truth value:
        Python would take the text "no" for True.
        """
        for name, value in _given_flags(cls, args, options):
            truth_value(name, value)
        return super().__new__(cls)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an object like this, as plain data.

        Raises :class:`TypeError` when an argument was not stored under its own name or
        is something that plain data cannot hold, such as a function of your own.
        """
        config = {}
        for name in self._config_names():
            if not hasattr(self, name):
                raise TypeError(
                    explain(
                        f"{type(self).__name__} does not keep its argument {name!r}",
                        fix=f"write self.{name} = {name} in __init__, or define "
                        "get_config",
                    )
                )
            config[name] = as_plain(
                getattr(self, name), f"{type(self).__name__}.{name}"
            )
        return config

    def _config_names(self) -> list[str]:
        """Return the names of the arguments that :meth:`get_config` writes."""
        return argument_names(type(self))

    @classmethod
    def from_config(cls: type[Self], config: Mapping[str, Any]) -> Self:
        """Make an object from what :meth:`get_config` returned."""
        require_mapping(cls, config)
        return cls(**config)


@functools.cache
def _flags(class_: type) -> Mapping[str, tuple[int | None, Any]]:
    """Return the parameters of type ``bool``: their places and their defaults.

    The place is None for those that are given by name only.
    """
    parameters = list(inspect.signature(class_.__init__).parameters.values())[1:]
    by_name = inspect.Parameter.KEYWORD_ONLY
    return {
        one.name: (None if one.kind is by_name else place, one.default)
        for place, one in enumerate(parameters)
        if one.annotation in ("bool", bool)
    }


def _given_flags(
    class_: type, args: Sequence[Any], options: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the flags among a constructor's arguments that are not their default.

    The default may be None although the type is ``bool``.
    """
    for name, (place, default) in _flags(class_).items():
        value = default
        if name in options:
            value = options[name]
        elif place is not None and place < len(args):
            value = args[place]
        if value is not default:
            yield name, value


def require_mapping(class_: type, config: Any) -> None:
    """Raise :class:`ArgumentError` for a configuration that is no dict."""
    if not isinstance(config, Mapping):
        raise ArgumentError(
            explain(
                f"{class_.__name__}.from_config expects a dict, got {config!r}",
                fix="pass what get_config() returned",
            )
        )


def argument_names(class_: type) -> list[str]:
    """Return the names of the arguments that make an object of a class."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, parameter in inspect.signature(class_).parameters.items()
        if parameter.kind not in kinds
    ]


def full_signature(
    constructor: Callable[..., Any],
    options: type,
    defaults: Mapping[str, Any] | None = None,
) -> inspect.Signature:
    """Return the signature of an ``__init__`` with its ``**options`` spelled out.

    ``options`` is the ``TypedDict`` that names them; those without an entry in
    ``defaults`` default to None.
    """
    signature = inspect.signature(constructor)
    own = [one for one in signature.parameters.values() if one.name != "self"]
    kept = [one for one in own if one.kind is not inspect.Parameter.VAR_KEYWORD]
    if len(kept) < len(own):
        known = {one.name for one in kept}
        kept += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=(defaults or {}).get(name),
                annotation=getattr(annotation, "__forward_arg__", annotation),
            )
            for name, annotation in options.__annotations__.items()
            if name not in known
        ]
    return signature.replace(parameters=kept, return_annotation=inspect.Signature.empty)


def check_option_names(class_: type, given: Mapping[str, Any], known: Any) -> None:
    """Raise :class:`TypeError` for an argument that a class does not know."""
    for name in given:
        if name not in known:
            near = nearest_names(name, [*argument_names(class_), *known])
            raise TypeError(
                explain(
                    f"{class_.__name__} got an unexpected argument {name!r}",
                    fix=_RENAMED.get(name)
                    or (
                        f"did you mean {near[0]!r}?"
                        if near
                        else "use one of " + ", ".join(argument_names(class_))
                    ),
                )
            )


def as_plain(value: Any, where: str) -> Any:
    """Return a value as plain data: numbers, text, lists and dictionaries.

    ``where`` says in a message which value could not be written.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Configurable):
        name = get_registered_name(type(value))
        own = getattr(value, "serialized_class_name", None) or name
        return {"class_name": own, "config": value.get_config()}
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, np.generic | np.ndarray | Array):
        return value.tolist()
    if isinstance(value, Cell):
        return value.numpy().tolist()
    if isinstance(value, Mapping):
        return {str(key): as_plain(one, where) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(one, where) for one in value]
    name = function_name(value) if callable(value) else None
    if name is None and is_registered(value):
        name = get_registered_name(value)
    if name is None:
        raise TypeError(
            explain(
                f"{where}: plain data cannot hold {value!r}",
                fix="register the function or class with "
                "nervure.utils.register_keras_serializable, or use one with a name",
            )
        )
    return name
