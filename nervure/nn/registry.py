"""Classes and functions of users under names that files may use.

A file never makes Nervure import or run anything: it holds names, and a name means
something only when a program has said so, by :func:`register_keras_serializable`, by a
:class:`CustomObjectScope`, or by an argument ``custom_objects``.  The only modules that
a name can bring in are Nervure's own of the table ``PROVIDED``.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from nervure.errors import ArgumentError, explain

Thing = TypeVar("Thing")

# Layers and models of parts that are imported only when they are used: the name in
# files, and the module that registers it.
PROVIDED: Final[Mapping[str, str]] = {
    "nervure>AdversarialTraining": "nervure.adversarial.hardening",
    "nervure>ClassToken": "nervure.pretrained.architectures.vision_transformer",
    "nervure>PartlyConnectedConv2D": "nervure.pretrained.architectures.lenet",
    "nervure>PositionEmbedding": "nervure.pretrained.architectures.vision_transformer",
    "nervure>ScaledTanh": "nervure.pretrained.architectures.lenet",
    "nervure.importers.onnx>OnnxGraphLayer": "nervure.importers.onnx.model",
}

_by_name: Final[dict[str, Any]] = {}
_names: Final[dict[Any, str]] = {}
_global: Final[dict[str, Any]] = {}
_scopes: ContextVar[tuple[Mapping[str, Any], ...]] = ContextVar(
    "nervure_custom_objects", default=()
)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Thing], Thing]:
    """Return a decorator that gives a class or function a name for files.

    Parameters
    ----------
    package, name
        The name is ``package>name``; that of the class by default.

    Raises
    ------
    ArgumentError
        For a class without ``get_config``, and for a name that another thing has.

    >>> import nervure as nv
    >>> @nv.utils.register_keras_serializable("mine")
    ... class Double(nv.layers.Layer):
    ...     def call(self, inputs):
    ...         return inputs * 2.0
    >>> nv.utils.get_registered_name(Double)
    'mine>Double'
    """

    def register(thing: Thing) -> Thing:
        own = name or getattr(thing, "__name__", repr(thing))
        full = f"{package}>{own}"
        if inspect.isclass(thing) and not hasattr(thing, "get_config"):
            raise ArgumentError(
                explain(
                    f"the class {own!r} cannot be registered: it has no get_config()",
                    fix="define get_config(), which returns the constructor's "
                    "arguments as plain data",
                )
            )
        before = _by_name.get(full)
        # A notebook's cell that runs again defines the same class again.
        if before is not None and not _same_place(before, thing):
            raise ArgumentError(
                explain(
                    f"the name {full!r} is taken by {before!r}",
                    fix="pass another package or name",
                )
            )
        _by_name[full] = thing
        _names[thing] = full
        return thing

    return register


def _same_place(one: Any, other: Any) -> bool:
    return (getattr(one, "__module__", None), getattr(one, "__qualname__", None)) == (
        getattr(other, "__module__", None),
        getattr(other, "__qualname__", None),
    )


def get_registered_name(obj: Any) -> str:
    """Return the name of a class or function: as registered, or its own.

    >>> import nervure as nv
    >>> nv.utils.get_registered_name(nv.layers.Dense)
    'Dense'
    """
    try:
        return _names.get(obj) or str(obj.__name__)
    except TypeError:  # not hashable
        return str(obj.__name__)


def is_registered(obj: Any) -> bool:
    """Tell whether a class or function has a name of its own for files."""
    try:
        return obj in _names
    except TypeError:
        return False


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return what a name means, or None.

    Looked at in turn: ``custom_objects``, the scopes that are open, the dict of
    :func:`get_custom_objects`, what was registered, what Nervure's own modules register
    once they are imported.  ``package>name`` may also be given in a dict as ``name``
    alone.

    >>> import nervure as nv
    >>> nv.utils.get_registered_object("anything") is None
    True
    """
    short = name.rpartition(">")[2]
    for known in (custom_objects or {}, *reversed(_scopes.get()), _global):
        for spelling in (name, short):
            if spelling in known:
                return known[spelling]
    if name not in _by_name and name in PROVIDED:
        importlib.import_module(PROVIDED[name])
    return _by_name.get(name)


def get_custom_objects() -> dict[str, Any]:
    """Return the dict of names for the whole process; entries may be added to it.

    >>> import nervure as nv
    >>> nv.utils.get_custom_objects()
    {}
    """
    return _global


def checked_objects(custom_objects: Any) -> dict[str, Any]:
    """Return ``custom_objects`` as a dict of classes and functions by name.

    Raises :class:`~nervure.errors.ArgumentError` for anything else.
    """
    given = {} if custom_objects is None else custom_objects
    if not isinstance(given, Mapping):
        raise ArgumentError(
            explain(
                f"custom_objects must be a dict from names to classes, got {given!r}",
                fix="write custom_objects={'MyLayer': MyLayer}",
            )
        )
    for name, one in given.items():
        if not isinstance(name, str) or not callable(one):
            raise ArgumentError(
                explain(
                    f"custom_objects must be a dict from names to classes, got "
                    f"{one!r} for {name!r}",
                    fix="write custom_objects={'MyLayer': MyLayer}",
                )
            )
    return dict(given)


class CustomObjectScope(contextlib.AbstractContextManager[None]):
    """Names for classes and functions, inside a ``with`` block.

    >>> import nervure as nv
    >>> class Same(nv.layers.Layer):
    ...     def call(self, inputs):
    ...         return inputs
    >>> with nv.utils.custom_object_scope({"Same": Same}):
    ...     nv.layers.deserialize({"class_name": "Same", "config": {"name": "a"}}).name
    'a'
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self._objects = checked_objects(custom_objects)

    def __enter__(self) -> None:
        self._token = _scopes.set((*_scopes.get(), self._objects))

    def __exit__(self, *_error: Any) -> None:
        _scopes.reset(self._token)


custom_object_scope = CustomObjectScope
