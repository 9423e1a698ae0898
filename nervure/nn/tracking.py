"""Which variables and layers belong to a layer: those that its attributes hold.

Nothing is recorded when an attribute is set.  The attributes are looked through when
somebody asks, so appending to a list of layers, replacing or deleting one just works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def held(owner: object, kind: type[T]) -> list[T]:
    """Return the objects of a kind in the attributes of ``owner``, each once.

    They come in the order in which the attributes were first set; lists, tuples and
    dictionaries are looked into.
    """
    found: dict[int, T] = {}
    for value in vars(owner).values():
        if isinstance(value, kind):
            found.setdefault(id(value), value)
        elif isinstance(value, list | tuple | dict):
            for one in _objects(value):
                if isinstance(one, kind):
                    found.setdefault(id(one), one)
    return list(found.values())


def _objects(value: Any) -> Iterator[Any]:
    """Yield a value, or what nested lists, tuples and dictionaries hold."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _objects(one)
    else:
        yield value


def unique(objects: Iterable[T]) -> list[T]:
    """Return the objects without repetitions, told apart by identity."""
    return list({id(one): one for one in objects}.values())
